"""Which bands are extracted, and how much of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from ..bands import Band
from ..errors import BandError

__all__ = ["Absence", "ExtractionRules"]


class Absence(str, Enum):
    """What a stream gives out while there is no band."""

    ZEROS = "zeros"  # so that the count of samples tells the time
    GAP = "gap"  # nothing; the next stretch says its time


@dataclass(frozen=True, kw_only=True)
class ExtractionRules:
    """What an extractor takes.

    Parameters
    ----------
    label : str or None
        Only bands that are called so; a track that was begun is followed on when its name changes.  None for all.
    track : int or None
        Only this track (:mod:`rfseg.tracking`); None for all.
    margin : float
        The pass-band reaches so far beyond the band's edges, Hz.
    lead, tail : float
        Samples from so long before the band's first and until so long after its last one are taken too, s.
    max_pause : float
        A track that is away for no longer is one excerpt, with what lies between, s.  Of excerpts that would
        overlap because of ``lead`` and ``tail`` one is made in any case.
    min_duration : float
        Bands that are shorter give no excerpt, s.
    max_duration : float
        A longer excerpt is handed out in parts of this length, s.  At high rates long parts cost more than their samples: 0.1 s
        at 30.72 MS/s are 25 MB of memory that is new each time.
    max_bands : int
        Bands that are extracted at the same time; of those that begin together the strongest come first.
    switch_margin : float
        A stream leaves its band for one that is stronger by more than this, dB; inf for never.

    Raises
    ------
    BandError
        If a value is out of its range.
    """

    label: str | None = None
    track: int | None = None
    margin: float = 250e3
    lead: float = 100e-6
    tail: float = 100e-6
    max_pause: float = 0.0
    min_duration: float = 0.0
    max_duration: float = 0.02
    max_bands: int = 8
    switch_margin: float = 6.0

    def __post_init__(self) -> None:
        for name, unit in (
            ("margin", "frequency in Hz"),
            ("lead", "time in s"),
            ("tail", "time in s"),
            ("max_pause", "time in s"),
            ("min_duration", "time in s"),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BandError(f"{name}={value!r} must be a {unit}, 0 or more")
        if not (math.isfinite(self.max_duration) and self.max_duration > 0):
            raise BandError(f"max_duration={self.max_duration!r} must be a time in s, above 0")
        if self.min_duration > self.max_duration:
            raise BandError(
                f"min_duration={self.min_duration!r} s exceeds max_duration={self.max_duration!r} s;"
                " give a minimum of at most the maximum"
            )
        if int(self.max_bands) != self.max_bands or self.max_bands < 1:
            raise BandError(f"max_bands={self.max_bands!r} must be an integer of at least 1")
        if not self.switch_margin >= 0:
            raise BandError(f"switch_margin={self.switch_margin!r} must be 0 dB or more; inf for no change of the band")

    def takes(self, band: Band) -> bool:
        """Whether a band is among the chosen ones."""
        return (self.label is None or band.label == self.label) and (self.track is None or band.track == self.track)
