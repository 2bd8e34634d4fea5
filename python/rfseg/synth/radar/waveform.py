"""A group of pulses as samples: edges, chirps, codes and echoes, and nothing folded back.

Pulses are made at a rate that holds all they sweep and their edges, then cut to the band by a filter; FMCW
sweeps are so slow that the filter's gain at the instantaneous frequency is the same thing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...geometry import BIN_WIDTH_HZ, SEGMENT_RATE_HZ
from .codes import CODES, code_phases
from .train import Pulse, PulseTrain

__all__ = ["FLAT_SHARE", "Template", "bandwidth", "make_template", "occupied_edges", "peak_bin_power"]

_LEAD = 96  # samples before time 0: the ringing of the filter
_FINE_RATE_HZ = 256e6  # 20 ns edges take five samples
FLAT_SHARE = 0.485  # of the rate: the filter is flat up to here and 0 at half the rate
_SHIFTS = 8  # window positions per hop at which the peak is sought
_MOST_WINDOWS = 2048
_EDGE_DB = -20.0  # occupied: above this re the strongest bin
_TAPER_TABLE = 2049


@dataclass(frozen=True, kw_only=True)
class Template:
    """One group of pulses, amplitude 1 for a pulse of 0 dB."""

    samples: Tensor  # complex64 (K,)
    lead: int  # samples before the group's start


def _law(pulse: Pulse, place: Tensor) -> Tensor:
    """Instantaneous frequency, Hz re the pulse's centre, at ``place`` -0.5 to 0.5 of its width."""
    if pulse.modulation == "triangle":
        return pulse.chirp * (0.5 - 2 * place.abs())
    if pulse.modulation == "tangent" and pulse.bend:
        return pulse.chirp * 0.5 * torch.tan(2 * pulse.bend * place) / math.tan(pulse.bend)
    if pulse.modulation == "taper":  # stationary phase: the time spent at f is the spectrum wanted at f
        freq = torch.linspace(-0.5, 0.5, _TAPER_TABLE, dtype=place.dtype, device=place.device)
        when = freq + pulse.bend * torch.sin(2 * math.pi * freq) / (2 * math.pi)
        right = torch.searchsorted(when, place.clamp(-0.5, 0.5)).clamp(1, _TAPER_TABLE - 1)
        share = (place - when[right - 1]) / (when[right] - when[right - 1])
        return pulse.chirp * (freq[right - 1] + share * (freq[right] - freq[right - 1]))
    return pulse.chirp * place


def _envelope(pulse: Pulse, time: Tensor) -> Tensor:
    """Amplitude at ``time`` s after the pulse's start; half at its start and stop."""
    depth = torch.minimum(time, pulse.width - time)  # s inside
    if not pulse.rise:
        return (depth >= 0).to(time.dtype)
    return 0.5 + 0.5 * torch.sin(math.pi * (depth / pulse.rise).clamp(-0.5, 0.5))


def _turn(cycles: Tensor) -> Tensor:
    """Unit phasors of a phase in cycles (float64); reduced first, so that single precision will do."""
    angle = ((cycles - torch.round(cycles)) * (2 * math.pi)).to(torch.float32)
    return torch.polar(torch.ones_like(angle), angle)


def _pulse(pulse: Pulse, time: Tensor, rate: float, center: float) -> Tensor:
    """One pulse at ``time`` (float64, s after the group's start), complex64; carrier phase 0 at time 0."""
    since = time - pulse.delay
    place = since / pulse.width - 0.5
    freq = _law(pulse, place.clamp(-0.5, 0.5))
    cycles = torch.cumsum(freq, 0) / rate + (center + pulse.offset) * time
    if pulse.modulation in CODES:
        phases = torch.from_numpy(code_phases(pulse.modulation, pulse.chips, pulse.code_index)).to(time.device)
        chip = ((place + 0.5) * pulse.chips).long().clamp(0, pulse.chips - 1)
        cycles = cycles + phases[chip] / (2 * math.pi)
    return _turn(cycles) * (_envelope(pulse, since) * 10 ** (pulse.gain_db / 20)).to(torch.float32)


def _filter(freqs: Tensor, rate: float) -> Tensor:
    """Gain of the band's filter: flat, then down along a cosine to 0 at half the rate."""
    outward = (freqs.abs() / rate - FLAT_SHARE) / (0.5 - FLAT_SHARE)
    return 0.5 + 0.5 * torch.cos(math.pi * outward.clamp(0.0, 1.0))


