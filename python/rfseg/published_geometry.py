"""The family ``published``: which samples and frequencies a pixel of a published picture stands for.

A picture shows ``size`` segments of a frame and ``size`` of 4096 bins.  Here a frame is cut into rows of equal length, each of
which shows the one segment that lies nearest to its middle; :mod:`rfseg.published` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .errors import ContractError, GeometryError
from .geometry import Geometry, Reduction

__all__ = [
    "FFT_SIZE",
    "OVERLAP",
    "PICTURE_SIZES",
    "WINDOW_SIZE",
    "Extremes",
    "PictureGeometry",
    "PictureRule",
    "make_picture_geometry",
]

WINDOW_SIZE = 256  # samples
OVERLAP = 10  # samples that neighbouring segments share
FFT_SIZE = 4096  # points, zero-padded
PICTURE_SIZES = tuple(1 << n for n in range(4, 13))  # rows and bins; published are 256 and 128
NORMALISATIONS = ("none", "imagenet")


class Extremes(str, Enum):
    """What the frame's minimum and maximum are taken from."""

    ALL = "all"  # every segment and every bin, as published
    SEGMENTS = "segments"  # every segment, the bins that survive; the minimum extrapolated
    SURVIVING = "surviving"  # the segments and bins that survive; the minimum extrapolated


@dataclass(frozen=True, kw_only=True)
class PictureRule:
    """The part of a contract that only models of the family ``published`` have.

    Parameters
    ----------
    window_size, overlap, fft_size : int
        Of the published front end: 256, 10 and 4096.
    extremes : Extremes
        What 0 and 255 are taken from; ``all`` is the published one.
    normalisation : str
        Of the colours, inside the graph: ``none`` or ``imagenet``.
    class_order : tuple of str
        Labels by output of the network; inside the graph they become ids in the contract's order.
    limits_name : str
        Name of the graph's second input: dB that become 0 and 255, float32 ``(N, 2)``.

    Raises
    ------
    ContractError
        If a value is not one that this version computes.
    """

    window_size: int = WINDOW_SIZE
    overlap: int = OVERLAP
    fft_size: int = FFT_SIZE
    extremes: Extremes = Extremes.ALL
    normalisation: str = "none"
    class_order: tuple[str, ...] = ()
    limits_name: str = "limits"

    def __post_init__(self) -> None:
        for name, expected in (("window_size", WINDOW_SIZE), ("overlap", OVERLAP), ("fft_size", FFT_SIZE)):
            if getattr(self, name) != expected:
                raise ContractError(f"{name}={getattr(self, name)!r} is not published, expected {expected}")
        modes = [mode.value for mode in Extremes]
        for name, known in (("extremes", modes), ("normalisation", NORMALISATIONS)):
            if getattr(self, name) not in known:
                raise ContractError(f"{name}={getattr(self, name)!r} is unknown, expected one of {', '.join(known)}")
        object.__setattr__(self, "extremes", Extremes(self.extremes))
        object.__setattr__(self, "class_order", tuple(self.class_order))


@dataclass(frozen=True, kw_only=True)
class PictureGeometry(Geometry):
    """A geometry whose rows show one segment each, and whose bins lie where the published ones do.

    ``fft_size`` is the number of bins that survive, ``hop`` and ``segments_per_row`` are not used.

    Parameters
    ----------
    row_span : int
        Samples that a row stands for.
    """

    row_span: int

    @property
    def window_size(self) -> int:
        """Samples that the window of a segment covers."""
        return WINDOW_SIZE

    @property
    def row_samples(self) -> int:
        """Samples that a row stands for."""
        return self.row_span

    @property
    def overhang(self) -> int:
        """None: segments end with the frame."""
        return 0

    @property
    def _first_freq(self) -> float:
        """Centre of the first bin, Hz: MATLAB's centred spectrum begins a fine bin above half the rate."""
        return (FFT_SIZE // (2 * self.bins) - (FFT_SIZE // 2 - 1)) * self.samp_rate / FFT_SIZE

    def edge_freq(self, edge: float) -> float:
        """Baseband frequency, Hz, of a bin *edge*: 0 is the lower edge of bin 0."""
        return self._first_freq + (edge - 0.5) * self.bin_width

    def freq_edge(self, freq: float) -> float:
        """Inverse of :meth:`edge_freq`."""
        return (freq - self._first_freq) / self.bin_width + 0.5


def make_picture_geometry(size: int, samp_rate: float, *, frame_duration: float) -> PictureGeometry:
    """Geometry of pictures of ``size`` rows and bins.

    Parameters
    ----------
    size : int
        One of ``PICTURE_SIZES``.
    samp_rate : float
        Hz.
    frame_duration : float
        Wanted duration of a frame, s; the actual one is that of ``size`` rows of whole samples.

    Raises
    ------
    GeometryError
        If the size is another one, or the frame holds no segment.

    Examples
    --------
    >>> g = make_picture_geometry(256, 61.44e6, frame_duration=40e-3)
    >>> g.frame_samples, g.row_samples, g.edge_freq(0), g.edge_freq(128)
    (2457600, 9600, -30705000.0, 15000.0)
    """
    if size not in PICTURE_SIZES:
        raise GeometryError(f"size={size!r} is no size of a picture; give one of {', '.join(map(str, PICTURE_SIZES))}")
    row_span = round(frame_duration * samp_rate / size)
    if size * row_span < WINDOW_SIZE:
        raise GeometryError(
            f"frame_duration={frame_duration:g} s holds no segment of {WINDOW_SIZE} samples at {samp_rate:g} Hz; choose a longer one"
        )
    return PictureGeometry(
        samp_rate=float(samp_rate),
        fft_size=size,
        hop=size,
        segments_per_row=1,
        rows=size,
        reductions=(Reduction.FIRST,),
        row_span=row_span,
    )
