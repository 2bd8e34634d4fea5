"""NR uplink control, sounding and random access: 3GPP TS 38.211 clauses 6.3.2, 6.3.3, 6.4.1.3 and 6.4.1.4."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from .low_papr import GROUPS, low_papr, zadoff_chu
from .ofdm import qpsk
from .sequences import gold, gold_qpsk
from .uplink import Payload, Piece

if TYPE_CHECKING:
    from .nr_uplink import NrUplink

__all__ = [
    "CONTROL_FORMATS",
    "PRACH_BLOCKS",
    "PRACH_SYMBOLS",
    "SRS_WIDTHS",
    "access_pieces",
    "control_pieces",
    "numbers",
    "pseudo_random_start",
    "sounding_pieces",
]

CONTROL_FORMATS = {0: (1, 2), 1: (4, 14), 2: (1, 2), 3: (4, 14)}  # fewest and most symbols: table 6.3.2.1-1
# Reference symbols of PUCCH format 3 by length, without additional ones: table 6.4.1.3.3.2-1; that of 4 is for no hopping
_FORMAT_3 = {
    4: (1,),
    **{5: (0, 3), 6: (1, 4), 7: (1, 4), 8: (1, 5), 9: (1, 6)},
    **{10: (2, 7), 11: (2, 7), 12: (2, 8), 13: (2, 9), 14: (3, 10)},
}
# Blocks (m_SRS,0, m_SRS,1) by C_SRS: table 6.4.1.4.3-1
SRS_WIDTHS = (
    (4, 4), (8, 4), (12, 4), (16, 4), (16, 8), (20, 4), (24, 4), (24, 12), (28, 4), (32, 16), (36, 12), (40, 20), (48, 16),
    (48, 24), (52, 4), (56, 28), (60, 20), (64, 32), (72, 24), (72, 36), (76, 4), (80, 40), (88, 44), (96, 32), (96, 48),
    (104, 52), (112, 56), (120, 60), (120, 40), (120, 24), (128, 64), (128, 64), (128, 16), (132, 44), (136, 68), (144, 72),
    (144, 48), (144, 48), (144, 16), (152, 76), (160, 80), (160, 80), (160, 32), (168, 84), (176, 88), (184, 92), (192, 96),
    (192, 96), (192, 64), (192, 24), (208, 104), (216, 108), (224, 112), (240, 120), (240, 80), (240, 48), (240, 24),
    (256, 128), (256, 128), (256, 16), (264, 132), (272, 136), (272, 68), (272, 16),
)  # fmt: skip
_SRS_SHIFTS = {2: 8, 4: 12}  # most cyclic shifts by comb: clause 6.4.1.4.2
PRACH_SYMBOLS = {"A1": 2, "A2": 4, "A3": 6}  # table 6.3.3.1-2: the formats that fill whole symbols
PRACH_BLOCKS = 12  # of length 139 at the spacing of the data: table 6.3.3.2-1
_PRACH_LENGTH, _PRACH_OFFSET = 139, 2


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Pseudo-random numbers of a frame, by slot and symbol; slots beyond the frame's are never read."""

    data_group: np.ndarray  # f_gh of PUSCH references, (40, 14)
    data_sequence: np.ndarray  # v of PUSCH references, (40, 14)
    control_group: np.ndarray  # f_gh of PUCCH by hop, (40, 2)
    control_shift: np.ndarray  # n_cs of PUCCH, (40, 14)


