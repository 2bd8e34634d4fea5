"""From the colours of a label picture to class ids."""

from __future__ import annotations

from typing import Mapping

import numpy as np

from ..errors import DatasetError
from .classes import STANDARD_LABELS
from .layouts import Colour

__all__ = ["colour_counts", "colours_to_mask", "nearest_colour"]


def colours_to_mask(
    labels: np.ndarray, colours: Mapping[Colour, str], *, tolerance: int
) -> tuple[np.ndarray, int]:
    """Class of the nearest colour of each pixel.

    Parameters
    ----------
    labels : uint8 ``(height, width, 3)``
        As the file has them.
    colours : dict of (int, int, int) to str
        Class of each colour.
    tolerance : int
        Levels by which the worst channel may differ.

    Returns
    -------
    mask : uint8 ``(height, width)``
        This library's class ids.
    worst : int
        Largest distance of any pixel from the colour of its class, levels.

    Raises
    ------
    DatasetError
        If a pixel's colour is farther from all; the text says which, where and by how much.
    """
    packed = _pack(labels)
    mask = np.zeros(packed.shape, np.uint8)
    left = np.ones(packed.shape, bool)
    worst = 0
    for colour, label in colours.items():  # nearly always these are all
        exact = packed == _pack(np.array(colour, np.uint8))
        mask[exact] = STANDARD_LABELS.index(label)
        left &= ~exact
    for value in np.unique(packed[left]):
        colour = _unpack(value)
        nearest, distance = nearest_colour(colour, colours)
        if distance > tolerance:
            row, column = np.argwhere(packed == value)[0]
            raise DatasetError(
                f"has the colour {colour} at row {row}, column {column}, which no class has: the nearest is"
                f" {nearest} {colours[nearest]}, {distance} levels away, expected at most {tolerance}"
            )
        mask[packed == value] = STANDARD_LABELS.index(colours[nearest])
        worst = max(worst, distance)
    return mask, worst


def colour_counts(labels: np.ndarray) -> dict[Colour, int]:
    """Pixels of each colour of a label picture, uint8 ``(height, width, 3)``."""
    values, counts = np.unique(_pack(labels), return_counts=True)
    return {_unpack(value): int(count) for value, count in zip(values, counts)}


def nearest_colour(colour: Colour, colours: Mapping[Colour, str]) -> tuple[Colour, int]:
    """The colour whose worst channel differs least, and by how many levels it does."""
    distances = {c: max(abs(a - b) for a, b in zip(colour, c)) for c in colours}
    nearest = min(distances, key=distances.__getitem__)
    return nearest, distances[nearest]


def _pack(colours: np.ndarray) -> np.ndarray:
    parts = colours.astype(np.uint32)
    return parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]


def _unpack(value: int) -> Colour:
    value = int(value)
    return value >> 16, value >> 8 & 0xFF, value & 0xFF
