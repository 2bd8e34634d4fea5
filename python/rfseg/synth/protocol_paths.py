"""How signals reach the receiver of the published radar set: over random scatterers, and over nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .protocol_carriers import SAMP_RATE

__all__ = ["Paths", "draw_paths", "propagate"]

_C = 299792458.0  # m/s
_WAVELENGTH = _C / 2.8e9  # m
_RADAR_POSITION = np.array([0.0, 0.0, 15.0])  # m
_CARRIER_POSITION = np.array([200.0, 0.0, 450.0])  # m
_MOST_SCATTERERS = 30
_BOX = np.array([[-1000.0, -1000.0, 0.0], [1000.0, 1000.0, 1000.0]])  # m, that the scatterers lie in
_MOST_DELAY = 20e-6  # s; what comes later is not modelled
# The radar's dish, 2.5 m across at 2.8 GHz, looks along +x: peak gain, width at half power, and level beside the beam
_BEAM_DBI, _BEAM_DEG, _SIDE_DBI = 34.7, 3.0, -5.0


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Paths from one sender.

    Parameters
    ----------
    delay_samples : int64 ``(P,)``
        At 61.44 MS/s.
    gain : complex128 ``(P,)``
        Amplitude, antennas included.
    shift : float64 ``(P,)``
        Doppler shift, Hz.
    """

    delay_samples: np.ndarray
    gain: np.ndarray
    shift: np.ndarray


def draw_paths(doppler_hz: float, *, has_direct: bool, rng: np.random.Generator) -> tuple[Paths, Paths]:
    """Paths of the radar and of the carriers to one receiver.

    The receiver's place is normal with 2 km deviation where it should have been uniform, so it is often so far away that
    all paths are too long; such places are drawn again.
    """
    while True:
        receiver = np.append(2000.0 * rng.standard_normal(2) - 1000.0, rng.uniform(0.0, 2000.0))
        radar = _paths(_RADAR_POSITION, receiver, doppler_hz, rng, has_direct=has_direct, is_radar=True)
        carriers = _paths(_CARRIER_POSITION, receiver, doppler_hz, rng, has_direct=has_direct, is_radar=False)
        if radar.gain.size and carriers.gain.size:
            return radar, carriers


def _paths(
    sender: np.ndarray, receiver: np.ndarray, doppler_hz: float, rng: np.random.Generator, *, has_direct: bool, is_radar: bool
) -> Paths:
    """Paths from one sender, those that are too long left out."""
    count = int(rng.integers(1, _MOST_SCATTERERS + 1))
    scatterers = rng.uniform(*_BOX, size=(count, 3))
    gain = rng.uniform(-2.0, 2.0, size=(count, 2)) @ np.array([1, 1j])
    if has_direct:  # a scatterer that changes nothing, at the sender itself
        scatterers, gain = np.vstack([sender, scatterers]), np.append(1.0, gain)
    out, back = scatterers - sender, receiver - scatterers
    towards = np.where(np.linalg.norm(out, axis=1, keepdims=True) > 0, out, back)
    length = np.linalg.norm(out, axis=1) + np.linalg.norm(back, axis=1)
    gain = gain * _WAVELENGTH / (4 * math.pi * length) * np.exp(-2j * math.pi * length / _WAVELENGTH)
    if is_radar:
        gain = gain * 10 ** (_dish_gain_dbi(towards) / 20)
    speed = doppler_hz * _WAVELENGTH / 2  # the formula for echoes, so the shift is half of what was meant
    shift = speed * -back[:, 0] / np.linalg.norm(back, axis=1) / _WAVELENGTH  # the receiver moves along x
    kept = length / _C <= _MOST_DELAY
    return Paths(delay_samples=np.round(length[kept] / _C * SAMP_RATE).astype(np.int64), gain=gain[kept], shift=shift[kept])


def _dish_gain_dbi(towards: np.ndarray) -> np.ndarray:
    """Antenna gain in some directions ``(P, 3)``."""
    angle = np.degrees(np.arccos(np.clip(towards[:, 0] / np.linalg.norm(towards, axis=1), -1.0, 1.0)))
    return np.maximum(_BEAM_DBI - 12.0 * (angle / _BEAM_DEG) ** 2, _SIDE_DBI)


def propagate(sent: Tensor, paths: Paths) -> Tensor:
    """What arrives of some samples at 61.44 MS/s, complex64 of the same length; before the first is silence."""
    received = torch.zeros_like(sent)
    time = torch.arange(sent.numel(), dtype=torch.float32, device=sent.device) / SAMP_RATE
    for delay, gain, shift in zip(paths.delay_samples.tolist(), paths.gain.tolist(), paths.shift.tolist(), strict=True):
        part = sent[: sent.numel() - delay] * gain
        if shift:
            angle = time[delay:] * (2 * math.pi * shift)
            part = part * torch.polar(torch.ones_like(angle), angle)
        received[delay:] += part
    return received
