"""Frames that wait: worker threads behind a bounded queue, and how much must be able to wait where.

:class:`FrameWorker` runs a judge (such as :class:`rfseg.framejudge.FrameJudge`) in threads of its own, so that
whoever submits frames never waits.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Callable, Generic, Protocol, TypeVar

from .errors import OptionError
from .geometry import Geometry
from .providers import FRAMES_AT_ONCE

__all__ = [
    "DEFAULT_HOLD",
    "DEFAULT_QUEUE_DEPTH",
    "DEFAULT_WORKERS",
    "STOP_TIMEOUT",
    "DropPolicy",
    "FrameWorker",
    "Judge",
    "LogPace",
    "Mode",
    "choose",
    "ring_samples",
]

_log = logging.getLogger(__name__)
_Option = TypeVar("_Option", bound=Enum)
_Key = TypeVar("_Key")
_Data = TypeVar("_Data")
_Outcome = TypeVar("_Outcome")

DEFAULT_HOLD = 0.25  # s; a frame of 20 ms, what waits in the queue, and some for a busy machine
DEFAULT_QUEUE_DEPTH = 6  # frames; four rounds of inferences of 50 ms, two at a time, and a frame still fit into the hold
DEFAULT_WORKERS = FRAMES_AT_ONCE
STOP_TIMEOUT = 5.0  # s; far more than an inference takes

_LOSSLESS_RING_FRAMES = 4  # one being filled, one in work, two between the blocks


class DropPolicy(str, Enum):
    """Which frame a full queue gives up."""

    DROP_OLDEST = "drop_oldest"  # stay close to the present
    DROP_NEWEST = "drop_newest"  # finish what was begun


class Mode(str, Enum):
    """What gives way when inference is slower than the stream."""

    LIVE = "live"  # frames: the samples never wait
    LOSSLESS = "lossless"  # the source: every frame is inferred


def choose(options: type[_Option], value: str, name: str) -> _Option:
    """The member of an enumeration that ``value`` names.

    Raises
    ------
    OptionError
        If it names none; ``name`` is what the message calls the option.
    """
    try:
        return options(value)
    except ValueError:
        known = ", ".join(option.value for option in options)
        raise OptionError(f"{name}={value!r} is unknown, expected one of {known}") from None


class LogPace:
    """Says when the next line of a kind may be logged: the first at once, then one in ``interval`` s."""

    def __init__(self, interval: float = 1.0) -> None:
        self._interval = interval
        self._next = -math.inf

    def is_due(self) -> bool:
        """Whether to log now; if so, the interval begins anew."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True


class Judge(Protocol[_Key, _Data, _Outcome]):
    """What a worker runs, in several threads at once if it has several; neither method may raise."""

    def judge(self, key: _Key, data: _Data) -> _Outcome:
        """Outcome of one frame."""

    def drop(self, key: _Key) -> _Outcome:
        """Outcome of a frame that was given up."""


@dataclass(eq=False)
class _Entry(Generic[_Key, _Data, _Outcome]):
    """A submitted frame; ``data`` is gone once it is dropped or judged, ``outcome`` is set once it is judged."""

    key: _Key
    data: _Data | None
    outcome: _Outcome | None = None
    is_dropped: bool = False


