#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of ``remote_inference.py`` that runs the network: needs ``rfseg`` and ``pyzmq``, no GNU Radio."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

from rfseg.errors import RfsegError
from rfseg.inference import DEFAULT_MODEL, Session
from rfseg.remote import serve

INTERVAL = 1.0  # s between lines


class Counter:
    """Counts answers, and prints them once a second."""

    def __init__(self) -> None:
        self._answers, self._total, self._next = 0, 0.0, time.monotonic() + INTERVAL

    def count(self, seconds: float) -> None:
        """One more."""
        self._answers, self._total = self._answers + 1, self._total + seconds
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            self.show()

    def show(self) -> None:
        """Print a line."""
        mean = self._total / max(self._answers, 1)
        print(f"{self._answers} answers, {mean * 1e3:.1f} ms of inference each", flush=True)


def main() -> int:
    """Read the command line and serve until SIGINT or SIGTERM; 2 on bad input."""
    parser = argparse.ArgumentParser(description="Run a network for a flowgraph on another host.")
    parser.add_argument("--bind", default="tcp://127.0.0.1:5560", help="tcp://*:5560 for all (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or file of a model (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of one inference (default: the backend chooses)")
    options = parser.parse_args()
    stop, counter = threading.Event(), Counter()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        session = Session(options.model, threads=options.threads)
        serve(
            session,
            options.bind,
            stop=stop,
            on_bound=lambda endpoint: print(f"model {session.contract.name} at {endpoint}", flush=True),
            on_reply=counter.count,
        )
    except RfsegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    counter.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
