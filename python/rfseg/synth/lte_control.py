"""The first symbols of an LTE downlink subframe: format indicator, acknowledgements, resource-element groups.

TS 36.211 clauses 6.2.4 (groups), 6.7 (PCFICH) and 6.9 (PHICH, normal duration).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .lte_pbch import transmit_diversity
from .sequences import gold

__all__ = ["PHICH_RESOURCES", "acknowledgements", "control_places", "format_indicator", "phich_groups", "region_sizes"]

PHICH_RESOURCES = (1 / 6, 1 / 2, 1, 2)  # N_g by its number in the master information block: TS 36.331
# Factor m_i of the number of acknowledgement groups by configuration and subframe: TS 36.211 table 6.9-1
_PHICH_FACTORS = ("2100021000", "0100101001", "0001000010", "1000000011", "0000000011", "0000000010", "1100011001")
# Orthogonal sequences: TS 36.211 table 6.9.1-2, normal cyclic prefix
_WALSH = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
_SPREADING = np.concatenate([_WALSH, 1j * _WALSH]).astype(np.complex64)
# Codewords of the format indicator: TS 36.212 table 5.3.4-1
_FORMAT_WORDS = np.stack([np.resize(word, 32) for word in ((0, 1, 1), (1, 0, 1), (1, 1, 0))]).astype(np.uint8)


def phich_groups(blocks: int, resource: int, tdd: int | None) -> np.ndarray:
    """Acknowledgement groups of each subframe of a radio frame, int ``(10,)``: TS 36.211 clause 6.9."""
    groups = int(np.ceil(PHICH_RESOURCES[resource] * blocks / 8))
    factors = np.ones(10, int) if tdd is None else np.array([int(m) for m in _PHICH_FACTORS[tdd]])
    return groups * factors


def region_sizes(blocks: int) -> tuple[int, ...]:
    """Symbols of a control region by format indicator 1, 2, 3: TS 36.211 table 6.7-1."""
    return (2, 3, 4) if blocks <= 10 else (1, 2, 3)


@lru_cache(maxsize=64)
def _scrambling(cell_id: int, length: int) -> np.ndarray:
    """Scrambling bits of each subframe, uint8 ``(10, length)``: TS 36.211 clauses 6.7.1 and 6.9.1."""
    return gold((np.arange(10) + 1) * (2 * cell_id + 1) * 2**9 + cell_id, length)


@lru_cache(maxsize=64)
def _group_columns(cell_id: int, blocks: int) -> np.ndarray:
    """Data subcarriers of each group of the first symbol, ``(2 * blocks, 4)``: TS 36.211 clause 6.2.4."""
    columns = np.arange(12 * blocks)
    return columns[columns % 3 != cell_id % 3].reshape(2 * blocks, 4)


@lru_cache(maxsize=64)
def control_places(cell_id: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Subcarriers of the format indicator ``(16,)`` and of the other groups of the first symbol ``(n, 4)``, ascending.

    TS 36.211 clause 6.7.4.
    """
    first = cell_id % (2 * blocks)
    own = np.array([(first + quadruplet * blocks // 2) % (2 * blocks) for quadruplet in range(4)])
    groups = _group_columns(cell_id, blocks)
    return groups[own].ravel(), np.delete(groups, own, axis=0)


@lru_cache(maxsize=64)
def format_indicator(cell_id: int, ports: int) -> np.ndarray:
    """PCFICH for each subframe and format indicator 1 to 3, complex64 ``(ports, 10, 3, 16)``: TS 36.211 clause 6.7."""
    bits = _FORMAT_WORDS ^ _scrambling(cell_id, 32)[:, None]  # (10, 3, 32)
    symbols = (1 - 2.0 * bits.reshape(10, 3, 16, 2)) @ np.array([1, 1j]) * 2**-0.5
    return transmit_diversity(symbols.astype(np.complex64), ports)


def acknowledgements(
    cell_id: int, blocks: int, ports: int, subframes: np.ndarray, groups: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """PHICH of some subframes: TS 36.211 clauses 6.9.1 to 6.9.3.

    Parameters
    ----------
    subframes : int ``(s,)``
        0 to 9.
    groups : int
        Acknowledgement groups in each of them.
    rng : numpy.random.Generator
        Draws how many of a group's eight sequences are used and what they say.

    Returns
    -------
    complex64 ``(ports, s, 12 * groups)``
        Unit power where any sequence is used.
    int ``(12 * groups,)``
        Their subcarriers in the first symbol.
    """
    shape = (len(subframes), groups, 8)
    said = np.where(rng.random(shape) < rng.uniform(0, 0.7), rng.choice([-1.0, 1.0], size=shape), 0.0)
    spread = (said @ _SPREADING) / np.sqrt(np.maximum(np.abs(said).sum(-1, keepdims=True), 1))  # (s, groups, 4)
    sign = 1.0 - 2.0 * _scrambling(cell_id, 12)[subframes]
    symbols = np.tile(spread, 3) * sign[:, None] * np.exp(0.25j * np.pi)  # (s, groups, 12)
    sent = _precoded(symbols.astype(np.complex64), ports)
    free = control_places(cell_id, blocks)[1]
    count = len(free)
    starts = np.array([0, count // 3, 2 * count // 3])
    places = (cell_id + np.arange(groups)[:, None] + starts) % count  # (groups, 3)
    return sent.reshape(ports, len(subframes), -1), free[places].ravel()


def _precoded(symbols: np.ndarray, ports: int) -> np.ndarray:
    """Transmit diversity of acknowledgements, ``(s, groups, 12)`` to ``(ports, s, groups, 12)``: TS 36.211 clause 6.9.2."""
    if ports < 4:
        return transmit_diversity(symbols, ports)
    pairs = transmit_diversity(symbols, 2).reshape(2, *symbols.shape[:2], 3, 4)
    out = np.zeros((4, *pairs.shape[1:]), np.complex64)
    turn = (np.arange(3) + np.arange(symbols.shape[1])[:, None]) % 2 == 0  # (groups, 3)
    for half in (0, 1):
        out[2 * half] = pairs[half] * turn[..., None]  # ports 0 and 2
        out[2 * half + 1] = pairs[half] * ~turn[..., None]  # ports 1 and 3
    return out.reshape(4, *symbols.shape)
