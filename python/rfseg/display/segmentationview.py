"""What the Segmentation Display shows: a waterfall, the mask over it, boxes around bands, axes, readings."""

from __future__ import annotations

import math
import threading
from typing import Sequence

import numpy as np

from ..bands import Band
from ..contract import NOT_INFERRED, Contract
from ..errors import OptionError
from ..geometry import Frame, Geometry, Reduction
from .axes import Plot, draw_frame, draw_x_axis, draw_y_axis
from .boxes import BandBoxes, draw_boxes
from .shapes import Image, Line, Measure, Rect, Shape, Text
from .themes import DARK, Theme, overlay_table, ramp_pixels, waterfall_pixels
from .waterfall import NOT_INFERRED_RANK, FrameRows, Waterfall, WaterfallImage

__all__ = ["LevelRange", "SegmentationView"]

_PERCENTILES = (8.0, 99.7)  # of the pixels: the ends of an automatic power scale
_LEAST_RANGE = 20.0  # dB
_INERTIA = 0.8  # share of the old range in the new one, so that the picture does not flicker
_IN_SECONDS = 5.0  # s; longer spans have their axis in seconds
_MINUS = "\N{MINUS SIGN}"


class LevelRange:
    """The ends of the power scale, dBFS: fixed, or following what is shown.

    Raises
    ------
    OptionError
        If fixed ends are not two finite numbers, the lower first.
    """

    def __init__(self, fixed: tuple[float, float] | None = None) -> None:
        if fixed is not None:
            low, high = fixed
            if not (math.isfinite(high - low) and low < high):
                raise OptionError(f"levels={fixed!r} must be two numbers of dBFS, the lower first, or None")
        self._fixed = fixed
        self._range: tuple[float, float] | None = None

    def follow(self, power: np.ndarray) -> tuple[float, float]:
        """The range for a picture of this power, dBFS with NaN where nothing is known."""
        if self._fixed is not None:
            return self._fixed
        known = power[::2, ::2]
        known = known[np.isfinite(known)]
        if known.size:
            low, high = (float(level) for level in np.percentile(known, _PERCENTILES))
            high = max(high, low + _LEAST_RANGE)
            old = self._range or (low, high)
            self._range = tuple(_INERTIA * a + (1 - _INERTIA) * b for a, b in zip(old, (low, high)))
        return self._range or (-120.0, -120.0 + _LEAST_RANGE)


