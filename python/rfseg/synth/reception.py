"""From what is in the air to the samples of a frame: the band is cut out, filtered, and noise added."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Geometry
from .receiver import Receiver, converter_noise, digitise, noise_slope, passband

__all__ = ["limit", "noise_floor", "receive", "resample"]

_GAIN_NODES = 4096  # of a receive filter over half of the band


def _white(count: int, generator: torch.Generator) -> Tensor:
    """Complex noise of unit variance, ``(count,)``."""
    return torch.view_as_complex(torch.randn(count, 2, generator=generator, device=generator.device) * 0.5**0.5)


def _crop(spectrum: Tensor, count: int) -> Tensor:
    """The central ``count`` bins of an unshifted spectrum, so that white density 1 stays 1."""
    total = spectrum.numel()
    if count == total:
        return spectrum
    low = count // 2
    return torch.cat([spectrum[: count - low], spectrum[total - low :]])


def resample(samples: Tensor, count: int) -> Tensor:
    """The same stretch of time in ``count`` samples; white density is kept."""
    if samples.numel() == count:
        return samples
    return torch.fft.ifft(_crop(torch.fft.fft(samples, norm="ortho"), count), norm="ortho")


def _spectral_gains(receiver: Receiver, samp_rate: float, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Amplitudes at the bins of an unshifted spectrum, float32 ``(count,)``: of signals, and of all noise together."""
    halves = []
    for low, high, size in ((0.0, 0.5, count - count // 2), (-0.5, 0.0, count // 2)):
        freqs = torch.linspace(low, high, _GAIN_NODES, dtype=torch.float64) * samp_rate
        gain, slope = passband(receiver, freqs, samp_rate), noise_slope(receiver, freqs, samp_rate)
        behind = 10 ** (receiver.floor_db / 10) if receiver.is_shaping else 0.0
        nodes = torch.stack([gain, ((gain * slope).square() + behind).sqrt()]).to(device)
        halves.append(F.interpolate(nodes[None], size=size, mode="nearest")[0])  # in steps too fine to see
    return tuple(torch.cat(halves, dim=1))


def receive(
    signal: Tensor,
    others: Tensor | None,
    receiver: Receiver,
    geometry: Geometry,
    count: int,
    *,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """A frame of samples, from what is in the air.

    Parameters
    ----------
    signal : complex64 ``(m,)``
        Over a whole number of milliseconds, at any rate not below that of the scene; noise has density 1.
    others : complex64 ``(count,)`` or None
        Unshifted spectrum, ``norm="ortho"``, of more signals.
    count : int
        Samples of those milliseconds at the scene's rate.

    Returns
    -------
    iq : complex64 ``(frame_samples + overhang,)``
        Full scale 1.
    power : float
        Mean power of all that reached the converter, noise = 1.
    """
    samp_rate = geometry.samp_rate
    is_plain = others is None and not receiver.is_shaping and not receiver.floor_slope_db
    if is_plain and signal.numel() == count:
        noisy = signal + _white(count, generator)
    else:
        spectrum = _crop(torch.fft.fft(signal, norm="ortho"), count)
        if others is not None:
            spectrum = spectrum + others
        gain, noise = _spectral_gains(receiver, samp_rate, count, spectrum.device)
        parts = torch.view_as_real(spectrum * gain if receiver.is_shaping else spectrum)
        parts = torch.addcmul(parts, torch.view_as_real(_white(count, generator)), noise[:, None])
        noisy = torch.fft.ifft(torch.view_as_complex(parts), norm="ortho")
    noisy = noisy[: geometry.frame_samples + geometry.overhang]
    power = float(torch.view_as_real(noisy).square().mean()) * 2
    return digitise(noisy, receiver, samp_rate=samp_rate, rng=rng, generator=generator), power


def noise_floor(receiver: Receiver, power: float, geometry: Geometry) -> np.ndarray:
    """Noise at each bin as an emitter in front of the receive filter sees it, ``(F,)``; ``power`` as from :func:`receive`."""
    freqs = torch.from_numpy((np.arange(geometry.bins) - geometry.bins // 2) * geometry.bin_width)
    behind = converter_noise(receiver, power)
    floor = noise_slope(receiver, freqs, geometry.samp_rate).numpy() ** 2
    if not receiver.is_shaping:
        return floor + behind
    behind += 10 ** (receiver.floor_db / 10)
    return floor + behind / passband(receiver, freqs, geometry.samp_rate).numpy() ** 2


def limit(samples: Tensor, receiver: Receiver, power: float) -> Tensor:
    """What an overloaded amplifier and converter leave of a pulse; ``power`` as from :func:`receive`."""
    room_db = min(
        receiver.backoff_db if receiver.bits is not None else math.inf,
        receiver.ibo_db if receiver.ibo_db is not None else math.inf,
    )
    highest = math.sqrt(power) * 10 ** (room_db / 20)
    amplitude = samples.abs()
    if highest == math.inf or float(amplitude.max()) <= highest:
        return samples
    return samples * (highest / amplitude.clamp(min=highest))
