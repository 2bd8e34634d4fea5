"""Texts of boxes: placed so that none covers another."""

from __future__ import annotations

from typing import Iterator, Sequence

from .shapes import Rect

__all__ = ["place_labels"]

_GAP = 2.0  # pixels between a box and a text outside it


def place_labels(
    boxes: Sequence[Rect],
    sizes: Sequence[Sequence[tuple[float, float]]],
    bounds: Rect,
    *,
    may_leave: Sequence[bool] | None = None,
    taken: Sequence[Rect] = (),
) -> list[tuple[int, Rect] | None]:
    """Where the text of each box goes.

    The first size that finds a place is taken: inside its box; or, for the two shortest, above, below, to the right or to the
    left.  All lie within the bounds and clear of the texts placed before them.

    Parameters
    ----------
    boxes : sequence of Rect
        The most important first.
    sizes : sequence of sequences of (float, float)
        For each box, width and height of its text, from the fullest version to the shortest, pixels.
    bounds : Rect
        Of the plot.
    may_leave : sequence of bool or None
        For each box, whether its text may stand outside it; None where all may.
    taken : sequence of Rect
        Where no text may be.

    Returns
    -------
    list of (int, Rect) or None
        For each box the version taken and its place; None where there is no room.
    """
    taken = list(taken)
    places: list[tuple[int, Rect] | None] = []
    for box, versions, is_free in zip(boxes, sizes, may_leave or [True] * len(boxes), strict=True):
        found = next(
            (
                (version, place)
                for version, place in _candidates(box, versions, bounds)
                if bounds.holds(place) and (is_free or box.holds(place)) and not any(place.meets(other) for other in taken)
            ),
            None,
        )
        places.append(found)
        if found:
            taken.append(found[1])
    return places


def _candidates(box: Rect, versions: Sequence[tuple[float, float]], bounds: Rect) -> Iterator[tuple[int, Rect]]:
    for version, (width, height) in enumerate(versions):
        if width <= box.width and height <= box.height:
            for top in (box.top, box.bottom - height, (box.top + box.bottom - height) / 2):
                yield version, Rect(box.left, top, box.left + width, top + height)
    for version, (width, height) in list(enumerate(versions))[-2:]:
        left = min(max(box.left, bounds.left), bounds.right - width)
        middle = (box.top + box.bottom - height) / 2
        for x, y in (
            (left, box.top - height - _GAP),
            (left, box.bottom + _GAP),
            (box.right + _GAP, middle),
            (box.left - width - _GAP, middle),
        ):
            yield version, Rect(x, y, x + width, y + height)
