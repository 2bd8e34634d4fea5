# SPDX-License-Identifier: GPL-3.0-or-later
"""A widget that paints the shapes of a view."""

from __future__ import annotations

import threading
from typing import Callable, Protocol

from PyQt5 import QtCore, QtGui, QtWidgets
from rfseg.display.shapes import Area, Box, Image, Line, Measure, Rect, Shape, Text
from rfseg.display.themes import Theme

__all__ = ["Canvas", "View"]

_POINT_SIZES = {"normal": 9.0, "small": 8.0}


class View(Protocol):
    """What a canvas shows; ``lock`` keeps it as it is while it is drawn."""

    lock: threading.Lock
    theme: Theme

    def draw(self, width: int, height: int, measure: Measure) -> list[Shape]:
        """Shapes of a picture of that size, pixels."""

    def freq_at(self, x: float, y: float) -> float | None:
        """Frequency at a point, Hz."""

    def reading(self, x: float, y: float) -> str:
        """What is at a point."""


class Canvas(QtWidgets.QWidget):
    """Paints a view whenever it is asked to.

    Parameters
    ----------
    view : View
    on_point : callable
        Called with a reading when the pointer moves; with an empty one when it leaves.
    on_freq : callable
        Called with a frequency, Hz, on a double click.
    """

    def __init__(self, view: View, *, on_point: Callable[[str], None], on_freq: Callable[[float], None]) -> None:
        super().__init__()
        self._view = view
        self._on_point, self._on_freq = on_point, on_freq
        self._pointer: QtCore.QPointF | None = None
        self._fonts = {size: self._make_font(points) for size, points in _POINT_SIZES.items()}
        self._metrics = {size: QtGui.QFontMetricsF(font) for size, font in self._fonts.items()}
        self.pictures = 0
        self.setMouseTracking(True)
        self.setMinimumSize(360, 220)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)

    def sizeHint(self) -> QtCore.QSize:
        """Qt asks how large it would like to be."""
        return QtCore.QSize(900, 480)

    def measure(self, text: str, size: str) -> tuple[float, float]:
        """Width and height of a text, pixels."""
        rect = self._metrics[size].size(0, text)
        return rect.width(), rect.height()

    def point_at(self, x: float, y: float) -> None:
        """Have the pointer there, pixels."""
        self._pointer = QtCore.QPointF(x, y)
        self.tell_point()

    def tell_point(self) -> None:
        """Say again what is under the pointer, since the picture below it has changed."""
        if self._pointer is not None:
            self._on_point(self._view.reading(self._pointer.x(), self._pointer.y()))

    # -- what Qt calls

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paint the view."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.TextAntialiasing)
        painter.fillRect(self.rect(), QtGui.QColor(self._view.theme.surface))
        painters = {Area: _paint_area, Box: _paint_box, Image: _paint_image, Line: _paint_line, Text: self._paint_text}
        with self._view.lock:
            shapes = self._view.draw(self.width(), self.height(), self.measure)
        for shape in shapes:
            painters[type(shape)](painter, shape)
        painter.end()
        self.pictures += 1

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Tell what is under the pointer."""
        self.point_at(event.localPos().x(), event.localPos().y())

    def leaveEvent(self, event: QtCore.QEvent) -> None:
        """Nothing is under the pointer any more."""
        self._pointer = None
        self._on_point("")

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        """Tell the frequency that was asked for."""
        freq = self._view.freq_at(event.localPos().x(), event.localPos().y())
        if freq is not None:
            self._on_freq(freq)

    def _make_font(self, points: float) -> QtGui.QFont:
        font = QtGui.QFont(self.font())
        font.setPointSizeF(points)
        return font

    def _paint_text(self, painter: QtGui.QPainter, text: Text) -> None:
        width, height = self.measure(text.text, text.size)
        painter.save()
        painter.setFont(self._fonts[text.size])
        painter.translate(text.x, text.y)
        if text.is_upright:
            painter.rotate(-90.0)
            across, down = 0.5, text.anchor[0]  # the title of an axis: its middle beside the axis
        else:
            across, down = text.anchor
        place = QtCore.QRectF(-across * width, -down * height, width, height)
        if text.back is not None:
            painter.setPen(QtCore.Qt.NoPen)
            painter.setBrush(QtGui.QColor(text.back))
            painter.setRenderHint(QtGui.QPainter.Antialiasing)
            painter.drawRoundedRect(place.adjusted(-4.0, -1.5, 4.0, 1.5), 3.0, 3.0)
        painter.setPen(QtGui.QColor(text.colour))
        alignment = QtCore.Qt.AlignHCenter if text.anchor[0] == 0.5 and not text.is_upright else QtCore.Qt.AlignLeft
        painter.drawText(place.adjusted(-1.0, 0.0, 1.0, 0.0), int(alignment | QtCore.Qt.TextDontClip), text.text)
        painter.restore()


def _paint_image(painter: QtGui.QPainter, image: Image) -> None:
    height, width = image.pixels.shape
    data = image.pixels.tobytes()  # must live until it is drawn
    painter.drawImage(_rect(image.rect), QtGui.QImage(data, width, height, 4 * width, QtGui.QImage.Format_RGB32))


def _paint_box(painter: QtGui.QPainter, box: Box) -> None:
    brush = QtGui.QColor(box.colour)
    brush.setAlphaF(box.fill)
    painter.setPen(_pen(box.colour, box.width, is_dashed=box.is_dashed))
    painter.setBrush(brush if box.fill else QtCore.Qt.NoBrush)
    painter.drawRect(_rect(box.rect))


def _paint_line(painter: QtGui.QPainter, line: Line) -> None:
    painter.setPen(_pen(line.colour, line.width, is_dashed=line.is_dashed))
    painter.drawLine(QtCore.QPointF(line.x0, line.y0), QtCore.QPointF(line.x1, line.y1))


def _paint_area(painter: QtGui.QPainter, area: Area) -> None:
    (first, _), (last, _) = area.points[0], area.points[-1]
    corners = [(first, area.base), *area.points, (last, area.base)]
    fill = QtGui.QColor(area.colour)
    fill.setAlphaF(area.fill)
    painter.setPen(QtCore.Qt.NoPen)
    painter.setBrush(fill)
    painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(x, y) for x, y in corners]))
    painter.setPen(_pen(area.colour, 1.5))
    painter.setBrush(QtCore.Qt.NoBrush)
    painter.drawPolyline(QtGui.QPolygonF([QtCore.QPointF(x, y) for x, y in area.points]))


def _pen(colour: str, width: float, *, is_dashed: bool = False) -> QtGui.QPen:
    pen = QtGui.QPen(QtGui.QColor(colour), width)
    pen.setJoinStyle(QtCore.Qt.MiterJoin)
    if is_dashed:
        pen.setStyle(QtCore.Qt.DashLine)
    return pen


def _rect(rect: Rect) -> QtCore.QRectF:
    return QtCore.QRectF(rect.left, rect.top, rect.width, rect.height)
