"""A feed: messages in one encoding, to one destination."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Callable, Mapping

from ..errors import FeedError
from .delivery import DEFAULT_DEPTH, Backoff, Counts, Delivery, Transport
from .destinations import Destination, parse_destination
from .encodings import BandLines, Csv, Encoding, Json, NoOptions
from .files import FileOptions, FileTransport
from .http import HttpOptions, HttpTransport
from .influx import Influx, InfluxOptions
from .messages import Message
from .mqtt import MqttOptions, MqttTransport
from .oran import Oran, OranOptions
from .udp import UdpOptions, UdpTransport
from .zeromq import ZeromqOptions, ZeromqTransport

__all__ = ["ENCODINGS", "Feed"]

_ENCODINGS: dict[str, tuple[type, type]] = {
    "json": (Json, NoOptions),
    "bands": (BandLines, NoOptions),
    "csv": (Csv, NoOptions),
    "influx": (Influx, InfluxOptions),
    "oran": (Oran, OranOptions),
}
ENCODINGS = tuple(_ENCODINGS)
_TRANSPORTS: dict[str, tuple[type, type]] = {
    "file": (FileTransport, FileOptions),
    "udp": (UdpTransport, UdpOptions),
    "zeromq": (ZeromqTransport, ZeromqOptions),
    "mqtt": (MqttTransport, MqttOptions),
    "mqtts": (MqttTransport, MqttOptions),
    "http": (HttpTransport, HttpOptions),
    "https": (HttpTransport, HttpOptions),
}


class Feed:
    """Messages to a file, a socket or a server; publishing does not wait for any of them.

    Parameters
    ----------
    destination : str
        ``file:NAME``, ``udp://HOST:PORT``, ``zeromq://HOST:PORT``, ``mqtt://HOST:PORT/TOPIC``, ``mqtts://...``,
        ``http://HOST:PORT/PATH?QUERY`` or ``https://...``; no host means loopback.
    encoding : str
        One of :data:`ENCODINGS`.
    options : mapping or None
        Options of the encoding and of the transport by name: the fields of their dataclasses.
    mode, queue_depth, backoff, on_event
        Of :class:`~rfseg.feeds.delivery.Delivery`.

    Raises
    ------
    FeedError
        If the destination, the encoding or an option makes no sense.
    BackendUnavailableError
        If the transport needs a package that is missing.
    """

    def __init__(
        self,
        destination: str,
        *,
        encoding: str = "json",
        options: Mapping[str, Any] | None = None,
        mode: str = "live",
        queue_depth: int = DEFAULT_DEPTH,
        backoff: Backoff = Backoff(),
        on_event: Callable[[str, dict[str, Any]], None] = lambda event, fields: None,
    ) -> None:
        self._destination = parse_destination(destination)
        if encoding not in _ENCODINGS:
            raise FeedError(f"encoding={encoding!r} is unknown, expected one of {', '.join(ENCODINGS)}")
        self._encoding_type, self._transport_type = _ENCODINGS[encoding], _TRANSPORTS[self._destination.scheme]
        chosen = _sort_options(options or {}, self._encoding_type[1], self._transport_type[1], self._destination)
        self._encoding_options, self._transport_options = chosen
        self._delivery_options = {"mode": mode, "queue_depth": queue_depth, "backoff": backoff, "on_event": on_event}
        self._is_running = False
        self._reset()

    @property
    def destination(self) -> str:
        """As it was given."""
        return self._destination.text

    @property
    def transport(self) -> Transport:
        """What carries the payloads of this run."""
        return self._transport

    def counts(self) -> Counts:
        """What became of the payloads of this run."""
        return self._delivery.counts()

    def start(self) -> None:
        """Begin a run."""
        self._reset()
        self._is_running = True
        self._delivery.start()

    def publish(self, message: Message) -> None:
        """Take a message, as :mod:`rfseg.feeds.messages` makes them.

        Raises
        ------
        FeedError
            If the encoding cannot say it.
        """
        number, self._sequence = self._sequence, self._sequence + 1
        payloads = self._encoding.encode({**message, "sequence": number})
        if not payloads:
            self._sequence = number  # what the encoding has nothing to say of is no loss
        for payload in payloads:
            self._delivery.submit(payload)

    def drain(self) -> None:
        """Wait until what waits is delivered, at most 5 s."""
        self._delivery.drain()

    def stop(self, timeout: float | None = None) -> Counts:
        """Deliver what waits, for at most ``timeout`` s (5 by default), and end."""
        if not self._is_running:
            return self.counts()
        self._is_running = False
        return self._delivery.stop() if timeout is None else self._delivery.stop(timeout)

    def _reset(self) -> None:
        self._encoding: Encoding = self._encoding_type[0](self._encoding_options)
        self._transport: Transport = self._transport_type[0](self._destination, self._transport_options)
        self._delivery = Delivery(self._transport, **self._delivery_options)
        self._sequence = 0


def _sort_options(
    options: Mapping[str, Any], encoding: type, transport: type, destination: Destination
) -> tuple[Any, Any]:
    """Options of the encoding and of the transport, from those given by name."""
    known = [{field.name for field in fields(kind)} for kind in (encoding, transport)]
    unknown = sorted(set(options) - known[0] - known[1])
    if unknown:
        names = ", ".join(sorted(known[0] | known[1])) or "none"
        raise FeedError(f"option {unknown[0]!r} is unknown to {destination.text!r}; known: {names}")
    try:
        chosen = [
            kind(**{name: value for name, value in options.items() if name in names})
            for kind, names in zip((encoding, transport), known)
        ]
    except TypeError as error:
        raise FeedError(f"options {dict(options)!r} do not fit: {error}") from None
    return chosen[0], chosen[1]
