"""The newest samples of a stream, under their absolute indices."""

from __future__ import annotations

import numpy as np

__all__ = ["SampleHistory"]


class SampleHistory:
    """Samples from ``start`` (included) to ``stop`` (excluded); what lies outside is read as zeros.

    Parameters
    ----------
    start : int
        Absolute index of the first sample to come.
    """

    def __init__(self, start: int) -> None:
        self._array = np.empty(0, np.complex64)
        self._begin = 0  # where the sample ``start`` is in the array
        self.start = self.stop = start

    def append(self, iq: np.ndarray) -> None:
        """Take the next samples, complex64 ``(n,)``."""
        held = self.stop - self.start
        if self._begin + held + iq.size > self._array.size:
            kept = self._array[self._begin : self._begin + held]
            if 2 * (held + iq.size) > self._array.size:
                self._array = np.empty(4 * (held + iq.size), np.complex64)
            self._array[:held] = kept
            self._begin = 0
        end = self._begin + held
        self._array[end : end + iq.size] = iq
        self.stop += iq.size

    def read(self, begin: int, end: int) -> np.ndarray:
        """Samples from one absolute index to another, complex64; no copy where they are all there."""
        inner = max(begin, self.start), min(end, self.stop)
        at = self._begin - self.start
        if inner == (begin, end):
            return self._array[at + begin : at + end]
        padded = np.zeros(end - begin, np.complex64)
        if inner[0] < inner[1]:
            padded[inner[0] - begin : inner[1] - begin] = self._array[at + inner[0] : at + inner[1]]
        return padded

    def forget(self, before: int) -> None:
        """Samples before an absolute index are not needed any more."""
        start = min(max(before, self.start), self.stop)
        self._begin += start - self.start
        self.start = start
