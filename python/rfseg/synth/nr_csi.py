"""NR channel state and tracking references: 3GPP TS 38.211 clause 7.4.1.5."""

from __future__ import annotations

import numpy as np
import torch

from .nr_cell import NrCell
from .nr_grid import SlotGrid, csi_start, references
from .nr_timing import SLOT_SYMBOLS, SlotSpan
from .ofdm import PortGrid

__all__ = ["CSI_PORT", "csi_slots", "paint_csi", "paint_tracking", "tracking_slots"]

CSI_PORT = 16  # of the second port; the first one is the data's
_TRACKING_STEP = 4  # symbols between the two of a slot, and subcarriers of the comb: TS 38.214 clause 5.1.6.1.1


def csi_slots(cell: NrCell, slots: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Slots with channel state references that the downlink may send."""
    if cell.csi_ports == 0:
        return slots[:0]
    return slots[((slots - cell.csi_offset) % cell.csi_period == 0) & (limits > cell.csi_symbol)]


def tracking_slots(cell: NrCell, span: SlotSpan, limits: np.ndarray) -> np.ndarray:
    """Slots with tracking references: two adjacent ones every period."""
    slots = span.slots
    if cell.trs_period_ms is None:
        return slots[:0]
    period = cell.trs_period_ms * span.frame_slots // 10
    return slots[((slots - cell.trs_offset) % period < 2) & (limits > cell.trs_symbol + _TRACKING_STEP)]


def paint_tracking(cell: NrCell, grid: SlotGrid, slots: np.ndarray) -> None:
    """One port of density 3 in two symbols of each slot: TS 38.211 table 7.4.1.5.3-1 row 1."""
    if slots.size == 0:
        return
    first, width = cell.trs_blocks
    frame_slots = round(10 * cell.spacing / 15e3)
    symbols = np.array([cell.trs_symbol, cell.trs_symbol + _TRACKING_STEP])
    starts = csi_start((slots % frame_slots)[:, None], symbols, cell.cell_id)  # (N, 2)
    sequence = references(starts, 3 * first, 3 * width, grid.elements.device)
    place = grid.at(slots)
    columns = slice(12 * first + cell.trs_subcarrier, 12 * (first + width), _TRACKING_STEP)
    for index, symbol in enumerate(symbols.tolist()):
        grid.elements[place, symbol, columns] = sequence[:, index]


def paint_csi(cell: NrCell, grid: SlotGrid, span: SlotSpan, slots: np.ndarray) -> list[PortGrid]:
    """References of one, two, four or eight ports over the whole carrier, one element a block and port.

    TS 38.211 table 7.4.1.5.3-1 row 2 (one port), 3 (two), 4 (four) and 6 (eight); pairs of ports share two adjacent
    elements.  The first port is painted into ``grid``, the elements of the others are emptied there.

    Returns
    -------
    list of PortGrid
        The other ports.
    """
    if slots.size == 0:
        return []
    device = grid.elements.device
    starts = csi_start(slots % (10 * round(cell.spacing / 15e3)), cell.csi_symbol, cell.cell_id)
    place, symbol, low = grid.at(slots), cell.csi_symbol, cell.csi_subcarrier
    if cell.csi_ports == 1:
        grid.elements[place, symbol, low::12] = references(starts, 0, cell.blocks, device)
        return []
    sequence = references(starts, 0, 2 * cell.blocks, device).unflatten(1, (cell.blocks, 2))  # (N, B, 2)
    rows = slots * SLOT_SYMBOLS + symbol - span.first_symbol
    inside = torch.from_numpy((rows >= 0) & (rows < span.symbol_count)).to(device)
    shown = torch.from_numpy(rows).to(device)[inside]
    opposite = torch.tensor([1.0, -1.0], device=device)
    row = grid.elements[place, symbol].unflatten(1, (cell.blocks, 12))
    row[:, :, low : low + cell.csi_ports] = 0
    row[:, :, low : low + 2] = sequence
    grid.elements[place, symbol] = row.flatten(1)
    ports = []
    for port in range(1, cell.csi_ports):
        column = low + port // 2 * 2
        own = torch.zeros_like(row)
        own[:, :, column : column + 2] = sequence * opposite if port % 2 else sequence
        ports.append(PortGrid(elements=own.flatten(1)[inside], symbols=shown, port=CSI_PORT + port - 1))
    return ports
