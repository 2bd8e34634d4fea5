"""The radar test waveforms of dynamic frequency selection: FCC types 1 to 6 and the Japanese pulse pairs."""

from __future__ import annotations

import numpy as np

from .laws import TURN, draw_rise
from .train import Pulse, PulseTrain

__all__ = ["SHORT_TYPES", "draw_dfs_hopping", "draw_dfs_long", "draw_dfs_short", "draw_japan_pair"]

# 47 CFR 15.407, FCC 06-96 appendix, short pulse types: pulse width us, interval us, pulses
SHORT_TYPES: dict[int, tuple[tuple[float, float], tuple[float, float], tuple[int, int]]] = {
    1: ((1, 1), (1428, 1428), (18, 18)),
    2: ((1, 5), (150, 230), (23, 29)),
    3: ((6, 10), (200, 500), (16, 18)),
    4: ((11, 20), (200, 500), (12, 16)),
}
_LONG_PERIOD_S = 12.0  # of type 5, divided into 8 to 20 bursts
_HOPS = 32  # of type 6, before they come again
_HOP_RASTER_HZ = 1e6
_HOP_RANGE = (1.0, 1.4)  # times the band: some dwells are elsewhere


def draw_dfs_short(number: int, rng: np.random.Generator) -> PulseTrain:
    """Types 1 to 4: one burst of short unmodulated pulses, not yet placed."""
    widths, intervals, counts = SHORT_TYPES[number]
    width = float(rng.uniform(*widths)) * 1e-6
    return PulseTrain(
        family=f"dfs-{number}",
        center=0.0,
        pulses=(Pulse(width=width, rise=draw_rise(rng, width)),),
        intervals=(float(rng.uniform(*intervals)) * 1e-6,),
        first=0.0,
        burst=int(rng.integers(counts[0], counts[1] + 1)),
        snr_db=0.0,
    )


def draw_dfs_long(rng: np.random.Generator) -> PulseTrain:
    """Type 5: 8 to 20 bursts in 12 s, of 1 to 3 chirps of 50 to 100 us and 5 to 20 MHz, not yet placed."""
    width = float(rng.uniform(50e-6, 100e-6))
    chirp = float(rng.uniform(5e6, 20e6) * rng.choice(TURN))
    return PulseTrain(
        family="dfs-5",
        center=0.0,
        pulses=(Pulse(width=width, modulation="lfm", chirp=chirp, rise=draw_rise(rng, width)),),
        intervals=tuple(rng.uniform(1000e-6, 2000e-6, 2).tolist()),
        first=0.0,
        burst=int(rng.integers(1, 4)),
        burst_interval=_LONG_PERIOD_S / int(rng.integers(8, 21)),
        snr_db=0.0,
    )


def draw_dfs_hopping(span: float, rng: np.random.Generator) -> PulseTrain:
    """Type 6: 1 us every 333 us, another frequency after every nine pulses, not yet placed."""
    reach = 0.5 * span * rng.uniform(*_HOP_RANGE)
    hops = np.round(rng.uniform(-reach, reach, _HOPS) / _HOP_RASTER_HZ) * _HOP_RASTER_HZ
    return PulseTrain(
        family="dfs-6",
        center=0.0,
        pulses=(Pulse(width=1e-6, rise=draw_rise(rng, 1e-6)),),
        intervals=(333e-6,),
        first=0.0,
        hops=tuple(hops.tolist()),
        hop_pulses=9,
        snr_db=0.0,
    )


def draw_japan_pair(rng: np.random.Generator) -> PulseTrain:
    """A plain pulse of 0.5 to 15 us, then a chirp of 20 to 110 us over 1 to 2 MHz, 200 to 1600 pairs per s; not yet placed."""
    short, long = float(rng.uniform(0.5e-6, 15e-6)), float(rng.uniform(20e-6, 110e-6))
    chirp = float(rng.uniform(1e6, 2e6) * rng.choice(TURN))
    rise = draw_rise(rng, short)
    return PulseTrain(
        family="japan-pair",
        center=0.0,
        pulses=(
            Pulse(width=short, rise=rise),
            Pulse(width=long, modulation="lfm", chirp=chirp, delay=short + float(rng.uniform(1e-6, 100e-6)), rise=rise),
        ),
        intervals=(1.0 / float(rng.uniform(200, 1600)),),
        first=0.0,
        burst=int(rng.integers(15, 31)),
        snr_db=0.0,
    )
