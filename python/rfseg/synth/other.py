"""Emitters that are neither LTE, NR nor radar: the network must call them Noise.

Each is made at its own rate over a whole number of milliseconds and placed by adding its spectrum to
the scene's: exact for any pair of rates, because both span the same time.  Power is given as the ratio of
the emitter's density inside its band to the noise density, dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["OTHER_KINDS", "OtherEmitter", "add_other", "draw_other"]

# kind: weight, occupied width in Hz (low, high)
OTHER_KINDS: dict[str, tuple[float, tuple[float, float]]] = {
    "wifi": (0.30, (16.6e6, 16.6e6)),
    "wifi40": (0.08, (36e6, 36e6)),
    "single-carrier": (0.13, (0.5e6, 10e6)),
    "umts": (0.06, (4.2e6, 4.2e6)),
    "block": (0.12, (1e6, 30e6)),  # noise-like: digital television, jammers
    "narrow": (0.15, (0.2e6, 0.2e6)),  # lines 200 kHz wide, as GSM has them
    "hopper": (0.06, (1e6, 1e6)),
    "spurs": (0.10, (0.0, 0.0)),
}


@dataclass(frozen=True, kw_only=True)
class OtherEmitter:
    """One emitter; frequencies in Hz re the centre of the band."""

    kind: str
    center: float
    width: float
    snr_db: float
    duty: float  # share of time on air, 1 for continuous


def draw_other(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> OtherEmitter:
    """A random emitter of a kind."""
    width = float(rng.uniform(*OTHER_KINDS[kind][1]))
    bursty = kind.startswith("wifi") or rng.random() < 0.3
    duty = float(rng.uniform(0.05, 0.9)) if bursty else 1.0
    return OtherEmitter(kind=kind, center=center, width=width, snr_db=snr_db, duty=duty)


def add_other(
    spectrum: Tensor, milliseconds: int, emitter: OtherEmitter, *, rng: np.random.Generator, generator: torch.Generator
) -> None:
    """Add an emitter to the scene's spectrum.

    Parameters
    ----------
    spectrum : complex64 ``(n,)``
        FFT of the scene in ``norm="ortho"``, one bin per ``1 / duration``; changed in place.
    milliseconds : int
        Duration of the scene.
    """
    amplitude = 10 ** (emitter.snr_db / 20)
    if emitter.kind == "spurs":
        _add_spurs(spectrum, amplitude, rng)
    elif emitter.kind == "hopper":
        _add_hops(spectrum, milliseconds, emitter, amplitude, rng, generator)
    else:
        samples = _MAKERS[emitter.kind](emitter, milliseconds, rng, generator)
        if emitter.duty < 1.0:
            samples *= _gate(samples.numel(), milliseconds, emitter.duty, rng)
        _place(spectrum, torch.fft.fft(samples, norm="ortho") * amplitude, emitter.center, milliseconds)


def _place(spectrum: Tensor, part: Tensor, center: float, milliseconds: int) -> None:
    """Add a part's spectrum, white density 1, around ``center`` Hz; what falls outside is dropped."""
    total, count = spectrum.numel(), part.numel()
    offset = round(center * milliseconds * 1e-3)
    index = torch.fft.fftfreq(count, 1.0 / count).round().long() + offset
    inside = (index >= -(total // 2)) & (index < (total + 1) // 2)
    spectrum[index[inside] % total] += part[inside]


def _gate(samples: int, milliseconds: int, duty: float, rng: np.random.Generator) -> Tensor:
    """Random bursts of 0.05 to 5 ms: float32 ``(samples,)`` of 0 and 1."""
    per_ms = samples / milliseconds
    mean = 10 ** rng.uniform(-1.3, 0.5)  # ms
    gate = torch.zeros(samples)
    time = -rng.uniform(0, 2 * mean)
    while time < milliseconds:
        on = rng.uniform(0.3, 1.7) * mean
        gate[max(0, int(time * per_ms)) : max(0, int((time + on) * per_ms))] = 1.0
        time += on + max(0.03, rng.exponential(mean * (1 - duty) / duty))
    return gate


def _gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.complex64)


def _wifi(emitter: OtherEmitter, milliseconds: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """OFDM with 312.5 kHz spacing and 0.8 us guard: IEEE 802.11-2020 clauses 17 and 19."""
    size, used = (64, 26) if emitter.kind == "wifi" else (128, 57)
    rate = size * 312.5e3
    symbols = math.ceil(milliseconds * 1e-3 * rate / (size * 1.25))
    grid = torch.zeros(symbols, size, dtype=torch.complex64)
    carriers = torch.cat([torch.arange(1, used + 1), torch.arange(-used, 0)])
    grid[:, carriers % size] = _gaussian((symbols, 2 * used), generator)
    body = torch.fft.ifft(grid, norm="ortho")
    whole = torch.cat([body[:, -size // 4 :], body], dim=1).flatten()
    return whole[: round(milliseconds * 1e-3 * rate)]


def _single_carrier(emitter: OtherEmitter, milliseconds: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """QPSK with root-raised-cosine pulses, roll-off 0.1 to 0.35."""
    rolloff = 0.22 if emitter.kind == "umts" else rng.uniform(0.1, 0.35)
    symbols = max(1, round(emitter.width / (1 + rolloff) * milliseconds * 1e-3))
    bits = torch.randint(0, 4, (symbols,), generator=generator)
    data = torch.exp(1j * (bits * math.pi / 2 + math.pi / 4)).to(torch.complex64)
    spectrum = torch.fft.fft(data, norm="ortho").repeat(2)  # two samples per symbol
    freq = torch.fft.fftfreq(2 * symbols, 0.5).abs()  # symbol rates
    edge = ((freq - 0.5 * (1 - rolloff)) / rolloff).clamp(0, 1)
    return torch.fft.ifft(spectrum * torch.cos(math.pi / 2 * edge), norm="ortho")


def _block(emitter: OtherEmitter, milliseconds: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Flat noise-like block, as OFDM with many narrow subcarriers looks, with a rippled top."""
    count = max(8, round(emitter.width * milliseconds * 1e-3))
    spectrum = _gaussian((count,), generator)
    place = torch.linspace(0, 2 * math.pi, count) * float(rng.uniform(0.5, 6))
    spectrum *= 10 ** (float(rng.uniform(0, 3)) * torch.sin(place + float(rng.uniform(0, 6))) / 20)
    return torch.fft.ifft(torch.fft.ifftshift(spectrum), norm="ortho")


def _narrow(emitter: OtherEmitter, milliseconds: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """One to ten frequency-modulated lines on a 200 kHz raster; some send in 577 us slots only."""
    samples = 4000 * milliseconds  # 4 MS/s
    time = torch.arange(samples)
    total = torch.zeros(samples, dtype=torch.complex64)
    for line in rng.choice(np.arange(-9, 10), size=int(rng.integers(1, 11)), replace=False):
        bits = torch.randint(0, 2, (samples // 15 + 2,), generator=generator).float() * 2 - 1
        smooth = torch.nn.functional.interpolate(bits[None, None], scale_factor=15, mode="linear")[0, 0, :samples]
        phase = torch.cumsum(smooth * (math.pi / 2 / 15), 0) + 2 * math.pi * 0.05 * float(line) * time
        level = 10 ** (rng.uniform(-10, 0) / 20) * 4.5  # all the power of 4 MHz in 0.2 MHz
        tone = torch.polar(torch.full_like(phase, level), phase)
        if rng.random() < 0.5:
            slots = torch.from_numpy(rng.random(samples // 2308 + 1) < rng.uniform(0.2, 0.9)).float()
            tone *= slots.repeat_interleave(2308)[:samples]
        total += tone
    return total


def _add_spurs(spectrum: Tensor, amplitude: float, rng: np.random.Generator) -> None:
    """Steady tones: a comb or scattered ones."""
    total = spectrum.numel()
    count = int(rng.integers(1, 9))
    if rng.random() < 0.3:
        places = (rng.uniform(0, 1) + np.arange(count) * rng.uniform(0.02, 0.12)) % 1.0
    else:
        places = rng.uniform(0, 1, count)
    for place in places:
        level = amplitude * 10 ** (rng.uniform(-15, 0) / 20) * math.sqrt(total / 128)
        spectrum[int(place * total)] += level * complex(np.exp(2j * np.pi * rng.random()))


def _add_hops(
    spectrum: Tensor,
    milliseconds: int,
    emitter: OtherEmitter,
    amplitude: float,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> None:
    """Bursts 1 MHz wide of 366 us on random channels every 625 us, as Bluetooth sends."""
    samples = 2000 * milliseconds  # 2 MS/s
    span = spectrum.numel() / milliseconds * 1e3  # Hz
    for start in range(int(rng.integers(1250)), samples, 1250):
        if rng.random() > emitter.duty:
            continue
        burst = torch.zeros(samples, dtype=torch.complex64)
        count = min(732, samples - start)
        phase = torch.cumsum((torch.randint(0, 2, (count,), generator=generator).float() * 2 - 1) * (math.pi / 4), 0)
        burst[start : start + count] = torch.polar(torch.full_like(phase, 1.4), phase)
        center = round(rng.uniform(-0.48, 0.48) * span / 1e6) * 1e6
        _place(spectrum, torch.fft.fft(burst, norm="ortho") * amplitude, center, milliseconds)


_MAKERS = {
    "wifi": _wifi,
    "wifi40": _wifi,
    "single-carrier": _single_carrier,
    "umts": _single_carrier,
    "block": _block,
    "narrow": _narrow,
}
