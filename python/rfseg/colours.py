"""Colours of classes: one table for pictures, contact sheets, plots and displays."""

from __future__ import annotations

import numpy as np

from .contract import NOT_INFERRED

__all__ = ["CLASS_COLOURS", "NOT_INFERRED_COLOUR", "class_colour", "class_table", "to_rgb"]

# Okabe and Ito, "Color universal design", 2008: told apart with any colour vision.
CLASS_COLOURS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2")
NOT_INFERRED_COLOUR = "#808080"


def class_colour(class_id: int) -> str:
    """Colour ``#RRGGBB`` of a class that is not the background; more classes than colours take them again.

    Examples
    --------
    >>> class_colour(1), class_colour(8) == class_colour(1)
    ('#56B4E9', True)
    """
    return CLASS_COLOURS[(class_id - 1) % len(CLASS_COLOURS)]


def to_rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of ``#RRGGBB``.

    Examples
    --------
    >>> to_rgb("#56B4E9")
    (86, 180, 233)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def class_table(count: int, *, background: str) -> np.ndarray:
    """RGB by mask value, uint8 ``(256, 3)``: ``background``, then classes; what is no class has the colour of not inferred."""
    table = np.full((256, 3), to_rgb(NOT_INFERRED_COLOUR), np.uint8)
    for class_id in range(min(count, NOT_INFERRED)):
        table[class_id] = to_rgb(class_colour(class_id) if class_id else background)
    return table
