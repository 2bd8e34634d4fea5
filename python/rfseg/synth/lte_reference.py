"""Cell-specific reference signals of LTE: TS 36.211 clause 6.10.1, normal cyclic prefix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .sequences import gold_qpsk

__all__ = ["REFERENCE_SYMBOLS", "reference_offset", "reference_sequences"]

_MOST_BLOCKS = 110  # N_RB^max,DL: TS 36.211 clause 6.2.1
REFERENCE_SYMBOLS = {0: (0, 4, 7, 11), 1: (0, 4, 7, 11), 2: (1, 8), 3: (1, 8)}  # of a subframe, by port


@lru_cache(maxsize=64)
def _sequences(cell_id: int) -> np.ndarray:
    """``(14, 10, 220)``: symbol, subframe, and place in the widest carrier."""
    symbol, subframe = np.arange(14)[:, None], np.arange(10)
    slot = 2 * subframe + symbol // 7
    starts = 2**10 * (7 * (slot + 1) + symbol % 7 + 1) * (2 * cell_id + 1) + 2 * cell_id + 1  # N_CP = 1
    wanted = np.array([0, 1, 4, 7, 8, 11])
    out = np.zeros((14, 10, 2 * _MOST_BLOCKS), np.complex64)
    out[wanted] = gold_qpsk(starts[wanted], 2 * _MOST_BLOCKS)
    return out


def reference_sequences(cell_id: int, blocks: int, symbol: int) -> np.ndarray:
    """Reference sequence of a symbol of a subframe, of every subframe: TS 36.211 clause 6.10.1.1.

    All ports that send in this symbol use the same one, on different subcarriers.

    Returns
    -------
    complex64 ``(10, 2 * blocks)``
    """
    return _sequences(cell_id)[symbol, :, _MOST_BLOCKS - blocks : _MOST_BLOCKS + blocks]


def reference_offset(cell_id: int, port: int, symbol: int) -> int:
    """First subcarrier of a port's comb of every sixth: TS 36.211 clause 6.10.1.2."""
    second_slot, in_slot = divmod(symbol, 7)
    swapped = in_slot != 0 if port < 2 else second_slot == 1
    return (3 * (swapped ^ (port % 2 == 1)) + cell_id) % 6
