"""From the record of a radar to its samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...geometry import BIN_WIDTH_HZ
from .timing import schedule
from .train import PulseTrain
from .waveform import FLAT_SHARE, make_template, peak_bin_power

__all__ = ["radar_samples"]


def radar_samples(
    train: PulseTrain, samples: int, grid_rate: float, *, rng: np.random.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """The radar's samples, complex64 ``(samples,)``, scaled for noise of unit variance per sample.

    Parameters
    ----------
    samples : int
        Samples to make; the first is at time 0 of the record.
    grid_rate : float
        Samples per second.
    rng : numpy Generator
        Draws what is not recorded because nothing shows it: the phase, of each pulse if not coherent.
    device : torch device
        Where the samples are made.

    Notes
    -----
    What the radar sends beyond half the rate is filtered away, not folded back.  ``snr_db`` is that of the pulse
    that falls best into a segment of the spectrogram, as if the beam peaked then and the scene did not end
    within it; pulses much shorter than a segment lose up to 5.2 dB half-way between two.
    """
    out = torch.zeros(samples, dtype=torch.complex64, device=device)
    paths = (*train.echoes, *train.tail)
    plan = schedule(train, samples / grid_rate, reach=max((path.delay for path in paths), default=0.0))
    if not plan.starts.size:
        return out
    places = np.round(plan.starts * grid_rate).astype(np.int64)  # sample at which each group starts
    phase = rng.uniform(0, 2 * math.pi, 1 if train.coherent else places.size)
    amplitudes = 10 ** (plan.gains_db / 20)
    hops = [float(hop) for hop in np.unique(plan.offsets)]
    templates = [make_template(train, grid_rate, offset=hop, device=device) for hop in hops]
    if not any(abs(train.center + hop) <= FLAT_SHARE * grid_rate for hop in hops):  # outside: measured as if inside
        inside = train.center % BIN_WIDTH_HZ - train.center
        unit = peak_bin_power(make_template(train, grid_rate, offset=inside, device=device), grid_rate, places)
    else:
        groups = [places[plan.offsets == hop] for hop in hops]
        unit = max(peak_bin_power(t, grid_rate, where) for t, where in zip(templates, groups, strict=True))
    scale = math.sqrt(10 ** (train.snr_db / 10) / unit)
    for hop, template in zip(hops, templates, strict=True):
        chosen = plan.offsets == hop
        carrier = 2 * math.pi * ((train.center + hop) / grid_rate * places % 1.0)  # phase since time 0
        gains = (scale * amplitudes * np.exp(1j * (carrier + phase)))[chosen]
        _add(out, template.samples, places[chosen] - template.lead, gains)
    return out


def _add(out: Tensor, template: Tensor, places: np.ndarray, gains: np.ndarray) -> None:
    """Add a template at each place, which may lie partly outside."""
    for place, gain in zip(places.tolist(), gains.tolist(), strict=True):
        first, last = max(0, place), min(out.numel(), place + template.numel())
        if first < last:
            out[first:last].add_(template[first - place : last - place], alpha=gain)