class FrameWorker(Generic[_Key, _Data, _Outcome]):
    """A judge in threads of its own behind a bounded queue; outcomes keep the order of the frames.

    Submitting never waits: when ``depth`` frames wait already, one is dropped.  A dropped frame
    still has its outcome, in its place; its data are not kept, so memory stays bounded by the
    queue however slow the judge is.

    Parameters
    ----------
    judge : Judge
    depth : int
        Frames that may wait besides those in work.
    policy : DropPolicy
    on_ready : callable
        Called without arguments, from a thread of the worker's, when a frame has been judged.
    workers : int
        Threads, and so frames that are judged at the same time.
    """

    def __init__(
        self,
        judge: Judge[_Key, _Data, _Outcome],
        *,
        depth: int,
        policy: DropPolicy,
        on_ready: Callable[[], None] = lambda: None,
        workers: int = 1,
    ) -> None:
        if int(depth) != depth or depth < 1:
            raise OptionError(f"queue_depth={depth!r} must be an integer of at least 1, the frames that may wait")
        if int(workers) != workers or workers < 1:
            raise OptionError(f"workers={workers!r} must be an integer of at least 1, the frames inferred at the same time")
        self._judge = judge
        self._depth = int(depth)
        self._policy = choose(DropPolicy, policy, "policy")
        self._on_ready = on_ready
        self._changed = threading.Condition()
        self._entries: deque[_Entry[_Key, _Data, _Outcome]] = deque()  # in order, the uncollected ones
        self._waiting: deque[_Entry[_Key, _Data, _Outcome]] = deque()  # those of them that no one has begun
        self._working = 0  # frames in work
        self._stopping = False
        self._workers = int(workers)
        self._threads: list[threading.Thread] = []
        self._telling = threading.Lock()

    @property
    def waiting(self) -> int:
        """Frames in the queue, besides those in work."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next frame submitted costs one."""
        return len(self._waiting) >= self._depth

    @property
    def is_drained(self) -> bool:
        """Whether every frame submitted has been collected."""
        return not self._entries

    @property
    def has_ready(self) -> bool:
        """Whether the next outcome in order can be collected."""
        with self._changed:
            return self._is_ready()

    def start(self) -> None:
        """Begin or, after :meth:`stop`, go on with the frames that wait."""
        if self._threads:
            return
        self._stopping, self._working = False, 0
        self._threads = [
            threading.Thread(target=self._run, name="rfseg worker", daemon=True) for _ in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, key: _Key, data: _Data) -> None:
        """Queue a frame.  The data belong to the worker from now on."""
        entry = _Entry(key, data)
        with self._changed:
            self._entries.append(entry)
            self._waiting.append(entry)
            if len(self._waiting) > self._depth:
                oldest = self._policy is DropPolicy.DROP_OLDEST
                dropped = self._waiting.popleft() if oldest else self._waiting.pop()
                dropped.data = None
                dropped.is_dropped = True
            self._changed.notify_all()

    def skip(self, key: _Key) -> None:
        """Give a frame up that needs no judge; it takes no place in the queue, only in the order."""
        with self._changed:
            self._entries.append(_Entry(key, None, is_dropped=True))
            self._changed.notify_all()

    def collect(self) -> list[_Outcome]:
        """Outcomes that are there, in the order of the frames; an empty list if the next one is not."""
        collected = []
        with self._changed:
            while self._is_ready():
                entry = self._entries.popleft()
                collected.append(self._judge.drop(entry.key) if entry.is_dropped else entry.outcome)
        return collected

    def wait(self, timeout: float) -> None:
        """Wait until an outcome can be collected or the queue has moved, at most ``timeout`` s."""
        with self._changed:
            if not self._is_ready():
                self._changed.wait(timeout)

    def drain(self) -> None:
        """Wait until every frame that waits has been judged."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not (self._waiting or self._working))

    def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """End the threads after the frames in work; returns how many outcomes no one has collected.

        A thread that does not end within ``timeout`` s hangs in its judge; it is left alone, with a warning, and what it
        may still say of its frame is heard by nobody: ``on_ready`` is not called once this method has returned.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._telling:  # not while one calls on_ready
            hanging = sum(thread.is_alive() for thread in self._threads)
            self._threads = []
        if hanging:
            _log.warning("a frame has been in work for more than %g s; its thread is left alone", timeout)
        return len(self._entries)

    def _is_ready(self) -> bool:
        return bool(self._entries) and (self._entries[0].is_dropped or self._entries[0].outcome is not None)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                self._working += 1
                entry = self._waiting.popleft()
                data = entry.data
                self._changed.notify_all()
            outcome = self._judge.judge(entry.key, data)
            with self._telling:
                if threading.current_thread() not in self._threads:
                    return  # it was given up
                with self._changed:
                    entry.data = None
                    entry.outcome = outcome
                    self._working -= 1
                    self._changed.notify_all()
                self._on_ready()


def ring_samples(geometry: Geometry, *, mode: Mode, hold: float) -> int:
    """Samples that must be able to wait for their bands.

    In lossless mode the frame in work, the one being filled and what lies between the blocks; less
    than one frame and its overhang would be a deadlock.  In live mode ``hold`` seconds and a frame.
    """
    if mode is Mode.LOSSLESS:
        return _LOSSLESS_RING_FRAMES * geometry.frame_samples + geometry.overhang
    if not hold > 0:
        raise OptionError(f"hold={hold!r} must be a time above 0, in s")
    return int(hold * geometry.samp_rate) + geometry.frame_samples + geometry.overhang
