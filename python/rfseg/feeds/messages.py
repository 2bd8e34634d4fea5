"""Messages as JSON objects: frames of bands, status, occupancy, tracks, scans and alarms.

One schema holds for all of them, whatever carries them: ``message.schema.json`` beside this module
(:func:`load_schema`).  Offsets and counts are integers, times are pairs of whole seconds and a fraction,
frequencies are in Hz, and what is not known is absent.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import Any, Iterator, Mapping

from ..bands import Band
from ..errors import FeedError, RfsegError
from ..geometry import Frame, RxTime
from ..occupancyreport import FreeBand, OccupancyReport, OccupiedBand, Span
from ..pipeline import FrameState
from ..scanning.report import ScanReport, scan_to_fields

__all__ = [
    "ALARM",
    "BANDS",
    "OCCUPANCY",
    "SCAN",
    "SCHEMA_VERSION",
    "STATUS",
    "TRACK",
    "FrameBands",
    "Message",
    "alarm_to_message",
    "bands_from_message",
    "bands_to_message",
    "load_schema",
    "occupancy_from_message",
    "occupancy_to_message",
    "scan_to_message",
    "status_to_message",
    "to_json",
    "track_to_message",
]

Message = Mapping[str, Any]

SCHEMA_VERSION = 1  # raised when a reader of the older version would misread the newer
_FRAME_KEYS = [field.name for field in fields(Frame) if field.name not in ("rx_time", "limits")]  # limits: of its picture
_REPORT_KEYS = ("sample_start", "sample_stop", "samp_rate", "freq_reference", "bin_width")
BANDS, STATUS, OCCUPANCY = "bands", "status", "occupancy"  # values of the key ``type``
TRACK, SCAN, ALARM = "track", "scan", "alarm"


@dataclass(frozen=True, kw_only=True)
class FrameBands:
    """A frame, what became of it, and its bands.

    Parameters
    ----------
    frame : Frame
    bands : tuple of Band
        Sorted by first sample, then by lower edge.
    state : FrameState or None
        None where the source does not say.
    model : str
        Name of the model; empty where the source does not say.
    non_finite : int
        Samples of the frame that were NaN or infinite.
    """

    frame: Frame
    bands: tuple[Band, ...] = ()
    state: FrameState | None = None
    model: str = ""
    non_finite: int = 0


def load_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every message keeps."""
    return json.loads(resources.files(__package__).joinpath("message.schema.json").read_text("utf-8"))


def bands_to_message(content: FrameBands) -> dict[str, Any]:
    """A frame with its bands.

    Examples
    --------
    >>> frame = Frame(index=3, sample_start=600, sample_count=200, valid_samples=150, samp_rate=20e6)
    >>> message = bands_to_message(FrameBands(frame=frame))
    >>> message["type"], message["watermark"], message["bands"], "center_freq" in message
    ('bands', 750, [], False)
    >>> bands_from_message(message) == FrameBands(frame=frame)
    True
    """
    frame = content.frame
    values = {key: getattr(frame, key) for key in _FRAME_KEYS}
    message = _known({**values, "type": BANDS, "rx_time": _time_to_pair(frame.rx_time)})
    message["non_finite"] = content.non_finite
    if content.state is not None:
        message.update(state=content.state.value, model=content.model)
    message["watermark"] = frame.watermark
    message["bands"] = [_known(vars(band)) for band in content.bands]
    return _typed(message)


def bands_from_message(message: Message) -> FrameBands:
    """Inverse of :func:`bands_to_message`; keys of the feed are passed over.

    Raises
    ------
    FeedError
        If the message is of another type, or its frame or a band makes no sense.
    """
    with _reading(message, BANDS):
        frame = Frame(
            rx_time=_time_from_pair(message.get("rx_time")),
            **{key: message[key] for key in _FRAME_KEYS if key in message},
        )
        return FrameBands(
            frame=frame,
            bands=tuple(Band(**band) for band in message["bands"]),
            state=FrameState(message["state"]) if "state" in message else None,
            model=message.get("model", ""),
            non_finite=message["non_finite"],
        )


