"""OFDM that is no standard of this project: video links of drones and the like."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bursts import log_uniform, paste, regular_bursts
from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import random_points

__all__ = ["WIDTHS", "OfdmLinkEmitter", "add", "draw"]

WIDTHS = {"ofdm": (1.5e6, 20e6)}

_CELLULAR_HZ = (15e3, 30e3, 60e3)  # spacings of LTE and NR are avoided by 5 %
_MOST_ELEMENTS = 300_000  # longer signals repeat their payload


@dataclass(frozen=True, kw_only=True)
class OfdmLinkEmitter(OtherEmitter):
    """A link.

    Parameters
    ----------
    spacing : float
        Subcarrier spacing, Hz, a multiple of 125 Hz.
    fft_size, carriers : int
        Length of a symbol in samples and carriers in use, DC included.
    guard : int
        Guard interval, samples.
    order : int
        Constellation size.
    null_dc : bool
        Whether the middle carrier is left empty.
    pilot_step, pilot_db : int, float
        Every such carrier is a pilot, at this level; 0: there are none.
    frame_us, period_us : float
        Each period begins with a frame of this length; equal: always on air.
    phase_us : float
        Start of a period re the scene's start, us.
    return_db : float or None
        Level of the other side, which answers in the second half of the silence; None: out of earshot.
    """

    spacing: float
    fft_size: int
    carriers: int
    guard: int
    order: int
    null_dc: bool
    pilot_step: int
    pilot_db: float
    frame_us: float
    period_us: float
    phase_us: float
    return_db: float | None


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> OfdmLinkEmitter:
    """A random link."""
    spacing = 15e3
    while any(abs(spacing / cellular - 1) < 0.05 for cellular in _CELLULAR_HZ):
        spacing = round(log_uniform(5e3, 250e3, rng) / 1e3) * 1e3
    low, high = WIDTHS[kind]
    carriers = max(24, round(log_uniform(low, high, rng) / spacing)) | 1
    carriers = min(carriers, int(high / spacing))
    size = 2 ** math.ceil(math.log2(carriers * 1.12))
    continuous = rng.random() < 0.4
    period = log_uniform(1e3, 20e3, rng)
    duty = 1.0 if continuous else float(rng.uniform(0.1, 0.85))
    return OfdmLinkEmitter(
        kind=kind,
        center=center,
        width=carriers * spacing,
        snr_db=snr_db,
        duty=duty,
        spacing=spacing,
        fft_size=size,
        carriers=carriers,
        guard=max(1, round(size / float(rng.choice([4, 8, 14.2, 16, 32])))),
        order=int(rng.choice([4, 16, 64])),
        null_dc=bool(rng.random() < 0.6),
        pilot_step=int(rng.choice([0, 4, 8, 12, 16])),
        pilot_db=float(rng.uniform(0, 4)),
        frame_us=period * duty,
        period_us=period,
        phase_us=float(rng.uniform(0, period)),
        return_db=None if continuous or rng.random() < 0.6 else float(rng.uniform(-15, 3)),
    )


def _symbols(emitter: OfdmLinkEmitter, count: int, generator: torch.Generator) -> Tensor:
    """Symbols of unit power with guard, the first a preamble of constant amplitude: ``(count, fft_size + guard)``."""
    device, half = generator.device, emitter.carriers // 2
    elements = random_points(emitter.order, (count, emitter.carriers), generator)
    k = torch.arange(emitter.carriers, device=device)
    elements[0] = torch.polar(torch.ones(len(k), device=device), -math.pi * k * (k + 1) / emitter.carriers)  # Zadoff-Chu
    if emitter.pilot_step:
        elements[1:, :: emitter.pilot_step] = 10 ** (emitter.pilot_db / 20)
    if emitter.null_dc:
        elements[:, half] = 0
    elements = elements / elements.abs().square().mean().sqrt()
    grid = torch.zeros(count, emitter.fft_size, dtype=torch.complex64, device=device)
    grid[:, : emitter.carriers - half], grid[:, emitter.fft_size - half :] = elements[:, half:], elements[:, :half]
    body = torch.fft.ifft(grid, norm="ortho") * math.sqrt(emitter.fft_size / emitter.carriers)
    return torch.cat([body[:, -emitter.guard :], body], dim=1)


def add(canvas: Canvas, emitter: OfdmLinkEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the link to the scene; payload repeats after 300,000 elements."""
    rate = emitter.spacing * emitter.fft_size
    length = emitter.fft_size + emitter.guard
    frame = max(2, round(emitter.frame_us * 1e-6 * rate / length))  # symbols
    bank = _symbols(emitter, max(2, min(frame, _MOST_ELEMENTS // emitter.carriers)), generator)
    whole = bank.repeat(-(-frame // len(bank)), 1)[:frame].flatten()
    samples = canvas.zeros(canvas.count(rate))
    scale, silence = 1e-6 * rate, emitter.period_us - emitter.frame_us
    period = frame * length / scale if emitter.duty == 1.0 else emitter.period_us
    for start, _ in regular_bursts(canvas.duration_us, period, frame * length / scale, emitter.phase_us):
        paste(samples, whole, round(start * scale))
        if emitter.return_db is not None and silence > 200.0:
            answer = whole[: round(0.4 * silence * scale)] * 10 ** (emitter.return_db / 20)
            paste(samples, answer, round((start + emitter.period_us - 0.5 * silence) * scale))
    canvas.add_samples(samples, emitter)
