"""The front end of the published data sets: samples to the coloured pictures that the networks were fed.

Segments of 256 samples under a symmetric Hann window, 10 samples shared by neighbours, an FFT of 4096
points, power spectral density in dB over a floor of ``eps``, the frame's minimum to maximum as 0 to 255,
the nearest segment and bin for each pixel, MATLAB's ``parula``.  Pictures here have **the newest row first**,
as the published files have; :func:`flip_time` converts from and to the library's axis law.

Of 9990 x 4096 values in a 40 ms frame the resize keeps 256 x 256, but the minimum and maximum see all of
them.  :class:`Extremes` says how they are found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from .errors import GeometryError
from .published_colours import to_parula
from .published_geometry import FFT_SIZE, OVERLAP, WINDOW_SIZE, Extremes, PictureGeometry

__all__ = [
    "FFT_SIZE",
    "HOP",
    "OVERLAP",
    "WINDOW_SIZE",
    "Extremes",
    "Levels",
    "PublishedFrontEnd",
    "flip_time",
    "nearest",
    "picture_rows",
]

HOP = WINDOW_SIZE - OVERLAP
_PHASES = FFT_SIZE // WINDOW_SIZE  # interleaved FFTs of the window's length that make up the padded one
_DC = FFT_SIZE // 2 - 1  # index of 0 Hz: MATLAB's "centered" spectra reach from just above -fs/2 to +fs/2
_EPS = np.finfo(np.float64).eps
_CHUNK = 128  # segments at a time: their spectra stay in the cache
_HANN_NOISE_BANDWIDTH = 1.5  # bins
_TAIL = 64  # lowest values that the law of the minimum is fitted to


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Power spectral densities that survive the resize, and the scale of the whole frame.

    Parameters
    ----------
    power_db : float32 ``(size, size)``
        dB re 1/Hz, **earliest row first**, lowest frequency first.
    low_db, high_db : float
        What becomes 0 and 255.
    """

    power_db: np.ndarray
    low_db: float
    high_db: float

    def to_index(self) -> np.ndarray:
        """Levels 0 to 255, uint8 ``(size, size)``; a frame of one value is all 0."""
        span = self.high_db - self.low_db
        if span <= 0:
            return np.zeros(self.power_db.shape, np.uint8)
        share = (self.power_db.astype(np.float64) - self.low_db) / span
        return np.floor(255.0 * np.clip(share, 0.0, 1.0) + 0.5).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class PublishedFrontEnd:
    """What turns the samples of one frame into a picture.

    Parameters
    ----------
    size : int
        Pixels a side: 256, or 128 for D2SNet and RPNet.
    samp_rate : float
        Hz; only the scale of the density, and with it the floor, depends on it.
    extremes : Extremes
        ``ALL`` is the published one.  The others are many times faster; `docs/protocols.md` has their
        agreement.

    Raises
    ------
    GeometryError
        If a value is out of its range.
    """

    size: int = 256
    samp_rate: float = 61.44e6
    extremes: Extremes = Extremes.ALL

    def __post_init__(self) -> None:
        if not 1 <= self.size <= FFT_SIZE:
            raise GeometryError(f"size={self.size!r} pixels is outside 1 to {FFT_SIZE}; the published pictures have 256 or 128")
        if not (math.isfinite(self.samp_rate) and self.samp_rate > 0):
            raise GeometryError(f"samp_rate={self.samp_rate!r} is not a rate; give complex samples per second, above 0")
        object.__setattr__(self, "extremes", Extremes(self.extremes))

    @property
    def bin_freqs(self) -> np.ndarray:
        """Centre frequency of each column, Hz re the band's centre, float64 ``(size,)``.

        Examples
        --------
        >>> PublishedFrontEnd().bin_freqs[[0, 127, 128]].tolist()
        [-30585000.0, -105000.0, 135000.0]
        """
        return (nearest(FFT_SIZE, self.size) - _DC) * (self.samp_rate / FFT_SIZE)

    @staticmethod
    def segment_count(sample_count: int) -> int:
        """Whole segments in so many samples.

        Raises
        ------
        GeometryError
            If there is none.
        """
        if sample_count < WINDOW_SIZE:
            raise GeometryError(f"a frame of {sample_count} samples holds no segment; give at least {WINDOW_SIZE} samples")
        return (sample_count - OVERLAP) // HOP

    def segments(self, sample_count: int) -> np.ndarray:
        """Segment that each row shows, earliest first, int64 ``(size,)``."""
        return nearest(self.segment_count(sample_count), self.size)

    def levels(self, samples: np.ndarray) -> Levels:
        """Densities and scale of one frame.

        Parameters
        ----------
        samples : complex64 ``(S,)``

        Raises
        ------
        GeometryError
            If the samples are no vector, fewer than a segment, or not finite.
        """
        samples = np.asarray(samples)
        if samples.ndim != 1:
            raise GeometryError(f"samples have shape {samples.shape}, expected one frame (S,)")
        count = self.segment_count(samples.size)
        samples = samples.astype(np.complex64, copy=False)
        cut = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SIZE)[::HOP][:count]  # (segments, 256), no copy
        rows, bins = self.segments(samples.size), nearest(FFT_SIZE, self.size) - _DC
        kept = self._kept(cut, rows, bins)
        if self.extremes is Extremes.ALL:
            low, high = _extremes(cut, tuple(range(_PHASES)))
            low = min(low, float(kept.min()))
        elif self.extremes is Extremes.SEGMENTS:
            low, high = _extrapolated(cut, count * FFT_SIZE)
        else:
            low, high = _tail_minimum(kept, kept.size / (count * FFT_SIZE)), float(kept.max())
        if not (math.isfinite(high) and np.isfinite(kept).all()):
            raise GeometryError("samples hold values that are not finite; remove them")
        scale = self.samp_rate * float(np.square(_window()).sum())
        return Levels(
            power_db=_decibels(kept / scale).astype(np.float32),
            low_db=float(_decibels(np.float64(low / scale))),
            high_db=float(_decibels(np.float64(high / scale))),
        )

    def index(self, samples: np.ndarray) -> np.ndarray:
        """Picture before colouring, uint8 ``(size, size)``, newest row first."""
        return flip_time(self.levels(samples).to_index())

    def image(self, samples: np.ndarray) -> np.ndarray:
        """Picture, uint8 ``(size, size, 3)``, newest row first."""
        return to_parula(self.index(samples))

    @staticmethod
    def _kept(cut: np.ndarray, rows: np.ndarray, bins: np.ndarray) -> np.ndarray:
        """Squared magnitude of some segments at some bins, float64 ``(rows, bins)``."""
        unique, places = np.unique(rows, return_inverse=True)
        spectrum = (cut[unique] * _window()) @ _dft(tuple((bins % FFT_SIZE).tolist()))
        return (np.square(spectrum.real, dtype=np.float64) + np.square(spectrum.imag, dtype=np.float64))[places]


