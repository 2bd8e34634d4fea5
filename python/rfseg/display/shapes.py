"""What a view asks a canvas to draw: plain shapes in pixels, x to the right, y downwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Union

import numpy as np

__all__ = ["Area", "Box", "Image", "Line", "Measure", "Rect", "Shape", "Text"]

# Width and height, in pixels, of a text in a size (``normal`` or ``small``).
Measure = Callable[[str, str], "tuple[float, float]"]


@dataclass(frozen=True)
class Rect:
    """A rectangle, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    def has(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left <= x < self.right and self.top <= y < self.bottom

    def meets(self, other: Rect) -> bool:
        """Whether two rectangles have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Rect) -> bool:
        """Whether the other lies inside as a whole."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )

    def clip(self, other: Rect) -> Rect:
        """The part of the other that lies inside; of no size where there is none."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Rect(left, top, max(left, min(self.right, other.right)), max(top, min(self.bottom, other.bottom)))


@dataclass(frozen=True, kw_only=True)
class Image:
    """Pixels, uint32 ``(H, W)`` as ``0xFFRRGGBB``, stretched over a rectangle."""

    rect: Rect
    pixels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line."""

    x0: float
    y0: float
    x1: float
    y1: float
    colour: str
    width: float = 1.0
    is_dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle with an edge, and a fill where ``fill`` is above 0 (1 covers what is below)."""

    rect: Rect
    colour: str
    width: float = 1.0
    is_dashed: bool = False
    fill: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area between a broken line through ``points`` and the height ``base``."""

    points: tuple[tuple[float, float], ...]
    base: float
    colour: str
    fill: float


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text at a point; ``anchor`` says where of it the point is: 0 left or top, 0.5 the middle, 1 right or bottom."""

    x: float
    y: float
    text: str
    colour: str
    anchor: tuple[float, float] = (0.0, 0.0)
    size: str = "normal"
    back: str | None = None  # colour of a plate behind it
    is_upright: bool = False  # turned to read from below upwards


Shape = Union[Area, Box, Image, Line, Text]
