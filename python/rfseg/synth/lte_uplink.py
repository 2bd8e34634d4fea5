"""LTE uplink resource grids: 3GPP TS 36.211 clause 5, normal cyclic prefix.

Reference signals of every channel carry their true sequences, hopping included; data is random QPSK, coded
by nobody.  One port a user.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import SceneError
from .lte import CHANNELS_MHZ
from .lte_frame import TDD_CONFIGURATIONS
from .low_papr import GROUPS, low_papr
from .lte_uplink_control import (
    PRACH_BLOCKS,
    PRACH_LENGTH,
    UPPTS,
    access_pieces,
    acknowledgement_pieces,
    report_pieces,
    sequence_numbers,
    sounding_pieces,
    srs_table,
)
from .ofdm import OfdmSignal
from .uplink import UPLINK_LOADS, Grant, Payload, Piece, assemble, beside, draw_gains, draw_grants, fill

__all__ = ["LteUplink", "draw_lte_uplink", "lte_uplink_signals"]

_DATA = np.array([0, 1, 2, 4, 5, 6])  # symbols of PUSCH in a slot; its reference is symbol 3, clause 5.5.2.1.2
_REFERENCE = 3
_HOPPING = ("none", "intra", "inter")


@dataclass(frozen=True, kw_only=True)
class LteUplink:
    """What the users of a cell send; amplitude 1 is a data element of the first user.

    Raises
    ------
    SceneError
        If a value does not exist in the standard, or SRS does not fit between the PUCCH of both edges.
    """

    blocks: int
    cell_id: int
    load: str  # of UPLINK_LOADS
    gains_db: tuple[float, ...]  # of each user; the last one only sends preambles
    hopping: str = "none"  # "intra": between slots and subframes, "inter": between subframes
    group_hopping: bool = False
    sequence_hopping: bool = False
    group_shift: int = 0  # Delta_ss
    control_resources: int = 2  # m of PUCCH, two to a block at each edge
    report_period_ms: int = 20  # PUCCH format 2
    acknowledge_share: float = 0.1  # of a user's further subframes, PUCCH format 1b
    srs_period_ms: int | None = None  # of the cell; each user sends less often
    srs_config: int = 7  # C_SRS
    srs_level: int = 0  # B_SRS
    srs_hopping: bool = False  # b_hop = 0
    prach_period_ms: int | None = None
    prach_share: float = 0.0  # of the occasions that somebody uses
    prach_root: int = 1
    tdd: int | None = None  # uplink-downlink configuration
    special: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("blocks", tuple(CHANNELS_MHZ.values())),
            ("load", tuple(UPLINK_LOADS)),
            ("hopping", _HOPPING),
            ("tdd", (None, *range(len(TDD_CONFIGURATIONS)))),
            ("special", range(len(UPPTS))),
        ):
            if getattr(self, name) not in known:
                raise SceneError(f"LTE uplink {name}={getattr(self, name)!r} does not exist; choose from {known}")
        width = srs_table(self.blocks)[self.srs_config][0]
        if self.srs_period_ms is not None and width // 2 + self.edge > self.blocks // 2:
            raise SceneError(
                f"srs_config={self.srs_config} is {width} blocks wide and meets the PUCCH of {self.blocks} blocks; "
                "choose a higher one"
            )

    @property
    def users(self) -> int:
        """Users with data, control and sounding."""
        return len(self.gains_db) - 1

    @property
    def edge(self) -> int:
        """Resource blocks of PUCCH at each edge."""
        return (self.control_resources + 1) // 2

    @property
    def access_start(self) -> int:
        """Lowest of the six blocks of PRACH."""
        return min(self.edge, self.blocks - PRACH_BLOCKS)

    def kinds(self, subframes: np.ndarray) -> np.ndarray:
        """Kind of each subframe, ``"U"``, ``"D"`` or ``"S"``: clause 4.2."""
        if self.tdd is None:
            return np.full(subframes.size, "U")
        return np.array(list(TDD_CONFIGURATIONS[self.tdd]))[subframes % 10]

    def sounding_due(self, subframes: np.ndarray) -> np.ndarray:
        """Subframes with a symbol kept for SRS, bool; with TDD those that hold UpPTS are among them: clause 5.5.3.3."""
        if self.srs_period_ms is None:
            return np.zeros(subframes.size, bool)
        return (subframes - (self.tdd is not None)) % self.srs_period_ms == 0

    def access_due(self, subframes: np.ndarray) -> np.ndarray:
        """Subframes kept for PRACH, bool; with TDD the uplink has subframe 2 whatever the configuration: clause 5.7.1."""
        if self.prach_period_ms is None:
            return np.zeros(subframes.size, bool)
        place = 1 if self.tdd is None else 2
        return ((subframes - place) % self.prach_period_ms == 0) & (self.kinds(subframes) == "U")


def draw_lte_uplink(blocks: int, rng: np.random.Generator) -> LteUplink:
    """A random uplink of ``blocks`` resource blocks."""
    loads = list(UPLINK_LOADS)
    load = str(rng.choice(loads, p=[UPLINK_LOADS[k][0] for k in loads]))
    users = int(rng.integers(1, 4)) if load in ("idle", "peak") else int(rng.integers(2, 6))
    most = 2 if blocks <= 15 else 4 if blocks <= 50 else 8
    control = int(rng.integers(1, most + 1))
    room = blocks // 2 - (control + 1) // 2  # blocks on either side of the centre that sounding may use
    fitting = [index for index, row in enumerate(srs_table(blocks)) if row[0] // 2 <= room]
    return LteUplink(
        blocks=blocks,
        cell_id=int(rng.integers(504)),
        load=load,
        gains_db=(*draw_gains(users, rng), round(float(rng.uniform(-10, 10)), 2)),
        hopping=str(rng.choice(["none", "intra", "inter"], p=[0.6, 0.3, 0.1])),
        group_hopping=bool(rng.random() < 0.3),
        sequence_hopping=bool(rng.random() < 0.2),
        group_shift=int(rng.integers(GROUPS)),
        control_resources=control,
        report_period_ms=int(rng.choice([5, 10, 20, 40])),
        acknowledge_share=round(float(rng.choice([0.02, 0.1, 0.4]) * rng.uniform(0.5, 1.5)), 3),
        srs_period_ms=int(rng.choice([1, 2, 5, 10])) if rng.random() < 0.6 else None,
        srs_config=fitting[min(int(rng.geometric(0.5)), len(fitting)) - 1],  # the widest most often
        srs_level=int(rng.integers(4)) if rng.random() < 0.5 else 0,
        srs_hopping=bool(rng.random() < 0.5),
        prach_period_ms=int(rng.choice([5, 10, 20])) if rng.random() < 0.5 else None,
        prach_share=round(float(rng.uniform(0.05, 0.5)), 3),
        prach_root=int(rng.integers(1, PRACH_LENGTH)),
        tdd=int(rng.integers(7)) if rng.random() < 0.25 else None,
        special=int(rng.integers(len(UPPTS))),
    )


def lte_uplink_signals(
    cell: LteUplink, first_half_ms: int, half_ms: int, *, rng: np.random.Generator, generator: torch.Generator
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
        ``7 * half_ms`` symbols of ``12 * blocks`` columns, shifted by half a subcarrier (clause 5.6); a port
        for each user that sends anything.
    """
    first = first_half_ms // 2
    subframes = np.arange(first, (first_half_ms + half_ms + 1) // 2)
    up, reserved = cell.kinds(subframes) == "U", cell.access_due(subframes)
    grants = draw_grants(up, (cell.edge, cell.blocks - cell.edge), cell.load, [True] * cell.users, rng)
    grants = _beside_access(cell, grants, reserved)
    free = np.tile(up, (cell.users, 1))  # of data, so that control has a PUCCH of its own
    for grant in grants:
        free[grant.user, grant.intervals] = False
    if cell.blocks < PRACH_BLOCKS + 2 * cell.edge:
        free &= ~reserved
    reports = free & ((subframes + 7 * np.arange(cell.users)[:, None]) % cell.report_period_ms == 0)
    answers = free & ~reports & (rng.random(free.shape) < cell.acknowledge_share)
    payloads, pieces = _data(cell, grants, subframes)
    for user in range(cell.users):
        pieces += acknowledgement_pieces(cell, user, np.flatnonzero(answers[user]), first, generator)
        pieces += report_pieces(cell, user, np.flatnonzero(reports[user]), first, generator)
    pieces += sounding_pieces(cell, subframes, reports)
    pieces += access_pieces(cell, np.flatnonzero(reserved & (rng.random(reserved.size) < cell.prach_share)), rng)
    pieces += fill(payloads, generator)
    shape = (7 * half_ms, 12 * cell.blocks)
    grids = assemble(pieces, shape, cell.gains_db, skipped=7 * (first_half_ms % 2), device=generator.device)
    centred = torch.arange(-6 * cell.blocks, 6 * cell.blocks, device=generator.device)
    return [OfdmSignal(spacing=15e3, subcarriers=centred, symbol_count=shape[0], grids=grids, half_shift=True)]


def _beside_access(cell: LteUplink, grants: list[Grant], reserved: np.ndarray) -> list[Grant]:
    """The grants where they leave PRACH free; those that hop pause for it."""
    end = cell.access_start + PRACH_BLOCKS if cell.hopping == "none" else cell.blocks
    return beside(grants, reserved, end, [True] * cell.users)


def _data(cell: LteUplink, grants: list[Grant], subframes: np.ndarray) -> tuple[list[Payload], list[Piece]]:
    """PUSCH and its reference: clauses 5.3 and 5.5.2.1; hopping mirrors the band, type 2 of clause 5.3.4."""
    sounded = cell.sounding_due(subframes)
    payloads, pieces = [], []
    for grant in grants:
        slots = (2 * grant.intervals[:, None] + np.arange(2)).ravel()
        absolute = slots + 2 * int(subframes[0])
        flips = {"none": 0 * slots, "intra": absolute % 2, "inter": absolute // 2 % 2}[cell.hopping]
        for flip in np.unique(flips).tolist():
            own = slots[flips == flip]
            start = cell.blocks - grant.start - grant.width if flip else grant.start
            columns = slice(12 * start, 12 * (start + grant.width))
            rows = (7 * own[:, None] + _DATA).ravel()
            rows = rows[~((rows % 14 == 13) & sounded[rows // 14])]
            payloads.append(Payload(port=grant.user, rows=rows, columns=columns))
            values = torch.from_numpy(_references(cell, grant, absolute[flips == flip] % 20))
            pieces.append(Piece(port=grant.user, rows=7 * own + _REFERENCE, columns=columns, values=values))
    return payloads, pieces


def _references(cell: LteUplink, grant: Grant, slots: np.ndarray) -> np.ndarray:
    """PUSCH reference in slots of a frame, complex64 ``(n, 12 * width)``; none if there is no slot: clause 5.5.2.1.1."""
    numbers = sequence_numbers(cell)
    spread = (0, 6, 3, 4, 2, 8, 10, 9)[grant.user % 8]  # n_DMRS^(2), table 5.5.2.1.1-2
    rows = [
        low_papr(
            "lte",
            numbers.data_group[slot],
            numbers.number[slot] if grant.width >= 6 else 0,
            12 * grant.width,
            turns=(spread + int(numbers.data_shift[slot])) % 12 / 12,
        )
        for slot in slots.tolist()
    ]
    return np.stack(rows)
