"""Delivery: a thread that hands payloads to a transport, behind a bounded buffer.

Submitting never waits for the network.  What cannot be delivered yet waits; when the buffer is full, the oldest is
given up and counted.  After a failure the transport is opened anew, first soon, then later and later, with jitter so
that many senders do not come back at once.  At any moment ``submitted == sent + dropped + refused + waiting``.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Protocol, Sequence

import numpy as np

from ..errors import FeedError, OptionError
from ..framequeue import LogPace, Mode, choose

__all__ = ["DEFAULT_DEPTH", "Backoff", "Counts", "Delivery", "Payload", "Transport"]

_log = logging.getLogger(__name__)

DEFAULT_DEPTH = 1024  # payloads; 20 s of frames of 20 ms
_LARGEST_BATCH = 64  # payloads that may be under way at once
_PATIENCE = 10.0  # s that a lossless feed waits for room before it gives the oldest payload up
_STOP_TIMEOUT = 5.0  # s to deliver what waits at the end


@dataclass(frozen=True)
class Payload:
    """What is sent: the type of its message, which ends the topic, and the content."""

    topic: str
    content: bytes


class Transport(Protocol):
    """What carries payloads; all methods are called from one thread."""

    def open(self) -> None:
        """Begin, or begin anew.  ``OSError``: not now."""

    def send(self, batch: Sequence[Payload]) -> int:
        """Deliver the first of the batch; returns how many, at least one.

        ``OSError``: none, and the connection is lost.  ``FeedError``: the first can never be delivered.
        """

    def close(self) -> None:
        """End; harmless where nothing is open."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Pauses between attempts to connect.

    Parameters
    ----------
    first, largest : float
        The first pause and the limit of all, s; each is twice the one before.
    jitter : float
        Share of a pause that is left to chance, 0 to 1.
    """

    first: float = 0.5
    largest: float = 30.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.largest < math.inf or not 0 <= self.jitter <= 1:
            raise FeedError(
                f"first={self.first!r}, largest={self.largest!r}, jitter={self.jitter!r}:"
                " expected 0 < first <= largest, in s, and jitter from 0 to 1"
            )

    def pauses(self, rng: np.random.Generator) -> Iterator[float]:
        """The pauses, s, without end."""
        pause = self.first
        while True:
            yield pause * (1 - self.jitter * float(rng.random()))
            pause = min(2 * pause, self.largest)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the payloads of a run.

    Parameters
    ----------
    submitted : int
        Payloads taken.
    sent : int
        Delivered, as far as the transport can know.
    dropped : int
        Given up because the buffer was full, or at the end.
    refused : int
        Could never be delivered.
    waiting : int
        Not delivered yet.
    """

    submitted: int = 0
    sent: int = 0
    dropped: int = 0
    refused: int = 0
    waiting: int = 0


