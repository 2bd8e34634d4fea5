"""Many short ranges at once: what loops over boxes of different sizes become in NumPy."""

from __future__ import annotations

import numpy as np

__all__ = ["ranges", "starts_of"]


def ranges(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of some half-open ranges, one range after the other: which range each is of, and the integer.

    Parameters
    ----------
    starts, stops : int ``(n,)``

    Returns
    -------
    (int ``(k,)``, int ``(k,)``)

    Examples
    --------
    >>> ranges(np.array([3, 10]), np.array([5, 13]))
    (array([0, 0, 1, 1, 1]), array([ 3,  4, 10, 11, 12]))
    """
    counts = stops - starts
    owners = np.repeat(np.arange(counts.size), counts)
    return owners, np.arange(owners.size) + (starts - starts_of(counts))[owners]


def starts_of(counts: np.ndarray) -> np.ndarray:
    """Where each of some groups begins, laid one after the other: what ``reduceat`` wants, ``(n,)``."""
    return np.cumsum(counts) - counts
