"""How busy a downlink is: which groups of resource blocks carry data in which slot, and how strongly."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["LOADS", "allocation"]

# Name: probability; share of slots with data; share of groups used in such a slot (low, high)
LOADS: dict[str, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "idle": (0.08, (0.0, 0.03), (0.05, 0.3)),
    "light": (0.22, (0.05, 0.4), (0.05, 0.5)),
    "medium": (0.30, (0.4, 0.9), (0.2, 0.9)),
    "full": (0.40, (0.95, 1.0), (0.9, 1.0)),
}


def _busy_slots(slots: int, share: float, mean_run: float, rng: np.random.Generator) -> np.ndarray:
    """Two-state Markov process: bool ``(slots,)`` with the given share of True in runs of about ``mean_run``."""
    if share >= 1.0:
        return np.ones(slots, bool)
    if share <= 0.0:
        return np.zeros(slots, bool)
    leave = 1.0 / mean_run
    enter = min(1.0, leave * share / (1.0 - share))
    draws = rng.random(slots)
    busy = np.empty(slots, bool)
    state = rng.random() < share
    for slot in range(slots):
        state = draws[slot] >= leave if state else draws[slot] < enter
        busy[slot] = state
    return busy


def allocation(slots: int, groups: int, load: str, rng: np.random.Generator) -> Tensor:
    """Amplitude of the data in each slot and group.

    Parameters
    ----------
    slots, groups : int
        Scheduling intervals, and groups of resource blocks.
    load : str
        Key of :data:`LOADS`.

    Returns
    -------
    float32 ``(slots, groups)``
        0 where nothing is sent, else about 1 (users differ by a few dB).
    """
    _, slot_share, group_share = LOADS[load]
    busy = _busy_slots(slots, rng.uniform(*slot_share), rng.uniform(1.5, 20.0), rng)
    width = rng.uniform(*group_share, size=(slots, 1))
    if rng.random() < 0.5:  # contiguous
        start = rng.uniform(0, 1, size=(slots, 1)) * (1 - width)
        place = (np.arange(groups) + 0.5) / groups
        used = (place >= start) & (place < start + width)
    else:
        used = rng.random((slots, groups)) < width
    if load == "full" and rng.random() < 0.6:
        used = np.ones((slots, groups), bool)
    spread = rng.choice([0.0, 0.7, 2.0])  # dB between users
    users_db = rng.normal(0.0, 1.0, size=(slots // 4 + 1, groups)).clip(-2, 2) * spread
    amplitude = 10 ** (users_db / 20)
    return torch.from_numpy((used & busy[:, None]) * np.repeat(amplitude, 4, axis=0)[:slots]).float()
