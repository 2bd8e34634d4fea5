"""Several callers, one network: results belong to who asked, and nobody is passed over."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from rfseg.errors import OptionError
from rfseg.inference import Session
from rfseg.sharedsession import SharedSession, session_opener, shared_session

TIMEOUT = 20.0  # s


class Network:
    """Answers with the first value of each frame, and notes what it was given; each call waits to be let go."""

    contract = None
    provider = "cpu"

    def __init__(self, gate=None):
        self.calls = []
        self.entered = threading.Semaphore(0)
        self._gate = gate

    def run(self, rows, limits=None):
        self.limits = limits
        self.calls.append([int(v) for v in rows[:, 0, 0, 0]])
        self.entered.release()
        if self._gate is not None:
            assert self._gate.acquire(timeout=TIMEOUT)
        if (rows < 0).any():
            raise RuntimeError(f"frame {int(rows.min())}")
        return rows[:, 0].astype(np.uint8), np.zeros_like(rows[:, 0], np.uint8)


def frame(value, bins=4):
    return np.full((1, 2, 3, bins), value, np.float32)


class Caller(threading.Thread):
    """Asks for one frame after the other."""

    def __init__(self, session, frames):
        super().__init__(daemon=True)
        self.session, self.frames, self.results = session, frames, []
        self.start()

    def run(self):
        for rows in self.frames:
            try:
                mask, _ = self.session.run(rows)
                self.results.append((mask.shape, int(mask.flat[0])))
            except RuntimeError as error:
                self.results.append(str(error))

    def finish(self):
        self.join(TIMEOUT)
        assert not self.is_alive()
        return self.results


def until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(1e-3)


def queued(session, callers):
    """Start callers one by one, each once the one before it waits."""
    started = []
    for frames in callers:
        waiting = len(session._waiting)
        started.append(Caller(session, frames))
        until(lambda: len(session._waiting) == waiting + 1)
    return started


def blocked(batch):
    gate = threading.Semaphore(0)
    network = Network(gate)
    session = SharedSession(network, batch=batch, at_once=1)
    first = Caller(session, [frame(1)])
    assert network.entered.acquire(timeout=TIMEOUT)  # it is in work; all others wait
    return session, network, gate, first


def test_each_caller_gets_its_own_result_from_a_batch():
    session, network, gate, first = blocked(batch=8)
    others = queued(session, [[frame(2)], [frame(3)], [frame(4)]])
    gate.release(2)
    assert [c.finish() for c in [first, *others]] == [[((1, 3, 4), v)] for v in (1, 2, 3, 4)]
    assert network.calls == [[1], [2, 3, 4]]


def test_a_batch_holds_as_many_frames_as_it_may_and_only_equal_widths():
    session, network, gate, first = blocked(batch=2)
    others = queued(session, [[frame(2)], [frame(3)], [frame(4)], [frame(5, bins=6)]])
    gate.release(9)
    for caller in [first, *others]:
        caller.finish()
    assert network.calls == [[1], [2, 3], [4], [5]]


def test_a_caller_that_always_asks_passes_nobody_over():
    session, network, gate, busy = blocked(batch=1)
    slow = queued(session, [[frame(v) for v in (10, 11, 12)], [frame(v) for v in (20, 21, 22)]])
    gate.release(99)
    for caller in [busy, *slow]:
        caller.finish()
    served = [call[0] // 10 for call in network.calls[1:]]
    assert all({a, b} == {1, 2} for a, b in zip(served[::2], served[1::2]))


def test_an_error_reaches_those_of_its_batch_and_ends_nothing():
    session, network, gate, first = blocked(batch=2)
    others = queued(session, [[frame(-2)], [frame(3)], [frame(4)]])
    gate.release(9)
    assert [c.finish()[0] for c in others] == ["frame -2", "frame -2", ((1, 3, 4), 4)]
    assert first.finish() == [((1, 3, 4), 1)]


def test_batches_pay_on_an_accelerator_only():
    class Accelerated(Network):
        provider = "cuda"

    assert (SharedSession(Network())._batch, SharedSession(Accelerated())._batch) == (1, 8)


def test_two_calls_at_once_and_no_third_on_processors():
    gate = threading.Semaphore(0)
    network = Network(gate)
    session = SharedSession(network)
    callers = [Caller(session, [frame(v)]) for v in (1, 2, 3)]
    assert all(network.entered.acquire(timeout=TIMEOUT) for _ in range(2))  # both are in work at the same time
    until(lambda: len(session._waiting) == 1)
    assert len(network.calls) == 2
    gate.release()
    assert network.entered.acquire(timeout=TIMEOUT)
    gate.release(2)
    assert sorted(c.finish()[0] for c in callers) == [((1, 3, 4), v) for v in (1, 2, 3)]


@pytest.mark.parametrize("name, unit", [("batch", "frame"), ("at_once", "call")])
def test_nothing_at_a_time_is_refused(name, unit):
    with pytest.raises(OptionError, match=f"{name}=0 must be at least 1 {unit}, or None"):
        SharedSession(Network(), **{name: 0})


def test_a_name_stands_for_one_network_while_someone_holds_it(threshold_model):
    one = shared_session("roof", threshold_model, threads=1)
    assert shared_session("roof", threshold_model, threads=1) is one
    assert shared_session("cellar", threshold_model, threads=1) is not one
    assert shared_session("roof", threshold_model, threads=2) is not one
    reference = weakref.ref(one)
    del one
    gc.collect()
    assert reference() is None


def test_a_shared_network_answers_as_one_alone(threshold_model):
    rows = np.random.default_rng(0).normal(-80, 20, (2, 2, 256, 64)).astype(np.float32)
    alone, shared = (session_opener(threads=1, share=name)(threshold_model) for name in ("", "roof"))
    assert isinstance(alone, Session) and isinstance(shared, SharedSession)
    assert (shared.provider, shared.contract) == ("cpu", alone.contract)
    for a, b in zip(alone.run(rows), shared.run(rows), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(OptionError, match="share=True must be a name, or empty"):
        session_opener(threads=1, share=True)


def test_limits_go_to_the_network_with_their_rows():
    gate = threading.Semaphore(0)
    network = Network(gate)
    session = SharedSession(network, batch=3, at_once=1)
    callers = [threading.Thread(target=session.run, args=(frame(k), np.full((1, 2), k, np.float32))) for k in range(3)]
    callers[0].start()
    assert network.entered.acquire(timeout=TIMEOUT)
    assert network.limits.tolist() == [[0, 0]]
    for waiting, caller in enumerate(callers[1:], start=1):
        caller.start()
        until(lambda: len(session._waiting) == waiting)
    gate.release()
    assert network.entered.acquire(timeout=TIMEOUT)
    assert network.calls[1] == [1, 2] and network.limits.tolist() == [[1, 1], [2, 2]]
    gate.release()
    for caller in callers:
        caller.join(TIMEOUT)
        assert not caller.is_alive()
