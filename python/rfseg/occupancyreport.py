"""What occupancy reports say: duty cycles, free and occupied bands; also as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any, Iterator

from .bands import FREQ_REFERENCES
from .errors import BandError
from .geometry import RxTime

__all__ = ["CSV_COLUMNS", "FreeBand", "OccupancyReport", "OccupiedBand", "Span", "report_to_csv"]

CSV_COLUMNS = (
    "sample_stop",
    "seconds",
    "fraction",
    "kind",
    "freq_lower_edge",
    "freq_upper_edge",
    "duty_cycle",
    "valid_until",
)


@dataclass(frozen=True, kw_only=True)
class FreeBand:
    """A band that nothing occupies, edges in Hz, until the sample ``valid_until``."""

    freq_lower_edge: float
    freq_upper_edge: float
    valid_until: int


@dataclass(frozen=True, kw_only=True)
class OccupiedBand:
    """A run of occupied bins, edges in Hz, with the duty cycle of them all, until the sample ``valid_until``."""

    freq_lower_edge: float
    freq_upper_edge: float
    duty_cycle: float
    valid_until: int


@dataclass(frozen=True, kw_only=True)
class Span:
    """Neighbouring bins that were sensed, from ``freq_lower_edge`` (Hz) on, each with its duty cycle, 0 to 1."""

    freq_lower_edge: float
    duty_cycle: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class OccupancyReport:
    """State of the spectrum at the end of a window.

    Parameters
    ----------
    sample_start, sample_stop : int
        The window: absolute offset of its first sample and of the first one after it.
    samp_rate : float
        Hz.
    freq_reference : str
        ``rf``, or ``baseband`` where the centre frequency is not known.
    bin_width : float
        Of the spans, Hz.
    rx_time : RxTime or None
        Moment of ``sample_stop``, where the source tells the time.
    """

    sample_start: int
    sample_stop: int
    samp_rate: float
    freq_reference: str
    bin_width: float
    spans: tuple[Span, ...] = ()
    free: tuple[FreeBand, ...] = ()
    occupied: tuple[OccupiedBand, ...] = ()
    rx_time: RxTime | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sample_start <= self.sample_stop:
            raise BandError(
                f"a window from sample {self.sample_start} to {self.sample_stop} is none; the first must not be later"
            )
        if self.freq_reference not in FREQ_REFERENCES:
            raise BandError(f"freq_reference={self.freq_reference!r} must be one of {', '.join(FREQ_REFERENCES)}")


def report_to_csv(report: OccupancyReport) -> str:
    """Lines of CSV in the order of :data:`CSV_COLUMNS`, without a heading; what is not known is empty.

    ``kind`` is ``free``, ``occupied``, or ``bin`` for the duty cycle of one bin.

    Examples
    --------
    >>> band = FreeBand(freq_lower_edge=1e6, freq_upper_edge=3e6, valid_until=900)
    >>> print(report_to_csv(OccupancyReport(sample_start=0, sample_stop=500, samp_rate=1e3, free=(band,),
    ...                                     freq_reference="baseband", bin_width=1e5)), end="")
    500,,,free,1000000.0,3000000.0,,900
    """
    time = report.rx_time
    head = [report.sample_stop, *((None, None) if time is None else (time.seconds, time.fraction))]
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([*head, *line] for line in _lines(report))
    return lines.getvalue()


def _lines(report: OccupancyReport) -> Iterator[list[Any]]:
    """Kind, edges (Hz), duty cycle and validity of each band and bin."""
    for free in report.free:
        yield ["free", free.freq_lower_edge, free.freq_upper_edge, None, free.valid_until]
    for band in report.occupied:
        yield ["occupied", band.freq_lower_edge, band.freq_upper_edge, band.duty_cycle, band.valid_until]
    for span in report.spans:
        for index, duty_cycle in enumerate(span.duty_cycle):
            edges = (span.freq_lower_edge + (index + side) * report.bin_width for side in (0, 1))
            yield ["bin", *edges, duty_cycle, None]
