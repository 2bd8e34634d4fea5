"""Scans: a receiver steps through ranges wider than its bandwidth, and what it saw is stitched together.

:mod:`.rules` says what to scan, :mod:`.plan` divides it into steps, :mod:`.schedule` chooses the next one, :mod:`.planner`
tunes, waits for the answer and dwells, :mod:`.visits` counts, :mod:`.stitching` joins bands over the borders of steps, and
:mod:`.report` tells the result.
"""

from .outputs import PlannerState, ScanOutput, TuneCommand
from .planner import ScanPlanner
from .report import ScannedBand, ScanReport, ScanSpan, StepState
from .rules import ScanRange, ScanRules, StitchRules, to_ranges

__all__ = [
    "PlannerState",
    "ScanOutput",
    "ScanPlanner",
    "ScanRange",
    "ScanReport",
    "ScanRules",
    "ScanSpan",
    "ScannedBand",
    "StepState",
    "StitchRules",
    "TuneCommand",
    "to_ranges",
]
