# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording as a source: at the pace of a clock, or as fast as its reader goes."""

from __future__ import annotations

import bisect
import threading
import time

import numpy as np
import pmt
from gnuradio import gr
from rfseg.errors import RecordingError
from rfseg.sigmf import Recording

__all__ = ["recording_source"]

_TRANSFER = 10e-3  # s; samples come in pieces, as a radio's do
_LARGEST_PIECE = 1 << 18  # samples that are read at once


class recording_source(gr.sync_block):
    """Plays a recording.

    Stream in: none.
    Stream out: complex64, full scale 1.
    Messages in, messages out: none.
    Tags: writes ``rx_freq`` and ``rx_time`` where a capture begins, as far as it says them; when the recording is repeated,
    time runs on.
    Latency: none.
    Threads: the block's own.

    Parameters
    ----------
    recording : Recording
    is_paced : bool
        Sample n is due n / rate seconds after the first, by the monotonic clock; no error adds up, and what could not be
        delivered in time is delivered as soon as possible.
    is_repeated : bool
        Whether it begins anew at its end.
    """

    def __init__(self, recording: Recording, *, is_paced: bool, is_repeated: bool) -> None:
        gr.sync_block.__init__(self, name="recording_source", in_sig=None, out_sig=[np.complex64])
        self._recording, self._is_paced, self._is_repeated = recording, is_paced, is_repeated
        self._starts = [start for start, _, _ in recording.captures]
        self._end = threading.Event()
        self._begin: float | None = None
        self.lag = 0.0  # s by which the newest samples were late
        self.error: RecordingError | None = None  # why it ended before its end

    def end(self) -> None:
        """End the stream."""
        self._end.set()

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
        for start, center_freq, rx_time in self._recording.captures[first : bisect.bisect_left(self._starts, place + count)]:
            offset = written + start - place
            if center_freq is not None:
                self.add_item_tag(0, offset, pmt.intern("rx_freq"), pmt.from_double(center_freq))
            if rx_time is not None and offset == start:  # the first time through
                value = pmt.make_tuple(pmt.from_uint64(rx_time.seconds), pmt.from_double(rx_time.fraction))
                self.add_item_tag(0, offset, pmt.intern("rx_time"), value)
