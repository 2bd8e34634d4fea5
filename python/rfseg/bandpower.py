"""Edges, power and SNR of a band, measured on the spectrogram's rows rather than on its pixels.

Positions on the frequency axis are *edges* in bins: 0 is the lower edge of bin 0, bin ``k`` is centred at ``k + 0.5``,
and :meth:`rfseg.geometry.Geometry.edge_freq` turns them into Hz.
"""

from __future__ import annotations

from functools import cached_property
from typing import Sequence

import numpy as np

from .contract import NOT_INFERRED, ClassKind, SignalClass
from .geometry import Geometry, Reduction

__all__ = ["BandMeter"]

Interval = tuple[int, int]  # half-open

HANN_NOISE_BANDWIDTH = 1.5  # bins; equivalent noise bandwidth of a periodic hann window
_NEIGHBOURS = 6  # bins from which an edge's inner level is taken
_REACH = 3  # bins that power may move an edge away from the mask's
_PULSE_DEPTH = 0.01  # a pulse extends to where its power is 20 dB below its peak
_MIN_STEP = 2.0  # power ratio across an edge below which the mask's edge stays
# A guard band is this far below the carriers beside it (power ratio) where the network's mean probability falls by that
_GUARD_EVIDENCE = ((5.0, 0.07), (2.0, 0.25))
_GUARD_REACH = 7  # bins from the bottom within which the carrier must begin; LTE leaves 2 MHz at 20 MHz
_GUARD_STEEP = 2.0  # power ratio over two bins, somewhere on each side


class BandMeter:
    """Measures bands of one frame.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS.
    mask : uint8 ``(T, F)``
    """

    def __init__(self, rows: np.ndarray, mask: np.ndarray, geometry: Geometry, classes: Sequence[SignalClass]) -> None:
        pulsed = [i for i, c in enumerate(classes) if c.kind is ClassKind.PULSED]
        self._mean = _linear(rows, geometry, Reduction.MEAN)  # (T, F)
        self._peak = _linear(rows, geometry, Reduction.MAX)  # (T, F)
        self._pulsed = np.isin(mask, pulsed)
        self._valid = mask != NOT_INFERRED
        self._noise = _noise_power(self._mean, mask == 0)

    def carrier_edges(self, rows: Interval, bins: Interval) -> tuple[float, float]:
        """Edges of a carrier: where its power profile crosses the middle between inside and outside.

        The spectrum of a rectangular block, seen through a symmetric window, is at half its power exactly
        on the block's edge.  An edge moves at most three bins; where the step is below 3 dB, or the carrier
        reaches the end of the spectrum, it stays.
        """
        profile = self._profile(rows, bins)
        count = profile.size
        lower = _rising_edge(profile, bins[0], bins[1])
        upper = count - _rising_edge(profile[::-1], count - bins[1], count - bins[0])
        lower = 0.5 if bins[0] == 0 or lower < 0.5 else lower  # half the sample rate, below
        upper = count + 0.5 if bins[1] == count else upper  # and above
        if upper - lower < 1.0:  # a profile that has no such shape
            return float(bins[0]), float(bins[1])
        return lower, upper

    def guards(self, rows: Interval, bins: Interval, support: np.ndarray) -> list[Interval]:
        """Guard bands inside a region that a mask took for one carrier.

        A guard band is a dip between carriers that begin within seven bins of it, steep on both sides, at which the
        network has its doubts too: power alone mistakes fading notches and unused resource blocks for it.
        The stronger the doubts, the shallower the dip may be, for an overloaded receiver fills it.

        Parameters
        ----------
        support : float ``(bins[1] - bins[0],)``
            Mean probability with which the mask is of the region's class, per bin.
        """
        profile = self._profile(rows, bins)[slice(*bins)]
        found: list[Interval] = []
        for bottom in range(1, profile.size - 1):
            if profile[bottom] > profile[max(0, bottom - _GUARD_REACH) : bottom + _GUARD_REACH + 1].min():
                continue
            for depth, doubt in _GUARD_EVIDENCE:
                below, above = _guard_side(profile[bottom::-1], depth), _guard_side(profile[bottom:], depth)
                if below is None or above is None:
                    continue
                start, stop = bottom - below, bottom + above + 1
                left = np.median(support[max(0, start - 2 * _NEIGHBOURS) : start])
                right = np.median(support[stop : stop + 2 * _NEIGHBOURS])
                if support[start - 1 : stop + 1].min() <= min(left, right) - doubt:
                    found.append((bins[0] + start, bins[0] + stop))
                    break
        return found

    def pulse_edges(self, rows: Interval, bins: Interval) -> tuple[float, float]:
        """Edges of a pulse: the outermost bins within 20 dB of its peak and above what lies beneath it."""
        left, right = max(0, bins[0] - _REACH), min(self._peak.shape[1], bins[1] + _REACH)
        floor = self._pulse_floor[left:right]
        excess = self._peak[slice(*rows), left:right].max(axis=0) - floor
        on = np.flatnonzero((excess >= _PULSE_DEPTH * excess.max()) & (excess >= floor))
        if excess.max() <= 0 or not on.size:
            return float(bins[0]), float(bins[1])
        return float(left + on[0]), float(left + on[-1] + 1)

    @cached_property
    def _pulse_floor(self) -> np.ndarray:
        """What lies beneath the pulses: the median over the other rows, power per bin, ``(F,)``."""
        beneath = np.where(self._valid & ~self._pulsed, self._peak, np.nan)
        seen = np.isfinite(beneath).any(axis=0)
        floor = np.zeros(beneath.shape[1])
        if seen.any():
            floor[seen] = np.nanmedian(beneath[:, seen], axis=0)
            floor[~seen] = np.median(floor[seen])
        return floor

    def power(self, rows: Interval, edges: tuple[float, float], *, pulsed: bool) -> tuple[float, float | None]:
        """Mean power between two edges, dBFS, and SNR, dB.

        The SNR is None where no noise is visible in the frame or the band does not rise above it.
        """
        inside = (max(0, int(edges[0])), min(self._mean.shape[1], int(np.ceil(edges[1]))))
        profile = self._mean[slice(*rows)].mean(axis=0) if pulsed else self._profile(rows, inside)
        bins = np.arange(profile.size)
        weight = np.clip(np.minimum(edges[1], bins + 1) - np.maximum(edges[0], bins), 0.0, 1.0)
        power = float(weight @ profile) / HANN_NOISE_BANDWIDTH
        power_dbfs = 10.0 * float(np.log10(power))
        if self._noise is None:
            return power_dbfs, None
        noise = self._noise * float(weight.sum()) / HANN_NOISE_BANDWIDTH
        return power_dbfs, 10.0 * float(np.log10(power / noise - 1.0)) if power > noise else None

    def _profile(self, rows: Interval, bins: Interval) -> np.ndarray:
        """Mean power per bin over the rows that no pulse covers, ``(F,)``."""
        covered = self._pulsed[slice(*rows), slice(*bins)].mean(axis=1) >= 0.5
        block = self._mean[slice(*rows)]
        return block[~covered].mean(axis=0) if not covered.all() else block.mean(axis=0)


