# SPDX-License-Identifier: GPL-3.0-or-later
"""RF Segmenter: the whole chain as one block."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pmt
from gnuradio import blocks, gr
from rfseg.bands import BandRules
from rfseg.framequeue import DEFAULT_HOLD, DEFAULT_QUEUE_DEPTH, DEFAULT_WORKERS
from rfseg.framejudge import Runnable
from rfseg.inference import DEFAULT_MODEL
from rfseg.providers import AUTO
from rfseg.sharedsession import session_opener

from .band_tagger import ITEM_SIZES, band_tagger
from .band_tracker import band_tracker
from .mask_to_bands import mask_to_bands
from .rfseg_python import keys
from .segmenter import segmenter
from .spectrogram_sink import spectrogram_sink

__all__ = ["rf_segmenter"]


class rf_segmenter(gr.hier_block2):
    """Finds the bands in an IQ stream and tags them on the samples.

    Stream in: IQ of the item type.
    Stream out: the same IQ, delayed until its bands are known; ``mask``, ``confidence`` and ``rows`` as of Segmentation
    Inference, for Segmentation Display.  Each may stay unconnected.
    Messages in: ``freq`` and ``overflow`` of the source; ``model``, a symbol: name or file of another model.
    Messages out: ``bands``, one per frame; ``tracks``, onset, updates and end of each track; ``status``; ``late``, bands
    that came after their samples had left.
    Tags: reads ``rx_time``, ``rx_rate``, ``rx_freq``; writes ``band_start`` and ``band_end``; forwards all others.
    Latency: lossless, one frame, half a segment and the inference; live, at most ``hold``.
    Threads: one for each of STFT Spectrogram Sink, Segmentation Inference, Mask to Bands, Band Tracker and Band Tagger,
    ``workers`` for inference, and in live mode one more for finding bands.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    model : str, Path or session
        Name of a model, path of its file, or a loaded one.
    frame_duration : float or None
        Wanted duration of a frame, s; None for the model's default.
    mode : str
        ``live``: samples never wait longer than ``hold``, frames are dropped if inference is too slow;
        ``lossless``: every frame is inferred, and the source waits if it must.
    item_type : str
        ``complex64``, ``int16`` or ``int8`` (complex, full scale 1, 32768 or 128).
    center_freq : float or None
        RF centre until a tag or message tells another, Hz; None where it is not known.
    settling : float
        Time after a retune or a change of the rate in which samples are not good, s: no bands are looked for
        there, and the next frame begins with the first good sample.
    infer_every : int
        One frame in so many is inferred, for hosts that are too slow for all; the first after a retune in any case.  The
        others have no bands, and their ``bands`` messages say ``skipped``.  1 for all.
    hold : float
        Live mode: longest time that a sample waits for its bands, s.
    queue_depth : int
        Live mode: frames that may wait for inference, besides those in work.
    policy : str
        Live mode: which frame a full queue gives up, ``drop_oldest`` or ``drop_newest``.
    threads : int
        Processor threads of one inference; 0 lets the backend choose.
    workers : int
        Frames that are inferred at the same time; of all blocks that share a network, two.  What runs elsewhere takes one
        after the other.
    providers : str
        What computes: ``auto``, the first that works of ``tensorrt``, ``cuda`` and ``cpu``; or one or more of these and
        ``openvino``, with commas between them.
    share : str
        A name: the blocks of a process with the same name here, the same model, threads and providers have one network,
        which takes their frames in turn.  Empty: this block has its own.
    min_bandwidth : float
        Carriers narrower than this are dropped, Hz.
    min_duration : float
        Carriers shorter than this are dropped, s.
    min_confidence : float
        Bands below this mean probability are dropped, 0 to 1.
    max_gap : float
        A pause of a carrier up to this long does not end its band, s.
    reject : float or None
        Bands below this confidence are labelled ``Unknown`` and name the class they resemble, 0 to 1; 0 for none,
        None for what the model says of each class.
    mask_dc : bool
        Whether a spike at the centre of the spectrum is the receiver's: edges, power and noise are measured without it.
    calibration : float, str, Path, sequence of (float, float), or None
        What 0 dBFS is at the receiver's input, dBm: a number; pairs of frequency (Hz) and dBm; or a CSV file of such
        lines.  Bands then have their power in dBm too.
    """

    def __init__(
        self,
        samp_rate: float,
        *,
        model: str | Path | Runnable = DEFAULT_MODEL,
        frame_duration: float | None = None,
        mode: str = "live",
        item_type: str = "complex64",
        center_freq: float | None = None,
        settling: float = 0.0,
        infer_every: int = 1,
        hold: float = DEFAULT_HOLD,
        queue_depth: int = DEFAULT_QUEUE_DEPTH,
        policy: str = "drop_oldest",
        threads: int = 1,
        workers: int = DEFAULT_WORKERS,
        providers: str = AUTO,
        share: str = "",
        min_bandwidth: float = BandRules.min_bandwidth,
        min_duration: float = BandRules.min_duration,
        min_confidence: float = BandRules.min_confidence,
        max_gap: float = BandRules.max_gap,
        reject: float | None = None,
        mask_dc: bool = BandRules.mask_dc,
        calibration: float | str | Path | Sequence[tuple[float, float]] | None = None,
    ) -> None:
        open_session = session_opener(threads=threads, providers=providers, share=share)
        session = open_session(model) if isinstance(model, (str, Path)) else model
        contract = session.contract
        spectrogram = spectrogram_sink(
            samp_rate,
            model=contract,
            frame_duration=frame_duration,
            mode=mode,
            item_type=item_type,
            center_freq=center_freq,
            settling=settling,
            infer_every=infer_every,
        )
        item_size = ITEM_SIZES[item_type]
        geometry = contract.make_geometry(samp_rate, frame_duration=frame_duration)
        outputs = [item_size, geometry.bins, geometry.bins, geometry.row_size * gr.sizeof_float]
        iq = gr.io_signature(1, 1, item_size)
        gr.hier_block2.__init__(self, "rf_segmenter", iq, gr.io_signature.makev(4, 4, outputs))
        self._segmenter = segmenter(
            samp_rate,
            model=session,
            frame_duration=frame_duration,
            mode=mode,
            queue_depth=queue_depth,
            policy=policy,
            threads=threads,
            workers=workers,
            providers=providers,
            share=share,
        )
        self._to_bands = mask_to_bands(
            samp_rate,
            model=contract,
            frame_duration=frame_duration,
            mode=mode,
            queue_depth=queue_depth,
            min_bandwidth=min_bandwidth,
            min_duration=min_duration,
            min_confidence=min_confidence,
            max_gap=max_gap,
            reject=reject,
            mask_dc=mask_dc,
            calibration=calibration,
        )
        self._tagger = band_tagger(
            samp_rate, model=contract, frame_duration=frame_duration, mode=mode, item_type=item_type, hold=hold
        )
        self._tracker = band_tracker(model=contract)
        self._spectrogram = spectrogram
        self._connect(item_size)

    def _connect(self, item_size: int) -> None:
        self.connect(self, self._spectrogram, self._segmenter)
        for port in range(3):  # mask, confidence, rows
            self.connect((self._segmenter, port), (self._to_bands, port))
            self.connect((self._segmenter, port), (self, 1 + port))
        self.connect(self, self._tagger, self)
        # An output that the user leaves unconnected would leave the tagger without a reader.
        self.connect(self._tagger, blocks.null_sink(item_size))

        own, to_own = self.message_port_register_hier_out, self.message_port_register_hier_in
        for port in (keys.BANDS, keys.TRACKS, keys.STATUS, keys.LATE):
            own(port)
        for port in (keys.FREQ, keys.OVERFLOW, keys.MODEL):
            to_own(port)
        self.msg_connect(self._to_bands, keys.BANDS, self._tracker, keys.BANDS)
        self.msg_connect(self._tracker, keys.BANDS, self._tagger, keys.BANDS)
        for port in (keys.BANDS, keys.TRACKS):
            self.msg_connect(self._tracker, port, self, port)
        self.msg_connect(self._tagger, keys.LATE, self, keys.LATE)
        # A reader of messages ends with the first of its senders: let it have one only.
        self.msg_connect(self._spectrogram, keys.STATUS, self._segmenter, "relay")
        self.msg_connect(self._segmenter, keys.STATUS, self, keys.STATUS)
        for port in (keys.FREQ, keys.OVERFLOW):
            self.msg_connect(self, port, self._spectrogram, port)
        self.msg_connect(self, keys.MODEL, self._segmenter, keys.MODEL)

    def set_model(self, model: str) -> None:
        """Load another model, by name or file; it takes over between two frames, or ``status`` says why not."""
        self._segmenter.set_model(model)

    def set_settling(self, settling: float) -> None:
        """Settling time of the retunes to come, s."""
        self._spectrogram.set_settling(settling)

    def set_infer_every(self, infer_every: int) -> None:
        """From the next frame on, infer one in so many."""
        self._spectrogram.set_infer_every(infer_every)

    def set_min_bandwidth(self, min_bandwidth: float) -> None:
        """Carriers narrower than this are dropped, Hz; from the next frame on."""
        self._to_bands.set_min_bandwidth(min_bandwidth)

    def set_min_duration(self, min_duration: float) -> None:
        """Carriers shorter than this are dropped, s; from the next frame on."""
        self._to_bands.set_min_duration(min_duration)

    def set_min_confidence(self, min_confidence: float) -> None:
        """Bands below this mean probability are dropped, 0 to 1; from the next frame on."""
        self._to_bands.set_min_confidence(min_confidence)

    def set_max_gap(self, max_gap: float) -> None:
        """A pause of a carrier up to this long does not end its band, s; from the next frame on."""
        self._to_bands.set_max_gap(max_gap)

    def set_reject(self, reject: float | None) -> None:
        """Bands below this confidence are labelled ``Unknown``; None: as the model says; from the next frame on."""
        self._to_bands.set_reject(reject)

    def set_mask_dc(self, mask_dc: bool) -> None:
        """Whether a spike at the centre is the receiver's and counts in nothing; from the next frame on."""
        self._to_bands.set_mask_dc(mask_dc)

    def set_calibration(self, calibration: float | str | Path | Sequence[tuple[float, float]] | None) -> None:
        """What 0 dBFS is in dBm, as for the constructor; from the next frame on."""
        self._to_bands.set_calibration(calibration)

    def set_center_freq(self, center_freq: float) -> None:
        """RF centre from the next sample on, Hz, as a ``freq`` message says it."""
        value = pmt.cons(pmt.intern(keys.FREQ), pmt.from_double(center_freq))
        self._spectrogram.to_basic_block()._post(pmt.intern(keys.FREQ), value)

    def samples_read(self) -> int:
        """Samples of the input that have gone into the spectrogram."""
        return self._spectrogram.nitems_read(0)

    def tracker(self) -> band_tracker:
        """Band Tracker inside, whose rules may be set."""
        return self._tracker

    def model(self) -> str:
        """Name of the model in use."""
        return self._segmenter.model()

    def frames(self) -> int:
        """Frames so far in this run."""
        return self._segmenter.frames()

    def inferred(self) -> int:
        """Frames that a model has judged and whose bands were looked for."""
        return self._segmenter.inferred() - self._to_bands.dropped() - self._to_bands.failed()

    def dropped(self) -> int:
        """Frames that a full queue gave up, before inference or after it."""
        return self._segmenter.dropped() + self._to_bands.dropped()

    def skipped(self) -> int:
        """Frames whose turn it was not."""
        return self._segmenter.skipped()

    def failed(self) -> int:
        """Frames that an error spoiled; it is logged."""
        return self._segmenter.failed() + self._to_bands.failed()

    def bands(self) -> int:
        """Bands published so far in this run."""
        return self._to_bands.bands()

    def tracks(self) -> int:
        """Tracks confirmed so far in this run."""
        return self._tracker.onsets()

    def late_bands(self) -> int:
        """Bands that came after their samples had left."""
        return self._tagger.late_bands()
