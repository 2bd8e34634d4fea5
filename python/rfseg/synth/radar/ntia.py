"""The five waveform bins of NTIA TM-18-527, on the value grids of NIST's generator, with the addendum's NLFM."""

from __future__ import annotations

import numpy as np

from .codes import BARKER_CODES
from .laws import TURN, draw_rise, nonlinear, on_grid
from .train import Pulse, PulseTrain

__all__ = ["NTIA_BINS", "draw_ntia"]

# NTIA TM-18-527 table 1: (low, high, step) of pulse width us, chirp MHz, pulses per s, pulses per burst
NTIA_BINS: dict[int, dict[str, tuple[float, float, float]]] = {
    1: dict(width_us=(0.5, 2.5, 0.1), chirp_mhz=(0, 0, 1), rate=(900, 1100, 10), pulses=(15, 40, 5)),
    2: dict(width_us=(13, 52, 13), chirp_mhz=(0, 0, 1), rate=(300, 3000, 10), pulses=(5, 20, 5)),
    3: dict(width_us=(3, 5, 1), chirp_mhz=(50, 100, 10), rate=(300, 3000, 30), pulses=(8, 24, 2)),
    4: dict(width_us=(10, 30, 1), chirp_mhz=(1, 10, 1), rate=(300, 3000, 50), pulses=(2, 8, 2)),
    5: dict(width_us=(50, 100, 5), chirp_mhz=(50, 100, 10), rate=(300, 3000, 100), pulses=(8, 24, 2)),
}
_CODES_OF_FOUR = ("barker", "frank", "p1", "p2", "p3", "p4", "px", "zadoff-chu")
_BIN_2_CHIPS = 4  # NIST's, so chips last 3.25 to 13 us
_BARKER_SHARE = 0.5
_NONLINEAR_SHARE = 0.4  # NTIA's addendum replaces a part of the linear chirps of bins 3 to 5


def _bin_2_code(rng: np.random.Generator) -> dict[str, str | int]:
    code = "barker" if rng.random() < _BARKER_SHARE else str(rng.choice(_CODES_OF_FOUR[1:]))
    index = {"barker": int(rng.integers(1, len(BARKER_CODES[_BIN_2_CHIPS]) + 1)), "zadoff-chu": int(rng.choice([1, 3]))}
    return {"modulation": code, "chips": _BIN_2_CHIPS, "code_index": index.get(code, 1)}


def draw_ntia(number: int, rng: np.random.Generator) -> PulseTrain:
    """A waveform of bin ``number`` 1 to 5: one burst of constant amplitude at a fixed interval, not yet placed."""
    table = NTIA_BINS[number]
    width = round(on_grid(rng, *table["width_us"]), 3) * 1e-6
    extra: dict = {}
    if number == 2:
        extra = _bin_2_code(rng)
    elif number >= 3:
        extra = nonlinear(rng) if rng.random() < _NONLINEAR_SHARE else {"modulation": "lfm"}
        extra["chirp"] = on_grid(rng, *table["chirp_mhz"]) * 1e6 * float(rng.choice(TURN))
    return PulseTrain(
        family=f"ntia-{number}",
        ntia_bin=number,
        center=0.0,
        pulses=(Pulse(width=width, rise=draw_rise(rng, width), **extra),),
        intervals=(1.0 / on_grid(rng, *table["rate"]),),
        first=0.0,
        burst=int(on_grid(rng, *table["pulses"])),
        snr_db=0.0,
    )
