"""What a scan has found: duty cycles, bands and the state of its steps; as fields, JSON, CSV and occupancy."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Iterator, Mapping

from ..errors import BandError
from ..geometry import RxTime

__all__ = [
    "CSV_COLUMNS", "ScanReport", "ScanSpan", "ScannedBand", "StepState", "scan_from_fields", "scan_from_json",
    "scan_to_csv", "scan_to_fields", "scan_to_json",
]  # fmt: skip

SCHEMA_VERSION = 1  # raised when a reader of the older version would misread the newer
CSV_COLUMNS = (
    "sample_stop", "kind", "label", "freq_lower_edge", "freq_upper_edge", "duty_cycle", "last_seen", "confidence",
    "power_dbfs", "snr_db",
)  # fmt: skip
NEVER = -1  # in place of a sample


@dataclass(frozen=True, kw_only=True)
class ScanSpan:
    """Neighbouring bins that were sensed, from ``freq_lower_edge`` (Hz) on.

    Each has its duty cycle, 0 to 1, and the sample up to which a band was last seen in it, -1 for never.
    """

    freq_lower_edge: float
    duty_cycle: tuple[float, ...]
    last_seen: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ScannedBand:
    """A band, joined over the borders of steps.

    Parameters
    ----------
    freq_lower_edge, freq_upper_edge : float
        RF, Hz.
    is_cut_low, is_cut_high : bool
        Whether the band goes on where nothing was scanned.
    duty_cycle : float
        Share of the time that its steps were sensed, 0 to 1.
    confidence : float
        Mean of its parts, weighted with their width, 0 to 1.
    last_seen : int
        Sample after its last one.
    last_time : RxTime or None
        That moment, where the source tells the time.
    steps : tuple of int
        That it was seen from.
    power_dbfs, snr_db : float or None
        In its whole width; where they are known.
    """

    label: str
    freq_lower_edge: float
    freq_upper_edge: float
    is_cut_low: bool
    is_cut_high: bool
    duty_cycle: float
    confidence: float
    last_seen: int
    steps: tuple[int, ...]
    last_time: RxTime | None = None
    power_dbfs: float | None = None
    snr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepState:
    """A step: where it is, where the receiver was at the last visit (Hz, None for never), and how it went.

    ``last_visit`` is the sample after the last one sensed, -1 for never; ``is_failed`` that the receiver did not obey at
    the last attempt.
    """

    index: int
    center_freq: float
    actual_freq: float | None
    visits: int
    failures: int
    last_visit: int
    is_occupied: bool
    is_failed: bool


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """State of the scan at the sample ``sample_stop``, at which it is ``rx_time`` where the source tells the time.

    ``sweeps`` counts how often every step has been visited or given up; ``bin_width`` (Hz) is that of the spans.
    """

    sample_stop: int
    samp_rate: float
    sweeps: int
    bin_width: float
    spans: tuple[ScanSpan, ...] = ()
    bands: tuple[ScannedBand, ...] = ()
    steps: tuple[StepState, ...] = ()
    rx_time: RxTime | None = None

    def __post_init__(self) -> None:
        if self.sample_stop < 0:
            raise BandError(f"sample_stop={self.sample_stop} must be at least 0")


def scan_to_fields(report: ScanReport) -> dict[str, Any]:
    """Nested dictionaries and lists, as messages and JSON have them; what is not known is left out."""
    return _plain({"version": SCHEMA_VERSION, "type": "scan", **asdict(report)})


def scan_from_fields(values: Mapping[str, Any]) -> ScanReport:
    """Inverse of :func:`scan_to_fields`.

    Raises
    ------
    BandError
        If a key is missing or unknown, the type or version is another, or a value makes no sense.
    """
    values = dict(values)
    head = values.pop("type", None), values.pop("version", None)
    if head != ("scan", SCHEMA_VERSION):
        raise BandError(f"type and version are {head}, expected ('scan', {SCHEMA_VERSION})")
    try:
        parts = {
            name: tuple(_make(kind, item) for item in values.pop(name))
            for name, kind in (("spans", ScanSpan), ("bands", ScannedBand), ("steps", StepState))
        }
        return _make(ScanReport, {**values, **parts})
    except KeyError as error:
        raise BandError(f"a scan lacks the key {error}") from error
    except (TypeError, ValueError) as error:
        raise BandError(f"a scan makes no sense: {error}") from error


def scan_to_json(report: ScanReport) -> str:
    """One line of JSON."""
    return json.dumps(scan_to_fields(report), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def scan_from_json(text: str) -> ScanReport:
    """Inverse of :func:`scan_to_json`.

    Raises
    ------
    BandError
        If it is no JSON or no scan.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise BandError(f"a scan is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise BandError(f"a scan is {values!r}, expected an object")
    return scan_from_fields(values)


def scan_to_csv(report: ScanReport) -> str:
    """Lines of CSV in the order of :data:`CSV_COLUMNS`, without a heading; what is not known is empty.

    ``kind`` is ``band``, or ``bin`` for the duty cycle of one bin.

    Examples
    --------
    >>> span = ScanSpan(freq_lower_edge=1e6, duty_cycle=(0.5,), last_seen=(400,))
    >>> print(scan_to_csv(ScanReport(sample_stop=500, samp_rate=1e3, sweeps=1, bin_width=1e5, spans=(span,))), end="")
    500,bin,,1000000.0,1100000.0,0.5,400,,,
    """
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows([report.sample_stop, *line] for line in _lines(report))
    return lines.getvalue()


def _lines(report: ScanReport) -> Iterator[list[Any]]:
    for band in report.bands:
        edges = band.freq_lower_edge, band.freq_upper_edge
        measures = band.duty_cycle, band.last_seen, band.confidence, band.power_dbfs, band.snr_db
        yield ["band", band.label, *edges, *measures]
    for span in report.spans:
        for index, (duty_cycle, seen) in enumerate(zip(span.duty_cycle, span.last_seen)):
            edges = (span.freq_lower_edge + (index + side) * report.bin_width for side in (0, 1))
            yield ["bin", None, *edges, duty_cycle, None if seen == NEVER else seen, None, None, None]


def _plain(value: Any) -> Any:
    """Tuples as lists, times as pairs, without what is None."""
    if isinstance(value, dict):
        if set(value) == {"seconds", "fraction"}:
            return [value["seconds"], value["fraction"]]
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _make(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass from its fields: lists become tuples, times come from pairs, optional ones may be absent."""
    arguments = {field.name: None for field in fields(kind) if field.name == "actual_freq"}
    for key, value in values.items():
        if key in ("rx_time", "last_time"):
            value = RxTime(seconds=value[0], fraction=value[1])
        arguments[key] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)
