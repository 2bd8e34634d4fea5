"""LTE uplink resource grids: 3GPP TS 36.211 clause 5, normal cyclic prefix.

Reference signals of every channel carry their true sequences, hopping included; data is random QPSK, coded
by nobody.  The random access preamble is the true one of format 0, cut to the symbols of the grid: what its
own waveform sends during their cyclic prefixes (7 % of the time) is replaced by those prefixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from .low_papr import GROUPS, low_papr, zadoff_chu
from .ofdm import OfdmSignal, qpsk
from .sequences import gold
from .uplink import UPLINK_LOADS, Grant, Payload, Piece, assemble, draw_gains, draw_grants, fill

__all__ = ["LteUplink", "draw_lte_uplink", "lte_uplink_signals"]

# Uplink-downlink configurations: TS 36.211 table 4.2-2
_TDD = ("DSUUUDSUUU", "DSUUDDSUUD", "DSUDDDSUDD", "DSUUUDDDDD", "DSUUDDDDDD", "DSUDDDDDDD", "DSUUUDSUUD")
_UPPTS = (1, 1, 1, 1, 1, 2, 2, 2, 2, 2)  # symbols of UpPTS by special subframe configuration, table 4.2-1
_DATA = np.array([0, 1, 2, 4, 5, 6])  # symbols of PUSCH in a slot; its reference is symbol 3, clause 5.5.2.1.2
_REFERENCE = 3
# Blocks of SRS, m_{SRS,0..3} by C_SRS: tables 5.5.3.2-1 to -4, each for carriers up to the number of blocks
_SRS_TABLES = {
    40: ((36, 12, 4, 4), (32, 16, 8, 4), (24, 4, 4, 4), (20, 4, 4, 4), (16, 4, 4, 4), (12, 4, 4, 4), (8, 4, 4, 4), (4, 4, 4, 4)),
    60: ((48, 24, 12, 4), (48, 16, 8, 4), (40, 20, 4, 4), (36, 12, 4, 4), (32, 16, 8, 4), (24, 4, 4, 4), (20, 4, 4, 4), (16, 4, 4, 4)),
    80: ((72, 24, 12, 4), (64, 32, 16, 4), (60, 20, 4, 4), (48, 24, 12, 4), (48, 16, 8, 4), (40, 20, 4, 4), (36, 12, 4, 4), (32, 16, 8, 4)),
    110: ((96, 48, 24, 4), (96, 32, 16, 4), (80, 40, 20, 4), (72, 24, 12, 4), (64, 32, 16, 4), (60, 20, 4, 4), (48, 24, 12, 4), (48, 16, 8, 4)),
}  # fmt: skip
_PRACH_BLOCKS = 6
_PRACH_LENGTH, _PRACH_OFFSET = 839, 7  # tables 5.7.2-1 and 5.7.3-1
_PRACH_RATE, _PRACH_PREFIX, _PRACH_SIZE = 1.92e6, 198, 1536  # format 0 at this rate, samples: table 5.7.1-1


@dataclass(frozen=True, kw_only=True)
class LteUplink:
    """What the users of a cell send; amplitude 1 is a data element of the first user."""

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
    acknowledge_share: float = 0.1  # of a user's subframes, PUCCH format 1a
    srs_period_ms: int | None = None  # of the cell; each user sends less often
    srs_config: int = 0  # C_SRS
    srs_level: int = 0  # B_SRS
    srs_hopping: bool = False  # b_hop = 0
    prach_period_ms: int | None = None
    prach_share: float = 0.0  # of the occasions that somebody uses
    prach_root: int = 1
    tdd: int | None = None  # uplink-downlink configuration
    special: int = 0

    @property
    def users(self) -> int:
        """Users with data, control and sounding."""
        return len(self.gains_db) - 1

    @property
    def edge(self) -> int:
        """Resource blocks of PUCCH at each edge."""
        return (self.control_resources + 1) // 2


def _srs_table(blocks: int) -> tuple[tuple[int, int, int, int], ...]:
    return next(table for most, table in _SRS_TABLES.items() if blocks <= most)


def draw_lte_uplink(blocks: int, rng: np.random.Generator) -> LteUplink:
    """A random uplink of ``blocks`` resource blocks."""
    loads = list(UPLINK_LOADS)
    load = str(rng.choice(loads, p=[UPLINK_LOADS[k][0] for k in loads]))
    users = int(rng.integers(1, 4)) if load in ("idle", "peak") else int(rng.integers(2, 6))
    most = 2 if blocks <= 15 else 4 if blocks <= 50 else 8
    control = int(rng.integers(1, most + 1))
    room = blocks // 2 - (control + 1) // 2  # blocks on either side of the centre that sounding may use
    fitting = [index for index, row in enumerate(_srs_table(blocks)) if row[0] // 2 <= room]
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
        srs_config=int(rng.choice(fitting)),
        srs_level=int(rng.integers(4)) if rng.random() < 0.5 else 0,
        srs_hopping=bool(rng.random() < 0.5),
        prach_period_ms=int(rng.choice([5, 10, 20])) if rng.random() < 0.5 else None,
        prach_share=round(float(rng.uniform(0.05, 0.5)), 3),
        prach_root=int(rng.integers(1, _PRACH_LENGTH)),
        tdd=int(rng.integers(7)) if rng.random() < 0.25 else None,
        special=int(rng.integers(10)),
    )


@dataclass(frozen=True, kw_only=True)
class _Sequences:
    """Sequence numbers of the slots of a frame."""

    data_group: np.ndarray  # u of PUSCH, (20,)
    control_group: np.ndarray  # u of PUCCH and SRS, (20,)
    number: np.ndarray  # v, (20,)
    data_shift: np.ndarray  # n_PN, (20,)
    control_shift: np.ndarray  # n_cs^cell, (20, 7)


@lru_cache(maxsize=64)
def _sequences(cell_id: int, group_shift: int, group_hopping: bool, sequence_hopping: bool) -> _Sequences:
    """Clauses 5.4, 5.5.1.3, 5.5.1.4 and 5.5.2.1.1."""
    control = cell_id % GROUPS
    data = (control + group_shift) % GROUPS
    start = 32 * (cell_id // GROUPS) + data
    groups, numbers, cell = gold(np.array([cell_id // GROUPS, start, cell_id]), 8 * 7 * 20).astype(np.int64)
    weights = 2 ** np.arange(8)
    hop = groups[:160].reshape(20, 8) @ weights % GROUPS if group_hopping else np.zeros(20, np.int64)
    return _Sequences(
        data_group=(hop + data) % GROUPS,
        control_group=(hop + control) % GROUPS,
        number=numbers[:20] if sequence_hopping and not group_hopping else np.zeros(20, np.int64),
        data_shift=numbers.reshape(20, 56)[:, :8] @ weights,
        control_shift=cell.reshape(20, 7, 8) @ weights,
    )


def _on_air(cell: LteUplink, subframes: np.ndarray) -> np.ndarray:
    """Kind of each subframe, ``"U"``, ``"D"`` or ``"S"``: clause 4.2."""
    if cell.tdd is None:
        return np.full(subframes.size, "U")
    return np.array(list(_TDD[cell.tdd]))[subframes % 10]


def _sounding_due(cell: LteUplink, subframes: np.ndarray) -> np.ndarray:
    """Subframes whose last symbol is kept for SRS, bool; in TDD they are the odd ones, with UpPTS: clause 5.5.3.3."""
    if cell.srs_period_ms is None:
        return np.zeros(subframes.size, bool)
    return (subframes - (cell.tdd is not None)) % cell.srs_period_ms == 0


def _access_due(cell: LteUplink, subframes: np.ndarray) -> np.ndarray:
    """Subframes kept for PRACH, bool; every uplink-downlink configuration sends up in subframe 2: clause 5.7.1."""
    if cell.prach_period_ms is None:
        return np.zeros(subframes.size, bool)
    return (subframes - (1 if cell.tdd is None else 2)) % cell.prach_period_ms == 0


def _access_start(cell: LteUplink) -> int:
    """Lowest of the six blocks of PRACH."""
    return min(cell.edge, cell.blocks - _PRACH_BLOCKS)


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
    kinds = _on_air(cell, subframes)
    up, sounding = kinds == "U", _sounding_due(cell, subframes)
    access = up & _access_due(cell, subframes)
    grants = draw_grants(up, (cell.edge, cell.blocks - cell.edge), cell.load, [True] * cell.users, rng)
    grants = [_beside_access(cell, grant, access) for grant in grants]
    busy = np.zeros((cell.users, subframes.size), bool)
    for grant in grants:
        busy[grant.user, grant.intervals] = True
    quiet = access if cell.blocks < _PRACH_BLOCKS + 2 * cell.edge else np.zeros_like(access)  # PRACH covers the edges
    reports = (up & ~quiet & ~busy) & ((subframes + 7 * np.arange(cell.users)[:, None]) % cell.report_period_ms == 0)
    acknowledged = up & ~quiet & ~busy & ~reports & (rng.random(busy.shape) < cell.acknowledge_share)
    payloads, pieces = _data(cell, grants, subframes, sounding)
    for user in range(cell.users):
        pieces += _acknowledgements(cell, user, acknowledged[user].nonzero()[0], first, sounding, generator)
        pieces += _reports(cell, user, reports[user].nonzero()[0], first, generator)
    pieces += _sounding(cell, kinds, sounding, reports, first)
    pieces += _access(cell, access & (rng.random(access.size) < cell.prach_share), rng)
    pieces += fill(payloads, generator)
    symbols, columns = 7 * half_ms, 12 * cell.blocks
    grids = assemble(
        pieces, (symbols, columns), cell.gains_db, skipped=7 * (first_half_ms % 2), device=generator.device
    )
    centred = torch.arange(-columns // 2, columns // 2, device=generator.device)
    return [OfdmSignal(spacing=15e3, subcarriers=centred, symbol_count=symbols, grids=grids, half_shift=True)]


def _beside_access(cell: LteUplink, grant: Grant, access: np.ndarray) -> Grant:
    """The grant without the subframes in which it would lie on PRACH, mirrored or not."""
    low, high = _access_start(cell), _access_start(cell) + _PRACH_BLOCKS
    mirrored = cell.blocks - grant.start - grant.width
    hit = any(start < high and start + grant.width > low for start in {grant.start, mirrored})
    kept = grant.intervals[~access[grant.intervals]] if hit else grant.intervals
    return Grant(user=grant.user, intervals=kept, start=grant.start, width=grant.width)


def _data(
    cell: LteUplink, grants: list[Grant], subframes: np.ndarray, sounding: np.ndarray
) -> tuple[list[Payload], list[Piece]]:
    """PUSCH and its reference: clauses 5.3 and 5.5.2.1; hopping mirrors the band, type 2 of clause 5.3.4."""
    numbers = _sequences(cell.cell_id, cell.group_shift, cell.group_hopping, cell.sequence_hopping)
    payloads, pieces = [], []
    for grant in grants:
        slots = (2 * grant.intervals[:, None] + np.arange(2)).ravel()
        absolute = slots + 2 * int(subframes[0])
        flips = {"none": 0 * slots, "intra": absolute % 2, "inter": absolute // 2 % 2}[cell.hopping]
        spread = (0, 6, 3, 4, 2, 8, 10, 9)[grant.user % 8]  # n_DMRS^(2), table 5.5.2.1.1-2
        for flip in np.unique(flips):
            own = slots[flips == flip]
            start = cell.blocks - grant.start - grant.width if flip else grant.start
            columns = slice(12 * start, 12 * (start + grant.width))
            rows = (7 * own[:, None] + _DATA).ravel()
            rows = rows[~((rows % 14 == 13) & sounding[rows // 14])]
            payloads.append(Payload(port=grant.user, rows=rows, columns=columns))
            values = [
                low_papr(
                    "lte",
                    numbers.data_group[slot],
                    numbers.number[slot] if grant.width >= 6 else 0,
                    12 * grant.width,
                    turns=(spread + int(numbers.data_shift[slot])) % 12 / 12,
                )
                for slot in absolute[flips == flip] % 20
            ]
            pieces.append(
                Piece(port=grant.user, rows=7 * own + _REFERENCE, columns=columns, values=torch.from_numpy(np.stack(values)))
            )
    return payloads, pieces


def _control_blocks(cell: LteUplink, user: int) -> tuple[int, int]:
    """Block of PUCCH in even and in odd slots, mirrored: clause 5.4.3."""
    m = user % cell.control_resources
    low, high = m // 2, cell.blocks - 1 - m // 2
    return (low, high) if m % 2 == 0 else (high, low)


def _control_sequences(cell: LteUplink, intervals: np.ndarray, first: int, resource: tuple[int, int]) -> np.ndarray:
    """Shifted base sequences of PUCCH, complex64 ``(n, 2, 7, 12)``: clauses 5.4.1, 5.4.2 and 5.5.2.2.1."""
    numbers = _sequences(cell.cell_id, cell.group_shift, cell.group_hopping, cell.sequence_hopping)
    slots = 2 * ((first + intervals) % 10)[:, None] + np.arange(2)  # (n, 2)
    groups = np.stack([low_papr("lte", group, 0, 12) for group in range(GROUPS)])
    shift = (numbers.control_shift[slots] + np.array(resource)[:, None]) % 12  # (n, 2, 7)
    ramps = np.exp(2j * np.pi / 12 * np.outer(np.arange(12), np.arange(12))).astype(np.complex64)
    return groups[numbers.control_group[slots]][:, :, None] * ramps[shift]


def _control_pieces(
    cell: LteUplink, user: int, intervals: np.ndarray, values: torch.Tensor, kept: np.ndarray
) -> list[Piece]:
    """Pieces of PUCCH from ``values (n, 2, 7, 12)`` on the symbols ``kept (n, 2, 7)``."""
    rows = 14 * intervals[:, None] + np.arange(14)  # (n, 14)
    rows = rows.reshape(-1, 2, 7)
    mask = torch.from_numpy(kept).to(values.device)
    return [
        Piece(port=user, rows=rows[:, s][kept[:, s]], columns=slice(12 * b, 12 * b + 12), values=values[:, s][mask[:, s]])
        for s, b in enumerate(_control_blocks(cell, user))
    ]


def _acknowledgements(
    cell: LteUplink, user: int, intervals: np.ndarray, first: int, sounding: np.ndarray, generator: torch.Generator
) -> list[Piece]:
    """PUCCH format 1b, its reference on symbols 2 to 4, shortened beside SRS: clauses 5.4.1 and 5.5.2.2."""
    even = 3 * (user // cell.control_resources) % 12
    odd = 3 * (even + 1) % 37 - 1  # n' of odd slots
    values = _control_sequences(cell, intervals, first, (even % 12, odd % 12))
    short = sounding[intervals]
    weights = np.ones((intervals.size, 2, 7), np.complex64)
    code = odd // 12  # n_oc; that of even slots is 0, all ones
    weights[:, 1, [0, 1, 5, 6]] = [[1, 1, 1, 1], [1, -1, 1, -1], [1, -1, -1, 1]][code]  # table 5.4.1-2
    third = np.exp(2j * np.pi / 3 * np.arange(3) * (0, 1, 2)[code])  # tables 5.4.1-3 and 5.5.2.2.1-2
    weights[np.ix_(short, [1], [0, 1, 5])] = third
    weights[:, 1, 2:5] = third
    weights[:, :, [0, 1, 5, 6]] *= np.array([1, 1j])[[even % 2, odd % 2]][:, None]  # S(n_s)
    kept = np.ones((intervals.size, 2, 7), bool)
    kept[:, 1, 6] = ~short
    device = generator.device
    symbols = qpsk((intervals.size, 1, 1), generator).repeat(1, 2, 7)
    symbols[:, :, 2:5] = 1
    signal = torch.from_numpy(values * weights[..., None]).to(device) * symbols[..., None]
    return _control_pieces(cell, user, intervals, signal, kept)


def _reports(
    cell: LteUplink, user: int, intervals: np.ndarray, first: int, generator: torch.Generator
) -> list[Piece]:
    """PUCCH format 2, its reference on symbols 1 and 5: clauses 5.4.2 and 5.5.2.2."""
    even = 3 * (user // cell.control_resources) % 12
    values = _control_sequences(cell, intervals, first, (even, 12 * (even + 1) % 13 - 1))
    symbols = qpsk((intervals.size, 2, 7), generator)
    symbols[:, :, [1, 5]] = 1
    signal = torch.from_numpy(values).to(generator.device) * symbols[..., None]
    return _control_pieces(cell, user, intervals, signal, np.ones((intervals.size, 2, 7), bool))


def _sounding_period(cell: LteUplink) -> int:
    """Subframes between a user's own SRS, of table 8.2-1 of TS 36.213; two users share one by their combs."""
    return next(p for p in (2, 5, 10, 20, 40, 80) if p >= cell.srs_period_ms * -(-cell.users // 2))


def _sounding_offset(cell: LteUplink, user: int, occasion: int) -> int:
    """Blocks from the lowest of the cell's SRS to the user's, hopping included: clause 5.5.3.2."""
    widths = _srs_table(cell.blocks)[cell.srs_config][: cell.srs_level + 1]
    offset, before = 0, 1
    for level in range(1, len(widths)):
        count = widths[level - 1] // widths[level]
        place = 4 * (5 * user) // widths[level]
        if cell.srs_hopping and count % 2:
            place += count // 2 * (occasion // before)
        elif cell.srs_hopping:
            within = occasion % (before * count)
            place += count // 2 * (within // before) + within // (2 * before)
        offset += widths[level] * (place % count)
        before *= count
    return offset


def _sounding(cell: LteUplink, kinds: np.ndarray, due: np.ndarray, reports: np.ndarray, first: int) -> list[Piece]:
    """SRS on every second element of the last symbol: clause 5.5.3."""
    if cell.srs_period_ms is None:
        return []
    numbers = _sequences(cell.cell_id, cell.group_shift, cell.group_hopping, cell.sequence_hopping)
    widths = _srs_table(cell.blocks)[cell.srs_config]
    width, period = widths[cell.srs_level], _sounding_period(cell)
    pieces = []
    for user in range(cell.users):
        for index in np.flatnonzero(due & (kinds != "D") & ~reports[user]).tolist():
            subframe = first + index
            if (subframe - (cell.tdd is not None) - cell.srs_period_ms * (user // 2)) % period:
                continue
            slot, symbol = 2 * (subframe % 10) + 1, 13
            low = cell.blocks // 2 - widths[0] // 2
            if kinds[index] == "S":  # UpPTS: the edges take turns
                turns = subframe // 10 % 2 * (2 - _TDD[cell.tdd].count("S")) + subframe % 10 // 5
                low = cell.blocks - widths[0] if turns % 2 == 0 else 0
                symbol -= user % _UPPTS[cell.special]
            low = 12 * (low + _sounding_offset(cell, user, subframe // period)) + user % 2
            number = numbers.number[slot] if width >= 12 else 0
            values = low_papr("lte", numbers.control_group[slot], number, 6 * width, turns=user % 8 / 8)
            columns = slice(low, low + 12 * width - 1, 2)
            pieces.append(
                Piece(port=user, rows=np.array([14 * index + symbol]), columns=columns, values=torch.from_numpy(values[None]))
            )
    return pieces


def _access(cell: LteUplink, used: np.ndarray, rng: np.random.Generator) -> list[Piece]:
    """PRACH format 0 on the symbols that it reaches: clause 5.7."""
    pieces = []
    start = _access_start(cell)
    for index in np.flatnonzero(used).tolist():
        values = prach_elements(cell.prach_root, int(rng.integers(64)) * 13, 12 * start - 6 * cell.blocks)
        rows = 14 * index + np.arange(values.shape[0])
        columns = slice(12 * start, 12 * (start + _PRACH_BLOCKS))
        pieces.append(Piece(port=cell.users, rows=rows, columns=columns, values=torch.from_numpy(values)))
    return pieces


def prach_elements(root: int, shift: int, lowest: int) -> np.ndarray:
    """A preamble of format 0 as the receiver of the grid's symbols would see it: clauses 5.7.2 and 5.7.3.

    Parameters
    ----------
    root, shift : int
        u, and the cyclic shift C_v.
    lowest : int
        Its lowest subcarrier re the carrier's centre.

    Returns
    -------
    complex64 ``(13, 72)``
        Of about unit power; the preamble ends within the last symbol.
    """
    spectrum = np.zeros(_PRACH_SIZE, complex)  # subcarriers of 1.25 kHz from that subcarrier on
    spectrum[_PRACH_OFFSET : _PRACH_OFFSET + _PRACH_LENGTH] = np.fft.fft(np.roll(zadoff_chu(root, _PRACH_LENGTH), -shift))
    body = np.fft.ifft(spectrum)
    body *= (72 / 128) ** 0.5 / np.sqrt(np.mean(np.abs(body) ** 2))
    wave = np.concatenate([body[-_PRACH_PREFIX:], body, np.zeros(128)])
    starts = np.cumsum([10, *([137] * 6), 138, *([137] * 5)])
    elements = np.fft.fft(wave[starts[:, None] + np.arange(128)], norm="ortho")[:, :72]
    turns = (lowest + 0.5) * 15e3 * (starts - _PRACH_PREFIX) / _PRACH_RATE
    return (elements * np.exp(2j * np.pi * turns)[:, None]).astype(np.complex64)
