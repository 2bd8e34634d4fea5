"""Synchronisation sequences of LTE and NR."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["lte_pss", "lte_sss", "nr_pss", "nr_sss"]

_ZC_ROOTS = (25, 29, 34)  # 3GPP TS 36.211 table 6.11.1.1-1


def _m_sequence(length: int, taps: tuple[int, ...], initial: tuple[int, ...]) -> np.ndarray:
    """Bits of ``x(i + n) = sum x(i + tap) mod 2`` with ``n = len(initial)``."""
    bits = list(initial)
    while len(bits) < length:
        base = len(bits) - len(initial)
        bits.append(sum(bits[base + tap] for tap in taps) % 2)
    return np.array(bits[:length])


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
