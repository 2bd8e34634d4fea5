"""Constellations, root-raised-cosine pulses and continuous-phase modulation."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["cpm", "random_points", "random_signs", "rrc_gain", "rrc_spectrum"]


@lru_cache(maxsize=16)
def _constellation(order: int) -> np.ndarray:
    """Points of unit mean power, complex64 ``(order,)``: 2, 4 and 8 on the circle, else square."""
    if order <= 8:
        return np.exp(2j * np.pi * (np.arange(order) + 0.5) / order).astype(np.complex64)
    side = math.isqrt(order)
    axis = 2.0 * np.arange(side) - side + 1
    points = (axis[:, None] + 1j * axis).ravel()
    return (points / np.sqrt(np.mean(np.abs(points) ** 2))).astype(np.complex64)


def random_points(order: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random points of a constellation: complex64 ``shape`` of unit mean power."""
    device = generator.device
    table = torch.from_numpy(_constellation(order)).to(device)
    index = torch.randint(0, order, (math.prod(shape),), generator=generator, device=device, dtype=torch.int32)
    return table.index_select(0, index).reshape(shape)


def random_signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random -1 and 1: float32 ``shape``."""
    return torch.randint(0, 2, shape, generator=generator, device=generator.device).float() * 2 - 1


def rrc_gain(freqs: Tensor, rolloff: float) -> Tensor:
    """Root-raised-cosine amplitude at frequencies in symbol rates; 1 in the middle."""
    edge = ((freqs.abs() - 0.5 * (1 - rolloff)) / rolloff).clamp(0, 1)
    return torch.cos(math.pi / 2 * edge)


def rrc_spectrum(symbols: Tensor, rolloff: float) -> Tensor:
    """Spectrum, ``norm="ortho"``, of symbols ``(n,)`` sent with root-raised-cosine pulses.

    Returns
    -------
    complex64 ``(2 n,)``
        Two samples per symbol, of unit power where the symbols are white and of unit power.
    """
    count = 2 * symbols.numel()
    freqs = torch.fft.fftfreq(count, 0.5, device=symbols.device)
    return torch.fft.fft(symbols, norm="ortho").repeat(2) * (math.sqrt(2) * rrc_gain(freqs, rolloff))


@lru_cache(maxsize=16)
def _phase_response(bt: float, up: int, down: int, span: int) -> np.ndarray:
    """Share of its phase that each symbol near a block has reached: float32 ``(span + down - 1, up)``, 0 to 1.

    Rows are symbols ``1 - span`` to ``down - 1`` re the block's first, columns the block's samples.
    """
    fine = np.linspace(-span / 2, span / 2, 2000 * span + 1)
    scale = 2 * np.pi * bt / math.sqrt(math.log(2)) / math.sqrt(2)
    pulse = np.array([math.erf(scale * (t + 0.5)) - math.erf(scale * (t - 0.5)) for t in fine])
    reached = np.cumsum(pulse) / pulse.sum()
    times = np.arange(up) * down / up - np.arange(1 - span, down)[:, None] - span / 2
    return np.interp(times, fine, reached, left=0.0, right=1.0).astype(np.float32)


def cpm(symbols: Tensor, *, index: float, bt: float, up: int, down: int = 1, span: int = 4) -> Tensor:
    """Gaussian frequency-shift keying, every sample exact: GMSK is ``index`` 0.5.

    Parameters
    ----------
    symbols : float32 ``(..., K)``
        -1 and 1; 0 leaves the frequency in the middle.
    index : float
        Modulation index: a symbol turns the phase by ``index`` half turns.
    bt : float
        Bandwidth of the Gaussian filter times the symbol's duration.
    up, down : int
        ``up`` samples last as long as ``down`` symbols.
    span : int
        Length of the frequency pulse, symbols.

    Returns
    -------
    complex64 ``(..., M)``
        Unit amplitude; ``M = up * ((K - span + 1) // down)``.
    """
    response = torch.from_numpy(_phase_response(bt, up, down, span)).to(symbols.device)
    windows = symbols.unfold(-1, span + down - 1, down)  # (..., blocks, span + down - 1)
    before = torch.nn.functional.pad(torch.cumsum(symbols, -1), (1, 0))[..., ::down][..., : windows.shape[-2], None]
    phase = (before + windows @ response) * (math.pi * index)  # (..., blocks, up)
    phase = phase.flatten(-2)
    return torch.polar(torch.ones_like(phase), phase)
