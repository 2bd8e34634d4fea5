"""LTE downlink resource grids: 3GPP TS 36.211 clauses 5 and 6, normal cyclic prefix.

Synchronisation signals carry their true sequences; reference signals stand at their true positions with
random QPSK; control and data are random QPSK at their true positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .ofdm import qpsk
from .sequences import lte_pss, lte_sss
from .traffic import LOADS, allocation

__all__ = ["CHANNELS_MHZ", "LteCell", "draw_lte", "lte_grid", "lte_subcarriers"]

CHANNELS_MHZ = {1.4: 6, 3.0: 15, 5.0: 25, 10.0: 50, 15.0: 75, 20.0: 100}  # resource blocks: TS 36.101 table 5.6-1
# Uplink-downlink configurations: TS 36.211 table 4.2-2
_TDD = ("DSUUUDSUUU", "DSUUDDSUUD", "DSUDDDSUDD", "DSUUUDDDDD", "DSUUDDDDDD", "DSUDDDDDDD", "DSUUUDSUUD")
_DWPTS = (3, 9, 10, 11, 12, 3, 9, 10, 11, 6)  # symbols of the special subframe, TS 36.211 table 4.2-1
_CENTRE = 72  # subcarriers of the synchronisation signals and of the broadcast channel


@dataclass(frozen=True, kw_only=True)
class LteCell:
    """What a cell sends; amplitudes are relative to a data element."""

    blocks: int
    cell_id: int
    ports: int
    crs_boost_db: float
    load: str
    control_fill: float
    tdd: int | None = None  # uplink-downlink configuration
    special: int = 0

    @property
    def group(self) -> int:
        """Resource blocks that are scheduled together: TS 36.213 table 7.1.6.1-1."""
        return 1 if self.blocks <= 10 else 2 if self.blocks <= 26 else 3 if self.blocks <= 63 else 4


def draw_lte(blocks: int, rng: np.random.Generator) -> LteCell:
    """A random cell of ``blocks`` resource blocks."""
    loads = list(LOADS)
    return LteCell(
        blocks=blocks,
        cell_id=int(rng.integers(504)),
        ports=int(rng.choice([1, 2, 4], p=[0.25, 0.6, 0.15])),
        crs_boost_db=float(rng.choice([0.0, 3.0, 6.0], p=[0.55, 0.4, 0.05])),
        load=str(rng.choice(loads, p=[LOADS[k][0] for k in loads])),
        control_fill=float(rng.uniform(0.1, 0.9)),
        tdd=int(rng.integers(7)) if rng.random() < 0.25 else None,
        special=int(rng.integers(10)),
    )


def lte_subcarriers(blocks: int) -> Tensor:
    """Subcarrier of each element relative to the carrier's centre; DC is skipped."""
    half = 6 * blocks
    index = torch.arange(2 * half) - half
    return index + (index >= 0).long()


def lte_grid(cell: LteCell, first_slot: int, slots: int, *, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Elements of consecutive slots.

    Parameters
    ----------
    first_slot : int
        Absolute slot (0.5 ms) of the first symbol; frames of 20 slots begin at multiples of 20.
    slots : int
        Number of slots.

    Returns
    -------
    complex64 ``(7 * slots, 12 * blocks)``
        0 where nothing is sent.
    """
    slot = first_slot + torch.arange(slots).repeat_interleave(7)  # (S,)
    symbol = torch.arange(7).repeat(slots)
    amplitude = _data_and_control(cell, slot, symbol, rng)
    _reference_signals(cell, slot, symbol, amplitude)
    grid = amplitude * qpsk(tuple(amplitude.shape), generator)
    _centre_signals(cell, slot, symbol, grid, generator)
    return grid * _on_air(cell, slot, symbol)[:, None]


def _data_and_control(cell: LteCell, slot: Tensor, symbol: Tensor, rng: np.random.Generator) -> Tensor:
    """Amplitudes of PDSCH and of the control region, ``(S, K)``."""
    subframe = slot // 2 - int(slot[0]) // 2  # from the first on
    count = int(subframe[-1]) + 1
    groups = -(-cell.blocks // cell.group)
    data = allocation(count, groups, cell.load, rng)
    amplitude = data.repeat_interleave(12 * cell.group, dim=1)[:, : 12 * cell.blocks][subframe]  # (S, K)
    most = 4 if cell.blocks <= 10 else 3
    control = torch.from_numpy(rng.integers(1, most + 1, size=count))[subframe]  # symbols per subframe
    in_subframe = symbol + 7 * (slot % 2)
    regs = torch.from_numpy(rng.random((count, 4, 3 * cell.blocks)) < cell.control_fill).float()
    filled = regs.repeat_interleave(4, dim=2)[subframe, in_subframe.clamp(max=3)]
    return torch.where((in_subframe < control)[:, None], filled, amplitude)


def _reference_signals(cell: LteCell, slot: Tensor, symbol: Tensor, amplitude: Tensor) -> None:
    """Cell-specific reference signals of all ports: TS 36.211 clause 6.10.1.2."""
    boost = 10 ** (cell.crs_boost_db / 20)
    shift = cell.cell_id % 6
    even = slot % 2 == 0
    for port, rows, offset in (
        (0, symbol == 0, 0),
        (0, symbol == 4, 3),
        (1, symbol == 0, 3),
        (1, symbol == 4, 0),
        (2, (symbol == 1) & even, 0),
        (2, (symbol == 1) & ~even, 3),
        (3, (symbol == 1) & even, 3),
        (3, (symbol == 1) & ~even, 0),
    ):
        if port < cell.ports:
            amplitude[rows, (offset + shift) % 6 :: 6] = boost


def _centre_signals(cell: LteCell, slot: Tensor, symbol: Tensor, grid: Tensor, generator: torch.Generator) -> None:
    """Synchronisation signals and broadcast channel on the central 72 subcarriers: clauses 6.6 and 6.11."""
    low = 6 * cell.blocks - _CENTRE // 2
    centre = grid[:, low : low + _CENTRE]
    in_frame = slot % 20
    if cell.tdd is None:
        pss = ((in_frame == 0) | (in_frame == 10)) & (symbol == 6)
        sss = ((in_frame == 0) | (in_frame == 10)) & (symbol == 5)
    else:
        pss = ((in_frame == 2) | (in_frame == 12)) & (symbol == 2)
        sss = ((in_frame == 1) | (in_frame == 11)) & (symbol == 6)
    broadcast = (in_frame == 1) & (symbol < 4)
    centre[broadcast] = qpsk((int(broadcast.sum()), _CENTRE), generator)
    for rows, sequences in (
        (pss, [lte_pss(cell.cell_id % 3)] * 2),
        (sss, [lte_sss(cell.cell_id, half) for half in (0, 1)]),
    ):
        for line in rows.nonzero().squeeze(1).tolist():
            centre[line] = 0
            centre[line, 5:67] = sequences[int(in_frame[line] >= 10)]


def _on_air(cell: LteCell, slot: Tensor, symbol: Tensor) -> Tensor:
    """1 where the downlink may send, ``(S,)``."""
    if cell.tdd is None:
        return torch.ones(slot.shape[0])
    kinds = _TDD[cell.tdd]
    kind = [kinds[int(s) // 2 % 10] for s in slot]
    in_subframe = (symbol + 7 * (slot % 2)).tolist()
    on = [k == "D" or (k == "S" and i < _DWPTS[cell.special]) for k, i in zip(kind, in_subframe, strict=True)]
    return torch.tensor(on, dtype=torch.float32)
