"""The bounded hand-over from a stream to a display."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from ..errors import OptionError

__all__ = ["Mailbox"]

_Item = TypeVar("_Item")


class Mailbox(Generic[_Item]):
    """Holds the newest items until somebody takes them; who puts one in never waits.

    Parameters
    ----------
    depth : int
        Items held; one more pushes the oldest out, which is counted.

    Raises
    ------
    OptionError
        If ``depth`` is below 1.

    Examples
    --------
    >>> box = Mailbox(2)
    >>> for item in "abc":
    ...     box.put(item)
    >>> box.take(), box.received, box.dropped
    (['b', 'c'], 3, 1)
    """

    def __init__(self, depth: int) -> None:
        self._items: deque[_Item] = deque()
        self._lock = threading.Lock()
        self._received = self._dropped = 0
        self.set_depth(depth)

    def set_depth(self, depth: int) -> None:
        """Items held from now on; those that are too many are the oldest, and counted."""
        if depth < 1:
            raise OptionError(f"depth={depth} must be at least 1 item")
        with self._lock:
            self._dropped += max(0, len(self._items) - depth)
            self._items = deque(self._items, maxlen=depth)

    def put(self, item: _Item) -> None:
        """Hand an item over."""
        with self._lock:
            self._received += 1
            self._dropped += len(self._items) == self._items.maxlen
            self._items.append(item)

    def take(self) -> list[_Item]:
        """All items that wait, oldest first."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
            return items

    def clear(self) -> None:
        """Forget the items and the counts."""
        with self._lock:
            self._items.clear()
            self._received = self._dropped = 0

    @property
    def received(self) -> int:
        """Items put in."""
        return self._received

    @property
    def dropped(self) -> int:
        """Items that newer ones pushed out."""
        return self._dropped
