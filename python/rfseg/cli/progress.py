"""Progress bars: on standard error, where that is a terminal, and once a second has passed."""

from __future__ import annotations

import sys
from typing import Any, Collection

from tqdm import tqdm

__all__ = ["bar", "watch"]

_QUIET_SECONDS = 1.0  # what is done sooner shows no progress bar


def bar(title: str, unit: str, total: int | None, **options: Any) -> tqdm:
    """A bar that is moved by ``update``."""
    return _make(None, title, unit, total, **options)


def watch(things: Any, title: str, unit: str, *, total: int | None = None) -> tqdm:
    """The things again, with a bar that counts them."""
    if total is None and isinstance(things, Collection):
        total = len(things)
    return _make(things, title, unit, total)


def _make(things: Any, title: str, unit: str, total: int | None, **options: Any) -> tqdm:
    return tqdm(
        things, total=total, unit=unit, desc=title, delay=_QUIET_SECONDS, disable=None, leave=False, file=sys.stderr,
        **options,
    )  # fmt: skip
