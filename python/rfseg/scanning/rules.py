"""What a scan covers, how long it looks, and what it makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..errors import BandError

__all__ = ["ScanRange", "ScanRules", "StitchRules", "to_ranges"]


@dataclass(frozen=True, kw_only=True)
class ScanRange:
    """A range of frequencies to scan.

    Parameters
    ----------
    freq_lower_edge, freq_upper_edge : float
        RF, Hz.
    priority : float
        Its steps are visited this many times as often as those of priority 1, where time allows.
    dwell : float or None
        Time for which each of its steps is sensed in a visit, s; None for that of the rules.
    dwell_frames : int
        The same in whole frames, where above 0.
    """

    freq_lower_edge: float
    freq_upper_edge: float
    priority: float = 1.0
    dwell: float | None = None
    dwell_frames: int = 0

    def __post_init__(self) -> None:
        low, high = self.freq_lower_edge, self.freq_upper_edge
        if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high):
            raise BandError(f"{low!r} to {high!r} Hz is no range to scan; give the lower edge first, both of at least 0")
        _check("priority", self.priority, above=True)
        if self.dwell is not None:
            _check("dwell", self.dwell, above=True)
        _check("dwell_frames", self.dwell_frames)


@dataclass(frozen=True, kw_only=True)
class ScanRules:
    """What is scanned and how.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second of the receiver, Hz.
    ranges : tuple of ScanRange
        They may overlap.
    usable : float
        Share of the sample rate around the centre that is looked at, 0 to 1: filters roll off at its ends.
    overlap : float
        Width that neighbouring steps share at least, Hz; by half of it the view exceeds a range's ends.
    dwell : float
        Time for which a step is sensed in a visit, s: frames that were judged count.
    dwell_frames : int
        The same in whole frames, where above 0.
    settling : float
        Samples of this time after a retune are not counted, s, besides those that the frames themselves call settling.
    max_revisit : float
        No step is left alone for longer, from the end of one visit to the end of the next, s.
    boost : float
        Steps that are occupied or have changed are visited this many times as often, where time allows.
    min_change : float
        A step has changed if its occupied bins differ over this width, Hz.
    freq_jitter : float
        The centre of each visit is off its step's by up to this, Hz, so that spurs of the receiver move.
    dwell_jitter : float
        Each visit is longer by up to this share, so that the scan falls in step with no periodic signal.
    timeout : float
        Time for the receiver to obey, s; longer than frames take to come through.
    retries : int
        Commands repeated until a step counts as failed.
    tolerance : float or None
        A receiver that is off by more did not obey, Hz; None for what leaves no hole between steps.
    """

    samp_rate: float
    ranges: tuple[ScanRange, ...]
    usable: float = 0.8
    overlap: float = 1e6
    dwell: float = 0.1
    dwell_frames: int = 0
    settling: float = 0.0
    max_revisit: float = 30.0
    boost: float = 4.0
    min_change: float = 500e3
    freq_jitter: float = 0.0
    dwell_jitter: float = 0.0
    timeout: float = 1.0
    retries: int = 2
    tolerance: float | None = None

    def __post_init__(self) -> None:
        for name in ("samp_rate", "dwell", "max_revisit", "timeout"):
            _check(name, getattr(self, name), above=True)
        for name in ("overlap", "dwell_frames", "settling", "min_change", "freq_jitter", "dwell_jitter", "retries"):
            _check(name, getattr(self, name))
        if not self.ranges:
            raise BandError("ranges is empty; name at least one range to scan, such as [(3.4e9, 3.8e9)]")
        if not 0 < self.usable <= 1:
            raise BandError(f"usable={self.usable!r} is a share of the sample rate; expected above 0, at most 1")
        if self.boost < 1:
            raise BandError(f"boost={self.boost!r} must be at least 1; 1 treats all steps alike")
        if self.overlap >= self.view_width:
            raise BandError(
                f"overlap={self.overlap:g} Hz leaves nothing of the usable {self.view_width:g} Hz"
                f" ({self.usable:g} of {self.samp_rate:g}); lower it"
            )
        if self.freq_jitter > self.overlap / 2:
            raise BandError(
                f"freq_jitter={self.freq_jitter:g} Hz would leave holes between steps; expected at most half of"
                f" overlap={self.overlap:g} Hz"
            )
        if self.tolerance is not None:
            _check("tolerance", self.tolerance)

    @property
    def view_width(self) -> float:
        """Width that one step looks at, Hz."""
        return self.usable * self.samp_rate


@dataclass(frozen=True, kw_only=True)
class StitchRules:
    """How visits are added up.

    Parameters
    ----------
    bin_width : float
        Width of the bins that duty cycles are counted in, Hz.
    window : float
        Visits that ended longer ago do not count, s, but the newest of each step always does.
    max_duty : float
        A bin whose duty cycle exceeds this is not free, 0 to 1.
    min_width : float
        Narrower free bands are not listed, Hz.
    guard : float
        Distance that a free band keeps from whatever is not free, Hz.
    report_interval : float
        Least time between two reports, s; 0 for one after each visit.
    """

    bin_width: float = 100e3
    window: float = 60.0
    max_duty: float = 0.05
    min_width: float = 1e6
    guard: float = 200e3
    report_interval: float = 1.0

    def __post_init__(self) -> None:
        _check("bin_width", self.bin_width, above=True)
        for name in ("window", "max_duty", "min_width", "guard", "report_interval"):
            _check(name, getattr(self, name))
        if self.max_duty > 1:
            raise BandError(f"max_duty={self.max_duty!r} is a share of the time; expected 0 to 1")


def to_ranges(values: Sequence[ScanRange | Mapping[str, Any] | Sequence[float]]) -> tuple[ScanRange, ...]:
    """Ranges from what scripts and flowgraphs write.

    Parameters
    ----------
    values : sequence
        Each is a :class:`ScanRange`, a mapping of its fields, or its lower and upper edge (Hz), priority and dwell (s),
        of which the last two may be left out.

    Raises
    ------
    BandError
        If one is none of these, or makes no sense.

    Examples
    --------
    >>> to_ranges([(3.4e9, 3.8e9), (2.4e9, 2.5e9, 2, 0.05)])[1]
    ScanRange(freq_lower_edge=2400000000.0, freq_upper_edge=2500000000.0, priority=2, dwell=0.05, dwell_frames=0)
    """
    names = ("freq_lower_edge", "freq_upper_edge", "priority", "dwell")
    ranges = []
    for value in values:
        try:
            if not isinstance(value, (ScanRange, Mapping)):
                edges = tuple(value)
                value = dict(zip(names, edges)) if 2 <= len(edges) <= len(names) else None
            ranges.append(value if isinstance(value, ScanRange) else ScanRange(**value))
        except TypeError:
            raise BandError(
                f"ranges holds {value!r}; expected (lower edge, upper edge[, priority[, dwell]]) in Hz and s"
            ) from None
    return tuple(ranges)


def _check(name: str, value: float, *, above: bool = False) -> None:
    """Refuse what is not a finite number of at least, or above, 0."""
    if not math.isfinite(value) or value < 0 or (above and value == 0):
        raise BandError(f"{name}={value!r} must be a number {'above' if above else 'of at least'} 0")
