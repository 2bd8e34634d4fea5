"""The learning rate over a run, and how far the run is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from .laws import ScheduleKind, ScheduleLaw, StopLaw

__all__ = ["Progress", "rate_factor"]

_WARM_UP_MINUTES = 2.0
_WARM_UP_STEPS = 300


@dataclass(kw_only=True)
class Progress:
    """How far a run is; the same on all processes.

    Parameters
    ----------
    step : int
        Steps made.
    images : int
        Frames trained on, of all processes.
    seconds : float
        Wall-clock time, earlier parts of a resumed run included.
    epoch : float
        Epochs, with the part of the current one.
    drawn : int
        Scenes that each process has taken.
    """

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    epoch: float = 0.0
    drawn: int = 0

    @property
    def minutes(self) -> float:
        """Wall-clock time in minutes."""
        return self.seconds / 60.0

    def share(self, stop: StopLaw) -> float:
        """Share of the run that is done, 0 to 1, by the limit that counts."""
        if stop.minutes:
            return min(1.0, self.minutes / stop.minutes)
        if stop.steps:
            return min(1.0, self.step / stop.steps)
        return min(1.0, self.epoch / stop.epochs) if stop.epochs else 0.0

    def to_record(self, *, ranks: int, seed: int) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return asdict(self) | {"minutes": self.minutes, "scenes": self.drawn * ranks, "seed": seed, "ranks": ranks}


def rate_factor(law: ScheduleLaw, progress: Progress, stop: StopLaw) -> float:
    """Learning rate re the highest one.

    Examples
    --------
    >>> stop = StopLaw(steps=10_000)
    >>> [rate_factor(ScheduleLaw(), Progress(step=step), stop) for step in (0, 300, 5000, 8750)]
    [0.1, 1.0, 1.0, 0.5]
    """
    if law.kind is ScheduleKind.CONSTANT:
        return 1.0
    if law.kind is ScheduleKind.STEPS:
        return law.factor ** (int(progress.epoch) // law.step_epochs)
    done, warm_up = progress.share(stop), _warm_up(law, stop)
    if done < warm_up:
        lowest = 0.1 if law.kind is ScheduleKind.STABLE else 0.05
        return lowest + (1 - lowest) * done / warm_up
    if law.kind is ScheduleKind.STABLE:
        return 1.0 if done <= 1 - law.decay else max(law.final, (1 - done) / law.decay)
    along = (done - warm_up) / max(1 - warm_up, 1e-9)
    return max(law.final, 0.5 * (1 + math.cos(math.pi * along)))


def _warm_up(law: ScheduleLaw, stop: StopLaw) -> float:
    """Share of the run; a one-cycle has all that it asks for."""
    if law.kind is ScheduleKind.CYCLE:
        return law.warm_up
    if stop.minutes:
        return min(law.warm_up, _WARM_UP_MINUTES / stop.minutes)
    return min(law.warm_up, _WARM_UP_STEPS / stop.steps) if stop.steps else law.warm_up
