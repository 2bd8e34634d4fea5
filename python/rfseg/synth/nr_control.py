"""NR downlink control channel and its resource sets: 3GPP TS 38.211 clauses 7.3.2 and 7.4.1.3."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .nr_cell import NrCell
from .nr_grid import SlotGrid, dmrs_start, references
from .nr_timing import SLOT_SYMBOLS, SlotSpan
from .ofdm import qpsk

__all__ = ["SEARCH_SPACE0", "ControlPlan", "element_order", "paint_control", "plan_control", "plan_sib1"]

_LEVELS = (1, 2, 4, 8, 16)  # control channel elements of a message: TS 38.211 table 7.3.2.1-1
_BUNDLE = 6  # groups of 12 elements: L of TS 38.211 clause 7.3.2.2
_ROWS = 2  # R of its interleaver
_REFERENCES = (1, 5, 9)  # subcarriers in a resource block: TS 38.211 clause 7.4.1.3.2
# Frame offset O in ms and step M per block, where the control resource set begins at symbol 0, by index:
# TS 38.213 table 13-11
SEARCH_SPACE0 = {0: (0, 1), 2: (2, 1), 4: (5, 1), 6: (7, 1), 8: (0, 2), 9: (5, 2)}


@dataclass(frozen=True, kw_only=True)
class ControlPlan:
    """Messages in one control resource set.

    Parameters
    ----------
    place : (int, int, int)
        First resource block, blocks and symbols.
    slots : int64 ``(N,)``
        Since system frame 0 began.
    used : bool ``(N, blocks of the set)``
        Resource blocks that carry a message.
    reference_start : int
        Resource block at which the reference sequence begins.
    """

    place: tuple[int, int, int]
    slots: np.ndarray
    used: np.ndarray
    reference_start: int


def element_order(width: int, symbols: int, *, interleaved: bool, shift: int) -> np.ndarray:
    """Control channel element of each resource block, int64 ``(width,)``: TS 38.211 clause 7.3.2.2.

    Parameters
    ----------
    width, symbols : int
        Resource blocks, a multiple of 6, and symbols of the set.
    interleaved : bool
        Whether the bundles are spread.  A set of an odd number of bundles has no interleaver.
    shift : int
        Its cyclic shift.

    Examples
    --------
    >>> element_order(12, 2, interleaved=False, shift=0)
    array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    """
    count = width * symbols // _BUNDLE
    element = np.arange(count)
    if interleaved and count % _ROWS == 0:
        columns = count // _ROWS
        bundle = (element % _ROWS * columns + element // _ROWS + shift) % count
        element = np.argsort(bundle)  # element that lies in each bundle
    return element.repeat(_BUNDLE // symbols)


def plan_control(cell: NrCell, slots: np.ndarray, busy: np.ndarray, rng: np.random.Generator) -> ControlPlan:
    """Random messages: nearly always where there is data, else in the cell's share of slots.

    Parameters
    ----------
    slots : int64 ``(S,)``
        Those whose control resource set is downlink.
    busy : bool ``(S,)``
        Whether there is data.
    """
    _, width, symbols = cell.coreset
    addressed = rng.random(slots.size) < np.where(busy, 0.95, cell.control_share)
    order = element_order(width, symbols, interleaved=cell.interleaved, shift=cell.cell_id)
    count = int(order.max()) + 1
    level = rng.choice([n for n in _LEVELS if n <= count], size=slots.size)
    fill = rng.uniform(0.05, 0.9)
    chosen = rng.random((slots.size, count)) < fill
    chosen[np.arange(slots.size), rng.integers(count // level)] = True
    message = order // level[:, None]  # (S, width)
    used = np.take_along_axis(chosen, message, axis=1) & (message < (count // level)[:, None])
    return ControlPlan(place=cell.coreset, slots=slots[addressed], used=used[addressed], reference_start=0)


def plan_sib1(cell: NrCell, span: SlotSpan, limits: np.ndarray) -> ControlPlan:
    """Announcements of system information every 20 ms, one for each beam: TS 38.213 clause 13.

    Parameters
    ----------
    limits : int64 of ``span.slots.shape``
        Downlink symbols of each slot.
    """
    place = cell.coreset0_place
    offset_ms, step = SEARCH_SPACE0[cell.search_space0]
    wanted = round(offset_ms * cell.spacing / 15e3) + step * np.array(cell.ssb_blocks)
    slots = span.slots
    due = np.isin(slots % (2 * span.frame_slots), wanted) & (limits == SLOT_SYMBOLS)
    order = element_order(place[1], place[2], interleaved=True, shift=cell.cell_id)
    level = 8 if order.max() >= 7 else 4
    used = np.tile(order < level, (int(due.sum()), 1))
    return ControlPlan(place=place, slots=slots[due], used=used, reference_start=place[0])


def paint_control(cell: NrCell, grid: SlotGrid, plan: ControlPlan, generator: torch.Generator) -> None:
    """QPSK and references of the planned messages; other elements stay as they are."""
    if plan.slots.size == 0:
        return
    first, width, symbols = plan.place
    device = grid.elements.device
    columns = slice(12 * first, 12 * (first + width))
    place = grid.at(plan.slots)
    values = qpsk((plan.slots.size, symbols, width, 12), generator)
    frame_slots = round(10 * cell.spacing / 15e3)
    starts = dmrs_start((plan.slots % frame_slots)[:, None], np.arange(symbols), cell.cell_id)
    sequence = references(starts, 3 * (first - plan.reference_start), 3 * width, device)  # (N, symbols, 3 width)
    values[..., _REFERENCES] = sequence.unflatten(2, (width, 3))
    used = torch.from_numpy(plan.used).to(device)[:, None, :, None]
    before: Tensor = grid.elements[place, :symbols, columns].unflatten(2, (width, 12))
    grid.elements[place, :symbols, columns] = torch.where(used, values, before).flatten(2)
