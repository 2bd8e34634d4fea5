"""Frame queue: order, drops, bounded memory, model changes, start and stop."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.errors import ContractError, OptionError
from rfseg.framequeue import (
    DropPolicy,
    FrameJudge,
    FrameWorker,
    LogPace,
    Mode,
    ModelLoader,
    check_replacement,
    choose,
    ring_samples,
)
from rfseg.geometry import Frame, Reduction, make_geometry
from rfseg.inference import Session
from rfseg.pipeline import FrameState, segment_rows

MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"
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


@pytest.fixture(scope="module")
def session() -> Session:
    """The threshold model."""
    return Session(MODEL, threads=1)


def frame(index: int, **changes) -> Frame:
    """Frame number ``index`` of a stream."""
    count = GEOMETRY.frame_samples
    fields = {"sample_start": index * count, "sample_count": count, "valid_samples": count, "samp_rate": 15.36e6}
    return Frame(index=index, **{**fields, **changes})


def rows(level_db: float) -> np.ndarray:
    """Rows of one level, float32 ``(C, T, F)``."""
    return np.full((2, GEOMETRY.rows, GEOMETRY.bins), level_db, np.float32)


def collect_all(worker: FrameWorker, count: int) -> list:
    """The next ``count`` outcomes."""
    outcomes = []
    while len(outcomes) < count:
        worker.wait(TIMEOUT)
        new = worker.collect()
        assert new, "the worker stands still"
        outcomes += new
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
    while not worker._stopping:
        pass
    judge.gate.set()
    stopper.join(TIMEOUT)
    assert left == [3] and judge.seen == [0]
    worker.start()
    assert [key for key, _ in collect_all(worker, 3)] == [0, 1, 2]
    worker.stop()


def test_a_judge_that_hangs_does_not_keep_the_worker_from_stopping(caplog):
    judge = Counter()
    judge.gate.clear()
    worker = FrameWorker(judge, depth=5, policy=DropPolicy.DROP_OLDEST)
    worker.start()
    worker.submit(0, "data")
    assert judge.begun.wait(TIMEOUT)
    assert worker.stop(timeout=0.01) == 1
    assert "its thread is left alone" in caplog.text
    judge.gate.set()


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


@pytest.mark.parametrize("depth", [0, -1, 1.5])
def test_a_queue_needs_a_place(depth):
    with pytest.raises(OptionError, match="must be an integer of at least 1"):
        FrameWorker(Counter(), depth=depth, policy=DropPolicy.DROP_OLDEST)


def test_options_are_chosen_by_name():
    assert choose(Mode, "live", "mode") is Mode.LIVE
    with pytest.raises(OptionError, match="mode='slow' is unknown, expected one of live, lossless"):
        choose(Mode, "slow", "mode")


# -- judging


def test_a_judged_frame_has_the_mask_of_the_session(session):
    outcome = FrameJudge(session, GEOMETRY).judge(frame(0, valid_samples=200), rows(-60.0))
    mask, confidence = segment_rows(session, rows(-60.0), frame(0, valid_samples=200), GEOMETRY)
    assert outcome.state is FrameState.INFERRED and outcome.model == "threshold" and outcome.duration > 0
    assert np.array_equal(outcome.mask, mask) and np.array_equal(outcome.confidence, confidence)


def test_an_error_of_the_backend_is_an_outcome_and_is_logged_once(session, caplog):
    class Broken:
        contract = session.contract

        def run(self, rows: np.ndarray):
            raise MemoryError("no more")

    judge = FrameJudge(Broken(), GEOMETRY)
    outcomes = [judge.judge(frame(k), rows(-60.0)) for k in range(3)]
    assert {o.state for o in outcomes} == {FrameState.FAILED}
    assert all(np.all(o.mask == 255) and not o.confidence.any() for o in outcomes)
    assert [r.message for r in caplog.records] == ["model 'threshold' failed on frame 0: no more"]


@pytest.mark.parametrize("samp_rate", [7.68e6, 30.72e6, 200e6])
def test_a_rate_that_the_model_does_not_cover_is_an_outcome(session, samp_rate):
    outcome = FrameJudge(session, GEOMETRY).judge(frame(0, samp_rate=samp_rate), rows(-60.0))
    assert outcome.state is FrameState.UNSUPPORTED_RATE and np.all(outcome.mask == 255)


def test_a_dropped_frame_has_neither_mask_nor_rows(session):
    outcome = FrameJudge(session, GEOMETRY).drop(frame(0))
    assert outcome.state is FrameState.DROPPED and outcome.rows is None and np.all(outcome.mask == 255)


# -- model changes


class Renamed:
    """The threshold model under another contract."""

    def __init__(self, session: Session, **changes) -> None:
        self.contract = replace(session.contract, **changes)
        self.run = session.run


def test_an_offered_model_takes_over_at_the_next_frame(session):
    judge = FrameJudge(session, GEOMETRY)
    judge.offer(Renamed(session, name="other"))
    assert judge.contract.name == "threshold"
    assert judge.judge(frame(0), rows(-60.0)).model == "other"
    assert judge.contract.name == "other"


def test_a_model_that_does_not_fit_is_not_taken(session):
    classes = session.contract.classes
    cases = [
        ({"reductions": (Reduction.MEAN,)}, "wants 256 rows of"),
        ({"classes": classes[:3]}, "has the classes Noise, LTE, NR, expected Noise, LTE, NR, Radar"),
        ({"samp_rate_range": (20e6, 30e6)}, "the stream runs at 1.536e.07 Hz"),
        ({"frame_duration_range": (10e-3, 20e-3)}, "with frames of 0.002 s"),
    ]
    for changes, text in cases:
        candidate = replace(session.contract, name="other", **changes)
        with pytest.raises(ContractError, match=text):
            check_replacement(session.contract, candidate, GEOMETRY)


def test_the_loader_reports_each_request_in_order(session):
    judge = FrameJudge(session, GEOMETRY)
    changes, done = [], threading.Event()

    def note(change) -> None:
        changes.append(change)
        if len(changes) == 4:
            done.set()

    def open_session(model: str):
        if model == "broken":
            raise ContractError("it is broken")
        if model == "odd":
            raise ZeroDivisionError("odd")
        return Renamed(session, name=model)

    loader = ModelLoader(judge, open_session=open_session, on_change=note)
    for model in ("first", "broken", "odd", "second"):
        loader.request(model)
    assert done.wait(TIMEOUT)
    assert [(c.model, c.reason) for c in changes] == [
        ("first", ""),
        ("broken", "it is broken"),
        ("odd", "ZeroDivisionError: odd"),
        ("second", ""),
    ]
    assert [c.is_refused for c in changes] == [False, True, True, False]
    assert judge.judge(frame(0), rows(-60.0)).model == "second"


def test_the_ring_holds_what_the_mode_needs():
    assert ring_samples(GEOMETRY, mode=Mode.LOSSLESS, hold=0.25) >= 3 * GEOMETRY.frame_samples
    live = ring_samples(GEOMETRY, mode=Mode.LIVE, hold=0.25)
    assert live >= 0.25 * GEOMETRY.samp_rate + GEOMETRY.frame_samples
    for hold in (0.0, -1.0, float("nan")):
        with pytest.raises(OptionError, match="must be a time above 0"):
            ring_samples(GEOMETRY, mode=Mode.LIVE, hold=hold)
