"""What visits saw: counts for each bin, and the bands of each step.

A bin counts as sensed where a step's view covers it whole, as touched where a band covers any part of it; all counts are
integers of samples.  Only the view counts: what a band shows beyond it is cut off, and the edge marked as cut.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Sequence

import numpy as np

from ..bands import Band
from ..errors import BandError
from ..geometry import Frame, RxTime
from .rules import StitchRules

__all__ = ["BandCluster", "Sighting", "StepHistory", "Visit", "cluster", "runs"]

_EDGE_TOLERANCE = 1e-6  # bins; an edge on a bin's edge stays there in spite of rounding
_LARGEST_VIEW = 1 << 16  # bins
_SAME_BAND = 0.5  # of the width that two bands cover together: more, and they are one
_NEWEST = 9  # sightings that edges and levels are the medians of


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A band in the view of a step: of one frame, or of a visit.

    ``is_cut_low`` and ``is_cut_high`` say that the band goes on beyond the view; ``occupied`` counts its samples,
    ``density`` is its mean power by width (full scale squared per Hz), None where it is not known.
    """

    label: str
    freq_lower_edge: float
    freq_upper_edge: float
    is_cut_low: bool
    is_cut_high: bool
    confidence: float
    sample_start: int
    sample_stop: int
    occupied: int
    density: float | None = None
    snr_db: float | None = None


@dataclass(eq=False)
class BandCluster:
    """Sightings of what is taken for one band."""

    sightings: list[Sighting]
    votes: dict[str, float] = field(default_factory=dict)
    occupied: int = 0
    end: int = 0  # of the time covered so far; what lies before counts once

    def add(self, sighting: Sighting) -> None:
        """One more; they come in the order of time."""
        self.sightings = [*self.sightings[-(_NEWEST - 1) :], sighting]
        self.votes[sighting.label] = self.votes.get(sighting.label, 0.0) + sighting.confidence * sighting.occupied
        length = sighting.sample_stop - sighting.sample_start
        overlap = min(max(0, self.end - sighting.sample_start), length)
        self.occupied += max(0, sighting.occupied - overlap)
        self.end = max(self.end, sighting.sample_stop)

    def to_sighting(self) -> Sighting:
        """All of them as one: medians, the label that weighs most."""
        newest = self.sightings
        densities = [s.density for s in newest if s.density is not None]
        ratios = [s.snr_db for s in newest if s.snr_db is not None]
        return Sighting(
            label=max(self.votes, key=self.votes.__getitem__),
            freq_lower_edge=median(s.freq_lower_edge for s in newest),
            freq_upper_edge=median(s.freq_upper_edge for s in newest),
            is_cut_low=2 * sum(s.is_cut_low for s in newest) > len(newest),
            is_cut_high=2 * sum(s.is_cut_high for s in newest) > len(newest),
            confidence=sum(s.confidence for s in newest) / len(newest),
            sample_start=newest[0].sample_start,
            sample_stop=self.end,
            occupied=self.occupied,
            density=median(densities) if densities else None,
            snr_db=median(ratios) if ratios else None,
        )


