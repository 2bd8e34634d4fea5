"""NR uplink resource grids at 15, 30 and 60 kHz: 3GPP TS 38.211 clause 6.

Reference signals of every channel carry their true sequences, hopping included; data is random QPSK, coded
by nobody.  One port a user.  PUCCH format 4 (it shares blocks by codes) and frequency hopping of PUSCH are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import SceneError
from .low_papr import GROUPS, low_papr
from .nr_timing import SlotSpan
from .nr_uplink_control import (
    CONTROL_FORMATS,
    PRACH_BLOCKS,
    PRACH_SYMBOLS,
    SRS_WIDTHS,
    access_pieces,
    control_pieces,
    numbers,
    pseudo_random_start,
    sounding_pieces,
)
from .ofdm import OfdmSignal
from .sequences import gold_qpsk
from .uplink import UPLINK_LOADS, Grant, Payload, Piece, assemble, beside, draw_gains, draw_grants, fill

__all__ = ["NrUplink", "draw_nr_uplink", "nr_uplink_signals"]

_TDD = {15e3: ("DDDDDDDSUU", "DDDSU"), 30e3: ("DDDSU", "DDDSUUDDDD", "DDDDDDDSUU", "DDSUU"), 60e3: ("DDDSU", "DDSUU")}
_TDD_SHARE = {15e3: 0.2, 30e3: 0.75, 60e3: 0.75}
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
_SHORTEST = 3  # symbols of an uplink part that is worth a PUSCH


@dataclass(frozen=True, kw_only=True)
class NrUplink:
    """What the users of a carrier send; amplitude 1 is a data element of the first user.

    Raises
    ------
    SceneError
        If the load or the TDD pattern does not exist, the references are no pair, or PUCCH leaves no room.
    """

    blocks: int
    spacing: float
    cell_id: int
    load: str  # of UPLINK_LOADS
    gains_db: tuple[float, ...]  # of each user; the last one only sends preambles
    precoded: tuple[bool, ...]  # whether a user's PUSCH is DFT-s-OFDM
    data_symbols: int = 14  # of PUSCH in a slot
    first_reference: int = 2
    added_references: int = 1
    lone_reference: bool = True  # no data between the references of CP-OFDM
    group_hopping: bool = False
    sequence_hopping: bool = False
    control: tuple[tuple[int, int, int], ...] = ((1, 14, 1),)  # format, symbols, blocks for each two users
    control_hopping: bool = True
    control_period: int = 20  # slots
    control_share: float = 0.1  # of a user's further slots
    srs_period: int | None = None  # slots
    srs_symbols: int = 1
    srs_offset: int = 0  # symbols from its first one to the slot's end, l_offset
    srs_comb: int = 2
    srs_config: int = 0  # C_SRS
    srs_hopping: bool = False  # B_SRS = 1 with b_hop = 0, else B_SRS = 0
    prach_period: int | None = None  # slots
    prach_share: float = 0.0  # of the occasions that somebody uses
    prach_format: str = "A1"
    prach_root: int = 1
    tdd: str | None = None  # a letter a slot
    special_uplink: int = 2  # symbols at the end of a special slot

    def __post_init__(self) -> None:
        if self.load not in UPLINK_LOADS:
            raise SceneError(f"load={self.load!r} is not known; choose one of {', '.join(UPLINK_LOADS)}")
        if self.tdd is not None and (not self.tdd or set(self.tdd) - set("DSU") or self.special_uplink not in range(15)):
            raise SceneError(
                f"tdd={self.tdd!r}, special_uplink={self.special_uplink!r}: expected letters D, S, U and 0 to 14 symbols"
            )
        if self.first_reference == 3 and self.added_references == 3:
            raise SceneError("added_references=3 goes with first_reference=2 only (TS 38.211 clause 6.4.1.1.3); add fewer")
        if 2 * self.edge >= self.blocks:
            raise SceneError(f"control={self.control!r} leaves no block of {self.blocks}; make it narrower")

    @property
    def users(self) -> int:
        """Users with data, control and sounding."""
        return len(self.gains_db) - 1

    @property
    def edge(self) -> int:
        """Resource blocks of PUCCH at each edge."""
        return self.control_offset(len(self.control))

    @property
    def frame_slots(self) -> int:
        """Slots in 10 ms."""
        return 10 * round(self.spacing / 15e3)

    def control_offset(self, pair: int) -> int:
        """Blocks from either edge to the PUCCH of a pair of users."""
        return sum(width for _, _, width in self.control[:pair])

    def uplink_symbols(self, slots: np.ndarray) -> np.ndarray:
        """Symbols at the end of each slot that the uplink may use, int64 of ``slots.shape``."""
        if self.tdd is None:
            return np.full(slots.shape, 14)
        share = {"D": 0, "S": self.special_uplink, "U": 14}
        return np.array([share[kind] for kind in self.tdd])[slots % len(self.tdd)]

    def due(self, slots: np.ndarray, period: int | None, symbols: int, *, which: int) -> np.ndarray:
        """Number of the visit for which a slot is kept, or -1.

        One slot a period is: of those of the pattern with so many uplink symbols, that of index ``which``.
        """
        if period is None:
            return np.full(slots.shape, -1)
        pattern = np.arange(len(self.tdd or "U"))
        fitting = pattern[self.uplink_symbols(pattern) >= symbols]
        if not fitting.size:
            return np.full(slots.shape, -1)
        period = -(-period // pattern.size) * pattern.size
        return np.where(slots % period == fitting[which], slots // period, -1)


def draw_nr_uplink(blocks: int, spacing: float, rng: np.random.Generator) -> NrUplink:
    """A random uplink of ``blocks`` resource blocks."""
    loads = list(UPLINK_LOADS)
    load = str(rng.choice(loads, p=[UPLINK_LOADS[k][0] for k in loads]))
    users = int(rng.integers(1, 4)) if load in ("idle", "peak") else int(rng.integers(2, 6))
    pairs, room = [], max(1, blocks // 10)
    for _ in range((users + 1) // 2):
        form = int(rng.choice(list(CONTROL_FORMATS)))
        length = int(rng.integers(CONTROL_FORMATS[form][0], CONTROL_FORMATS[form][1] + 1))
        pairs.append((form, length, int(rng.integers(1, min(4, room) + 1)) if form in (2, 3) else 1))
    if sum(pair[2] for pair in pairs) > max(room, len(pairs)):
        pairs = [(form, length, 1) for form, length, _ in pairs]
    edge = sum(pair[2] for pair in pairs)
    fitting = [index for index, row in enumerate(SRS_WIDTHS) if row[0] <= blocks - 2 * edge]
    symbols = int(rng.choice([1, 2, 4]))
    first = int(rng.choice([2, 3]))
    scale = round(spacing / 15e3)
    with_access = spacing != 60e3 and blocks >= PRACH_BLOCKS + 2 * edge and rng.random() < 0.5
    return NrUplink(
        blocks=blocks,
        spacing=spacing,
        cell_id=int(rng.integers(1008)),
        load=load,
        gains_db=(*draw_gains(users, rng), round(float(rng.uniform(-10, 10)), 2)),
        precoded=tuple((rng.random(users) < rng.choice([0.1, 0.5, 0.9])).tolist()),
        data_symbols=int(rng.choice([14, 13, 12, 10], p=[0.6, 0.15, 0.15, 0.1])),
        first_reference=first,
        added_references=int(rng.integers(4 if first == 2 else 3)),
        lone_reference=bool(rng.random() < 0.7),
        group_hopping=bool(rng.random() < 0.3),
        sequence_hopping=bool(rng.random() < 0.2),
        control=tuple(pairs),
        control_hopping=bool(rng.random() < 0.7),
        control_period=scale * int(rng.choice([5, 10, 20, 40])),
        control_share=round(float(rng.choice([0.02, 0.1, 0.4]) * rng.uniform(0.5, 1.5)), 3),
        srs_period=scale * int(rng.choice([5, 10, 20])) if rng.random() < 0.6 else None,
        srs_symbols=symbols,
        srs_offset=int(rng.integers(symbols - 1, 6)),
        srs_comb=int(rng.choice([2, 4])),
        srs_config=fitting[max(-int(rng.geometric(0.4)), -len(fitting))],
        srs_hopping=bool(rng.random() < 0.4),
        prach_period=10 * scale * int(rng.choice([1, 2])) if with_access else None,
        prach_share=round(float(rng.uniform(0.05, 0.5)), 3),
        prach_format=str(rng.choice(list(PRACH_SYMBOLS))),
        prach_root=int(rng.integers(1, 139)),
        tdd=str(rng.choice(_TDD[spacing])) if rng.random() < _TDD_SHARE[spacing] else None,
        special_uplink=int(rng.choice([0, 2, 4])),
    )


def nr_uplink_signals(
    cell: NrUplink, first_half_ms: int, half_ms: int, *, rng: np.random.Generator, generator: torch.Generator
) -> list[OfdmSignal]:
    """What all users send.

    Parameters
    ----------
    first_half_ms : int
        Half milliseconds from the start of system frame 0 to the first symbol.
    half_ms : int
        How many to make.
    rng, generator : numpy.random.Generator, torch.Generator
        Of the schedule, and of the payload on its own device.

    Returns
    -------
    list of one OfdmSignal
        ``12 * blocks`` columns; a port for each user that sends anything.
    """
    span = SlotSpan(spacing=cell.spacing, first_half_ms=first_half_ms, half_ms=half_ms)
    slots = span.slots
    room, first = cell.uplink_symbols(slots), int(slots[0])
    visits = cell.due(slots, cell.srs_period, cell.srs_offset + 1, which=-1)
    groups = -(-cell.users // cell.srs_comb)  # users of a group share their symbols by combs
    ends = np.where(visits >= 0, 13 - cell.srs_offset, 14)  # of PUSCH
    reserved = cell.due(slots, cell.prach_period, 14, which=0) >= 0
    usable = room - (14 - ends) >= _SHORTEST
    grants = draw_grants(usable, (cell.edge, cell.blocks - cell.edge), cell.load, cell.precoded, rng)
    grants = beside(grants, reserved, cell.edge + PRACH_BLOCKS, cell.precoded)
    busy = np.zeros((cell.users, slots.size), bool)
    for grant in grants:
        busy[grant.user, grant.intervals] = True
    due = (visits >= 0) & (visits % groups == np.arange(cell.users)[:, None] // cell.srs_comb)
    payloads, pieces = _data(cell, grants, first, np.stack([14 - room, ends]))
    for user in range(cell.users):
        form, length, _ = cell.control[user // 2]
        periodic = (slots + 3 * user) % cell.control_period == 0
        sends = (periodic | (rng.random(slots.size) < cell.control_share)) & ~busy[user]
        sends &= room >= (length if form in (0, 2) else 14)
        more = control_pieces(cell, user, np.flatnonzero(sends), first, np.full(int(sends.sum()), 14), generator)
        payloads += more[0]
        pieces += more[1]
        last = 13 - cell.srs_offset + cell.srs_symbols
        if (length > 13 - cell.srs_offset) if form in (1, 3) else (14 - length < last):
            due[user] &= ~sends  # a user's PUCCH comes before its SRS on the same symbols
    pieces += sounding_pieces(cell, due, visits // groups, first)
    used = np.flatnonzero(reserved & (rng.random(slots.size) < cell.prach_share))
    pieces += access_pieces(cell, used, ends[used], rng)
    pieces += fill(payloads, generator)
    columns = 12 * cell.blocks
    skipped = span.first_symbol - 14 * first
    grids = assemble(pieces, (span.symbol_count, columns), cell.gains_db, skipped=skipped, device=generator.device)
    centred = torch.arange(-columns // 2, columns // 2, device=generator.device)
    return [OfdmSignal(spacing=cell.spacing, subcarriers=centred, symbol_count=span.symbol_count, grids=grids)]


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


def _data(cell: NrUplink, grants: list[Grant], first: int, limits: np.ndarray) -> tuple[list[Payload], list[Piece]]:
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
