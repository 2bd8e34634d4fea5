"""Where the texts of boxes stand in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from .bands.groups import BandGroup
from .colours import class_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BoxLabels"]

_PADDING = 2.0  # points between a text and its frame
_INSET = 4  # pixels from the box around it
_POINTS = 72  # in an inch


class BoxLabels:
    """Texts of boxes, none over another: each takes the first place that is free, or none.

    Parameters
    ----------
    axes : Axes
        Where they are written; its layout is settled.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        self._sizes: dict[str, tuple[float, float]] = {}  # width and height of a text, pixels
        self._taken: list[tuple[float, float, float, float]] = []  # left, top, width and height, pixels

    def write(self, group: BandGroup, box: tuple[float, float, float, float]) -> None:
        """Label and confidence of a box, whose left, right, lower and upper edge are numbers on the axes."""
        text = f"{group.label if group.guess is None else group.guess + '?'} {group.confidence:.2f}"
        style = {"fontsize": 8.5, "color": "black", "va": "center", "ha": "center", "clip_on": True, "parse_math": False}
        width, height = self._size(text, style)
        left, right, bottom, top = box
        corners = self._axes.transData.transform([(left, bottom), (right, top)])
        place = next((p for p in _places(*corners.ravel(), width, height) if self._is_free(*p, width, height)), None)
        if place is None:
            return
        self._taken.append((*place, width, height))
        middle = self._axes.transData.inverted().transform((place[0] + width / 2, place[1] - height / 2))
        bbox = {"facecolor": class_colour(group.class_id), "edgecolor": "black", "linewidth": 0.8, "pad": _PADDING}
        self._axes.annotate(text, middle, bbox=bbox, **style)

    def _size(self, text: str, style: dict[str, Any]) -> tuple[float, float]:
        if text not in self._sizes:
            probe = self._axes.annotate(text, (0.5, 0.5), xycoords="axes fraction", **style)
            extent, margin = probe.get_window_extent(), 2 * _PADDING * self._axes.figure.dpi / _POINTS + 2
            probe.remove()
            self._sizes[text] = extent.width + margin, extent.height + margin
        return self._sizes[text]

    def _is_free(self, x: float, y: float, width: float, height: float) -> bool:
        bounds = self._axes.bbox
        if x < bounds.x0 or x + width > bounds.x1 or y > bounds.y1 or y - height < bounds.y0:
            return False
        return not any(x < u + w and u < x + width and y > v - h and v > y - height for u, v, w, h in self._taken)


def _places(x0: float, y0: float, x1: float, y1: float, width: float, height: float) -> Iterator[tuple[float, float]]:
    """Left and top of a text about a box, pixels from below; the best place comes first."""
    if x1 - x0 >= width + 2 * _INSET and y1 - y0 >= height + 2 * _INSET:
        inner = x0 + _INSET, x1 - width - _INSET
        yield from ((x, y) for y in (y1 - _INSET, y0 + height + _INSET) for x in inner)
    yield from ((x, y) for y in (y1 + height + 2, y0 - 2) for x in (x0, x1 - width))
    yield from ((x, y1) for x in (x1 + 4, x0 - width - 4))
