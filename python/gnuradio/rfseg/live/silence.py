# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether samples come: a source that falls silent is told, one that has died or is silent for too long has failed."""

from __future__ import annotations

import time
from typing import Callable

from .receiver import Receiver

__all__ = ["SourceWatch"]

_NOTABLE = 5.0  # s without a sample that are told
_PACE = 1.0  # s between looks at whether the source lives


class SourceWatch:
    """Looks after the source of a receiver that runs.

    Parameters
    ----------
    receiver : Receiver
    on_note : callable
        Told in a line what a user should know.
    """

    def __init__(self, receiver: Receiver, on_note: Callable[[str], None]) -> None:
        self._receiver, self._source, self._note = receiver, receiver.source, on_note
        self._stall_timeout = receiver.settings.source.stall_timeout
        self._samples, self._moved = 0, time.monotonic()
        self._next_look = self._moved + _PACE
        self._is_told = False

    def look(self, now: float) -> str:
        """Why the source has failed; empty while it has not.  ``now`` is the monotonic time, s."""
        samples = self._receiver.samples()
        if samples != self._samples:
            if self._is_told:
                self._note(f"samples come again, after {now - self._moved:.0f} s without")
            self._samples, self._moved, self._is_told = samples, now, False
            return ""
        silent = now - self._moved
        if self._stall_timeout and silent > self._stall_timeout:
            return f"no samples from {self._source.name} for {self._stall_timeout:g} s: it has vanished or hangs{self._list_found()}"
        if silent >= _PACE and now >= self._next_look:
            self._next_look = now + _PACE
            if self._source.has_died():
                return f"the source failed: an error ended it, which is told above{self._source.error_hint}"
        if silent > _NOTABLE and not self._is_told and self._source.silence_hint is not None:
            self._is_told = True
            self._note(f"no samples from {self._source.name} for {silent:.0f} s: waiting{self._source.silence_hint}")
        return ""

    def _list_found(self) -> str:
        found = self._source.list_found()
        return f"; found now: {'; '.join(found)}" if found else ""
