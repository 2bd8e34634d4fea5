# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmentation Inference: rows in, mask and confidence out."""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr
from rfseg.errors import BandError
from rfseg.framejudge import FrameJudge, FrameOutcome, ModelChange, ModelLoader, Runnable
from rfseg.framequeue import DEFAULT_QUEUE_DEPTH, DEFAULT_WORKERS, DropPolicy, FrameWorker, Mode, choose
from rfseg.inference import DEFAULT_MODEL
from rfseg.pipeline import FrameState
from rfseg.providers import AUTO
from rfseg.sharedsession import session_opener

from .endings import ends_safely
from .messages import FrameTag
from .rfseg_python import keys
from .segmenter_status import SegmenterStatus

__all__ = ["segmenter"]

_WAKE = "wake"  # the worker's and the loader's way into the block's thread
_RELAY = "relay"
_LONGEST_WAIT = 20e-3  # s; where there is nothing to do but to wait for the workers, and the scheduler would spin
_OUTPUT_FRAMES = 4  # that may wait for a reader that is late


class segmenter(gr.basic_block):
    """Runs a segmentation network on spectrogram rows.

    Stream in: ``rows``, float ``[channels * bins]`` in dBFS, with the tag ``rfseg_frame`` on the first row of
    each frame, as STFT Spectrogram Sink writes them.
    Stream out: ``mask`` and ``confidence``, bytes ``[bins]``; ``rows`` (optional), the rows again, in step with
    the mask; NaN where a frame was dropped or skipped or the receiver settled.
    Messages in: ``model``, a symbol: name or file of another model; ``relay``, ``status`` messages of another
    block, passed on so that their reader has one sender and outlives none.
    Messages out: ``status``.
    Tags: ``rfseg_frame`` comes out on the first mask row of the frame, with ``state``, ``model`` and ``reject``.
    Latency: lossless, one frame and its inference; live, that and at most ``queue_depth`` inferences more.
    Threads: frames are inferred in ``workers`` threads; the block's own waits for them in lossless mode, which holds up
    the source, and never in live mode.  Models are loaded in one more.

    The model is loaded and self-tested at construction, while nothing streams: what does not fit is
    refused there.  A model that takes over later must accept the same rows and have the same classes.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second of the IQ that the rows are from, Hz.
    model : str, Path or session
        Name of a model, path of its file, or a loaded one.
    frame_duration : float or None
        As given to STFT Spectrogram Sink, s; None for the model's default.
    mode : str
        ``live`` or ``lossless``.
    queue_depth : int
        Frames that may wait in live mode, besides those in work.
    policy : str
        Which frame a full queue gives up: ``drop_oldest`` or ``drop_newest``.
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
    """

    def __init__(
        self,
        samp_rate: float,
        *,
        model: str | Path | Runnable = DEFAULT_MODEL,
        frame_duration: float | None = None,
        mode: str = "live",
        queue_depth: int = DEFAULT_QUEUE_DEPTH,
        policy: str = "drop_oldest",
        threads: int = 1,
        workers: int = DEFAULT_WORKERS,
        providers: str = AUTO,
        share: str = "",
    ) -> None:
        open_session = session_opener(threads=threads, providers=providers, share=share)
        session = open_session(model) if isinstance(model, (str, Path)) else model
        geometry = session.contract.make_geometry(samp_rate, frame_duration=frame_duration)
        rows_type = (np.float32, geometry.row_size)
        mask_type = (np.uint8, geometry.bins)
        gr.basic_block.__init__(
            self,
            name="segmenter",
            in_sig=[rows_type],
            out_sig=gr.py_io_signature(2, 3, [mask_type, mask_type, rows_type]),
        )
        self._geometry = geometry
        self._mode = choose(Mode, mode, "mode")
        self._policy = choose(DropPolicy, policy, "policy")
        self._judge = FrameJudge(session, geometry)
        self._make_worker = partial(
            FrameWorker,
            self._judge,
            depth=queue_depth if self._mode is Mode.LIVE else min(queue_depth, 1),
            policy=self._policy,
            on_ready=self._wake,
            workers=workers,
        )
        self._worker = self._make_worker()
        self._loader = ModelLoader(self._judge, open_session=open_session, on_change=self._note_change)
        self._changes: deque[ModelChange] = deque()
        self._status = SegmenterStatus(self._send_status, self.logger, geometry=geometry, policy=self._policy)
        self._reset()

        self.set_tag_propagation_policy(gr.TPP_DONT)
        for port in range(3):
            self.set_min_output_buffer(port, _OUTPUT_FRAMES * geometry.rows)
        self.message_port_register_out(pmt.intern(keys.STATUS))
        for port, handler in ((keys.MODEL, self._on_model), (_RELAY, self._on_relay), (_WAKE, self._on_wake)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)

    # -- what scripts may ask and set while the flowgraph runs

    def set_model(self, model: str) -> None:
        """Load another model, by name or file; it takes over between two frames, or ``status`` says why not."""
        self._loader.request(model)

    def model(self) -> str:
        """Name of the model in use."""
        return self._judge.contract.name

    def frames(self) -> int:
        """Frames written so far in this run."""
        return self._status.frames

    def inferred(self) -> int:
        """Frames that a model has judged."""
        return self._status.counts[FrameState.INFERRED]

    def dropped(self) -> int:
        """Frames that a full queue gave up."""
        return self._status.counts[FrameState.DROPPED]

    def skipped(self) -> int:
        """Frames whose turn it was not (see ``infer_every`` of STFT Spectrogram Sink)."""
        return self._status.counts[FrameState.SKIPPED]

    def failed(self) -> int:
        """Frames on which the backend raised an error."""
        return self._status.counts[FrameState.FAILED]

    def settling(self) -> int:
        """Frames in which the receiver settled."""
        return self._status.counts[FrameState.SETTLING]

    def unsupported(self) -> int:
        """Frames at a rate that the model does not cover."""
        return self._status.counts[FrameState.UNSUPPORTED_RATE]

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run."""
        self._reset()
        self._worker = self._make_worker()
        self._worker.start()
        return True

    @ends_safely
    def stop(self) -> bool:
        """End the workers' threads; frames still in them belong to a flowgraph that was stopped."""
        lost = self._worker.stop()
        if lost:
            self.logger.debug(f"stopped with {lost} frames in work")
        return True

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """One row, or none while there is something to write."""
        return [0 if self._ready or self._worker.has_ready else 1]

    def general_work(self, input_items: list[np.ndarray], output_items: list[np.ndarray]) -> int:
        """Take rows, write what has been judged."""
        try:
            return self._work(input_items[0], output_items)
        except Exception as error:  # escaping, it would kill this thread alone and leave the flowgraph hanging
            self._status.tell_end(error)
            return int(gr.WORK_DONE)

    def _work(self, rows: np.ndarray, outputs: list[np.ndarray]) -> int:
        produced = consumed = 0
        while True:
            self._ready.extend(self._worker.collect())
            written = self._write(outputs, produced)
            taken = self._take(rows, consumed)
            produced, consumed = produced + written, consumed + taken
            if not written and not taken:
                break
        self.consume(0, consumed)
        self._status.report(model=self.model(), waiting=self._worker.waiting)
        if not produced and not consumed and self._waits_for_worker():
            self._worker.wait(_LONGEST_WAIT)
        return produced

    # -- rows in

    def _take(self, rows: np.ndarray, begin: int) -> int:
        """Copy rows from ``begin`` on into the frame that is being filled; returns how many were used up."""
        if self._holds_last:
            if self._ready or not self._worker.is_drained:
                return 0
            self._holds_last = False
            return 1
        if begin == len(rows):
            return 0
        if self._tag is None:
            self._begin_frame(begin)
        if not self._may_take():
            return 0
        geometry = self._geometry
        count = min(len(rows) - begin, geometry.rows - self._filled)
        shape = count, geometry.channels, geometry.bins
        self._rows[self._filled : self._filled + count] = rows[begin : begin + count].reshape(shape)
        self._filled += count
        if self._filled == geometry.rows:
            self._end_frame()
        # The scheduler retires a block whose input is used up: the very last row stays until all is written.
        return count - 1 if self._holds_last else count

    def _may_take(self) -> bool:
        if self._mode is Mode.LOSSLESS:
            return not (self._ready or self._worker.is_full)
        # No frame follows the last one, so there is time to let it wait for a place in the queue.
        return not (self._tag.frame.last and self._worker.is_full)

    def _waits_for_worker(self) -> bool:
        """Whether rows are there, and stay there until the workers have got on."""
        return self._holds_last or (self._tag is not None and not self._may_take())

    def _begin_frame(self, begin: int) -> None:
        tags = self.get_tags_in_window(0, begin, begin + 1, pmt.intern(keys.FRAME))
        if not tags:
            raise BandError(
                f"row {self.nitems_read(0) + begin} begins a frame but carries no tag {keys.FRAME};"
                " connect STFT Spectrogram Sink"
            )
        self._tag = FrameTag.from_pmt(tags[0].value)
        expected = self._geometry.frame_samples
        if self._tag.frame.sample_count != expected:
            raise BandError(
                f"frames cover {self._tag.frame.sample_count} samples, expected {expected}; give STFT Spectrogram"
                " Sink and Segmentation Inference the same sample rate, model and frame duration"
            )
        geometry = self._geometry
        self._rows = np.empty((geometry.rows, geometry.channels, geometry.bins), np.float32)
        self._filled = 0

    def _end_frame(self) -> None:
        tag, rows = self._tag, self._rows.transpose(1, 0, 2)  # (C, T, F)
        self._tag = self._rows = None
        self._tags.append(tag)
        if tag.frame.settling or tag.frame.skipped:
            self._worker.skip(tag.frame)
        else:
            self._worker.submit(tag.frame, rows)
        self._holds_last = tag.frame.last

    # -- masks out

    def _write(self, outputs: list[np.ndarray], begin: int) -> int:
        """Write judged rows to the outputs from ``begin`` on; returns how many."""
        written = 0
        space = len(outputs[0]) - begin
        while self._ready and written < space:
            outcome = self._ready[0]
            if self._emitted == 0:
                self._announce(outcome, self.nitems_written(0) + begin + written)
            count = min(space - written, self._geometry.rows - self._emitted)
            to = slice(begin + written, begin + written + count)
            of = slice(self._emitted, self._emitted + count)
            outputs[0][to], outputs[1][to] = outcome.mask[of], outcome.confidence[of]
            if len(outputs) > 2:
                outputs[2][to] = np.nan if outcome.rows is None else _as_items(outcome.rows[:, of])
            written += count
            self._emitted += count
            if self._emitted == self._geometry.rows:
                self._ready.popleft()
                self._emitted = 0
        return written

    def _announce(self, outcome: FrameOutcome, offset: int) -> None:
        """Tag the first row of a frame and count the frame."""
        tag = self._tags.popleft()
        value = FrameTag(
            frame=tag.frame,
            non_finite=tag.non_finite,
            state=outcome.state,
            model=outcome.model,
            reject=outcome.reject,
        )
        self.add_item_tag(0, offset, pmt.intern(keys.FRAME), value.to_pmt())
        self._status.count(outcome)
        if tag.frame.last:
            self._status.report(model=self.model(), waiting=self._worker.waiting, is_last=True)

    # -- messages

    def _on_model(self, message: pmt.pmt_base) -> None:
        if pmt.is_symbol(message) and pmt.symbol_to_string(message):
            self.set_model(pmt.symbol_to_string(message))
        else:
            self._status.refuse(keys.MODEL, message, expected="a symbol: name or file of a model")

    def _on_wake(self, message: pmt.pmt_base) -> None:
        """The scheduler calls ``forecast`` after this; here, say what became of requests for a model."""
        while self._changes:
            self._status.tell_change(self._changes.popleft())

    def _on_relay(self, message: pmt.pmt_base) -> None:
        self._send_status(message)

    def _note_change(self, change: ModelChange) -> None:
        self._changes.append(change)
        self._wake()

    def _wake(self) -> None:
        """From another thread: have the scheduler look at this block again."""
        self.to_basic_block()._post(pmt.intern(_WAKE), pmt.PMT_NIL)

    def _send_status(self, message: pmt.pmt_base) -> None:
        self.message_port_pub(pmt.intern(keys.STATUS), message)

    def _reset(self) -> None:
        """Back to the state before the first row."""
        self._tag: FrameTag | None = None  # of the frame being filled
        self._rows: np.ndarray | None = None  # (T, C, F), the frame being filled
        self._filled = 0  # rows of it
        self._tags: deque[FrameTag] = deque()  # of the frames that are complete but not announced
        self._ready: deque[FrameOutcome] = deque()  # judged, not written
        self._emitted = 0  # rows of the first of them
        self._holds_last = False  # the stream's last row is copied but not consumed
        self._status.reset()


def _as_items(rows: np.ndarray) -> np.ndarray:
    """Rows ``(C, T, F)`` as stream items ``(T, C * F)``."""
    return rows.transpose(1, 0, 2).reshape(rows.shape[1], -1)
