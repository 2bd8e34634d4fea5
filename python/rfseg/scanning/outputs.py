"""What a planner is doing, and what it gives out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .summary import Picture

__all__ = ["PlannerState", "ScanOutput", "TuneCommand"]


class PlannerState(str, Enum):
    """What the planner is doing."""

    STOPPED = "stopped"
    TUNING = "tuning"
    DWELLING = "dwelling"


@dataclass(frozen=True, kw_only=True)
class TuneCommand:
    """Tune to ``center_freq`` (Hz) for a step, -1 for a held frequency; ``attempt`` counts from 0."""

    center_freq: float
    step: int
    attempt: int = 0


@dataclass(eq=False)
class ScanOutput:
    """What a call has led to, in its order: commands, events (name and fields), and the newest picture."""

    commands: list[TuneCommand] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    picture: Picture | None = None
