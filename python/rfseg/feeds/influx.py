"""InfluxDB line protocol.

Measurements: ``rfseg_frame``, ``rfseg_band``, ``rfseg_status``, ``rfseg_occupancy`` (free and occupied bands),
``rfseg_duty`` (one point for each bin), ``rfseg_track``, and of scans ``rfseg_scan``, ``rfseg_scan_band``,
``rfseg_scan_step`` and ``rfseg_scan_duty``.  Points of one moment differ in the tag ``place``, or
InfluxDB would keep only the last.  A point whose message tells no time gets that of this machine's clock, as
InfluxDB would give it on arrival.

Source: InfluxData, "Line protocol" (InfluxDB 1.8 and 2): escapes, integers with ``i``, times in ns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping

from ..errors import FeedError
from .delivery import Payload
from .messages import BANDS, OCCUPANCY, SCAN, STATUS, TRACK, Message

__all__ = ["Influx", "InfluxOptions"]

_LARGEST_INTEGER = (1 << 63) - 1
_ENVELOPE = ("version", "type", "rx_time", "end_time")
_BAND_TAGS = ("label", "model", "freq_reference")


@dataclass(frozen=True, kw_only=True)
class InfluxOptions:
    """Options of the encoding ``influx``.

    Parameters
    ----------
    tags : dict
        Tags that every point carries, such as the name of the station.
    """

    tags: Mapping[str, str] = field(default_factory=dict)


class Influx:
    """Points of a message as lines; one payload for each message."""

    def __init__(
        self, options: InfluxOptions = InfluxOptions(), *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._tags, self._clock = dict(options.tags), clock
        self._newest = 0  # time given by the clock, ns; each message gets another
        self._newest_frame: int | None = None  # its first sample

    def encode(self, message: Message) -> list[Payload]:
        """All points of a message; none of an alarm, or of a frame that comes again as the last."""
        if message["type"] == BANDS:
            newest, self._newest_frame = self._newest_frame, message["sample_start"]
            if message["last"] and newest == self._newest_frame:
                return []  # its points would take the place of those before
        points = _POINTS.get(message["type"])
        if points is None:
            return []
        moment = self._moment(message)
        lines = [self._line(*point, moment) for point in points(message)]
        return [Payload(message["type"], "\n".join(lines).encode())] if lines else []

    def _moment(self, message: Message) -> int:
        """Time of a message, ns."""
        time_key = "end_time" if message["type"] == TRACK else "rx_time"
        if time_key in message:
            seconds, fraction = message[time_key]
            return seconds * 1_000_000_000 + round(fraction * 1e9)
        self._newest = max(self._clock(), self._newest + 1)
        return self._newest

    def _line(self, measurement: str, tags: Mapping[str, Any], fields: Mapping[str, Any], moment: int) -> str:
        everything = {**self._tags, **tags}
        named = "".join(f",{_escape(key)}={_escape(str(tag))}" for key, tag in everything.items() if str(tag))
        values = ",".join(f"{_escape(key)}={_value(value)}" for key, value in fields.items())
        return f"{measurement}{named} {values} {moment}"


def _band_points(message: Message) -> Iterator[tuple[str, dict, dict]]:
    frame = {key: value for key, value in message.items() if key not in (*_ENVELOPE, "bands", "state", "model")}
    tags = {key: message[key] for key in ("state", "model") if key in message}
    yield "rfseg_frame", tags, {**frame, "bands": len(message["bands"])}
    for place, band in enumerate(message["bands"]):
        tags = {**{key: band[key] for key in _BAND_TAGS}, "place": place}
        yield "rfseg_band", tags, {key: value for key, value in band.items() if key not in _BAND_TAGS}


def _status_points(message: Message) -> Iterator[tuple[str, dict, dict]]:
    tags = {key: message[key] for key in ("source", "event")}
    fields = {key: value for key, value in message.items() if key not in (*_ENVELOPE, *tags)}
    yield "rfseg_status", tags, fields or {"count": 1}


def _occupancy_points(message: Message) -> Iterator[tuple[str, dict, dict]]:
    reference = {"freq_reference": message["freq_reference"]}
    for kind in ("free", "occupied"):
        for place, band in enumerate(message[kind]):
            yield "rfseg_occupancy", {**reference, "kind": kind, "place": place}, band
    for span in message["spans"]:
        for index, duty_cycle in enumerate(span["duty_cycle"]):
            freq = round(span["freq_lower_edge"] + index * message["bin_width"])
            yield "rfseg_duty", {**reference, "freq_lower_edge": freq}, {"duty_cycle": duty_cycle}


def _track_points(message: Message) -> Iterator[tuple[str, dict, dict]]:
    tags = {key: message[key] for key in ("event", "label")}
    yield "rfseg_track", {**tags, "place": message["track"] % 1000}, _plain(message, *tags)


def _scan_points(message: Message) -> Iterator[tuple[str, dict, dict]]:
    yield "rfseg_scan", {}, _plain(message)
    for place, band in enumerate(message["bands"]):
        yield "rfseg_scan_band", {"label": band["label"], "place": place}, _plain(band, "label")
    for step in message["steps"]:
        yield "rfseg_scan_step", {"index": step["index"]}, _plain(step, "index")
    for span in message["spans"]:
        for index, (duty_cycle, seen) in enumerate(zip(span["duty_cycle"], span["last_seen"])):
            freq = round(span["freq_lower_edge"] + index * message["bin_width"])
            yield "rfseg_scan_duty", {"freq_lower_edge": freq}, {"duty_cycle": duty_cycle, "last_seen": seen}


def _plain(values: Mapping[str, Any], *tags: str) -> dict[str, Any]:
    """What is a number or a text, without what is a tag or the point's time."""
    return {k: v for k, v in values.items() if isinstance(v, (int, float, str)) and k not in (*_ENVELOPE, *tags)}


_POINTS = {
    BANDS: _band_points,
    STATUS: _status_points,
    OCCUPANCY: _occupancy_points,
    TRACK: _track_points,
    SCAN: _scan_points,
}


def _escape(text: str) -> str:
    """A key or a tag's value; the protocol has no escape for a backslash or a line feed in them."""
    text = text.replace("\\", "/").replace("\n", " ")
    for sign in (" ", ",", "="):
        text = text.replace(sign, "\\" + sign)
    return text


def _value(value: Any) -> str:
    """A field's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value > _LARGEST_INTEGER:
            raise FeedError(f"{value} exceeds InfluxDB's largest integer, {_LARGEST_INTEGER}")
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + str(value).replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"') + '"'
