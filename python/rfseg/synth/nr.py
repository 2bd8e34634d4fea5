"""NR downlink carriers at 15, 30 and 60 kHz: 3GPP TS 38.211 clause 7.

Lean by design: between synchronisation blocks an idle carrier sends nothing at all.  Synchronisation and
broadcast blocks are coded so that any receiver decodes them; references have their true sequences; data and
control messages are random symbols at true places.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .nr_cell import CHANNELS_MHZ, NrCell
from .nr_control import paint_control, plan_control, plan_sib1
from .nr_csi import csi_slots, paint_csi, paint_tracking, tracking_slots
from .nr_data import paint_data, paint_sib1, plan_data
from .nr_draw import draw_nr
from .nr_grid import SlotGrid
from .nr_sync import blank_under_blocks, sync_grids, sync_signal
from .nr_timing import SlotSpan, downlink_symbols
from .ofdm import OfdmSignal, PortGrid

__all__ = ["CHANNELS_MHZ", "NrCell", "draw_nr", "nr_signals", "nr_subcarriers"]


def nr_subcarriers(blocks: int, device: torch.device | None = None) -> Tensor:
    """Subcarrier of each element relative to the carrier's centre; none is skipped."""
    return torch.arange(12 * blocks, device=device) - 6 * blocks


def nr_signals(
    cell: NrCell, first_half_ms: int, half_ms: int, *, rng: np.random.Generator, generator: torch.Generator
) -> list[OfdmSignal]:
    """What a carrier sends, port 0 its data, a port for each beam and for each further channel state port.

    Parameters
    ----------
    first_half_ms, half_ms : int
        Start since system frame 0 began, and length, half milliseconds.
    rng, generator
        Draw what is sent when, and its payload; elements are on the generator's device.

    Returns
    -------
    list of OfdmSignal
        The carrier, and its synchronisation blocks if their spacing is another one.
    """
    span = SlotSpan(spacing=cell.spacing, first_half_ms=first_half_ms, half_ms=half_ms)
    device = generator.device
    grids = _carrier_grids(cell, span, rng, generator)
    signals = []
    if cell.ssb_subcarrier is not None and cell.ssb_spacing == cell.spacing:
        grids += sync_grids(cell, span, cell.ssb_subcarrier, 12 * cell.blocks, device)
    elif cell.ssb_subcarrier is not None:
        own = SlotSpan(spacing=cell.ssb_spacing, first_half_ms=first_half_ms, half_ms=half_ms)
        signals.append(sync_signal(cell, own, device))
    carrier = OfdmSignal(
        spacing=cell.spacing,
        subcarriers=nr_subcarriers(cell.blocks, device),
        symbol_count=span.symbol_count,
        grids=tuple(grids),
    )
    return [carrier, *signals]


def _carrier_grids(cell: NrCell, span: SlotSpan, rng: np.random.Generator, generator: torch.Generator) -> list[PortGrid]:
    """Data, control, system information and references, with nothing under the synchronisation blocks."""
    slots = span.slots
    limits = downlink_symbols(slots, cell.tdd, cell.special_symbols)
    data = plan_data(cell, slots, limits, rng)
    has_control = limits >= cell.coreset[2]
    control = plan_control(cell, slots[has_control], np.isin(slots[has_control], data.slots), rng)
    sib1 = plan_sib1(cell, span, limits) if cell.ssb_subcarrier is not None and cell.coreset0 is not None else None
    tracking, csi = tracking_slots(cell, span, limits), csi_slots(cell, slots, limits)
    informed = sib1.slots if sib1 else slots[:0]
    active = np.unique(np.concatenate([data.slots, control.slots, informed, tracking, csi]))
    if active.size == 0:
        return []
    grid = SlotGrid.empty(active, 12 * cell.blocks, generator.device)
    paint_data(cell, grid, data, generator)
    paint_control(cell, grid, control, generator)
    if sib1 is not None and informed.size:
        paint_sib1(cell, grid, informed, generator)
        paint_control(cell, grid, sib1, generator)
    paint_tracking(cell, grid, tracking)
    others = paint_csi(cell, grid, span, csi)
    ports = [grid.to_port(span, 0), *others]
    for port in ports:
        blank_under_blocks(cell, span, port.symbols, port.elements)
    return ports
