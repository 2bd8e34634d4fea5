"""How samples become rows and rows become frames: one rule, written once.

Axis law
--------
Arrays are ``(..., T, F)``: earliest row first, lowest frequency first, DC at ``F // 2``.
Network tensors are ``(N, C, T, F)``, one channel per row reduction.  Other orders are converted
at the border of the program and nowhere else.

The rule of the ``rfseg`` family
--------------------------------
::

    bins              = 8 * floor(samp_rate / 1.92e6 + 0.5)
    hop               = floor(samp_rate / 512e3)
    segments_per_row  = max(1, floor(frame_duration * samp_rate / (256 * hop)))
    frame             = 256 * segments_per_row * hop samples

so a bin is 240 kHz wide at multiples of 1.92 MS/s and 226 to 255 kHz at any other rate from 15.36 to
122.88 MS/s, and successive segments overlap by half: a 1 us pulse always falls whole into some segment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from .errors import GeometryError

__all__ = [
    "BIN_WIDTH_HZ",
    "DEFAULT_FRAME_DURATION",
    "FRAME_DURATION_RANGE",
    "ROWS",
    "SAMP_RATE_RANGE",
    "Frame",
    "Geometry",
    "Reduction",
    "RxTime",
    "make_geometry",
]

ROWS = 256  # rows in a frame, the height of every network's input
BIN_WIDTH_HZ = 240e3  # nominal bin width, Hz; 61.44 MS/s / 256
SEGMENT_RATE_HZ = 512e3  # nominal segments per second; 61.44 MS/s / 120
BIN_GROUP = 8  # the bin count is a multiple of this
SAMP_RATE_RANGE = (15.36e6, 122.88e6)  # Hz; the rates the rule was made for
FRAME_DURATION_RANGE = (1e-3, 40e-3)  # s
DEFAULT_FRAME_DURATION = 20e-3  # s


class Reduction(str, Enum):
    """How the segments of a row become one row."""

    MEAN = "mean"  # of the powers
    MAX = "max"  # keeps a 1 us pulse that a mean buries
    FIRST = "first"  # the first segment alone, as a plain spectrogram has it


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The shape of a spectrogram, from the sample rate down to the frame.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    fft_size : int
        Length of the window and of the FFT, samples; also the number of bins.
    hop : int
        Samples between the starts of two successive segments.
    segments_per_row : int
        Segments reduced into one row.
    rows : int
        Rows in a frame.
    reductions : tuple of Reduction
        One output channel each, in this order.

    Raises
    ------
    GeometryError
        If a size is not a positive integer, the FFT size is odd, the hop exceeds the FFT size
        (samples would be skipped), or the rate is not a positive finite number.
    """

    samp_rate: float
    fft_size: int
    hop: int
    segments_per_row: int
    rows: int = ROWS
    reductions: tuple[Reduction, ...] = (Reduction.MEAN, Reduction.MAX)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.samp_rate) and self.samp_rate > 0):
            raise GeometryError(
                f"samp_rate={self.samp_rate!r} is not a rate; give complex samples per second, above 0"
            )
        for name in ("fft_size", "hop", "segments_per_row", "rows"):
            value = getattr(self, name)
            if int(value) != value or value < 1:
                raise GeometryError(f"{name}={value!r} must be an integer of at least 1")
        if self.fft_size % 2:
            raise GeometryError(f"fft_size={self.fft_size} is odd; DC needs an even number of bins")
        if self.hop > self.fft_size:
            raise GeometryError(
                f"hop={self.hop} exceeds fft_size={self.fft_size}: samples between segments would be"
                " skipped; choose a hop of at most fft_size"
            )
        if not self.reductions:
            raise GeometryError("reductions is empty; name at least one of mean, max, first")
        object.__setattr__(self, "reductions", tuple(Reduction(r) for r in self.reductions))

    @property
    def bins(self) -> int:
        """Frequency bins in a row, DC at ``bins // 2``."""
        return self.fft_size

    @property
    def window_size(self) -> int:
        """Samples that the window of a segment covers."""
        return self.fft_size

    @property
    def channels(self) -> int:
        """Reductions kept for each row."""
        return len(self.reductions)

    @property
    def row_size(self) -> int:
        """Values in one row of all channels, as a stream carries it."""
        return self.channels * self.bins

    @property
    def row_samples(self) -> int:
        """Samples that a row covers."""
        return self.segments_per_row * self.hop

    @property
    def frame_samples(self) -> int:
        """Samples that a frame covers."""
        return self.rows * self.row_samples

    @property
    def overhang(self) -> int:
        """Samples past the end of a frame that its last segment reads, where they exist."""
        return self.fft_size - self.hop

    @property
    def row_duration(self) -> float:
        """Seconds that a row covers."""
        return self.row_samples / self.samp_rate

    @property
    def frame_duration(self) -> float:
        """Seconds that a frame covers: what the rule made of the duration asked for."""
        return self.frame_samples / self.samp_rate

    @property
    def bin_width(self) -> float:
        """Hz from one bin centre to the next."""
        return self.samp_rate / self.fft_size

    def at_rate(self, samp_rate: float) -> Geometry:
        """The same rows of samples at another rate, as a stream has them after its rate has changed, Hz."""
        return self if samp_rate == self.samp_rate else replace(self, samp_rate=samp_rate)

    def edge_freq(self, edge: float) -> float:
        """Baseband frequency, Hz, of a bin *edge*: 0 is the lower edge of bin 0, DC is ``bins/2 + 0.5``."""
        return (edge - 0.5 - self.bins // 2) * self.bin_width

    def freq_edge(self, freq: float) -> float:
        """Inverse of :meth:`edge_freq`: the fractional bin edge of a baseband frequency in Hz."""
        return freq / self.bin_width + self.bins // 2 + 0.5

    def valid_rows(self, valid_samples: int) -> int:
        """Rows that hold any of the first ``valid_samples`` samples of a frame."""
        return min(self.rows, -(-valid_samples // self.row_samples))


def make_geometry(samp_rate: float, *, frame_duration: float = DEFAULT_FRAME_DURATION) -> Geometry:
    """Apply the rule of the ``rfseg`` family (see the module's head).

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, 15.36e6 to 122.88e6 Hz.
    frame_duration : float
        Wanted duration of a frame, 1e-3 to 40e-3 s.  The actual one is ``geometry.frame_duration``.

    Raises
    ------
    GeometryError
        If the rate or the duration is outside its range.

    Examples
    --------
    >>> g = make_geometry(61.44e6)
    >>> g.bins, g.hop, g.segments_per_row, g.frame_samples
    (256, 120, 40, 1228800)
    """
    low, high = SAMP_RATE_RANGE
    if not low <= samp_rate <= high:
        raise GeometryError(
            f"samp_rate={samp_rate:g} Hz is outside {low:g} to {high:g} Hz;"
            f" set the radio to such a rate or resample the recording"
        )
    shortest, longest = FRAME_DURATION_RANGE
    if not shortest <= frame_duration <= longest:
        raise GeometryError(
            f"frame_duration={frame_duration:g} s is outside {shortest:g} to {longest:g} s;"
            " choose one inside, 20e-3 by default"
        )
    hop = int(samp_rate // SEGMENT_RATE_HZ)
    # The small excess keeps 20 ms at 61.44 MS/s from rounding down to 39 segments.
    per_row = math.floor(frame_duration * samp_rate / (ROWS * hop) + 1e-9)
    return Geometry(
        samp_rate=float(samp_rate),
        fft_size=BIN_GROUP * math.floor(samp_rate / (BIN_GROUP * BIN_WIDTH_HZ) + 0.5),
        hop=hop,
        segments_per_row=max(1, per_row),
    )


@dataclass(frozen=True, kw_only=True)
class RxTime:
    """A moment as GNU Radio's ``rx_time`` has it: whole seconds and a fraction, never one float."""

    seconds: int
    fraction: float  # 0 <= fraction < 1, s

    def __post_init__(self) -> None:
        if not 0.0 <= self.fraction < 1.0:
            raise GeometryError(f"fraction={self.fraction!r} of a second must lie in 0 (included) to 1 (excluded)")

    def after(self, samples: int, samp_rate: float) -> RxTime:
        """The moment ``samples`` later, exact over days: whole seconds are split off first.

        Examples
        --------
        >>> RxTime(seconds=10, fraction=0.75).after(61_440_000 * 86_400, 61.44e6)
        RxTime(seconds=86410, fraction=0.75)
        """
        whole, rest = divmod(samples, samp_rate)
        fraction = self.fraction + rest / samp_rate
        carry = math.floor(fraction)
        return RxTime(seconds=self.seconds + int(whole) + carry, fraction=fraction - carry)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is known about one frame besides its rows; the content of the ``rfseg_frame`` tag.

    Parameters
    ----------
    index : int
        Frames before this one since the stream began.
    sample_start : int
        Absolute index of the frame's first sample in the stream.
    sample_count : int
        Samples that a whole frame covers.
    valid_samples : int
        Samples that are really there; fewer than ``sample_count`` if a retune, a gap or the end of
        the stream cut the frame short.  The next frame starts ``valid_samples`` after this one.
    samp_rate : float
        Hz.
    center_freq : float or None
        RF centre, Hz; None where it is not known, and then frequencies are baseband.
    rx_time : RxTime or None
        Moment of the first sample, where the source tells it.
    settling : bool
        Whether the receiver settles after a retune: the samples are not good, and the frame is not judged.
    skipped : bool
        Whether it was not the frame's turn: it has no rows, and is not judged.
    limits : (float, float) or None
        For models of the family ``published``: dBFS that become 0 and 255.
    last : bool
        Whether the stream ends with this frame.
    """

    index: int
    sample_start: int
    sample_count: int
    valid_samples: int
    samp_rate: float
    center_freq: float | None = None
    rx_time: RxTime | None = None
    settling: bool = False
    skipped: bool = False
    limits: tuple[float, float] | None = None
    last: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.valid_samples <= self.sample_count:
            raise GeometryError(
                f"valid_samples={self.valid_samples} must lie in 1 to sample_count={self.sample_count}"
            )

    @property
    def watermark(self) -> int:
        """Absolute index of the first sample after this frame."""
        return self.sample_start + self.valid_samples
