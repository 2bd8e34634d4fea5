"""What a message looks like to the receiver: an encoding turns it into payloads, none where it has no place for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..bands.lines import band_to_json
from ..occupancyreport import CSV_COLUMNS, report_to_csv
from .delivery import Payload
from .messages import BANDS, OCCUPANCY, Message, bands_from_message, occupancy_from_message, to_json

__all__ = ["BandLines", "Csv", "Encoding", "Json", "NoOptions"]


class Encoding(Protocol):
    """Made anew for each run of a feed."""

    def encode(self, message: Message) -> list[Payload]:
        """Payloads of a message.  ``FeedError``: its content makes no sense."""


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """Of an encoding that has none."""


class Json:
    """One JSON object for each message, as the schema says."""

    def __init__(self, options: NoOptions = NoOptions()) -> None:
        pass

    def encode(self, message: Message) -> list[Payload]:
        """The message itself."""
        return [Payload(message["type"], to_json(message).encode())]


class BandLines:
    """One JSON object for each band, as ``rfseg segment`` writes them (:mod:`rfseg.bands.lines`)."""

    def __init__(self, options: NoOptions = NoOptions()) -> None:
        pass

    def encode(self, message: Message) -> list[Payload]:
        """The bands of a frame."""
        if message["type"] != BANDS:
            return []
        content = bands_from_message(message)
        return [Payload(BANDS, band_to_json(band, content.frame).encode()) for band in content.bands]


class Csv:
    """Occupancy as comma-separated values (:mod:`rfseg.occupancyreport`), with a heading at the start."""

    def __init__(self, options: NoOptions = NoOptions()) -> None:
        self._is_headed = False

    def encode(self, message: Message) -> list[Payload]:
        """One payload of several lines."""
        if message["type"] != OCCUPANCY:
            return []
        lines = report_to_csv(occupancy_from_message(message)).rstrip("\n")
        if not self._is_headed:
            self._is_headed = True
            lines = ",".join(CSV_COLUMNS) + ("\n" + lines if lines else "")
        return [Payload(OCCUPANCY, lines.encode())] if lines else []
