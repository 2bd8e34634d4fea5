"""NR downlink shared channel: who gets which resource blocks and symbols, and how that looks.

Times and demodulation references after 3GPP TS 38.211 clause 7.4.1.1 and TS 38.214 clause 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .nr_cell import NrCell
from .nr_grid import SlotGrid, dmrs_start, references
from .nr_timing import SLOT_SYMBOLS
from .ofdm import qpsk
from .traffic import allocation

__all__ = ["DataPlan", "dmrs_symbols", "paint_data", "paint_sib1", "plan_data", "write_dmrs"]

_MINI_SLOTS = (2, 4, 7)  # symbols of mapping type B: TS 38.214 table 5.1.2.1-1
_SHORTENED = 0.1  # share of transmissions that end before the slot does
_CACHED_SLOTS = 3  # slots at once on a CPU: their elements stay in its cache


@dataclass(frozen=True, kw_only=True)
class DataPlan:
    """Transmissions, each to several users side by side.

    Parameters
    ----------
    slots, first, end : int64 ``(N,)``
        Slot since system frame 0 began; its first symbol and the one after its last.
    is_mini : bool ``(N,)``
        Whether references count from the transmission's start (mapping type B).
    amplitude : float32 ``(N, B)``
        Of each resource block, 0 where nothing is sent.
    bits : int64 ``(N, B)``
        Bits per dimension: 1 QPSK, 2 16QAM, 3 64QAM, 4 256QAM.
    """

    slots: np.ndarray
    first: np.ndarray
    end: np.ndarray
    is_mini: np.ndarray
    amplitude: Tensor
    bits: np.ndarray


def dmrs_symbols(first: int, end: int, *, is_mini: bool, position: int, additional: int, length: int) -> tuple[int, ...]:
    """Symbols with demodulation references: TS 38.211 tables 7.4.1.1.2-3 and 7.4.1.1.2-4.

    Parameters
    ----------
    first, end : int
        First symbol of the transmission and the one after its last.
    is_mini : bool
        Mapping type B, else A.
    position, additional, length : int
        First symbol for mapping type A (2, 3), further positions (0 to 3), adjacent symbols (1, 2).

    Examples
    --------
    >>> dmrs_symbols(1, 14, is_mini=False, position=2, additional=2, length=1)
    (2, 7, 11)
    >>> dmrs_symbols(4, 11, is_mini=True, position=2, additional=1, length=1)
    (4, 8)
    """
    if is_mini:
        return (first, first + 4) if end - first == 7 and additional and length == 1 else (first,)
    if length == 2 and end >= 4:
        further = () if not additional or end < 10 else (8,) if end < 13 else (10,)
        return tuple(l0 + step for l0 in (position, *further) for step in (0, 1))
    if not additional or end < 8:
        return (position,)
    if end < 10:
        return (position, 7)
    if end < 12 or (end == 12 and additional < 3):
        return (position, 9) if additional == 1 else (position, 6, 9)
    return (position, *((11,), (7, 11), (5, 8, 11))[additional - 1])


def plan_data(cell: NrCell, slots: np.ndarray, limits: np.ndarray, rng: np.random.Generator) -> DataPlan:
    """Random transmissions of the cell's load.

    Parameters
    ----------
    slots, limits : int64 ``(S,)``
        Consecutive slots, and how many symbols of each are downlink.
    """
    is_divided = rng.random(slots.size) < cell.mini_slot_share
    is_short = rng.random(slots.size) < _SHORTENED
    parts: list[tuple[int, int, int, bool]] = []
    for slot, limit, divided, short in zip(slots.tolist(), limits.tolist(), is_divided, is_short, strict=True):
        start = cell.first_data_symbol
        lowest = cell.dmrs_position + cell.dmrs_length
        if divided:
            while limit - start >= 2:
                step = int(rng.choice([n for n in _MINI_SLOTS if n <= limit - start]))
                parts.append((slot, start, start + step, True))
                start += step
        elif limit >= lowest:
            parts.append((slot, start, int(rng.integers(lowest, limit + 1)) if short else limit, False))
    where, first, end, is_mini = (np.array(column, dtype=np.int64) for column in zip(*parts, strict=True)) if parts else (
        np.zeros(0, dtype=np.int64) for _ in range(4)
    )
    size = 2 if cell.blocks <= 36 else 4 if cell.blocks <= 72 else 8 if cell.blocks <= 144 else 16  # TS 38.214 table 5.1.2.2.1-1
    groups = -(-cell.blocks // size)
    amplitude = allocation(len(parts), groups, cell.load, rng)
    users = rng.integers(1, cell.qam_bits // 2 + 1, size=(len(parts) // 4 + 1, groups)).repeat(4, axis=0)[: len(parts)]
    sent = (amplitude > 0).any(1).numpy()
    return DataPlan(
        slots=where[sent],
        first=first[sent],
        end=end[sent],
        is_mini=is_mini[sent].astype(bool),
        amplitude=amplitude[torch.from_numpy(sent)].repeat_interleave(size, dim=1)[:, : cell.blocks],
        bits=users.repeat(size, axis=1)[sent, : cell.blocks],
    )


def _runs(places: np.ndarray, longest: int) -> list[slice]:
    """Consecutive integers as slices of the array, at most ``longest`` long."""
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    edges = [0, *cuts.tolist(), places.size]
    pieces = ((low, end) for start, end in zip(edges, edges[1:], strict=False) for low in range(start, end, longest))
    return [slice(low, min(low + longest, end)) for low, end in pieces]


def paint_data(cell: NrCell, grid: SlotGrid, plan: DataPlan, generator: torch.Generator) -> None:
    """Modulated elements and demodulation references of the planned transmissions."""
    if plan.slots.size == 0:
        return
    device = grid.elements.device
    amplitude = plan.amplitude.to(device)
    top = torch.from_numpy(2**plan.bits - 1).to(device)  # largest level, of -top, -top + 2, ... top
    scale = amplitude * (1.5 / ((top + 1.0) ** 2 - 1.0)).sqrt()  # unit mean power: TS 38.211 clause 5.1
    scale = scale.repeat_interleave(24, dim=1)  # (N, 2 K): real and imaginary parts
    top = top.to(torch.int8).repeat_interleave(24, dim=1)
    longest = _CACHED_SLOTS if device.type == "cpu" else grid.slots.size
    shapes = plan.first * (SLOT_SYMBOLS + 1) + plan.end
    for shape in np.unique(shapes):
        chosen = np.flatnonzero(shapes == shape)
        first, end = divmod(int(shape), SLOT_SYMBOLS + 1)
        places = np.searchsorted(grid.slots, plan.slots[chosen])
        for run in _runs(places, longest):
            low, which = int(places[run.start]), chosen[run]
            part = torch.view_as_real(grid.elements[low : low + which.size, first:end]).flatten(2)  # (n, symbols, 2 K)
            _fill(part, _rows(top, which), _rows(scale, which), generator)
    _paint_dmrs(cell, grid, plan, amplitude)


def _rows(table: Tensor, which: np.ndarray) -> Tensor:
    """Rows of a table, one more axis for symbols, ``(n, 1, columns)``."""
    if which[-1] - which[0] + 1 == which.size:
        return table[int(which[0]) : int(which[-1]) + 1, None]
    return table[torch.from_numpy(which).to(table.device), None]


def _fill(part: Tensor, top: Tensor, scale: Tensor, generator: torch.Generator) -> None:
    """Random levels of the constellations, in place: float32 ``(n, symbols, 2 K)``."""
    words = torch.empty(-(-part.numel() // 8), dtype=torch.int64, device=part.device).random_(generator=generator)
    levels = words.view(torch.int8)[: part.numel()].view(part.shape)
    levels &= top
    levels += levels
    levels -= top
    part.copy_(levels)
    part *= scale


def _paint_dmrs(cell: NrCell, grid: SlotGrid, plan: DataPlan, amplitude: Tensor) -> None:
    """Demodulation references of all transmissions, and the empty combs beside them."""
    found = [
        (index, symbol)
        for index, (first, end, is_mini) in enumerate(zip(plan.first.tolist(), plan.end.tolist(), plan.is_mini, strict=True))
        for symbol in dmrs_symbols(
            first,
            end,
            is_mini=bool(is_mini),
            position=cell.dmrs_position,
            additional=cell.dmrs_additional,
            length=cell.dmrs_length,
        )
    ]
    index, symbol = (np.array(column) for column in zip(*found, strict=True))
    place = (grid.at(plan.slots[index]), torch.from_numpy(symbol).to(grid.elements.device))
    rows = grid.elements[place]
    frame_slots = round(10 * cell.spacing / 15e3)
    starts = dmrs_start(plan.slots[index] % frame_slots, symbol, cell.cell_id)
    gain = amplitude[torch.from_numpy(index).to(amplitude.device)] * cell.dmrs_groups**0.5  # TS 38.214 table 4.1-1
    write_dmrs(rows, starts, gain, kind=cell.dmrs_type, groups=cell.dmrs_groups, group=cell.dmrs_group)
    grid.elements[place] = rows


def write_dmrs(rows: Tensor, starts: np.ndarray, gain: Tensor, *, kind: int, groups: int, group: int) -> None:
    """References into whole rows, in place: TS 38.211 clause 7.4.1.1.2, table 7.4.1.1.2-1 and -2.

    Parameters
    ----------
    rows : complex64 ``(R, 12 * B)``
    starts : integer array ``(R,)``
        c_init of each.
    gain : float32 ``(R, B)``
        Amplitude of the references in each resource block.
    kind, groups, group : int
        Comb type, CDM groups without data, group of the references.
    """
    size = 2 if kind == 2 else 1  # adjacent subcarriers of a group
    per_block = 6 if kind == 1 else 4
    blocks = gain.shape[1]
    # (R, B, repetitions in a block, CDM groups, subcarriers of a group)
    combs = rows.view(rows.shape[0], blocks, per_block // size, -1, size)
    sequence = references(starts, 0, per_block * blocks, rows.device).view(rows.shape[0], blocks, -1, size)
    combs[:, :, :, :groups] *= (gain == 0)[:, :, None, None, None]
    combs[:, :, :, group] += sequence * gain[:, :, None, None]


def paint_sib1(cell: NrCell, grid: SlotGrid, slots: np.ndarray, generator: torch.Generator) -> None:
    """System information: QPSK, references of type 1 from the control resource set's first resource block on.

    Time after TS 38.214 table 5.1.2.1.1-2, row 1; references after TS 38.214 clause 5.1.6.2.
    """
    first_set, _, _ = cell.coreset0_place
    inner, count = cell.sib1_blocks
    low = 12 * (first_set + inner)
    start = cell.dmrs_position
    place = grid.at(slots)
    grid.elements[place, start:, low : low + 12 * count] = qpsk((slots.size, SLOT_SYMBOLS - start, 12 * count), generator)
    symbols = dmrs_symbols(start, SLOT_SYMBOLS, is_mini=False, position=start, additional=2, length=1)
    frame_slots = round(10 * cell.spacing / 15e3)
    for symbol in symbols:
        starts = dmrs_start(slots % frame_slots, symbol, cell.cell_id)
        sequence = references(starts, 6 * inner, 6 * count, grid.elements.device) * 2**0.5
        grid.elements[place, symbol, low : low + 12 * count : 2] = sequence
        grid.elements[place, symbol, low + 1 : low + 12 * count : 2] = 0
