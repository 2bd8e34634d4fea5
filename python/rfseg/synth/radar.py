"""Pulsed radars: pulse shapes, repetition, antenna scan and echoes, straight into samples.

Waveform classes after NTIA TM-18-527 (3.5 GHz bins), air traffic control (ASR), marine and weather
radars.  Every frame starts at a random moment of the pulse train, so no row is special.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["PulseTrain", "draw_radar", "peak_gain_db", "radar_samples"]

_WINDOW_S = 4.17e-6  # a segment, 1 / 240 kHz
_ENBW_HZ = 360e3  # equivalent noise bandwidth of a periodic Hann window of that length
_EDGE_S = 50e-9  # raised-cosine rise and fall

# family: weight, pulse width us, chirp MHz, repetition per s
_FAMILIES = {
    "unmodulated": (0.20, (0.5, 2.5), (0, 0), (900, 1100)),
    "asr": (0.16, (0.6, 1.1), (0, 0), (900, 1330)),
    "marine": (0.08, (0.1, 1.2), (0, 0), (375, 4000)),
    "weather": (0.06, (1.5, 4.7), (0, 0), (318, 1304)),
    "coded": (0.10, (13, 52), (0, 0), (300, 3000)),
    "short-chirp": (0.10, (3, 5), (50, 100), (300, 3000)),
    "narrow-chirp": (0.12, (10, 30), (1, 10), (300, 3000)),
    "long-chirp": (0.08, (50, 100), (5, 100), (300, 3000)),
    "pair": (0.10, (45, 90), (1, 3), (700, 1200)),  # a short pulse, then a long chirp on another frequency
}


@dataclass(frozen=True, kw_only=True)
class PulseTrain:
    """One radar; widths and delays in s, frequencies in Hz re the centre of the band."""

    family: str
    center: float
    width: float
    chirp: float  # Hz, signed; 0 for none
    chips: tuple[int, ...]  # binary phase code, () for none
    intervals: tuple[float, ...]  # between pulses, repeated in turn
    jitter: float  # relative, of each interval
    first: float  # time of the first pulse, s
    scan_peak: float  # time at which the beam points here, s
    scan_width: float  # 3 dB beam time, s; inf: constant amplitude
    sidelobe_db: float
    echoes: tuple[tuple[float, float], ...]  # (delay, gain in dB)
    snr_db: float  # of the strongest bin of a pulse at the beam's peak


def draw_radar(duration: float, span: float, rng: np.random.Generator) -> PulseTrain:
    """A random radar for a scene of ``duration`` s within ``span`` Hz around 0."""
    names = list(_FAMILIES)
    family = str(rng.choice(names, p=[_FAMILIES[n][0] for n in names]))
    _, widths, chirps, rates = _FAMILIES[family]
    mean = 1.0 / rng.uniform(*rates)
    stagger = int(rng.choice([1, 2, 4, 8], p=[0.6, 0.2, 0.1, 0.1]))
    intervals = tuple(float(mean * (1 + s)) for s in (rng.uniform(-0.15, 0.15, stagger) if stagger > 1 else [0.0]))
    chip_count = int(rng.choice([4, 7, 11, 13]))
    scanning = rng.random() < 0.6 and duration > 4e-3
    beam = rng.uniform(8e-3, 40e-3)
    echoes = tuple((float(rng.uniform(0.1e-6, 20e-6)), float(rng.uniform(-35, -5))) for _ in range(int(rng.integers(0, 5))))
    return PulseTrain(
        family=family,
        center=float(rng.uniform(-0.48, 0.48) * span),
        width=float(rng.uniform(*widths)) * 1e-6,
        chirp=float(rng.uniform(*chirps) * rng.choice([-1, 1])) * 1e6,
        chips=tuple(int(c) for c in rng.choice([-1, 1], chip_count)) if family == "coded" else (),
        intervals=intervals,
        jitter=float(rng.choice([0.0, 0.01, 0.1], p=[0.75, 0.15, 0.1])),
        first=float(rng.uniform(-mean, mean)),
        scan_peak=float(rng.uniform(-0.5 * beam, duration + 0.5 * beam)),
        scan_width=float(beam) if scanning else math.inf,
        sidelobe_db=float(rng.uniform(-35, -20)),
        echoes=echoes if rng.random() < 0.6 else (),
        snr_db=float(rng.uniform(6, 50)),
    )


def peak_gain_db(train: PulseTrain, grid_rate: float) -> float:
    """Bin SNR of a pulse of amplitude 1 in noise of unit variance per sample, dB."""
    window = _WINDOW_S * grid_rate  # samples
    chip = train.width / max(1, len(train.chips))
    coherent = min(chip * grid_rate, 0.5 * window)  # sum of the Hann taps under the pulse
    gain = coherent**2 / (0.375 * window)
    sweep = abs(train.chirp) / train.width * _WINDOW_S  # Hz within a window
    return 10 * math.log10(gain / max(1.0, sweep / _ENBW_HZ))


def _pulse(train: PulseTrain, *, width: float, chirp: float, offset: float, grid_rate: float) -> Tensor:
    """One pulse with its echoes, amplitude 1, complex64."""
    count = max(2, round(width * grid_rate))
    t = (torch.arange(count, dtype=torch.float64) + 0.5) / grid_rate
    freq = train.center + offset + chirp * (t / width - 0.5)  # instantaneous, Hz
    pulse = torch.polar(torch.ones_like(t), 2 * math.pi * torch.cumsum(freq, 0) / grid_rate)
    pulse *= freq.abs() < 0.5 * grid_rate  # what lies outside does not fold back
    if train.chips:
        chip = (t / width * len(train.chips)).long().clamp(max=len(train.chips) - 1)
        pulse *= torch.tensor(train.chips, dtype=torch.float64)[chip]
    edge = min(count // 2, max(1, round(_EDGE_S * grid_rate)))
    ramp = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(edge) + 0.5) / edge)
    pulse[:edge] *= ramp
    pulse[-edge:] *= ramp.flip(0)
    longest = max((delay for delay, _ in train.echoes), default=0.0)
    out = torch.zeros(count + round(longest * grid_rate) + 1, dtype=torch.complex128)
    out[:count] = pulse
    for delay, gain_db in train.echoes:
        lag = round(delay * grid_rate)
        turn = 2 * math.pi * (delay * 1e9 % 1.0)  # a fixed, arbitrary phase per echo
        out[lag : lag + count] += pulse * 10 ** (gain_db / 20) * complex(math.cos(turn), math.sin(turn))
    return out.to(torch.complex64)


def radar_samples(train: PulseTrain, samples: int, grid_rate: float, rng: np.random.Generator) -> Tensor:
    """The radar's samples, complex64 ``(samples,)``, scaled for noise of unit variance per sample."""
    out = torch.zeros(samples, dtype=torch.complex64)
    amplitude = 10 ** ((train.snr_db - peak_gain_db(train, grid_rate)) / 20)
    shapes = [(0.0, _pulse(train, width=train.width, chirp=train.chirp, offset=0.0, grid_rate=grid_rate))]
    if train.family == "pair":
        apart = 2e6 if train.center < 0 else -2e6
        short = _pulse(train, width=1e-6, chirp=0.0, offset=apart, grid_rate=grid_rate)
        shapes = [(0.0, short * 1.5), (8e-6, shapes[0][1])]
    time, index = train.first, 0
    while time < samples / grid_rate:
        level_db = 0.0
        if math.isfinite(train.scan_width):  # Gaussian main lobe over a floor of sidelobes
            level_db = max(train.sidelobe_db, -12.04 * ((time - train.scan_peak) / train.scan_width) ** 2)
        for lag, shape in shapes:
            _add(out, shape * (amplitude * 10 ** (level_db / 20)), round((time + lag) * grid_rate))
        interval = train.intervals[index % len(train.intervals)]
        time += interval * (1 + train.jitter * rng.uniform(-1, 1))
        index += 1
    return out


def _add(out: Tensor, pulse: Tensor, start: int) -> None:
    """Add a pulse that may begin before or end after the scene."""
    first, last = max(0, start), min(out.numel(), start + pulse.numel())
    if first < last:
        out[first:last] += pulse[first - start : last - start]
