"""Inference in another process: the same masks; and what happens when that process is away, wrong or gone."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.errors import OptionError, RemoteError
from rfseg.framejudge import FrameJudge
from rfseg.geometry import Frame
from rfseg.inference import Session
from rfseg.pipeline import FrameState, segment_recording
from rfseg.remote import WIRE_VERSION, RemoteCounts, RemoteSession, serve
from rfseg.sigmf import open_recording

zmq = pytest.importorskip("zmq")

MODELS = Path(__file__).parents[1] / "models"
PATIENCE = 20.0  # s that a test waits for what must come
RUN = RemoteCounts(requests=1, answered=1)


@pytest.fixture(scope="module")
def session() -> Session:
    """A model that calls bins above -40 dBFS NR and those above -70 dBFS LTE."""
    return Session(MODELS / "threshold.onnx", threads=1)


@pytest.fixture
def rows(session: Session) -> np.ndarray:
    """Two frames, float32 ``(N, C, T, F)``, dBFS, away from the thresholds."""
    contract, rng = session.contract, np.random.default_rng(3)
    shape = (2, len(contract.reductions), contract.rows, 64)
    return rng.choice([-90.0, -60.0, -30.0], shape).astype(np.float32) + rng.uniform(-1, 1, shape).astype(np.float32)


@contextmanager
def serving(session, address: str = "tcp://127.0.0.1:*"):
    """The other half, in a thread; gives the address that it is bound to."""
    stop, bound, endpoints = threading.Event(), threading.Event(), []

    def on_bound(endpoint: str) -> None:
        endpoints.append(endpoint)
        bound.set()

    def run() -> None:
        deadline = time.monotonic() + PATIENCE
        while not bound.is_set():
            try:
                serve(session, address, stop=stop, on_bound=on_bound)
            except RemoteError:  # ZeroMQ lets go of a port some time after its socket was closed
                assert time.monotonic() < deadline
                time.sleep(1e-2)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert bound.wait(PATIENCE)
        yield endpoints[0]
    finally:
        stop.set()
        thread.join(PATIENCE)


@contextmanager
def replying(reply):
    """Something else at that port, which answers each request with what ``reply`` makes of its header."""
    socket = zmq.Context.instance().socket(zmq.REP)
    socket.setsockopt(zmq.LINGER, 0)
    port, stop = socket.bind_to_random_port("tcp://127.0.0.1"), threading.Event()

    def answer() -> None:
        while not stop.is_set():
            if socket.poll(20):
                socket.send_multipart(reply(json.loads(socket.recv_multipart()[0])))
        socket.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join(PATIENCE)


@contextmanager
def connected(address: str, **options):
    """A session that is closed in the end."""
    remote = RemoteSession(address, **options)
    try:
        yield remote
    finally:
        remote.close()


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_masks_and_contract_are_those_of_the_model_itself(session, rows, dtype):
    with serving(session) as address, connected(address, timeout=PATIENCE, dtype=dtype) as remote:
        assert remote.contract == session.contract
        for ours, theirs in zip(remote.run(rows), session.run(rows)):
            assert ours.dtype == np.uint8 and np.array_equal(ours, theirs)
        counts = remote.counts()
        assert 0 < counts.inference < counts.round_trip
        assert replace(counts, round_trip=0.0, inference=0.0) == RUN


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_pictures_travel_with_their_limits(dtype):
    pictures = Session(MODELS / "picture.onnx", threads=1)
    levels = np.random.default_rng(3).choice([0.0, 200.0, 255.0], (2, 1, 64, 64)).astype(np.float32)
    limits = np.array([[-100.0, -20.0], [-90.0, -50.0]], np.float32)
    rows = limits[:, 0, None, None, None] + levels * np.diff(limits)[:, :, None, None] / 255
    with serving(pictures) as address, connected(address, timeout=PATIENCE, dtype=dtype) as remote:
        mask, confidence = remote.run(rows, limits)
        assert np.array_equal(mask, np.select([levels[:, 0] > 235, levels[:, 0] > 150], [3, 1], 0))
        assert np.array_equal(confidence, pictures.run(rows, limits)[1])
        with pytest.raises(RemoteError, match="limits are missing: model 'picture' needs the dB of each frame"):
            remote.run(rows)


def test_int16_moves_no_row_by_more_than_half_a_hundredth_of_a_db(session, rows):
    seen = []
    session_that_looks = type("Looks", (), {"contract": session.contract})()
    session_that_looks.run = lambda rows: (seen.append(rows), session.run(rows))[1]
    rows[0, 0, 0, :4] = [-200.0, 200.0, np.nan, -np.inf]
    with serving(session_that_looks) as address, connected(address, timeout=PATIENCE, dtype="int16") as remote:
        remote.run(rows)
    rows[0, 0, 0, 2:4] = -200.0
    assert np.abs(seen[0] - rows).max() <= 0.005 * 1.01  # and the rounding of float32


def test_a_recording_has_the_same_bands_as_with_the_model_itself(session, write_recording, make_carrier):
    recording = open_recording(write_recording(make_carrier(700_000)))
    with serving(session) as address, connected(address, timeout=PATIENCE) as remote:
        ours, theirs = ([result.bands for result in segment_recording(recording, one)] for one in (remote, session))
    assert ours == theirs and any(ours)


def test_a_host_that_goes_away_loses_requests_until_it_comes_back(session, rows):
    with serving(session) as address:
        remote = RemoteSession(address, timeout=0.2)
    try:
        geometry = remote.contract.make_geometry(15.36e6)
        samples = geometry.frame_samples
        frame = Frame(index=0, sample_start=0, sample_count=samples, valid_samples=samples, samp_rate=15.36e6)
        assert FrameJudge(remote, geometry).judge(frame, rows[0]).state is FrameState.FAILED
        with pytest.raises(RemoteError, match="nobody answers|no reply from .* within 0.2 s"):
            remote.run(rows)
        assert remote.counts() == RemoteCounts(requests=2, lost=2)
        with serving(session, address):
            attempts = 0
            while remote.counts().answered == 0:
                attempts += 1
                assert attempts < PATIENCE / 0.01
                try:
                    mask, _ = remote.run(rows)
                except RemoteError as error:
                    assert error.is_lost
                    threading.Event().wait(0.01)
        assert np.array_equal(mask, session.run(rows)[0])
        counts = remote.counts()
        assert counts.requests == 2 + attempts == counts.answered + counts.lost
    finally:
        remote.close()


def test_nobody_there_is_an_error_that_says_so():
    with pytest.raises(RemoteError, match="nobody answers at tcp://127.0.0.1:9; start the other half there"):
        RemoteSession("tcp://127.0.0.1:9", connect_timeout=0.05)


def test_a_late_reply_is_not_taken_for_that_of_the_next_request(session, rows):
    """The other side answers the first request after the second has been asked."""
    gate = threading.Event()
    slow = type("Slow", (), {"contract": session.contract})()
    slow.run = lambda rows: (gate.wait(PATIENCE), session.run(rows))[1]
    with serving(slow) as address, connected(address, timeout=0.2) as remote:
        with pytest.raises(RemoteError, match="no reply"):
            remote.run(rows)
        gate.set()
        mask = None
        while mask is None:
            try:
                mask, _ = remote.run(rows[:1])
            except RemoteError as error:
                assert error.is_lost
        assert np.array_equal(mask, session.run(rows[:1])[0])  # one frame, not the two of the first request


def test_another_model_on_the_other_side_is_refused(session, rows):
    with serving(session) as address:
        remote = RemoteSession(address, timeout=PATIENCE)
    other = type("Other", (), {"contract": replace(session.contract, name="other"), "run": None})()
    try:
        with serving(other, address):
            remote._socket.poll(int(PATIENCE * 1000), zmq.POLLOUT)  # until it has found the new one
            with pytest.raises(RemoteError, match="model 'other' runs here, the request is for another; restart the other half"):
                remote.run(rows)
        assert remote.counts() == RemoteCounts(requests=1, refused=1)
    finally:
        remote.close()


def test_rows_that_the_model_refuses_cost_that_request_only(session, rows):
    with serving(session) as address, connected(address, timeout=PATIENCE) as remote:
        with pytest.raises(RemoteError, match="refuses: rows have shape .*, expected"):
            remote.run(rows[:, :, :-1])
        assert np.array_equal(remote.run(rows)[0], session.run(rows)[0])
        assert (remote.counts().refused, remote.counts().answered) == (1, 1)


@pytest.mark.parametrize(
    "parts, reason",
    [
        ([b"hello"], "the request has no header"),
        ([b'{"version": 9}'], f"the request is of version 9, expected {WIRE_VERSION}; install the same release"),
        ([b'{"version": 1, "type": "rows"}'], "a request of type 'rows' in 1 parts is unknown"),
        ([b'{"version": 1, "type": "rows"}', b"x"], "the request lacks 'contract'"),
        ([b'{"version": 1}'], "the request lacks 'type'"),
    ],
)
def test_the_service_answers_nonsense_with_the_reason_and_goes_on(session, parts, reason):
    with serving(session) as address, zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        for _ in range(2):
            socket.send_multipart(parts)
            assert socket.poll(int(PATIENCE * 1000))
            reply = json.loads(socket.recv())
            assert reply["type"] == "error" and reason in reply["reason"]


def test_a_header_that_lies_about_its_rows_is_refused(session, rows):
    with serving(session) as address, connected(address, timeout=PATIENCE) as remote:
        request = {"type": "rows", "contract": remote._digest, "shape": [9, 9], "dtype": "float32"}
        with pytest.raises(RemoteError, match="cannot reshape"):
            remote._ask(request, (rows,), expected="mask", timeout=PATIENCE)


@pytest.mark.parametrize(
    "reply, message",
    [
        ({"version": 2}, "is of version 2, expected 1; install the same release on both hosts"),
        ({"version": 1, "type": "mask"}, "replies with 'mask' in 0 parts, expected 'contract'"),
        ({}, "has no header: KeyError"),
        ({"version": 1}, "the reply of .* lacks type; install the same release on both hosts"),
        ({"version": 1, "type": "error"}, "lacks reason; install"),
        ({"version": 1, "type": "contract"}, "lacks metadata, contract; install"),
    ],
)
def test_a_program_that_speaks_otherwise_is_refused(reply, message):
    def answer(request: dict) -> list[bytes]:
        return [json.dumps({**reply, "number": request["number"]}).encode()]

    with replying(answer) as address, pytest.raises(RemoteError, match=message):
        RemoteSession(address, connect_timeout=PATIENCE)


def test_a_reply_of_one_part_is_refused():
    with zmq.Context.instance().socket(zmq.DEALER) as other:
        other.setsockopt(zmq.LINGER, 0)
        port = other.bind_to_random_port("tcp://127.0.0.1")
        answer = threading.Thread(target=lambda: other.poll(int(PATIENCE * 1000)) and other.send(b"hello"))
        answer.start()
        with pytest.raises(RemoteError, match="has 1 parts, expected at least 2; is this port that of another program"):
            RemoteSession(f"tcp://127.0.0.1:{port}", connect_timeout=PATIENCE)
        answer.join(PATIENCE)


def test_a_mask_without_its_time_is_refused(session, rows):
    def answer(request: dict) -> list[bytes]:
        return [json.dumps({"version": 1, "type": "mask", "number": request["number"]}).encode(), b"", b""]

    with serving(session) as address, connected(address, timeout=PATIENCE) as remote, replying(answer) as other:
        remote._address = other
        remote._connect()
        remote._socket.poll(int(PATIENCE * 1000), zmq.POLLOUT)
        with pytest.raises(RemoteError, match="lacks seconds; install"):
            remote.run(rows)
        assert remote.counts() == RemoteCounts(requests=1, refused=1)


def test_a_mask_of_the_wrong_size_is_refused(session, rows):
    with serving(session) as address, connected(address, timeout=PATIENCE) as remote:
        def answer(request: dict) -> list[bytes]:
            header = {"version": 1, "type": "mask", "number": request["number"], "seconds": 0.0}
            return [json.dumps(header).encode(), b"short", b"short"]

        with replying(answer) as other:
            remote._address = other
            remote._connect()
            remote._socket.poll(int(PATIENCE * 1000), zmq.POLLOUT)
            with pytest.raises(RemoteError, match=r"a mask of 5 bytes came back, expected \(2, 256, 64\)"):
                remote.run(rows)


def test_an_address_in_use_is_an_error_that_says_so(session):
    with serving(session) as address, pytest.raises(RemoteError, match="cannot be bound: .*; choose another address"):
        serve(session, address)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"dtype": "int8"}, OptionError, "dtype='int8' is unknown, expected one of float32, int16"),
        ({"timeout": 0}, OptionError, "timeout=0 s and connect_timeout=10.0 s must be above 0"),
        ({"address": "gpu"}, RemoteError, "gpu: .*; expected an address such as tcp://HOST:5560"),
    ],
)
def test_a_session_refuses_what_makes_no_sense(options, error, message):
    with pytest.raises(error, match=message):
        RemoteSession(**{"address": "tcp://127.0.0.1:9", **options})
