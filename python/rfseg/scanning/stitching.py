"""From the histories of steps to one picture: bins over all steps, and bands joined over the borders of steps.

Two steps both see what lies where their views overlap.  Bands of the two are one if there they share more than half of what they
cover together: a carrier that a border cuts, and one that lies whole in the overlap.  Bands of one label are joined first;
of two labels only where neither has a partner of its own label.  An edge is taken from the steps that do not cut it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ..errors import BandError
from ..geometry import RxTime
from ..occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span
from .report import NEVER, ScannedBand, ScanReport, ScanSpan
from .rules import StitchRules
from .visits import Sighting, StepHistory, cluster, runs

__all__ = ["BinCounts", "Part", "count_bins", "join_bands", "parts_of", "to_occupancy", "to_spans"]

_SAME_BAND = 0.5  # of the width that two bands cover together where both steps see


@dataclass(frozen=True, kw_only=True)
class BinCounts:
    """Bins that were sensed: their numbers, and samples sensed, occupied, last sensed and last seen; int64 ``(bins,)``."""

    numbers: np.ndarray
    sensed: np.ndarray
    occupied: np.ndarray
    last_sensed: np.ndarray
    last_seen: np.ndarray

    @property
    def duty_cycle(self) -> np.ndarray:
        """0 to 1, float64 ``(bins,)``."""
        return self.occupied / self.sensed


@dataclass(frozen=True, kw_only=True)
class Part:
    """A band as one step saw it: the step's number and view (Hz), samples sensed in it, and the moment it was last there."""

    step: int
    view: tuple[float, float]
    sensed: int
    sighting: Sighting
    last_time: RxTime | None = None


def count_bins(histories: Sequence[StepHistory]) -> BinCounts:
    """Sum of all visits that count."""
    visits = [visit for history in histories for visit in history.visits]
    pieces = [(key, visit) for visit in visits for key in visit.sensed]
    low = min((key[0] for key, _ in pieces), default=0)
    size = max((key[1] for key, _ in pieces), default=0) - low
    places = np.unique(np.concatenate([np.arange(*key) for key in {key for key, _ in pieces}] or [np.zeros(0, np.int64)]))
    if size > (1 << 26):
        raise BandError(f"{size} bins between the ranges are too many; choose a larger bin_width")
    sensed, occupied = np.zeros(size, np.int64), np.zeros(size, np.int64)
    last_sensed, last_seen = np.full(size, NEVER, np.int64), np.full(size, NEVER, np.int64)
    for (first, last), visit in pieces:
        place = slice(first - low, last - low)
        sensed[place] += visit.sensed[first, last]
        occupied[place] += visit.occupied[first, last]
        last_sensed[place] = np.maximum(last_sensed[place], visit.sample_stop)
        last_seen[place] = np.maximum(last_seen[place], visit.last_seen[first, last])
    chosen = places - low
    return BinCounts(
        numbers=places,
        sensed=sensed[chosen],
        occupied=occupied[chosen],
        last_sensed=last_sensed[chosen],
        last_seen=last_seen[chosen],
    )


def to_spans(counts: BinCounts, bin_width: float) -> tuple[ScanSpan, ...]:
    """Runs of neighbouring bins."""
    duty_cycle, begin, spans = counts.duty_cycle, 0, []
    for first, last in runs(counts.numbers):
        place = slice(begin, begin + last - first)
        spans.append(
            ScanSpan(
                freq_lower_edge=first * bin_width,
                duty_cycle=tuple(duty_cycle[place].tolist()),
                last_seen=tuple(counts.last_seen[place].tolist()),
            )
        )
        begin = place.stop
    return tuple(spans)


def parts_of(step: int, history: StepHistory) -> list[Part]:
    """The bands of a step, each visit's joined with those of the others."""
    sensed, parts = sum(visit.samples for visit in history.visits), []
    for sighting in cluster([band for visit in history.visits for band in visit.bands]):
        newest = max(
            (v for v in history.visits if v.sample_start < sighting.sample_stop), key=lambda v: v.sample_stop, default=None
        )
        if newest is not None:
            time = newest.time_at(sighting.sample_stop)
            parts.append(Part(step=step, view=newest.view, sensed=sensed, sighting=sighting, last_time=time))
    return parts


def join_bands(parts: Sequence[Part]) -> tuple[ScannedBand, ...]:
    """Bands of all steps, those that are one joined, sorted by lower edge."""
    parts = sorted(parts, key=lambda part: part.view)
    groups = list(range(len(parts)))  # number of the group that each belongs to
    partners: set[tuple[int, int]] = set()  # (part, step in which it has a partner)
    neighbours = _neighbours(parts)
    for is_same in (True, False):
        for a, b in neighbours:
            first, second = parts[a], parts[b]
            if (first.sighting.label == second.sighting.label) != is_same:
                continue
            if not is_same and ((a, second.step) in partners or (b, first.step) in partners):
                continue
            groups = [groups[a] if group == groups[b] else group for group in groups]
            partners |= {(a, second.step), (b, first.step)}
    members: dict[int, list[Part]] = {}
    for part, group in zip(parts, groups):
        members.setdefault(group, []).append(part)
    return tuple(sorted(map(_join, members.values()), key=lambda band: (band.freq_lower_edge, band.freq_upper_edge)))


