"""Bands that are followed over time, and the pulses of a radar.

:class:`BandTracker` gives bands the numbers of their tracks and tells when tracks begin, change and end;
:func:`measure_pulses` finds pulses, their widths and their intervals in the samples of a band.
"""

from .events import EndReason, EventKind, Track, TrackEvent
from .intervals import PatternKind, PulsePattern, find_pattern
from .pulses import PulseReport, Pulses, find_pulses, measure_pulses
from .rules import TrackRules
from .tracker import BandTracker, TrackedFrame

__all__ = [
    "BandTracker",
    "EndReason",
    "EventKind",
    "PatternKind",
    "PulsePattern",
    "PulseReport",
    "Pulses",
    "Track",
    "TrackEvent",
    "TrackRules",
    "TrackedFrame",
    "find_pattern",
    "find_pulses",
    "measure_pulses",
]
