"""Steady tones: a carrier, combs of spurs, and an oscillator that drifts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .bursts import draw_bursts, gate, log_uniform
from .canvas import Canvas
from .emitter import NARROWEST_HZ, OtherEmitter

__all__ = ["WIDTHS", "ToneEmitter", "add", "draw"]

WIDTHS = {"cw": (1e3, 1e3), "comb": (50e3, 60e6), "drift": (50e3, 3e6)}

_TONE_RATE, _DRIFT_RATE = 100e3, 8e6
_LINE_HZ = 1e3  # width that is called occupied by one tone


@dataclass(frozen=True, kw_only=True)
class ToneEmitter(OtherEmitter):
    """Tones; power is counted over 200 kHz for a tone of level 0 dB.

    Parameters
    ----------
    offsets : tuple of float
        Tones re ``center``, Hz.
    levels_db : tuple of float
        Level of each, dB.
    linewidth_hz : float
        Of the oscillator's phase noise.
    drift_hz : float
        How far the tone moves, Hz (``drift``).
    shape : str
        How it moves: ``line``, ``sine``, ``settling`` or ``steps``; ``still`` if it does not.
    period_us : float
        Duration of the movement, us.
    phase_us : float
        Its start re the scene's, us.
    key_us : tuple of float
        Shortest and longest time on air of a keyed tone, us, if the duty is below 1.
    """

    offsets: tuple[float, ...] = (0.0,)
    levels_db: tuple[float, ...] = (0.0,)
    linewidth_hz: float = 0.0
    drift_hz: float = 0.0
    shape: str = "still"
    period_us: float = 1.0
    phase_us: float = 0.0
    key_us: tuple[float, float] = (1.0, 1.0)

    @property
    def density_width(self) -> float:
        """One bin of a spectrogram, about, Hz."""
        return NARROWEST_HZ


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> ToneEmitter:
    """A random tone (``cw``), row of tones (``comb``) or moving one (``drift``)."""
    common = dict(kind=kind, center=center, snr_db=snr_db, linewidth_hz=log_uniform(0.1, 500, rng))
    if kind == "comb":
        return _draw_comb(common, rng)
    if kind == "drift":
        drift = log_uniform(*WIDTHS[kind], rng)
        period = log_uniform(2e3, 100e3, rng)
        shape = str(rng.choice(["line", "sine", "settling", "steps"]))
        phase = -float(rng.uniform(0, 0.8 * period))
        moves = dict(drift_hz=drift * float(rng.choice([-1, 1])), shape=shape, period_us=period, phase_us=phase)
        return ToneEmitter(**common, width=drift, **moves)
    low = log_uniform(300, 20e3, rng)
    duty = 1.0 if rng.random() < 0.7 else float(rng.uniform(0.2, 0.8))
    return ToneEmitter(**common, width=_LINE_HZ, duty=duty, key_us=(low, 3 * low))


def _draw_comb(common: dict, rng: np.random.Generator) -> ToneEmitter:
    """Harmonics of a clock with a level that falls or ripples, or scattered spurs."""
    count = int(rng.integers(2, 25))
    if rng.random() < 0.65:
        spacing = log_uniform(25e3, 4e6, rng)
        places = np.arange(count) * spacing
        levels = -np.abs(rng.normal(0, 5, count)) - rng.uniform(0, 1.5) * np.abs(np.arange(count) - rng.integers(count))
    else:
        count = min(count, 10)
        places = np.sort(rng.uniform(0, log_uniform(1e6, 59e6, rng), count))
        levels = -rng.uniform(0, 20, count)
    span = min(float(places[-1] - places[0]), 59e6)
    keep = places - places[0] <= span
    places, levels = places[keep], levels[keep]
    return ToneEmitter(
        **common,
        width=max(float(places[-1] - places[0]) + _LINE_HZ, 50e3),
        offsets=tuple(float(place) for place in places - (places[0] + places[-1]) / 2),
        levels_db=tuple(float(level) for level in levels - levels.max()),
    )


def _path(emitter: ToneEmitter, time_us: torch.Tensor) -> torch.Tensor:
    """Where the tone is at each time, as a share of its drift, -0.5 to 0.5."""
    place = (time_us - emitter.phase_us) / emitter.period_us
    if emitter.shape == "line":
        return place.clamp(0, 1) - 0.5
    if emitter.shape == "sine":
        return 0.5 * torch.sin(2 * math.pi * place)
    if emitter.shape == "settling":
        return torch.exp(-4 * place.clamp(min=0)) - 0.5
    if emitter.shape == "steps":
        return torch.floor((place % 1.0) * 5) / 4 - 0.5
    return torch.zeros_like(place)


def add(canvas: Canvas, emitter: ToneEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add every tone to the scene; tones of a comb share their phase noise."""
    rate = _DRIFT_RATE if emitter.drift_hz else _TONE_RATE
    count, device = canvas.count(rate), generator.device
    steps = torch.randn(count, generator=generator, device=device) * math.sqrt(2 * math.pi * emitter.linewidth_hz / rate)
    if emitter.drift_hz:
        time = torch.arange(count, device=device) * (1e6 / rate)
        steps = steps + _path(emitter, time) * (2 * math.pi * emitter.drift_hz / rate)
    phase = (torch.cumsum(steps.double(), 0) % (2 * math.pi)).float()
    samples = torch.polar(torch.ones_like(phase), phase)
    if emitter.duty < 1:
        bursts = draw_bursts(canvas.duration_us, emitter.duty, emitter.key_us, rng)
        samples = samples * gate(bursts, count, canvas.duration_us, device)
    spectrum = torch.fft.fft(samples, norm="ortho")
    for offset, level_db in zip(emitter.offsets, emitter.levels_db):
        turn = complex(np.exp(2j * np.pi * rng.random()))
        canvas.add_spectrum(spectrum * turn, emitter, center=emitter.center + offset, level_db=level_db)