def to_occupancy(
    report: ScanReport, counts: BinCounts, rules: StitchRules, *, sample_start: int, validity: int
) -> OccupancyReport:
    """Occupied and free bands of the whole scan; from visits since ``sample_start``; valid for ``validity`` samples."""
    is_occupied = (counts.duty_cycle > rules.max_duty) | (counts.occupied > 0) & (counts.last_seen == counts.last_sensed)
    guard = math.ceil(rules.guard / rules.bin_width - 1e-6)
    least = max(1, math.ceil(rules.min_width / rules.bin_width - 1e-6))
    occupied, free = [], []
    for numbers, place in _pieces(counts.numbers, is_occupied):
        occupied.append(
            OccupiedBand(
                freq_lower_edge=numbers[0] * rules.bin_width,
                freq_upper_edge=numbers[1] * rules.bin_width,
                duty_cycle=int(counts.occupied[place].sum()) / int(counts.sensed[place].sum()),
                valid_until=int(counts.last_sensed[place].min()) + validity,
            )
        )
    for numbers, place in _pieces(counts.numbers, ~is_occupied):
        if numbers[1] - numbers[0] - 2 * guard >= least:
            free.append(
                FreeBand(
                    freq_lower_edge=(numbers[0] + guard) * rules.bin_width,
                    freq_upper_edge=(numbers[1] - guard) * rules.bin_width,
                    valid_until=int(counts.last_sensed[place].min()) + validity,
                )
            )
    return OccupancyReport(
        sample_start=sample_start,
        sample_stop=report.sample_stop,
        samp_rate=report.samp_rate,
        rx_time=report.rx_time,
        freq_reference="rf",
        bin_width=report.bin_width,
        spans=tuple(Span(freq_lower_edge=s.freq_lower_edge, duty_cycle=s.duty_cycle) for s in report.spans),
        free=tuple(free),
        occupied=tuple(occupied),
    )


def _pieces(numbers: np.ndarray, is_in: np.ndarray) -> list[tuple[tuple[int, int], slice]]:
    """Runs of bins that are in: numbers (first, first after) and place in the arrays."""
    found = []
    for first, last in runs(numbers[is_in]):
        begin = int(np.searchsorted(numbers, first))
        found.append(((first, last), slice(begin, begin + last - first)))
    return found


def _neighbours(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Pairs of parts of two steps that are one band where both see, the surest first."""
    pairs = []
    for a, first in enumerate(parts):
        for b in range(a + 1, len(parts)):
            second = parts[b]
            if second.view[0] >= first.view[1]:
                break  # sorted: none after it overlaps either
            zone = second.view[0], min(first.view[1], second.view[1])
            share = _share(first.sighting, second.sighting, zone)
            if first.step != second.step and share > _SAME_BAND:
                pairs.append((-share, a, b))
    return [(a, b) for _, a, b in sorted(pairs)]


def _share(a: Sighting, b: Sighting, zone: tuple[float, float]) -> float:
    """What two bands share of what they cover together, inside a zone; 0 where one is not in it."""
    lows = [max(s.freq_lower_edge, zone[0]) for s in (a, b)]
    highs = [min(s.freq_upper_edge, zone[1]) for s in (a, b)]
    if lows[0] >= highs[0] or lows[1] >= highs[1]:
        return 0.0
    return max(0.0, min(highs) - max(lows)) / (max(highs) - min(lows))


def _join(parts: list[Part]) -> ScannedBand:
    """One band from its parts."""
    sightings = [part.sighting for part in parts]
    lows = [s.freq_lower_edge for s in sightings if not s.is_cut_low]
    highs = [s.freq_upper_edge for s in sightings if not s.is_cut_high]
    low = sum(lows) / len(lows) if lows else min(s.freq_lower_edge for s in sightings)
    high = sum(highs) / len(highs) if highs else max(s.freq_upper_edge for s in sightings)
    widths = np.array([s.freq_upper_edge - s.freq_lower_edge for s in sightings])
    votes: dict[str, float] = {}
    for sighting, width in zip(sightings, widths):
        votes[sighting.label] = votes.get(sighting.label, 0.0) + sighting.confidence * sighting.occupied * width
    newest = max(parts, key=lambda part: part.sighting.sample_stop)
    density = _weighted([s.density for s in sightings], widths)
    snr_db = _weighted([s.snr_db for s in sightings], widths)
    return ScannedBand(
        label=max(votes, key=votes.__getitem__),
        freq_lower_edge=float(low),
        freq_upper_edge=float(high),
        is_cut_low=not lows,
        is_cut_high=not highs,
        duty_cycle=min(1.0, sum(s.occupied for s in sightings) / max(1, sum(part.sensed for part in parts))),
        confidence=min(1.0, _weighted([s.confidence for s in sightings], widths)),
        last_seen=newest.sighting.sample_stop,
        last_time=newest.last_time,
        steps=tuple(sorted({part.step for part in parts})),
        power_dbfs=None if not density else 10 * math.log10(density * (high - low)),
        snr_db=snr_db,
    )


def _weighted(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    """Mean of those that are known, None if none is."""
    known = [(value, weight) for value, weight in zip(values, weights) if value is not None]
    if not known:
        return None
    return float(sum(value * weight for value, weight in known) / sum(weight for _, weight in known))
