"""NR synchronisation signal and broadcast blocks: 3GPP TS 38.211 clause 7.4.3."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .nr_cell import SSB_WIDTH, NrCell
from .nr_pbch import broadcast_payload, encode_broadcast
from .nr_timing import SlotSpan
from .ofdm import OfdmSignal, PortGrid
from .sequences import gold_qpsk, nr_pss, nr_sss

__all__ = ["BEAM_PORT", "blank_under_blocks", "block_times", "sync_grids", "sync_signal"]

BEAM_PORT = 1  # port of the first beam
_BLOCK_SYMBOLS = 4
_SEQUENCE = slice(56, 183)  # subcarriers of the synchronisation signals: TS 38.211 table 7.4.3.1-1


def block_times(cell: NrCell, span: SlotSpan) -> tuple[np.ndarray, np.ndarray]:
    """Blocks that touch the span.

    Parameters
    ----------
    span : SlotSpan
        In the spacing of the blocks.

    Returns
    -------
    half_frames, beams : int64 ``(N,)``
        Half frame of 5 ms since system frame 0 began; place in ``cell.ssb_blocks``.
    """
    first, last = span.first_half_ms // 10, (span.first_half_ms + span.half_ms - 1) // 10
    half_frames = np.arange(first, last + 1)
    half_frames = half_frames[(5 * half_frames - cell.ssb_offset_ms) % cell.ssb_period_ms == 0]
    half_frames, beams = (axis.ravel() for axis in np.meshgrid(half_frames, np.arange(len(cell.ssb_blocks)), indexing="ij"))
    start = _first_symbols(cell, half_frames, beams) - span.first_symbol
    touching = (start > -_BLOCK_SYMBOLS) & (start < span.symbol_count)
    return half_frames[touching], beams[touching]


def _first_symbols(cell: NrCell, half_frames: np.ndarray, beams: np.ndarray) -> np.ndarray:
    """First symbol of each block since system frame 0 began, in the spacing of the blocks."""
    half_frame = round(70 * cell.ssb_spacing / 15e3)
    return half_frames * half_frame + np.array(cell.ssb_symbols, dtype=np.int64)[beams]


def _block_elements(cell: NrCell, half_frames: np.ndarray, beams: np.ndarray) -> np.ndarray:
    """Elements of each block, complex64 ``(N, 4, 240)``: TS 38.211 table 7.4.3.1-1."""
    index = np.array(cell.ssb_blocks, dtype=np.int64)[beams]
    frames, halves = half_frames // 2 % 1024, half_frames % 2
    blocks = np.zeros((index.size, _BLOCK_SYMBOLS, SSB_WIDTH), dtype=np.complex64)
    broadcast = np.zeros((3, SSB_WIDTH), dtype=bool)
    broadcast[[0, 2]] = True
    broadcast[1, :48] = broadcast[1, 192:] = True
    reference = broadcast & (np.arange(SSB_WIDTH) % 4 == cell.cell_id % 4)
    shown = index + (4 * halves if cell.ssb_count == 4 else 0)  # TS 38.211 clause 7.4.1.4.1
    starts = (shown + 1) * (2**11 * (cell.cell_id // 4 + 1) + 2**6) + cell.cell_id % 4
    blocks[:, 1:][:, reference] = gold_qpsk(starts, 144)
    blocks[:, 1:][:, broadcast & ~reference] = encode_broadcast(cell, broadcast_payload(cell, frames, halves), index)
    blocks[:, 0, _SEQUENCE] = nr_pss(cell.cell_id % 3).numpy() * 10 ** (cell.pss_boost_db / 20)
    blocks[:, 2, _SEQUENCE] = nr_sss(cell.cell_id).numpy()
    return blocks * (10 ** (np.array(cell.ssb_gains_db) / 20))[beams, None, None].astype(np.float32)


def sync_grids(cell: NrCell, span: SlotSpan, first_column: int, columns: int, device: torch.device) -> list[PortGrid]:
    """What each beam sends, a port each; blocks at ``first_column`` of ``columns``."""
    half_frames, beams = block_times(cell, span)
    if half_frames.size == 0:
        return []
    blocks = _block_elements(cell, half_frames, beams)
    rows = _first_symbols(cell, half_frames, beams)[:, None] + np.arange(_BLOCK_SYMBOLS) - span.first_symbol  # (N, 4)
    inside = (rows >= 0) & (rows < span.symbol_count)
    grids = []
    for beam in np.unique(beams):
        chosen = inside & (beams == beam)[:, None]
        elements = torch.zeros(int(chosen.sum()), columns, dtype=torch.complex64, device=device)
        elements[:, first_column : first_column + SSB_WIDTH] = torch.from_numpy(blocks[chosen]).to(device)
        symbols = torch.from_numpy(rows[chosen]).to(device)
        grids.append(PortGrid(elements=elements, symbols=symbols, port=BEAM_PORT + int(beam)))
    return grids


def sync_signal(cell: NrCell, span: SlotSpan, device: torch.device) -> OfdmSignal:
    """Blocks of another spacing than the carrier's, as a signal of their own around the carrier's centre."""
    lowest = cell.ssb_subcarrier - round(6 * cell.blocks * cell.spacing / cell.ssb_spacing)
    return OfdmSignal(
        spacing=cell.ssb_spacing,
        subcarriers=torch.arange(SSB_WIDTH, device=device) + lowest,
        symbol_count=span.symbol_count,
        grids=tuple(sync_grids(cell, span, 0, SSB_WIDTH, device)),
    )


def blank_under_blocks(cell: NrCell, span: SlotSpan, symbols: Tensor | None, elements: Tensor) -> None:
    """Empty the resource blocks of the carrier that a synchronisation block touches: TS 38.214 clause 5.1.4.

    Parameters
    ----------
    span : SlotSpan
        In the carrier's spacing.
    symbols : int64 ``(R,)`` or None
        Which symbols of the span the rows are; None for all of them.
    elements : complex64 ``(R, 12 * blocks)``
        Changed in place.
    """
    if cell.ssb_subcarrier is None:
        return
    ratio = cell.spacing / cell.ssb_spacing
    own = SlotSpan(spacing=cell.ssb_spacing, first_half_ms=span.first_half_ms, half_ms=span.half_ms)
    covered = np.zeros(span.symbol_count, dtype=bool)
    for start in _first_symbols(cell, *block_times(cell, own)) - own.first_symbol:
        covered[max(0, int(np.floor(start * ratio))) : max(0, int(np.ceil((start + _BLOCK_SYMBOLS) * ratio)))] = True
    lines = torch.from_numpy(covered).to(elements.device)
    low = int(cell.ssb_subcarrier // (12 * ratio)) * 12
    high = -int(-(cell.ssb_subcarrier + SSB_WIDTH) // (12 * ratio)) * 12
    elements[lines if symbols is None else lines[symbols], low:high] = 0
