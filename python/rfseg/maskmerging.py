"""Rows of masks merged over time: what shows where several pixels become one."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from .contract import NOT_INFERRED, ClassKind, SignalClass

__all__ = ["MaskOrder"]


class MaskOrder:
    """Orders classes so that a maximum merges them: pulses show before carriers, and carriers before the background.

    Ranks are 0 for not inferred, then the classes.

    Parameters
    ----------
    classes : sequence of SignalClass
        Of the model that made the masks.

    Examples
    --------
    >>> kinds = (("Noise", "background"), ("Radar", "pulsed"), ("LTE", "carrier"))
    >>> order = MaskOrder([SignalClass(label=label, kind=kind) for label, kind in kinds])
    >>> order.rank[[0, 1, 2, 255]].tolist()  # noise, radar, LTE, not inferred
    [1, 3, 2, 0]
    >>> order.class_id[order.rank[[0, 1, 2, 255]]].tolist()
    [0, 1, 2, 255]
    """

    def __init__(self, classes: Sequence[SignalClass]) -> None:
        order = sorted(range(len(classes)), key=lambda i: (classes[i].kind is ClassKind.PULSED, i))
        self.class_id = np.array([NOT_INFERRED, *order], np.uint8)  # by rank
        self.rank = np.zeros(256, np.uint8)  # by class id
        self.rank[order] = np.arange(1, len(order) + 1)
