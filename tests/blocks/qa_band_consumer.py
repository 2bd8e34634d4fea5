"""The twenty-line consumer of a ZeroMQ feed, as its page starts it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zmq")

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 90.0  # s


def test_a_consumer_prints_the_bands_of_a_live_receiver(threshold_model: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    consumer = subprocess.Popen(
        [sys.executable, "examples/band_consumer.py", f"tcp://127.0.0.1:{port}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    receiver = subprocess.Popen(
        [sys.executable, "-m", "rfseg", "live", "--file", "examples/data/demo.sigmf-meta", "--repeat", "--quiet",
         "--model", threshold_model, "--duration", str(TIMEOUT), "--feed", f"zeromq://:{port}"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        lines = [consumer.stdout.readline() for _ in range(4)]
    finally:
        receiver.terminate()
        receiver.wait(TIMEOUT)
        consumer.kill()
        consumer.communicate()
    bands = [re.match(r" *(\d+) (\S+) +([\d.]+) to +([\d.]+) MHz  (0\.\d\d|1\.00)$", line.rstrip()) for line in lines]
    assert all(bands), lines
    for band in bands:
        assert 3584 < float(band[3]) < float(band[4]) < 3616  # around the recording's 3600 MHz
    assert receiver.returncode == 0


def test_a_gap_is_a_loss_and_a_receiver_that_begins_anew_is_none() -> None:
    import zmq

    with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        consumer = subprocess.Popen(
            [sys.executable, "examples/band_consumer.py", f"tcp://127.0.0.1:{port}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert publisher.poll(int(TIMEOUT * 1000)) and publisher.recv() == b"\x01rfseg/"
            for sequence in (5, 6, 9, 0, 1, 5):
                message = {"type": "status", "sequence": sequence}
                publisher.send_multipart([b"rfseg/status", json.dumps(message).encode()])
            lines = [consumer.stdout.readline() for _ in range(2)]
        finally:
            consumer.kill()
            consumer.communicate()
    assert lines == ["2 messages lost\n", "3 messages lost\n"]
