"""Which step is next.

Each step has a deadline: ``max_revisit`` after the end of its last visit.  The step with the largest product of weight and time,
from the end of its last visit to the end of the coming one, is next, if all deadlines can still be met afterwards; otherwise
the one whose deadline is first.  As long as one sweep fits into ``max_revisit``, no deadline is ever missed: visiting in the order of deadlines keeps all that can be
kept, and a visit that would break one is not begun.
"""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["Schedule"]

_OVERHEADS = 32  # visits that the overhead is the largest of


class Schedule:
    """Deadlines and weights of steps; times in s, on one clock.

    Parameters
    ----------
    weights : array
        Of the steps, above 0; :attr:`weights` may be changed at any time.
    max_revisit : float
        s.

    Examples
    --------
    >>> schedule = Schedule([1.0, 4.0, 1.0], max_revisit=10.0)
    >>> order = []
    >>> for second in range(9):
    ...     order.append(schedule.next(float(second), np.ones(3)))
    ...     schedule.visited(order[-1], second + 1.0)
    >>> order
    [0, 1, 2, 1, 0, 1, 1, 2, 1]
    """

    def __init__(self, weights: np.ndarray | list[float], *, max_revisit: float) -> None:
        self.weights = np.array(weights, float)
        self.max_revisit = max_revisit
        self.ends = np.full(self.weights.size, -np.inf)  # of the last visits
        self._begin = 0.0
        self._overheads: deque[float] = deque(maxlen=_OVERHEADS)

    def restart(self, now: float) -> None:
        """All steps are due ``max_revisit`` from now."""
        self._begin = now
        self.ends[:] = -np.inf

    @property
    def overhead(self) -> float:
        """The longest that a recent visit took beyond its dwell."""
        return max(self._overheads, default=0.0)

    @property
    def deadlines(self) -> np.ndarray:
        """By when the next visit of each step must have ended."""
        return np.where(np.isinf(self.ends), self._begin, self.ends) + self.max_revisit

    def is_feasible(self, now: float, costs: np.ndarray) -> bool:
        """Whether all deadlines can be met, visits taking ``costs`` (s)."""
        return _is_feasible(now, costs, self.deadlines)

    def next(self, now: float, costs: np.ndarray) -> int:
        """Number of the step to visit, visits taking ``costs`` (s, one for each step)."""
        deadlines = self.deadlines
        ages = np.where(np.isinf(self.ends), np.inf, now + costs - self.ends)
        choice = int(np.argmax(self.weights * ages))
        end = now + costs[choice]
        later = deadlines.copy()
        later[choice] = end + self.max_revisit
        if end <= deadlines[choice] and _is_feasible(end, costs, later):
            return choice
        return int(np.argmin(deadlines))

    def visited(self, step: int, end: float, *, overhead: float | None = None) -> None:
        """A visit has ended; it took ``overhead`` beyond its dwell, if that says anything of others."""
        self.ends[step] = end
        if overhead is not None:
            self._overheads.append(max(0.0, overhead))


def _is_feasible(now: float, costs: np.ndarray, deadlines: np.ndarray) -> bool:
    order = np.argsort(deadlines, kind="stable")
    return bool(np.all(now + np.cumsum(np.asarray(costs)[order]) <= deadlines[order] + 1e-9))
