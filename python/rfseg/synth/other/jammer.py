"""Deliberate interference: blocks of noise, steady (barrage) or gated, and fast sweeps.

A sweep here lasts 40 us at most, as those of jammers of navigation receivers do: slower ones are radars to us.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bursts import draw_bursts, gate, log_uniform, regular_bursts
from .canvas import Canvas
from .emitter import OtherEmitter

__all__ = ["WIDTHS", "JammerEmitter", "add", "draw"]

WIDTHS = {"noise-block": (1e6, 40e6), "sweep": (2e6, 40e6)}


@dataclass(frozen=True, kw_only=True)
class JammerEmitter(OtherEmitter):
    """A jammer.

    Parameters
    ----------
    ripple_db, ripple_periods, ripple_turn : float
        Ripple of the noise's top across its width: amplitude in dB, periods, phase in turns.
    tilt_db : float
        How much the upper edge is above the lower, dB.
    burst_us : tuple of float
        Shortest and longest burst, us, of a random gate.
    period_us : float
        Period of a regular gate, us; 0: the gate is random.
    phase_us : float
        Its start re the scene's, us.
    sweep_us : float
        Duration of a sweep, us (``sweep``).
    triangle : bool
        Whether it goes up and down rather than up only.
    """

    ripple_db: float
    ripple_periods: float
    ripple_turn: float
    tilt_db: float
    burst_us: tuple[float, float]
    period_us: float
    phase_us: float
    sweep_us: float
    triangle: bool


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> JammerEmitter:
    """A random ``noise-block`` or ``sweep``, on air all the time or gated."""
    low, high = WIDTHS[kind]
    gated = rng.random() < 0.45
    period = 0.0 if rng.random() < 0.5 else log_uniform(200, 10e3, rng)
    burst = log_uniform(50, 3000, rng)
    return JammerEmitter(
        kind=kind,
        center=center,
        width=round(log_uniform(low, high, rng) / 10e3) * 10e3,
        snr_db=snr_db,
        duty=float(rng.uniform(0.1, 0.9)) if gated else 1.0,
        ripple_db=float(rng.uniform(0, 3)),
        ripple_periods=float(rng.uniform(0.5, 6)),
        ripple_turn=float(rng.random()),
        tilt_db=float(rng.uniform(-3, 3)),
        burst_us=(burst, burst * log_uniform(1, 5, rng)),
        period_us=period if gated else 0.0,
        phase_us=float(rng.uniform(0, period)) if gated and period else 0.0,
        sweep_us=log_uniform(2, 40, rng),
        triangle=bool(rng.random() < 0.4),
    )


def _gate(canvas: Canvas, emitter: JammerEmitter, count: int, rng: np.random.Generator) -> Tensor | None:
    """When the jammer is on: float32 ``(count,)``, or None if always."""
    if emitter.duty == 1:
        return None
    if emitter.period_us:
        length = emitter.period_us * emitter.duty
        bursts = regular_bursts(canvas.duration_us, emitter.period_us, length, emitter.phase_us)
    else:
        bursts = draw_bursts(canvas.duration_us, emitter.duty, emitter.burst_us, rng)
    return gate(bursts, count, canvas.duration_us, canvas.device)


def _noise(canvas: Canvas, emitter: JammerEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """White noise over the width, at as many samples per second: straight in frequency if it is not gated."""
    count, device = canvas.count(emitter.width), generator.device
    part = torch.randn(count, generator=generator, device=device, dtype=torch.complex64)
    switch = _gate(canvas, emitter, count, rng)
    if switch is not None:
        part = torch.fft.fft(part * switch, norm="ortho")
    place = torch.linspace(-0.5, 0.5, count, device=device)
    wave = torch.sin(2 * math.pi * (place * emitter.ripple_periods + emitter.ripple_turn))
    gain = torch.exp((wave * emitter.ripple_db + place * emitter.tilt_db) * (math.log(10) / 20))
    gain = gain / gain.square().mean().sqrt()
    canvas.add_spectrum(part * torch.fft.ifftshift(gain), emitter)


def _sweep(canvas: Canvas, emitter: JammerEmitter, rng: np.random.Generator) -> None:
    """One sweep, repeated: its phase starts anew each time."""
    rate = 1.25 * emitter.width
    rate = math.ceil(rate / 1e5) * 1e5
    count, length = canvas.count(rate), max(8, round(emitter.sweep_us * 1e-6 * rate))
    place = (torch.arange(length, device=canvas.device) + 0.5) / length
    ramp = (1 - (2 * place - 1).abs() if emitter.triangle else place) - 0.5
    phase = torch.cumsum(ramp, 0) * (2 * math.pi * emitter.width / rate)
    samples = torch.polar(torch.ones_like(phase), phase).repeat(-(-count // length))[:count]
    switch = _gate(canvas, emitter, count, rng)
    canvas.add_samples(samples if switch is None else samples * switch, emitter)


def add(canvas: Canvas, emitter: JammerEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the jammer to the scene."""
    if emitter.kind == "sweep":
        _sweep(canvas, emitter, rng)
    else:
        _noise(canvas, emitter, rng, generator)
