"""Boxes of bands over a waterfall: the bands of successive frames that belong together share one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import AbstractSet, Sequence

from ..bands.groups import BandGroup, BandGroups
from ..bands import Band
from ..colours import class_colour
from ..contract import SignalClass
from ..geometry import Frame
from .axes import Plot
from .labels import place_labels
from .shapes import Box, Measure, Rect, Shape, Text
from .themes import Theme

__all__ = ["BandBoxes", "draw_boxes"]

_LONGEST_GAP = 0.02  # of the time shown: bands of one label closer than this share a box
_SHORTEST_GAP = 4e-3  # s; longer than the interval of most radars' pulses
_SMALL = 12.0  # pixels; smaller boxes have thinner edges
_PAD = (4.0, 1.5)  # pixels around a text on its plate


@dataclass(frozen=True)
class _Placed:
    """A group, its rectangle in pixels and what its label says, from full to short."""

    group: BandGroup
    rect: Rect
    texts: tuple[str, ...]


class BandBoxes:
    """Collects bands frame by frame and forgets those that have left the view.

    Parameters
    ----------
    classes : sequence of SignalClass
        Of the model that the bands are from.
    time_span : float
        Time that is shown, s.
    samp_rate : float
        Hz.
    """

    def __init__(self, classes: Sequence[SignalClass], *, time_span: float, samp_rate: float) -> None:
        self._classes = tuple(classes)
        self._max_gap = int(max(_LONGEST_GAP * time_span, _SHORTEST_GAP) * samp_rate)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._groups = BandGroups(self._classes, max_gap=self._max_gap)
        self._center: float | None = None
        self._watermark = 0

    def add(self, frame: Frame, bands: Sequence[Band]) -> None:
        """Take in the bands of a frame; one from before the newest means that the stream has begun anew."""
        if frame.sample_start < self._watermark:
            self.reset()
        if frame.center_freq != self._center:
            self._groups.close()
        self._center, self._watermark = frame.center_freq, frame.watermark
        center = frame.center_freq or 0.0
        offsets = [
            replace(
                band,
                freq_lower_edge=band.freq_lower_edge - center,
                freq_upper_edge=band.freq_upper_edge - center,
                freq_reference="baseband",
            )
            for band in bands
        ]
        self._groups.add(offsets, frame_index=frame.index)

    def groups(self, first_sample: int) -> list[BandGroup]:
        """Groups that reach beyond a sample, with edges in Hz from the centre; those before it are forgotten."""
        self._groups.forget(first_sample)
        return self._groups.groups()


def draw_boxes(
    groups: Sequence[tuple[BandGroup, float | None]],
    plot: Plot,
    theme: Theme,
    measure: Measure,
    *,
    newest: int,
    samp_rate: float,
    hidden: AbstractSet[int] = frozenset(),
    taken: Sequence[Rect] = (),
) -> list[Shape]:
    """Boxes with their texts.

    Parameters
    ----------
    groups : sequence of (BandGroup, float or None)
        With the RF centre that each was seen at, Hz, or None.
    plot : Plot
        Across, MHz from the centre; down, seconds before the sample ``newest``.
    newest : int
        Sample at the top.
    samp_rate : float
        Hz.
    hidden : set of int
        Classes that are not shown.
    taken : sequence of Rect
        Where no text may be.
    """
    placed = []
    for group, center in groups:
        rect = Rect(
            plot.to_x(group.freq_lower_edge / 1e6),
            plot.to_y((newest - group.sample_stop) / samp_rate),
            plot.to_x(group.freq_upper_edge / 1e6),
            plot.to_y((newest - group.sample_start) / samp_rate),
        )
        rect = plot.rect.clip(rect)
        if group.class_id not in hidden and rect.width > 0 and rect.height > 0:
            placed.append(_Placed(group, rect, _texts(group, center)))
    placed.sort(key=lambda p: -p.rect.width * p.rect.height)
    shapes: list[Shape] = []
    for item in placed:
        is_dashed = item.group.guess is not None
        colour = class_colour(item.group.class_id)
        width = 1.0 if min(item.rect.width, item.rect.height) < _SMALL else 2.0
        shapes.append(Box(rect=item.rect, colour=theme.casing, width=width + 2.0))
        shapes.append(Box(rect=item.rect, colour=colour, width=width, is_dashed=is_dashed))
    return shapes + _draw_texts(placed, plot, measure, taken)


def _draw_texts(
    placed: Sequence[_Placed], plot: Plot, measure: Measure, taken: Sequence[Rect]
) -> list[Shape]:
    """Texts, first those of the bands that have a name; a doubtful one is only written where it fits into its box."""
    placed = sorted(placed, key=lambda p: p.group.guess is not None)
    inset = [Rect(p.rect.left + 3, p.rect.top + 3, p.rect.right - 3, p.rect.bottom - 3) for p in placed]
    sizes = []
    for item in placed:
        measured = [measure(text, "small") for text in item.texts]
        sizes.append([(width + 2 * _PAD[0], height + 2 * _PAD[1]) for width, height in measured])
    shapes: list[Shape] = []
    is_free = [item.group.guess is None for item in placed]
    places = place_labels(inset, sizes, plot.rect, may_leave=is_free, taken=taken)
    for item, found in zip(placed, places, strict=True):
        if found is None:
            continue
        version, rect = found
        shapes.append(
            Text(
                x=rect.left + _PAD[0],
                y=rect.top + _PAD[1],
                text=item.texts[version],
                colour="#000000",
                size="small",
                back=class_colour(item.group.class_id),
            )
        )
    return shapes


def _texts(group: BandGroup, center: float | None) -> tuple[str, ...]:
    """Label, confidence, centre and width; then without the width; then label and confidence alone; then the label."""
    label = group.label if group.guess is None else f"{group.guess}?"
    middle = ((center or 0.0) + (group.freq_lower_edge + group.freq_upper_edge) / 2) / 1e6
    sign = "" if center is not None else "+" if middle >= 0 else "\N{MINUS SIGN}"
    where = f"{sign}{abs(middle):.2f} MHz"
    width = f"{(group.freq_upper_edge - group.freq_lower_edge) / 1e6:.2f} MHz wide"
    name = f"{label} {100 * group.confidence:.0f} %"
    return f"{name}  {where}, {width}", f"{name}\n{where}\n{width}", f"{name}  {where}", name, label
