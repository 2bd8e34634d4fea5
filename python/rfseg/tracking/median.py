"""A median of any number of values in bounded memory."""

from __future__ import annotations

import bisect
from typing import Iterable

__all__ = ["StreamingMedian", "median_of"]

_EXACT = 63  # values up to which the median is exact; odd, so that each marker is one of them
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def median_of(values: Iterable[float]) -> float:
    """The median of a few values, at least one."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


class StreamingMedian:
    """The median of all values so far: exact up to 63 of them, from there on estimated from five markers.

    Jain and Chlamtac, "The P2 algorithm for dynamic calculation of quantiles and histograms without
    storing observations", CACM 28 (1985); here the markers start on the quantiles of the first 63 values.

    Examples
    --------
    >>> median = StreamingMedian()
    >>> for value in (5.0, 1.0, 2.0):
    ...     median.add(value)
    >>> median.value
    2.0
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: list[float] = []  # sorted, while exact
        self._heights: list[float] = []
        self._places: list[int] = []

    @property
    def value(self) -> float | None:
        """The median; None without values."""
        if self._heights:
            return self._heights[2]
        return median_of(self._first) if self._first else None

    def add(self, value: float) -> None:
        """Count a value in."""
        self.count += 1
        if self._heights:
            self._move(value)
            return
        bisect.insort(self._first, value)
        if self.count == _EXACT:
            self._places = [round(q * (_EXACT - 1)) for q in _QUANTILES]
            self._heights = [self._first[place] for place in self._places]
            self._first = []

    def _move(self, value: float) -> None:
        heights, places = self._heights, self._places
        if value < heights[1]:
            heights[0] = min(heights[0], value)
            cell = 0
        elif value >= heights[3]:
            heights[4] = max(heights[4], value)
            cell = 3
        else:
            cell = 1 if value < heights[2] else 2
        for index in range(cell + 1, 5):
            places[index] += 1
        for index in (1, 2, 3):
            missing = _QUANTILES[index] * (self.count - 1) - places[index]
            if -1 < missing < 1:
                continue
            step = 1 if missing > 0 else -1
            if abs(places[index + step] - places[index]) > 1:
                height = self._parabola(index, step)
                if not heights[index - 1] < height < heights[index + 1]:
                    height = self._line(index, step)
                heights[index] = height
                places[index] += step

    def _parabola(self, i: int, step: int) -> float:
        """Height at the marker's next place, on the parabola through it and its neighbours."""
        h, n = self._heights, self._places
        above = (n[i] - n[i - 1] + step) * (h[i + 1] - h[i]) / (n[i + 1] - n[i])
        below = (n[i + 1] - n[i] - step) * (h[i] - h[i - 1]) / (n[i] - n[i - 1])
        return h[i] + step * (above + below) / (n[i + 1] - n[i - 1])

    def _line(self, i: int, step: int) -> float:
        """The same on the line to the neighbour on that side."""
        h, n = self._heights, self._places
        return h[i] + step * (h[i + step] - h[i]) / (n[i + step] - n[i])
