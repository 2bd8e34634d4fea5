"""From the record of a radar to its samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...geometry import BIN_WIDTH_HZ
from .timing import schedule
from .train import PulseTrain
from .waveform import FLAT_SHARE, Template, make_template, peak_bin_power

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
    hops = [float(hop) for hop in np.unique(plan.offsets)]
    templates = [make_template(train, grid_rate, offset=hop, device=device) for hop in hops]
    amplitudes = 10 ** (plan.gains_db / 20)
    scale = math.sqrt(10 ** (train.snr_db / 10) / _unit_power(train, templates, hops, places, plan.offsets, grid_rate))
    for hop, template in zip(hops, templates, strict=True):
        chosen = plan.offsets == hop
        carrier = 2 * math.pi * ((train.center + hop) / grid_rate * places % 1.0)  # phase since time 0
        gains = (scale * amplitudes * np.exp(1j * (carrier + phase)))[chosen]
        _add(out, template.samples, places[chosen] - template.lead, gains)
    return out


def _unit_power(
    train: PulseTrain, templates: list[Template], hops: list[float], places: np.ndarray, offsets: np.ndarray, grid_rate: float
) -> float:
    """Power of the strongest bin of pulses of amplitude 1; of a radar beyond the band's edge, as if it were inside."""
    if any(abs(train.center + hop) <= FLAT_SHARE * grid_rate for hop in hops):
        found = zip(templates, hops, strict=True)
        return max(peak_bin_power(template, grid_rate, places[offsets == hop]) for template, hop in found)
    inside = train.center % BIN_WIDTH_HZ - train.center
    moved = make_template(train, grid_rate, offset=inside, device=templates[0].samples.device)
    return peak_bin_power(moved, grid_rate, places)


def _add(out: Tensor, template: Tensor, places: np.ndarray, gains: np.ndarray) -> None:
    """Add a template at each place, which may lie partly outside."""
    for place, gain in zip(places.tolist(), gains.tolist(), strict=True):
        first, last = max(0, place), min(out.numel(), place + template.numel())
        if first < last:
            out[first:last].add_(template[first - place : last - place], alpha=gain)
