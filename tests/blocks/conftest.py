"""Blocks, models and signals that the flowgraph tests share.

GNU Radio keeps no reference to a Python block: each needs a name for as long as its flowgraph runs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr

from rfseg.inference import Session

THRESHOLD_MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"


class ArraySource(gr.sync_block):
    """Plays an array once, with tags, in pieces of random size.

    ``tags`` maps an offset to a list of (key, value).  The stream stays open after the last item until ``end`` is
    set, which it is unless ``is_open``.  It waits before item ``pause_at`` until ``go_on`` is set.
    """

    def __init__(
        self,
        items: np.ndarray,
        *,
        tags: dict | None = None,
        seed: int = 0,
        largest: int = 8191,
        is_open: bool = False,
        pause_at: int | None = None,
    ) -> None:
        gr.sync_block.__init__(self, name="array_source", in_sig=None, out_sig=[_signature(items)])
        self.end, self.go_on, self._pause_at = threading.Event(), threading.Event(), pause_at
        if not is_open:
            self.end.set()
        self._items, self._tags, self._largest = items, tags or {}, largest
        self._rng = np.random.default_rng(seed)

    def work(self, input_items: list, output_items: list) -> int:
        """Write the next piece."""
        begin = self.nitems_written(0)
        count = min(int(self._rng.integers(1, self._largest + 1)), len(output_items[0]), len(self._items) - begin)
        if self._pause_at is not None and begin < self._pause_at:
            count = min(count, self._pause_at - begin)
        elif begin == self._pause_at:
            self.go_on.wait(20.0)
        if count == 0:
            self.end.wait(20.0)  # a test that fails does not set it
            return int(gr.WORK_DONE)
        output_items[0][:count] = self._items[begin : begin + count]
        for offset, tags in self._tags.items():
            if begin <= offset < begin + count:
                for key, value in tags:
                    self.add_item_tag(0, offset, pmt.intern(key), value)
        return count


class RandomCopy(gr.basic_block):
    """Copies items in pieces of random size, tags included."""

    def __init__(self, dtype: object, *, seed: int, largest: int) -> None:
        gr.basic_block.__init__(self, name="random_copy", in_sig=[dtype], out_sig=[dtype])
        self._rng, self._largest = np.random.default_rng(seed), largest

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        """One item is enough."""
        return [1] * ninputs

    def general_work(self, input_items: list, output_items: list) -> int:
        """Copy the next piece."""
        size = int(self._rng.integers(1, self._largest + 1))
        count = min(size, len(input_items[0]), len(output_items[0]))
        output_items[0][:count] = input_items[0][:count]
        self.consume(0, count)
        return count


class CompareSink(gr.sync_block):
    """Compares the stream with an array, over and over, and keeps the tags."""

    def __init__(self, expected: np.ndarray) -> None:
        gr.sync_block.__init__(self, name="compare_sink", in_sig=[_signature(expected)], out_sig=None)
        self._expected = expected
        self.received = 0
        self.differing = 0
        self.tags: list[tuple[int, str, object]] = []

    def work(self, input_items: list, output_items: list) -> int:
        """Compare the next piece, bit for bit."""
        begin = self.nitems_read(0) % len(self._expected)
        count = min(len(input_items[0]), len(self._expected) - begin)
        wanted, items = self._expected[begin : begin + count], np.ascontiguousarray(input_items[0][:count])
        if not np.array_equal(wanted.view(np.uint8), items.view(np.uint8)):
            self.differing += count
        self.received += count
        self.tags += [
            (t.offset, pmt.symbol_to_string(t.key), t.value) for t in self.get_tags_in_window(0, 0, count)
        ]
        return count


class PacedSource(gr.sync_block):
    """Plays an array over and over at the pace of a clock, like a radio: ``count`` samples, or until ``end`` is set."""

    def __init__(self, items: np.ndarray, samp_rate: float, *, count: int | None = None) -> None:
        gr.sync_block.__init__(self, name="paced_source", in_sig=None, out_sig=[_signature(items)])
        self._items, self._samp_rate, self._count = items, samp_rate, count
        self._interval = 10e-3  # s; samples come in transfers, as a radio's do
        self._begin: float | None = None
        self.end = threading.Event()

    def work(self, input_items: list, output_items: list) -> int:
        """Write what is due by now."""
        if self._begin is None:
            self._begin = time.monotonic()
        written = self.nitems_written(0)
        if written == self._count or self.end.is_set():
            return int(gr.WORK_DONE)
        wanted = int(self._interval * self._samp_rate)
        if self._count is not None:
            wanted = min(wanted, self._count - written)
        while (due := self._due() - written) < wanted:
            time.sleep((wanted - due) / self._samp_rate)  # the pace of the source, nothing waits for it
        offset = written % len(self._items)
        count = min(due, len(output_items[0]), len(self._items) - offset)
        output_items[0][:count] = self._items[offset : offset + count]
        return count

    def _due(self) -> int:
        due = int((time.monotonic() - self._begin) * self._samp_rate)
        return due if self._count is None else min(due, self._count)


class MessageLog(gr.basic_block):
    """Keeps the messages of one port; tests can wait until there are some."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, name="message_log", in_sig=None, out_sig=None)
        self.messages: list = []
        self._changed = threading.Condition()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self._on_message)

    def wait_for(self, condition, timeout: float = 10.0) -> None:
        """Until ``condition(messages)`` holds; fails after ``timeout`` s."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.messages), timeout), "the message never came"

    def _on_message(self, message) -> None:
        with self._changed:
            self.messages.append(pmt.to_python(message) if pmt.is_dict(message) else message)
            self._changed.notify_all()


@dataclass
class StubSession:
    """A backend whose speed and failures a test controls.

    ``gate`` holds every inference back until it is set; ``delay`` is the time that one takes, s;
    ``error`` is raised by each.  It runs the threshold model's own graph otherwise.
    """

    session: Session
    delay: float = 0.0
    error: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    runs: int = 0

    def __post_init__(self) -> None:
        self.contract = self.session.contract
        self.gate.set()

    def run(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment, as slowly and as badly as asked for."""
        self.runs += 1
        self.begun.set()
        self.gate.wait()
        time.sleep(self.delay)  # the time that inference takes
        if self.error is not None:
            raise self.error
        return self.session.run(rows)


