"""HTTP POST, one request for a batch of lines, as InfluxDB takes line protocol."""

from __future__ import annotations

import http.client
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from ..errors import FeedError
from .delivery import Payload
from .destinations import Destination, check_file

__all__ = ["TOKEN_VARIABLE", "HttpOptions", "HttpTransport"]

TOKEN_VARIABLE = "RFSEG_HTTP_TOKEN"
_RETRIED = (408, 429)  # RFC 9110: request timeout; RFC 6585: too many requests; 5xx are retried, too
_SHOWN = 200  # characters of a refusal


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Options of ``http://`` and ``https://``.

    Parameters
    ----------
    token_file : str
        File whose first line is sent as ``Authorization: Token ...``; without one the environment variable
        :data:`TOKEN_VARIABLE` is used where it is set.
    ca_file : str
        With ``https://``: certificates of the authorities that are trusted; the system's where empty.
    timeout : float
        Longest time to connect and for an answer, s.
    """

    token_file: str = ""
    ca_file: str = ""
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise FeedError(f"timeout={self.timeout!r} must be a time above 0, in s")
        for name in ("token_file", "ca_file"):
            if getattr(self, name):
                check_file(getattr(self, name), name)


class HttpTransport:
    """A connection that stays open between requests."""

    def __init__(self, destination: Destination, options: HttpOptions) -> None:
        self._destination, self._options = destination, options
        file, variable = options.token_file, os.environ.get(TOKEN_VARIABLE, "")
        token = Path(file).read_text("utf-8") if file else variable
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token.strip():
            self._headers["Authorization"] = f"Token {token.split()[0]}"
        self._connection: http.client.HTTPConnection | None = None

    def open(self) -> None:
        """Connect."""
        host, port, timeout = self._destination.host, self._destination.port, self._options.timeout
        if self._destination.scheme == "https":
            context = ssl.create_default_context(cafile=self._options.ca_file or None)
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        self._connection.connect()

    def send(self, batch: Sequence[Payload]) -> int:
        """Post the batch; where the server refuses it, its first line alone."""
        status, answer = self._post(b"\n".join(payload.content for payload in batch))
        if status < 300:
            return len(batch)
        if status >= 500 or status in _RETRIED:
            raise OSError(f"the server answers {status}: {answer}")
        if len(batch) > 1:
            return self.send(batch[:1])
        raise FeedError(f"the server refuses a message with {status}: {answer}")

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> tuple[int, str]:
        """Status and text of the answer."""
        self._connection.request("POST", self._destination.path or "/", body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace").strip()[:_SHOWN]
