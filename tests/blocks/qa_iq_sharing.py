# SPDX-License-Identifier: GPL-3.0-or-later
"""The broker between a base station and a terminal: no sample is changed or held up, and what is sent is told."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

zmq = pytest.importorskip("zmq")

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 240.0  # s; many times what a busy machine takes
WAYS = ("downlink", "to-terminal", "uplink", "to-station")


def ports() -> list[str]:
    """Addresses that are free."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in WAYS]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [f"tcp://127.0.0.1:{probe.getsockname()[1]}" for probe in probes]


def shown(page: str) -> str:
    """What the page of an example shows as its output."""
    text = (ROOT / "examples" / page).read_text()
    return text.split("**Expected output**", 1)[1].split("```\n", 2)[1]


def test_the_two_programs_print_what_their_pages_show():
    addresses = ports()
    arguments = [part for way, address in zip(WAYS, addresses) for part in (f"--{way}", address)]
    broker = subprocess.Popen(
        [sys.executable, "examples/iq_sharing.py", "--center-freq", "3.6e9", "--lossless", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ends = ("--station-tx", "--terminal-rx", "--terminal-tx", "--station-rx")
        arguments = [part for end, address in zip(ends, addresses) for part in (end, address)]
        peers = subprocess.run(
            [sys.executable, "examples/iq_sharing_peers.py", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT,
        )  # fmt: skip
        broker.send_signal(signal.SIGINT)
        output, _ = broker.communicate(timeout=TIMEOUT)
    finally:
        broker.kill()
    assert (peers.returncode, peers.stdout) == (0, shown("iq_sharing_peers.md"))
    assert (broker.returncode, output) == (0, shown("iq_sharing.md"))


class Transmitter(threading.Thread):
    """Answers as srsRAN does: reads one byte of a request, sends a slot, of whatever length it has just made."""

    def __init__(self, address: str, samples: np.ndarray) -> None:
        super().__init__()
        self._samples, self._rng = samples, np.random.default_rng(2)
        self._socket = zmq.Context.instance().socket(zmq.REP)
        self._socket.setsockopt(zmq.RCVTIMEO, int(TIMEOUT * 1000))
        self._socket.bind(address)

    def run(self) -> None:
        start = 0
        while start < len(self._samples):
            self._socket.recv()
            stop = start + int(self._rng.integers(1, 23_040))
            self._socket.send(self._samples[start:stop].tobytes())
            start = stop
        self._socket.close(linger=int(TIMEOUT * 1000))


class Receiver(threading.Thread):
    """Asks as srsRAN does, with one byte of ones, and keeps what comes."""

    def __init__(self, address: str, count: int) -> None:
        super().__init__()
        self._count, self.samples = count, np.empty(0, np.complex64)
        self._socket = zmq.Context.instance().socket(zmq.REQ)
        self._socket.setsockopt(zmq.RCVTIMEO, int(TIMEOUT * 1000))
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(address)

    def run(self) -> None:
        content = b""
        while len(content) < 8 * self._count:
            self._socket.send(b"\xff")
            content += self._socket.recv()
        self.samples = np.frombuffer(content, np.complex64)
        self._socket.close()


def test_samples_pass_bit_for_bit_both_ways_even_if_inference_hangs(stub_session):
    spec = importlib.util.spec_from_file_location("iq_sharing", ROOT / "examples" / "iq_sharing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stub_session.gate.clear()
    addresses = ports()
    rng = np.random.default_rng(3)
    down, up = (rng.standard_normal((count, 2)).astype(np.float32).view(np.complex64)[:, 0] for count in (1_000_000, 400_000))
    names = [way.replace("-", "_") for way in WAYS]
    options = argparse.Namespace(**dict(zip(names, addresses)), samp_rate=15.36e6, center_freq=None, lossless=False)
    options.model = stub_session
    transmitters = [Transmitter(addresses[0], down), Transmitter(addresses[2], up)]
    receivers = [Receiver(addresses[1], len(down)), Receiver(addresses[3], len(up))]
    top = module.broker(options)
    top.start()
    try:
        for thread in (*transmitters, *receivers):
            thread.start()
        for thread in (*transmitters, *receivers):
            thread.join(TIMEOUT)
        assert stub_session.begun.is_set() and top.segmenter.inferred() == 0  # it hangs in the first frame
    finally:
        stub_session.gate.set()
        top.end()
        top.wait()
    assert np.array_equal(receivers[0].samples, down)
    assert np.array_equal(receivers[1].samples, up)


def test_an_address_in_use_is_an_error_on_one_line(capsys, monkeypatch, threshold_model):
    spec = importlib.util.spec_from_file_location("iq_sharing", ROOT / "examples" / "iq_sharing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    addresses = ports()
    with zmq.Context.instance().socket(zmq.REP) as occupant:
        occupant.bind(addresses[1])
        arguments = [part for way, address in zip(WAYS, addresses) for part in (f"--{way}", address)]
        monkeypatch.setattr("sys.argv", ["iq_sharing.py", "--model", threshold_model, *arguments])
        assert module.main() == 2
    message = f"error: {addresses[1]}, {addresses[3]}: Address already in use; choose addresses that are free\n"
    assert capsys.readouterr().err.endswith(message)
