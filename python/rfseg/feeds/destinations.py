"""Where a feed goes: one text names the transport, the host and the path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence
from urllib.parse import urlsplit

from ..errors import FeedError

__all__ = ["LOOPBACK", "SCHEMES", "Destination", "parse_destination"]

LOOPBACK = "127.0.0.1"
SCHEMES = ("file", "udp", "zeromq", "mqtt", "mqtts", "http", "https")
_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Parts of a destination.

    Parameters
    ----------
    text : str
        The whole.
    scheme : str
        One of :data:`SCHEMES`.
    host : str
        Loopback where none is named.
    port : int
        0 for files.
    path : str
        File, topic or, with its query, resource.
    """

    text: str
    scheme: str
    host: str = LOOPBACK
    port: int = 0
    path: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_destination(text: str) -> Destination:
    """Take a destination apart.

    Raises
    ------
    FeedError
        If the scheme is unknown, the port is missing or none, or the text holds credentials.

    Examples
    --------
    >>> parse_destination("zeromq://:5556").host
    '127.0.0.1'
    >>> parse_destination("file:out/bands.jsonl").path
    'out/bands.jsonl'
    """
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        raise FeedError(f"destination {text!r} begins with no transport; expected one of {_listed(SCHEMES)}")
    if scheme == "file":
        if not rest or rest.endswith("/"):
            raise FeedError(f"destination {text!r} names no file; write file:NAME")
        return Destination(text=text, scheme=scheme, path=rest)
    try:
        parts = urlsplit(text)
        port = _DEFAULT_PORTS.get(scheme) if parts.port is None else parts.port
    except ValueError as error:
        raise FeedError(f"destination {text!r} is no address: {error}") from None
    if "@" in parts.netloc:
        raise FeedError(
            f"destination {scheme}://...@{parts.netloc.rpartition('@')[2]} holds credentials, which lists of processes"
            " and logs would show; put them into a file or the environment"
        )
    if not rest.startswith("//") or port is None:
        raise FeedError(f"destination {text!r} names no port; write {scheme}://HOST:PORT")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Destination(text=text, scheme=scheme, host=parts.hostname or LOOPBACK, port=port, path=path)


def check_file(path: str | Path, what: str) -> Path:
    """A file that must be there and readable; ``what`` is what the message calls it."""
    try:
        with open(path, "rb"):
            return Path(path)
    except OSError as error:
        raise FeedError(f"{what}={str(path)!r} cannot be read: {error.strerror}; name a file that can") from None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name}:" if name == "file" else f"{name}://" for name in names)
