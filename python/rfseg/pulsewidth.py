"""The width of a single pulse from mean and maximum of its rows, where they can tell it.

A segment in the middle of a pulse has its full power, and the mean over a row's segments has that power times the pulse's
share of the row: their ratio is the width.  It holds for pulses on one frequency that are no shorter than a segment.
"""

from __future__ import annotations

import math

import numpy as np

from .geometry import Geometry, Reduction

__all__ = ["can_tell_widths", "pulse_level", "width_of_energy"]

_HANN_SUM = 1.5  # power that a tone has in all bins, over that in a bin at whose centre it is
_SIDE = 2  # bins to either side of the strongest one that hold a tone
_ABOVE = 50.0  # power ratio (17 dB) to what lies beneath, below which maxima are noise's as much as the pulse's
_LEAST = 1.2  # segments; a shorter pulse may lie half in each of two
_FILLED = 0.85  # share of the rows between the first and the last that a single pulse fills, less the error of its width
_PLAIN = 1.3  # power ratio in all bins to that of a tone; chirps and codes fill more


def can_tell_widths(geometry: Geometry) -> bool:
    """Whether rows of a geometry have what the width follows from."""
    return {Reduction.MEAN, Reduction.MAX} <= set(geometry.reductions) and 2 * geometry.hop <= geometry.fft_size


def pulse_level(excess: np.ndarray, beneath: np.ndarray) -> tuple[float, slice] | None:
    """Full power of a plain pulse in all its bins, and the bins that hold it.

    Parameters
    ----------
    excess, beneath : float ``(F,)``
        Maxima over the pulse's segments, less what lies beneath them, and that; linear power.

    Returns
    -------
    (float, slice) or None
        None for a pulse that is weak or at the end of the bins, or has a chirp or code: its bins peak at different times.
    """
    at = int(excess.argmax())
    if not _SIDE <= at < excess.size - _SIDE or excess[at] <= _ABOVE * beneath[at]:
        return None
    ratio = float(np.sqrt(max(excess[at - 1], excess[at + 1], 0.25 * excess[at]) / excess[at]))
    offset = (2 * ratio - 1) / (1 + ratio)  # of the tone from the bin's centre, hann window
    level = _HANN_SUM * float(excess[at]) * ((1 - offset**2) / float(np.sinc(offset))) ** 2
    if np.maximum(excess, 0).sum() > _PLAIN * level:
        return None
    return level, slice(at - _SIDE, at + _SIDE + 1)


def width_of_energy(energy: float, level: float, *, noise: float, rows: int, geometry: Geometry) -> float | None:
    """Width of a pulse, s; None where it is hardly longer than a segment or too short for so many rows.

    Parameters
    ----------
    energy : float
        Sum over rows and bins of the mean's excess, linear power.
    level : float
        See :func:`pulse_level`.
    noise : float
        Mean power of a bin beneath the pulse: the strongest of many segments is one in which it adds to the pulse.
    rows : int
        That the mask shows the pulse in.
    """
    segment = geometry.fft_size / geometry.samp_rate
    width = energy / level * geometry.row_duration
    count = max(1.0, (width - segment) * geometry.samp_rate / geometry.hop)  # segments that the pulse fills
    most = max(0.0, math.sqrt(2 * math.log(count)) - 0.55)  # deviations that the largest of so many is from the mean
    width *= (1 + most * math.sqrt(noise * _HANN_SUM / level / 2)) ** 2
    is_one_pulse = width >= _FILLED * (rows - 2) * geometry.row_duration
    return width if is_one_pulse and width >= _LEAST * segment else None