def status_to_message(source: str, event: str, values: Mapping[str, int | float | str | bool]) -> dict[str, Any]:
    """What a block says of itself."""
    return _typed({"source": source, "event": event, **_known(values), "type": STATUS})


def occupancy_to_message(report: OccupancyReport) -> dict[str, Any]:
    """Duty cycles, free and occupied bands."""
    message = {
        "type": OCCUPANCY,
        "sample_start": report.sample_start,
        "sample_stop": report.sample_stop,
        "samp_rate": report.samp_rate,
        "rx_time": _time_to_pair(report.rx_time),
        "freq_reference": report.freq_reference,
        "bin_width": report.bin_width,
        "spans": [
            {"freq_lower_edge": span.freq_lower_edge, "duty_cycle": list(span.duty_cycle)} for span in report.spans
        ],
        "free": [asdict(band) for band in report.free],
        "occupied": [asdict(band) for band in report.occupied],
    }
    return _typed(_known(message))


def occupancy_from_message(message: Message) -> OccupancyReport:
    """Inverse of :func:`occupancy_to_message`; keys of the feed are passed over.

    Raises
    ------
    FeedError
        If the message is of another type or makes no sense.
    """
    with _reading(message, OCCUPANCY):
        return OccupancyReport(
            rx_time=_time_from_pair(message.get("rx_time")),
            spans=tuple(Span(**{**span, "duty_cycle": tuple(span["duty_cycle"])}) for span in message["spans"]),
            free=tuple(FreeBand(**band) for band in message["free"]),
            occupied=tuple(OccupiedBand(**band) for band in message["occupied"]),
            **{key: message[key] for key in _REPORT_KEYS},
        )


def track_to_message(values: Message) -> dict[str, Any]:
    """An event of a track, from its fields (:meth:`rfseg.tracking.events.TrackEvent.to_fields`)."""
    return _typed({**_known(values), "type": TRACK})


def scan_to_message(report: ScanReport) -> dict[str, Any]:
    """State of a scan: duty cycles, bands and steps."""
    values = scan_to_fields(report)
    del values["version"]  # this schema has its own
    return _typed({**values, "type": SCAN})


def alarm_to_message(values: Message) -> dict[str, Any]:
    """What is said of a channel, from its fields (:meth:`rfseg.radaralarm.Notice.to_fields`)."""
    return _typed({**_known(values), "type": ALARM})


def to_json(message: Message) -> str:
    """One line, without its line feed.

    Raises
    ------
    FeedError
        If a value has no place in JSON, such as NaN.
    """
    try:
        return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise FeedError(f"message of type {message.get('type')!r} is no JSON: {error}") from error


@contextmanager
def _reading(message: Message, kind: str) -> Iterator[None]:
    """Refuse a message of another type, and say what is wrong with one that makes no sense."""
    if message.get("type") != kind:
        raise FeedError(f"message has type {message.get('type')!r}, expected {kind!r}")
    try:
        yield
    except KeyError as error:
        raise FeedError(f"message of type {kind!r} lacks the key {error}") from error
    except (RfsegError, TypeError, ValueError) as error:
        raise FeedError(f"message of type {kind!r} makes no sense: {error}") from error


def _time_to_pair(time: RxTime | None) -> list[int | float] | None:
    return None if time is None else [time.seconds, time.fraction]


def _time_from_pair(pair: Any) -> RxTime | None:
    return None if pair is None else RxTime(seconds=pair[0], fraction=pair[1])


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are known: neither None nor an infinite or undefined number."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def _typed(message: dict[str, Any]) -> dict[str, Any]:
    """The message, its version and type first."""
    return {"version": SCHEMA_VERSION, "type": message.pop("type"), **message}
