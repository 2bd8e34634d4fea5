"""Colours of displays, dark and light, and what turns levels and classes into pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import AbstractSet

import numpy as np

from ..colours import NOT_INFERRED_COLOUR, class_colour, to_rgb
from ..contract import NOT_INFERRED
from ..errors import OptionError
from ..maskmerging import MaskOrder
from .waterfall import EMPTY, NOT_INFERRED_RANK, WaterfallImage

__all__ = ["DARK", "LIGHT", "THEMES", "Theme", "duty_pixels", "overlay_table", "ramp_pixels", "waterfall_pixels"]

LEVELS = 256  # steps of the power scale
STRIPE = 8  # pixels from one stripe of what was not inferred to the next
_DARKEST, _PALEST = 0.35, 0.7  # share of a class's colour, and of white in it, at the weak end of the scale
_STRONGEST = 1.0  # share of a class's colour at the strong end of a light scale


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours ``#RRGGBB``; ``weak`` and ``strong`` are the ends of the power scale, ``duty`` the stops of duty cycles."""

    name: str
    is_dark: bool
    surface: str
    plot: str
    text: str
    muted: str
    grid: str
    casing: str
    accent: str
    free: str
    weak: str
    strong: str
    stripe: str
    duty: tuple[str, ...]


DARK = Theme(
    name="dark",
    is_dark=True,
    surface="#15181D",
    plot="#0B0D11",
    text="#E8EBEF",
    muted="#9BA5B1",
    grid="#39414C",
    casing="#000000",
    accent="#56B4E9",
    free="#2FCF9F",
    weak="#0B0D11",
    strong="#F4F6F8",
    stripe="#4C545F",
    duty=("#10151B", "#123A52", "#1D6A8F", "#56B4E9", "#D6EEFC"),
)
LIGHT = Theme(
    name="light",
    is_dark=False,
    surface="#FFFFFF",
    plot="#F3F5F7",
    text="#1A1E23",
    muted="#56606B",
    grid="#CBD2D9",
    casing="#1A1E23",
    accent="#0072B2",
    free="#007A59",
    weak="#F7F8FA",
    strong="#39424D",
    stripe="#B9C1CA",
    duty=("#F8FAFC", "#CBE3F3", "#86BFE3", "#2F87BF", "#083F6B"),
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def waterfall_pixels(image: WaterfallImage, table: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """Pixels, uint32 ``(L, F)``, of a waterfall between two levels, dBFS; the table is of :func:`overlay_table`."""
    with np.errstate(invalid="ignore"):
        levels = np.clip((image.power - low) * ((LEVELS - 1) / (high - low)), 0, LEVELS - 1)
    levels = np.nan_to_num(levels, copy=False).astype(np.uint8)
    ranks = image.ranks.copy()
    lines, bins = np.indices(ranks.shape, sparse=True)
    ranks[(ranks == NOT_INFERRED_RANK) & ((lines + bins) % STRIPE < 2)] = len(table) - 1
    return table[ranks, levels]


def overlay_table(order: MaskOrder, theme: Theme, *, opacity: float, hidden: AbstractSet[int] = frozenset()) -> np.ndarray:
    """Pixel by rank and level, uint32 ``(ranks + 2, LEVELS)``; the last row is the stripe of what was not inferred.

    Parameters
    ----------
    opacity : float
        Of the mask over the spectrogram, 0 to 1.
    hidden : set of int
        Classes whose mask is not shown.

    Raises
    ------
    OptionError
        If the opacity is not 0 to 1.
    """
    if not 0.0 <= opacity <= 1.0:
        raise OptionError(f"opacity={opacity!r} must lie in 0 (spectrogram alone) to 1 (mask in full colour)")
    scale = np.linspace(0.0, 1.0, LEVELS)[:, None]
    base = _mix([theme.weak, theme.strong], scale[:, 0])
    table = np.empty((len(order.class_id) + 2, LEVELS, 3))
    table[EMPTY] = to_rgb(theme.plot)
    table[-1] = to_rgb(theme.stripe)
    for rank, class_id in enumerate(order.class_id.tolist(), start=1):
        if class_id == NOT_INFERRED:
            table[rank] = (np.array(to_rgb(theme.plot)) + to_rgb(NOT_INFERRED_COLOUR)) / 2
        elif class_id == 0 or class_id in hidden:
            table[rank] = base
        else:
            table[rank] = base + opacity * (_tint(class_colour(class_id), theme, scale) - base)
    return _pack(table)


def ramp_pixels(theme: Theme, count: int) -> np.ndarray:
    """The power scale, strong end first, uint32 ``(count, 1)``."""
    return _pack(_mix([theme.weak, theme.strong], np.linspace(1.0, 0.0, count)))[:, None]


def duty_pixels(duty: np.ndarray, theme: Theme) -> np.ndarray:
    """Pixels of duty cycles 0 to 1, any shape, NaN where nothing was sensed, as uint32."""
    colours = _mix(list(theme.duty), np.nan_to_num(duty).ravel()).reshape(*duty.shape, 3)
    colours[np.isnan(duty)] = to_rgb(theme.plot)
    return _pack(colours)


def _tint(colour: str, theme: Theme, scale: np.ndarray) -> np.ndarray:
    """A class's colour over the power scale ``(LEVELS, 1)``, so that the signal's structure shows through."""
    rgb = np.array(to_rgb(colour), float)
    if theme.is_dark:
        return rgb * (_DARKEST + (1.0 - _DARKEST) * scale)
    pale = rgb + _PALEST * (255.0 - rgb)
    return pale + scale * (_STRONGEST * rgb - pale)


def _mix(stops: list[str], places: np.ndarray) -> np.ndarray:
    """Colours between equally spaced stops at ``places`` (0 to 1), float ``(N, 3)``."""
    rgb = np.array([to_rgb(stop) for stop in stops], float)
    positions = np.linspace(0.0, 1.0, len(stops))
    return np.stack([np.interp(places, positions, rgb[:, channel]) for channel in range(3)], axis=-1)


def _pack(colours: np.ndarray) -> np.ndarray:
    """``0xFFRRGGBB`` of colours ``(..., 3)``, 0 to 255."""
    parts = np.round(colours).astype(np.uint32)
    return np.uint32(0xFF000000) | parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]
