"""The width of a single pulse from mean and maximum of its rows, where they can tell it.

A segment in the middle of a pulse has its full power, and the mean over a row's segments has that power times the pulse's
share of the row: their ratio is the width.  It holds for pulses on one frequency that are no shorter than a segment.
"""

from __future__ import annotations

import numpy as np

from ..geometry import Geometry, Reduction

__all__ = ["PULSE_SIDE", "can_tell_widths", "pulse_levels", "widths_of_energy"]

_HANN_SUM = 1.5  # power that a tone has in all bins, over that in a bin at whose centre it is
PULSE_SIDE = 2  # bins to either side of the strongest one that hold a tone
_ABOVE = 50.0  # power ratio (17 dB) to what lies beneath, below which maxima are noise's as much as the pulse's
_LEAST = 1.2  # segments; a shorter pulse may lie half in each of two
_FILLED = 0.85  # share of the rows between the first and the last that a single pulse fills, less the error of its width
_PLAIN = 1.3  # power ratio in all bins to that of a tone; chirps and codes fill more


def can_tell_widths(geometry: Geometry) -> bool:
    """Whether rows of a geometry have what the width follows from."""
    return {Reduction.MEAN, Reduction.MAX} <= set(geometry.reductions) and 2 * geometry.hop <= geometry.fft_size


def pulse_levels(excess: np.ndarray, beneath: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Full power of plain pulses in all their bins, and the place of the strongest of these.

    Parameters
    ----------
    excess, beneath : float ``(k,)``
        Maxima over each pulse's segments, less what lies beneath them, and that; linear power, bin by bin, pulse after pulse.
    starts : int ``(n,)``
        Where the bins of each begin.

    Returns
    -------
    (float ``(n,)``, int ``(n,)``)
        NaN for a pulse that is weak or at the end of its bins, or has a chirp or code: its bins peak at different times.
    """
    counts = np.diff(starts, append=excess.size)
    peak = np.maximum.reduceat(excess, starts)
    is_peak = excess == np.repeat(peak, counts)
    places = np.minimum.reduceat(np.where(is_peak, np.arange(excess.size), excess.size - 1), starts)
    is_strong = peak > _ABOVE * beneath[places]
    is_inside = (places >= starts + PULSE_SIDE) & (places < starts + counts - PULSE_SIDE)
    above, below = excess[np.minimum(places + 1, excess.size - 1)], excess[np.maximum(places - 1, 0)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(np.maximum(np.maximum(below, above), 0.25 * peak).astype(np.float64) / peak)
        offset = (2 * ratio - 1) / (1 + ratio)  # of the tone from the bin's centre, hann window
        levels = _HANN_SUM * peak * ((1 - offset**2) / np.sinc(offset)) ** 2
        is_plain = np.add.reduceat(np.maximum(excess, 0), starts) <= _PLAIN * levels
    return np.where(is_strong & is_inside & is_plain, levels, np.nan), places


def widths_of_energy(
    energy: np.ndarray, level: np.ndarray, *, noise: np.ndarray, rows: np.ndarray, geometry: Geometry
) -> np.ndarray:
    """Widths of pulses, s; NaN where one is hardly longer than a segment or too short for so many rows.

    Parameters
    ----------
    energy : float ``(n,)``
        Sum over rows and bins of the mean's excess, linear power.
    level : float ``(n,)``
        See :func:`pulse_levels`.
    noise : float ``(n,)``
        Mean power of a bin beneath the pulse: the strongest of many segments is one in which it adds to the pulse.
    rows : int ``(n,)``
        That the mask shows the pulse in.
    """
    segment = geometry.fft_size / geometry.samp_rate
    width = energy / level * geometry.row_duration
    count = np.maximum(1.0, (width - segment) * geometry.samp_rate / geometry.hop)  # segments that the pulse fills
    most = np.maximum(0.0, np.sqrt(2 * np.log(count)) - 0.55)  # deviations that the largest of so many is from the mean
    width = width * (1 + most * np.sqrt(noise * _HANN_SUM / level / 2)) ** 2
    is_one_pulse = width >= _FILLED * (rows - 2) * geometry.row_duration
    return np.where(is_one_pulse & (width >= _LEAST * segment), width, np.nan)
