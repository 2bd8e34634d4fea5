"""What the tests of rfseg live share: a receiver in a thread, and a radio that only SoapySDR knows."""

from __future__ import annotations

import io
import json
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

from gnuradio.rfseg.live.running import Exit, Reporter, run_receiver

from rfseg.live.settings import read_settings
from rfseg.live.status import LiveStatus

TIMEOUT = 120.0  # s that a test waits for what must come; other processes may have the processor
SAMP_RATE = 1.536e7  # Hz; the lowest of the test model


def until(condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds; its value."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came"
        pause.wait(5e-3)
    return value


class Notes(Reporter):
    """A reporter whose words a test reads."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        super().__init__(self.out, as_json=True)
        self.notes: list[str] = []
        self.is_abandoned = False

    def status(self, status: LiveStatus) -> None:
        """Keep it; end the run of a test that has failed."""
        if self.is_abandoned:
            raise RuntimeError("the test has failed")
        super().status(status)

    def note(self, text: str) -> None:
        """Keep a line."""
        self.notes.append(text)

    def said(self, words: str) -> str | None:
        """The first note with these words."""
        return next((note for note in list(self.notes) if words in note), None)

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """All that was reported."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        """The totals."""
        return self.statuses[-1]

    def port(self, control: str) -> int:
        """Where a control listens."""
        note = until(lambda: self.said(f"({control})"))
        return int(note.split(" (")[0].rpartition(":")[2])


@contextmanager
def running(table: dict[str, Any]) -> Iterator[tuple[Notes, Callable[[], Exit]]]:
    """A receiver in a thread: its notes, and what waits for its end and gives the exit code."""
    reporter, answers = Notes(), []

    def run() -> None:
        try:
            answers.append(run_receiver(read_settings(table), reporter))
        except Exception as error:  # it belongs to the test
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end() -> Exit:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "the receiver did not end"
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    try:
        yield reporter, end
    except BaseException:
        reporter.is_abandoned = True
        thread.join(TIMEOUT)
        raise
    end()


def build_tone_device(folder: Path) -> None:
    """Compile the radio of these tests as a module of SoapySDR."""
    source = Path(__file__).parent / "soapy" / "tone_device.cc"
    command = ["g++", "-O1", "-std=c++17", "-shared", "-fPIC", "-o", str(folder / "librfsegtest.so"), str(source)]
    subprocess.run([*command, "-lSoapySDR"], check=True)
