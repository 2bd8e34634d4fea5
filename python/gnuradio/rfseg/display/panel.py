# SPDX-License-Identifier: GPL-3.0-or-later
"""What both displays have around their canvas: title, pause, readings, a clock that draws."""

from __future__ import annotations

from typing import Callable

from PyQt5 import QtCore, QtGui, QtWidgets
from rfseg.display.themes import THEMES, Theme

from .canvas import Canvas, View

__all__ = ["Panel", "require_application"]

_STYLE = """
#panel {{ background: {surface}; }}
#panel QLabel, #panel QPushButton {{ font-size: 9pt; }}
#panel QLabel {{ color: {text}; background: transparent; }}
#panel QLabel#title {{ font-weight: bold; }}
#panel QLabel#status, #panel QLabel#caption {{ color: {muted}; }}
#panel QPushButton {{ color: {text}; background: {plot}; border: 1px solid {grid}; border-radius: 4px; padding: 3px 9px; }}
#panel QPushButton:hover {{ border-color: {muted}; }}
#panel QPushButton#pause:checked {{ background: {accent}; color: {surface}; }}
#panel QPushButton#key:!checked, #panel QPushButton#boxes:!checked {{ color: {muted}; }}
#panel QSlider::groove:horizontal {{ height: 4px; background: {grid}; border-radius: 2px; }}
#panel QSlider::sub-page:horizontal {{ background: {accent}; border-radius: 2px; }}
#panel QSlider::handle:horizontal {{ width: 12px; margin: -5px 0; background: {text}; border-radius: 6px; }}
"""


class Panel(QtWidgets.QWidget):
    """A canvas with its surroundings; a timer takes in what has come and draws, at a fixed rate.

    Parameters
    ----------
    view : View
        What is shown; has a ``lock``.
    title : str
    update_rate : float
        Pictures per second, Hz.
    theme : str
        ``auto`` (as the desktop is), ``dark`` or ``light``.
    feed : callable
        Brings what has come to the view; its argument says whether the display is paused, when it throws it away.
    status : callable
        The text at the lower right.
    on_freq : callable
        Called with a frequency, Hz, on a double click.
    """

    def __init__(
        self,
        view: View,
        *,
        title: str,
        update_rate: float,
        theme: str,
        feed: Callable[[bool], None],
        status: Callable[[], str],
        on_freq: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._view, self._feed, self._status_text = view, feed, status
        self.setObjectName("panel")
        self.setAttribute(QtCore.Qt.WA_StyledBackground)
        self._readout = QtWidgets.QLabel(objectName="readout")
        self._status = QtWidgets.QLabel(objectName="status")
        self.canvas = Canvas(view, on_point=self._show_point, on_freq=on_freq)
        self.header = QtWidgets.QHBoxLayout()
        self.header.setSpacing(8)
        heading = QtWidgets.QLabel(title, objectName="title")
        heading.setVisible(bool(title))
        self.header.addWidget(heading)
        self.header.addStretch(1)
        self.pause = QtWidgets.QPushButton("Pause", objectName="pause", checkable=True)
        self.pause.setToolTip("Hold the picture; the stream goes on")
        self.header.addWidget(self.pause)
        self._lay_out()
        self._theme = theme
        self.set_theme(theme)
        self._timer = QtCore.QTimer(self)
        self._timer.setTimerType(QtCore.Qt.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self.set_update_rate(update_rate)
        self._timer.start()

    def set_update_rate(self, update_rate: float) -> None:
        """Pictures per second, Hz."""
        self._timer.setInterval(round(1000.0 / update_rate))

    def set_theme(self, theme: str) -> None:
        """Take on the colours of a theme."""
        self._theme = theme
        self._view.theme = chosen = self._choose(theme)
        colours = {name: value for name, value in vars(chosen).items() if isinstance(value, str)}
        self.setStyleSheet(_STYLE.format(**colours))
        self.on_theme(chosen)
        self.canvas.update()

    def point_at(self, x: float, y: float) -> None:
        """Read what is at a point of the canvas, pixels, as if the pointer were there."""
        self.canvas.point_at(x, y)

    def on_theme(self, theme: Theme) -> None:
        """What else must follow a new theme."""

    def tick(self) -> None:
        """Take in what has come, and draw."""
        self._feed(self.pause.isChecked())
        if not self.pause.isChecked():
            self.canvas.update()
            self.canvas.tell_point()
        self._status.setText(self._status_text())

    def changeEvent(self, event: QtCore.QEvent) -> None:
        """The desktop has become dark or light."""
        super().changeEvent(event)
        is_auto = event.type() == QtCore.QEvent.PaletteChange and getattr(self, "_theme", None) == "auto"
        if is_auto and self._choose("auto") is not self._view.theme:
            self.set_theme("auto")

    @staticmethod
    def _choose(theme: str) -> Theme:
        if theme != "auto":
            return THEMES[theme]
        is_dark = QtWidgets.QApplication.palette().color(QtGui.QPalette.Window).lightness() < 128
        return THEMES["dark" if is_dark else "light"]

    def _lay_out(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.setSpacing(4)
        footer = QtWidgets.QHBoxLayout()
        footer.addWidget(self._readout, 1)
        footer.addWidget(self._status)
        layout.addLayout(self.header)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(footer)

    def _show_point(self, text: str) -> None:
        self._readout.setText(text)


def require_application() -> None:
    """Check that there is a Qt application, without which a widget would end the program.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    if QtWidgets.QApplication.instance() is None:
        raise RuntimeError(
            "a display needs a Qt application: set Generate Options of the flowgraph to QT GUI, or make a"
            " PyQt5.QtWidgets.QApplication before the display"
        )
