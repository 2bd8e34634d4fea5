"""When a radar sends and how strongly: group starts, bursts, hops and the antenna's scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .train import PulseTrain

__all__ = ["Schedule", "place_first", "pulse_times", "scan_gain_db", "schedule"]

_BEAM_DB = 12.04  # a Gaussian beam loses this at one 3 dB width from its peak, 3 dB at half of it
_LOBES_PER_WIDTH = 0.7  # sidelobes per 3 dB width
_NULL = 0.25  # amplitude of the nulls between sidelobes


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The groups of pulses within a scene, in order of time."""

    starts: np.ndarray  # float64 (M,), s
    gains_db: np.ndarray  # float64 (M,), re the beam's peak
    offsets: np.ndarray  # float64 (M,), hop, Hz re the radar's centre


def _pattern(train: PulseTrain) -> tuple[np.ndarray, float | None]:
    """Group starts of one period, s from its first, and the period, s (None: it does not come again)."""
    intervals = np.array(train.intervals)
    if train.burst is None:
        return np.concatenate([[0.0], np.cumsum(intervals)[:-1]]), float(intervals.sum())
    steps = np.resize(intervals, train.burst)
    return np.concatenate([[0.0], np.cumsum(steps)[:-1]]), train.burst_interval


def scan_gain_db(train: PulseTrain, times: np.ndarray) -> np.ndarray:
    """Gain of a rotating antenna at ``times`` in s, dB re its beam's peak: a Gaussian beam over sidelobes."""
    if train.scan_peak is None or train.scan_width is None:
        return np.zeros_like(times)
    off = (times - train.scan_peak) / train.scan_width
    lobes = np.maximum(np.abs(np.cos(np.pi * _LOBES_PER_WIDTH * off)), _NULL)
    return np.maximum(-_BEAM_DB * off**2, train.sidelobe_db + 20 * np.log10(lobes))


def schedule(train: PulseTrain, duration: float, *, reach: float = 0.0) -> Schedule:
    """Every group that starts before ``duration`` and is not over at time 0.

    Parameters
    ----------
    duration : float
        Of the scene, s.
    reach : float
        How long a group lasts beyond its last pulse (echoes), s.
    """
    offsets, period = _pattern(train)
    since = train.group_length + reach
    rounds = np.zeros(1)
    if period is not None:
        begin = max(0, int(np.floor((-since - train.first - offsets[-1]) / period)))
        rounds = np.arange(begin, max(begin, int(np.ceil((duration - train.first) / period))) + 1)
    starts = (train.first + rounds[:, None] * (period or 0.0) + offsets).ravel()
    index = (rounds[:, None] * offsets.size + np.arange(offsets.size)).ravel().astype(np.int64)
    keep = (starts > -since) & (starts < duration)
    starts, index = starts[keep], index[keep]
    gains = scan_gain_db(train, starts)
    if train.burst is not None:
        gains = gains + np.array(train.burst_gains_db)[index // train.burst % len(train.burst_gains_db)]
    hops = np.array(train.hops)[index // train.hop_pulses % len(train.hops)]
    return Schedule(starts=starts, gains_db=gains, offsets=hops)


def place_first(train: PulseTrain, duration: float, rng: np.random.Generator) -> float:
    """A random moment for the first group, such that some group meets the scene.

    Every moment that satisfies this is equally likely, so groups are spread evenly over the scene.
    An endless train begins before the scene does.
    """
    offsets, period = _pattern(train)
    if period is not None:  # the pattern of hops or burst gains is part of what comes again
        dwell = train.hop_pulses * len(train.hops) if train.burst is None else 1
        rounds = max(len(train.burst_gains_db), -(-dwell // offsets.size) if len(train.hops) > 1 else 1)
        offsets = (np.arange(rounds)[:, None] * period + offsets).ravel()
        period = period * rounds
    latest = -offsets[::-1] - train.group_length  # from here on group k meets the scene, for `window` s; ascending
    window = duration + train.group_length
    following = np.append(latest[1:], np.inf if period is None else latest[0] + period)
    room = np.minimum(window, following - latest)
    total = np.cumsum(room)
    draw = rng.uniform(0.0, total[-1])
    k = min(int(np.searchsorted(total, draw, side="right")), room.size - 1)
    first = float(latest[k] + room[k] - (total[k] - draw))
    if period is None:
        return first
    return first - period * float(np.ceil((first + train.group_length) / period + 1))


def pulse_times(train: PulseTrain, duration: float) -> list[tuple[float, float]]:
    """Start and stop, s, of every pulse within a scene of ``duration`` s, cut at its ends.

    Pulses that touch (a pair without a gap, the sweeps of FMCW) come as one.  Echoes do not count.
    """
    starts = schedule(train, duration).starts
    found: list[tuple[float, float]] = []
    spans = sorted((start + p.delay, start + p.delay + p.width) for start in starts for p in train.pulses)
    for start, stop in spans:
        start, stop = max(0.0, float(start)), min(duration, float(stop))
        if stop <= start:
            continue
        if found and start <= found[-1][1] + 1e-9:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found
