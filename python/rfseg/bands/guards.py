"""Guard bands inside a region that a mask took for one carrier."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["find_guards"]

Interval = tuple[int, int]  # half-open

_NEIGHBOURS = 6  # bins from which a carrier's level is taken
# A guard band is this far below the carriers beside it (power ratio) where the network's mean probability falls by that
_EVIDENCE = ((5.0, 0.07), (2.0, 0.25))
_REACH = 7  # bins from the bottom within which the carrier must begin; LTE leaves 2 MHz at 20 MHz
_STEEP = 2.0  # power ratio over two bins, somewhere on each side


def find_guards(profile: np.ndarray, support: np.ndarray) -> list[Interval]:
    """Guard bands, in bins of the region.

    A guard band is a dip between carriers that begin within seven bins of it, steep on both sides, at which the
    network has its doubts too: power alone mistakes fading notches and unused resource blocks for it.
    The stronger the doubts, the shallower the dip may be, for an overloaded receiver fills it.

    Parameters
    ----------
    profile : float ``(f,)``
        Mean power per bin of the region, linear.
    support : float ``(f,)``
        Mean probability with which the mask is of the region's class, per bin.
    """
    least_doubt = min(doubt for _, doubt in _EVIDENCE)
    if support.min() > support.max() - least_doubt:  # no doubts, no guards
        return []
    found: list[Interval] = []
    lowest = ndimage.minimum_filter1d(profile, 2 * _REACH + 1, mode="nearest")
    for bottom in (np.flatnonzero(profile[1:-1] <= lowest[1:-1]) + 1).tolist():
        for depth, doubt in _EVIDENCE:
            below, above = _side(profile[bottom::-1], depth), _side(profile[bottom:], depth)
            if below is None or above is None:
                continue
            start, stop = bottom - below, bottom + above + 1
            left = np.median(support[max(0, start - 2 * _NEIGHBOURS) : start])
            right = np.median(support[stop : stop + 2 * _NEIGHBOURS])
            if support[start - 1 : stop + 1].min() <= min(left, right) - doubt:
                found.append((start, stop))
                break
    return found


def _side(profile: np.ndarray, depth: float) -> int | None:
    """Bins from the bottom of a guard band, ``profile[0]``, that belong to it on one side; None if it is no guard."""
    near = profile[: _REACH + 1]
    carrier = np.flatnonzero(near >= depth * near[0])
    if not carrier.size:
        return None
    level = float(np.median(profile[carrier[0] : carrier[0] + _NEIGHBOURS]))
    is_steep = bool(np.any(near[2:] >= _STEEP * near[:-2]))
    if level < depth * near[0] or not is_steep:
        return None
    return int(np.argmax(profile >= 0.5 * level)) - 1
