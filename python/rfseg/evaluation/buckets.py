"""Names of the groups that figures are split by, and their order."""

from __future__ import annotations

import re
from typing import Iterable

import numpy as np

__all__ = ["HIGH_SNR", "HIGH_SNR_DB", "in_order", "snr_bucket"]

_SNR_EDGES_DB = (-10, -5, 0, 5, 10, 20, 30, 60)
HIGH_SNR_DB = 10.0
HIGH_SNR = "at least 10 dB"  # name of a group that holds several of the others
_NUMBER = re.compile(r"(?<!\w)-?\d+(\.\d+)?|\d+(\.\d+)?")  # a sign stands after no letter: dfs-2 is the second


def snr_bucket(snr_db: float) -> str:
    """Name of the interval of signal-to-noise ratio; the first and the last are open.

    Examples
    --------
    >>> snr_bucket(5.0), snr_bucket(-20.0)
    ('5 to 10 dB', 'below -5 dB')
    """
    last = len(_SNR_EDGES_DB) - 2
    place = int(np.clip(np.searchsorted(_SNR_EDGES_DB, snr_db, side="right") - 1, 0, last))
    if place == 0:
        return f"below {_SNR_EDGES_DB[1]} dB"
    return f"above {_SNR_EDGES_DB[last]} dB" if place == last else f"{_SNR_EDGES_DB[place]} to {_SNR_EDGES_DB[place + 1]} dB"


def in_order(names: Iterable[str]) -> list[str]:
    """Names by the text before their first number, then by that number.

    Examples
    --------
    >>> in_order(["20 MHz", "5 MHz", "NR 5 MHz", "above 30 dB"])
    ['5 MHz', '20 MHz', 'above 30 dB', 'NR 5 MHz']
    """

    def key(name: str) -> tuple[str, float, str]:
        number = _NUMBER.search(name)
        text = name[: number.start()].strip() if number else name
        if text in ("below", "above", "at least"):  # ends of a scale, or all above a value
            return "", (-1e9, 1e9, 2e9)[("below", "above", "at least").index(text)], name
        return text, float(number[0]) if number else 0.0, name

    return sorted(names, key=key)
