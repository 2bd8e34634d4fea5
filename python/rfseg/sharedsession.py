"""One network for several receivers: sessions that are shared by name.

Each receiver has its own chain, queue and counters and asks for one frame at a time.  Requests are served in the order
in which they came, so a receiver that asks all the time still has every other one served between two of its frames.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

import numpy as np

from .errors import OptionError
from .inference import Session, find_model
from .providers import AUTO, FRAMES_AT_ONCE

__all__ = ["SharedSession", "session_opener", "shared_session"]

_BATCH_ON_ACCELERATOR = 8  # frames in one call; on processors each costs as much as alone

_shared: weakref.WeakValueDictionary[tuple[str, str, int, str], SharedSession] = weakref.WeakValueDictionary()
_opening = threading.Lock()


@dataclass(eq=False)
class _Request:
    """Frames of one caller, and what became of them."""

    rows: np.ndarray
    limits: np.ndarray | None = None  # of models that have them, all or none
    outcome: tuple[np.ndarray, np.ndarray] | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.outcome is not None or self.error is not None


class SharedSession:
    """A session that several threads ask, one call of the network after the other or a few at a time.

    Requests that wait together go into one call where that pays: up to ``batch`` frames of equal width.

    Parameters
    ----------
    session : Session
    batch : int or None
        Most frames in a call; None: 8 on a GPU, 1 on processors, where a frame in a batch costs as much as alone.
    at_once : int or None
        Calls at the same time; None: 1 on a GPU, 2 on processors, a core each.
    """

    def __init__(self, session: Session, *, batch: int | None = None, at_once: int | None = None) -> None:
        if batch is not None and batch < 1:
            raise OptionError(f"batch={batch!r} must be at least 1 frame, or None")
        if at_once is not None and at_once < 1:
            raise OptionError(f"at_once={at_once!r} must be at least 1 call, or None")
        is_accelerated = session.provider in ("cuda", "tensorrt")
        self.contract = session.contract
        self._session = session
        self._batch = batch or (_BATCH_ON_ACCELERATOR if is_accelerated else 1)
        self._at_once = at_once or (1 if is_accelerated else FRAMES_AT_ONCE)
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._calls = 0  # under way

    @property
    def provider(self) -> str:
        """What computes."""
        return self._session.provider

    def run(self, rows: np.ndarray, limits: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`rfseg.inference.Session.run`; waits for the requests that came before."""
        request = _Request(rows, limits)
        with self._changed:
            self._waiting.append(request)
            self._changed.wait_for(lambda: request.is_done or self._may_call(request))
            batch = [] if request.is_done else self._take()
            self._calls += bool(batch)
            self._changed.notify_all()
        if batch:
            try:
                self._run(batch)
            except Exception as error:  # the backend's exceptions share no base class; each caller gets it
                for asked in batch:
                    asked.error = error
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()
        if request.error is not None:
            raise request.error
        return request.outcome

    def _may_call(self, request: _Request) -> bool:
        return self._calls < self._at_once and bool(self._waiting) and self._waiting[0] is request

    def _take(self) -> list[_Request]:
        """The oldest request, and those right behind it that fit into one call with it."""
        batch = [self._waiting.popleft()]
        frames = len(batch[0].rows)
        while self._waiting:
            rows = self._waiting[0].rows
            if frames + len(rows) > self._batch or rows.shape[1:] != batch[0].rows.shape[1:]:
                break
            batch.append(self._waiting.popleft())
            frames += len(rows)
        return batch

    def _run(self, batch: list[_Request]) -> None:
        if len(batch) == 1:
            batch[0].outcome = _ask(self._session, batch[0].rows, batch[0].limits)
            return
        limits = [request.limits for request in batch if request.limits is not None]
        rows = np.concatenate([request.rows for request in batch])
        masks, confidences = _ask(self._session, rows, np.concatenate(limits) if limits else None)
        begin = 0
        for request in batch:
            end = begin + len(request.rows)
            request.outcome = masks[begin:end], confidences[begin:end]
            begin = end


def _ask(session: Session, rows: np.ndarray, limits: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    return session.run(rows) if limits is None else session.run(rows, limits)


def shared_session(name: str, model: str | Path, *, threads: int = 0, providers: str = AUTO) -> SharedSession:
    """The session of a name, model, number of threads and providers: the same one for all who ask while anybody holds it.

    Raises
    ------
    RfsegError
        As :class:`rfseg.inference.Session`.
    """
    key = name, str(find_model(model).resolve()), threads, providers
    with _opening:
        session = _shared.get(key)
        if session is None:
            session = _shared[key] = SharedSession(Session(model, threads=threads, providers=providers))
        return session


def session_opener(
    *, threads: int, providers: str = AUTO, share: str = ""
) -> Callable[[str | Path], Session | SharedSession]:
    """What opens a model by name or file: for a caller alone, or, with a name in ``share``, for all callers of that name."""
    if not isinstance(share, str):
        raise OptionError(f"share={share!r} must be a name, or empty for a network of one's own")
    if share:
        return partial(shared_session, share, threads=threads, providers=providers)
    return partial(Session, threads=threads, providers=providers)
