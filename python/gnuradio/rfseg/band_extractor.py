# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Extractor: a tagged stream in, its bands at 0 Hz out."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np
import pmt
from gnuradio import blocks, gr
from rfseg.datatype import Datatype
from rfseg.errors import OptionError
from rfseg.extraction import Absence, BandExtractor, BandFollower, ExtractionRules
from rfseg.framequeue import LogPace, choose

from .band_tagger import ITEM_SIZES
from .extraction_messages import PDUS, Tag, excerpt_to_pmt, piece_tags, stream_events
from .rfseg_python import keys

__all__ = ["Output", "band_extractor"]

_READ_AHEAD = 1 << 17  # samples; few large pieces cost less than many small ones
_LAST_WORD = 0.02  # s from the last PDU to the end: a receiver looks at its ports in turn, and might see the end first
_MOST_AT_ONCE = 1 << 16  # samples; what is made of more would only wait


class Output(str, Enum):
    """The form in which bands come out."""

    STREAM = "stream"  # one at a time
    PDUS = "pdus"  # each by itself


class _core(gr.basic_block):
    """Reads tags and samples and hands them to the library.

    Parameters
    ----------
    make_extractor : callable
        Makes the :class:`BandExtractor` or :class:`BandFollower` of a run.
    item_type : str
    output : Output
    source : gr.block
        The block whose samples come in: when it has ended, so has the stream, which a Python block cannot ask its input.
    """

    def __init__(self, make_extractor: Any, *, item_type: str, output: Output, source: Any) -> None:
        self._datatype = Datatype.from_name(item_type)
        component = self._datatype.component
        item = np.complex64 if component.kind == "f" else (component.type, 2)
        gr.basic_block.__init__(
            self,
            name="band_extractor",
            in_sig=[item],
            out_sig=[np.complex64],  # with PDUs too: a block without an output is ended before it can hand over the rest
        )
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self._make_extractor, self._source, self._output = make_extractor, source, output
        self._bad_tag_pace, self._unfit_pace = LogPace(), LogPace()
        self.reset()
        if output is Output.PDUS:
            self.message_port_register_out(pmt.intern(PDUS))

    def reset(self) -> None:
        """Back to the state before the first sample."""
        self.extractor = self._make_extractor()
        self.bad_tags = 0
        self._unfit_told = 0
        self._waiting: deque[tuple[np.ndarray, list[Tag]]] = deque()  # what there was no room for yet
        self._has_ended = self._is_finished = False
        self._source_is_done = self._find_source

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run."""
        self.reset()
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """Nothing where samples wait to go out or the stream has ended, else a sample."""
        return [0 if self._waiting or self._source_is_done() else 1] * ninputs

    def general_work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Give out what waits; if nothing does, take samples."""
        try:
            samples = input_items[0]
            if not self._waiting:
                if len(samples):
                    self._take(samples[:_MOST_AT_ONCE])
                elif self._has_ended and not self._is_finished:
                    self._is_finished = True
                    self._hand_over(self.extractor.finish())
            # Its last samples may have come since the input was looked at: the next call sees them.
            self._has_ended = self._source_is_done()
            produced = self._write(output_items[0])
            if not produced and self._is_finished and not self._waiting:
                time.sleep(_LAST_WORD if self._output is Output.PDUS else 0.0)
                return int(gr.WORK_DONE)
            return produced
        except Exception as error:  # escaping, it would kill this thread alone and leave the flowgraph hanging
            self.logger.error(f"stops: {error}")
            return int(gr.WORK_DONE)

    def _find_source(self) -> bool:
        """Whether the source has ended; from the first call on asked of what the scheduler made for this run."""
        self._source_is_done = self._source.detail().done
        return self._source_is_done()

    def _take(self, samples: np.ndarray) -> None:
        count = len(samples)
        tags = self.get_tags_in_window(0, 0, count)
        starts, changes = stream_events(tags, self._refuse) if tags else ((), ())
        iq = samples if samples.ndim == 1 else self._datatype.to_complex64(samples.reshape(-1))
        self._hand_over(self.extractor.step(iq, starts, changes))
        self.consume(0, count)
        unfit = sum(self.extractor.unfit.values())
        if unfit > self._unfit_told and self._unfit_pace.is_due():
            self.logger.warn(f"{next(reversed(self.extractor.unfit))}; {unfit} bands left out so far")
            self._unfit_told = unfit

    def _hand_over(self, results: list) -> None:
        if self._output is Output.STREAM:
            self._waiting.extend((piece.iq, piece_tags(piece)) for piece in results)
            return
        for excerpt in results:
            self.message_port_pub(pmt.intern(PDUS), excerpt_to_pmt(excerpt))

    def _write(self, out: np.ndarray) -> int:
        """Write what there is room for."""
        written = 0
        while self._waiting and written < len(out):
            iq, tags = self._waiting.popleft()
            count = min(iq.size, len(out) - written)
            out[written : written + count] = iq[:count]
            for place, key, value in tags:
                if place < count:
                    self.add_item_tag(0, self.nitems_written(0) + written + place, pmt.intern(key), value)
            if count < iq.size:
                later = [(place - count, key, value) for place, key, value in tags if place >= count]
                self._waiting.appendleft((iq[count:], later))
            written += count
        return written

    def _refuse(self, reason: str) -> None:
        self.bad_tags += 1
        if self._bad_tag_pace.is_due():
            self.logger.warn(f"a tag is ignored: {reason}; {self.bad_tags} so far")


def _enlarge_buffer(block: Any) -> None:
    """Give a block room for large pieces, without the line that GNU Radio logs of it."""
    level = block.log_level()
    block.set_log_level("warn")
    block.set_min_output_buffer(_READ_AHEAD)
    block.set_log_level(level)


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
        self._core = _core(make_extractor, item_type=item_type, output=form, source=self._ahead)
        for block in (self._ahead, self._core):
            _enlarge_buffer(block)
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