def _linear(rows: np.ndarray, geometry: Geometry, reduction: Reduction) -> np.ndarray:
    """Linear power of the wanted reduction, or of the first one where the rows lack it, float64 ``(T, F)``."""
    reductions = geometry.reductions
    channel = reductions.index(reduction) if reduction in reductions else 0
    return 10.0 ** (rows[channel].astype(np.float64) / 10.0)


def _noise_power(mean: np.ndarray, background: np.ndarray) -> float | None:
    """Noise power per bin: the median, over bins that are background for a quarter of the rows, of their mean."""
    counts = background.sum(axis=0)
    quiet = counts * 4 >= mean.shape[0]
    if not quiet.any():
        return None
    return float(np.median((mean * background).sum(axis=0)[quiet] / counts[quiet]))


def _guard_side(profile: np.ndarray, depth: float) -> int | None:
    """Bins from the bottom of a guard band, ``profile[0]``, that belong to it on one side; None if it is no guard."""
    near = profile[: _GUARD_REACH + 1]
    carrier = np.flatnonzero(near >= depth * near[0])
    if not carrier.size:
        return None
    level = float(np.median(profile[carrier[0] : carrier[0] + _NEIGHBOURS]))
    is_steep = bool(np.any(near[2:] >= _GUARD_STEEP * near[:-2]))
    if level < depth * near[0] or not is_steep:
        return None
    return int(np.argmax(profile >= 0.5 * level)) - 1


def _rising_edge(profile: np.ndarray, start: int, stop: int) -> float:
    """Edge near ``start`` where a band that fills ``start:stop`` begins, in bins."""
    if start == 0:
        return 0.0
    begin = min(start + 1, stop - 1)
    inner = float(np.median(profile[begin : max(begin + 1, min(begin + _NEIGHBOURS, stop - 1))]))
    outer = float(profile[max(0, start - _REACH - 1) : start].min())
    if inner < _MIN_STEP * outer:
        return float(start)
    middle = 0.5 * (inner + outer)
    for k in range(min(start + _REACH, stop - 1), max(0, start - _REACH), -1):
        if profile[k] >= middle > profile[k - 1]:
            return k - 0.5 + (middle - profile[k - 1]) / (profile[k] - profile[k - 1])
    return float(start)
