"""What a real receiver adds: noise, band-edge roll-off, DC spike, image, gain steps, coarse quantisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Receiver", "digitise", "draw_receiver", "passband"]


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Impairments; powers in dB as named."""

    flat_share: float  # of the band, before the roll-off begins
    rolloff_db: float  # at the band's edge; 0 for none
    ripple_db: float
    ripple_periods: float
    tilt_db: float  # edge to edge
    floor_db: float  # noise behind the filter, re the noise in front of it
    dc_db: float | None  # power of the spike re the noise in a bin
    image_db: float | None  # re the signal
    gain_step_db: float
    gain_step_place: float  # 0 to 1 of the frame
    bits: int | None  # None: no quantiser
    backoff_db: float  # RMS below full scale

    @property
    def is_shaping(self) -> bool:
        """Whether the passband is anything but flat."""
        return self.rolloff_db > 0 or self.ripple_db > 0 or self.tilt_db != 0


def draw_receiver(rng: np.random.Generator) -> Receiver:
    """A random receiver; four in ten have a flat passband."""
    shaped = rng.random() < 0.6
    rolls = shaped and rng.random() < 0.75
    return Receiver(
        flat_share=float(rng.uniform(0.7, 0.97)),
        rolloff_db=float(rng.uniform(2, 50)) if rolls else 0.0,
        ripple_db=float(rng.uniform(0, 1.0)) if shaped else 0.0,
        ripple_periods=float(rng.uniform(0.5, 8)),
        tilt_db=float(rng.normal(0, 1.5)) if shaped else 0.0,
        floor_db=float(rng.uniform(-40, -8)),
        dc_db=float(rng.uniform(-5, 30)) if rng.random() < 0.5 else None,
        image_db=float(rng.uniform(-60, -30)) if rng.random() < 0.35 else None,
        gain_step_db=float(rng.uniform(-8, 8)) if rng.random() < 0.04 else 0.0,
        gain_step_place=float(rng.random()),
        bits=(8, 12, 16, None)[int(rng.choice(4, p=[0.35, 0.25, 0.2, 0.2]))],
        backoff_db=float(rng.uniform(8, 25)),
    )


def passband(receiver: Receiver, freqs: Tensor, samp_rate: float) -> Tensor:
    """Amplitude of the receive filter at ``freqs`` (Hz), float32."""
    place = freqs / (samp_rate / 2)  # -1 to 1
    edge = ((place.abs() - receiver.flat_share) / (1 - receiver.flat_share)).clamp(min=0)
    db = -receiver.rolloff_db * edge**2
    db = db + receiver.ripple_db * torch.sin(math.pi * receiver.ripple_periods * place + 1.0)
    return (10 ** ((db + receiver.tilt_db / 2 * place) / 20)).float()


def digitise(iq: Tensor, receiver: Receiver, *, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """From the signal at the converter to samples with full scale 1.

    Parameters
    ----------
    iq : complex64 ``(n,)``
        Signal and noise, noise of about unit variance per sample.

    Returns
    -------
    complex64 ``(n,)``
    """
    count = iq.numel()
    if receiver.dc_db is not None:
        drift = 1 + 0.2 * torch.sin(torch.linspace(0, float(rng.uniform(0, 6)), count))
        window_gain = 128.0 / 1.5  # coherent over incoherent gain of a Hann window of 256
        iq = iq + drift * math.sqrt(10 ** (receiver.dc_db / 10) / window_gain)
    if receiver.image_db is not None:
        turn = complex(np.exp(2j * np.pi * rng.random()))
        iq = iq + iq.conj() * (10 ** (receiver.image_db / 20) * turn)
    if receiver.gain_step_db:
        step = int(receiver.gain_step_place * count)
        iq = iq.clone()
        iq[step:] *= 10 ** (receiver.gain_step_db / 20)
    parts = torch.view_as_real(iq)
    rms = float(parts[:: max(1, count // 200_000)].square().mean().sqrt()) * math.sqrt(2)
    parts = parts * (10 ** (-receiver.backoff_db / 20) / max(rms, 1e-12))
    if receiver.bits is not None:
        scale = 2.0 ** (receiver.bits - 1)
        parts = (parts * scale).round().clamp(-scale, scale - 1) / scale
    return torch.view_as_complex(parts.contiguous())
