# SPDX-License-Identifier: GPL-3.0-or-later
"""Occupancy Display: duty cycles and free bands on the screen."""

from __future__ import annotations

from typing import Any

import pmt
from gnuradio import gr
from rfseg.display.mailbox import Mailbox
from rfseg.display.occupancyview import OccupancyView
from rfseg.errors import BandError
from rfseg.framequeue import LogPace

from .display_options import DisplayTheme, HasPanel, check_update_rate, choose_theme
from .message_queues import LeftOver
from .occupancy_messages import occupancy_from_pmt
from .rfseg_python import keys

__all__ = ["occupancy_display"]

_DEPTH = 64  # reports that may wait to be drawn


class occupancy_display(HasPanel, gr.basic_block):
    """Shows how much of the time each piece of spectrum is in use, now and before, and which bands are free.

    Stream in: none.
    Stream out: none.
    Messages in: ``occupancy``, as Occupancy and Scan Planner write them.
    Messages out: ``freq``, a pair of ``freq`` and a number in Hz, on a double click.
    Tags: none.
    Latency: at most ``1 / update_rate``.
    Threads: the block's own never waits and lets the newest report push out what has not been drawn; the
    application's draws, at most ``update_rate`` times a second.

    Parameters
    ----------
    title : str
        Above the picture.
    history : float
        Time that the history shows, s.
    update_rate : float
        Pictures per second, Hz.
    theme : str
        ``auto`` (as the desktop is), ``dark`` or ``light``.

    Raises
    ------
    OptionError
        If a value is outside its range.
    RuntimeError
        If there is no Qt application.
    """

    def __init__(
        self,
        *,
        title: str = "",
        history: float = 60.0,
        update_rate: float = 10.0,
        theme: str = DisplayTheme.AUTO.value,
    ) -> None:
        check_update_rate(update_rate)
        gr.basic_block.__init__(self, name="occupancy_display", in_sig=None, out_sig=None)
        self._pace = LogPace()
        self._bad_messages = 0
        self._reports: Mailbox[pmt.pmt_base] = Mailbox(_DEPTH)
        self._view = OccupancyView(history=history)
        self._left_over = LeftOver(keys.OCCUPANCY)
        self.message_port_register_in(pmt.intern(keys.OCCUPANCY))
        self.message_port_register_out(pmt.intern(keys.FREQ))
        self.set_msg_handler(pmt.intern(keys.OCCUPANCY), self._on_occupancy)
        self._panel = self._make_panel(title=title, update_rate=update_rate, theme=choose_theme(theme))

    def _make_panel(self, **options: Any) -> Any:
        from .display.panel import Panel, require_application

        require_application()
        return Panel(self._view, feed=self._feed, status=self._view.status, on_freq=self._post_freq, **options)

    # -- what flowgraphs and scripts may ask and set

    def set_history(self, history: float) -> None:
        """Time that the history shows, s; what was shown is forgotten."""
        with self._view.lock:
            self._view.set_history(history)

    def set_update_rate(self, update_rate: float) -> None:
        """Pictures per second, Hz."""
        check_update_rate(update_rate)
        self._panel.set_update_rate(update_rate)

    def reports(self) -> int:
        """Reports that have come in this run."""
        return self._reports.received

    def dropped(self) -> int:
        """Reports that newer ones pushed out before they were drawn."""
        return self._reports.dropped

    def bad_messages(self) -> int:
        """Messages that made no sense in this run."""
        return self._bad_messages

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run."""
        self._left_over.forget(self)
        self._reports.clear()
        self._bad_messages = 0
        return True

    def _on_occupancy(self, message: pmt.pmt_base) -> None:
        self._reports.put(message)

    # -- what the application's thread calls

    def _feed(self, is_paused: bool) -> None:
        messages = self._reports.take()
        with self._view.lock:
            for message in messages:
                try:
                    report = occupancy_from_pmt(message)
                except BandError as error:
                    self._bad_messages += 1
                    if self._pace.is_due():
                        self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")
                    continue
                self._view.add(report)

    def _post_freq(self, freq: float) -> None:
        self.message_port_pub(pmt.intern(keys.FREQ), pmt.cons(pmt.intern(keys.FREQ), pmt.from_double(freq)))
