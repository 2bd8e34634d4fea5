# SPDX-License-Identifier: GPL-3.0-or-later
"""Band Feed: messages to a file, a socket or a server."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import pmt
from gnuradio import gr
from rfseg.errors import BandError, FeedError
from rfseg.feeds.delivery import DEFAULT_DEPTH, Counts
from rfseg.feeds.feed import Feed
from rfseg.feeds.messages import Message
from rfseg.framequeue import LogPace

from .endings import ends_safely
from .feed_messages import bands_of, occupancy_of, scan_of, status_of, track_of
from .message_queues import LeftOver
from .messages import event_to_pmt
from .rfseg_python import keys

__all__ = ["band_feed"]


class band_feed(gr.basic_block):
    """Sends what is found to other systems: as JSON, lines of bands, CSV, InfluxDB lines, or O-RAN lists.

    Stream in: none.
    Stream out: none.
    Messages in: ``bands``, ``status``, ``occupancy``, ``tracks``, ``scan``; connect those that the feed is to carry.
    Messages out: ``status``: when the connection is made or lost, and what was sent and lost, at most once a second and
    after the last frame.
    Tags: none.
    Latency: none beyond that of the transport.
    Threads: the block's own takes messages, another delivers them; in live mode the first never waits for the second.

    Parameters
    ----------
    destination : str
        ``file:NAME``, ``udp://HOST:PORT``, ``zeromq://HOST:PORT``, ``mqtt://HOST:PORT/TOPIC``, ``mqtts://...``,
        ``http://HOST:PORT/PATH?QUERY`` or ``https://...``; no host means loopback.
    encoding : str
        ``json`` (a message a line, as the schema says), ``bands`` (a band a line, as ``rfseg segment`` writes them),
        ``csv`` (occupancy), ``influx`` or ``oran``.
    mode : str
        What happens when more waits than the queue holds: ``live``, the oldest is given up; ``lossless``, the sender
        of the messages waits, for at most 10 s.
    queue_depth : int
        Messages that may wait.
    options : dict or None
        Options of the transport and of the encoding by name, such as ``{"qos": 2}``; docs/feeds.md lists them.
    """

    def __init__(
        self,
        destination: str,
        *,
        encoding: str = "json",
        mode: str = "live",
        queue_depth: int = DEFAULT_DEPTH,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        gr.basic_block.__init__(self, name="band_feed", in_sig=None, out_sig=None)
        self._feed = Feed(
            destination, encoding=encoding, options=options, mode=mode, queue_depth=queue_depth, on_event=self._on_event
        )
        self._bad_message_pace = LogPace()
        self._reset()
        self.message_port_register_out(pmt.intern(keys.STATUS))
        handlers = {
            keys.BANDS: self._on_bands,
            keys.STATUS: self._on_status,
            keys.OCCUPANCY: self._on_occupancy,
            keys.TRACKS: self._on_track,
            keys.SCAN: self._on_scan,
        }
        self._left_over = LeftOver(*handlers)
        for port, handler in handlers.items():
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)

    # -- what scripts may ask

    def counts(self) -> Counts:
        """What became of the messages of this run."""
        return self._feed.counts()

    def bad_messages(self) -> int:
        """Messages that made no sense, or that the encoding cannot say, in this run."""
        return self._bad_messages

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin to deliver; what the run before left in the queues is none of this one's."""
        self._left_over.forget(self)
        self._reset()
        self._feed.start()
        return True

    @ends_safely
    def stop(self) -> bool:
        """Deliver what waits, as far as the destination takes it within 5 s, and end."""
        self._feed.stop()
        self._report(is_last=True)
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        content = self._take(message, bands_of)
        if content is not None and content["last"]:  # what is said from stop() may come too late for its receivers
            self._feed.drain()
            self._report(is_last=True)

    def _on_status(self, message: pmt.pmt_base) -> None:
        self._take(message, status_of)

    def _on_occupancy(self, message: pmt.pmt_base) -> None:
        self._take(message, occupancy_of)

    def _on_track(self, message: pmt.pmt_base) -> None:
        self._take(message, track_of)

    def _on_scan(self, message: pmt.pmt_base) -> None:
        self._take(message, scan_of)

    def _take(self, message: pmt.pmt_base, convert: Callable[[pmt.pmt_base], Message]) -> Message | None:
        """Publish a message; None for one that makes no sense."""
        content = None
        try:
            content = convert(message)
            self._feed.publish(content)
        except (BandError, FeedError) as error:
            self._bad_messages += 1
            if self._bad_message_pace.is_due():
                self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")
        self._report()
        return content

    def _report(self, *, is_last: bool = False) -> None:
        """Publish the totals, at most once a second unless the stream ends."""
        if not (is_last or self._pace.is_due()):
            return
        counts = self._feed.counts()
        if counts.dropped > self._told_drops:
            self._told_drops = counts.dropped
            self.logger.warn(f"{counts.dropped} of {counts.submitted} messages to {self._feed.destination} are lost")
        totals = {
            keys.SUBMITTED: counts.submitted,
            keys.SENT: counts.sent,
            keys.DROPPED: counts.dropped,
            keys.REFUSED: counts.refused,
            keys.QUEUE_DEPTH: counts.waiting,
        }
        self._publish(keys.PROGRESS, totals)

    def _on_event(self, event: str, fields: dict[str, Any]) -> None:
        """From the thread that delivers."""
        if event != keys.CONNECTED:
            self.logger.warn(f"{self._feed.destination}: {event}: {fields[keys.REASON]}")
        self._publish(event, fields)

    def _publish(self, event: str, fields: dict[str, Any]) -> None:
        message = event_to_pmt(keys.FEED, event, {keys.DESTINATION: self._feed.destination, **fields})
        self.message_port_pub(pmt.intern(keys.STATUS), message)

    def _reset(self) -> None:
        """Back to the state before the first message."""
        self._bad_messages = self._told_drops = 0
        self._pace = LogPace()
        self._pace.is_due()  # nothing to say before the first second is over
