"""Broadband clicks: ignition, switches, dimmers and arcs; each is over in nanoseconds and rings for a while."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .bursts import log_uniform
from .canvas import Canvas
from .emitter import OtherEmitter

__all__ = ["SEEN_US", "WIDTHS", "ImpulseEmitter", "add", "draw"]

WIDTHS = {"clicks": (1 / 50e-9, 1 / 3e-9)}

# A click's energy is counted over this time: what the analysis window of 4.17 us, a Hann window, lets through
SEEN_US = 4.17 * 0.375
_REACH = 24  # samples on either side of a band-limited click
_LONGEST_RING_US = 3.0
_MOST = 4000  # clicks in a scene


@dataclass(frozen=True, kw_only=True)
class ImpulseEmitter(OtherEmitter):
    """A source of clicks; ``snr_db`` is that of a click of level 0 dB in the segment that holds it.

    Parameters
    ----------
    pulse_ns : float
        Duration of the bare click; ``width`` is its inverse.
    ring_us : float
        Decay time of the ringing that follows at ``center``, us; 0: none.
    period_us : float
        Distance of groups of clicks, us; 0: they come at random.
    phase_us : float
        First group re the scene's start, us.
    group : int
        Clicks in a group, about.
    group_us : float
        Duration of a group, us.
    rate : float
        Random clicks per second.
    spread_db : float
        Standard deviation of the clicks' level, dB.
    """

    pulse_ns: float
    ring_us: float
    period_us: float
    phase_us: float
    group: int
    group_us: float
    rate: float
    spread_db: float


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> ImpulseEmitter:
    """A random source: isolated clicks, the mains' half period of 50 or 60 Hz, or a switching converter."""
    pulse = log_uniform(3, 50, rng)
    law = str(rng.choice(["isolated", "mains", "periodic"], p=[0.45, 0.3, 0.25]))
    period = {"isolated": 0.0, "mains": 1e6 / float(rng.choice([100, 120])), "periodic": log_uniform(200, 8000, rng)}[law]
    group = 1 if law == "periodic" or rng.random() < 0.4 else int(log_uniform(2, 60, rng))
    return ImpulseEmitter(
        kind=kind,
        center=center,
        width=1e9 / pulse,
        snr_db=snr_db,
        pulse_ns=pulse,
        ring_us=0.0 if rng.random() < 0.6 else log_uniform(0.02, 0.6, rng),
        period_us=period,
        phase_us=float(rng.uniform(0, period)) if period else 0.0,
        group=group,
        group_us=0.0 if group == 1 else log_uniform(20, 2000, rng),
        rate=log_uniform(30, 3000, rng) / group if law == "isolated" else 0.0,
        spread_db=float(rng.choice([0.5, 4.0, 8.0])),
    )


def _times(emitter: ImpulseEmitter, duration_us: float, rng: np.random.Generator) -> np.ndarray:
    """Times of the clicks, us, at least one of them in the scene."""
    if emitter.period_us:
        groups = np.arange(emitter.phase_us - emitter.period_us, duration_us, emitter.period_us)
    else:
        groups = rng.uniform(0, duration_us, 1 + rng.poisson(emitter.rate * duration_us * 1e-6))
    if not (groups > 0).any():  # the period is longer than the scene
        groups = rng.uniform(0.1 * duration_us, 0.9 * duration_us, 1)
    counts = 1 + rng.poisson(emitter.group - 1, len(groups)) if emitter.group > 1 else np.ones(len(groups), dtype=int)
    times = np.repeat(groups, counts)
    times = times + rng.uniform(0, emitter.group_us, len(times)) * (emitter.group > 1)
    return times[(times >= 0) & (times < duration_us)][:_MOST]


def add(canvas: Canvas, emitter: ImpulseEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the clicks, band-limited to the scene, at its own rate: fractions of a sample are kept."""
    times, device = _times(emitter, canvas.duration_us, rng), generator.device
    rate_mhz, count = canvas.span / 1e6, canvas.spectrum.numel()
    ring = 0.0 if not emitter.ring_us else min(_LONGEST_RING_US, 4 * emitter.ring_us)
    after = _REACH + math.ceil(ring * rate_mhz)
    level = 10 ** (rng.normal(0, emitter.spread_db, len(times)) / 20)
    energy = 10 ** (emitter.snr_db / 10) * SEEN_US * rate_mhz  # of a click, noise of a sample is 1
    place = torch.from_numpy(times * rate_mhz).to(device)
    whole = torch.floor(place)
    steps = torch.arange(-_REACH, after + 1, device=device)
    delay = (steps - (place - whole)[:, None]).float()  # (clicks, samples) re each click
    taper = torch.cos((delay / (_REACH + 1)).clamp(-1, 1) * (math.pi / 2)) ** 2
    shape = (torch.sinc(delay) * taper).to(torch.complex64)
    if ring:
        decay = torch.exp(-delay.clamp(min=0) / (emitter.ring_us * rate_mhz)) * (delay >= 0)
        wave = torch.polar(decay, 2 * math.pi * emitter.center * 1e-6 / rate_mhz * delay)
        shape = shape / math.sqrt(2) + wave / wave.abs().square().sum(1, keepdim=True).clamp(min=1e-9).sqrt() / math.sqrt(2)
    turns = torch.rand(len(times), generator=generator, device=device) * (2 * math.pi)
    weights = torch.polar(torch.from_numpy(level * math.sqrt(energy)).to(device).float(), turns)
    index = (whole.long()[:, None] + steps).flatten()
    inside = (index >= 0) & (index < count)
    samples = canvas.zeros(count)
    samples.index_add_(0, index.clamp(0, count - 1), (shape * weights[:, None]).flatten() * inside)
    canvas.spectrum.add_(torch.fft.fft(samples, norm="ortho"))
