"""What an LTE downlink schedules: the plan of its subframes, and the elements of PDCCH and PDSCH.

TS 36.211 clauses 6.2.4, 6.3 and 6.7; TS 36.213 clause 7.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .lte_cell import LteCell
from .lte_frame import SUBFRAME_SYMBOLS, control_sizes, downlink_symbols
from .lte_reference import REFERENCE_SYMBOLS
from .traffic import allocation

__all__ = ["Plan", "data_and_control"]

_USER_SUBFRAMES = 4  # a user keeps its modulation for so long, as traffic.allocation keeps its power
_FRAMES = 1024  # system frame numbers


class Plan:
    """Which symbols of some consecutive subframes carry what.

    ``number`` and ``frame`` of each subframe; ``air``, the symbols the downlink may use; ``control``, those of the control
    region; ``indicator``, the CFI; ``data`` and ``referenced``, the symbols with PDSCH and with reference signals.
    """

    def __init__(self, cell: LteCell, subframes: np.ndarray, rng: np.random.Generator) -> None:
        self.cell = cell
        self.number = subframes % 10  # (M,)
        self.frame = subframes // 10 % _FRAMES
        self.air = downlink_symbols(cell.tdd, cell.special)[self.number]
        self.mbsfn = np.isin(self.number, cell.mbsfn)
        low, high = (sizes[self.number] for sizes in control_sizes(cell.blocks, cell.ports, cell.tdd, cell.mbsfn))
        drawn = rng.integers(low, high + 1)
        extra = int(cell.blocks <= 10)  # a narrow carrier uses one symbol more than the indicator says
        if cell.format_indicator is not None:
            drawn = np.clip(cell.format_indicator + extra, low, high)
        self.control = np.where(self.air > 0, drawn, 0)
        self.indicator = drawn - extra
        symbol = np.arange(SUBFRAME_SYMBOLS)
        short = (self.air < SUBFRAME_SYMBOLS) & (self.air <= 3)  # no PDSCH: TS 36.213 clause 7.1.7
        busy = ~short & (cell.mbsfn_filled | ~self.mbsfn)
        self.data = (symbol >= self.control[:, None]) & (symbol < self.air[:, None]) & busy[:, None]  # (M, 14)
        self.referenced = symbol < np.where(self.mbsfn, self.control, self.air)[:, None]  # (M, 14)
        self.first = np.flatnonzero(self.number == 0)  # with the broadcast channel

    def rows(self, port: int) -> np.ndarray:
        """Symbols on which a port other than 0 sends, bool ``(M, 14)``."""
        rows = np.zeros((len(self.number), SUBFRAME_SYMBOLS), bool)
        symbols = list(REFERENCE_SYMBOLS[port])
        rows[:, symbols] = self.referenced[:, symbols]
        rows[:, 0] = self.air > 0
        rows[self.first, 7:11] = True
        return rows


@lru_cache(maxsize=8)
def _constellations(device: torch.device) -> Tensor:
    """QPSK, 16QAM and 64QAM of unit mean power, each 64 points long, complex64 ``(192,)``: TS 36.211 clause 7.1."""
    points = []
    for bits in (1, 2, 3):  # per axis
        levels = 2.0 * np.arange(2**bits) - 2**bits + 1
        square = (levels[:, None] + 1j * levels).ravel()
        points.append(np.resize(square / np.sqrt((np.abs(square) ** 2).mean()), 64))
    return torch.from_numpy(np.concatenate(points).astype(np.complex64)).to(device)


def data_and_control(plan: Plan, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """PDSCH and PDCCH, complex64 ``(M, 14, K)``."""
    cell, device = plan.cell, generator.device
    power, order = _schedule(plan, rng)
    amplitude = torch.from_numpy(plan.data).to(device)[:, :, None] * _spread(power, 12, device)[:, None]  # (M, 14, K)
    words = torch.empty(-(-amplitude.numel() // 8), dtype=torch.int64, device=device).random_(generator=generator)
    index = words.view(torch.uint8)[: amplitude.numel()].view(amplitude.shape) & 63
    order = _spread(order, 12, device)[:, None]  # (M, 1, K)
    size = int(plan.control.max())
    control = torch.from_numpy(np.arange(size) < plan.control[:, None]).to(device)[:, :, None]  # (M, size, 1)
    index[:, size:] += order
    index[:, :size] += order * ~control
    amplitude[:, :size] = torch.where(control, _groups(cell, size, len(plan.number), rng, device), amplitude[:, :size])
    points = _constellations(device).index_select(0, index.flatten().int()).view(amplitude.shape)
    return points.mul_(amplitude)


def _schedule(plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude, float32 ``(M, blocks)``, and 0, 64 or 128 for the constellation, uint8 ``(M, blocks)``, of each block."""
    cell, count = plan.cell, len(plan.number)
    groups = -(-cell.blocks // cell.group)
    amplitude = allocation(count, groups, cell.load, rng).numpy()
    order = np.repeat(rng.integers(3, size=(count // _USER_SUBFRAMES + 1, groups)), _USER_SUBFRAMES, axis=0)[:count] * 64
    amplitude, order = (np.repeat(x, cell.group, axis=1)[:, : cell.blocks] for x in (amplitude, order.astype(np.uint8)))
    if cell.system_information is not None:  # TS 36.331 clause 5.2.1.2
        first, width = cell.system_information
        due = np.flatnonzero((plan.number == 5) & (plan.frame % 2 == 0))
        amplitude[due, first : first + width] = 1.0
        order[due, first : first + width] = 0
    return amplitude, order


def _spread(values: np.ndarray, times: int, device: torch.device) -> Tensor:
    """Each value of the last axis several times."""
    return torch.from_numpy(values).to(device).repeat_interleave(times, dim=-1)


def _groups(cell: LteCell, size: int, count: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """1 where the PDCCH fills a resource-element group, float32 ``(count, size, K)``: TS 36.211 clause 6.2.4."""
    used = (rng.random((count, size, 3 * cell.blocks), dtype=np.float32) < cell.control_fill).astype(np.float32)
    filled = _spread(used, 4, device)
    for symbol in range(min(size, 2 if cell.ports == 4 else 1)):  # with reference signals: six subcarriers each
        filled[:, symbol] = _spread(used[:, symbol, : 2 * cell.blocks], 6, device)
    filled[:, :1, cell.cell_id % 3 :: 3] = 0  # free for two ports even if there is one
    return filled
