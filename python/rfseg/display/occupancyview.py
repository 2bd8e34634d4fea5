"""What the Occupancy Display shows: duty cycle over frequency now, its history below, free bands marked."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..occupancyreport import OccupancyReport
from .axes import Plot, draw_frame, draw_x_axis, draw_y_axis
from .labels import place_labels
from .shapes import Area, Box, Image, Line, Measure, Rect, Shape, Text
from .themes import DARK, Theme, duty_pixels

__all__ = ["DutyHistory", "OccupancyView"]

MAX_LINES = 2000  # of the history; more reports than that push the oldest out
MAX_BINS = 8192  # of the picture
_NOW_SHARE = 0.36  # of the height: the upper plot
_IN_MINUTES = 300.0  # s; longer histories have their axis in minutes
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class _Entry:
    """A report's duty cycles: moment of its end in s, and number and duty cycles of neighbouring bins, span by span."""

    time: float
    spans: tuple[tuple[int, np.ndarray], ...]


class DutyHistory:
    """Duty cycles of the newest reports.

    Parameters
    ----------
    history : float
        Time that is shown, s.

    Raises
    ------
    OptionError
        If the history is not above 0.
    """

    def __init__(self, history: float) -> None:
        if not (math.isfinite(history) and history > 0):
            raise OptionError(f"history={history!r} s must be above 0")
        self.history = history
        self._entries: deque[_Entry] = deque(maxlen=MAX_LINES)
        self.newest: OccupancyReport | None = None

    def add(self, report: OccupancyReport) -> None:
        """Take in a report; one from before the newest, or of other bins, begins a new history."""
        old = self.newest
        if old is not None and (
            report.sample_stop < old.sample_stop
            or (report.bin_width, report.freq_reference) != (old.bin_width, old.freq_reference)
        ):
            self._entries.clear()
        self.newest = report
        spans = tuple(
            (round(span.freq_lower_edge / report.bin_width), np.array(span.duty_cycle, np.float32))
            for span in report.spans
        )
        self._entries.append(_Entry(report.sample_stop / report.samp_rate, spans))
        while self._entries and self._entries[0].time < self._entries[-1].time - self.history:
            self._entries.popleft()

    def bins(self) -> tuple[int, int]:
        """First bin that any report speaks of, and the one after the last; both 0 where there is none."""
        edges = [(first, first + len(duty)) for entry in self._entries for first, duty in entry.spans]
        if not edges:
            return 0, 0
        low, high = min(a for a, _ in edges), max(b for _, b in edges)
        return low, min(high, low + MAX_BINS)

    def image(self, lines: int, low: int, high: int) -> np.ndarray:
        """Duty cycles of the bins ``low`` to ``high``, float32 ``(lines, high - low)``, newest first.

        NaN where nothing is known.  A line shows the report whose interval it lies in.
        """
        times = np.array([entry.time for entry in self._entries])
        rows = np.stack([self._row(entry, low, high) for entry in self._entries])
        ages = (np.arange(lines) + 0.5) * self.history / lines
        which = np.searchsorted(times, times[-1] - ages, "left")  # the first report that ends after the moment
        step = float(np.median(np.diff(times))) if times.size > 1 else self.history / lines
        picture = rows[np.minimum(which, times.size - 1)]
        picture[times[-1] - ages < times[0] - step] = np.nan
        return picture

    def now(self, low: int, high: int) -> np.ndarray:
        """Duty cycles of the newest report, float32 ``(high - low,)``."""
        return self._row(self._entries[-1], low, high)

    @staticmethod
    def _row(entry: _Entry, low: int, high: int) -> np.ndarray:
        row = np.full(high - low, np.nan, np.float32)
        for first, duty in entry.spans:
            begin, end = max(first, low), min(first + len(duty), high)
            if begin < end:
                row[begin - low : end - low] = duty[begin - first : end - first]
        return row


