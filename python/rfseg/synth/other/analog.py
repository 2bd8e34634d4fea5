"""Analogue voice and radio: narrow FM and AM channels, and FM broadcasting with stereo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bursts import draw_bursts, gate
from .canvas import Canvas
from .emitter import NARROWEST_HZ, OtherEmitter

__all__ = ["WIDTHS", "AnalogEmitter", "add", "draw"]

WIDTHS = {"voice": (10e3, 1e6), "fm": (180e3, 2.2e6)}

_VOICE_RATE, _FM_RATE = 64e3, 600e3
_VOICE_HZ = (300.0, 3400.0)
_FM_RASTER_HZ, _FM_WIDTH_HZ, _FM_DEVIATION_HZ = 100e3, 180e3, 75e3  # ITU-R BS.450 and BS.412


@dataclass(frozen=True, kw_only=True)
class AnalogEmitter(OtherEmitter):
    """Stations on a raster; power is counted over 200 kHz for a station of level 0 dB.

    Parameters
    ----------
    modulation : str
        ``fm`` or ``am``.
    offsets : tuple of float
        Carriers re ``center``, Hz.
    levels_db : tuple of float
        Level of each, dB.
    depth : float
        FM: peak deviation, Hz.  AM: modulation depth.
    loudness : float
        Programme's level, 0 (a bare carrier) to 1.
    """

    modulation: str
    offsets: tuple[float, ...]
    levels_db: tuple[float, ...]
    depth: float
    loudness: float

    @property
    def density_width(self) -> float:
        """One station's, at least 200 kHz."""
        return NARROWEST_HZ


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> AnalogEmitter:
    """Random ``voice`` channels, some keyed by their speakers, or ``fm`` stations."""
    if kind == "fm":
        raster, single, count, modulation = _FM_RASTER_HZ, _FM_WIDTH_HZ, int(rng.integers(1, 6)), "fm"
        channels = np.cumsum(rng.integers(2, 6, count))
        depth = _FM_DEVIATION_HZ
    else:
        modulation = str(rng.choice(["fm", "am"], p=[0.65, 0.35]))
        raster = float(rng.choice([12.5e3, 25e3]))
        single = 16e3 if raster > 20e3 else 11e3
        count = int(rng.integers(1, 7))
        channels = np.sort(rng.choice(int(900e3 / raster), count, replace=False))
        depth = float(rng.uniform(0.5, 0.95)) if modulation == "am" else 0.2 * raster  # 5 and 2.5 kHz
    offsets = (channels - (channels[0] + channels[-1]) / 2) * raster
    levels = -np.abs(rng.normal(0, 8, count))
    return AnalogEmitter(
        kind=kind,
        center=center,
        width=float(offsets[-1] - offsets[0] + single),
        snr_db=snr_db,
        duty=1.0 if kind == "fm" or rng.random() < 0.7 else float(rng.uniform(0.3, 0.9)),
        modulation=modulation,
        offsets=tuple(float(offset) for offset in offsets),
        levels_db=tuple(float(level - levels.max()) for level in levels),
        depth=depth,
        loudness=float(rng.choice([0.0, rng.uniform(0.2, 1.0)], p=[0.1, 0.9])),
    )


def _sound(count: int, rate: float, low: float, high: float, generator: torch.Generator, *, crest: float = 2.5) -> Tensor:
    """Noise that falls off like speech and music, cut at 1, ``crest`` times its root mean square: float32 ``(count,)``."""
    freqs = torch.fft.rfftfreq(count, 1 / rate, device=generator.device)
    spectrum = torch.randn(freqs.numel(), generator=generator, device=generator.device, dtype=torch.complex64)
    spectrum = spectrum * ((freqs >= low) & (freqs <= high)) / (freqs + 500.0)
    sound = torch.fft.irfft(spectrum, n=count)
    return (sound / (crest * sound.std() + 1e-20)).clamp(-1, 1)


def _multiplex(count: int, generator: torch.Generator) -> Tensor:
    """Stereo programme: ITU-R BS.450 section 2: sum, pilot of 19 kHz, difference around 38 kHz, data around 57 kHz."""
    time = torch.arange(count, device=generator.device, dtype=torch.float64) / _FM_RATE
    left, right = (_sound(count, _FM_RATE, 30.0, 15e3, generator, crest=1.2) for _ in range(2))
    pilot, twice, thrice = (torch.sin(2 * math.pi * 19e3 * n * time).float() for n in (1, 2, 3))
    data = torch.randint(0, 2, (count // 505 + 1,), generator=generator, device=generator.device).float() * 2 - 1
    data = data.repeat_interleave(505)[:count]  # 1187.5 bit/s
    return 0.45 * (left + right) + 0.09 * pilot + 0.45 * (left - right) * twice + 0.03 * data * thrice


def _station(emitter: AnalogEmitter, count: int, rate: float, generator: torch.Generator) -> Tensor:
    """One station at 0 Hz: complex64 ``(count,)`` of unit power."""
    sound = _multiplex(count, generator) if emitter.kind == "fm" else _sound(count, rate, *_VOICE_HZ, generator)
    sound = sound * emitter.loudness
    if emitter.modulation == "am":
        wave = 1 + emitter.depth * sound
        return (wave / wave.square().mean().sqrt()).to(torch.complex64)
    phase = torch.cumsum(sound.double(), 0) * (2 * math.pi * emitter.depth / rate)
    phase = (phase % (2 * math.pi)).float()
    return torch.polar(torch.ones_like(phase), phase)


def add(canvas: Canvas, emitter: AnalogEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add every station to the scene."""
    rate = _FM_RATE if emitter.kind == "fm" else _VOICE_RATE
    count = canvas.count(rate)
    for offset, level_db in zip(emitter.offsets, emitter.levels_db):
        samples = _station(emitter, count, rate, generator)
        if emitter.duty < 1:  # somebody presses or releases the key
            bursts = draw_bursts(canvas.duration_us, emitter.duty, (10e3, 200e3), rng, pause_us=2e3)
            samples = samples * gate(bursts, count, canvas.duration_us, canvas.device)
        canvas.add_samples(samples, emitter, center=emitter.center + offset, level_db=level_db)