def picture_rows(
    samples: np.ndarray, geometry: PictureGeometry, *, extremes: Extremes = Extremes.ALL
) -> tuple[np.ndarray, np.ndarray, int]:
    """What a published model is given of one frame.

    A frame that was cut short is filled up with its own samples, again and again: silence in it would become the frame's
    minimum and change the scale of all that was received.  Samples that are not finite count as 0.

    Parameters
    ----------
    samples : complex64 ``(n,)``
        Of one frame; past ``geometry.frame_samples`` they are ignored.

    Returns
    -------
    rows : float32 ``(1, T, F)``
        dBFS; bins are scaled so that the power of what covers many of them adds up as in the family ``rfseg``.
    limits : float32 ``(2,)``
        dBFS that become 0 and 255.
    non_finite : int
        Samples that were NaN or infinite.

    Raises
    ------
    GeometryError
        If there are no samples, or they are no vector.
    """
    samples = np.asarray(samples, np.complex64)[: geometry.frame_samples]
    if samples.ndim != 1 or not samples.size:
        raise GeometryError(f"samples have shape {samples.shape}, expected (n,) with at least one sample")
    finite = np.isfinite(samples)
    whole = np.resize(np.where(finite, samples, np.complex64(0)), geometry.frame_samples)
    front_end = PublishedFrontEnd(size=geometry.rows, samp_rate=geometry.samp_rate, extremes=extremes)
    levels = front_end.levels(whole)
    # From density to what a tone shows in a bin, whose noise bandwidth is one and a half bins of the window's length
    to_dbfs = 10.0 * math.log10(_HANN_NOISE_BANDWIDTH * geometry.bin_width)
    limits = np.array([levels.low_db, levels.high_db]) + to_dbfs
    return levels.power_db[None] + np.float32(to_dbfs), limits.astype(np.float32), int(np.count_nonzero(~finite))


