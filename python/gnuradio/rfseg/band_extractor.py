# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Extractor: a tagged stream in, its bands at 0 Hz out."""

from __future__ import annotations

from dataclasses import replace

from gnuradio import blocks, gr
from rfseg.errors import OptionError
from rfseg.extraction import Absence, BandExtractor, BandFollower, ExtractionRules
from rfseg.framequeue import choose

from .band_tagger import ITEM_SIZES
from .extraction_messages import PDUS
from .extractor_core import Output, extractor_core

__all__ = ["band_extractor"]

_READ_AHEAD = 1 << 17  # samples; few large pieces cost less than many small ones


class band_extractor(gr.hier_block2):
    """Takes bands out of a tagged stream: shifted to 0 Hz, filtered, at another rate, as a stream or as PDUs.

    Stream in: IQ of the item type with the tags of Band Tagger or RF Segmenter.
    Stream out: with the output ``stream``, complex64 at ``out_rate``: one band at a time, the strongest of the chosen ones.
    Messages in: none.
    Messages out: with the output ``pdus``, ``pdus``: each chosen band by itself, several where they overlap.
    Tags: reads ``band_start``, ``rx_time``, ``rx_rate``, ``rx_freq``; writes, where a band is taken up, ``rx_time``,
    ``rx_rate``, ``rx_freq`` and ``band_start``, and ``band_end`` on its last sample; forwards no others.
    Latency: stream, ``lead``, the length of the filter and four of its blocks; PDUs, the end of the band, ``max_pause`` and the
    length of the filter.
    Threads: the block's own, and one that copies samples into a large buffer.

    Parameters
    ----------
    samp_rate : float
        Of the input until a tag tells another, Hz.
    out_rate : float
        Wanted rate, Hz; a fraction of ``samp_rate`` with numbers up to 4096.
    output : str
        ``stream`` or ``pdus``.
    label : str
        Only bands that are called so, such as ``LTE``; empty for all.
    track : int or None
        Only this track; None for all.
    item_type : str
        Of the input: ``complex64``, ``int16`` or ``int8``.
    center_freq : float or None
        RF centre of the input until a tag tells another, Hz; None where it is not known.
    absence : str
        Stream while there is no band: ``zeros``, so that the count of samples tells the time, or ``gap``: nothing.
    margin : float
        The pass-band reaches so far beyond the band's edges, Hz.
    lead, tail : float
        Samples from so long before the band and until so long after it are taken too, s.
    max_pause : float
        A track that is away for no longer is followed on, s.
    min_duration, max_duration : float
        PDUs: shorter bands are left out, longer ones come in parts, s.
    max_bands : int
        PDUs: bands that are extracted at the same time.
    switch_margin : float
        Stream: a band that is stronger by more than this takes over, dB.
    """

    def __init__(
        self,
        samp_rate: float,
        out_rate: float,
        *,
        output: str = "stream",
        label: str = "",
        track: int | None = None,
        item_type: str = "complex64",
        center_freq: float | None = None,
        absence: str = "zeros",
        margin: float = ExtractionRules.margin,
        lead: float = ExtractionRules.lead,
        tail: float = ExtractionRules.tail,
        max_pause: float = ExtractionRules.max_pause,
        min_duration: float = ExtractionRules.min_duration,
        max_duration: float = ExtractionRules.max_duration,
        max_bands: int = ExtractionRules.max_bands,
        switch_margin: float = ExtractionRules.switch_margin,
    ) -> None:
        form, gap = choose(Output, output, "output"), choose(Absence, absence, "absence")
        if item_type not in ITEM_SIZES:
            raise OptionError(f"item_type={item_type!r} is unknown, expected one of {', '.join(ITEM_SIZES)}")
        self._rules = ExtractionRules(
            label=label or None,
            track=track,
            margin=margin,
            lead=lead,
            tail=tail,
            max_pause=max_pause,
            min_duration=min_duration,
            max_duration=max_duration,
            max_bands=max_bands,
            switch_margin=switch_margin,
        )

        def make_extractor() -> BandExtractor | BandFollower:
            options = {"rules": self._rules, "center_freq": center_freq}
            if form is Output.PDUS:
                return BandExtractor(samp_rate, out_rate, **options)
            return BandFollower(samp_rate, out_rate, absence=gap, **options)

        item_size = ITEM_SIZES[item_type]
        size_out = (1, 1, gr.sizeof_gr_complex) if form is Output.STREAM else (0, 0, 0)
        gr.hier_block2.__init__(self, "band_extractor", gr.io_signature(1, 1, item_size), gr.io_signature(*size_out))
        self._ahead = blocks.copy(item_size)
        self._core = extractor_core(make_extractor, item_type=item_type, output=form, source=self._ahead)
        for block in (self._ahead, self._core):
            block.set_min_output_buffer(0, _READ_AHEAD)
        self.connect(self, self._ahead, self._core)
        if form is Output.STREAM:
            self.connect(self._core, self)
        else:
            self.connect(self._core, blocks.null_sink(gr.sizeof_gr_complex))
            self.message_port_register_hier_out(PDUS)
            self.msg_connect(self._core, PDUS, self, PDUS)

    # -- what scripts may ask and set while the flowgraph runs

    def set_label(self, label: str) -> None:
        """Only bands that are called so; empty for all.  A stream leaves another band at once."""
        self._set_rules(label=label or None)

    def set_track(self, track: int | None) -> None:
        """Only this track; None for all.  A stream leaves another band at once."""
        self._set_rules(track=track)

    def set_max_pause(self, max_pause: float) -> None:
        """A track that is away for no longer is followed on, s."""
        self._set_rules(max_pause=max_pause)

    def set_min_duration(self, min_duration: float) -> None:
        """PDUs: shorter bands are left out, s."""
        self._set_rules(min_duration=min_duration)

    def set_max_duration(self, max_duration: float) -> None:
        """PDUs: longer bands come in parts, s."""
        self._set_rules(max_duration=max_duration)

    def set_max_bands(self, max_bands: int) -> None:
        """PDUs: bands that are extracted at the same time."""
        self._set_rules(max_bands=max_bands)

    def set_switch_margin(self, switch_margin: float) -> None:
        """Stream: a band that is stronger by more than this takes over, dB."""
        self._set_rules(switch_margin=switch_margin)

    def rules(self) -> ExtractionRules:
        """The rules in use."""
        return self._rules

    def bands(self) -> int:
        """Stretches of the stream or PDUs so far in this run."""
        extractor = self._core.extractor
        return extractor.excerpts if isinstance(extractor, BandExtractor) else extractor.stretches

    def left_out(self) -> dict[str, int]:
        """Bands that were chosen and not extracted in this run: reasons, and how many."""
        extractor = self._core.extractor
        reasons = dict(extractor.unfit)
        if isinstance(extractor, BandExtractor):
            reasons.update({"too_short": extractor.too_short, "too_many": extractor.too_many})
        return {reason: count for reason, count in reasons.items() if count}

    def bad_tags(self) -> int:
        """Tags that made no sense in this run."""
        return self._core.bad_tags

    def _set_rules(self, **changes: object) -> None:
        self._rules = replace(self._rules, **changes)
        self._core.extractor.rules = self._rules
