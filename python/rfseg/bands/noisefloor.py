"""The receiver's noise floor, bin by bin, followed over frames.

What can be known: a bin shows its noise while nothing is sent in it, that is beside carriers and in their pauses.  Such a
sight is kept for the frames in which the bin is busy, and follows the receiver's gain by what the other bins show.
Bins that were never free take the level between their neighbours.  Where a carrier fills the band, never pauses and was
there from the first frame on, no noise is visible and there is no floor.
"""

from __future__ import annotations

import numpy as np

__all__ = ["NoiseFloor", "frame_floor"]

_CHUNKS = 16  # stretches of a frame whose median is taken: short bursts that the mask calls noise do not count
_LEAST_ROWS = 4  # free rows that a stretch of 16 needs
_LEAK_BINS = (5, 2)  # bins beside a carrier that its power may leak into; fewer where that leaves next to nothing
_NOTHING = 1e-19  # power that no receiver's noise is below: samples that were lost
_PASSBAND = 0.35  # of the sample rate, either side of the centre: what lies beyond may be in a filter's slope
_LEAST_BINS = 6  # free bins of the passband that show what its noise is like
_SPREAD = 10**0.4  # power ratio within which a receiver's floor lies, mostly
_PLATEAU_SHARE = 0.25  # of the free bins; so many alike are noise and not an emitter without a label
_ABOVE = 10**0.1  # power ratio over the plateau from which a bin is no noise
_GAIN_STEP = np.log(1.6)  # nepers (2 dB); the floor of all bins moves at once where the receiver's gain changes
_FALL, _RISE = 0.5, 0.1  # share of a change that is believed per frame: what rises may be an emitter


class NoiseFloor:
    """Noise power of each bin; bins that never show any take the level beside them."""

    def __init__(self) -> None:
        self._log: np.ndarray | None = None  # (F,), nepers; NaN where it was never seen
        self._center_freq: float | None = None

    def update(
        self, mean: np.ndarray, busy: np.ndarray, *, center_freq: float | None = None, hidden: slice = slice(0)
    ) -> None:
        """Look at a frame; frames come in order.

        Parameters
        ----------
        mean : float ``(T, F)``
            Mean power, linear.
        busy : bool ``(T, F)``
            Pixels that carriers or pulses have, or that hold nothing.
        center_freq : float or None
            Hz; another one than before makes the floor begin anew.
        hidden : slice
            Bins whose noise something else hides, such as a receiver's spike at 0 Hz; none by default.
        """
        seen = frame_floor(mean, busy)
        seen[hidden] = np.nan
        with np.errstate(invalid="ignore"):
            seen = np.log(seen)
        if self._log is None or self._log.shape != seen.shape or center_freq != self._center_freq:
            self._log, self._center_freq = seen, center_freq
            return
        self._follow(seen)

    def level(self) -> np.ndarray | None:
        """Noise power of each bin, linear ``(F,)``; None while no noise was seen anywhere."""
        known = np.isfinite(self._log) if self._log is not None else np.zeros(1, bool)
        if not known.any():
            return None
        places, passband = np.arange(known.size), _passband(known.size)
        level = np.interp(places, places[known], self._log[known])
        inner = known & passband
        if inner.any():  # a filter's slope says nothing of the passband
            level[passband] = np.interp(places[passband], places[inner], self._log[inner])
        return np.exp(level)

    def _follow(self, seen: np.ndarray) -> None:
        change = seen - self._log
        both = np.isfinite(change)
        if both.any():
            common = float(np.median(change[both]))
            if abs(common) > _GAIN_STEP:
                self._log = self._log + common
                change = change - common
            self._log = np.where(both, self._log + np.where(change < 0, _FALL, _RISE) * change, self._log)
        self._log = np.where(np.isfinite(self._log), self._log, seen)


def frame_floor(mean: np.ndarray, busy: np.ndarray) -> np.ndarray:
    """Noise power of each bin that one frame shows, linear ``(F,)``; NaN where it shows none.

    The median over sixteen stretches of the frame.  Bins well above the lowest level that many of them share hold
    an emitter that the mask calls noise, and show no floor.
    """
    for leak in _LEAK_BINS:
        floor = _free_level(mean, _widened(busy, leak) | (mean <= _NOTHING))
        if np.count_nonzero(np.isfinite(floor)) >= _LEAST_BINS:
            break
    return _without_emitters(floor)


def _free_level(mean: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Median power of each bin over the stretches in which it is not taken, ``(F,)``; NaN where it always is."""
    rows, bins = mean.shape
    length = -(-rows // _CHUNKS)
    if rows % _CHUNKS:
        pad = ((0, length * _CHUNKS - rows), (0, 0))
        mean, taken = np.pad(mean, pad), np.pad(taken, pad, constant_values=True)
    free = ~taken
    counts = free.reshape(_CHUNKS, length, bins).sum(axis=1, dtype=np.int32)
    sums = np.where(free, mean, 0).reshape(_CHUNKS, length, bins).sum(axis=1)
    enough = counts >= min(_LEAST_ROWS, length)
    levels = np.sort(np.where(enough, sums / np.maximum(counts, 1), np.inf), axis=0)  # (chunks, F)
    found = enough.sum(axis=0)
    floor = levels[np.maximum(found - 1, 0) // 2, np.arange(bins)].astype(np.float64)
    floor[found == 0] = np.nan
    return floor


def _widened(busy: np.ndarray, leak: int) -> np.ndarray:
    """Busy pixels and those that they leak into: ``leak`` bins beside them, a row before and after."""
    rows, bins = busy.shape
    wide = np.zeros((rows, bins + leak), bool)  # bins past the last one keep a row apart from the next
    wide[:, :bins] = busy
    wide[1:, :bins] |= busy[:-1]
    wide[:-1, :bins] |= busy[1:]
    flat, reach = wide.reshape(-1), 0
    while reach < leak:  # what is wide by r bins becomes so by r + s, for s up to 2 r + 1
        step = min(2 * reach + 1, leak - reach)
        before = flat.copy()
        flat[step:] |= before[:-step]
        flat[:-step] |= before[step:]
        reach += step
    return wide[:, :bins]


def _without_emitters(floor: np.ndarray) -> np.ndarray:
    """The floor with NaN where it stands out from the lowest level that many bins of the passband share."""
    levels = np.sort(floor[np.isfinite(floor) & _passband(floor.size)])
    if levels.size < _LEAST_BINS:
        return floor
    alike = np.searchsorted(levels, _SPREAD * levels, side="right") - np.arange(levels.size)
    first = int(np.argmax(alike >= _PLATEAU_SHARE * levels.size))
    with np.errstate(invalid="ignore"):
        return np.where(floor <= _ABOVE * _SPREAD * levels[first], floor, np.nan)


def _passband(bins: int) -> np.ndarray:
    """Bins that no receive filter dampens much, bool ``(F,)``."""
    return np.abs(np.arange(bins) - bins // 2) <= _PASSBAND * bins
