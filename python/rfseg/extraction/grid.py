"""Where the samples of one rate lie among those of another, in whole numbers, and what time it is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ..errors import GeometryError
from ..geometry import RxTime

__all__ = ["LARGEST_FACTOR", "Clock", "Grid"]

LARGEST_FACTOR = 4096  # of a change of the rate, up or down
_RATE_ERROR = 1e-9  # relative; a rate this near to a fraction of small numbers is that fraction


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The change of the rate as a grid of units: ``down`` samples of the input are ``up`` of the output.

    Parameters
    ----------
    origin : int
        Absolute index of the input sample at which unit 0 begins.
    samp_rate, out_rate : float
        Of input and output, Hz.

    Raises
    ------
    GeometryError
        If a rate is none, or their ratio is no fraction of numbers up to 4096.

    Examples
    --------
    >>> grid = Grid(origin=1000, samp_rate=61.44e6, out_rate=20e6)
    >>> grid.up, grid.down, grid.unit(1000 + 384), grid.sample(2)
    (125, 384, 1, 1768)
    """

    origin: int
    samp_rate: float
    out_rate: float

    def __post_init__(self) -> None:
        for name in ("samp_rate", "out_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise GeometryError(f"{name}={value!r} is not a rate; give complex samples per second, above 0")
        exact = Fraction(self.out_rate) / Fraction(self.samp_rate)
        ratio = exact.limit_denominator(LARGEST_FACTOR)
        if not 0 < ratio.numerator <= LARGEST_FACTOR or abs(ratio / exact - 1) > _RATE_ERROR:
            nearest = f"; the nearest is {float(ratio * Fraction(self.samp_rate)):.9g} Hz" if ratio else ""
            raise GeometryError(
                f"out_rate={self.out_rate:.9g} Hz is no fraction of samp_rate={self.samp_rate:.9g} Hz with numbers up to"
                f" {LARGEST_FACTOR}{nearest}"
            )
        object.__setattr__(self, "_ratio", ratio)

    @property
    def up(self) -> int:
        """Samples of the output in a unit."""
        return self._ratio.numerator

    @property
    def down(self) -> int:
        """Samples of the input in a unit."""
        return self._ratio.denominator

    def unit(self, sample: int) -> int:
        """The unit in which an input sample lies."""
        return (sample - self.origin) // self.down

    def unit_after(self, sample: int) -> int:
        """The first unit that begins with an input sample or after it."""
        return -((self.origin - sample) // self.down)

    def sample(self, unit: int) -> int:
        """Absolute index of the input sample at which a unit begins."""
        return self.origin + unit * self.down


class Clock:
    """The time of any sample, from the newest sample whose time is known.

    Parameters
    ----------
    samp_rate : float
        Hz.
    """

    def __init__(self, samp_rate: float) -> None:
        self.samp_rate = samp_rate
        self._known: tuple[int, RxTime] | None = None

    def time(self, sample: int) -> RxTime | None:
        """The moment of a sample; None where nothing is known."""
        if self._known is None:
            return None
        known, moment = self._known
        return moment.after(sample - known, self.samp_rate)

    def lateness(self, sample: int, time: RxTime) -> int:
        """Samples by which the time of a sample is later than expected; 0 where nothing is."""
        expected = self.time(sample)
        if expected is None:
            return 0
        return round(((time.seconds - expected.seconds) + (time.fraction - expected.fraction)) * self.samp_rate)

    def set(self, sample: int, time: RxTime) -> None:
        """Take the time of a sample."""
        self._known = sample, time

    def change_rate(self, sample: int, samp_rate: float) -> None:
        """From a sample on the rate is another, Hz."""
        time = self.time(sample)
        self.samp_rate = samp_rate
        self._known = None if time is None else (sample, time)
