# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording Source: a recording as a stream, at the pace of a clock or as fast as its reader goes."""

from __future__ import annotations

import bisect
import threading
import time
from pathlib import Path

import numpy as np
import pmt
from gnuradio import gr
from rfseg.errors import RecordingError
from rfseg.geometry import RxTime
from rfseg.sigmf import Recording, open_recording

from .rfseg_python import keys

__all__ = ["recording_source"]

_TRANSFER = 10e-3  # s; samples come in pieces, as a radio's do
_LARGEST_PIECE = 1 << 18  # samples that are read at once


class recording_source(gr.sync_block):
    """Plays a SigMF recording with the tags of a receiver.

    Stream in: none.
    Stream out: complex64, full scale 1, whatever the recording's datatype.
    Messages in: none.
    Messages out: none.
    Tags: writes ``rx_freq`` and ``rx_time`` where a capture begins, as far as it says them; when the recording is repeated,
    time runs on.
    Latency: none.
    Threads: the block's own.

    A file that can no longer be read ends the stream; ``error`` then says why.

    Parameters
    ----------
    recording : str, Path or Recording
        SigMF; for raw IQ give what ``rfseg.sigmf.open_recording`` makes of it.
    is_paced : bool
        Sample n is due n / rate seconds after the first, by the monotonic clock; no error adds up, and what could not be
        delivered in time is delivered as soon as possible.
    is_repeated : bool
        Whether it begins anew at its end.
    rx_time : (int, float) or None
        Moment of the first sample where the recording tells none, whole seconds and fraction; None: not known.
    """

    def __init__(
        self,
        recording: str | Path | Recording,
        *,
        is_paced: bool = False,
        is_repeated: bool = False,
        rx_time: tuple[int, float] | None = None,
    ) -> None:
        if isinstance(recording, (str, Path)):
            recording = open_recording(recording)
        gr.sync_block.__init__(self, name="recording_source", in_sig=None, out_sig=[np.complex64])
        self._recording, self._is_paced, self._is_repeated = recording, is_paced, is_repeated
        self._captures = list(recording.captures)
        if rx_time is not None and self._captures[0][2] is None:
            first, center_freq, _ = self._captures[0]
            self._captures[0] = first, center_freq, RxTime(seconds=rx_time[0], fraction=rx_time[1])
        self._starts = [start for start, _, _ in self._captures]
        self._end = threading.Event()
        self._reset()

    def recording(self) -> Recording:
        """What is played."""
        return self._recording

    def end(self) -> None:
        """End the stream."""
        self._end.set()

    def start(self) -> bool:
        """Begin a run."""
        self._reset()
        return True

    def work(self, input_items: list, output_items: list) -> int:
        """Write what is due."""
        written, out = self.nitems_written(0), output_items[0]
        total = self._recording.sample_count
        place = written % total
        if self._end.is_set() or (place == 0 and written > 0 and not self._is_repeated):
            return int(gr.WORK_DONE)
        if self._begin is None:
            self._begin = time.monotonic()
        count = min(len(out), total - place, _LARGEST_PIECE)
        if self._is_paced:
            count = min(count, self._wait(written, count))
        if self._end.is_set():
            return int(gr.WORK_DONE)
        try:
            out[:count] = self._recording.read(place, count)
        except RecordingError as error:  # escaping, it would kill this thread alone and leave the flowgraph hanging
            self.error = error
            self.logger.error(f"stops: {error}")
            return int(gr.WORK_DONE)
        self._tag(written, place, count)
        return count

    def _wait(self, written: int, wanted: int) -> int:
        """Wait until a piece is due; how many samples are."""
        rate = self._recording.samp_rate
        wanted = max(1, min(wanted, int(_TRANSFER * rate)))
        while (due := int((time.monotonic() - self._begin) * rate) - written) < wanted:
            if self._end.wait((wanted - due) / rate):
                return 0
        self.lag = (due - wanted) / rate
        return due

    def _tag(self, written: int, place: int, count: int) -> None:
        first = bisect.bisect_left(self._starts, place)
        for start, center_freq, rx_time in self._captures[first : bisect.bisect_left(self._starts, place + count)]:
            offset = written + start - place
            if center_freq is not None:
                self.add_item_tag(0, offset, pmt.intern(keys.RX_FREQ), pmt.from_double(center_freq))
            if rx_time is not None and offset == start:  # the first time through
                value = pmt.make_tuple(pmt.from_uint64(rx_time.seconds), pmt.from_double(rx_time.fraction))
                self.add_item_tag(0, offset, pmt.intern(keys.RX_TIME), value)

    def _reset(self) -> None:
        """Back to the state before the first sample."""
        self._end.clear()
        self._begin: float | None = None
        self.lag = 0.0  # s by which the newest samples were late
        self.error: RecordingError | None = None  # why it ended before its end
