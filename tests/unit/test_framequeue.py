"""Frame queue: order, drops, bounded memory, start and stop."""

from __future__ import annotations

import threading
import time

import pytest

from rfseg.errors import OptionError
from rfseg.framequeue import DropPolicy, FrameWorker, LogPace, Mode, choose, ring_samples
from rfseg.geometry import make_geometry

GEOMETRY = make_geometry(15.36e6, frame_duration=2e-3)
TIMEOUT = 10.0  # s


class Counter:
    """A judge that counts; ``gate`` holds it back, ``seen`` lists the keys it judged."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.seen: list[int] = []

    def judge(self, key: int, data: str) -> tuple[int, str]:
        """Judge one frame."""
        self.begun.set()
        assert self.gate.wait(TIMEOUT)
        self.seen.append(key)
        return key, data

    def drop(self, key: int) -> tuple[int, str]:
        """Drop one frame."""
        return key, "dropped"


def until(condition) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(1e-3)


def collect_all(worker: FrameWorker, count: int) -> list:
    """The next ``count`` outcomes."""
    outcomes, deadline = [], time.monotonic() + TIMEOUT
    while len(outcomes) < count:
        assert time.monotonic() < deadline, "the worker stands still"
        worker.wait(0.1)  # it also returns when the queue has moved
        outcomes += worker.collect()
    return outcomes


@pytest.mark.parametrize(
    "policy, judged",
    [(DropPolicy.DROP_OLDEST, [0, 5, 6]), (DropPolicy.DROP_NEWEST, [0, 1, 2])],
)
def test_a_full_queue_drops_by_policy_and_outcomes_keep_their_order(policy, judged):
    judge = Counter()
    judge.gate.clear()
    worker = FrameWorker(judge, depth=2, policy=policy)
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    for key in range(1, 7):
        worker.submit(key, "data")
    assert worker.waiting == 2 and worker.is_full and not worker.has_ready
    judge.gate.set()
    outcomes = collect_all(worker, 7)
    assert [key for key, _ in outcomes] == list(range(7))
    assert [key for key, state in outcomes if state == "data"] == judge.seen == judged
    assert worker.is_drained and worker.stop() == 0


def test_a_dropped_frame_keeps_no_data():
    judge = Counter()
    judge.gate.clear()
    worker = FrameWorker(judge, depth=1, policy=DropPolicy.DROP_OLDEST)
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    for key in range(1, 100):
        worker.submit(key, "data")
    assert sum(entry.data is not None for entry in worker._entries) == 2  # in work and waiting
    judge.gate.set()
    assert len(collect_all(worker, 100)) == 100
    worker.stop()


def test_a_skipped_frame_takes_no_place_in_the_queue():
    judge = Counter()
    judge.gate.clear()
    worker = FrameWorker(judge, depth=1, policy=DropPolicy.DROP_OLDEST)
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    for key in range(1, 5):
        worker.skip(key)
    worker.submit(5, "data")
    judge.gate.set()
    outcomes = collect_all(worker, 6)
    assert outcomes == [(0, "data"), *((k, "dropped") for k in range(1, 5)), (5, "data")]
    worker.stop()


def test_draining_waits_for_every_frame():
    judge = Counter()
    worker = FrameWorker(judge, depth=50, policy=DropPolicy.DROP_OLDEST)
    worker.start()
    for key in range(50):
        worker.submit(key, "data")
    worker.drain()
    assert judge.seen == list(range(50))
    assert len(worker.collect()) == 50
    worker.stop()


def test_stopping_waits_for_the_frame_in_work_alone_and_starting_goes_on():
    judge = Counter()
    judge.gate.clear()
    worker = FrameWorker(judge, depth=5, policy=DropPolicy.DROP_OLDEST)
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    for key in (1, 2):
        worker.submit(key, "data")
    left = []
    stopper = threading.Thread(target=lambda: left.append(worker.stop()))
    stopper.start()
    until(lambda: worker._stopping)
    judge.gate.set()
    stopper.join(TIMEOUT)
    assert left == [3] and judge.seen == [0]
    worker.start()
    assert [key for key, _ in collect_all(worker, 3)] == [0, 1, 2]
    worker.stop()


def test_a_judge_that_hangs_does_not_keep_the_worker_from_stopping_and_is_heard_no_more(caplog):
    judge, calls = Counter(), []
    judge.gate.clear()
    worker = FrameWorker(judge, depth=5, policy=DropPolicy.DROP_OLDEST, on_ready=lambda: calls.append("ready"))
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    (thread,) = worker._threads
    assert worker.stop(timeout=0.01) == 1
    assert "its thread is left alone" in caplog.text
    judge.gate.set()
    thread.join(TIMEOUT)
    assert not thread.is_alive() and judge.seen == [0] and not calls and worker.collect() == []


def test_frames_are_judged_at_once_and_keep_their_order():
    both, second = threading.Barrier(2), threading.Event()

    class Pair(Counter):
        """The first frame of a pair ends only when both have begun and the second has ended."""

        def judge(self, key, data):
            both.wait(TIMEOUT)
            if key % 2:
                self.seen.append(key)
                second.set()
            else:
                assert second.wait(TIMEOUT)
                second.clear()
                self.seen.append(key)
            return key, data

    judge = Pair()
    worker = FrameWorker(judge, depth=6, policy=DropPolicy.DROP_OLDEST, workers=2)
    worker.start()
    for key in range(6):
        worker.submit(key, "data")
    worker.drain()
    assert judge.seen == [1, 0, 3, 2, 5, 4]
    assert [key for key, _ in worker.collect()] == list(range(6))
    assert worker.stop() == 0


def test_stopping_waits_for_all_threads_and_tells_of_those_that_hang(caplog):
    judge, begun = Counter(), threading.Semaphore(0)
    judge.gate.clear()
    judge.begun.set = begun.release
    worker = FrameWorker(judge, depth=5, policy=DropPolicy.DROP_OLDEST, workers=3)
    worker.start()
    for key in range(3):
        worker.submit(key, "data")
    assert all(begun.acquire(timeout=TIMEOUT) for _ in range(3))
    threads = worker._threads
    assert worker.stop(timeout=0.01) == 3 and "its thread is left alone" in caplog.text
    judge.gate.set()
    for thread in threads:
        thread.join(TIMEOUT)
    worker.submit(3, "data")
    worker.start()
    worker.drain()
    assert worker.stop() == 4  # those that were given up have no outcome, and the one behind them waits for its turn


def test_stopping_waits_until_a_frame_has_been_told_of():
    told, judge = threading.Event(), Counter()
    calls: list[str] = []

    def on_ready() -> None:
        calls.append("begins")
        assert told.wait(TIMEOUT)
        calls.append("ends")

    worker = FrameWorker(judge, depth=5, policy=DropPolicy.DROP_OLDEST, on_ready=on_ready)
    worker.start()
    worker.submit(0, "data")
    until(lambda: calls)
    stopper = threading.Thread(target=lambda: (worker.stop(timeout=0.01), calls.append("stopped")))
    stopper.start()
    until(lambda: worker._stopping)
    told.set()
    stopper.join(TIMEOUT)
    assert calls == ["begins", "ends", "stopped"]


def test_lines_are_logged_at_a_pace():
    assert [LogPace(60.0).is_due() for _ in range(2)] == [True, True]
    pace = LogPace(60.0)
    assert [pace.is_due() for _ in range(3)] == [True, False, False]
    assert LogPace(0.0).is_due()


def test_on_ready_comes_once_for_each_frame_that_was_judged():
    calls = threading.Semaphore(0)
    worker = FrameWorker(Counter(), depth=5, policy=DropPolicy.DROP_OLDEST, on_ready=calls.release)
    worker.start()
    for key in range(5):
        worker.submit(key, "data")
    assert all(calls.acquire(timeout=TIMEOUT) for _ in range(5))
    assert not calls.acquire(blocking=False)
    worker.stop()


@pytest.mark.parametrize("name", ["queue_depth", "workers"])
@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_a_queue_needs_a_place_and_a_thread(name, number):
    options = {"queue_depth": 1, "workers": 1} | {name: number}
    with pytest.raises(OptionError, match=f"{name}={number} must be an integer of at least 1"):
        FrameWorker(Counter(), depth=options["queue_depth"], workers=options["workers"], policy=DropPolicy.DROP_OLDEST)


def test_options_are_chosen_by_name():
    assert choose(Mode, "live", "mode") is Mode.LIVE
    with pytest.raises(OptionError, match="mode='slow' is unknown, expected one of live, lossless"):
        choose(Mode, "slow", "mode")


def test_the_ring_holds_what_the_mode_needs():
    assert ring_samples(GEOMETRY, mode=Mode.LOSSLESS, hold=0.25) >= 3 * GEOMETRY.frame_samples
    live = ring_samples(GEOMETRY, mode=Mode.LIVE, hold=0.25)
    assert live >= 0.25 * GEOMETRY.samp_rate + GEOMETRY.frame_samples
    for hold in (0.0, -1.0, float("nan")):
        with pytest.raises(OptionError, match="must be a time above 0"):
            ring_samples(GEOMETRY, mode=Mode.LIVE, hold=hold)
