"""When an emitter is on air: bursts of random length and distance, and how they switch samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["Burst", "draw_bursts", "gate", "log_uniform", "paste", "regular_bursts"]

Burst = tuple[float, float]  # start, length, us re the start of the scene


def log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """A number between two positive ones, each decade equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_bursts(
    duration_us: float, duty: float, length_us: tuple[float, float], rng: np.random.Generator, *, pause_us: float = 10.0
) -> list[Burst]:
    """Bursts that touch the scene: at least one, so that an emitter in a record is on air.

    Parameters
    ----------
    duration_us : float
        Duration of the scene, us.
    duty : float
        Share of time on air on the long run; from 1 on the scene is one burst.
    length_us : tuple of float
        Shortest and longest burst, us.
    pause_us : float
        Shortest silence between bursts, us.
    """
    if duty >= 1.0:
        return [(0.0, duration_us)]
    low, high = length_us
    mean = (high - low) / np.log(high / low) if high > low else low  # of the logarithmically uniform law
    silence = max(1.0, mean * (1 - duty) / duty - pause_us)
    found: list[Burst] = []
    time = -float(rng.uniform(0, mean + pause_us + silence))
    while time < duration_us:
        length = log_uniform(low, high, rng) if high > low else low
        if time + length > 0:
            found.append((time, length))
        time += length + pause_us + float(rng.exponential(silence))
    if not found:
        length = min(log_uniform(low, high, rng) if high > low else low, duration_us)
        found = [(float(rng.uniform(0, duration_us - length)), length)]
    return found


def regular_bursts(duration_us: float, period_us: float, length_us: float, phase_us: float) -> list[Burst]:
    """Bursts of one length at one distance; where none would touch the scene, one starts at the phase modulo the scene."""
    starts = np.arange(phase_us - math.ceil(phase_us / period_us + 1) * period_us, duration_us, period_us)
    found = [(float(start), length_us) for start in starts if start + length_us > 0]
    return found or [(phase_us % duration_us, length_us)]


def gate(bursts: list[Burst], count: int, duration_us: float, device: torch.device) -> Tensor:
    """1 in a burst and 0 elsewhere: float32 ``(count,)`` over the scene."""
    switch = torch.zeros(count, device=device)
    scale = count / duration_us
    for start, length in bursts:
        switch[max(0, round(start * scale)) : max(0, round((start + length) * scale))] = 1.0
    return switch


def paste(target: Tensor, piece: Tensor, start: int) -> int:
    """Add a piece to samples from ``start`` on, cut at both ends; the sample after the piece is returned."""
    stop = start + piece.numel()
    low, high = max(start, 0), min(stop, target.numel())
    if low < high:
        target[low:high] += piece[low - start : high - start]
    return stop
