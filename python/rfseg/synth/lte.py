"""LTE downlink resource grids: 3GPP TS 36.211 clauses 4 and 6, normal cyclic prefix.

Synchronisation signals, reference signals of all ports, the broadcast channel, the format indicator and the
acknowledgements (of normal duration) are what a receiver expects, port by port.  The PDCCH is random QPSK by
resource-element group, the PDSCH random QAM by user; both go through port 0, whatever the number of ports.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .lte_cell import CHANNELS_MHZ, LteCell, draw_lte
from .lte_control import acknowledgements, control_places, format_indicator, phich_groups
from .lte_data import Plan, data_and_control
from .lte_frame import SUBFRAME_SYMBOLS
from .lte_pbch import broadcast_symbols, pbch_places, transmit_diversity
from .lte_reference import REFERENCE_SYMBOLS, reference_offset, reference_sequences
from .ofdm import OfdmSignal, PortGrid
from .sequences import lte_pss, lte_sss

__all__ = ["CHANNELS_MHZ", "LteCell", "draw_lte", "lte_signals", "lte_subcarriers"]

_CENTRE = 72  # subcarriers of the synchronisation signals and of the broadcast channel


def lte_subcarriers(blocks: int) -> Tensor:
    """Subcarrier of each element relative to the carrier's centre; DC is skipped."""
    half = 6 * blocks
    index = torch.arange(2 * half) - half
    return index + (index >= 0).long()


