"""Spectrogram rows in PyTorch, for many whole frames at once; :func:`rfseg.spectrogram.frame_rows` is the specification."""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry import Geometry, Reduction
from ..spectrogram import POWER_RANGE, periodic_hann

__all__ = ["scene_rows"]

_CHUNK_ELEMENTS = {"cpu": 40_000}  # what stays in a core's cache; a GPU takes everything at once
_REDUCE = {Reduction.MEAN: torch.mean, Reduction.MAX: torch.amax}


def scene_rows(iq: Tensor, geometry: Geometry, *, first_row: int = 0, rows: int | None = None) -> Tensor:
    """Linear power of each reduction.

    Parameters
    ----------
    iq : complex64 ``(..., frame_samples + overhang)``
        Whole frames with what their last segments read, full scale 1.
    geometry : Geometry
        Of reductions mean and max.
    first_row, rows : int
        Which rows are wanted, all of them by default.

    Returns
    -------
    float32 ``(..., C, rows, F)``
        Re full scale, clipped to :data:`rfseg.spectrogram.POWER_RANGE`, lowest frequency first.
    """
    count = geometry.rows - first_row if rows is None else rows
    per_row, bins = geometry.segments_per_row, geometry.bins
    window = torch.from_numpy(periodic_hann(bins)).to(iq.device)
    window = window / window.double().sum().float()
    segments = iq.unfold(-1, bins, geometry.hop)  # (..., segments, F), a view
    out = torch.empty((*iq.shape[:-1], geometry.channels, count, bins), device=iq.device)
    step = max(1, _CHUNK_ELEMENTS.get(iq.device.type, 1 << 62) // (per_row * bins))
    for begin in range(0, count, step):
        end = min(count, begin + step)
        part = segments[..., (first_row + begin) * per_row : (first_row + end) * per_row, :]
        spectra = torch.view_as_real(torch.fft.fft(part * window))
        power = torch.addcmul(spectra[..., 0] * spectra[..., 0], spectra[..., 1], spectra[..., 1])
        power = power.unflatten(-2, (end - begin, per_row))  # (..., step, per_row, F)
        for channel, reduction in enumerate(geometry.reductions):
            out[..., channel, begin:end, :] = _REDUCE[reduction](power, -2)
    return torch.fft.fftshift(out, dim=-1).clamp_(*POWER_RANGE)
