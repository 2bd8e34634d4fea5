# SPDX-License-Identifier: GPL-3.0-or-later
"""What the displays have in common, without Qt: options, and what may be asked of every one."""

from __future__ import annotations

from enum import Enum
from typing import Any

from rfseg.errors import OptionError
from rfseg.framequeue import choose

__all__ = ["DEFAULT_UPDATE_RATE", "DisplayTheme", "HasPanel", "check_update_rate", "choose_theme"]

DEFAULT_UPDATE_RATE = 20.0  # Hz
_UPDATE_RATES = (0.1, 100.0)  # Hz


class DisplayTheme(str, Enum):
    """Colours of a display."""

    AUTO = "auto"  # as the desktop is
    DARK = "dark"
    LIGHT = "light"


def choose_theme(theme: str) -> str:
    """The theme, if it is one.

    Raises
    ------
    OptionError
        If it is none.
    """
    return choose(DisplayTheme, theme, "theme").value


def check_update_rate(update_rate: float) -> None:
    """Check a number of pictures per second.

    Raises
    ------
    OptionError
        If it is out of range.
    """
    low, high = _UPDATE_RATES
    if not low <= update_rate <= high:
        raise OptionError(f"update_rate={update_rate:g} Hz must lie in {low:g} to {high:g} pictures per second")


class HasPanel:
    """What flowgraphs and scripts may ask of every display, and set; the panel is made by the block, as ``_panel``."""

    _panel: Any

    def qwidget(self) -> int:
        """Address of the widget, as that of GNU Radio's own displays, for ``sip.wrapinstance``."""
        from PyQt5 import sip

        return sip.unwrapinstance(self._panel)

    def widget(self) -> Any:
        """The widget."""
        return self._panel

    def set_theme(self, theme: str) -> None:
        """``auto``, ``dark`` or ``light``."""
        self._panel.set_theme(choose_theme(theme))

    def pictures(self) -> int:
        """Pictures drawn since the display was made."""
        return self._panel.canvas.pictures
