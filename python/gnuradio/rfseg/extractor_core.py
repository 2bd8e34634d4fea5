# SPDX-License-Identifier: GPL-3.0-or-later
"""What Band Extractor does with samples and tags, between GNU Radio's buffers and the library."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum
from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from rfseg.datatype import Datatype
from rfseg.framequeue import LogPace

from .extraction_messages import PDUS, Tag, excerpt_to_pmt, piece_tags, stream_events

__all__ = ["Output", "extractor_core"]

_LAST_WORD = 0.02  # s from the last PDU to the end: a receiver looks at its ports in turn, and might see the end first
_MOST_AT_ONCE = 1 << 16  # samples; what is made of more would only wait


class Output(str, Enum):
    """The form in which bands come out."""

    STREAM = "stream"  # one at a time
    PDUS = "pdus"  # each by itself


class extractor_core(gr.basic_block):
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
            self.extractor.reuse(excerpt)

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