def lte_signals(
    cell: LteCell, first_half_ms: int, half_ms: int, *, rng: np.random.Generator, generator: torch.Generator
) -> list[OfdmSignal]:
    """The downlink of a cell over some half milliseconds, one grid for each antenna port.

    Parameters
    ----------
    first_half_ms : int
        Half milliseconds since system frame 0 began.
    half_ms : int
        How many to make.
    rng : numpy.random.Generator
        Draws what is scheduled.
    generator : torch.Generator
        Draws the payload, on its device.

    Returns
    -------
    list of one OfdmSignal
        Port 0 has every symbol; the others have those on which they send reference signals, the broadcast
        channel, the format indicator or acknowledgements.
    """
    subframes = np.arange(first_half_ms // 2, -(-(first_half_ms + half_ms) // 2))
    plan = Plan(cell, subframes, rng)
    grids = [_Port(data_and_control(plan, rng, generator).flatten(0, 1), np.ones((len(subframes), SUBFRAME_SYMBOLS), bool))]
    for port in range(1, cell.ports):
        rows = plan.rows(port)
        grids.append(_Port(torch.zeros(int(rows.sum()), 12 * cell.blocks, dtype=torch.complex64, device=generator.device), rows))
    _indicators(plan, grids, rng)
    _broadcast(plan, grids)
    _reference_signals(plan, grids)
    _synchronisation(plan, grids[0])
    low = 7 * (first_half_ms % 2)
    return [
        OfdmSignal(
            spacing=15e3,
            subcarriers=lte_subcarriers(cell.blocks).to(generator.device),
            symbol_count=7 * half_ms,
            grids=tuple(grid.cut(low, 7 * half_ms, port) for port, grid in enumerate(grids)),
        )
    ]


class _Port:
    """Elements of one antenna port, by subframe, symbol and subcarrier."""

    def __init__(self, elements: Tensor, rows: np.ndarray) -> None:
        self.elements = elements  # (R, K)
        self._line = np.where(rows, np.cumsum(rows).reshape(rows.shape) - 1, -1)  # (M, 14)
        self._symbols = np.flatnonzero(rows)

    def put(
        self, subframes: np.ndarray, symbols: np.ndarray | int, columns: np.ndarray | slice, values: np.ndarray | Tensor
    ) -> None:
        """Write elements; arrays of subframes, symbols and columns are broadcast against each other."""
        device = self.elements.device
        lines = torch.from_numpy(self._line[subframes, symbols]).to(device)
        if isinstance(columns, np.ndarray):
            columns = torch.from_numpy(columns).to(device)
        self.elements[lines, columns] = torch.as_tensor(values, device=device)

    def cut(self, low: int, count: int, port: int) -> PortGrid:
        """The rows of ``count`` symbols from ``low`` on."""
        kept = slice(*np.searchsorted(self._symbols, (low, low + count)).tolist())
        symbols = None if port == 0 else torch.from_numpy(self._symbols[kept] - low).to(self.elements.device)
        return PortGrid(elements=self.elements[kept], symbols=symbols, port=port)


def _indicators(plan: Plan, ports: list[_Port], rng: np.random.Generator) -> None:
    """PCFICH and PHICH on the first symbol."""
    cell = plan.cell
    due = np.flatnonzero(plan.air)
    columns = control_places(cell.cell_id, cell.blocks)[0]
    words = format_indicator(cell.cell_id, cell.ports)[:, plan.number[due], plan.indicator[due] - 1]  # (ports, D, 16)
    for port, grid in enumerate(ports):
        grid.put(due[:, None], 0, columns, words[port])
    groups = phich_groups(cell.blocks, cell.phich_resource, cell.tdd)[plan.number[due]]
    for count in np.unique(groups[groups > 0]).tolist():
        these = due[groups == count]
        symbols, columns = acknowledgements(cell.cell_id, cell.blocks, cell.ports, plan.number[these], count, rng)
        for port, grid in enumerate(ports):
            grid.put(these[:, None], 0, columns, symbols[port])


def _reference_signals(plan: Plan, ports: list[_Port]) -> None:
    """Every port's reference signals, and silence of all others there."""
    cell = plan.cell
    for port, grid in enumerate(ports):
        for symbol in REFERENCE_SYMBOLS[port]:
            due = np.flatnonzero(plan.referenced[:, symbol])
            sequence = np.float32(cell.boost) * reference_sequences(cell.cell_id, cell.blocks, symbol)[plan.number[due]]
            comb = slice(reference_offset(cell.cell_id, port, symbol), None, 6)
            grid.put(due, symbol, comb, sequence)
            if port:
                ports[0].put(due, symbol, comb, np.complex64(0))


def _synchronisation(plan: Plan, grid: _Port) -> None:
    """Primary and secondary signals with their guard, in both half frames: TS 36.211 clauses 6.11.1.2 and 6.11.2.2."""
    cell = plan.cell
    columns = slice(6 * cell.blocks - _CENTRE // 2, 6 * cell.blocks + _CENTRE // 2)
    fdd = cell.tdd is None
    for half in (0, 1):
        for sequence, subframe, symbol in (
            (lte_pss(cell.cell_id % 3), 5 * half + (0 if fdd else 1), 6 if fdd else 2),
            (lte_sss(cell.cell_id, half), 5 * half, 5 if fdd else 13),
        ):
            line = torch.nn.functional.pad(torch.view_as_real(sequence), (0, 0, 5, 5))
            grid.put(np.flatnonzero(plan.number == subframe), symbol, columns, cell.boost * torch.view_as_complex(line))


def _broadcast(plan: Plan, ports: list[_Port]) -> None:
    """PBCH in subframe 0, and silence where it stays free for reference signals: TS 36.211 clause 6.6."""
    cell = plan.cell
    low = 6 * cell.blocks - _CENTRE // 2
    for symbol in (7, 8):
        ports[0].put(plan.first, symbol, slice(low + cell.cell_id % 3, low + _CENTRE, 3), np.complex64(0))
    if not len(plan.first):
        return
    symbols, columns = pbch_places(cell.cell_id % 3)
    frames = plan.frame[plan.first].tolist()
    facts = (cell.cell_id, cell.blocks, cell.ports, cell.phich_resource)
    sent = transmit_diversity(np.stack([broadcast_symbols(*facts, frame) for frame in frames]), cell.ports)  # (ports, F, 240)
    for port, grid in enumerate(ports):
        grid.put(plan.first[:, None], 7 + symbols, low + columns, np.float32(cell.boost) * sent[port])
