"""NR uplink data and its reference signals: 3GPP TS 38.211 clauses 6.3.1 and 6.4.1.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .low_papr import GROUPS, low_papr
from .nr_uplink_control import numbers, pseudo_random_start
from .sequences import gold_qpsk
from .uplink import Grant, Payload, Piece

if TYPE_CHECKING:
    from .nr_uplink import NrUplink

__all__ = ["data_pieces"]

# Symbols of the single-symbol PUSCH reference after the first, by fewest symbols of PUSCH and by additional
# positions 1, 2, 3; of mapping types A (from the slot's first symbol) and B (from PUSCH's): table 6.4.1.1.3-3
_ADDED_A = (
    (13, ((11,), (7, 11), (5, 8, 11))),
    (12, ((9,), (6, 9), (5, 8, 11))),
    (10, ((9,), (6, 9), (6, 9))),
    (8, ((7,), (7,), (7,))),
)
_ADDED_B = (
    (12, ((10,), (5, 10), (3, 6, 9))),
    (10, ((8,), (4, 8), (3, 6, 9))),
    (8, ((6,), (3, 6), (3, 6))),
    (5, ((4,), (4,), (4,))),
)


def _reference_symbols(start: int, end: int, first: int, added: int) -> tuple[int, ...]:
    """Symbols of the PUSCH reference in the slot: mapping type A from symbol 0, else type B: table 6.4.1.1.3-3."""
    length = end - start
    if start == 0 and length > first:
        lead, table, base = first, _ADDED_A, 0
    else:
        lead, table, base = start, _ADDED_B, start
    if added == 0:
        return (lead,)
    more = next((rows[added - 1] for fewest, rows in table if length >= fewest), ())
    return (lead, *(base + symbol for symbol in more))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Slots of a grant that have the same symbols, from the first of the signal on."""

    grant: Grant
    slots: np.ndarray
    data: np.ndarray  # symbols
    known: np.ndarray  # symbols of the reference


def _parts(cell: NrUplink, grants: list[Grant], limits: np.ndarray) -> list[_Part]:
    parts = []
    for grant in grants:
        own = limits[:, grant.intervals]
        for start, limit in sorted(set(map(tuple, own.T.tolist()))):
            end = min(limit, start + cell.data_symbols)
            known = _reference_symbols(start, end, cell.first_reference, cell.added_references)
            data = np.array([symbol for symbol in range(start, end) if symbol not in known])
            slots = grant.intervals[(own[0] == start) & (own[1] == limit)]
            parts.append(_Part(grant=grant, slots=slots, data=data, known=np.array(known)))
    return parts


def data_pieces(cell: NrUplink, grants: list[Grant], first: int, limits: np.ndarray) -> tuple[list[Payload], list[Piece]]:
    """PUSCH between the symbols ``limits (2, T)`` of each slot, and its reference of type 1: clauses 6.3.1 and 6.4.1.1."""
    payloads, pieces = [], []
    parts = _parts(cell, grants, limits)
    for part, values in zip(parts, _references(cell, parts, first), strict=True):
        user = part.grant.user
        low, high = 12 * part.grant.start, 12 * (part.grant.start + part.grant.width)
        precoded = bool(cell.precoded[user])
        lone = precoded or cell.lone_reference
        data = (14 * part.slots[:, None] + part.data).ravel()
        payloads.append(Payload(port=user, rows=data, columns=slice(low, high), precoded=precoded))
        rows = (14 * part.slots[:, None] + part.known).ravel()
        boosted = torch.from_numpy(values * np.float32(2**0.5 if lone else 1))  # TS 38.214 table 6.2.2-1
        pieces.append(Piece(port=user, rows=rows, columns=slice(low, high, 2), values=boosted))
        if not lone:
            payloads.append(Payload(port=user, rows=rows, columns=slice(low + 1, high, 2), precoded=False))
    return payloads, pieces


def _references(cell: NrUplink, parts: list[_Part], first: int) -> list[np.ndarray]:
    """PUSCH reference of each part, complex64 ``(slots * symbols, 6 * width)``: clause 6.4.1.1.1."""
    slots = [(first + part.slots) % cell.frame_slots for part in parts]
    starts = [
        pseudo_random_start(cell.cell_id, own[:, None], part.known).ravel()
        for own, part in zip(slots, parts, strict=True)
        if not cell.precoded[part.grant.user]
    ]
    unique = np.unique(np.concatenate(starts)) if starts else np.empty(0, np.int64)
    sequences = gold_qpsk(unique, 6 * cell.blocks) if starts else None
    waiting = iter(starts)
    out = []
    for own, part in zip(slots, parts, strict=True):
        grant = part.grant
        if cell.precoded[grant.user]:
            out.append(_low_papr_references(cell, own, part.known, grant.width))
        else:
            rows = np.searchsorted(unique, next(waiting))
            out.append(sequences[rows, 6 * grant.start : 6 * (grant.start + grant.width)])
    return out


def _low_papr_references(cell: NrUplink, slots: np.ndarray, symbols: np.ndarray, width: int) -> np.ndarray:
    """Those of precoded data: clause 6.4.1.1.1.2."""
    table = numbers(cell.cell_id)
    second = cell.sequence_hopping and not cell.group_hopping and width >= 12
    rows = []
    for slot in slots.tolist():
        for symbol in symbols.tolist():
            hop = int(table.data_group[slot, symbol]) if cell.group_hopping else 0
            number = int(table.data_sequence[slot, symbol]) if second else 0
            rows.append(low_papr("nr", (hop + cell.cell_id) % GROUPS, number, 6 * width))
    return np.stack(rows)
