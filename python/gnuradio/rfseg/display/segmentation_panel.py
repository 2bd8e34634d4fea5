# SPDX-License-Identifier: GPL-3.0-or-later
"""The widget of the Segmentation Display."""

from __future__ import annotations

from typing import Any

from PyQt5 import QtCore, QtGui, QtWidgets
from rfseg.colours import class_colour
from rfseg.display.segmentationview import SegmentationView
from rfseg.display.themes import Theme

from .panel import Panel

__all__ = ["SegmentationPanel"]

_SWATCH = 12  # pixels
_STRIPES = "\N{SQUARE WITH UPPER RIGHT TO LOWER LEFT FILL}"


class SegmentationPanel(Panel):
    """Adds the legend, whose entries show and hide their classes, the mask's opacity and the switch of the boxes.

    Parameters are those of :class:`Panel`.
    """

    def __init__(self, view: SegmentationView, **options: Any) -> None:
        self._classes: dict[int, QtWidgets.QPushButton] = {}
        super().__init__(view, **options)
        place = 1  # after the title
        for class_id, label in enumerate(view.contract.labels):
            if class_id == 0:
                continue
            button = QtWidgets.QPushButton(label, objectName="key", checkable=True, checked=True)
            button.setToolTip(f"Show or hide {label}")
            button.toggled.connect(lambda is_on, class_id=class_id: self._show_class(class_id, is_on))
            self._classes[class_id] = button
            self._draw_swatch(class_id)
            self.header.insertWidget(place, button)
            place += 1
        self._not_inferred = QtWidgets.QLabel(f"{_STRIPES} not inferred", objectName="caption")
        self._not_inferred.setToolTip("Grey stripes: the model has not judged this")
        self._not_inferred.hide()
        self.header.insertWidget(place, self._not_inferred)
        self.boxes = QtWidgets.QPushButton("Boxes", objectName="boxes", checkable=True, checked=view.has_boxes)
        self.boxes.setToolTip("Show or hide the boxes of bands")
        self.boxes.toggled.connect(self._show_boxes)
        self.opacity = QtWidgets.QSlider(QtCore.Qt.Horizontal, minimum=0, maximum=100)
        self.opacity.setFixedWidth(110)
        self.opacity.setToolTip("Opacity of the mask over the spectrogram")
        self.show_opacity()
        self.opacity.valueChanged.connect(self._set_opacity)
        end = self.header.count() - 1  # before Pause
        for widget in (QtWidgets.QLabel("Mask", objectName="caption"), self.opacity, self.boxes):
            self.header.insertWidget(end, widget)
            end += 1

    def tick(self) -> None:
        """Draw; and explain the stripes where there are any."""
        super().tick()
        self._not_inferred.setVisible(self._view.has_not_inferred)

    def show_opacity(self) -> None:
        """Move the slider to where the view's opacity is."""
        self.opacity.blockSignals(True)
        self.opacity.setValue(round(100 * self._view.opacity))
        self.opacity.blockSignals(False)

    def class_button(self, class_id: int) -> QtWidgets.QPushButton:
        """Entry of a class in the legend."""
        return self._classes[class_id]

    def on_theme(self, theme: Theme) -> None:
        """Swatches have an edge in the theme's colour."""
        for class_id in self._classes:
            self._draw_swatch(class_id)

    def _draw_swatch(self, class_id: int) -> None:
        button = self._classes[class_id]
        pixmap = QtGui.QPixmap(_SWATCH, _SWATCH)
        pixmap.fill(QtCore.Qt.transparent)
        painter = QtGui.QPainter(pixmap)
        colour = QtGui.QColor(class_colour(class_id))
        painter.setPen(QtGui.QPen(colour, 2))
        painter.setBrush(colour if button.isChecked() else QtCore.Qt.NoBrush)
        painter.drawRect(1, 1, _SWATCH - 3, _SWATCH - 3)
        painter.end()
        button.setIcon(QtGui.QIcon(pixmap))
        button.setIconSize(pixmap.size())

    def _show_class(self, class_id: int, is_on: bool) -> None:
        self._view.hidden = self._view.hidden - {class_id} if is_on else self._view.hidden | {class_id}
        self._draw_swatch(class_id)
        self.canvas.update()

    def _show_boxes(self, is_on: bool) -> None:
        self._view.has_boxes = is_on
        self.canvas.update()

    def _set_opacity(self, percent: int) -> None:
        with self._view.lock:
            self._view.set_opacity(percent / 100)
        self.canvas.update()
