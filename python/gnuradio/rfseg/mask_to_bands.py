# SPDX-License-Identifier: GPL-3.0-or-later
"""Mask to Bands: masks in, one message of bands per frame out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import pmt
from gnuradio import gr
from rfseg.bands import BandRules
from rfseg.bands import mask_to_bands as bands_of_mask
from rfseg.bands.calibration import PowerCalibration
from rfseg.bands.noisefloor import NoiseFloor
from rfseg.contract import Contract
from rfseg.errors import BandError
from rfseg.framequeue import DEFAULT_QUEUE_DEPTH, DropPolicy, FrameWorker, LogPace, Mode, choose
from rfseg.inference import DEFAULT_MODEL
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameState

from .endings import ends_safely
from .messages import BandsMessage, FrameTag
from .rfseg_python import keys

__all__ = ["mask_to_bands"]


@dataclass(frozen=True)
class _FrameRows:
    """Mask and confidence, uint8 ``(T, F)``; power, float32 ``(T, C, F)`` in dBFS, or None; thresholds of the model."""

    mask: np.ndarray
    confidence: np.ndarray
    power: np.ndarray | None
    reject: Mapping[str, float] | None


class mask_to_bands(gr.basic_block):
    """Turns the masks of frames into labelled bands.

    Stream in: ``mask`` and ``confidence``, bytes ``[bins]``, as Segmentation Inference writes them; ``rows``
    (optional), float ``[channels * bins]`` in dBFS, from the third output of that block: with them edges are
    finer than a bin, and bands have power and SNR.
    Stream out: none.
    Messages in: none.
    Messages out: ``bands``, one per frame, also for frames that were cut, dropped or not inferred.
    Tags: reads ``rfseg_frame``.
    Latency: the frame's last row and the time that its bands take.
    Threads: lossless mode finds bands in the block's own thread, which holds up the stream; live mode in
    a worker's, and the block's own never waits for it: where bands take longer than frames, a frame
    that had a mask may go out as ``dropped``, without bands.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second of the IQ that the masks are from, Hz.
    model : str, Path or Contract
        Name or file of the model, whose contract knows the classes.
    frame_duration : float or None
        As given to STFT Spectrogram Sink, s; None for the model's default.
    mode : str
        ``live`` or ``lossless``.
    queue_depth : int
        Frames that may wait for their bands in live mode, besides the one in work.
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
        None for what the model that made the mask says of each class.
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
        model: str | Path | Contract = DEFAULT_MODEL,
        frame_duration: float | None = None,
        mode: str = "live",
        queue_depth: int = DEFAULT_QUEUE_DEPTH,
        min_bandwidth: float = BandRules.min_bandwidth,
        min_duration: float = BandRules.min_duration,
        min_confidence: float = BandRules.min_confidence,
        max_gap: float = BandRules.max_gap,
        reject: float | None = None,
        mask_dc: bool = BandRules.mask_dc,
        calibration: float | str | Path | Sequence[tuple[float, float]] | None = None,
    ) -> None:
        contract = model if isinstance(model, Contract) else load_contract(model)
        geometry = contract.make_geometry(samp_rate, frame_duration=frame_duration)
        mask_type = (np.uint8, geometry.bins)
        rows_type = (np.float32, geometry.row_size)
        gr.basic_block.__init__(
            self,
            name="mask_to_bands",
            in_sig=gr.py_io_signature(2, 3, [mask_type, mask_type, rows_type]),
            out_sig=None,
        )
        self._contract = contract
        self._geometry = geometry
        self._has_own_reject = reject is not None
        self._model_reject: Mapping[str, float] | None = None  # of the newest model, where the masks tell
        self._rules = BandRules.for_model(
            contract,
            reject=reject,
            min_bandwidth=min_bandwidth,
            min_duration=min_duration,
            min_confidence=min_confidence,
            max_gap=max_gap,
            mask_dc=mask_dc,
        )
        self.set_calibration(calibration)
        self._failure_pace = LogPace()
        self._publishing = threading.Lock()
        self._mode = choose(Mode, mode, "mode")
        self._queue_depth = queue_depth
        self._make_worker()  # refuses a depth that cannot be
        self._reset()
        self.message_port_register_out(pmt.intern(keys.BANDS))

    # -- what scripts may ask and set while the flowgraph runs

    def set_min_bandwidth(self, min_bandwidth: float) -> None:
        """Carriers narrower than this are dropped, Hz; from the next frame on."""
        self._rules = replace(self._rules, min_bandwidth=min_bandwidth)

    def set_min_duration(self, min_duration: float) -> None:
        """Carriers shorter than this are dropped, s; from the next frame on."""
        self._rules = replace(self._rules, min_duration=min_duration)

    def set_min_confidence(self, min_confidence: float) -> None:
        """Bands below this mean probability are dropped, 0 to 1; from the next frame on."""
        self._rules = replace(self._rules, min_confidence=min_confidence)

    def set_max_gap(self, max_gap: float) -> None:
        """A pause of a carrier up to this long does not end its band, s; from the next frame on."""
        self._rules = replace(self._rules, max_gap=max_gap)

    def set_reject(self, reject: float | None) -> None:
        """Bands below this confidence are labelled ``Unknown``; None: as the model says; from the next frame on."""
        self._rules = replace(self._rules, reject=BandRules.for_model(self._contract, reject=reject).reject)
        self._has_own_reject = reject is not None

    def set_mask_dc(self, mask_dc: bool) -> None:
        """Whether a spike at the centre is the receiver's and counts in nothing; from the next frame on."""
        self._rules = replace(self._rules, mask_dc=mask_dc)

    def set_calibration(self, calibration: float | str | Path | Sequence[tuple[float, float]] | None) -> None:
        """What 0 dBFS is in dBm, as for the constructor; from the next frame on."""
        self._calibration = None if calibration is None else PowerCalibration.read(calibration)

    def rules(self) -> BandRules:
        """The rules in use."""
        if self._has_own_reject or self._model_reject is None:
            return self._rules
        return replace(self._rules, reject=self._model_reject)

    def frames(self) -> int:
        """Messages published so far in this run."""
        return self._frames

    def bands(self) -> int:
        """Bands published so far in this run."""
        return self._bands

    def dropped(self) -> int:
        """Frames that had a mask and whose bands were given up."""
        return self._dropped

    def failed(self) -> int:
        """Frames whose bands could not be found; the error is logged."""
        return self._failed

    # -- what the worker calls

    def judge(self, tag: FrameTag, rows: _FrameRows) -> BandsMessage:
        """Bands of one frame."""
        self._model_reject = rows.reject
        try:
            bands = bands_of_mask(
                rows.mask,
                rows.confidence,
                None if rows.power is None else rows.power.transpose(1, 0, 2),
                frame=tag.frame,
                geometry=self._geometry,
                classes=self._contract.classes,
                rules=self.rules(),
                noise=self._noise,
                calibration=self._calibration,
                model=tag.model,
                first_id=self._next_id,
            )
        except Exception as error:  # one frame that cannot be read must not end the stream
            self._failed += 1
            if self._failure_pace.is_due():
                self.logger.error(f"no bands for frame {tag.frame.index}: {error}; {self._failed} so far")
            return BandsMessage(tag=replace(tag, state=FrameState.FAILED))
        self._next_id += len(bands)
        return BandsMessage(tag=tag, bands=tuple(bands))

    def drop(self, tag: FrameTag) -> BandsMessage:
        """A frame without bands, because there was no time for them."""
        if tag.state is FrameState.INFERRED:
            self._dropped += 1
            tag = replace(tag, state=FrameState.DROPPED)
        return BandsMessage(tag=tag)

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run."""
        self._reset()
        if self._mode is Mode.LIVE:
            self._worker = self._make_worker()
            self._worker.start()
        return True

    @ends_safely
    def stop(self) -> bool:
        """Where the stream ended without a frame marked ``last``, say so to those who hold samples."""
        if self._worker is not None:
            self._worker.stop()
        if self._newest is not None and not self._newest.tag.frame.last:
            self._publish(self._newest.ending())
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """A row on each input."""
        return [1] * ninputs

    def general_work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Take rows; publish the bands of each frame that becomes complete."""
        try:
            count = min(len(items) for items in input_items)
            taken = 0
            while taken < count:
                taken += self._take(input_items, taken, count)
            self.consume_each(taken)
            return 0
        except Exception as error:  # escaping, it would kill this thread alone and leave the flowgraph hanging
            self.logger.error(f"stops: {error}")
            return int(gr.WORK_DONE)

    def _take(self, inputs: list[np.ndarray], begin: int, end: int) -> int:
        geometry = self._geometry
        if self._tag is None:
            self._begin_frame(begin, has_rows=len(inputs) > 2)
        count = min(end - begin, geometry.rows - self._filled)
        to, of = slice(self._filled, self._filled + count), slice(begin, begin + count)
        self._rows.mask[to], self._rows.confidence[to] = inputs[0][of], inputs[1][of]
        if self._rows.power is not None:
            self._rows.power[to] = inputs[2][of].reshape(count, geometry.channels, geometry.bins)
        self._filled += count
        if self._filled == geometry.rows:
            self._end_frame()
        return count

    def _begin_frame(self, begin: int, *, has_rows: bool) -> None:
        tags = self.get_tags_in_window(0, begin, begin + 1, pmt.intern(keys.FRAME))
        if not tags:
            raise BandError(
                f"mask row {self.nitems_read(0) + begin} begins a frame but carries no tag {keys.FRAME};"
                " connect Segmentation Inference"
            )
        tag = FrameTag.from_pmt(tags[0].value)
        self._tag = replace(tag, reject=None)  # of no interest behind this block
        if self._tag.frame.sample_count != self._geometry.frame_samples:
            raise BandError(
                f"frames cover {self._tag.frame.sample_count} samples, expected {self._geometry.frame_samples};"
                " give Segmentation Inference and Mask to Bands the same sample rate, model and frame duration"
            )
        geometry = self._geometry
        shape = geometry.rows, geometry.bins
        self._rows = _FrameRows(
            mask=np.empty(shape, np.uint8),
            confidence=np.empty(shape, np.uint8),
            power=np.empty((geometry.rows, geometry.channels, geometry.bins), np.float32) if has_rows else None,
            reject=tag.reject,
        )
        self._filled = 0

    def _end_frame(self) -> None:
        tag, rows = self._tag, self._rows
        self._tag = self._rows = None
        if self._worker is None:
            self._publish(self.judge(tag, rows))
            return
        if tag.state is FrameState.INFERRED:
            self._worker.submit(tag, rows)
        else:
            self._worker.skip(tag)
        if tag.frame.last:
            self._worker.drain()  # what hangs on `bands` ends with this block
        self._publish_ready()

    def _make_worker(self) -> FrameWorker:
        return FrameWorker(
            self, depth=self._queue_depth, policy=DropPolicy.DROP_OLDEST, on_ready=self._publish_ready
        )

    def _publish_ready(self) -> None:
        """Publish what the worker has, from its thread or the block's, in the order of the frames."""
        with self._publishing:
            for message in self._worker.collect():
                self._publish(message)

    def _publish(self, message: BandsMessage) -> None:
        self._frames += 1
        self._bands += len(message.bands)
        self._newest = message
        self.message_port_pub(pmt.intern(keys.BANDS), message.to_pmt())

    def _reset(self) -> None:
        """Back to the state before the first row."""
        self._worker: FrameWorker | None = None
        self._tag: FrameTag | None = None  # of the frame being filled
        self._rows: _FrameRows | None = None
        self._filled = 0  # rows of it
        self._next_id = 0
        self._noise = NoiseFloor()
        self._frames = self._bands = self._dropped = self._failed = 0
        self._newest: BandsMessage | None = None
