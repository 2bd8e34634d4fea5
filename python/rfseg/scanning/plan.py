"""Ranges divided into steps.

A range is cut into equal cells, each narrower than the view of the receiver by at least ``overlap``; a step is centred on each
cell.  So neighbouring views share ``overlap`` or more, the outer ones reach beyond the range by half of it, and a receiver
that is off by a little leaves no hole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import BandError
from .rules import ScanRange, ScanRules

__all__ = ["ScanStep", "make_steps", "tolerance_of"]

_LARGEST_PLAN = 1 << 16  # steps
_EDGE_TOLERANCE = 1e-9  # of a cell; rounding does not make one more


@dataclass(frozen=True, kw_only=True)
class ScanStep:
    """One place of the receiver: its number, centre (Hz) and the range it belongs to."""

    index: int
    center_freq: float
    range: ScanRange


def make_steps(rules: ScanRules) -> tuple[ScanStep, ...]:
    """The steps of all ranges, in their order.

    Raises
    ------
    BandError
        If they are too many, or one sweep takes longer than ``max_revisit``.

    Examples
    --------
    >>> rules = ScanRules(samp_rate=20e6, ranges=(ScanRange(freq_lower_edge=2.4e9, freq_upper_edge=2.44e9),))
    >>> [step.center_freq for step in make_steps(rules)]  # 16 MHz of each are used, 1 MHz twice
    [2406666667.0, 2420000000.0, 2433333333.0]
    """
    steps: list[ScanStep] = []
    for piece in rules.ranges:
        width = piece.freq_upper_edge - piece.freq_lower_edge
        count = max(1, math.ceil(width / (rules.view_width - rules.overlap) - _EDGE_TOLERANCE))
        if len(steps) + count > _LARGEST_PLAN:
            raise BandError(f"the ranges need more than {_LARGEST_PLAN} steps; scan less, or raise samp_rate")
        for index in range(count):
            center = round(piece.freq_lower_edge + (index + 0.5) * width / count)
            steps.append(ScanStep(index=len(steps), center_freq=float(center), range=piece))
    _check_duration(rules, steps)
    return tuple(steps)


def tolerance_of(rules: ScanRules, bin_width: float) -> float:
    """How far the receiver may be off, Hz: as asked for, or so far that every bin is still covered by a step."""
    if rules.tolerance is not None:
        return rules.tolerance
    return max(1.0, rules.overlap / 2 - rules.freq_jitter - bin_width)


def dwell_of(step: ScanStep, rules: ScanRules) -> tuple[float, int]:
    """Dwell of a step: seconds, and frames, which hold where above 0."""
    piece = step.range
    if piece.dwell is None and piece.dwell_frames == 0:
        return rules.dwell, rules.dwell_frames
    return (rules.dwell if piece.dwell is None else piece.dwell), piece.dwell_frames


def _check_duration(rules: ScanRules, steps: list[ScanStep]) -> None:
    """Refuse a plan that cannot keep its promise; dwell in frames is known only when frames come."""
    dwells = [dwell_of(step, rules) for step in steps]
    least = sum(rules.settling + (0.0 if frames else seconds) for seconds, frames in dwells)
    if least > rules.max_revisit:
        raise BandError(
            f"a sweep of {len(steps)} steps takes at least {least:g} s, more than max_revisit={rules.max_revisit:g} s;"
            " raise it, dwell shorter or scan less"
        )