def make_template(train: PulseTrain, grid_rate: float, *, offset: float = 0.0, device: torch.device | str = "cpu") -> Template:
    """One group of the radar's pulses with its echoes, in the band of ``grid_rate``.

    Parameters
    ----------
    grid_rate : float
        Samples per second.
    offset : float
        The hop, Hz re the radar's centre.
    """
    center = train.center + offset
    if train.is_fmcw:
        return _sweep(train.pulses[0], grid_rate, center, device)
    last = max((echo.delay for echo in (*train.echoes, *train.tail)), default=0.0)
    count = 64 * math.ceil((2 * _LEAD + (train.group_length + last) * grid_rate) / 64)
    outermost = max(abs(center + p.offset) + abs(p.chirp) / 2 for p in train.pulses)
    factor = math.ceil(max(_FINE_RATE_HZ, 2.5 * outermost) / grid_rate)
    rate = grid_rate * factor
    time = (torch.arange(count * factor, dtype=torch.float64, device=device) - _LEAD * factor) / rate
    fine = torch.stack([_pulse(p, time, rate, center) for p in train.pulses]).sum(0)
    spectrum = torch.fft.fft(fine)
    half = count // 2
    spectrum = torch.cat([spectrum[:half], spectrum[-half:]]) / factor  # (count,)
    freqs = torch.fft.fftfreq(count, 1 / grid_rate, dtype=torch.float64, device=device)
    spectrum = spectrum * _filter(freqs, grid_rate).to(torch.float32)
    if train.echoes or train.tail:
        paths = (*train.echoes, *train.tail)
        gains = torch.tensor([[10 ** (e.gain_db / 20)] for e in paths], dtype=torch.float32, device=device)
        phases = torch.tensor([[e.phase / (2 * math.pi)] for e in paths], dtype=torch.float64, device=device)
        delays = torch.tensor([[e.delay] for e in paths], dtype=torch.float64, device=device)
        spectrum = spectrum * (1 + (gains * _turn(phases - delays * freqs)).sum(0))
    return Template(samples=torch.fft.ifft(spectrum), lead=_LEAD)


def _sweep(pulse: Pulse, grid_rate: float, center: float, device: torch.device | str) -> Template:
    """One FMCW sweep, filtered by its instantaneous frequency."""
    count = max(2, round(pulse.width * grid_rate))
    time = torch.arange(count, dtype=torch.float64, device=device) / grid_rate
    freq = _law(pulse, (time + 0.5 / grid_rate) / pulse.width - 0.5)  # between samples, so a sweep closes its phase
    gain = _filter(freq + center + pulse.offset, grid_rate) * 10 ** (pulse.gain_db / 20)
    cycles = torch.cumsum(freq, 0) / grid_rate + (center + pulse.offset) * time
    return Template(samples=_turn(cycles) * gain.to(torch.float32), lead=0)


def peak_bin_power(template: Template, grid_rate: float, places: np.ndarray) -> float:
    """Power of the strongest spectrogram bin over that of noise of unit variance per sample; 0 for silence.

    The spectrogram is that of the ``rfseg`` rule: a Hann window of ``grid_rate`` / 240 kHz samples, a segment
    every ``grid_rate`` / 512 kHz from sample 0 on.

    Parameters
    ----------
    places : int64 ``(M,)``
        Samples at which the group starts.
    """
    size, hop = max(8, round(grid_rate / BIN_WIDTH_HZ)), max(1, int(grid_rate / SEGMENT_RATE_HZ))
    samples = template.samples
    step = max(1, hop // _SHIFTS, samples.numel() // _MOST_WINDOWS)
    window = torch.hann_window(size, dtype=torch.float32, device=samples.device)
    padded = torch.nn.functional.pad(samples, (size, size + step))
    spectra = torch.fft.fft(padded.unfold(0, size, step) * window)  # (W, size), from `size` before the template on
    powers = torch.view_as_real(spectra).square().sum(-1).amax(1).cpu().numpy() / float(window.square().sum())
    phases = np.unique((places - template.lead - size) % hop)  # of the first window within the segments
    segments = -phases[:, None] % hop + np.arange(0, samples.numel() + size, hop)
    return float(np.interp(segments.ravel() / step, np.arange(powers.size), powers).max())


@functools.lru_cache(maxsize=256)
def _pulse_edges(pulse: Pulse) -> tuple[float, float]:
    """Lowest and highest frequency of a pulse within 20 dB of its strongest, Hz re the radar's centre."""
    if pulse.is_fmcw:
        return pulse.offset - abs(pulse.chirp) / 2, pulse.offset + abs(pulse.chirp) / 2
    rate = max(_FINE_RATE_HZ, 2.5 * abs(pulse.chirp))
    pad = max(1e-6, pulse.width / 4)
    time = (torch.arange(math.ceil((pulse.width + 2 * pad) * rate), dtype=torch.float64)) / rate - pad + pulse.delay
    spectrum = torch.fft.fftshift(torch.fft.fft(_pulse(pulse, time, rate, -pulse.offset)))
    power = torch.view_as_real(spectrum).square().sum(-1).numpy()
    step = rate / power.size
    smooth = max(1, round(BIN_WIDTH_HZ / step))  # a chirp's ripples
    power = np.convolve(power, np.ones(smooth) / smooth, mode="same")
    inside = np.flatnonzero(power >= power.max() * 10 ** (_EDGE_DB / 10))
    low, high = (float((i - power.size // 2) * step) for i in (inside[0] - 0.5, inside[-1] + 0.5))
    return pulse.offset + low, pulse.offset + high


def occupied_edges(train: PulseTrain) -> tuple[float, float]:
    """Lowest and highest frequency that the radar's pulses occupy at -20 dB, hops included, Hz re the band's centre."""
    edges = [_pulse_edges(pulse) for pulse in train.pulses]
    low = train.center + min(train.hops) + min(low for low, _ in edges)
    return low, train.center + max(train.hops) + max(high for _, high in edges)


def bandwidth(train: PulseTrain) -> float:
    """Width between the occupied edges, Hz."""
    low, high = occupied_edges(train)
    return high - low