@lru_cache(maxsize=64)
def numbers(cell_id: int) -> Numbers:
    """Clauses 6.3.2.2.1, 6.3.2.2.2 and 6.4.1.1.1.2."""
    bits = gold(np.array([cell_id // GROUPS, cell_id]), 8 * 14 * 40).astype(np.int64)
    group, shift = bits.reshape(2, 560, 8) @ (2 ** np.arange(8))
    return Numbers(
        data_group=group.reshape(40, 14) % GROUPS,
        data_sequence=bits[1, :560].reshape(40, 14),
        control_group=group[:80].reshape(40, 2) % GROUPS,
        control_shift=shift.reshape(40, 14),
    )


def pseudo_random_start(cell_id: int, slot: np.ndarray, symbol: np.ndarray) -> np.ndarray:
    """c_init of PUSCH and PUCCH references: clauses 6.4.1.1.1.1 and 6.4.1.3.2.1."""
    return ((1 << 17) * (14 * slot + symbol + 1) * (2 * cell_id + 1) + 2 * cell_id) % (1 << 31)


def control_pieces(
    cell: NrUplink, user: int, slots: np.ndarray, first: int, generator: torch.Generator
) -> tuple[list[Payload], list[Piece]]:
    """PUCCH of one user: clauses 6.3.2 and 6.4.1.3.

    Parameters
    ----------
    slots : int64 ``(n,)``
        From the first of the signal on, whose number is ``first``.
    """
    form, length, width = cell.control[user // 2]
    start = 14 - length if form in (0, 2) else 0
    low = cell.control_offset(user // 2)
    places = (low, cell.blocks - low - width)
    cut = length // 2 if cell.control_hopping and length > 1 else length
    payloads, pieces = [], []
    for hop, steps in enumerate((np.arange(cut), np.arange(cut, length))):
        if steps.size and slots.size:
            place = places[hop ^ (user % 2)]
            part = _Part(
                rows=(14 * slots[:, None] + start + steps).ravel(),
                slots=np.repeat((first + slots) % cell.frame_slots, steps.size),
                steps=np.tile(steps, slots.size),
                symbols=np.tile(start + steps, slots.size),
                columns=slice(12 * place, 12 * (place + width)),
                hop=hop,
            )
            more = _format_2(cell, user, part) if form == 2 else _sequences(cell, user, part, generator)
            payloads += more[0]
            pieces += more[1]
    return payloads, pieces


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One hop of a user's PUCCH in all its slots; the arrays have an element a symbol."""

    rows: np.ndarray
    slots: np.ndarray  # in the frame
    steps: np.ndarray  # symbols from the first of PUCCH
    symbols: np.ndarray  # in the slot
    columns: slice
    hop: int


def _format_2(cell: NrUplink, user: int, part: _Part) -> tuple[list[Payload], list[Piece]]:
    """Data beside a reference on every third element: clauses 6.3.2.5 and 6.4.1.3.2."""
    low, high = part.columns.start, part.columns.stop
    sequences = gold_qpsk(pseudo_random_start(cell.cell_id, part.slots, part.symbols), 6 * cell.blocks)
    known = torch.from_numpy(sequences[:, low // 3 : high // 3])
    columns = [slice(low + offset, high, 3) for offset in range(3)]
    payloads = [Payload(port=user, rows=part.rows, columns=columns[offset], precoded=False) for offset in (0, 2)]
    return payloads, [Piece(port=user, rows=part.rows, columns=columns[1], values=known)]


def _sequences(
    cell: NrUplink, user: int, part: _Part, generator: torch.Generator
) -> tuple[list[Payload], list[Piece]]:
    """Formats 0, 1 and 3, whose references are shifted base sequences: clauses 6.3.2.3, 6.3.2.4, 6.3.2.6 and 6.4.1.3."""
    form, length, width = cell.control[user // 2]
    known = np.isin(part.steps, _known(form, length, cell.control_hopping))
    values = torch.from_numpy(_shifted(cell, user, part, 12 * width))
    if form == 3:
        data = Payload(port=user, rows=part.rows[~known], columns=part.columns)
        reference = Piece(port=user, rows=part.rows[known], columns=part.columns, values=values[torch.from_numpy(known)])
        return [data], [reference]
    occasions = np.unique(part.rows // 14, return_inverse=True)[1]
    points = qpsk((int(occasions[-1]) + 1, 1), generator)[torch.from_numpy(occasions).to(generator.device)]
    points[torch.from_numpy(known).to(generator.device)] = 1
    return [], [Piece(port=user, rows=part.rows, columns=part.columns, values=values.to(generator.device) * points)]


def _known(form: int, length: int, hopping: bool) -> tuple[int, ...]:
    """Symbols of PUCCH that carry no data but a reference, or (format 0) nothing but a sequence."""
    if form == 3:
        return (0, 2) if length == 4 and hopping else _FORMAT_3[length]
    return tuple(range(length)) if form == 0 else tuple(range(0, length, 2))


def _shifted(cell: NrUplink, user: int, part: _Part, length: int) -> np.ndarray:
    """Sequences of PUCCH with their cyclic shifts, complex64 ``(n, length)``: clause 6.3.2.2."""
    table = numbers(cell.cell_id)
    group = table.control_group[part.slots, part.hop] if cell.group_hopping else 0 * part.slots
    first = 0 if cell.control[user // 2][0] == 3 else user  # m_0
    shift = (first + table.control_shift[part.slots, part.symbols]) % 12
    rows = [
        low_papr("nr", u, 0, length, turns=s / 12)
        for u, s in zip(((group + cell.cell_id) % GROUPS).tolist(), shift.tolist(), strict=True)
    ]
    return np.stack(rows)


def sounding_pieces(cell: NrUplink, due: np.ndarray, visits: np.ndarray, first: int) -> list[Piece]:
    """SRS of one port per user: clause 6.4.1.4.

    Parameters
    ----------
    due : bool ``(users, T)``
    visits : int64 ``(T,)``
        How often the users of a slot have sounded before it.
    first : int
        Number of the first slot.
    """
    widths = SRS_WIDTHS[cell.srs_config]
    width = widths[1] if cell.srs_hopping else widths[0]
    count = widths[0] // width
    shift = numbers(cell.cell_id).control_shift  # the words that srs group hopping takes, clause 6.4.1.4.2
    pieces = []
    for user, slot in np.argwhere(due).tolist():
        for step in range(cell.srs_symbols):
            symbol = 13 - cell.srs_offset + step
            turn = int(visits[slot]) * cell.srs_symbols + step  # n_SRS
            place = 4 * (3 * user) // width
            if count % 2:  # F_1
                place += count // 2 * turn
            else:
                place += count // 2 * (turn % count) + turn % count // 2
            low = (cell.blocks - widths[0]) // 2 + width * (place % count)
            start = 12 * low + user % cell.srs_comb
            hop = shift[(first + slot) % cell.frame_slots, symbol] if cell.group_hopping else 0
            turns = user % _SRS_SHIFTS[cell.srs_comb] / _SRS_SHIFTS[cell.srs_comb]
            values = low_papr("nr", (hop + cell.cell_id) % GROUPS, 0, 12 * width // cell.srs_comb, turns=turns)
            columns = slice(start, 12 * (low + width), cell.srs_comb)
            pieces.append(
                Piece(port=user, rows=np.array([14 * slot + symbol]), columns=columns, values=torch.from_numpy(values[None]))
            )
    return pieces


def access_pieces(cell: NrUplink, slots: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> list[Piece]:
    """PRACH of length 139 and format A1, A2 or A3, exactly, as its parts are whole symbols: clause 6.3.3.

    Parameters
    ----------
    slots, ends : int64 ``(n,)``
        From the first of the signal on, and the symbol of each at which a preamble must have ended.
    """
    length = PRACH_SYMBOLS[cell.prach_format]
    half = 7 if cell.spacing == 15e3 else 14  # a preamble across a half millisecond has a longer prefix
    low = 12 * cell.edge
    lowest = low - 6 * cell.blocks + _PRACH_OFFSET
    pieces = []
    for slot, end in zip(slots.tolist(), ends.tolist(), strict=True):
        begins = [begin for begin in range(0, end - length + 1, length) if begin // half == (begin + length - 1) // half]
        if not begins:
            continue
        preamble = np.roll(zadoff_chu(cell.prach_root, _PRACH_LENGTH), -int(rng.integers(_PRACH_LENGTH)))
        elements = np.fft.fft(preamble, norm="ortho")
        delays = np.arange(length) * 2192 + 144 - 144 * length  # from the preamble to each symbol, of 2048 samples
        turns = np.outer(delays, lowest + np.arange(_PRACH_LENGTH)) / 2048
        values = torch.from_numpy((elements * np.exp(2j * np.pi * turns)).astype(np.complex64))
        rows = 14 * slot + int(rng.choice(begins)) + np.arange(length)
        columns = slice(low + _PRACH_OFFSET, low + _PRACH_OFFSET + _PRACH_LENGTH)
        pieces.append(Piece(port=cell.users, rows=rows, columns=columns, values=values))
    return pieces
