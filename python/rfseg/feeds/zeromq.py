"""ZeroMQ PUB: messages of two parts, the topic and the content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from ..errors import BackendUnavailableError, FeedError
from .delivery import Payload
from .destinations import Destination

__all__ = ["ZeromqOptions", "ZeromqTransport"]

_SUBSCRIBER_BUFFER = 1000  # messages; libzmq's own default


@dataclass(frozen=True, kw_only=True)
class ZeromqOptions:
    """Options of ``zeromq://``.

    Parameters
    ----------
    topic : str
        Begins every topic; the type of the message ends it.
    subscriber_buffer : int
        Messages that libzmq keeps for each subscriber; what a slow one misses, it sees in ``sequence``.
    connect : bool
        Connect to the address, such as a proxy's, instead of binding it.
    """

    topic: str = "rfseg/"
    subscriber_buffer: int = _SUBSCRIBER_BUFFER
    connect: bool = False

    def __post_init__(self) -> None:
        if self.subscriber_buffer < 1:
            raise FeedError(f"subscriber_buffer={self.subscriber_buffer!r} must be at least 1 message")


class ZeromqTransport:
    """A PUB socket; it binds loopback unless the destination names another address, ``*`` for all."""

    def __init__(self, destination: Destination, options: ZeromqOptions) -> None:
        try:
            import zmq
        except ImportError as error:
            raise BackendUnavailableError(
                "a ZeroMQ feed needs pyzmq: apt-get install python3-zmq, or pip install pyzmq"
            ) from error
        self._zmq, self._options = zmq, options
        host = f"[{destination.host}]" if ":" in destination.host else destination.host
        self._endpoint = f"tcp://{host}:{destination.port or '*'}"
        self._socket: Any = None

    @property
    def endpoint(self) -> str:
        """The address that is bound, with its port, once the feed has begun."""
        return self._endpoint

    def open(self) -> None:
        """Bind, or begin to connect."""
        socket = self._zmq.Context.instance().socket(self._zmq.PUB)
        socket.setsockopt(self._zmq.LINGER, 0)
        socket.setsockopt(self._zmq.IPV6, int("[" in self._endpoint))
        socket.setsockopt(self._zmq.SNDHWM, self._options.subscriber_buffer)
        try:
            (socket.connect if self._options.connect else socket.bind)(self._endpoint)
        except self._zmq.ZMQError as error:
            socket.close()
            raise OSError(f"{self._endpoint}: {error}") from error
        self._socket = socket
        if not self._options.connect:
            self._endpoint = socket.getsockopt_string(self._zmq.LAST_ENDPOINT)

    def send(self, batch: Sequence[Payload]) -> int:
        """Hand the batch to libzmq."""
        for payload in batch:
            self._socket.send_multipart([(self._options.topic + payload.topic).encode(), payload.content])
        return len(batch)

    def close(self) -> None:
        """Let go of the address."""
        if self._socket is not None:
            self._socket.close(linger=1000)  # ms, for what libzmq has not written yet
            self._socket = None