@pytest.fixture(scope="session")
def threshold_session() -> Session:
    """The threshold model, loaded."""
    return Session(THRESHOLD_MODEL, threads=1)


@pytest.fixture
def stub_session(threshold_session: Session) -> StubSession:
    """A backend under the test's control."""
    return StubSession(threshold_session)


@pytest.fixture(scope="session")
def threshold_model() -> str:
    """Path of the threshold model."""
    return str(THRESHOLD_MODEL)


@pytest.fixture(scope="session")
def kit():
    """The classes of this file, by name."""

    class Kit:
        array_source, random_copy, compare_sink = ArraySource, RandomCopy, CompareSink
        paced_source, message_log, stub = PacedSource, MessageLog, StubSession
        run, end, noise, comb = staticmethod(run), staticmethod(end), staticmethod(noise), staticmethod(comb)

    return Kit


def run(top_block: gr.top_block, timeout: float = 30.0, *, max_noutput_items: int = 100_000_000) -> None:
    """Run a flowgraph to its end; one that hangs fails the test instead of holding it up."""
    top_block.start(max_noutput_items)
    waiter = threading.Thread(target=top_block.wait, daemon=True)
    waiter.start()
    waiter.join(timeout)
    if waiter.is_alive():
        top_block.stop()
        pytest.fail(f"the flowgraph did not end within {timeout:g} s")


def end(block: gr.basic_block) -> None:
    """End a block that has no streams, as GNU Radio does when its last sender ends."""
    block.to_basic_block()._post(pmt.intern("system"), pmt.cons(pmt.intern("done"), pmt.from_long(1)))


def noise(count: int, *, level_db: float, seed: int) -> np.ndarray:
    """Complex white noise, complex64 ``(count,)``, of ``level_db`` dBFS in all."""
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((count, 2), np.float32) * np.float32(10 ** (level_db / 20) / np.sqrt(2))
    return parts.view(np.complex64).reshape(-1)


def comb(count: int, *, bins: int, first: int, last: int, level_db: float) -> np.ndarray:
    """Tones on the centres of bins ``first`` to ``last``, each of ``level_db`` dBFS, complex64 ``(count,)``."""
    numbers = np.arange(first, last + 1) - bins // 2
    phases = np.pi * np.arange(len(numbers)) ** 2 / len(numbers)  # Newman's: a flat envelope
    period = np.exp(1j * (2 * np.pi * np.outer(np.arange(bins), numbers) / bins + phases)).sum(axis=1)
    return np.resize(period * 10 ** (level_db / 20), count).astype(np.complex64)


def _signature(items: np.ndarray) -> object:
    return items.dtype.type if items.ndim == 1 else (items.dtype.type, items.shape[1])
