"""Samples of an excerpt while it is made: one array, which grows, and whose memory serves again."""

from __future__ import annotations

import numpy as np

__all__ = ["PartBuffer", "Spare"]

_GROWTH = 4  # times what is needed


class Spare:
    """Memory of a large excerpt that nobody needs any more; new pages cost as much as the samples that are written to them."""

    def __init__(self) -> None:
        self._array: np.ndarray | None = None

    def keep(self, iq: np.ndarray) -> None:
        """Take the memory of an array that :meth:`PartBuffer.take` gave."""
        whole = iq if iq.base is None else iq.base
        if self._array is None or whole.size > self._array.size:
            self._array = whole

    def array(self, least: int, wanted: int) -> np.ndarray:
        """complex64 of at least one size, of the other if it is new; its content means nothing."""
        kept = self._array
        if kept is not None and least <= kept.size <= 2 * wanted:
            self._array = None
            return kept
        return np.empty(max(least, wanted), np.complex64)


class PartBuffer:
    """Samples that were made and not handed out.

    Parameters
    ----------
    spare : Spare
        Where it takes memory from.
    """

    def __init__(self, spare: Spare) -> None:
        self._spare = spare
        self._array = np.empty(0, np.complex64)
        self.size = 0

    def room(self, count: int, *, most: int) -> np.ndarray:
        """Where the next samples are to be written, complex64 ``(count,)``; it will hold ``most`` at a time, about."""
        end = self.size + count
        if end > self._array.size:
            wanted = end if not self.size else min(_GROWTH * end, max(most, end))
            array = self._spare.array(end, wanted) if wanted >= most else np.empty(wanted, np.complex64)
            array[: self.size] = self._array[: self.size]
            self._array = array
        begin, self.size = self.size, end
        return self._array[begin:end]

    def take(self, count: int) -> np.ndarray:
        """The first samples, complex64 ``(count,)``; this keeps the others."""
        taken, rest = self._array[:count], self._array[count : self.size]
        whole = self._array.size
        self._array = self._spare.array(rest.size, whole if rest.size else 0)
        self._array[: rest.size] = rest
        self.size = rest.size
        return taken if 2 * count >= whole else taken.copy()
