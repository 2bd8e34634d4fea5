"""Servers of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, Iterator

import pytest

TIMEOUT = 20.0  # s that a test waits for what must come


class Broker:
    """A mosquitto of the test's own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self.configure("allow_anonymous true")
        self.process: subprocess.Popen | None = None

    def configure(self, *lines: str) -> None:
        """What the listener's configuration says from the next start on."""
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *lines]) + "\n")

    def start(self) -> None:
        """Start, and wait until it listens."""
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "mosquitto is missing: apt-get install mosquitto"
        self.process = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        _until(self._is_listening)

    def save(self, database: Path) -> None:
        """Have it write its sessions to disk, as it does now and then where ``persistence`` is on."""
        self.process.send_signal(signal.SIGUSR1)
        _until(database.exists)

    def kill(self) -> None:
        """As a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Counts what a broker hands on; one with a name has a session that outlives a connection, and connects again."""

    def __init__(self, port: int, topic: str, *, name: str = "") -> None:
        import paho.mqtt.client as paho

        versions = getattr(paho, "CallbackAPIVersion", None)
        version = [versions.VERSION2] if versions else []
        self._client = paho.Client(*version, client_id=name, clean_session=not name)
        self.contents: list[bytes] = []
        self.topics: set[str] = set()
        subscribed = threading.Event()
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic, qos=1)
        self._client.loop_start()
        assert subscribed.wait(TIMEOUT)

    def _on_message(self, client, data, arrived) -> None:
        self.topics.add(arrived.topic)
        self.contents.append(arrived.payload)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="session")
def servers() -> SimpleNamespace:
    """The classes of this file, by name."""
    return SimpleNamespace(Broker=Broker, Subscriber=Subscriber)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that is not yet running; it is killed when the test ends."""
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def subscribe() -> Iterator[Callable[[int, str], Subscriber]]:
    """Makes subscribers of a port and a topic, which leave when the test ends."""
    made: list[Subscriber] = []

    def make(port: int, topic: str) -> Subscriber:
        made.append(Subscriber(port, topic))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(2e-3)
