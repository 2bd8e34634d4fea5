"""NR downlink resource grids for 15 and 30 kHz: 3GPP TS 38.211 clause 7.

Lean by design: between synchronisation blocks an idle carrier sends nothing at all.  Synchronisation
blocks carry their true sequences at their true times; the rest is random QPSK at true positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .ofdm import qpsk
from .sequences import nr_pss, nr_sss
from .traffic import LOADS, allocation

__all__ = ["CHANNELS_MHZ", "NrCell", "draw_nr", "nr_grid", "nr_subcarriers"]

# Resource blocks by spacing and channel bandwidth in MHz: TS 38.101-1 table 5.3.2-1
CHANNELS_MHZ = {
    15e3: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 40: 216, 50: 270},
    30e3: {5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 40: 106, 50: 133, 60: 162, 80: 217, 90: 245, 100: 273},
}
# First symbols of synchronisation blocks in a half frame: TS 38.213 clause 4.1, cases A (also C) and B
_SSB_A = tuple(first + 14 * n for n in range(4) for first in (2, 8))
_SSB_B = tuple(first + 28 * n for n in range(2) for first in (4, 8, 16, 20))
_SSB_WIDTH = 240  # subcarriers
_TDD_30K = ("DDDSU", "DDDSUUDDDD", "DDDDDDDSUU", "DDSUU")
_TDD_15K = ("DDDDDDDSUU", "DDDSU")
_SPECIAL_SYMBOLS = (10, 6, 12)  # downlink symbols of a special slot


@dataclass(frozen=True, kw_only=True)
class NrCell:
    """What a cell sends; amplitudes are relative to a data element."""

    blocks: int
    spacing: float
    cell_id: int
    load: str
    ssb_subcarrier: int | None  # lowest subcarrier of the synchronisation blocks; None: a secondary cell
    ssb_symbols: tuple[int, ...]
    ssb_period_ms: int
    ssb_gain_db: float
    coreset: tuple[int, int, int]  # first block, blocks, symbols
    control_share: float  # of slots
    first_data_symbol: int
    dmrs_symbols: tuple[int, ...]
    csi_period: int  # slots
    tdd: str | None = None
    special_symbols: int = 10


def draw_nr(blocks: int, spacing: float, rng: np.random.Generator) -> NrCell:
    """A random cell of ``blocks`` resource blocks."""
    loads = list(LOADS)
    case = _SSB_A if spacing == 15e3 or rng.random() < 0.5 else _SSB_B
    count = int(rng.integers(1, len(case) + 1)) if rng.random() < 0.5 else int(rng.choice([1, 4, 8]))
    kept = np.sort(rng.choice(len(case), size=min(count, len(case)), replace=False))
    width = min(blocks, int(rng.choice([24, 48, 96, 6 * (blocks // 6)])))
    coreset = (6 * int(rng.integers((blocks - width) // 6 + 1)), max(6, width // 6 * 6), int(rng.integers(1, 4)))
    tdd = None
    if rng.random() < (0.75 if spacing == 30e3 else 0.2):
        tdd = str(rng.choice(_TDD_30K if spacing == 30e3 else _TDD_15K))
    has_ssb = 12 * blocks >= _SSB_WIDTH and rng.random() < 0.9
    room = 12 * blocks - _SSB_WIDTH
    return NrCell(
        blocks=blocks,
        spacing=spacing,
        cell_id=int(rng.integers(1008)),
        load=str(rng.choice(loads, p=[0.24, 0.24, 0.22, 0.30])),
        ssb_subcarrier=int(rng.integers(room + 1)) if has_ssb else None,
        ssb_symbols=tuple(int(case[i]) for i in kept),
        ssb_period_ms=int(rng.choice([5, 10, 20], p=[0.1, 0.2, 0.7])),
        ssb_gain_db=float(rng.uniform(0, 4)),
        coreset=coreset,
        control_share=float(rng.uniform(0, 0.8)),
        first_data_symbol=int(rng.choice([1, 2, 3])),
        dmrs_symbols=((2,), (2, 11), (2, 7, 11), (3, 11))[int(rng.integers(4))],
        csi_period=int(rng.choice([10, 20, 40, 80])),
        tdd=tdd,
        special_symbols=int(rng.choice(_SPECIAL_SYMBOLS)),
    )


def nr_subcarriers(blocks: int) -> Tensor:
    """Subcarrier of each element relative to the carrier's centre; none is skipped."""
    return torch.arange(12 * blocks) - 6 * blocks


