# SPDX-License-Identifier: GPL-3.0-or-later
"""How a block in Python ends, whatever happens."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable

__all__ = ["ends_safely"]


def ends_safely(stop: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """For a block's ``stop``: GNU Radio calls it where an error that escapes ends the whole process; here it is logged."""

    @wraps(stop)
    def guarded(self: Any) -> bool:
        try:
            return stop(self)
        except Exception as error:  # whatever it is, the other blocks must end too
            self.logger.error(f"ends badly: {type(error).__name__}: {error}")
            return True

    return guarded
