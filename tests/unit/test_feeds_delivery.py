"""Delivery: nothing waits, nothing is lost without being counted."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from rfseg.errors import FeedError, OptionError
from rfseg.feeds.delivery import Backoff, Delivery, Payload

QUICK = Backoff(first=1e-3, largest=4e-3)
TIMEOUT = 10.0  # s that a test waits for what must come


def payload(number: int) -> Payload:
    """A payload that says which it is."""
    return Payload("bands", str(number).encode())


class Wire:
    """A transport under the test's control: it works while ``is_up``, and ``gate`` holds it back."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.is_up = is_up
        self.gate = threading.Event()
        self.gate.set()
        self.received: list[int] = []
        self.refuses: set[int] = set()
        self.largest = 1000  # payloads taken at once
        self.opened = 0
        self.error: Exception = ConnectionResetError("the line is cut")

    def open(self) -> None:
        """Connect."""
        if not self.is_up:
            raise ConnectionRefusedError("nobody listens")
        self.opened += 1

    def send(self, batch) -> int:
        """Take what fits."""
        self.gate.wait(TIMEOUT)
        if not self.is_up:
            raise self.error
        numbers = [int(p.content) for p in batch[: self.largest]]
        if numbers[0] in self.refuses:
            raise FeedError(f"{numbers[0]} is never welcome")
        numbers = list(itertools.takewhile(lambda n: n not in self.refuses, numbers))
        self.received += numbers
        return len(numbers)

    def close(self) -> None:
        """Nothing to close."""


def until(condition) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + TIMEOUT
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(1e-3)


def run(wire: Wire, count: int, **options) -> Delivery:
    """A delivery that has begun, with ``count`` payloads submitted."""
    delivery = Delivery(wire, backoff=QUICK, **options)
    delivery.start()
    for number in range(count):
        delivery.submit(payload(number))
    return delivery


def test_payloads_come_in_order_and_the_end_waits_for_them():
    wire = Wire()
    wire.largest = 7
    counts = run(wire, 500).stop()
    assert wire.received == list(range(500))
    assert (counts.submitted, counts.sent, counts.dropped, counts.refused, counts.waiting) == (500, 500, 0, 0, 0)


def test_a_full_buffer_gives_the_oldest_up_and_counts_it():
    wire = Wire()
    wire.gate.clear()
    delivery = run(wire, 1, queue_depth=10)
    until(lambda: wire.opened and not delivery._waiting)  # the first is under way
    for number in range(1, 31):
        delivery.submit(payload(number))
    assert delivery.counts().dropped == 20
    wire.gate.set()
    counts = delivery.stop()
    assert wire.received == [0, *range(21, 31)]
    assert (counts.submitted, counts.sent, counts.dropped) == (31, 11, 20)


def test_what_was_under_way_when_the_line_broke_is_sent_again_and_never_dropped():
    wire = Wire()
    wire.gate.clear()
    events = []
    delivery = run(wire, 1, queue_depth=2, on_event=lambda event, fields: events.append((event, fields)))
    until(lambda: wire.opened and not delivery._waiting)
    wire.is_up = False
    wire.gate.set()
    until(lambda: len(events) == 2)
    for number in range(1, 6):
        delivery.submit(payload(number))
    wire.is_up = True
    counts = delivery.stop()
    assert wire.received == [0, 4, 5]
    assert (counts.sent, counts.dropped) == (3, 3)
    assert events == [("connected", {}), ("disconnected", {"reason": "the line is cut"}), ("connected", {})]


def test_a_line_that_stays_down_is_told_once_and_what_is_left_counts_as_dropped():
    wire, events = Wire(is_up=False), []
    delivery = run(wire, 5, on_event=lambda event, fields: events.append((event, fields)))
    until(lambda: events)
    counts = delivery.stop(timeout=0.05)
    assert (counts.submitted, counts.sent, counts.dropped, counts.waiting) == (5, 0, 5, 0)
    assert events == [("disconnected", {"reason": "nobody listens"})]


def test_an_idle_feed_ends_at_once_though_the_line_is_down():
    delivery = run(Wire(is_up=False), 0)
    begin = time.monotonic()
    delivery.stop(timeout=5.0)
    assert time.monotonic() - begin < 2.0


def test_a_payload_that_is_refused_holds_nothing_up():
    wire, events = Wire(), []
    wire.refuses = {0, 3}
    counts = run(wire, 6, on_event=lambda event, fields: events.append((event, fields))).stop()
    assert wire.received == [1, 2, 4, 5]
    assert (counts.sent, counts.refused, counts.dropped) == (4, 2, 0)
    assert ("refused", {"reason": "0 is never welcome"}) in events


def test_any_error_of_a_transport_is_a_lost_connection():
    wire, events = Wire(), []
    wire.error = RuntimeError("of a package's own kind")
    wire.is_up = False
    wire.open = lambda: None
    delivery = run(wire, 1, on_event=lambda event, fields: events.append((event, fields)))
    until(lambda: len(events) >= 2)
    wire.is_up = True
    assert delivery.stop().sent == 1
    assert events[1] == ("disconnected", {"reason": "of a package's own kind"})


def test_submitting_never_waits_in_live_mode():
    wire = Wire()
    wire.gate.clear()
    begin = time.monotonic()
    delivery = run(wire, 20_000, queue_depth=5)
    assert time.monotonic() - begin < 5.0  # a transport that hangs costs nothing
    wire.gate.set()
    counts = delivery.stop()
    assert counts.submitted == 20_000 == counts.sent + counts.dropped


def test_lossless_waits_for_room():
    wire = Wire()
    wire.largest = 1
    counts = run(wire, 300, queue_depth=2, mode="lossless").stop()
    assert wire.received == list(range(300)) and counts.dropped == 0


def test_lossless_loses_its_patience_with_a_line_that_is_down(monkeypatch):
    monkeypatch.setattr("rfseg.feeds.delivery._PATIENCE", 0.05)
    wire = Wire(is_up=False)
    begin = time.monotonic()
    delivery = run(wire, 1000, queue_depth=2, mode="lossless")
    assert time.monotonic() - begin < 5.0  # one wait, not one for each payload
    assert delivery.counts().dropped == 998
    delivery.stop(timeout=0.0)


def test_pauses_double_up_to_their_limit_less_what_is_left_to_chance():
    pauses = list(itertools.islice(Backoff(first=1.0, largest=6.0, jitter=0.0).pauses(np.random.default_rng(1)), 5))
    assert pauses == [1.0, 2.0, 4.0, 6.0, 6.0]
    constant = Backoff(first=1.0, largest=1.0, jitter=0.5)
    jittered = list(itertools.islice(constant.pauses(np.random.default_rng(1)), 1000))
    assert 0.5 <= min(jittered) < 0.51 and 0.99 < max(jittered) <= 1.0
    assert len(set(jittered)) == 1000


@pytest.mark.parametrize("values", [{"first": 0.0}, {"first": 2.0, "largest": 1.0}, {"jitter": 1.5}])
def test_pauses_that_make_no_sense_are_refused(values):
    with pytest.raises(FeedError, match="expected 0 < first <= largest"):
        Backoff(**values)


def test_a_buffer_for_nothing_is_refused():
    with pytest.raises(OptionError, match="queue_depth=0 must be an integer of at least 1"):
        Delivery(Wire(), queue_depth=0)
    with pytest.raises(OptionError, match="mode='fast' is unknown, expected one of live, lossless"):
        Delivery(Wire(), mode="fast")
