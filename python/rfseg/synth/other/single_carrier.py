"""One modulated carrier: PSK or QAM with root-raised-cosine pulses, as microwave links and satellites send."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .bursts import draw_bursts, gate, log_uniform
from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import random_points, rrc_spectrum

__all__ = ["WIDTHS", "SingleCarrierEmitter", "add", "draw"]

WIDTHS = {"single-carrier": (0.5e6, 10e6)}


@dataclass(frozen=True, kw_only=True)
class SingleCarrierEmitter(OtherEmitter):
    """A carrier.

    Parameters
    ----------
    symbol_rate : float
        Symbols per second, whole kHz.
    rolloff : float
        Of the pulses.
    order : int
        Constellation size.
    burst_us : tuple of float
        Shortest and longest burst, us, if the duty is below 1.
    """

    symbol_rate: float
    rolloff: float
    order: int
    burst_us: tuple[float, float]


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> SingleCarrierEmitter:
    """A random carrier, sometimes in bursts."""
    rolloff = float(rng.uniform(0.05, 0.5))
    low, high = WIDTHS[kind]
    rate = math.floor(log_uniform(low + 15e3, high, rng) / (1 + rolloff / 2) / 10e3) * 10e3
    shortest = log_uniform(100, 3000, rng)
    return SingleCarrierEmitter(
        kind=kind,
        center=center,
        width=rate * (1 + rolloff / 2),
        snr_db=snr_db,
        duty=float(rng.uniform(0.1, 0.9)) if rng.random() < 0.35 else 1.0,
        symbol_rate=rate,
        rolloff=rolloff,
        order=int(rng.choice([2, 4, 8, 16, 64, 256])),
        burst_us=(shortest, shortest * log_uniform(1, 5, rng)),
    )


def add(canvas: Canvas, emitter: SingleCarrierEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the carrier to the scene."""
    symbols = random_points(emitter.order, (canvas.count(emitter.symbol_rate),), generator)
    if emitter.duty < 1:
        bursts = draw_bursts(canvas.duration_us, emitter.duty, emitter.burst_us, rng)
        symbols = symbols * gate(bursts, symbols.numel(), canvas.duration_us, canvas.device)
    canvas.add_spectrum(rrc_spectrum(symbols, emitter.rolloff), emitter)
