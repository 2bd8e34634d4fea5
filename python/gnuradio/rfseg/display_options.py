# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the displays have in common, checked without Qt."""

from __future__ import annotations

from enum import Enum

from rfseg.errors import OptionError
from rfseg.framequeue import choose

__all__ = ["DEFAULT_UPDATE_RATE", "DisplayTheme", "check_update_rate", "choose_theme"]

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
