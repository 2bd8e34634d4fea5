"""Metadata of a recording that grows: complete and valid SigMF at every moment."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Mapping

from ..annotations import EXTENSION, GENERATOR, make_annotation
from ..bands import Band
from ..datatype import Datatype
from ..errors import RecordingError
from ..geometry import RxTime
from ..sigmf_files import SIGMF_VERSION
from .stream import StreamState

__all__ = ["GrowingMetadata", "format_datetime", "make_header"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NANOSECONDS = 1_000_000_000
_OWN_KEYS = ("core:datatype", "core:sample_rate", "core:version", "core:extensions", "core:recorder")


def format_datetime(time: RxTime) -> str:
    """``core:datetime`` of a moment, to the nanosecond.

    Examples
    --------
    >>> format_datetime(RxTime(seconds=1_769_862_896, fraction=0.0000000014))
    '2026-01-31T12:34:56.000000001Z'
    """
    nanoseconds = round(time.fraction * _NANOSECONDS)
    carry, nanoseconds = divmod(nanoseconds, _NANOSECONDS)
    moment = _EPOCH + timedelta(seconds=time.seconds + carry)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def make_header(datatype: Datatype, samp_rate: float, info: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The global object of a recording.

    Parameters
    ----------
    info : mapping or None
        More keys of it with their namespace, such as ``{"core:hw": "USRP B210, 40 dB"}``.

    Raises
    ------
    RecordingError
        If one of them is not such a key, is this program's own, or cannot be written as JSON.
    """
    info = {} if info is None else dict(info)
    for key in info:
        if not isinstance(key, str) or ":" not in key or key in _OWN_KEYS:
            raise RecordingError(
                f"info has the key {key!r}, expected names of SigMF's global object such as 'core:hw', and none of"
                f" {', '.join(_OWN_KEYS)}; correct or omit it"
            )
    try:
        json.dumps(info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"info cannot be written as JSON: {error}; give numbers, texts, lists and dicts") from None
    return {
        "core:datatype": datatype.name,
        "core:sample_rate": samp_rate,
        "core:version": SIGMF_VERSION,
        "core:recorder": GENERATOR,
        "core:extensions": [EXTENSION],
        **info,
    }


@dataclass
class _Entry:
    """A band: its first sample in the file; once the file has passed its end, the one after its last, and the text."""

    band: Band
    start: int
    stop: int = 0
    text: str | None = None


class GrowingMetadata:
    """Captures and annotations of a file whose samples come one after the other.

    Parameters
    ----------
    name : str
        Name of the recording; the annotations' uuids depend on it.
    header : dict
        The global object.
    """

    def __init__(self, name: str, header: Mapping[str, Any]) -> None:
        self._name = name
        self._header = json.dumps(header, ensure_ascii=False)
        self._captures: list[dict[str, Any]] = []
        self._starts: list[int] = []  # of the captures, in the file
        self._offsets: list[int] = []  # of the captures, in the stream
        self._entries: list[_Entry] = []  # sorted by first sample
        self._open: list[_Entry] = []  # of them, those whose end may not have come
        self._size = len(self._header) + 100  # bytes

    @property
    def size(self) -> int:
        """Bytes that the text has, about."""
        return self._size

    @property
    def annotation_count(self) -> int:
        """Bands so far."""
        return len(self._entries)

    def begin_capture(self, sample_start: int, offset: int, state: StreamState) -> None:
        """From sample ``sample_start`` of the file on, it holds the stream from ``offset`` on."""
        capture: dict[str, Any] = {"core:sample_start": sample_start, "core:global_index": offset}
        if state.center_freq is not None:
            capture["core:frequency"] = state.center_freq
        time = state.time_at(offset)
        if time is not None:
            capture["core:datetime"] = format_datetime(time)
        self._captures.append(capture)
        self._starts.append(sample_start)
        self._offsets.append(offset)
        self._size += 150
        self.advance(offset)

    def add(self, bands: Iterable[Band]) -> None:
        """Take the bands that begin in the samples to come, sorted by first sample."""
        for band in bands:
            entry = _Entry(band, self._place(band.sample_start))
            self._entries.append(entry)
            self._open.append(entry)
            self._size += 600

    def advance(self, offset: int) -> None:
        """The file has reached this sample of the stream: bands that end before it get their annotation."""
        still_open = []
        for entry in self._open:
            if entry.band.sample_start + entry.band.sample_count > offset:
                still_open.append(entry)
                continue
            entry.stop = self._place(entry.band.sample_start + entry.band.sample_count)
            entry.text = self._annotation(entry, entry.stop)
            if entry.text is None:  # none of its samples were recorded
                self._entries.remove(entry)
        self._open = still_open

    def unfinished(self, offset: int) -> list[Band]:
        """Bands that reach beyond this sample of the stream."""
        return [entry.band for entry in self._open if entry.band.sample_start + entry.band.sample_count > offset]

    def to_text(self, sample_count: int) -> str:
        """The metadata of the first ``sample_count`` samples: nothing in it points beyond them."""
        captures = [json.dumps(c) for c in self._captures if c["core:sample_start"] < sample_count]
        texts = (self._annotation_up_to(entry, sample_count) for entry in self._entries)
        annotations = [text for text in texts if text is not None]
        parts = (f'"captures": [{_lines(captures)}]', f'"annotations": [{_lines(annotations)}]')
        text = f'{{\n  "global": {self._header},\n  {parts[0]},\n  {parts[1]}\n}}\n'
        self._size = len(text)
        return text

    def _annotation_up_to(self, entry: _Entry, sample_count: int) -> str | None:
        if entry.text is not None:
            return entry.text if entry.stop <= sample_count else self._annotation(entry, sample_count)
        stop = self._place(entry.band.sample_start + entry.band.sample_count)
        return self._annotation(entry, min(stop, sample_count))

    def _annotation(self, entry: _Entry, stop: int) -> str | None:
        if stop <= entry.start:
            return None
        band = replace(entry.band, sample_start=entry.start, sample_count=stop - entry.start)
        return json.dumps(make_annotation(band, dataset=self._name), ensure_ascii=False)

    def _place(self, offset: int) -> int:
        """Sample of the file that has, or follows, this sample of the stream."""
        number = bisect_right(self._offsets, offset) - 1
        if number < 0:
            return self._starts[0] if self._starts else 0
        place = self._starts[number] + offset - self._offsets[number]
        return min(place, self._starts[number + 1]) if number + 1 < len(self._starts) else place


def _lines(entries: list[str]) -> str:
    return "\n    " + ",\n    ".join(entries) + "\n  " if entries else ""
