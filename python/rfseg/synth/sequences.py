"""Synchronisation and scrambling sequences of LTE and NR."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["gold", "gold_qpsk", "lte_pss", "lte_sss", "nr_pss", "nr_sss"]

_ZC_ROOTS = (25, 29, 34)  # 3GPP TS 36.211 table 6.11.1.1-1


def _m_sequence(length: int, taps: tuple[int, ...], initial: tuple[int, ...]) -> np.ndarray:
    """Bits of ``x(i + n) = sum x(i + tap) mod 2`` with ``n = len(initial)``."""
    bits = list(initial)
    while len(bits) < length:
        base = len(bits) - len(initial)
        bits.append(sum(bits[base + tap] for tap in taps) % 2)
    return np.array(bits[:length])

_GOLD_SKIPPED = 1600  # N_C of TS 36.211 clause 7.2 and TS 38.211 clause 5.2.1


@lru_cache(maxsize=64)
def _gold_matrices(length: int) -> tuple[np.ndarray, np.ndarray]:
    """x1 from its fixed start, uint8 ``(length,)``; and the map from the 31 start bits to x2, float32 ``(31, length)``."""
    size = _GOLD_SKIPPED + length
    x1 = _m_sequence(size, (0, 3), (1,) + 30 * (0,))
    # x2(n) is linear in its start bits: one column of each step's 31 x 31 state map is kept, as a bit mask
    masks = [1 << bit for bit in range(31)]
    for n in range(31, size):
        masks.append(masks[n - 28] ^ masks[n - 29] ^ masks[n - 30] ^ masks[n - 31])
    kept = np.array(masks[_GOLD_SKIPPED:], dtype=np.int64)
    return x1[_GOLD_SKIPPED:].astype(np.uint8), ((kept >> np.arange(31)[:, None]) & 1).astype(np.float32)


def gold(starts: np.ndarray | int, length: int) -> np.ndarray:
    """Pseudo-random sequences: TS 36.211 clause 7.2, TS 38.211 clause 5.2.1.

    Parameters
    ----------
    starts : int or integer array
        ``c_init`` of each sequence, below 2**31.

    Returns
    -------
    uint8 ``(*starts.shape, length)``
        Bits.

    Examples
    --------
    >>> gold(1, 8), gold(np.array([1, 2]), 8).shape
    (array([0, 0, 0, 0, 0, 0, 1, 0], dtype=uint8), (2, 8))
    """
    x1, matrix = _gold_matrices(length)
    bits = (np.asarray(starts, dtype=np.int64)[..., None] >> np.arange(31)) & 1
    # PyTorch's product: NumPy's would wake threads of its own, which then spin beside the other processes
    sums = torch.from_numpy(bits.astype(np.float32)) @ torch.from_numpy(matrix)
    return (sums.to(torch.int64) & 1).to(torch.uint8).numpy() ^ x1


def gold_qpsk(starts: np.ndarray | int, length: int) -> np.ndarray:
    """QPSK reference sequences: TS 36.211 clause 6.10.1.1, TS 38.211 clause 7.4.1.1.1.

    Returns
    -------
    complex64 ``(*starts.shape, length)``
        Unit power.
    """
    sign = 1.0 - 2.0 * gold(starts, 2 * length).astype(np.float32)
    return ((sign[..., 0::2] + 1j * sign[..., 1::2]) * np.float32(2**-0.5)).astype(np.complex64)


@lru_cache(maxsize=3)
def lte_pss(identity: int) -> Tensor:
    """Primary synchronisation signal, complex64 ``(62,)``: TS 36.211 clause 6.11.1.1."""
    n = np.arange(62)
    n = np.where(n < 31, n, n + 1)
    return torch.from_numpy(np.exp(-1j * np.pi * _ZC_ROOTS[identity] * n * (n + 1) / 63).astype(np.complex64))


@lru_cache(maxsize=1008)
def lte_sss(cell_id: int, half: int) -> Tensor:
    """Secondary synchronisation signal of subframe 0 (``half`` 0) or 5 (1): TS 36.211 clause 6.11.2.1."""
    n1, n2 = divmod(cell_id, 3)
    q = n1 // 30
    q = (n1 + q * (q + 1) // 2) // 30
    m = n1 + q * (q + 1) // 2
    m0 = m % 31
    m1 = (m0 + m // 31 + 1) % 31
    start = (0, 0, 0, 0, 1)
    s, c, z = (1 - 2 * _m_sequence(31, taps, start) for taps in ((0, 2), (0, 3), (0, 1, 2, 4)))
    even = np.roll(s, -m0 if half == 0 else -m1) * np.roll(c, -n2)
    odd = np.roll(s, -m1 if half == 0 else -m0) * np.roll(c, -n2 - 3) * np.roll(z, -((m0 if half == 0 else m1) % 8))
    return torch.from_numpy(np.stack([even, odd], axis=1).ravel().astype(np.complex64))


@lru_cache(maxsize=3)
def nr_pss(identity: int) -> Tensor:
    """Primary synchronisation signal, complex64 ``(127,)``: 3GPP TS 38.211 clause 7.4.2.2."""
    x = 1 - 2 * _m_sequence(127, (0, 4), (0, 1, 1, 0, 1, 1, 1))
    return torch.from_numpy(np.roll(x, -43 * identity).astype(np.complex64))


@lru_cache(maxsize=1008)
def nr_sss(cell_id: int) -> Tensor:
    """Secondary synchronisation signal, complex64 ``(127,)``: 3GPP TS 38.211 clause 7.4.2.3."""
    n1, n2 = divmod(cell_id, 3)
    start = (1, 0, 0, 0, 0, 0, 0)
    x0, x1 = (1 - 2 * _m_sequence(127, taps, start) for taps in ((0, 4), (0, 1)))
    return torch.from_numpy((np.roll(x0, -(15 * (n1 // 112) + 5 * n2)) * np.roll(x1, -(n1 % 112))).astype(np.complex64))
