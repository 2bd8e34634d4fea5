"""A stream to SigMF: everything, or what lies around chosen bands."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Iterable

import numpy as np

from ..bands import Band
from ..datatype import Datatype
from ..errors import RecordingError
from ..framequeue import Mode, choose
from .archive import Archive, Piece
from .filerules import FileRules
from .stream import StreamChange, StreamFollower
from .trigger import TriggerPlan, TriggerRules
from .writequeue import WriteQueue

__all__ = ["DEFAULT_QUEUE_SECONDS", "ITEM_TYPES", "Recorder", "RecorderCounts", "Scope"]

DEFAULT_QUEUE_SECONDS = 0.5  # s; 120 MB of complex int16 at 61.44 MS/s
_BLOCK_SECONDS = 10e-3  # s of signal that are handed over at once
_BLOCK_SAMPLES = (1 << 12, 1 << 20)  # least and most of them

# What an item of a stream is: shape and type of one complex sample.
ITEM_TYPES = {"complex64": ((), np.complex64), "int16": ((2,), np.int16), "int8": ((2,), np.int8)}


class Scope(str, Enum):
    """What is recorded."""

    BANDS = "bands"  # what lies around chosen bands
    ALL = "all"  # everything


@dataclass(frozen=True, kw_only=True)
class RecorderCounts:
    """What became of the samples that were to be recorded.

    Once the recorder has stopped, ``wanted == written + dropped + refused``.

    Parameters
    ----------
    wanted, written : int
        Samples to record, and those on disk.
    dropped : int
        Samples lost because the queue was full.
    refused : int
        Samples not written because recording had stopped.
    waiting : int
        Samples in the queue.
    recordings : int
        Files finished.
    triggers, limited : int
        Bands that were worth a recording, and those of them that began none because of the rate limit.
    """

    wanted: int = 0
    written: int = 0
    dropped: int = 0
    refused: int = 0
    waiting: int = 0
    recordings: int = 0
    triggers: int = 0
    limited: int = 0


class Recorder:
    """Takes a stream with its bands, and keeps recordings in a folder.

    ``push``, ``start`` and ``stop`` belong to one thread.

    Parameters
    ----------
    folder : str or Path
        Made where it is not there.
    samp_rate : float
        Complex samples per second until the stream says otherwise, Hz.
    item_type : str
        ``complex64``, ``int16`` or ``int8``.
    center_freq : float or None
        RF centre until the stream says otherwise, Hz.
    trigger : TriggerRules or None
        Which bands begin a recording; None records everything.
    files : FileRules
    queue_seconds : float
        Signal that may wait for the disk, s.
    mode : str
        ``live``: the stream never waits, and what the disk does not take in time is lost and counted; ``lossless``: the
        stream waits.
    on_event : callable
        As for :class:`~rfseg.recording.archive.Archive`; called from the thread that writes.

    Raises
    ------
    RecordingError, OptionError
        If a value makes no sense, or the folder cannot be made.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        samp_rate: float,
        item_type: str = "complex64",
        center_freq: float | None = None,
        trigger: TriggerRules | None = None,
        files: FileRules = FileRules(),
        queue_seconds: float = DEFAULT_QUEUE_SECONDS,
        mode: str = "live",
        on_event: Callable[[str, dict[str, Any]], None] = lambda event, fields: None,
    ) -> None:
        if item_type not in ITEM_TYPES:
            raise RecordingError(f"item_type={item_type!r} is unknown, expected one of {', '.join(ITEM_TYPES)}")
        if not 0 < queue_seconds <= 3600:
            raise RecordingError(f"queue_seconds={queue_seconds!r} must be a time above 0, in s, and 3600 at most")
        self._make_follower = lambda offset: StreamFollower(samp_rate, center_freq, offset=offset)
        least, most = _BLOCK_SAMPLES
        self._block_samples = min(max(int(_BLOCK_SECONDS * samp_rate), least), most)
        self._item_shape, self._item_dtype = ITEM_TYPES[item_type]
        self._rules, self._mode = trigger, choose(Mode, mode, "mode")
        held = 0.0 if trigger is None else trigger.pre  # goes into the queue at once
        self._depth = max(int((queue_seconds + held) * samp_rate), self._block_samples)
        datatype = Datatype.from_name(item_type)
        self._archive = Archive(folder, datatype=datatype, rules=files, on_event=on_event)
        self._reset(0)

    def start(self, offset: int = 0) -> None:
        """Complete what a crash left in the folder, and begin with the sample of this absolute index.

        Raises
        ------
        RecordingError
            If the folder cannot be made.
        """
        self._archive.open()
        self._reset(offset)
        self._queue.start()

    def push(self, samples: np.ndarray, *, changes: Iterable[StreamChange] = (), bands: Iterable[Band] = ()) -> None:
        """Take the next samples of the stream, which are copied.

        Parameters
        ----------
        samples : complex64 ``(n,)``, or int16 or int8 ``(n, 2)``
        changes
            What the source says at some of them, in their order; what is told too late holds from the first of these
            samples on.
        bands
            Those that begin in them, sorted by first sample.
        """
        for change in changes:
            self._follower.follow(change, not_before=self._position + self._filled)
        samp_rate = self._follower.newest.samp_rate
        for band in bands:
            self._upcoming.append(band)
            if self._plan is not None:
                self._plan.offer(band, samp_rate, oldest=self._held_from)
        taken = 0
        while taken < len(samples):
            count = min(len(samples) - taken, len(self._block) - self._filled)
            self._block[self._filled : self._filled + count] = samples[taken : taken + count]
            self._filled += count
            taken += count
            if self._filled == len(self._block):
                self._advance()

    def stop(self) -> RecorderCounts:
        """Write what is still to be recorded, finish the recording, and end."""
        try:
            if self._filled:
                self._advance()
        finally:
            self._queue.stop()
        return self.counts()

    def drain(self) -> None:
        """Wait until the disk has taken everything that was handed over, or refused it."""
        self._queue.drain()

    def resume(self) -> None:
        """Record again, after recording has stopped because there was no room."""
        self._queue.resume()

    @property
    def is_stopped(self) -> bool:
        """Whether recording has stopped because there is no room."""
        return self._archive.is_stopped

    def counts(self) -> RecorderCounts:
        """What became of the samples so far."""
        plan = self._plan
        written, refused, waiting = self._queue.totals()
        return RecorderCounts(
            wanted=self._wanted,
            written=written,
            dropped=self._dropped,
            refused=refused,
            waiting=waiting,
            recordings=self._archive.recordings,
            triggers=0 if plan is None else plan.triggers,
            limited=0 if plan is None else plan.limited,
        )

    def _reset(self, offset: int) -> None:
        """Back to the state before the first sample."""
        self._follower = self._make_follower(offset)
        self._queue = WriteQueue(self._archive, depth=self._depth, mode=self._mode)
        self._plan = TriggerPlan(self._rules) if self._rules is not None else None
        self._position = offset  # of the stream: samples in complete blocks
        self._held: deque[tuple[int, np.ndarray]] = deque()  # complete blocks by their first sample
        self._held_from = offset  # first sample that is still held
        self._handed = offset  # samples before this have been handed over, or are not wanted
        self._upcoming: deque[Band] = deque()  # not handed over yet, sorted by first sample
        self._wanted = self._dropped = 0
        self._block, self._filled = self._make_block(), 0

    def _make_block(self) -> np.ndarray:
        return np.empty((self._block_samples, *self._item_shape), self._item_dtype)

    def _advance(self) -> None:
        """A block is complete: hand over what is to be recorded, and let go of what is not."""
        self._held.append((self._position, self._block[: self._filled]))
        self._position += self._filled
        self._block, self._filled = self._make_block(), 0
        samp_rate = self._follower.newest.samp_rate
        if self._plan is None:
            self._hand_over(self._handed, self._position)
            keep = self._position
        else:
            self._follow_plan(samp_rate)
            keep = self._position - round(self._rules.pre * samp_rate)
            if self._plan.stretches:  # what a band to come may still add to
                keep = min(keep, self._handed)
        self._let_go(keep)

    def _follow_plan(self, samp_rate: float) -> None:
        while self._plan.stretches:
            stretch = self._plan.stretches[0]
            self._hand_over(max(stretch.start, self._handed), min(stretch.stop, self._position))
            if not self._plan.take_finished(self._position, samp_rate):
                return
            self._queue.end_recording()

    def _hand_over(self, start: int, stop: int) -> None:
        """Put samples into the queue, cut where a block or a capture ends."""
        if stop <= start:
            return
        for block_start, block in self._held:
            first, last = max(start, block_start), min(stop, block_start + len(block))
            if first >= last:
                continue
            for begin, end, state in self._follower.pieces(first, last):
                samples = block[begin - block_start : end - block_start]
                bands = self._bands_in(begin, end)
                self._wanted += len(samples)
                if not self._queue.put(Piece(samples=samples, offset=begin, state=state, bands=bands)):
                    self._dropped += len(samples)
                    continue
                while self._upcoming and self._upcoming[0].sample_start < end:
                    self._upcoming.popleft()
        self._handed = stop

    def _bands_in(self, start: int, stop: int) -> tuple[Band, ...]:
        """Bands not handed over yet that have samples in ``start`` to ``stop``."""
        inside = (b for b in self._upcoming if b.sample_start < stop and b.sample_start + b.sample_count > start)
        return tuple(inside)

    def _let_go(self, before: int) -> None:
        while self._held and self._held[0][0] + len(self._held[0][1]) <= before:
            self._held.popleft()
        self._held_from = self._held[0][0] if self._held else self._position
        while self._upcoming and self._upcoming[0].sample_start + self._upcoming[0].sample_count <= self._held_from:
            self._upcoming.popleft()
        self._follower.forget(self._held_from)
