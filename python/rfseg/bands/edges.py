"""Edges of a band below a bin, from the step that its power profile takes there.

Positions are edges in bins, as in :mod:`rfseg.bands.power`.  What a spectrum that begins at an edge looks like through a hann
window is known: half its power exactly at the edge, 7 dB less half a bin outside, 1 dB half a bin inside.  That curve is
laid through the profile at every eighth of a bin near the mask's edge, with a floor of its own outside and a level that
may rise or fall inwards, as fading and a tilted passband make it.  The place is the one where a large step fits well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Sequence

import numpy as np

__all__ = ["REACH", "Edge", "find_edges", "share_edges", "without_noise"]

Interval = tuple[int, int]  # half-open

REACH = 4  # bins that a step may lie away from the mask's edge
_STEPS_PER_BIN = 8
_MARGIN = 4  # bins of the profile that are read beyond the reach on both sides
_OUTER = (-3.6, -1.1)  # bins from the step whose lowest is the floor outside
_FITTED = (-1.6, 3.6)  # bins from the step that the curve is laid through
_SLOPE_RIDGE = 2.0  # bins**2; what holds the level's slope back
_CLEAR, _FAINT = 10.0, 1.6  # power over the noise of a bin that surely holds a carrier; up to which it holds none
_LEAST_CUT = 12  # bins of noise at an end of a mask that are cut off; fewer may be blocks that nobody uses just now
_ALIKE = 1.6  # power ratio of bins that can be one floor
_LEAST_SHARE = 1e-3  # of a bin's power, taken for the carrier's where the floor leaves less
_MIN_STEP = 1.6  # power ratio (2 dB) of a step; below it the mask's edge stays
_MAX_STEP = 10.0  # more than this ratio makes a step no more believable
_FREE = 0.5  # bins of distance from the mask's edge that cost nothing
_DISTANCE_COST = 0.7  # nepers of step that each further bin costs
_MISFIT_COST = 4.0  # nepers of step that a misfit of one neper (root of the mean square) costs


@dataclass(frozen=True)
class Edge:
    """An edge and the power per bin next to it; ``is_step`` tells whether power shows the edge or only the mask does."""

    position: float
    inner: float
    outer: float
    is_step: bool


@dataclass(frozen=True)
class _Grid:
    """Candidates of an edge at 0 and the bins of a window around it: constants of the fit."""

    places: np.ndarray  # (P,), bins from the mask's edge
    log_response: np.ndarray  # (P, N)
    rise: np.ndarray  # (P, N): bins inside the step, 0 outside
    is_fitted: np.ndarray  # (P, N), 0 or 1
    is_outer: np.ndarray  # bool (P, N)
    cost: np.ndarray  # (P,), nepers


@lru_cache(maxsize=1)
def _grid() -> _Grid:
    places = np.arange(-REACH * _STEPS_PER_BIN, REACH * _STEPS_PER_BIN + 1) / _STEPS_PER_BIN
    size = REACH + _MARGIN
    away = np.arange(-size, size) + 0.5 - places[:, None]
    return _Grid(
        places=places,
        log_response=np.log(np.maximum(_step_response(away), 1e-6)),
        rise=np.maximum(away, 0.0),
        is_fitted=((away > _FITTED[0]) & (away < _FITTED[1])).astype(float),
        is_outer=(away > _OUTER[0]) & (away < _OUTER[1]),
        cost=_DISTANCE_COST * np.maximum(0.0, np.abs(places) - _FREE),
    )


def _step_response(away: np.ndarray) -> np.ndarray:
    """Share of its power density that a half-infinite spectrum shows ``away`` bins inside its edge through a hann window."""
    fine = np.arange(-8, 8, 1 / 64)
    kernel = (np.sinc(fine) + 0.5 * np.sinc(fine - 1) + 0.5 * np.sinc(fine + 1)) ** 2
    return np.interp(away, fine + 1 / 128, np.cumsum(kernel) / kernel.sum())


def find_edges(profiles: Sequence[np.ndarray], bins: Sequence[Interval]) -> list[tuple[Edge, Edge]]:
    """Lower and upper edges of bands whose masks cover ``bins``.

    An edge moves at most four bins, towards a large, near and well-shaped step; where there is none of 2 dB it stays.  At an
    end of the spectrum it is half the sample rate.

    Parameters
    ----------
    profiles : sequence of float ``(F,)``
        Mean power per bin of each band's rows, linear.
    """
    if not bins:
        return []
    count = profiles[0].size
    windows, starts = [], []
    for profile, (start, stop) in zip(profiles, bins, strict=True):
        windows += [_window(profile, start), _window(profile[::-1], count - stop)]
        starts += [start, count - stop]
    places, inner, outer, found = _find_steps(np.array(windows))
    positions = starts + places
    edges = []
    for index, (start, stop) in enumerate(bins):
        low, high = 2 * index, 2 * index + 1
        lower = Edge(float(positions[low]), float(inner[low]), float(outer[low]), bool(found[low]))
        upper = Edge(count - float(positions[high]), float(inner[high]), float(outer[high]), bool(found[high]))
        edges.append(_checked(lower, upper, (start, stop), count))
    return edges


def without_noise(profile: np.ndarray, bins: Interval, noise: np.ndarray) -> Interval:
    """The mask's bins without those at its ends that hold nothing but noise, where they are many.

    Only a carrier that stands 10 dB out of the noise over a part of its mask is cut, and to four bins at least.

    Parameters
    ----------
    profile, noise : float ``(F,)``
        Power per bin, linear.
    """
    own, floor = profile[slice(*bins)], noise[slice(*bins)]
    loud = np.flatnonzero(own >= _CLEAR * floor)
    if loud.size < REACH:
        return bins
    faint = own < _FAINT * floor
    first, last = (int(np.argmin(side)) for side in (faint, faint[::-1]))  # faint bins at both ends
    start = bins[0] + (first if first >= _LEAST_CUT else 0)
    stop = bins[1] - (last if last >= _LEAST_CUT else 0)
    return (start, stop) if stop - start >= REACH else bins


def share_edges(
    boxes: Sequence[tuple[Interval, Interval]], edges: Sequence[tuple[Edge, Edge]]
) -> list[tuple[Edge, Edge]]:
    """Edges of bands of which some touch: where two masks meet, the weaker carrier has no step of its own.

    Parameters
    ----------
    boxes
        Rows and bins of each band's mask.
    """
    shared = [list(pair) for pair in edges]
    for one, (rows, bins) in enumerate(boxes):
        for other, (other_rows, other_bins) in enumerate(boxes):
            touch = abs(bins[1] - other_bins[0]) <= 1 and rows[0] < other_rows[1] and other_rows[0] < rows[1]
            if not touch:
                continue
            upper, lower = shared[one][1], shared[other][0]
            if upper.position <= lower.position and upper.is_step == lower.is_step:
                continue
            best = max(upper, lower, key=lambda e: (e.is_step, e.inner / e.outer))
            if shared[one][0].position + 1.0 <= best.position <= shared[other][1].position - 1.0:
                mirrored = replace(best, inner=best.outer, outer=best.inner)
                shared[one][1], shared[other][0] = (best, mirrored) if best is upper else (mirrored, best)
    return [(low, high) for low, high in shared]


def _checked(lower: Edge, upper: Edge, bins: Interval, count: int) -> tuple[Edge, Edge]:
    """Edges that lie in the spectrum and in order."""
    if bins[0] == 0 or lower.position < 0.5:
        lower = Edge(0.5, lower.inner, lower.inner, False)  # half the sample rate, below
    if bins[1] == count:
        upper = Edge(count + 0.5, upper.inner, upper.inner, False)  # and above
    if upper.position - lower.position < 1.0:  # a profile that has no such shape
        lower = Edge(float(bins[0]), lower.inner, lower.outer, False)
        upper = Edge(float(bins[1]), upper.inner, upper.outer, False)
    return lower, upper


def _window(profile: np.ndarray, start: int) -> np.ndarray:
    """The profile around bin edge ``start``; NaN outside the spectrum."""
    size = REACH + _MARGIN
    window = np.full(2 * size, np.nan)
    first, last = max(0, start - size), min(profile.size, start + size)
    window[first - start + size : last - start + size] = profile[first:last]
    return window


def _find_steps(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Place of the step in each window ``(E, N)``, bins from its middle; level inside and outside; whether there is one."""
    grid = _grid()
    there = np.isfinite(windows)
    power = np.where(there, windows, 1.0)[:, None, :]  # (E, 1, N)
    outside = _floor_outside(power, grid.is_outer & there[:, None, :])  # (E, P)
    excess = np.maximum(power - outside[:, :, None], _LEAST_SHARE * power)
    weight = grid.is_fitted * there[:, None, :] * (excess / power) ** 2  # (E, P, N)
    weight[..., -1] += 1e-9  # where nothing is left
    value = np.log(excess) - grid.log_response
    total, lean = weight.sum(axis=2), (weight * grid.rise).sum(axis=2)  # (E, P)
    square = (weight * grid.rise**2).sum(axis=2) + _SLOPE_RIDGE
    mean, cross = (weight * value).sum(axis=2), (weight * grid.rise * value).sum(axis=2)
    slope = (total * cross - lean * mean) / (total * square - lean**2)
    level = (mean - slope * lean) / total
    error = (weight * (value - level[:, :, None] - slope[:, :, None] * grid.rise) ** 2).sum(axis=2)
    inside = np.exp(level) + outside
    step = inside / np.maximum(outside, 1e-300)
    belief = np.log(np.minimum(step, _MAX_STEP)) - grid.cost - _MISFIT_COST * np.sqrt(error / total)
    middle = len(grid.places) // 2  # the mask's edge; where nothing can be seen outside it, nothing can be said
    belief = np.where((outside > 0) & (outside[:, [middle]] > 0) & (step >= _MIN_STEP), belief, -np.inf)
    best, each = belief.argmax(axis=1), np.arange(len(windows))
    found = np.isfinite(belief[each, best])
    best = np.where(found, best, middle)
    inner = inside[each, best]
    return grid.places[best], inner, np.where(outside[each, best] > 0, outside[each, best], inner), found


def _floor_outside(power: np.ndarray, is_outer: np.ndarray) -> np.ndarray:
    """Mean of the outer bins within 2 dB of their lowest, ``(E, P)``; 0 where there are none."""
    lowest = np.where(is_outer, power, np.inf).min(axis=2)
    low = is_outer & (power <= _ALIKE * lowest[:, :, None])
    return (low * power).sum(axis=2) / np.maximum(low.sum(axis=2), 1)
