"""Phase-coded search radars: every code, every way to space pulses, a turning or an electronic antenna."""

from __future__ import annotations

import math

import numpy as np

from .codes import BARKER_CODES, CODES
from .laws import PRI_KINDS, draw_intervals, draw_rise, time_on_target
from .train import Pulse, PulseTrain

__all__ = ["CHIP_RANGE_S", "draw_coded"]

CHIP_RANGE_S = (0.1e-6, 2e-6)
_WIDTH_RANGE_S = (0.5e-6, 60e-6)


def _draw_code(rng: np.random.Generator) -> tuple[str, int, int]:
    """Name, length and index of a code of up to 64 chips."""
    code = str(rng.choice(CODES))
    if code == "barker":
        chips = int(rng.choice(list(BARKER_CODES)))
        return code, chips, int(rng.integers(1, len(BARKER_CODES[chips]) + 1))
    if code in ("frank", "p1", "p2", "px"):
        side = int(rng.choice([2, 4, 6, 8])) if code == "p2" else int(rng.integers(2, 9))
        return code, side * side, 1
    chips = int(rng.integers(4, 65))
    if code == "zadoff-chu":
        roots = [u for u in range(1, chips) if math.gcd(u, chips) == 1]
        return code, chips, int(rng.choice(roots))
    return code, chips, 1


def draw_coded(duration: float, rng: np.random.Generator) -> PulseTrain:
    """A pulse of chips of 0.1 to 2 us, 300 to 3000 per s, not yet placed."""
    code, chips, index = _draw_code(rng)
    shortest, longest = max(CHIP_RANGE_S[0], _WIDTH_RANGE_S[0] / chips), min(CHIP_RANGE_S[1], _WIDTH_RANGE_S[1] / chips)
    width = chips * float(np.exp(rng.uniform(math.log(shortest), math.log(longest))))
    mean = 1 / float(rng.uniform(300, 3000))
    facts: dict = {}
    if rng.random() < 0.6:
        beam = time_on_target(float(rng.uniform(1.2, 3.0)), float(rng.uniform(6, 24)))
        facts = dict(scan_peak=0.0, scan_width=beam, sidelobe_db=float(rng.uniform(-35, -25)))
    intervals = draw_intervals(str(rng.choice(PRI_KINDS)), mean, duration, rng)
    if not facts:
        burst = int(rng.integers(8, 33))
        pause = float(rng.uniform(1e-3, 20e-3))
        facts = dict(burst=burst, burst_interval=sum(np.resize(intervals, burst).tolist()) + pause)
    return PulseTrain(
        family="coded",
        center=0.0,
        pulses=(Pulse(width=width, modulation=code, chips=chips, code_index=index, rise=draw_rise(rng, width / chips)),),
        intervals=intervals,
        first=0.0,
        snr_db=0.0,
        **facts,
    )
