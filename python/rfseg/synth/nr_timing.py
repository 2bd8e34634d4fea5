"""When an NR cell may send: slots, TDD patterns, and the candidate times of synchronisation blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SLOT_SYMBOLS", "SSB_CASES", "SlotSpan", "downlink_symbols", "sendable_blocks", "ssb_first_symbols"]

SLOT_SYMBOLS = 14  # normal cyclic prefix: 3GPP TS 38.211 table 4.3.2-1
# Case: spacing in Hz; first symbols within a period of so many symbols; periods in a half frame by the number of
# candidates (4 up to 3 GHz, 8 above): TS 38.213 clause 4.1
SSB_CASES = {
    "A": (15e3, (2, 8), 14, {4: 2, 8: 4}),
    "B": (30e3, (4, 8, 16, 20), 28, {4: 1, 8: 2}),
    "C": (30e3, (2, 8), 14, {4: 2, 8: 4}),
}


@dataclass(frozen=True, kw_only=True)
class SlotSpan:
    """The symbols of ``half_ms`` half milliseconds, and the slots that hold them.

    Parameters
    ----------
    spacing : float
        Of the subcarriers, Hz.
    first_half_ms, half_ms : int
        Start since system frame 0 began, and length, half milliseconds.
    """

    spacing: float
    first_half_ms: int
    half_ms: int

    @property
    def _half_ms_symbols(self) -> int:
        return SLOT_SYMBOLS // 2 * round(self.spacing / 15e3)

    @property
    def first_symbol(self) -> int:
        """Symbols since system frame 0 began."""
        return self.first_half_ms * self._half_ms_symbols

    @property
    def symbol_count(self) -> int:
        """Symbols of the span."""
        return self.half_ms * self._half_ms_symbols

    @property
    def frame_slots(self) -> int:
        """Slots in a frame of 10 ms."""
        return 20 * self._half_ms_symbols // SLOT_SYMBOLS

    @property
    def slots(self) -> np.ndarray:
        """Slots since system frame 0 began, the outer ones possibly cut, int64."""
        end = -(-(self.first_symbol + self.symbol_count) // SLOT_SYMBOLS)
        return np.arange(self.first_symbol // SLOT_SYMBOLS, end)


def downlink_symbols(slots: np.ndarray, tdd: str | None, special_symbols: int) -> np.ndarray:
    """Leading symbols of each slot that the downlink may use, int64 of ``slots.shape``.

    Parameters
    ----------
    slots : integer array
        Since system frame 0 began.
    tdd : str or None
        A letter a slot, repeated: D downlink, S special, U uplink (TS 38.213 clause 11.1); None for FDD.
    special_symbols : int
        Downlink symbols of a special slot.
    """
    if tdd is None:
        return np.full(slots.shape, SLOT_SYMBOLS)
    share = {"D": SLOT_SYMBOLS, "S": special_symbols, "U": 0}
    return np.array([share[kind] for kind in tdd])[slots % len(tdd)]


def ssb_first_symbols(case: str, count: int) -> tuple[int, ...]:
    """First symbol in the half frame of each of ``count`` candidate blocks: TS 38.213 clause 4.1.

    Examples
    --------
    >>> ssb_first_symbols("B", 8)
    (4, 8, 16, 20, 32, 36, 44, 48)
    """
    _, first, step, periods = SSB_CASES[case]
    return tuple(symbol + step * n for n in range(periods[count]) for symbol in first)


def sendable_blocks(
    case: str, count: int, spacing: float, tdd: str | None, special_symbols: int, halves: tuple[int, ...]
) -> list[int]:
    """Candidate blocks whose four symbols are downlink in each of the given half frames (0, 1)."""
    ratio = spacing / SSB_CASES[case][0]
    half_frame = round(70 * spacing / 15e3)  # symbols of the carrier
    limits = downlink_symbols(np.arange(half_frame // 7), tdd, special_symbols)  # of the slots of a frame
    may_send = (np.arange(SLOT_SYMBOLS) < limits[:, None]).ravel()
    found = []
    for index, first in enumerate(ssb_first_symbols(case, count)):
        lines = np.arange(int(first * ratio), int(np.ceil((first + 4) * ratio)))
        if all(may_send[half * half_frame + lines].all() for half in halves):
            found.append(index)
    return found
