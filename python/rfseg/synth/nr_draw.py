"""Random NR downlink carriers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SceneError
from .nr_cell import CHANNELS_MHZ, CORESET0, SSB_WIDTH, NrCell
from .nr_control import SEARCH_SPACE0
from .nr_timing import SLOT_SYMBOLS, SSB_CASES, downlink_symbols, sendable_blocks
from .traffic import LOADS

__all__ = ["draw_nr"]

# Slots of a pattern: 3GPP TS 38.213 clause 11.1, periods of 2.5, 5 and 10 ms (60 kHz: 1.25 and 2.5 ms); and how often TDD is
_TDD = {
    15e3: (0.2, ("DDDDDDDSUU", "DDDSU")),
    30e3: (0.75, ("DDDSU", "DDDSUUDDDD", "DDDDDDDSUU", "DDSUU")),
    60e3: (0.75, ("DDDSU", "DDDDDDDSUU", "DDDDDSUUUU")),
}
_SPECIAL_SYMBOLS = (10, 6, 12)
_BLOCKS_SHARE = 0.9  # of the carriers that have room for synchronisation blocks
_SIB1_SHARE = 0.85  # of these, if a terminal that searches finds them
_SIB1_PERIOD_MS = 20  # which assumes this period: TS 38.213 clause 4.1
_PERIODS_MS = {5: 0.08, 10: 0.17, 20: 0.6, 40: 0.07, 80: 0.04, 160: 0.04}
_PLACES_TRIED = 6


def draw_nr(
    blocks: int, spacing: float, rng: np.random.Generator, *, tdd_choices: tuple[str | None, ...] | None = None
) -> NrCell:
    """A random carrier of ``blocks`` resource blocks; one of ``tdd_choices``, by default what its spacing suggests.

    Raises
    ------
    SceneError
        If no NR channel has so many blocks of that spacing.
    """
    if blocks not in CHANNELS_MHZ.get(spacing, {}).values():
        raise SceneError(
            f"blocks={blocks!r} at spacing={spacing!r} Hz is no NR channel; choose a row of rfseg.synth.nr.CHANNELS_MHZ"
        )
    if tdd_choices is not None:
        tdd = tdd_choices[int(rng.integers(len(tdd_choices)))]
    else:
        share, patterns = _TDD[spacing]
        tdd = str(rng.choice(patterns)) if rng.random() < share else None
    facts: dict[str, Any] = {
        "blocks": blocks,
        "spacing": spacing,
        "cell_id": int(rng.integers(1008)),
        "load": str(rng.choice(list(LOADS), p=[probability for probability, _, _ in LOADS.values()])),
        "tdd": tdd,
        "special_symbols": int(rng.choice(_SPECIAL_SYMBOLS)),
    }
    facts |= _draw_data(facts["load"], rng)
    facts |= _draw_blocks(facts, rng)
    facts |= _draw_control(blocks, facts["first_data_symbol"], rng)
    facts |= _draw_references(facts, rng)
    return NrCell(**facts)


def _draw_blocks(facts: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Synchronisation blocks, if there is room for any and the TDD pattern lets one through."""
    blocks, spacing = facts["blocks"], facts["spacing"]
    narrow = 12 * blocks * spacing < SSB_WIDTH * 30e3
    own = {15e3: ("A",), 30e3: ("A",) if narrow else ("B", "C", "C"), 60e3: ("A",) if narrow else ("B", "C", "C")}[spacing]
    case = "A" if rng.random() < 0.04 else str(rng.choice(own))
    ssb_spacing = SSB_CASES[case][0]
    room = round(12 * blocks * spacing / ssb_spacing) - SSB_WIDTH
    count = int(rng.choice([4, 8]))
    period = int(rng.choice(list(_PERIODS_MS), p=list(_PERIODS_MS.values())))
    offset = 5 * int(rng.integers(period // 5)) if rng.random() < 0.5 else 0
    halves = (0, 1) if period == 5 else (offset // 5 % 2,)
    possible = sendable_blocks(case, count, spacing, facts["tdd"], facts["special_symbols"], halves)
    if room < 0 or not possible or rng.random() >= _BLOCKS_SHARE:
        return {}
    wanted = int(rng.integers(1, len(possible) + 1)) if rng.random() < 0.5 else int(rng.choice([1, len(possible)]))
    sent = possible[:wanted] if rng.random() < 0.5 else sorted(int(i) for i in rng.choice(possible, size=wanted, replace=False))
    spread_db = rng.choice([0.0, 2.0, 6.0])
    gains_db = rng.uniform(0, 4) + spread_db * rng.uniform(-1, 1, size=wanted)
    found = {
        "ssb_case": case,
        "ssb_count": count,
        "ssb_blocks": tuple(sent),
        "ssb_gains_db": tuple(round(float(gain), 2) for gain in gains_db),
        "pss_boost_db": float(rng.choice([0.0, 3.0])),
        "ssb_period_ms": period,
        "ssb_offset_ms": offset,
        "ssb_subcarrier": int(rng.integers(room + 1)),
    }
    announces = ssb_spacing == spacing and period <= _SIB1_PERIOD_MS and rng.random() < _SIB1_SHARE
    return found | (_draw_sib1(found, blocks, rng) if announces else {})


def _draw_sib1(found: dict[str, Any], blocks: int, rng: np.random.Generator) -> dict[str, Any]:
    """Where system information is announced; the synchronisation blocks move until that fits, a few times."""
    table = CORESET0[SSB_CASES[found["ssb_case"]][0]]
    place = found["ssb_subcarrier"]
    for _ in range(_PLACES_TRIED):
        starts = [place // 12 - offset for _, _, offset in table]
        fitting = [
            index
            for index, ((width, symbols, _), start) in enumerate(zip(table, starts, strict=True))
            if symbols < 3 and 0 <= start <= blocks - width
        ]
        if fitting:
            row = int(rng.choice(fitting))
            width = table[row][0]
            count = int(rng.integers(4, min(24, width) + 1))
            return {
                "ssb_subcarrier": place,
                "coreset0": row,
                "search_space0": int(rng.choice(list(SEARCH_SPACE0))),
                "sib1_blocks": (int(rng.integers(width - count + 1)), count),
            }
        place = int(rng.integers(12 * blocks - SSB_WIDTH + 1))
    return {}


def _draw_control(blocks: int, first_data_symbol: int, rng: np.random.Generator) -> dict[str, Any]:
    """The control resource set."""
    width = min(int(rng.choice([24, 48, 96, 270], p=[0.2, 0.25, 0.15, 0.4])), blocks // 6 * 6)
    return {
        "coreset": (6 * int(rng.integers((blocks - width) // 6 + 1)), width, int(rng.integers(1, max(1, first_data_symbol) + 1))),
        "interleaved": bool(rng.random() < 0.6),
        "control_share": float(rng.choice([0.0, rng.uniform(0, 0.2), rng.uniform(0, 0.8)])),
    }


def _draw_data(load: str, rng: np.random.Generator) -> dict[str, Any]:
    """Time and references of data."""
    position = int(rng.choice([2, 3], p=[0.7, 0.3]))
    kind = int(rng.choice([1, 2], p=[0.75, 0.25]))
    groups = int(rng.integers(1, kind + 2))
    return {
        "first_data_symbol": int(rng.integers(1, position + 1)),
        "mini_slot_share": float(rng.uniform(0, 0.5)) if rng.random() < 0.2 else 0.0,
        "qam_bits": int(rng.choice([2, 4, 6, 8])),
        "dmrs_position": position,
        "dmrs_type": kind,
        "dmrs_additional": int(rng.integers(4 if position == 2 else 3)),  # TS 38.211 clause 7.4.1.1.2
        "dmrs_length": int(rng.choice([1, 2], p=[0.85, 0.15])),
        "dmrs_groups": groups,
        "dmrs_group": int(rng.integers(groups)),
    }


def _draw_references(facts: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Channel state and tracking references; idle carriers mostly go without."""
    blocks, spacing = facts["blocks"], facts["spacing"]
    likely = 0.25 if facts["load"] == "idle" else 0.75
    ports = int(rng.choice([1, 2, 4, 8])) if rng.random() < likely else 0
    period = int(rng.choice([4, 5, 8, 10, 16, 20, 32, 40, 64, 80, 160, 320, 640]))
    step = {1: 1, 2: 2, 4: 4, 8: 2}.get(ports, 1)
    tracking_ms = int(rng.choice([10, 20, 40, 80])) if rng.random() < likely else None
    limits = downlink_symbols(np.arange((tracking_ms or 10) * round(spacing / 15e3)), facts["tdd"], facts["special_symbols"])
    pairs = np.flatnonzero((limits[:-1] == SLOT_SYMBOLS) & (limits[1:] == SLOT_SYMBOLS))  # of adjacent downlink slots
    width = blocks if blocks <= 52 or rng.random() < 0.5 else 52  # TS 38.214 clause 5.1.6.1.1
    return {
        "csi_ports": ports,
        "csi_symbol": int(rng.choice([5, 6, 9, 12, 13])),
        "csi_subcarrier": step * int(rng.integers((12 - max(1, ports)) // step + 1)),
        "csi_period": period,
        "csi_offset": int(rng.integers(period)),
        "trs_period_ms": tracking_ms if pairs.size else None,
        "trs_offset": int(rng.choice(pairs)) if pairs.size else 0,
        "trs_symbol": int(rng.choice([4, 5, 6])),  # FR1: symbols 4 and 8, 5 and 9, 6 and 10
        "trs_subcarrier": int(rng.integers(4)),
        "trs_blocks": (int(rng.integers(blocks - width + 1)), width),
    }
