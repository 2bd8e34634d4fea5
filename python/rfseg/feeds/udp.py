"""One datagram for each payload."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Sequence

from ..errors import FeedError
from .delivery import Payload
from .destinations import Destination

__all__ = ["UdpOptions", "UdpTransport"]


@dataclass(frozen=True, kw_only=True)
class UdpOptions:
    """Options of ``udp://``: none."""


class UdpTransport:
    """Datagrams to one host.  What the network loses is not known here: the receiver sees it in ``sequence``."""

    def __init__(self, destination: Destination, options: UdpOptions) -> None:
        self._destination = destination
        self._socket: socket.socket | None = None
        self._address: tuple = ()

    def open(self) -> None:
        """Look the host up."""
        host, port = self._destination.host, self._destination.port
        family, kind, protocol, _, self._address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind, protocol)

    def send(self, batch: Sequence[Payload]) -> int:
        """Send one datagram."""
        content = batch[0].content
        try:
            self._socket.sendto(content, self._address)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise FeedError(
                    f"a message of {len(content)} bytes does not fit into a datagram; use another transport"
                ) from error
            raise
        return 1

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
