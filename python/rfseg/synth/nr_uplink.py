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
from .nr_cell import CHANNELS_MHZ
from .nr_timing import SlotSpan
from .nr_uplink_control import (
    CONTROL_FORMATS,
    PRACH_BLOCKS,
    PRACH_SYMBOLS,
    SRS_WIDTHS,
    access_pieces,
    control_pieces,
    sounding_pieces,
)
from .nr_uplink_data import data_pieces
from .ofdm import OfdmSignal
from .uplink import UPLINK_LOADS, Grant, assemble, beside, draw_gains, draw_grants, fill

__all__ = ["NrUplink", "draw_nr_uplink", "nr_uplink_signals"]

_TDD = {15e3: ("DDDDDDDSUU", "DDDSU"), 30e3: ("DDDSU", "DDDSUUDDDD", "DDDDDDDSUU", "DDSUU"), 60e3: ("DDDSU", "DDSUU")}
_TDD_SHARE = {15e3: 0.2, 30e3: 0.75, 60e3: 0.75}
_SHORTEST = 3  # symbols of an uplink part that is worth a PUSCH


@dataclass(frozen=True, kw_only=True)
class NrUplink:
    """What the users of a carrier send; amplitude 1 is a data element of the first user.

    Raises
    ------
    SceneError
        If the channel, the load or the TDD pattern does not exist, the references are no pair, or PUCCH leaves
        no room.
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
        if self.spacing not in CHANNELS_MHZ:
            raise SceneError(f"spacing={self.spacing!r} Hz is no NR spacing below 6 GHz; choose 15e3, 30e3 or 60e3")
        known = sorted(CHANNELS_MHZ[self.spacing].values())
        if self.blocks not in known:
            raise SceneError(f"blocks={self.blocks!r} is no NR channel of {self.spacing:g} Hz spacing; choose one of {known}")
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

    def control_meets_sounding(self, user: int) -> bool:
        """Whether a user's PUCCH lies on symbols of SRS; it then goes first: TS 38.214 clause 6.2.1."""
        form, length, _ = self.control[user // 2]
        first = 13 - self.srs_offset
        return length > first if form in (1, 3) else 14 - length < first + self.srs_symbols

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
    ends = np.where(visits >= 0, 13 - cell.srs_offset, 14)  # of PUSCH and PRACH
    reserved = cell.due(slots, cell.prach_period, 14, which=0) >= 0
    usable = room - (14 - ends) >= _SHORTEST
    grants = draw_grants(usable, (cell.edge, cell.blocks - cell.edge), cell.load, cell.precoded, rng)
    grants = beside(grants, reserved, cell.edge + PRACH_BLOCKS, cell.precoded)
    controlled = _controlled(cell, slots, grants, rng)
    payloads, pieces = data_pieces(cell, grants, first, np.stack([14 - room, ends]))
    for user in range(cell.users):
        more = control_pieces(cell, user, np.flatnonzero(controlled[user]), first, generator)
        payloads += more[0]
        pieces += more[1]
    groups = -(-cell.users // cell.srs_comb)  # users of a group share their symbols by combs
    due = (visits >= 0) & (visits % groups == np.arange(cell.users)[:, None] // cell.srs_comb)
    due &= ~(controlled & np.array([[cell.control_meets_sounding(user)] for user in range(cell.users)]))
    pieces += sounding_pieces(cell, due, visits // groups, first)
    used = np.flatnonzero(reserved & (rng.random(slots.size) < cell.prach_share))
    pieces += access_pieces(cell, used, ends[used], rng)
    pieces += fill(payloads, generator)
    shape = (span.symbol_count, 12 * cell.blocks)
    skipped = span.first_symbol - 14 * first
    grids = assemble(pieces, shape, cell.gains_db, skipped=skipped, device=generator.device)
    centred = torch.arange(-6 * cell.blocks, 6 * cell.blocks, device=generator.device)
    return [OfdmSignal(spacing=cell.spacing, subcarriers=centred, symbol_count=shape[0], grids=grids)]


def _controlled(cell: NrUplink, slots: np.ndarray, grants: list[Grant], rng: np.random.Generator) -> np.ndarray:
    """Slots in which each user sends PUCCH, bool ``(users, T)``: never beside its own data."""
    users = np.arange(cell.users)
    needs = np.array([cell.control[user // 2][1] if cell.control[user // 2][0] in (0, 2) else 14 for user in users])
    periodic = (slots + 3 * users[:, None]) % cell.control_period == 0
    sends = periodic | (rng.random(periodic.shape) < cell.control_share)
    for grant in grants:
        sends[grant.user, grant.intervals] = False
    return sends & (cell.uplink_symbols(slots) >= needs[:, None])
