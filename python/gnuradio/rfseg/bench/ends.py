# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a flowgraph that is measured: a source that costs next to nothing, and what notes when things come out.

Notes are arrays of a few octets an entry, so that what a run of ten minutes gains in memory is the chain's.
"""

from __future__ import annotations

import sys
import threading
import time
from array import array
from collections.abc import Iterator

import numpy as np
import pmt
from gnuradio import gr

from ..rfseg_python import keys

__all__ = ["frame_log", "scene_source", "tag_log"]

_BUFFER = 50e-3  # s of samples behind the source, as rfseg live has it for radios
_TRANSFER = 2e-3  # s; samples come in pieces, as a radio's do
_FILLINGS, _MORE = 1.25, 1 << 16  # buffers and samples that are written: more than the ring holds


class scene_source(gr.sync_block):
    """Plays a scene over and over, paced by a clock or as fast as it is taken.

    Stream in: none.
    Stream out: items of the array.
    Messages in, messages out: none.
    Tags: none.
    Latency: none.
    Threads: the block's own.

    The samples are written while the output's ring is filled for the first time.  From then on they stand there, and the
    source only says that there are more: it takes no part in what is measured.

    Parameters
    ----------
    items : array
        The scene.
    samp_rate : float
        Complex samples per second, Hz.
    is_paced : bool
        Sample n comes n / samp_rate seconds after the first, by the monotonic clock; what could not be delivered in time
        follows as soon as possible.
    """

    def __init__(self, items: np.ndarray, samp_rate: float, *, is_paced: bool) -> None:
        dtype = items.dtype.type
        gr.sync_block.__init__(
            self, name="scene_source", in_sig=None, out_sig=[dtype if items.ndim == 1 else (dtype, items.shape[1])]
        )
        self._items, self._samp_rate, self._is_paced = items, samp_rate, is_paced
        buffer = int(_BUFFER * samp_rate)
        self.set_min_output_buffer(0, buffer)
        self._filled = int(_FILLINGS * buffer) + _MORE
        self._end = threading.Event()
        self.begin: float | None = None  # s of the monotonic clock at which the first paced sample was due
        self._first = 0  # its number
        self.lags = array("d")  # s by which the newest samples that could not be delivered were late

    def end(self) -> None:
        """End the stream."""
        self._end.set()

    @property
    def has_begun(self) -> bool:
        """Whether its ring is full, and its clock, if it is paced, runs."""
        return self.begin is not None if self._is_paced else self.nitems_written(0) >= self._filled

    def time_of(self, sample: int) -> float:
        """When a sample was due, s of the monotonic clock; a paced source is filled before its clock starts."""
        return self.begin + (sample - self._first) / self._samp_rate

    def work(self, input_items: list, output_items: list) -> int:
        """Say how many samples there are."""
        out, written = output_items[0], self.nitems_written(0)
        if self._end.is_set():
            return int(gr.WORK_DONE)
        if written < self._filled:
            return self._fill(out, written)
        if not self._is_paced:
            return len(out)
        if self.begin is None:
            self.begin, self._first = time.monotonic(), written
        due = self._wait(written)
        if self._end.is_set():
            return int(gr.WORK_DONE)
        count = min(due, len(out))
        self.lags.append((due - count) / self._samp_rate)
        return count

    def _fill(self, out: np.ndarray, written: int) -> int:
        place = written % len(self._items)
        count = min(len(out), len(self._items) - place, self._filled - written)
        out[:count] = self._items[place : place + count]
        return count

    def _wait(self, written: int) -> int:
        """Wait until a piece is due; how many samples are."""
        wanted = int(_TRANSFER * self._samp_rate)
        while (due := int((time.monotonic() - self.begin) * self._samp_rate) + self._first - written) < wanted:
            if self._end.wait((wanted - due) / self._samp_rate):
                break
        return due


class tag_log(gr.sync_block):
    """Notes when the first band that begins in each frame comes out of the stream.

    Stream in: IQ of the item size.
    Stream out: none.
    Messages in, messages out: none.
    Tags: reads ``band_start``.
    Latency: none.
    Threads: the block's own.

    Parameters
    ----------
    item_size, piece, frame_samples : int
        Bytes of a sample; samples that are looked through at a time, so that the interpreter is not entered every few
        thousand; samples of a frame.
    """

    def __init__(self, item_size: int, piece: int, frame_samples: int) -> None:
        gr.sync_block.__init__(self, name="tag_log", in_sig=[(np.uint8, item_size)], out_sig=None)
        self.set_output_multiple(piece)
        self._size, self._next = frame_samples, 0  # the first frame of which no band has been seen
        self._frames, self._times = array("Q"), array("d")
        self._key, self._start = pmt.intern(keys.BAND_START), pmt.intern(keys.SAMPLE_START)

    @property
    def seen(self) -> Iterator[tuple[int, float]]:
        """Sample after the frame, s of the monotonic clock."""
        return (((frame + 1) * self._size, seen) for frame, seen in zip(self._frames, self._times))

    def work(self, input_items: list, output_items: list) -> int:
        """Look for tags."""
        count = len(input_items[0])
        tags = self.get_tags_in_window(0, 0, count, self._key)
        if tags:
            now = time.monotonic()
            for tag in tags:
                start = pmt.to_uint64(pmt.dict_ref(tag.value, self._start, pmt.PMT_NIL))
                if (frame := start // self._size) >= self._next:
                    self._next = frame + 1
                    self._frames.append(frame)
                    self._times.append(now)
        return count


class frame_log(gr.basic_block):
    """Notes when the ``bands`` message of each frame arrives.

    Stream in, stream out: none.
    Messages in: ``in``.
    Messages out: none.
    Tags: none.
    Latency: none.
    Threads: the block's own.
    """

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="frame_log", in_sig=None, out_sig=None)
        self._ends, self._states, self._times = array("Q"), [], array("d")
        self._watermark, self._state = pmt.intern(keys.WATERMARK), pmt.intern(keys.STATE)
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._on_message)

    @property
    def seen(self) -> Iterator[tuple[int, str, float]]:
        """Sample after the frame, state, s of the monotonic clock."""
        return zip(self._ends, self._states, self._times)

    def _on_message(self, message: pmt.pmt_base) -> None:
        now = time.monotonic()
        watermark = pmt.to_uint64(pmt.dict_ref(message, self._watermark, pmt.PMT_NIL))
        state = pmt.symbol_to_string(pmt.dict_ref(message, self._state, pmt.PMT_NIL))
        self._ends.append(watermark)
        self._states.append(sys.intern(state))
        self._times.append(now)
