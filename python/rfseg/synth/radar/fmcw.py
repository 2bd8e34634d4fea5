"""Frequency-modulated continuous wave: altimeters and the radars of fences and drones, lines that slant."""

from __future__ import annotations

import numpy as np

from .laws import TURN
from .train import FMCW, Pulse, PulseTrain

__all__ = ["FMCW_KINDS", "draw_fmcw"]

# Swept MHz and s per sweep; a triangle takes two sweeps to come back
FMCW_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "fmcw-altimeter": ((100, 170), (1e-3, 20e-3)),  # 4.2 to 4.4 GHz
    "fmcw-perimeter": ((5, 60), (0.1e-3, 2e-3)),
}


def draw_fmcw(kind: str, rng: np.random.Generator) -> PulseTrain:
    """A sawtooth or triangle of a kind, not yet placed; sweep times evenly over the decades."""
    (narrow, wide), (quick, slow) = FMCW_KINDS[kind]
    modulation = str(rng.choice(FMCW))
    sweep = float(np.exp(rng.uniform(np.log(quick), np.log(slow))))
    width = 2 * sweep if modulation == "triangle" else sweep
    chirp = float(rng.uniform(narrow, wide) * 1e6 * rng.choice(TURN))
    pulse = Pulse(width=width, modulation=modulation, chirp=chirp, rise=0.0)
    return PulseTrain(family=kind, center=0.0, pulses=(pulse,), intervals=(width,), first=0.0, snr_db=0.0)
