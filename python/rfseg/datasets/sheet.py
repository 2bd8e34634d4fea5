"""Contact sheets: many frames with their masks in one picture, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ..atomic import replacing
from ..colours import class_table
from .classes import IGNORED
from .items import Item
from .pictures import require_pillow

__all__ = ["make_sheet", "mask_colours", "rows_to_picture", "save_sheet"]

_BACKGROUND = "#181820"
_TILE, _GAP, _CAPTION = 256, 6, 13  # pixels; a tile has one for each row, so that no pulse is lost
_RANGE_DB = (-6.0, 34.0)  # of the picture of rows, re the median of the first channel


def mask_colours(count: int) -> np.ndarray:
    """RGB by mask value, uint8 ``(256, 3)``; more classes than colours take them again."""
    return class_table(count, background=_BACKGROUND)


def rows_to_picture(rows: np.ndarray) -> np.ndarray:
    """Rows in dB, ``(C, T, F)``, as a picture, uint8 ``(T, F, 3)``: dark blue at the median to yellow 34 dB above."""
    db = rows.astype(np.float32).max(axis=0)
    low, high = _RANGE_DB
    level = np.clip((db - np.median(rows[0].astype(np.float32)) - low) / (high - low), 0, 1)[..., None]
    stops = np.array([(10, 10, 50), (40, 80, 160), (60, 170, 160), (240, 230, 90)], np.float32)
    position = level * (len(stops) - 1)
    index = np.minimum(position.astype(int), len(stops) - 2)[..., 0]
    return (stops[index] + (stops[index + 1] - stops[index]) * (position - index[..., None])).astype(np.uint8)


def make_sheet(items: Sequence[Item], labels: Sequence[str], *, captions: Sequence[str] = (), columns: int = 3) -> Any:
    """A Pillow image: each item's picture with its masks to the right, earliest row on top, and a legend.

    Parameters
    ----------
    labels : sequence of str
        By class id.
    captions : sequence of str
        One for each item, above it.
    columns : int
        Items side by side.
    """
    image_module = require_pillow()
    from PIL import ImageDraw

    table = mask_colours(len(labels))
    masks = [item.mask[None] if item.mask.ndim == 2 else item.mask for item in items]
    tiles = 1 + max((len(of_item) for of_item in masks), default=1)
    cell = (tiles * (_TILE + 2) + _GAP, _TILE + _GAP + _CAPTION)
    columns = max(1, min(columns, len(items)))
    lines = -(-len(items) // columns)
    sheet = image_module.new("RGB", (columns * cell[0] + _GAP, lines * cell[1] + _GAP + 20), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for number, item in enumerate(items):
        left, top = _GAP + number % columns * cell[0], _GAP + number // columns * cell[1]
        picture = item.data if item.data.shape[-1] == 3 and item.data.dtype == np.uint8 else rows_to_picture(item.data)
        if number < len(captions):
            draw.text((left, top), captions[number][:60], fill=(0, 0, 0))
        for place, pixels in enumerate((picture, *(table[mask] for mask in masks[number]))):
            tile = image_module.fromarray(np.ascontiguousarray(pixels)).resize((_TILE, _TILE), image_module.NEAREST)
            sheet.paste(tile, (left + place * (_TILE + 2), top + _CAPTION))
    left, top = _GAP, lines * cell[1] + _GAP
    for value, label in [*enumerate(labels), (IGNORED, "unknown")]:
        colour = tuple(int(level) for level in table[value])
        draw.rectangle((left, top, left + 12, top + 12), fill=colour, outline=(0, 0, 0))
        draw.text((left + 18, top), label, fill=(0, 0, 0))
        left += 40 + 7 * len(label)
    return sheet


def save_sheet(path: Path, items: Sequence[Item], labels: Sequence[str], *, captions: Sequence[str] = (), columns: int = 3) -> None:
    """Write a contact sheet as PNG; see :func:`make_sheet`."""
    sheet = make_sheet(items, labels, captions=captions, columns=columns)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")