class Delivery:
    """The thread and its buffer.

    Parameters
    ----------
    transport : Transport
    queue_depth : int
        Payloads that may wait besides those under way.
    mode : str
        ``live``: a full buffer gives its oldest payload up at once; ``lossless``: submitting waits for room first,
        as long as 10 s.
    on_event : callable
        Called from the thread with the name of an event and its fields: ``connected``; ``disconnected`` and
        ``refused``, with the ``reason``.
    rng : Generator or None
        Chance of the jitter; None for one of its own.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        queue_depth: int = DEFAULT_DEPTH,
        mode: str = "live",
        backoff: Backoff = Backoff(),
        on_event: Callable[[str, dict[str, Any]], None] = lambda event, fields: None,
        rng: np.random.Generator | None = None,
    ) -> None:
        if int(queue_depth) != queue_depth or queue_depth < 1:
            raise OptionError(f"queue_depth={queue_depth!r} must be an integer of at least 1: payloads that may wait")
        self._transport, self._depth, self._mode = transport, int(queue_depth), choose(Mode, mode, "mode")
        self._is_patient = self._mode is Mode.LOSSLESS  # until its patience has run out, and again after progress
        self._backoff, self._on_event = backoff, on_event
        self._rng = np.random.default_rng() if rng is None else rng
        self._refusal_pace = LogPace()
        self._changed = threading.Condition()
        self._waiting: deque[Payload] = deque()
        self._under_way: list[Payload] = []
        self._submitted = self._sent = self._dropped = self._refused = 0
        self._deadline: float | None = None  # of the end, once that has been asked for
        self._thread: threading.Thread | None = None

    def counts(self) -> Counts:
        """What became of the payloads so far."""
        with self._changed:
            return Counts(
                submitted=self._submitted,
                sent=self._sent,
                dropped=self._dropped,
                refused=self._refused,
                waiting=len(self._waiting) + len(self._under_way),
            )

    def start(self) -> None:
        """Begin to deliver."""
        self._deadline = None
        self._thread = threading.Thread(target=self._run, name="rfseg feed", daemon=True)
        self._thread.start()

    def submit(self, payload: Payload) -> None:
        """Take a payload."""
        with self._changed:
            if self._is_patient:
                self._is_patient = self._changed.wait_for(
                    lambda: len(self._waiting) < self._depth or self._deadline is not None, _PATIENCE
                )
            self._submitted += 1
            self._waiting.append(payload)
            if len(self._waiting) > self._depth:
                self._waiting.popleft()
                self._dropped += 1
            self._changed.notify_all()

    def drain(self, timeout: float = _STOP_TIMEOUT) -> None:
        """Wait until everything is delivered or given up, at most ``timeout`` s."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._under_way), timeout)

    def stop(self, timeout: float = _STOP_TIMEOUT) -> Counts:
        """Deliver what waits, for at most ``timeout`` s, and end; what is left then counts as dropped."""
        with self._changed:
            self._deadline = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout + 1.0)
            if self._thread.is_alive():
                _log.warning("a feed's transport hangs; its thread is left alone")
            self._thread = None
        with self._changed:
            self._dropped += len(self._waiting) + len(self._under_way)
            self._waiting.clear()
            self._under_way.clear()
        return self.counts()

    @property
    def _is_done(self) -> bool:
        """Whether the end has been asked for and nothing is left, or its time is up."""
        is_empty = not (self._waiting or self._under_way)
        return self._deadline is not None and (is_empty or time.monotonic() >= self._deadline)

    def _run(self) -> None:
        pauses = self._backoff.pauses(self._rng)
        is_open, is_told = False, False
        while not self._is_done:
            try:
                if not is_open:
                    self._transport.open()
                    is_open, is_told = True, False
                    self._on_event("connected", {})
                if not self._take():
                    break
                self._settle(sent=self._transport.send(tuple(self._under_way)))
                pauses = self._backoff.pauses(self._rng)
            except FeedError as error:
                self._settle(refused=1)
                if self._refusal_pace.is_due():
                    self._on_event("refused", {"reason": str(error)})
            except Exception as error:  # those of the packages behind the transports share no base class
                self._transport.close()
                if not is_told:
                    self._on_event("disconnected", {"reason": str(error) or type(error).__name__})
                is_open, is_told = False, True
                self._pause(next(pauses))
        self._transport.close()

    def _take(self) -> bool:
        """Wait until there is something to send; False at the end, when nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way or self._waiting or self._deadline is not None)
            while self._waiting and len(self._under_way) < _LARGEST_BATCH:
                self._under_way.append(self._waiting.popleft())
            self._changed.notify_all()
            return bool(self._under_way)

    def _settle(self, *, sent: int = 0, refused: int = 0) -> None:
        """The first of those under way have been sent, or refused."""
        with self._changed:
            settled = self._under_way[: sent + refused]  # none, if the end has come in the meantime
            del self._under_way[: len(settled)]
            self._sent += len(settled) if sent else 0
            self._refused += len(settled) if refused else 0
            self._is_patient = self._mode is Mode.LOSSLESS
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt; the end cuts it short when its time is up."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._is_done and (left := min(until, self._deadline or until) - time.monotonic()) > 0:
                self._changed.wait(left)