def nr_grid(cell: NrCell, first_symbol: int, symbols: int, *, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Elements of consecutive symbols.

    Parameters
    ----------
    first_symbol : int
        Absolute index of the first symbol; slots of 14 begin at multiples of 14.
    symbols : int
        Number of symbols.

    Returns
    -------
    complex64 ``(symbols, 12 * blocks)``
        0 where nothing is sent.
    """
    index = first_symbol + torch.arange(symbols)
    slot, symbol = torch.div(index, 14, rounding_mode="floor"), index % 14
    amplitude = _data(cell, slot, symbol, rng)
    _control(cell, slot, symbol, amplitude, rng)
    _channel_state(cell, slot, symbol, amplitude, rng)
    amplitude *= _downlink(cell, slot, symbol)[:, None]
    grid = amplitude * qpsk(tuple(amplitude.shape), generator)
    if cell.ssb_subcarrier is not None:
        _sync_blocks(cell, index, grid, rng, generator)
    return grid


def _data(cell: NrCell, slot: Tensor, symbol: Tensor, rng: np.random.Generator) -> Tensor:
    """PDSCH with its demodulation references (type 1: every second element), ``(S, K)``."""
    local = slot - slot[0]
    count = int(local[-1]) + 1
    group = 2 if cell.blocks <= 36 else 4 if cell.blocks <= 72 else 8 if cell.blocks <= 144 else 16
    data = allocation(count, -(-cell.blocks // group), cell.load, rng)
    amplitude = data.repeat_interleave(12 * group, dim=1)[:, : 12 * cell.blocks][local]
    last = torch.where(torch.from_numpy(rng.random(count) < 0.1), 8, 14)  # some transmissions are short
    amplitude = amplitude * ((symbol >= cell.first_data_symbol) & (symbol < last[local]))[:, None]
    reference = torch.isin(symbol, torch.tensor(cell.dmrs_symbols))
    comb = torch.zeros(12 * cell.blocks)
    comb[cell.cell_id % 2 :: 2] = 2**0.5  # the other comb stays empty, its power moves here
    return torch.where(reference[:, None], amplitude * comb, amplitude)


def _control(cell: NrCell, slot: Tensor, symbol: Tensor, amplitude: Tensor, rng: np.random.Generator) -> None:
    """PDCCH: groups of six blocks of the control resource set in some slots."""
    first, width, length = cell.coreset
    local = slot - slot[0]
    count = int(local[-1]) + 1
    used = rng.random((count, width // 6)) < rng.uniform(0.1, 0.9)
    used &= (rng.random(count) < cell.control_share)[:, None]
    filled = torch.from_numpy(used).float().repeat_interleave(72, dim=1)[local]  # (S, 12 width)
    lines = symbol < length
    amplitude[lines, 12 * first : 12 * first + filled.shape[1]] = filled[lines]


def _channel_state(cell: NrCell, slot: Tensor, symbol: Tensor, amplitude: Tensor, rng: np.random.Generator) -> None:
    """Tracking reference (comb 4, two symbols, two slots) over the whole carrier, on busy carriers only."""
    if cell.load == "idle" and rng.random() < 0.7:
        return
    due = (slot % cell.csi_period) < 2
    lines = due & ((symbol == 4) | (symbol == 8))
    amplitude[lines, cell.cell_id % 4 :: 4] = 1.0


def _downlink(cell: NrCell, slot: Tensor, symbol: Tensor) -> Tensor:
    """1 where the downlink may send, ``(S,)``."""
    if cell.tdd is None:
        return torch.ones(slot.shape[0])
    kind = torch.tensor(["UDS".index(k) for k in cell.tdd])[slot % len(cell.tdd)]
    return ((kind == 1) | ((kind == 2) & (symbol < cell.special_symbols))).float()


def _sync_blocks(cell: NrCell, index: Tensor, grid: Tensor, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Synchronisation signal and broadcast blocks: TS 38.211 clause 7.4.3."""
    half_frame = 70 * round(cell.spacing / 15e3)  # symbols in 5 ms
    period = half_frame * cell.ssb_period_ms // 5
    first, last = int(index[0]), int(index[-1])
    low = cell.ssb_subcarrier
    beams_db = rng.uniform(-3, 3, size=len(cell.ssb_symbols)) + cell.ssb_gain_db
    for start in range(first // period * period, last + 1, period):
        for offset, gain_db in zip(cell.ssb_symbols, beams_db, strict=True):
            begin = start + offset - first
            if begin < 0 or begin + 4 > index.numel():
                continue
            block = qpsk((4, _SSB_WIDTH), generator)
            block[0] = 0
            block[0, 56:183] = nr_pss(cell.cell_id % 3)
            block[2, 48:192] = 0
            block[2, 56:183] = nr_sss(cell.cell_id)
            grid[begin : begin + 4, low : low + _SSB_WIDTH] = block * 10 ** (float(gain_db) / 20)
