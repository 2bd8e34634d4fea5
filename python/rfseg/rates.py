"""How to bring a sample rate to one that a model covers."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["as_typed", "rate_remedy"]

_RADIOS = "30.72e6 and 61.44e6 (AD936x, bladeRF), 20e6 (HackRF), 50e6 and 100e6 (USRP B2xx, X3xx)"
_LARGEST_FACTOR = 1000  # of a resampler


def as_typed(rate: float) -> str:
    """A rate in Hz as one types it.

    Examples
    --------
    >>> as_typed(122.88e6), as_typed(250e3)
    ('122.88e6', '250000')
    """
    return f"{rate / 1e6:.9g}e6" if rate >= 1e6 else f"{rate:g}"


def rate_remedy(samp_rate: float, low: float, high: float) -> str:
    """How to bring a rate into the range from ``low`` to ``high`` Hz, with rates that common radios have.

    Examples
    --------
    >>> rate_remedy(20e6, 61.44e6, 61.44e6)
    'resample to 61.44e6 Hz first, such as by scipy.signal.resample_poly(x, 384, 125), or record at that rate'
    """
    if samp_rate <= 0:
        return f"give complex samples per second; rates that fit: {_RADIOS}"
    if low == high:
        ratio = Fraction(low / samp_rate).limit_denominator(_LARGEST_FACTOR)
        how = f"scipy.signal.resample_poly(x, {ratio.numerator}, {ratio.denominator})"
        return f"resample to {as_typed(low)} Hz first, such as by {how}, or record at that rate"
    if samp_rate < low:
        factor = math.ceil(low / samp_rate)
        return (
            f"resample by {factor} to {as_typed(samp_rate * factor)} Hz (scipy.signal.resample_poly, or Rational Resampler"
            f" before the blocks), or record at a rate such as {_RADIOS}"
        )
    factor = math.ceil(samp_rate / high)
    return f"decimate by {factor} to {as_typed(samp_rate / factor)} Hz, or split the band; rates that fit: {_RADIOS}"