def cluster(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Join sightings of one step that are the same band; those of two labels at one time are not."""
    clusters: list[BandCluster] = []
    for sighting in sorted(sightings, key=lambda s: s.sample_start):
        best, most = None, _SAME_BAND
        for candidate in clusters:
            last = candidate.sightings[-1]
            is_other = last.label != sighting.label
            share = _shared(last, sighting) - (1e-3 if is_other else 0.0)
            if share > most and not (is_other and sighting.sample_start < candidate.end):
                best, most = candidate, share
        if best is None:
            best = BandCluster([])
            clusters.append(best)
        best.add(sighting)
    return [item.to_sighting() for item in clusters]


class Visit:
    """Frames of one stay at a step, while it lasts and after.

    Parameters
    ----------
    rules : StitchRules
    limits : (float, float)
        Edges of the range, Hz: bins beyond it are not counted.
    view_width : float
        Hz.
    """

    def __init__(self, rules: StitchRules, limits: tuple[float, float], view_width: float) -> None:
        self._rules, self._limits, self._view_width = rules, limits, view_width
        self.sensed: dict[tuple[int, int], int] = {}  # bins (first, first after) to samples
        self.occupied: dict[tuple[int, int], np.ndarray] = {}
        self.last_seen: dict[tuple[int, int], np.ndarray] = {}
        self._sightings: list[Sighting] = []
        self.view = (math.inf, -math.inf)  # Hz
        self.samples = self.sample_start = self.sample_stop = 0
        self.end = 0.0  # s, on the planner's clock
        self.newest: Frame | None = None
        self.bands: list[Sighting] = []  # when it is over

    def add(self, frame: Frame, bands: Sequence[Band]) -> None:
        """Count a judged frame.

        Raises
        ------
        BandError
            If the view has too many bins.
        """
        width = min(self._view_width, frame.samp_rate)
        view = frame.center_freq - width / 2, frame.center_freq + width / 2
        step = self._rules.bin_width
        first = max(_ceil(view[0] / step), _floor(self._limits[0] / step))
        last = min(_floor(view[1] / step), _ceil(self._limits[1] / step))
        if last - first > _LARGEST_VIEW:
            raise BandError(f"a step of {last - first} bins is more than {_LARGEST_VIEW}; choose a larger bin_width")
        seen = [s for s in (_sight(band, view, step) for band in bands if band.freq_reference == "rf") if s is not None]
        if first < last:
            self._count((first, last), seen, frame)
        self._sightings += seen
        self.sample_start = self.sample_start if self.samples else frame.sample_start
        self.samples += frame.valid_samples
        self.sample_stop, self.view, self.newest = frame.watermark, view, frame

    def close(self, end: float) -> None:
        """The visit is over, at ``end`` s."""
        self.end = end
        self.bands = cluster(self._sightings)
        self._sightings = []

    def time_at(self, sample: int) -> RxTime | None:
        """Moment of a sample, where the source tells the time."""
        frame = self.newest
        if frame is None or frame.rx_time is None:
            return None
        return frame.rx_time.after(sample - frame.sample_start, frame.samp_rate)

    def touched(self) -> np.ndarray:
        """Numbers of the bins that any band touched, int64, sorted."""
        places = [np.flatnonzero(counts) + key[0] for key, counts in self.occupied.items()]
        return np.unique(np.concatenate(places)) if places else np.zeros(0, np.int64)

    def _count(self, bins: tuple[int, int], seen: list[Sighting], frame: Frame) -> None:
        size = bins[1] - bins[0]
        occupied, last = np.zeros(size, np.int64), np.full(size, -1, np.int64)
        for item in sorted(seen, key=lambda s: s.sample_start):
            low = max(_floor(item.freq_lower_edge / self._rules.bin_width) - bins[0], 0)
            high = min(_ceil(item.freq_upper_edge / self._rules.bin_width) - bins[0], size)
            begin, end = max(item.sample_start, frame.sample_start), min(item.sample_stop, frame.watermark)
            if low < high and begin < end:
                place = slice(low, high)
                occupied[place] += np.maximum(end - np.maximum(begin, last[place]), 0)  # what no band had before
                last[place] = np.maximum(last[place], end)
        self.sensed[bins] = self.sensed.get(bins, 0) + frame.valid_samples
        self.occupied[bins] = self.occupied.get(bins, 0) + occupied
        self.last_seen[bins] = np.maximum(self.last_seen.get(bins, -1), last)


class StepHistory:
    """Visits to one step that still count, and when it was last seen."""

    def __init__(self) -> None:
        self.visits: deque[Visit] = deque()
        self.count = self.failures = 0
        self.has_failed = False  # at the last attempt
        self.is_occupied = False
        self.is_changed = False
        self.center_freq: float | None = None  # where the receiver was at the last visit, Hz

    def add(self, visit: Visit, *, window: float, min_change_bins: int) -> None:
        """A visit is over; forget those that are too old."""
        before = self.visits[-1].touched() if self.visits else None
        now = visit.touched()
        changed = np.zeros(0, np.int64) if before is None else np.setxor1d(before, now)
        self.is_occupied = bool(now.size)
        self.is_changed = any(b - a >= max(1, min_change_bins) for a, b in runs(changed))
        self.visits.append(visit)
        self.count += 1
        self.has_failed = False
        self.forget(visit.end - window)

    def forget(self, before: float) -> None:
        """Drop visits that ended before a moment (s), but not the newest."""
        while len(self.visits) > 1 and self.visits[0].end < before:
            self.visits.popleft()


def runs(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Runs of neighbouring numbers in a sorted array: first, and first after.

    Examples
    --------
    >>> runs(np.array([3, 4, 5, 9]))
    [(3, 6), (9, 10)]
    """
    if not numbers.size:
        return []
    breaks = np.flatnonzero(np.diff(numbers) > 1)
    firsts = numbers[np.concatenate([[0], breaks + 1])]
    lasts = numbers[np.concatenate([breaks, [numbers.size - 1]])]
    return [(int(a), int(b) + 1) for a, b in zip(firsts, lasts)]


def _sight(band: Band, view: tuple[float, float], bin_width: float) -> Sighting | None:
    """A band as the view shows it; None where less than a bin of it is inside."""
    low, high = max(band.freq_lower_edge, view[0]), min(band.freq_upper_edge, view[1])
    if high - low < min(bin_width, band.bandwidth):
        return None
    return Sighting(
        label=band.label,
        freq_lower_edge=low,
        freq_upper_edge=high,
        is_cut_low=band.freq_lower_edge < view[0],
        is_cut_high=band.freq_upper_edge > view[1],
        confidence=band.confidence,
        sample_start=band.sample_start,
        sample_stop=band.sample_start + band.sample_count,
        occupied=band.sample_count,
        density=None if band.power_dbfs is None else 10 ** (band.power_dbfs / 10) / band.bandwidth,
        snr_db=band.snr_db,
    )


def _shared(a: Sighting, b: Sighting) -> float:
    """What two bands share of what they cover together."""
    shared = min(a.freq_upper_edge, b.freq_upper_edge) - max(a.freq_lower_edge, b.freq_lower_edge)
    together = max(a.freq_upper_edge, b.freq_upper_edge) - min(a.freq_lower_edge, b.freq_lower_edge)
    return max(0.0, shared) / together


def _floor(place: float) -> int:
    return math.floor(place + _EDGE_TOLERANCE)


def _ceil(place: float) -> int:
    return math.ceil(place - _EDGE_TOLERANCE)
