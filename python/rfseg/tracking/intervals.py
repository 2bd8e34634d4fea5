"""The interval between pulses, constant, staggered or jittered, from the times of the pulses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

__all__ = ["PatternKind", "PulsePattern", "find_pattern"]

_LAGS = 24  # pulses over which a stagger may repeat; false and missing ones count too
_CANDIDATES = 48
_NEARLY = 0.75  # a shorter period is taken if it explains this share of what the best one does
_LEAST_SHARE = 0.5  # of the pulses, that a period must explain
_LEAST_FILLING = 0.4  # of the pulses that a pattern predicts, that are there
_LEAST_PULSES = 4
_LEAST_HITS = 3  # pulses that come again after a period
_PAUSE = 12  # times the median interval; a longer one divides bursts, which need not be in step
_LEAST_POSITION = 0.5  # a position of a stagger is filled this often, of the fullest one


class PatternKind(str, Enum):
    """How the intervals follow each other."""

    CONSTANT = "constant"
    STAGGERED = "staggered"  # a fixed sequence of intervals, over and over
    JITTERED = "jittered"  # intervals near each other, in no order
    UNKNOWN = "unknown"  # too few pulses, or no order


@dataclass(frozen=True, kw_only=True)
class PulsePattern:
    """What the times of pulses tell.

    Parameters
    ----------
    kind : PatternKind
    interval : float or None
        Mean pulse repetition interval, s; of jittered pulses their median interval.
    stagger : tuple of float
        The intervals in their order, s, beginning with the shortest; empty unless staggered.
    spread : float or None
        Deviation of the pulses from the pattern, s (rms); of jittered ones that of the intervals.
    share : float
        Share of the pulses that the pattern explains, 0 to 1.
    """

    kind: PatternKind
    interval: float | None = None
    stagger: tuple[float, ...] = ()
    spread: float | None = None
    share: float = 0.0

    @property
    def is_regular(self) -> bool:
        """Whether the same intervals come again."""
        return self.kind in (PatternKind.CONSTANT, PatternKind.STAGGERED)


def find_pattern(times: np.ndarray | list[float], *, tolerance: float) -> PulsePattern:
    """The pattern of pulse times; missing pulses and some false ones do no harm.

    All differences of times fall into a histogram; the shortest of its peaks at which about as many pulses come again
    as at any is the period.  Folded by it, the pulses gather at one position, or at several: a stagger.
    Of several bursts, such as a turning antenna makes, the one with the most pulses counts.

    Parameters
    ----------
    times : float (n,)
        Starts of the pulses, s, ascending.
    tolerance : float
        How far a pulse may be off, s: a few samples where the times are from IQ, a row where they are from rows.

    Examples
    --------
    >>> pattern = find_pattern([0.0, 1e-3, 2e-3, 4e-3, 5e-3, 6e-3], tolerance=1e-6)
    >>> pattern.kind.value, round(pattern.interval, 9)
    ('constant', 0.001)
    """
    t = np.asarray(times, dtype=np.float64)
    burst = _longest_burst(t)
    pattern = _pattern(burst, tolerance)
    return pattern if pattern.is_regular or burst.size == t.size else _pattern(t, tolerance)


def _pattern(t: np.ndarray, tolerance: float) -> PulsePattern:
    if t.size < _LEAST_PULSES:
        return PulsePattern(kind=PatternKind.UNKNOWN)
    periods = _candidates(t, tolerance)
    shares = _shares(t, periods, tolerance)
    if not shares.size or shares.max() < _LEAST_SHARE:
        return _jittered(t)
    for period in periods[shares >= max(_LEAST_SHARE, _NEARLY * shares.max())]:
        pattern = _fold(t, _refined(t, period, tolerance), tolerance)
        if pattern.share * t.size * pattern.interval >= _LEAST_FILLING * (t[-1] - t[0]):
            return pattern
    return _jittered(t)


def _longest_burst(t: np.ndarray) -> np.ndarray:
    """The pulses between two pauses that are most."""
    if t.size < _LEAST_PULSES:
        return t
    steps = np.diff(t)
    bursts = np.split(t, np.flatnonzero(steps > _PAUSE * np.median(steps)) + 1)
    return max(bursts, key=len)


def _candidates(t: np.ndarray, tolerance: float) -> np.ndarray:
    """Differences that come often, ascending, s."""
    lags = range(1, min(_LAGS, t.size - 1) + 1)
    differences = np.sort(np.concatenate([t[lag:] - t[:-lag] for lag in lags]))
    differences = differences[differences > 2 * tolerance]
    if not differences.size:
        return differences
    counts = np.searchsorted(differences, differences + tolerance, "right") - np.searchsorted(
        differences, differences - tolerance
    )
    chosen: list[float] = []
    while len(chosen) < _CANDIDATES and counts[best := int(counts.argmax())] > 0:
        peak = differences[best]
        begin, end = np.searchsorted(differences, (peak - tolerance, peak + tolerance))
        near = differences[begin : max(end, begin + 1)]
        chosen.append(float(near.sum()) / near.size)
        begin = int(np.searchsorted(differences, peak - 3 * tolerance))
        end = int(np.searchsorted(differences, peak + 3 * tolerance, "right"))
        counts[begin:end][np.abs(differences[begin:end] - peak) <= 2 * tolerance] = 0
    return np.sort(chosen)


def _shares(t: np.ndarray, periods: np.ndarray, tolerance: float) -> np.ndarray:
    """Share of the pulses that come again after each period, of those that could, ``(n,)``."""
    wanted = t + periods[:, None]  # (n, pulses)
    could = wanted <= t[-1] + tolerance
    hits = np.count_nonzero(could & (_distance(t, wanted) <= 2 * tolerance), axis=1)
    counts = np.count_nonzero(could, axis=1)
    return np.where((hits >= _LEAST_HITS) & (counts >= 0.3 * t.size), hits / np.maximum(counts, 1), 0.0)


def _distance(t: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """From each wanted time to the nearest pulse, s."""
    right = np.clip(np.searchsorted(t, wanted), 1, t.size - 1)
    return np.minimum(np.abs(t[right] - wanted), np.abs(t[right - 1] - wanted))


def _refined(t: np.ndarray, period: float, tolerance: float) -> float:
    """The period over ever longer spans, so that its error does not add up, s."""
    multiple = 1
    while multiple * period < t[-1] - t[0]:
        wanted = t + multiple * period
        near = np.clip(np.searchsorted(t, wanted), 1, t.size - 1)
        near = near - (np.abs(t[near - 1] - wanted) < np.abs(t[near] - wanted))
        good = np.abs(t[near] - wanted) <= 2 * tolerance
        if good.any():
            refined = float(np.mean(t[near][good] - t[good])) / multiple
            if refined <= 2 * tolerance:  # pulses so close that they are taken for themselves
                break
            period = refined
        multiple *= 2
    return period


def _fold(t: np.ndarray, period: float, tolerance: float) -> PulsePattern:
    """The positions at which pulses gather within a period."""
    phases = np.mod(t - t[0] + period / 2, period) - period / 2
    order = np.argsort(phases, kind="stable")
    cuts = np.flatnonzero(np.diff(phases[order]) > 2 * tolerance) + 1
    groups = np.split(order, cuts)
    first, last = phases[groups[0]].mean(), phases[groups[-1]].mean()
    if len(groups) > 1 and first + period - last <= 2 * tolerance:  # the cut runs through a position
        phases[groups[0]] += period
        groups = [*groups[1:-1], np.concatenate([groups[-1], groups[0]])]
    largest = max(group.size for group in groups)
    groups = [group for group in groups if group.size >= max(2, _LEAST_POSITION * largest)]
    if not groups:
        return PulsePattern(kind=PatternKind.UNKNOWN, interval=0.0)
    slopes = [(np.round((t[g] - t[g][0]) / period), t[g] - t[g].mean()) for g in groups]
    slopes = [(k - k.mean(), rest) for k, rest in slopes]
    weight = sum(float(k @ k) for k, _ in slopes)
    if weight > 0:
        period = sum(float(k @ rest) for k, rest in slopes) / weight
    rests = np.concatenate([rest - period * k for k, rest in slopes])
    places = np.sort([phases[group].mean() for group in groups])
    steps = np.diff(np.append(places, places[0] + period))
    steps = _shortest_round(np.roll(steps, -int(np.argmin(steps))), tolerance)
    return PulsePattern(
        kind=PatternKind.CONSTANT if steps.size == 1 else PatternKind.STAGGERED,
        interval=period / len(groups),
        stagger=() if steps.size == 1 else tuple(float(step) for step in steps),
        spread=float(np.sqrt(np.mean(rests**2))),
        share=sum(group.size for group in groups) / t.size,
    )


def _shortest_round(steps: np.ndarray, tolerance: float) -> np.ndarray:
    """The intervals until they repeat: where pulses are missing, a multiple of the true period may be found."""
    for size in range(1, steps.size):
        if steps.size % size == 0 and np.ptp(steps.reshape(-1, size), axis=0).max() <= 2 * tolerance:
            return steps.reshape(-1, size).mean(axis=0)
    return steps


def _jittered(t: np.ndarray) -> PulsePattern:
    """Intervals without an order, if most of them are within a third of their median."""
    steps = np.diff(t)
    median = float(np.median(steps))
    near = steps[np.abs(steps - median) <= median / 3]
    if near.size < 0.7 * steps.size or median <= 0:
        return PulsePattern(kind=PatternKind.UNKNOWN)
    return PulsePattern(
        kind=PatternKind.JITTERED, interval=median, spread=float(near.std()), share=near.size / steps.size
    )
