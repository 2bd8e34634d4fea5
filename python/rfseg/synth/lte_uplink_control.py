"""LTE uplink control, sounding and random access: 3GPP TS 36.211 clauses 5.4, 5.5.2.2, 5.5.3 and 5.7.

The random access preamble is the true one of format 0, cut to the symbols of the grid: what its own waveform
sends during their cyclic prefixes (7 % of the time) is replaced by those prefixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from .lte_frame import TDD_CONFIGURATIONS
from .low_papr import GROUPS, low_papr, zadoff_chu
from .ofdm import qpsk
from .sequences import gold
from .uplink import Piece

if TYPE_CHECKING:
    from .lte_uplink import LteUplink

__all__ = [
    "PRACH_BLOCKS",
    "PRACH_LENGTH",
    "UPPTS",
    "access_pieces",
    "acknowledgement_pieces",
    "prach_elements",
    "report_pieces",
    "sequence_numbers",
    "sounding_pieces",
    "srs_table",
]

UPPTS = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 6)  # symbols of UpPTS by special subframe configuration: table 4.2-1
# Blocks of SRS, m_{SRS,0..3} by C_SRS: tables 5.5.3.2-1 to -4, each for carriers up to the number of blocks
_SRS_TABLES = {
    40: ((36, 12, 4, 4), (32, 16, 8, 4), (24, 4, 4, 4), (20, 4, 4, 4), (16, 4, 4, 4), (12, 4, 4, 4), (8, 4, 4, 4), (4, 4, 4, 4)),
    60: ((48, 24, 12, 4), (48, 16, 8, 4), (40, 20, 4, 4), (36, 12, 4, 4), (32, 16, 8, 4), (24, 4, 4, 4), (20, 4, 4, 4), (16, 4, 4, 4)),
    80: ((72, 24, 12, 4), (64, 32, 16, 4), (60, 20, 4, 4), (48, 24, 12, 4), (48, 16, 8, 4), (40, 20, 4, 4), (36, 12, 4, 4), (32, 16, 8, 4)),
    110: ((96, 48, 24, 4), (96, 32, 16, 4), (80, 40, 20, 4), (72, 24, 12, 4), (64, 32, 16, 4), (60, 20, 4, 4), (48, 24, 12, 4), (48, 16, 8, 4)),
}  # fmt: skip
PRACH_BLOCKS = 6
PRACH_LENGTH, _PRACH_OFFSET = 839, 7  # tables 5.7.2-1 and 5.7.3-1
_PRACH_RATE, _PRACH_PREFIX, _PRACH_SIZE = 1.92e6, 198, 1536  # format 0 at this rate, samples: table 5.7.1-1


@dataclass(frozen=True, kw_only=True)
class SequenceNumbers:
    """Sequence numbers of the slots of a frame."""

    data_group: np.ndarray  # u of PUSCH, (20,)
    control_group: np.ndarray  # u of PUCCH and SRS, (20,)
    number: np.ndarray  # v, (20,)
    data_shift: np.ndarray  # n_PN, (20,)
    control_shift: np.ndarray  # n_cs^cell, (20, 7)


def sequence_numbers(cell: LteUplink) -> SequenceNumbers:
    """Those of a cell."""
    return _sequence_numbers(cell.cell_id, cell.group_shift, cell.group_hopping, cell.sequence_hopping)


@lru_cache(maxsize=64)
def _sequence_numbers(cell_id: int, group_shift: int, group_hopping: bool, sequence_hopping: bool) -> SequenceNumbers:
    """Clauses 5.4, 5.5.1.3, 5.5.1.4 and 5.5.2.1.1."""
    control = cell_id % GROUPS
    data = (control + group_shift) % GROUPS
    start = 32 * (cell_id // GROUPS) + data
    groups, numbers, cell = gold(np.array([cell_id // GROUPS, start, cell_id]), 8 * 7 * 20).astype(np.int64)
    weights = 2 ** np.arange(8)
    hop = groups[:160].reshape(20, 8) @ weights % GROUPS if group_hopping else np.zeros(20, np.int64)
    return SequenceNumbers(
        data_group=(hop + data) % GROUPS,
        control_group=(hop + control) % GROUPS,
        number=numbers[:20] if sequence_hopping and not group_hopping else np.zeros(20, np.int64),
        data_shift=numbers.reshape(20, 56)[:, :8] @ weights,
        control_shift=cell.reshape(20, 7, 8) @ weights,
    )


def srs_table(blocks: int) -> tuple[tuple[int, int, int, int], ...]:
    """Blocks m_{SRS,0..3} by C_SRS for a carrier."""
    return next(table for most, table in _SRS_TABLES.items() if blocks <= most)


def _control_blocks(cell: LteUplink, user: int) -> tuple[int, int]:
    """Block of PUCCH in even and in odd slots, mirrored: clause 5.4.3."""
    m = user % cell.control_resources
    low, high = m // 2, cell.blocks - 1 - m // 2
    return (low, high) if m % 2 == 0 else (high, low)


def _control_sequences(cell: LteUplink, intervals: np.ndarray, first: int, resource: tuple[int, int]) -> np.ndarray:
    """Shifted base sequences of PUCCH, complex64 ``(n, 2, 7, 12)``: clauses 5.4.1, 5.4.2 and 5.5.2.2.1."""
    numbers = sequence_numbers(cell)
    slots = 2 * ((first + intervals) % 10)[:, None] + np.arange(2)  # (n, 2)
    groups = np.stack([low_papr("lte", group, 0, 12) for group in range(GROUPS)])
    shift = (numbers.control_shift[slots] + np.array(resource)[:, None]) % 12  # (n, 2, 7)
    ramps = np.exp(2j * np.pi / 12 * np.outer(np.arange(12), np.arange(12))).astype(np.complex64)
    return groups[numbers.control_group[slots]][:, :, None] * ramps[shift]


def _control_pieces(
    cell: LteUplink, user: int, intervals: np.ndarray, values: torch.Tensor, kept: np.ndarray
) -> list[Piece]:
    """Pieces of PUCCH from ``values (n, 2, 7, 12)`` on the symbols ``kept (n, 2, 7)``."""
    rows = 14 * intervals[:, None] + np.arange(14)  # (n, 14)
    rows = rows.reshape(-1, 2, 7)
    mask = torch.from_numpy(kept).to(values.device)
    return [
        Piece(port=user, rows=rows[:, s][kept[:, s]], columns=slice(12 * b, 12 * b + 12), values=values[:, s][mask[:, s]])
        for s, b in enumerate(_control_blocks(cell, user))
    ]


def acknowledgement_pieces(
    cell: LteUplink, user: int, intervals: np.ndarray, first: int, generator: torch.Generator
) -> list[Piece]:
    """PUCCH format 1b, its reference on symbols 2 to 4, shortened beside SRS: clauses 5.4.1 and 5.5.2.2."""
    even = 3 * (user // cell.control_resources) % 12
    odd = 3 * (even + 1) % 37 - 1  # n' of odd slots
    values = _control_sequences(cell, intervals, first, (even % 12, odd % 12))
    short = cell.sounding_due(first + intervals)
    weights = np.ones((intervals.size, 2, 7), np.complex64)
    code = odd // 12  # n_oc; that of even slots is 0, all ones
    weights[:, 1, [0, 1, 5, 6]] = [[1, 1, 1, 1], [1, -1, 1, -1], [1, -1, -1, 1]][code]  # table 5.4.1-2
    third = np.exp(2j * np.pi / 3 * np.arange(3) * (0, 1, 2)[code])  # tables 5.4.1-3 and 5.5.2.2.1-2
    weights[np.ix_(short, [1], [0, 1, 5])] = third
    weights[:, 1, 2:5] = third
    weights[:, :, [0, 1, 5, 6]] *= np.array([1, 1j])[[even % 2, odd % 2]][:, None]  # S(n_s)
    kept = np.ones((intervals.size, 2, 7), bool)
    kept[:, 1, 6] = ~short
    device = generator.device
    symbols = qpsk((intervals.size, 1, 1), generator).repeat(1, 2, 7)
    symbols[:, :, 2:5] = 1
    signal = torch.from_numpy(values * weights[..., None]).to(device) * symbols[..., None]
    return _control_pieces(cell, user, intervals, signal, kept)


def report_pieces(cell: LteUplink, user: int, intervals: np.ndarray, first: int, generator: torch.Generator) -> list[Piece]:
    """PUCCH format 2, its reference on symbols 1 and 5: clauses 5.4.2 and 5.5.2.2."""
    even = 3 * (user // cell.control_resources) % 12
    values = _control_sequences(cell, intervals, first, (even, 12 * (even + 1) % 13 - 1))
    symbols = qpsk((intervals.size, 2, 7), generator)
    symbols[:, :, [1, 5]] = 1
    signal = torch.from_numpy(values).to(generator.device) * symbols[..., None]
    return _control_pieces(cell, user, intervals, signal, np.ones((intervals.size, 2, 7), bool))


def _sounding_period(cell: LteUplink) -> int:
    """Subframes between a user's own SRS, of table 8.2-1 of TS 36.213; two users share one by their combs."""
    return next(p for p in (2, 5, 10, 20, 40, 80) if p >= cell.srs_period_ms * -(-cell.users // 2))


def _sounding_offset(cell: LteUplink, user: int, occasion: int) -> int:
    """Blocks from the lowest of the cell's SRS to the user's, hopping included: clause 5.5.3.2."""
    widths = srs_table(cell.blocks)[cell.srs_config][: cell.srs_level + 1]
    offset, before = 0, 1
    for level in range(1, len(widths)):
        count = widths[level - 1] // widths[level]
        place = 4 * (5 * user) // widths[level]
        if cell.srs_hopping and count % 2:
            place += count // 2 * (occasion // before)
        elif cell.srs_hopping:
            within = occasion % (before * count)
            place += count // 2 * (within // before) + within // (2 * before)
        offset += widths[level] * (place % count)
        before *= count
    return offset


def sounding_pieces(cell: LteUplink, subframes: np.ndarray, reports: np.ndarray) -> list[Piece]:
    """SRS on every second element of the last symbol, unless its user ``reports (users, T)`` there: clause 5.5.3."""
    if cell.srs_period_ms is None:
        return []
    numbers = sequence_numbers(cell)
    widths = srs_table(cell.blocks)[cell.srs_config]
    width, period = widths[cell.srs_level], _sounding_period(cell)
    kinds = cell.kinds(subframes)
    pieces = []
    for user in range(cell.users):
        for index in np.flatnonzero(cell.sounding_due(subframes) & (kinds != "D") & ~reports[user]).tolist():
            subframe = int(subframes[index])
            if (subframe - (cell.tdd is not None) - cell.srs_period_ms * (user // 2)) % period:
                continue
            slot, symbol = 2 * (subframe % 10) + 1, 13
            low = cell.blocks // 2 - widths[0] // 2
            if kinds[index] == "S":  # UpPTS: the edges take turns
                turns = subframe // 10 % 2 * (2 - TDD_CONFIGURATIONS[cell.tdd].count("S")) + subframe % 10 // 5
                low = cell.blocks - widths[0] if turns % 2 == 0 else 0
                symbol -= user % UPPTS[cell.special]
            low = 12 * (low + _sounding_offset(cell, user, subframe // period)) + user % 2
            number = numbers.number[slot] if width >= 12 else 0
            values = low_papr("lte", numbers.control_group[slot], number, 6 * width, turns=user % 8 / 8)
            columns = slice(low, low + 12 * width - 1, 2)
            pieces.append(
                Piece(port=user, rows=np.array([14 * index + symbol]), columns=columns, values=torch.from_numpy(values[None]))
            )
    return pieces


def access_pieces(cell: LteUplink, intervals: np.ndarray, rng: np.random.Generator) -> list[Piece]:
    """PRACH format 0 on the symbols that it reaches: clause 5.7."""
    pieces = []
    start = cell.access_start
    for index in intervals.tolist():
        values = prach_elements(cell.prach_root, int(rng.integers(64)) * 13, 12 * start - 6 * cell.blocks)
        rows = 14 * index + np.arange(values.shape[0])
        columns = slice(12 * start, 12 * (start + PRACH_BLOCKS))
        pieces.append(Piece(port=cell.users, rows=rows, columns=columns, values=torch.from_numpy(values)))
    return pieces


def prach_elements(root: int, shift: int, lowest: int) -> np.ndarray:
    """A preamble of format 0 as the receiver of the grid's symbols would see it: clauses 5.7.2 and 5.7.3.

    Parameters
    ----------
    root, shift : int
        u, and the cyclic shift C_v.
    lowest : int
        Its lowest subcarrier re the carrier's centre.

    Returns
    -------
    complex64 ``(13, 72)``
        Of about unit power; the preamble ends within the last symbol.
    """
    spectrum = np.zeros(_PRACH_SIZE, complex)  # subcarriers of 1.25 kHz from that subcarrier on
    spectrum[_PRACH_OFFSET : _PRACH_OFFSET + PRACH_LENGTH] = np.fft.fft(np.roll(zadoff_chu(root, PRACH_LENGTH), -shift))
    body = np.fft.ifft(spectrum)
    body *= (72 / 128) ** 0.5 / np.sqrt(np.mean(np.abs(body) ** 2))
    wave = np.concatenate([body[-_PRACH_PREFIX:], body, np.zeros(128)])
    starts = np.cumsum([10, *([137] * 6), 138, *([137] * 5)])
    elements = np.fft.fft(wave[starts[:, None] + np.arange(128)], norm="ortho")[:, :72]
    turns = (lowest + 0.5) * 15e3 * (starts - _PRACH_PREFIX) / _PRACH_RATE
    return (elements * np.exp(2j * np.pi * turns)[:, None]).astype(np.complex64)
