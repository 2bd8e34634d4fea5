# SPDX-License-Identifier: GPL-3.0-or-later
"""Where messages leave the flowgraph: taps for one port each, and feeds that several of them fill.

A block that only receives messages ends with the first of its senders.  A feed carries messages of several blocks that end
one after another, so it is no block: each of its taps has one sender.
"""

from __future__ import annotations

import threading
from typing import Any, Callable

import pmt
from gnuradio import gr
from rfseg.errors import BandError, FeedError
from rfseg.feeds.feed import Feed
from rfseg.feeds.messages import BANDS, OCCUPANCY, STATUS, TRACK
from rfseg.framequeue import LogPace
from rfseg.live.settings import FeedSettings

from ..feed_messages import bands_of, occupancy_of, status_of, track_of

__all__ = ["LiveFeed", "message_tap"]

_CONVERTERS = {BANDS: bands_of, STATUS: status_of, OCCUPANCY: occupancy_of, TRACK: track_of}


class message_tap(gr.basic_block):
    """Hands messages to functions.

    Stream in, stream out: none.
    Messages in: ``in``, of one sender.
    Messages out: none.
    Tags: none.
    Latency: none.
    Threads: the block's own; the functions are called in it.

    Parameters
    ----------
    receivers : list of callables
        Each gets every message, a PMT; none may raise.
    """

    def __init__(self, receivers: list[Callable[[pmt.pmt_base], None]]) -> None:
        gr.basic_block.__init__(self, name="message_tap", in_sig=None, out_sig=None)
        self._receivers = receivers
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._on_message)

    def _on_message(self, message: pmt.pmt_base) -> None:
        for receive in self._receivers:
            receive(message)


class LiveFeed:
    """A feed of messages of several blocks.

    Parameters
    ----------
    settings : FeedSettings
    mode : str
        ``live`` or ``lossless``.
    on_note : callable
        Told in a line what a user should know, such as a lost connection.
    """

    def __init__(self, settings: FeedSettings, *, mode: str, on_note: Callable[[str], None]) -> None:
        self.settings, self._on_note = settings, on_note
        self._publishing = threading.Lock()
        self._bad_pace, self._bad_messages = LogPace(), 0
        self._was_lost = False
        self._feed = Feed(
            settings.destination,
            encoding=settings.encoding,
            options=settings.options,
            mode=mode,
            queue_depth=settings.queue_depth,
            on_event=self._on_event,
        )

    def start(self) -> None:
        """Begin to deliver."""
        self._feed.start()

    def stop(self) -> None:
        """Deliver what waits, as far as the destination takes it within 5 s."""
        self._feed.stop()

    def take(self, kind: str, message: pmt.pmt_base) -> None:
        """Publish a message of a type."""
        with self._publishing:
            try:
                self._feed.publish(_CONVERTERS[kind](message))
            except (BandError, FeedError) as error:
                self._bad_messages += 1
                if self._bad_pace.is_due():
                    self._on_note(f"{self._feed.destination}: a message is left out: {error}; {self._bad_messages} so far")

    def counts(self) -> dict[str, Any]:
        """What became of the messages."""
        counts = self._feed.counts()
        return {
            "destination": self._feed.destination,
            "submitted": counts.submitted,
            "sent": counts.sent,
            "dropped": counts.dropped,
            "refused": counts.refused,
            "waiting": counts.waiting,
        }

    def _on_event(self, event: str, event_fields: dict[str, Any]) -> None:
        """From the thread that delivers."""
        if event != "connected":
            self._was_lost = True
            self._on_note(f"{self._feed.destination}: {event}: {event_fields['reason']}")
        elif self._was_lost:
            self._was_lost = False
            self._on_note(f"{self._feed.destination}: connected again")
