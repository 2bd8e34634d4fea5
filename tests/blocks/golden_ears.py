"""Those who listen to the feeds of a golden run: a subscriber of ZeroMQ, datagrams, lines of InfluxDB."""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable

import zmq

TIMEOUT = 120.0  # s that a test waits for what must come; other processes may have the processor


def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Zeromq:
    """A subscriber that is there before the first message."""

    def __init__(self, port: int) -> None:
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)  # ms
        self._socket.subscribe("rfseg/bands")
        self._socket.connect(f"tcp://127.0.0.1:{port}")
        self._contents: list[bytes] = []

    def wait(self) -> None:
        """Until the publisher knows of it."""
        assert self._monitor.poll(int(TIMEOUT * 1000))

    @property
    def contents(self) -> list[bytes]:
        """What has come so far."""
        while self._socket.poll(0):
            self._contents.append(self._socket.recv_multipart()[1])
        return self._contents

    def close(self) -> None:
        """Leave."""
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)


class Datagrams:
    """Reads a UDP socket from a thread."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = self._socket.getsockname()[1]
        self.contents: list[bytes] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self.contents.append(self._socket.recv(65536))
            except TimeoutError:
                continue

    def close(self) -> None:
        """Leave."""
        self._end.set()
        self._thread.join()
        self._socket.close()


@dataclass(frozen=True)
class Point:
    """A line of InfluxDB's protocol: measurement, tags, fields, time in ns."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Any]
    time: int


def read_point(line: str) -> Point:
    """Take a line apart; names and texts of these tests hold neither spaces, commas nor escapes."""
    head, values, moment = line.split(" ")
    measurement, *tags = head.split(",")
    fields = dict(field.split("=") for field in values.split(","))
    return Point(
        measurement, dict(tag.split("=") for tag in tags), {k: _value(v) for k, v in fields.items()}, int(moment)
    )


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return text.strip('"')
    return int(text[:-1]) if re.fullmatch(r"-?\d+i", text) else float(text)