class OccupancyView:
    """Takes reports in and says what to draw.

    One thread draws; others hold ``lock`` while they set something.

    Parameters
    ----------
    history : float
        Time that the history shows, s.
    """

    def __init__(self, *, history: float) -> None:
        self.lock = threading.Lock()
        self.theme: Theme = DARK
        self._history = DutyHistory(history)
        self._now: Plot | None = None  # across, MHz; down, duty cycle in %
        self._past: Plot | None = None  # across, MHz; down, seconds ago
        self._picture: np.ndarray | None = None
        self._duty = np.zeros(0, np.float32)

    def set_history(self, history: float) -> None:
        """Time that the history shows from now on, s; what was shown is forgotten."""
        self._history = DutyHistory(history)

    def add(self, report: OccupancyReport) -> None:
        """Take in a report."""
        self._history.add(report)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come yet."""
        return self._history.bins() == (0, 0)

    def draw(self, width: int, height: int, measure: Measure) -> list[Shape]:
        """Shapes of a picture of that size, pixels."""
        theme, history = self.theme, self._history
        now_rect, past_rect = self._lay_out(width, height, measure)
        low, high = history.bins()
        if low == high:
            self._now = self._past = None
            middle = (past_rect.left + past_rect.right) / 2, (now_rect.top + past_rect.bottom) / 2
            text = "Waiting for reports of Occupancy"
            waiting = Text(x=middle[0], y=middle[1], text=text, colour=theme.muted, anchor=(0.5, 0.5))
            both = Rect(now_rect.left, now_rect.top, now_rect.right, past_rect.bottom)
            frame = Plot(rect=both, left=0, right=1, top=0, bottom=1)
            return [*draw_frame(frame, theme), waiting]
        scale = history.newest.bin_width / 1e6
        edges = {"left": low * scale, "right": high * scale}
        self._now = now = Plot(rect=now_rect, **edges, top=104.0, bottom=0.0)
        self._past = past = Plot(rect=past_rect, **edges, top=0.0, bottom=history.history)
        self._duty = history.now(low, high)
        self._picture = history.image(max(int(past_rect.height), 2), low, high)
        pixels = duty_pixels(_narrow(self._picture, int(past_rect.width)), theme)
        return [
            *self._draw_grid(now),
            *self._draw_free(now, past, measure),
            *self._draw_now(now, self._duty),
            Image(rect=past_rect, pixels=pixels),
            *self._draw_axes(now, past, measure),
        ]

    def freq_at(self, x: float, y: float) -> float | None:
        """Frequency under the pointer, Hz, in the reports' reference; None outside the plots."""
        plots = [plot for plot in (self._now, self._past) if plot is not None and plot.rect.has(x, y)]
        return plots[0].from_x(x) * 1e6 if plots else None

    def reading(self, x: float, y: float) -> str:
        """Frequency, duty cycle and time under the pointer; empty outside the plots."""
        freq = self.freq_at(x, y)
        if freq is None or self._picture is None:
            return ""
        parts, line, is_now = [f"{freq / 1e6:.3f} MHz"], self._duty, True
        if self._past.rect.has(x, y):
            rect = self._past.rect
            line, is_now = self._picture[int((y - rect.top) / rect.height * len(self._picture))], False
            parts.append(f"{self._past.from_y(y):.1f} s ago")
        duty = float(line[int((x - self._now.rect.left) / self._now.rect.width * line.size)])
        parts.append("not sensed" if math.isnan(duty) else f"in use {100 * duty:.0f} % of the time")
        if is_now and any(b.freq_lower_edge <= freq < b.freq_upper_edge for b in self._history.newest.free):
            parts.append("free")
        return "   ".join(parts).replace("-", _MINUS)

    def status(self) -> str:
        """How much is free."""
        report = self._history.newest
        if report is None:
            return ""
        width = sum(band.freq_upper_edge - band.freq_lower_edge for band in report.free) / 1e6
        bands = "1 band" if len(report.free) == 1 else f"{len(report.free)} bands"
        return f"{bands} free, {width:.1f} MHz"

    # -- inside

    def _lay_out(self, width: int, height: int, measure: Measure) -> tuple[Rect, Rect]:
        text_width, text_height = measure("0000", "normal")
        left, right = text_width + text_height + 16, width - text_width - 2 * text_height - 42
        right = max(right, left + 80)
        bottom = max(height - 2 * text_height - 16, 120)
        split = 8 + _NOW_SHARE * (bottom - 8)
        return Rect(left, 8, right, split), Rect(left, split + 12, right, bottom)

    def _draw_grid(self, now: Plot) -> list[Shape]:
        levels = (25.0, 50.0, 75.0)
        return [
            Line(x0=now.rect.left, y0=now.to_y(v), x1=now.rect.right, y1=now.to_y(v), colour=self.theme.grid)
            for v in levels
        ]

    def _draw_now(self, now: Plot, duty: np.ndarray) -> list[Shape]:
        """The newest duty cycles as steps, one area for each run of sensed bins."""
        edges = np.linspace(now.rect.left, now.rect.right, duty.size + 1)
        known = np.flatnonzero(np.diff(np.isfinite(duty).astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        shapes: list[Shape] = []
        for begin, end in known:
            points = []
            for index in range(begin, end):
                y = now.to_y(100.0 * float(duty[index]))
                points += [(float(edges[index]), y), (float(edges[index + 1]), y)]
            shapes.append(Area(points=tuple(points), base=now.rect.bottom, colour=self.theme.accent, fill=0.45))
        return shapes

    def _draw_free(self, now: Plot, past: Plot, measure: Measure) -> list[Shape]:
        boxes, texts, shapes = [], [], []
        for band in self._history.newest.free:
            left, right = now.to_x(band.freq_lower_edge / 1e6), now.to_x(band.freq_upper_edge / 1e6)
            rect = now.rect.clip(Rect(left, now.rect.top, right, now.rect.bottom))
            shapes.append(Box(rect=rect, colour=self.theme.free, width=1.0, fill=0.16))
            marker = Rect(rect.left, now.rect.bottom + 3, rect.right, past.rect.top - 3)
            shapes.append(Box(rect=marker, colour=self.theme.free, width=1.0, fill=1.0))
            width = (band.freq_upper_edge - band.freq_lower_edge) / 1e6
            boxes.append(Rect(rect.left, rect.top + 4, rect.right, rect.bottom))
            texts.append((f"free  {width:.1f} MHz", f"free\n{width:.1f}\nMHz", "free"))
        sizes = [[tuple(side + 6 for side in measure(text, "small")) for text in of_box] for of_box in texts]
        for rect, of_box, found in zip(boxes, texts, place_labels(boxes, sizes, now.rect), strict=True):
            if found is not None and rect.holds(found[1]):
                x, y = (rect.left + rect.right) / 2, found[1].top + 3
                text = of_box[found[0]]
                shapes.append(Text(x=x, y=y, text=text, colour=self.theme.free, anchor=(0.5, 0.0), size="small"))
        return shapes

    def _draw_axes(self, now: Plot, past: Plot, measure: Measure) -> list[Shape]:
        theme = self.theme
        is_long = past.bottom > _IN_MINUTES
        down = Plot(rect=past.rect, left=0, right=1, top=0.0, bottom=past.bottom / (60.0 if is_long else 1.0))
        bar = Rect(past.rect.right + 14, past.rect.top, past.rect.right + 28, past.rect.bottom)
        ramp = duty_pixels(np.linspace(1.0, 0.0, max(int(bar.height), 2), dtype=np.float32)[:, None], theme)
        scale = Plot(rect=bar, left=0, right=1, top=100.0, bottom=0.0)
        is_rf = self._history.newest.freq_reference == "rf"
        return [
            *draw_frame(now, theme),
            *draw_frame(past, theme),
            *draw_y_axis(now, theme, measure, "In use (%)"),
            *draw_y_axis(down, theme, measure, f"Time before now ({'min' if is_long else 's'})"),
            *draw_x_axis(past, theme, measure, "Frequency (MHz)" if is_rf else "Offset from centre (MHz)"),
            Image(rect=bar, pixels=ramp),
            *draw_frame(scale, theme),
            *draw_y_axis(scale, theme, measure, "In use (%)", is_right=True),
        ]


def _narrow(picture: np.ndarray, most: int) -> np.ndarray:
    """At most that many columns; of those merged into one, the highest shows."""
    step = -(-picture.shape[1] // max(most, 1))
    if step == 1:
        return picture
    return np.fmax.reduceat(picture, np.arange(0, picture.shape[1], step), axis=1)
