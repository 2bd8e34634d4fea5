"""Axes: where a value is in pixels, which values are named, and the shapes that say so."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .shapes import Box, Line, Measure, Rect, Shape, Text
from .themes import Theme

__all__ = ["Plot", "draw_frame", "draw_x_axis", "draw_y_axis", "nice_ticks", "tick_texts"]

_TICK, _PAD = 4.0, 4.0  # pixels: length of a tick, distance of texts


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A rectangle of pixels with a range of values across (``left`` to ``right``) and down (``top`` to ``bottom``)."""

    rect: Rect
    left: float
    right: float
    top: float
    bottom: float

    def to_x(self, value: float) -> float:
        """Pixel of a value on the axis across."""
        return self.rect.left + (value - self.left) / (self.right - self.left) * self.rect.width

    def to_y(self, value: float) -> float:
        """Pixel of a value on the axis down."""
        return self.rect.top + (value - self.top) / (self.bottom - self.top) * self.rect.height

    def from_x(self, x: float) -> float:
        """Inverse of :meth:`to_x`."""
        return self.left + (x - self.rect.left) / self.rect.width * (self.right - self.left)

    def from_y(self, y: float) -> float:
        """Inverse of :meth:`to_y`."""
        return self.top + (y - self.rect.top) / self.rect.height * (self.bottom - self.top)


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two others, at most ``most``, at steps of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_ticks(3584.7, 3615.3, 7)
    [3585.0, 3590.0, 3595.0, 3600.0, 3605.0, 3610.0, 3615.0]
    """
    if not (math.isfinite(high - low) and high > low):
        return []
    least = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(least))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= max(most, 1):
            break
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_texts(ticks: list[float]) -> list[str]:
    """The ticks with as many decimals as their step needs.

    Examples
    --------
    >>> tick_texts([0.0, 2.5, 5.0]), tick_texts([3590.0, 3600.0]), tick_texts([-10.0, 0.0])
    (['0.0', '2.5', '5.0'], ['3590', '3600'], ['−10', '0'])
    """
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) if ticks else 0.0
    decimals = 0
    while decimals < 6 and abs(round(step, decimals) - step) > 1e-6 * abs(step):
        decimals += 1
    return [f"{tick:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for tick in ticks]


def draw_frame(plot: Plot, theme: Theme) -> list[Shape]:
    """The edge around a plot."""
    return [Box(rect=plot.rect, colour=theme.grid)]


def draw_x_axis(plot: Plot, theme: Theme, measure: Measure, title: str) -> list[Shape]:
    """Ticks below a plot with their values, and the title in the middle below them."""
    widest = max(measure(text, "normal")[0] for text in tick_texts([plot.left, plot.right]) + ["0000.0"])
    ticks = nice_ticks(plot.left, plot.right, int(plot.rect.width / (1.6 * widest)))
    bottom, height = plot.rect.bottom, measure(title, "normal")[1]
    shapes: list[Shape] = []
    for tick, text in zip(ticks, tick_texts(ticks)):
        x = plot.to_x(tick)
        shapes.append(Line(x0=x, y0=bottom, x1=x, y1=bottom + _TICK, colour=theme.muted))
        shapes.append(Text(x=x, y=bottom + _TICK + 1, text=text, colour=theme.text, anchor=(0.5, 0.0)))
    middle = (plot.rect.left + plot.rect.right) / 2
    y = bottom + _TICK + height + _PAD
    shapes.append(Text(x=middle, y=y, text=title, colour=theme.muted, anchor=(0.5, 0.0)))
    return shapes


def draw_y_axis(plot: Plot, theme: Theme, measure: Measure, title: str, *, is_right: bool = False) -> list[Shape]:
    """Ticks to the left of a plot (or to its right) with their values, and the title upright beside them."""
    height = measure("0", "normal")[1]
    low, high = sorted((plot.top, plot.bottom))
    ticks = nice_ticks(low, high, max(2, int(plot.rect.height / (2.2 * height))))
    side, way = (plot.rect.right, 1.0) if is_right else (plot.rect.left, -1.0)
    shapes: list[Shape] = []
    widest = 0.0
    for tick, text in zip(ticks, tick_texts(ticks)):
        y = plot.to_y(tick)
        shapes.append(Line(x0=side, y0=y, x1=side + way * _TICK, y1=y, colour=theme.muted))
        anchor = (0.0 if is_right else 1.0, 0.5)
        shapes.append(Text(x=side + way * (_TICK + 3), y=y, text=text, colour=theme.text, anchor=anchor))
        widest = max(widest, measure(text, "normal")[0])
    x = side + way * (_TICK + 3 + widest + _PAD)
    middle = (plot.rect.top + plot.rect.bottom) / 2
    shapes.append(
        Text(x=x, y=middle, text=title, colour=theme.muted, anchor=(0.0 if is_right else 1.0, 0.5), is_upright=True)
    )
    return shapes
