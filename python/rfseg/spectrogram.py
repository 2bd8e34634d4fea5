"""The spectrogram in plain NumPy: the specification that the C++ kernel is tested against.

Power is in dBFS: 0 dBFS is what a complex exponential of amplitude 1 shows in its bin.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from .errors import GeometryError
from .geometry import Geometry, Reduction

__all__ = ["POWER_RANGE", "frame_rows", "periodic_hann", "segment_power"]

POWER_RANGE = (1e-20, 1e20)  # linear, full scale = 1; keeps every dB value within -200 to +200
_BATCH_SEGMENTS = 4096  # bounds the working memory of a long frame


def periodic_hann(size: int) -> np.ndarray:
    """Hann window that is periodic in ``size`` samples, float32 ``(size,)``."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def segment_power(iq: np.ndarray, starts: np.ndarray, fft_size: int) -> np.ndarray:
    """Power spectra of windowed segments.

    Parameters
    ----------
    iq : complex64 ``(n,)``
        Samples, full scale 1; ``n`` is at least ``fft_size``.
    starts : int ``(s,)``
        First sample of each segment.
    fft_size : int
        Length of the window and of the FFT, samples.

    Returns
    -------
    float32 ``(s, fft_size)``
        Power of each bin re full scale, lowest frequency first.
    """
    window = periodic_hann(fft_size)
    segments = np.lib.stride_tricks.sliding_window_view(iq, fft_size)[starts] * window  # (s, F)
    spectra = scipy.fft.fftshift(scipy.fft.fft(segments, axis=-1), axes=-1)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is clipped
        power = (spectra.real**2 + spectra.imag**2) / np.float32(window.sum(dtype=np.float64) ** 2)
    lowest, highest = POWER_RANGE
    return np.clip(np.where(np.isnan(power), highest, power), lowest, highest).astype(np.float32)


def frame_rows(iq: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, int]:
    """Rows of one frame.

    The frame's samples are the first ``geometry.frame_samples`` of ``iq``.  A segment starts every
    ``hop`` samples for as long as samples last.  Segments near the frame's end read on into
    the ``geometry.overhang`` samples after it; where the run of contiguous samples ends sooner, they
    are moved back to end on its last sample, so no segment is diluted with zeros.  A run
    shorter than one segment is padded with zeros.  Samples that are not finite count as 0.

    Parameters
    ----------
    iq : complex64 ``(n,)``
        Contiguous samples from the frame's first on, full scale 1.  Samples past
        ``frame_samples + overhang`` are ignored; fewer than ``frame_samples`` make a cut frame.
    geometry : Geometry

    Returns
    -------
    rows : float32 ``(C, T, F)``
        dBFS, one channel per reduction.  After the last valid row the valid ones come again, backwards,
        forwards and so on, so that a network sees more of the same.
    non_finite : int
        Samples of the frame (without its overhang) that were NaN or infinite.

    Raises
    ------
    GeometryError
        If ``iq`` is empty or not one-dimensional.
    """
    iq = np.asarray(iq, dtype=np.complex64)
    if iq.ndim != 1 or not iq.size:
        raise GeometryError(f"iq has shape {iq.shape}, expected (n,) with at least one sample")
    run = iq[: geometry.frame_samples + geometry.overhang]
    valid = min(run.size, geometry.frame_samples)
    finite = np.isfinite(run)
    non_finite = int(valid - np.count_nonzero(finite[:valid]))
    if not finite.all():
        run = np.where(finite, run, np.complex64(0))
    if run.size < geometry.fft_size:
        run = np.pad(run, (0, geometry.fft_size - run.size))

    starts = np.minimum(np.arange(0, valid, geometry.hop), run.size - geometry.fft_size)
    row_starts = np.arange(0, starts.size, geometry.segments_per_row)
    rows = np.empty((geometry.channels, geometry.rows, geometry.bins), np.float32)
    step = max(1, _BATCH_SEGMENTS // geometry.segments_per_row)
    for first in range(0, row_starts.size, step):
        begin = row_starts[first]
        end = min(starts.size, begin + step * geometry.segments_per_row)
        power = segment_power(run, starts[begin:end], geometry.fft_size)
        offsets = row_starts[first : first + step] - begin
        for channel, reduction in enumerate(geometry.reductions):
            rows[channel, first : first + offsets.size] = _reduce(power, offsets, reduction)
    turn = np.arange(row_starts.size, geometry.rows) % (2 * row_starts.size)
    rows[:, row_starts.size :] = rows[:, np.minimum(turn, 2 * row_starts.size - 1 - turn)]
    return rows, non_finite


def _reduce(power: np.ndarray, offsets: np.ndarray, reduction: Reduction) -> np.ndarray:
    """Reduce ``(s, F)`` linear power to rows that begin at ``offsets``, in dBFS."""
    if reduction is Reduction.FIRST:
        reduced = power[offsets]
    elif reduction is Reduction.MAX:
        reduced = np.maximum.reduceat(power, offsets, axis=0)
    else:
        counts = np.diff(offsets, append=power.shape[0])
        reduced = np.add.reduceat(power.astype(np.float64), offsets, axis=0) / counts[:, None]
    return (10.0 * np.log10(reduced)).astype(np.float32)
