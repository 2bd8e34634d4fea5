#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A base station and a terminal for ``iq_sharing.py`` to watch, where no srsRAN is at hand.

The station transmits the demo recording over and over, the terminal noise; both check what they receive.  Needs NumPy, pyzmq
and the recording.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import numpy as np
import zmq

RECORDING = Path(__file__).parent / "data" / "demo.sigmf-data"  # complex int8
SLOT = 30_720  # samples of a reply; 1 ms


def load(path: Path) -> np.ndarray:
    """Samples of the recording, complex64."""
    return (np.fromfile(path, np.int8).astype(np.float32) / 128).view(np.complex64)


def transmit(address: str, samples: np.ndarray, total: int, stop: threading.Event) -> None:
    """Answer each request with a slot of the samples, over and over, until ``total`` are sent."""
    with zmq.Context.instance().socket(zmq.REP) as socket:
        socket.bind(address)
        for start in range(0, total, SLOT):
            while not socket.poll(100):
                if stop.is_set():
                    return
            socket.recv()
            socket.send(samples.take(np.arange(start, min(start + SLOT, total)), mode="wrap").tobytes())


def receive(address: str, samples: np.ndarray, total: int, stop: threading.Event) -> int:
    """Ask for samples until ``total`` have come; how many of them differ from what was sent."""
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        count = differing = 0
        while count < total and not stop.is_set():
            socket.send(b"\xff")
            while not socket.poll(100):
                if stop.is_set():
                    return total
            got = np.frombuffer(socket.recv(), np.complex64)
            wanted = samples.take(np.arange(count, count + got.size), mode="wrap")
            differing += int(np.count_nonzero(got != wanted))
            count += got.size
        return differing


def main() -> int:
    """Read the command line and exchange samples; 1 if what comes is not what was sent."""
    parser = argparse.ArgumentParser(description="A base station and a terminal that exchange IQ by ZeroMQ.")
    parser.add_argument("--milliseconds", type=int, default=200, help="to exchange (default: %(default)s)")
    names = ("station-tx", "terminal-rx", "terminal-tx", "station-rx")
    for name, port in zip(names, (2000, 2100, 2001, 2101)):
        parser.add_argument(f"--{name}", default=f"tcp://127.0.0.1:{port}", help="(default: %(default)s)")
    options = parser.parse_args()
    total, stop = options.milliseconds * SLOT, threading.Event()
    rng = np.random.default_rng(1)
    down, up = load(RECORDING), (rng.standard_normal((1 << 18, 2)) * 0.01).astype(np.float32).view(np.complex64)[:, 0]
    ways = {
        "terminal": (options.station_tx, options.terminal_rx, down),
        "station": (options.terminal_tx, options.station_rx, up),
    }
    wrong: dict[str, int] = {}
    threads = []
    for name, (tx, rx, samples) in ways.items():
        threads.append(threading.Thread(target=transmit, args=(tx, samples, total, stop)))
        threads.append(threading.Thread(target=lambda *way: wrong.update({way[0]: receive(*way[1:])}),
                                        args=(name, rx, samples, total, stop)))  # fmt: skip
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        return 130
    for name in ways:
        print(f"{name} has received {total} samples, {wrong[name]} of them wrong")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
