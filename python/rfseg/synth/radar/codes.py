"""Phase codes of radar pulses: Barker, Frank, P1 to P4, Px and Zadoff-Chu.

Definitions as in N. Levanon and E. Mozeson, Radar Signals (2004), chapter 6.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import SceneError

__all__ = ["BARKER_CODES", "CODES", "code_phases"]

# All aperiodic sidelobes at most 1; up to reversal and sign, and for 2 and 4 both that there are
BARKER_CODES = {
    2: ("+-", "++"),
    3: ("++-",),
    4: ("++-+", "+++-"),
    5: ("+++-+",),
    7: ("+++--+-",),
    11: ("+++---+--+-",),
    13: ("+++++--++-+-+",),
}
_SQUARE = ("frank", "p1", "p2", "px")
CODES = ("barker", *_SQUARE, "p3", "p4", "zadoff-chu")


def _barker(chips: int, index: int) -> np.ndarray:
    variants = BARKER_CODES.get(chips, ())
    if not 1 <= index <= len(variants):
        raise SceneError(
            f"no Barker code of {chips} chips, variant {index}; there are {sorted(BARKER_CODES)}, two variants of 2 and 4"
        )
    return np.array([0.0 if sign == "+" else math.pi for sign in variants[index - 1]])


def _square(code: str, chips: int) -> np.ndarray:
    side = math.isqrt(max(chips, 0))
    if side < 2 or side * side != chips or (code == "p2" and side % 2):
        raise SceneError(
            f"no {code} code of {chips} chips; its length is a square from 4 on" + (" of an even number" if code == "p2" else "")
        )
    group, place = np.divmod(np.arange(chips), side)  # of the chip, from 0
    if code == "frank":
        return 2 * math.pi / side * group * place
    if code == "p1":
        return -math.pi / side * (side - (2 * group + 1)) * (group * side + place)
    middle = (side - 1) / 2
    if code == "p2" or side % 2 == 0:  # Px of even side is P2 with the other sign
        phase = 2 * math.pi / side * (place - middle) * (group - middle)
        return -phase if code == "p2" else phase
    return 2 * math.pi / side * (middle - place) * (side / 2 - 1 - group)


def code_phases(code: str, chips: int, index: int = 1) -> np.ndarray:
    """Phases of a code, rad, float64 ``(chips,)``.

    Parameters
    ----------
    code : str
        One of `CODES`.
    index : int
        Root of a Zadoff-Chu code, variant of a Barker code from 1; 1 for the others.

    Raises
    ------
    SceneError
        If there is no such code.
    """
    if code == "barker":
        return _barker(chips, index)
    if code in _SQUARE:
        return _square(code, chips)
    if code not in CODES:
        raise SceneError(f"code={code!r} is unknown; choose one of {', '.join(CODES)}")
    if chips < 2:
        raise SceneError(f"no {code} code of {chips} chips; give at least 2")
    n = np.arange(chips)
    if code == "p3":
        return math.pi / chips * n * (n + chips % 2)
    if code == "p4":
        return math.pi / chips * n**2 - math.pi * n
    if math.gcd(index, chips) != 1:
        raise SceneError(f"root {index} of a Zadoff-Chu code shares a factor with its {chips} chips; choose another root")
    return -math.pi / chips * index * n * (n + chips % 2)