def nearest(available: int, wanted: int) -> np.ndarray:
    """Which of ``available`` things each of ``wanted`` pixels shows, int64 ``(wanted,)``.

    MATLAB's rule: the one at the pixel's centre; at a tie, the later.

    Examples
    --------
    >>> nearest(4096, 256)[:3].tolist(), nearest(3, 6).tolist()
    ([8, 24, 40], [0, 0, 1, 1, 2, 2])
    """
    return (2 * np.arange(wanted, dtype=np.int64) + 1) * available // (2 * wanted)


def flip_time(array: np.ndarray) -> np.ndarray:
    """Published pictures and labels ``(T, F)`` or ``(T, F, 3)``, newest row first, to earliest first, or back."""
    return np.ascontiguousarray(array[::-1])


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Symmetric Hann window, float32 ``(256,)``."""
    n = np.arange(WINDOW_SIZE)
    return (0.5 - 0.5 * np.cos(2 * np.pi * n / (WINDOW_SIZE - 1))).astype(np.float32)


@lru_cache(maxsize=4)
def _dft(bins: tuple[int, ...]) -> np.ndarray:
    """Fourier matrix of the padded FFT's bins, complex64 ``(256, bins)``."""
    turns = np.outer(np.arange(WINDOW_SIZE), bins) % FFT_SIZE
    return np.exp(-2j * np.pi * turns / FFT_SIZE).astype(np.complex64)


@lru_cache(maxsize=_PHASES)
def _turned_window(phase: int) -> np.ndarray:
    """Window that shifts the spectrum by ``phase`` bins of the padded FFT, complex64 ``(256,)``."""
    return (_window() * np.exp(-2j * np.pi * phase * np.arange(WINDOW_SIZE) / FFT_SIZE)).astype(np.complex64)


def _decibels(density: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(density + _EPS)


def _spectra(cut: np.ndarray, phase: int) -> np.ndarray:
    """Squared magnitudes at every 16th bin of the padded FFT from ``phase`` on, float32 ``(segments, 256)``."""
    parts = fft.fft(cut * _turned_window(phase), axis=1, overwrite_x=True).view(np.float32)  # real, imaginary, real ...
    parts *= parts
    return parts[:, 0::2] + parts[:, 1::2]


def _extremes(cut: np.ndarray, phases: tuple[int, ...]) -> tuple[float, float]:
    """Smallest and largest squared magnitude of all segments at the bins of some phases."""
    low, high = np.inf, 0.0
    for begin in range(0, len(cut), _CHUNK):
        chunk = np.ascontiguousarray(cut[begin : begin + _CHUNK])
        for phase in phases:
            power = _spectra(chunk, phase)
            low, high = min(low, float(power.min())), float(np.maximum(high, power.max()))  # keeps a NaN
    return low, high


def _extrapolated(cut: np.ndarray, values: int) -> tuple[float, float]:
    """Extremes of ``values`` values, from one bin in sixteen of all segments."""
    lowest: list[np.ndarray] = []
    high, seen = 0.0, 0
    for begin in range(0, len(cut), _CHUNK):
        power = _spectra(np.ascontiguousarray(cut[begin : begin + _CHUNK]), _PHASES // 2 + 1).ravel()
        high, seen = float(np.maximum(high, power.max())), seen + power.size
        lowest.append(np.partition(power, _TAIL)[:_TAIL] if power.size > _TAIL else power)
    return _tail_minimum(np.concatenate(lowest), seen / values), high


def _tail_minimum(power: np.ndarray, share: float) -> float:
    """Median of the minimum of all values, from the lowest of a ``share`` of them.

    Noise has exponential powers: so many of them lie below a low value ``x`` as is proportional to ``x``,
    whatever the levels in the frame are, so the median of the minimum of all is
    ``ln 2 * share * x_k / k`` with the ``k``-th lowest value ``x_k`` that is seen.
    """
    k = min(_TAIL, power.size)
    return math.log(2.0) * share * float(np.partition(power.ravel(), k - 1)[k - 1]) / k
