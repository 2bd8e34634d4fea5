"""What each LTE subframe may send: duplexing, special and MBSFN subframes, and the control region's size."""

from __future__ import annotations

import numpy as np

from .lte_control import region_sizes

__all__ = [
    "SPECIAL_CONFIGURATIONS",
    "SUBFRAME_SYMBOLS",
    "TDD_CONFIGURATIONS",
    "control_sizes",
    "downlink_symbols",
    "possible_mbsfn",
]

SUBFRAME_SYMBOLS = 14  # normal cyclic prefix: TS 36.211 table 6.2.3-1
# Uplink-downlink configurations: TS 36.211 table 4.2-2
TDD_CONFIGURATIONS = ("DSUUUDSUUU", "DSUUDDSUUD", "DSUDDDSUDD", "DSUUUDDDDD", "DSUUDDDDDD", "DSUDDDDDDD", "DSUUUDSUUD")
# Downlink symbols of the special subframe by its configuration, normal cyclic prefix: TS 36.211 table 4.2-1
SPECIAL_CONFIGURATIONS = (3, 9, 10, 11, 12, 3, 9, 10, 11, 6, 6)
# Subframes that may be MBSFN subframes: TS 36.331 clause 6.3.7, MBSFN-SubframeConfig
_MBSFN_FDD, _MBSFN_TDD = (1, 2, 3, 6, 7, 8), (3, 4, 7, 8, 9)


def downlink_symbols(tdd: int | None, special: int) -> np.ndarray:
    """Symbols that the downlink may use in each subframe of a radio frame, from its first on, int ``(10,)``."""
    if tdd is None:
        return np.full(10, SUBFRAME_SYMBOLS)
    counts = {"D": SUBFRAME_SYMBOLS, "S": SPECIAL_CONFIGURATIONS[special], "U": 0}
    return np.array([counts[kind] for kind in TDD_CONFIGURATIONS[tdd]])


def possible_mbsfn(tdd: int | None) -> list[int]:
    """Subframes that may be MBSFN subframes; in TDD those of the downlink among them."""
    if tdd is None:
        return list(_MBSFN_FDD)
    return [subframe for subframe in _MBSFN_TDD if TDD_CONFIGURATIONS[tdd][subframe] == "D"]


def control_sizes(blocks: int, ports: int, tdd: int | None, mbsfn: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Fewest and most symbols of the control region in each subframe of a radio frame: TS 36.211 table 6.7-1.

    Returns
    -------
    int ``(10,)``, int ``(10,)``
    """
    fewest, _, most = region_sizes(blocks)
    low, high = np.full(10, fewest), np.full(10, most)
    if tdd is not None:
        high[[1, 6]] = 2
    high[list(mbsfn)] = 2
    if ports == 4:
        low[list(mbsfn)] = 2
    return low, high
