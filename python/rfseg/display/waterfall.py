"""The newest stretch of a stream as lines of equal length, whatever the frames were."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..contract import SignalClass
from ..errors import OptionError
from ..geometry import Frame, Geometry
from ..maskmerging import MaskOrder

__all__ = ["EMPTY", "NOT_INFERRED_RANK", "FrameRows", "Retune", "Waterfall", "WaterfallImage"]

MAX_LINES = 512
EMPTY = 0  # rank of a pixel of which nothing is known; the ranks of MaskOrder follow it
NOT_INFERRED_RANK = 1


@dataclass(frozen=True, kw_only=True)
class FrameRows:
    """A frame as a display takes it: mask and confidence, uint8 ``(T, F)``; power, float32 ``(T, F)``, dBFS or NaN."""

    frame: Frame
    mask: np.ndarray
    confidence: np.ndarray
    power: np.ndarray


@dataclass(frozen=True)
class Retune:
    """From the line ``number`` on, counted from the start of the stream, the centre is another (Hz, or None)."""

    number: int
    center_freq: float | None


@dataclass(frozen=True, kw_only=True)
class WaterfallImage:
    """Lines, newest first: ranks and confidence, uint8 ``(L, F)``; power, float32 ``(L, F)``, NaN where nothing is known.

    Ranks are :data:`EMPTY`, 1 for not inferred, then the classes in the order of :class:`MaskOrder`.
    """

    ranks: np.ndarray
    confidence: np.ndarray
    power: np.ndarray


class Waterfall:
    """Collects frames into lines; each line covers the same number of samples, counted from the start of the stream.

    Where rows are merged into one line, a pulse shows before a carrier, a carrier before noise, and the highest power
    counts.
    A frame that never came leaves its lines empty, so time is right in any case.

    Parameters
    ----------
    geometry : Geometry
        Of the frames.
    classes : sequence of SignalClass
        Of the model that makes the masks.
    time_span : float
        Time that is shown, s.

    Raises
    ------
    OptionError
        If the time span is not above 0.
    """

    def __init__(self, geometry: Geometry, classes: Sequence[SignalClass], *, time_span: float) -> None:
        if not (math.isfinite(time_span) and time_span > 0):
            raise OptionError(f"time_span={time_span!r} s must be above 0")
        self.geometry = geometry
        self.order = MaskOrder(classes)
        self.rows_per_line = max(1, math.ceil(time_span / (MAX_LINES * geometry.row_duration) - 1e-9))
        self.line_samples = self.rows_per_line * geometry.row_samples
        self.lines = max(2, math.ceil(time_span * geometry.samp_rate / self.line_samples - 1e-9))
        shape = self.lines, geometry.bins
        self._keys = np.zeros(shape, np.uint16)  # (rank + 1) * 256 + confidence, so that a maximum merges both
        self._power = np.full(shape, np.nan, np.float32)
        self._numbers = np.full(self.lines, -1, np.int64)  # which line is in which place
        self._retunes: deque[Retune] = deque(maxlen=self.lines)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._numbers[:] = -1
        self._retunes.clear()
        self.newest = -1  # number of the newest line
        self.watermark = 0  # sample after the newest frame

    @property
    def span_samples(self) -> int:
        """Samples that all lines cover."""
        return self.lines * self.line_samples

    def add(self, rows: FrameRows) -> None:
        """Take in a frame; one from before the newest means that the stream has begun anew."""
        frame, geometry = rows.frame, self.geometry
        if frame.sample_start < self.watermark:
            self.reset()
        valid = min(geometry.valid_rows(frame.valid_samples), len(rows.mask))
        numbers = (frame.sample_start + geometry.row_samples * np.arange(valid)) // self.line_samples
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        keys = (self.order.rank[rows.mask[:valid]].astype(np.uint16) + 1) << 8 | rows.confidence[:valid]
        keys = np.maximum.reduceat(keys, firsts, axis=0)
        power = np.fmax.reduceat(rows.power[:valid], firsts, axis=0)
        numbers = numbers[firsts][-self.lines :]
        self._store(numbers, keys[-self.lines :], power[-self.lines :])
        if not self._retunes or self._retunes[-1].center_freq != frame.center_freq:
            self._retunes.append(Retune(int(numbers[0]), frame.center_freq))
        self.newest, self.watermark = int(numbers[-1]), frame.watermark

    def _store(self, numbers: np.ndarray, keys: np.ndarray, power: np.ndarray) -> None:
        places = numbers % self.lines
        is_new = self._numbers[places] != numbers
        self._keys[places[is_new]] = 0
        self._power[places[is_new]] = np.nan
        self._numbers[places] = numbers
        self._keys[places] = np.maximum(self._keys[places], keys)
        self._power[places] = np.fmax(self._power[places], power)

    def image(self, *, height: int, width: int) -> WaterfallImage:
        """The lines, newest first, merged as far as needed to have at most that many lines and bins."""
        numbers = self.newest - np.arange(self.lines)
        places = numbers % self.lines
        is_there = ((self._numbers[places] == numbers) & (numbers >= 0))[:, None]
        keys = np.where(is_there, self._keys[places], 0)
        power = np.where(is_there, self._power[places], np.float32(np.nan))
        for axis, room in ((0, height), (1, width)):
            step = -(-keys.shape[axis] // max(room, 1))
            if step > 1:
                firsts = np.arange(0, keys.shape[axis], step)
                keys = np.maximum.reduceat(keys, firsts, axis=axis)
                power = np.fmax.reduceat(power, firsts, axis=axis)
        return WaterfallImage(
            ranks=(keys >> 8).astype(np.uint8), confidence=(keys & 255).astype(np.uint8), power=power
        )

    def retunes(self) -> list[Retune]:
        """Centres that are in view, oldest first; the first one may have begun before."""
        oldest = self.newest - self.lines + 1
        while len(self._retunes) > 1 and self._retunes[1].number <= oldest:
            self._retunes.popleft()
        return list(self._retunes)

    def center_at(self, number: int) -> float | None:
        """RF centre of a line, Hz, or None where it is not known."""
        center = None
        for retune in self._retunes:
            if retune.number <= number:
                center = retune.center_freq
        return center