class SegmentationView:
    """Takes frames and bands in and says what to draw.

    One thread draws; others hold ``lock`` while they set something.

    Parameters
    ----------
    contract : Contract
        Of the model that makes the masks.
    geometry : Geometry
        Of the frames.
    time_span : float
        Time that is shown, s.
    opacity : float
        Of the mask, 0 to 1.
    levels : (float, float) or None
        Ends of the power scale, dBFS; None to follow the signal.

    Raises
    ------
    OptionError
        If a value is outside its range.
    """

    def __init__(
        self,
        contract: Contract,
        geometry: Geometry,
        *,
        time_span: float,
        opacity: float,
        levels: tuple[float, float] | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.contract = contract
        self.hidden: set[int] = set()
        self.has_boxes = True
        self.theme: Theme = DARK
        self._time_span = time_span
        self._make_histories(geometry)
        self.set_opacity(opacity)
        self.set_levels(levels)
        self._shown_levels = 0.0, 1.0  # dBFS
        self._plot: Plot | None = None
        self._image: WaterfallImage | None = None

    def set_time_span(self, time_span: float) -> None:
        """Time that is shown from now on, s; what was shown is forgotten."""
        self._make_histories(self._waterfall.geometry, time_span)

    def set_opacity(self, opacity: float) -> None:
        """Opacity of the mask, 0 to 1."""
        overlay_table(self._waterfall.order, self.theme, opacity=opacity)  # refuses what is none
        self.opacity = opacity

    def set_levels(self, levels: tuple[float, float] | None) -> None:
        """Ends of the power scale, dBFS; None to follow the signal."""
        self._levels = LevelRange(None if levels is None else (float(levels[0]), float(levels[1])))
        self._has_news = True

    # -- what comes in

    def add_frame(self, rows: FrameRows) -> None:
        """Take in a frame."""
        geometry = self._waterfall.geometry.at_rate(rows.frame.samp_rate)
        if geometry is not self._waterfall.geometry:
            self._make_histories(geometry)
        self._waterfall.add(rows)
        self._has_news = True

    def add_bands(self, frame: Frame, bands: Sequence[Band]) -> None:
        """Take in the bands of a frame."""
        if frame.samp_rate == self._waterfall.geometry.samp_rate:
            self._boxes.add(frame, bands)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet."""
        return self._waterfall.newest < 0

    # -- what goes out

    def draw(self, width: int, height: int, measure: Measure) -> list[Shape]:
        """Shapes of a picture of that size, pixels."""
        waterfall, theme = self._waterfall, self.theme
        self._plot = plot = self._lay_out(width, height, measure)
        if self.is_empty:
            middle = (plot.rect.left + plot.rect.right) / 2, (plot.rect.top + plot.rect.bottom) / 2
            waiting = Text(
                x=middle[0], y=middle[1], text="Waiting for frames", colour=theme.muted, anchor=(0.5, 0.5)
            )
            return [*draw_frame(plot, theme), waiting]
        image = waterfall.image(height=int(plot.rect.height), width=int(plot.rect.width))
        self._image = image
        if self._has_news:  # the same frames drawn again look the same
            self._shown_levels, self._has_news = self._levels.follow(image.power), False
        low, high = self._shown_levels
        table = overlay_table(waterfall.order, theme, opacity=self.opacity, hidden=self.hidden)
        shapes: list[Shape] = [Image(rect=plot.rect, pixels=waterfall_pixels(image, table, low=low, high=high))]
        retunes, taken = self._draw_retunes(plot, measure)
        if self.has_boxes:
            shapes += draw_boxes(
                self._groups(), plot, theme, measure,
                newest=self._top_sample, samp_rate=waterfall.geometry.samp_rate, hidden=self.hidden, taken=taken,
            )  # fmt: skip
        return [*shapes, *retunes, *self._draw_axes(plot, measure, low, high)]

    @property
    def has_not_inferred(self) -> bool:
        """Whether the newest picture shows what no model has judged."""
        return self._image is not None and bool((self._image.ranks == NOT_INFERRED_RANK).any())

    def freq_at(self, x: float, y: float) -> float | None:
        """Frequency under the pointer, Hz: RF where the centre is known, else from the centre; None outside the plot."""
        if self._plot is None or self.is_empty or not self._plot.rect.has(x, y):
            return None
        center = self._waterfall.center_at(self._line_at(y))
        return (center or 0.0) + self._offset_at(x) * 1e6

    def reading(self, x: float, y: float) -> str:
        """Frequency, time, level and class under the pointer; empty outside the plot."""
        freq = self.freq_at(x, y)
        if freq is None or self._image is None:
            return ""
        plot, image = self._plot, self._image
        is_rf = self._waterfall.center_at(self._line_at(y)) is not None
        place = (
            int((y - plot.rect.top) / plot.rect.height * image.power.shape[0]),
            int((x - plot.rect.left) / plot.rect.width * image.power.shape[1]),
        )
        sign = "" if is_rf or freq < 0 else "+"
        parts = [f"{sign}{freq / 1e6:.3f} MHz", f"{self._age_at(y) * 1e3:.1f} ms ago"]
        power = float(image.power[place])
        if math.isfinite(power):
            parts.append(f"{power:.1f} dBFS")
        parts.append(self._class_text(int(image.ranks[place]), int(image.confidence[place])))
        return "   ".join(parts).replace("-", _MINUS)

    def status(self, *, dropped: int) -> str:
        """Model and rate, and how many frames newer ones have pushed out before they were drawn."""
        parts = [self.contract.name, f"{self._waterfall.geometry.samp_rate / 1e6:g} MS/s"]
        if dropped:
            parts.append(f"{dropped} frames not shown")
        return "   ".join(parts)

    # -- inside

    def _make_histories(self, geometry: Geometry, time_span: float | None = None) -> None:
        span = self._time_span if time_span is None else time_span
        self._waterfall = Waterfall(geometry, self.contract.classes, time_span=span)
        self._boxes = BandBoxes(self.contract.classes, time_span=span, samp_rate=geometry.samp_rate)
        self._time_span = span

    @property
    def _top_sample(self) -> int:
        return (self._waterfall.newest + 1) * self._waterfall.line_samples

    def _groups(self) -> list:
        waterfall = self._waterfall
        return [
            (group, waterfall.center_at(group.sample_start // waterfall.line_samples))
            for group in self._boxes.groups(self._top_sample - waterfall.span_samples)
        ]

    def _lay_out(self, width: int, height: int, measure: Measure) -> Plot:
        text_width, text_height = measure("0000", "normal")
        geometry = self._waterfall.geometry
        rect = Rect(
            text_width + text_height + 16,
            8,
            max(width - 2 * text_height - text_width - 42, text_width + text_height + 80),
            max(height - 2 * text_height - 16, 60),
        )
        return Plot(
            rect=rect,
            left=geometry.edge_freq(0) / 1e6,
            right=geometry.edge_freq(geometry.bins) / 1e6,
            top=0.0,
            bottom=self._waterfall.span_samples / geometry.samp_rate,
        )

    def _draw_axes(self, plot: Plot, measure: Measure, low: float, high: float) -> list[Shape]:
        theme = self.theme
        center = self._waterfall.center_at(self._waterfall.newest)
        shift = (center or 0.0) / 1e6
        across = Plot(rect=plot.rect, left=plot.left + shift, right=plot.right + shift, top=0.0, bottom=1.0)
        is_long = plot.bottom > _IN_SECONDS
        down = Plot(rect=plot.rect, left=0.0, right=1.0, top=0.0, bottom=plot.bottom * (1.0 if is_long else 1e3))
        bar = Rect(plot.rect.right + 14, plot.rect.top, plot.rect.right + 28, plot.rect.bottom)
        scale = Plot(rect=bar, left=0.0, right=1.0, top=high, bottom=low)
        return [
            *draw_frame(plot, theme),
            *draw_x_axis(across, theme, measure, "Frequency (MHz)" if center is not None else "Offset from centre (MHz)"),
            *draw_y_axis(down, theme, measure, f"Time before the newest ({'s' if is_long else 'ms'})"),
            Image(rect=bar, pixels=ramp_pixels(theme, max(int(bar.height), 2))),
            *draw_frame(scale, theme),
            *draw_y_axis(scale, theme, measure, f"{self._power_name} per bin (dBFS)", is_right=True),
        ]

    @property
    def _power_name(self) -> str:
        """What a pixel of the spectrogram shows: published pictures have one segment of each row, and no peaks."""
        return "Peak power" if Reduction.MAX in self._waterfall.geometry.reductions else "Power"

    def _draw_retunes(self, plot: Plot, measure: Measure) -> tuple[list[Shape], list[Rect]]:
        """A line and a text where the centre changes, and where the texts are."""
        waterfall, theme, shapes, taken = self._waterfall, self.theme, [], []
        right, line_time = plot.rect.right - 6, waterfall.line_samples / waterfall.geometry.samp_rate
        for retune in waterfall.retunes()[1:]:
            y = plot.to_y((waterfall.newest + 1 - retune.number) * line_time)
            center = retune.center_freq
            text = "centre unknown" if center is None else f"centre {center / 1e6:g} MHz"
            width, height = measure(text, "small")
            if y - height - 6 > plot.rect.top:
                taken.append(Rect(right - width - 5, y - height - 6, right + 5, y))
                plate = {"anchor": (1.0, 1.0), "size": "small", "back": theme.surface}
                shapes.append(Text(x=right, y=y - 3, text=text, colour=theme.text, **plate))
            line = {"x0": plot.rect.left, "y0": y, "x1": plot.rect.right, "y1": y}
            shapes.append(Line(**line, colour=theme.text, width=1.5, is_dashed=True))
        return shapes, taken

    def _offset_at(self, x: float) -> float:
        return self._plot.from_x(x)

    def _age_at(self, y: float) -> float:
        return self._plot.from_y(y)

    def _line_at(self, y: float) -> int:
        waterfall = self._waterfall
        return waterfall.newest - int(self._age_at(y) * waterfall.geometry.samp_rate / waterfall.line_samples)

    def _class_text(self, rank: int, confidence: int) -> str:
        if rank == 0:
            return "not shown"
        class_id = int(self._waterfall.order.class_id[rank - 1])
        if class_id == NOT_INFERRED:
            return "not inferred"
        return f"{self.contract.labels[class_id]} {100 * confidence / 255:.0f} %"
