# SPDX-License-Identifier: GPL-3.0-or-later
"""Occupancy: bands in, duty cycles and free bands out."""

from __future__ import annotations

from dataclasses import replace

import pmt
from gnuradio import gr
from rfseg.errors import BandError
from rfseg.framequeue import LogPace
from rfseg.occupancy import Occupancy, OccupancyRules
from rfseg.pipeline import FrameState

from .endings import ends_safely
from .message_queues import LeftOver
from .messages import BandsMessage
from .occupancy_messages import occupancy_to_pmt
from .rfseg_python import keys

__all__ = ["occupancy"]


class occupancy(gr.basic_block):
    """Says which parts of the spectrum are used, how much of the time, and which bands are free.

    Stream in: none.
    Stream out: none.
    Messages in: ``bands``.
    Messages out: ``occupancy``, one per interval and one at the end.
    Tags: none.
    Latency: none beyond that of the bands: an interval is told when the first frame that reaches its end is.
    Threads: the block's own.

    Parameters
    ----------
    window : float
        Time that duty cycles are taken over, s.
    interval : float
        Time from one message to the next, s.
    bin_width : float
        Width of the bins that duty cycles are counted in, Hz.
    hold : float
        A bin stays occupied for this long after a band last touched it, s.
    max_duty : float
        A bin whose duty cycle exceeds this is not free, 0 to 1.
    min_width : float
        Narrower free bands are not listed, Hz.
    guard : float
        Distance that a free band keeps from whatever is not free, Hz.
    validity : float
        What is said of a bin holds for this long after it was sensed, s.
    """

    def __init__(
        self,
        *,
        window: float = OccupancyRules.window,
        interval: float = OccupancyRules.interval,
        bin_width: float = OccupancyRules.bin_width,
        hold: float = OccupancyRules.hold,
        max_duty: float = OccupancyRules.max_duty,
        min_width: float = OccupancyRules.min_width,
        guard: float = OccupancyRules.guard,
        validity: float = OccupancyRules.validity,
    ) -> None:
        gr.basic_block.__init__(self, name="occupancy", in_sig=None, out_sig=None)
        self._rules = OccupancyRules(
            window=window,
            interval=interval,
            bin_width=bin_width,
            hold=hold,
            max_duty=max_duty,
            min_width=min_width,
            guard=guard,
            validity=validity,
        )
        self._bad_message_pace = LogPace()
        self._left_over = LeftOver(keys.BANDS)
        self._reset()
        self.message_port_register_in(pmt.intern(keys.BANDS))
        self.message_port_register_out(pmt.intern(keys.OCCUPANCY))
        self.set_msg_handler(pmt.intern(keys.BANDS), self._on_bands)

    # -- what scripts may ask and set while the flowgraph runs

    def set_hold(self, hold: float) -> None:
        """A bin stays occupied for this long after a band last touched it, s; from the next message on."""
        self._set_rules(hold=hold)

    def set_max_duty(self, max_duty: float) -> None:
        """A bin whose duty cycle exceeds this is not free, 0 to 1; from the next message on."""
        self._set_rules(max_duty=max_duty)

    def set_min_width(self, min_width: float) -> None:
        """Narrower free bands are not listed, Hz; from the next message on."""
        self._set_rules(min_width=min_width)

    def set_guard(self, guard: float) -> None:
        """Distance that a free band keeps from whatever is not free, Hz; from the next message on."""
        self._set_rules(guard=guard)

    def set_validity(self, validity: float) -> None:
        """What is said of a bin holds for this long after it was sensed, s; from the next message on."""
        self._set_rules(validity=validity)

    def rules(self) -> OccupancyRules:
        """The rules in use."""
        return self._rules

    def bad_messages(self) -> int:
        """Messages that made no sense in this run."""
        return self._bad_messages

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run; what the run before left in the queue speaks of other samples."""
        self._left_over.forget(self)
        self._reset()
        return True

    @ends_safely
    def stop(self) -> bool:
        """Where the stream ended without a frame marked ``last``, tell of what came since the last message."""
        self._publish(self._occupancy.finish())
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        try:
            content = BandsMessage.from_pmt(message)
            is_inferred = content.tag.state in (None, FrameState.INFERRED) and not content.tag.frame.settling
            reports = self._occupancy.add(content.tag.frame, content.bands, is_inferred=is_inferred)
        except BandError as error:
            self._bad_messages += 1
            if self._bad_message_pace.is_due():
                self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")
            return
        self._publish(reports)

    def _publish(self, reports: list) -> None:
        for report in reports:
            self.message_port_pub(pmt.intern(keys.OCCUPANCY), occupancy_to_pmt(report))

    def _set_rules(self, **changes: float) -> None:
        self._rules = replace(self._rules, **changes)
        self._occupancy.rules = self._rules

    def _reset(self) -> None:
        """Back to the state before the first message."""
        self._occupancy = Occupancy(self._rules)
        self._bad_messages = 0
