"""Judging frames, and changing models between two of them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.errors import ContractError
from rfseg.framejudge import FrameJudge, ModelLoader, check_replacement
from rfseg.geometry import Frame, Reduction, make_geometry
from rfseg.inference import Session
from rfseg.modelfile import load_contract
from rfseg.pipeline import FrameState, segment_rows

MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"
GEOMETRY = make_geometry(15.36e6, frame_duration=2e-3)
TIMEOUT = 10.0  # s


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


def test_a_judged_frame_has_the_mask_of_the_session(session):
    outcome = FrameJudge(session, GEOMETRY).judge(frame(0, valid_samples=200), rows(-60.0))
    mask, confidence = segment_rows(session, rows(-60.0), frame(0, valid_samples=200), GEOMETRY)
    assert outcome.state is FrameState.INFERRED and outcome.model == "threshold" and outcome.duration > 0
    assert np.array_equal(outcome.mask, mask) and np.array_equal(outcome.confidence, confidence)


def test_a_model_of_pictures_cannot_take_over_a_stream(session):
    pictures = Session(MODEL.with_name("picture.onnx"), threads=1)
    said = "'picture' of the family 'published' wants pictures scaled to the extremes of 'all', the stream carries rows; restart"
    with pytest.raises(ContractError, match=said):
        FrameJudge(session, GEOMETRY).offer(pictures)


def test_a_picture_is_judged_with_its_limits():
    pictures, rng = Session(MODEL.with_name("picture.onnx"), threads=1), np.random.default_rng(1)
    geometry = pictures.contract.make_geometry(15.36e6)
    levels = rng.choice([0.0, 100.0, 200.0, 255.0], (1, geometry.rows, geometry.bins)).astype(np.float32)
    count, low, high = geometry.frame_samples, -100.0, -20.0
    fields = {"index": 0, "sample_start": 0, "sample_count": count, "valid_samples": count, "samp_rate": 15.36e6}
    judge = FrameJudge(pictures, geometry)
    outcome = judge.judge(Frame(**fields, limits=(low, high)), low + levels * (high - low) / 255.0)
    assert outcome.state is FrameState.INFERRED
    assert np.array_equal(outcome.mask, np.select([levels[0] > 235, levels[0] > 150], [3, 1], 0))
    assert judge.judge(Frame(**fields), levels).state is FrameState.FAILED  # without limits there is no picture
    other = replace(Frame(**fields, limits=(low, high)), samp_rate=15.4e6)
    assert judge.judge(other, levels).state is FrameState.UNSUPPORTED_RATE


def test_pictures_of_the_same_kind_may_take_over():
    contract = load_contract(MODEL.with_name("picture.onnx"))
    rounded = replace(contract, frame_duration_range=(1.004e-3, 1.004e-3), default_frame_duration=1.004e-3)
    geometry = rounded.make_geometry(15.36e6)
    assert geometry.frame_duration > 1.004e-3  # 241 samples in a row
    check_replacement(rounded, rounded, geometry)
    with pytest.raises(ContractError, match="frames of 0.002 to 0.002 s, the stream runs at"):
        other = replace(contract, frame_duration_range=(2e-3, 2e-3), default_frame_duration=2e-3)
        check_replacement(rounded, other, geometry)
    scaled = replace(contract, published=replace(contract.published, extremes="surviving"))
    said = "wants pictures scaled to the extremes of 'surviving', the stream carries pictures scaled to the extremes of 'all'"
    with pytest.raises(ContractError, match=said):
        check_replacement(contract, scaled, contract.make_geometry(15.36e6))


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


def test_a_frame_in_which_the_receiver_settles_is_not_judged(session):
    judge = FrameJudge(session, GEOMETRY)
    settling = frame(0, settling=True, samp_rate=200e6)
    for outcome in (judge.judge(settling, rows(-60.0)), judge.drop(settling)):
        assert outcome.state is FrameState.SETTLING and outcome.rows is None and np.all(outcome.mask == 255)


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
