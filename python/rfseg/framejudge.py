"""One frame through the model in use, and the change to another model between two frames.

:class:`FrameJudge` runs a session on a frame and never raises; :class:`ModelLoader` loads another model in the
background and offers it to the judge, which refuses what does not fit the running stream.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Protocol

import numpy as np

from .contract import Contract
from .errors import ContractError, GeometryError, RfsegError
from .geometry import Frame, Geometry
from .inference import Session
from .pipeline import FrameState, geometry_covers, not_inferred, segment_rows
from .published_geometry import Extremes, PictureGeometry

__all__ = [
    "FrameJudge",
    "FrameOutcome",
    "ModelChange",
    "ModelLoader",
    "Runnable",
    "check_replacement",
]

_log = logging.getLogger(__name__)


class Runnable(Protocol):
    """What a backend must offer (:class:`rfseg.inference.Session` does)."""

    contract: Contract

    def run(self, rows: np.ndarray, limits: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Rows float32 ``(N, C, T, F)``, dBFS, to mask and confidence, uint8 ``(N, T, F)``.

        ``limits``, float32 ``(N, 2)``, dBFS, are given to models of the family ``published`` only.
        """


@dataclass(frozen=True, kw_only=True)
class FrameOutcome:
    """What became of one frame.

    Parameters
    ----------
    rows : float32 ``(C, T, F)`` or None
        dBFS; None for a frame that was dropped or skipped or in which the receiver settled: it has no rows, or they are
        not kept.
    mask, confidence : uint8 ``(T, F)``
        255 and 0 throughout unless the state is ``inferred``.
    model : str
        Name of the model in use at that frame.
    reject : dict
        Of that model: label to the confidence below which a band of it is doubtful, 0 to 1.
    duration : float
        Time that inference took, s; 0 where there was none.
    """

    frame: Frame
    state: FrameState
    model: str
    rows: np.ndarray | None
    mask: np.ndarray
    confidence: np.ndarray
    reject: Mapping[str, float]
    duration: float = 0.0


class FrameJudge:
    """The current model, and the next one if one has been offered; several threads may ask at once.

    Parameters
    ----------
    session : Runnable
    geometry : Geometry
        Of all frames; bins and hop do not change while a stream runs.
    """

    def __init__(self, session: Runnable, geometry: Geometry) -> None:
        self.geometry = geometry
        self._session = session
        self._next: Runnable | None = None
        self._lock = threading.Lock()
        self._failure_logged = False

    @property
    def contract(self) -> Contract:
        """Contract of the model in use."""
        return self._session.contract

    def offer(self, session: Runnable) -> None:
        """Use ``session`` from the next frame on.

        Raises
        ------
        ContractError
            If it cannot take the place of the current one (see :func:`check_replacement`).
        """
        check_replacement(self.contract, session.contract, self.geometry)
        with self._lock:
            self._next = session

    def judge(self, frame: Frame, rows: np.ndarray) -> FrameOutcome:
        """Run the model on one frame, rows float32 ``(C, T, F)`` in dBFS.

        An error of the backend is logged the first time and makes the frame ``failed``.
        """
        with self._lock:
            if self._next is not None:
                self._session, self._next, self._failure_logged = self._next, None, False
            session = self._session
        if frame.settling or frame.skipped:
            return self.drop(frame)
        if not geometry_covers(session.contract, self.geometry, frame.samp_rate):
            return self._without_mask(frame, FrameState.UNSUPPORTED_RATE, rows)
        begin = time.monotonic()
        try:
            limits = None if frame.limits is None else np.array(frame.limits, np.float32)
            mask, confidence = segment_rows(session, rows, frame, self.geometry, limits=limits)
        except Exception as error:  # the backend's exceptions share no base class
            with self._lock:
                is_first, self._failure_logged = not self._failure_logged, True
            if is_first:
                _log.error("model %r failed on frame %d: %s", session.contract.name, frame.index, error)
            return self._without_mask(frame, FrameState.FAILED, rows)
        return FrameOutcome(
            frame=frame,
            state=FrameState.INFERRED,
            model=session.contract.name,
            rows=rows,
            mask=mask,
            confidence=confidence,
            reject=session.contract.reject_below,
            duration=time.monotonic() - begin,
        )

    def drop(self, frame: Frame) -> FrameOutcome:
        """The outcome of a frame that was given up, or that is not to be judged."""
        if frame.settling:
            return self._without_mask(frame, FrameState.SETTLING, None)
        return self._without_mask(frame, FrameState.SKIPPED if frame.skipped else FrameState.DROPPED, None)

    def _without_mask(self, frame: Frame, state: FrameState, rows: np.ndarray | None) -> FrameOutcome:
        mask, confidence = not_inferred(self.geometry)
        return FrameOutcome(
            frame=frame,
            state=state,
            model=self.contract.name,
            rows=rows,
            mask=mask,
            confidence=confidence,
            reject=self.contract.reject_below,
        )


@dataclass(frozen=True, kw_only=True)
class ModelChange:
    """Result of one request: the model's name and, if it was refused, why."""

    model: str
    reason: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the old model stays."""
        return bool(self.reason)


class ModelLoader:
    """Loads models in the background, one after the other, and offers them to a judge.

    Loading holds the interpreter lock for as long as the backend needs to build its session.

    Parameters
    ----------
    judge : FrameJudge
    open_session : callable
        Makes a session of a model's name or file; :class:`rfseg.inference.Session` by default.
    on_change : callable
        Called with a :class:`ModelChange`, from the loader's thread, after each request.
    """

    def __init__(
        self,
        judge: FrameJudge,
        *,
        on_change: Callable[[ModelChange], None],
        open_session: Callable[[str | Path], Runnable] = Session,
    ) -> None:
        self._judge = judge
        self._open_session = open_session
        self._on_change = on_change
        self._lock = threading.Lock()
        self._requests: deque[str | Path] = deque()
        self._thread: threading.Thread | None = None

    def request(self, model: str | Path) -> None:
        """Load ``model`` and let it take over; returns at once."""
        with self._lock:
            self._requests.append(model)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rfseg model loader", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._requests:
                    self._thread = None
                    return
                model = self._requests.popleft()
            self._on_change(self._load(model))

    def _load(self, model: str | Path) -> ModelChange:
        try:
            session = self._open_session(model)
            self._judge.offer(session)
        except RfsegError as error:
            return ModelChange(model=str(model), reason=str(error))
        except Exception as error:  # whatever the backend raises, the old model must stay in use
            _log.exception("loading model %r failed", str(model))
            return ModelChange(model=str(model), reason=f"{type(error).__name__}: {error}")
        return ModelChange(model=session.contract.name)


def check_replacement(current: Contract, candidate: Contract, geometry: Geometry) -> None:
    """Refuse a model that cannot take the place of another in a running stream.

    Raises
    ------
    ContractError
        If it wants other rows, reductions or pictures, does not cover the geometry, or has other classes
        (what follows the mask knows the classes of the first model).
    """
    if (candidate.family, _extremes(candidate)) != (current.family, _extremes(current)):
        raise ContractError(
            f"model {candidate.name!r} of the family {candidate.family!r} wants {_input_of(candidate)}, the stream carries"
            f" {_input_of(current)}; restart the flowgraph with it, or choose a model with the same input"
        )
    if (candidate.reductions, candidate.rows) != (current.reductions, current.rows):
        raise ContractError(
            f"model {candidate.name!r} wants {candidate.rows} rows of {[r.value for r in candidate.reductions]},"
            f" the stream carries {current.rows} of {[r.value for r in current.reductions]};"
            " choose a model with the same input"
        )
    if candidate.classes != current.classes:
        raise ContractError(
            f"model {candidate.name!r} has the classes {', '.join(candidate.labels)}, expected"
            f" {', '.join(current.labels)} as {current.name!r} has; restart the flowgraph to change classes"
        )
    if not _has_duration(candidate, geometry) or not geometry_covers(candidate, geometry, geometry.samp_rate):
        low, high = candidate.samp_rate_range
        shortest, longest = candidate.frame_duration_range
        raise ContractError(
            f"model {candidate.name!r} covers {low:g} to {high:g} Hz and frames of {shortest:g} to {longest:g} s,"
            f" the stream runs at {geometry.samp_rate:g} Hz with frames of {geometry.frame_duration:g} s"
        )


def _has_duration(candidate: Contract, geometry: Geometry) -> bool:
    """Whether a model takes frames of that duration."""
    if isinstance(geometry, PictureGeometry):
        try:
            return candidate.make_geometry(geometry.samp_rate, frame_duration=geometry.frame_duration) == geometry
        except GeometryError:
            return False
    shortest, longest = candidate.frame_duration_range
    # The geometry rule rounds a frame down to whole segments in a row: by less than one more of them.
    asked_at_most = geometry.frame_duration * (1 + 1 / geometry.segments_per_row)
    return asked_at_most > shortest and geometry.frame_duration <= longest * (1 + 1e-9)


def _extremes(contract: Contract) -> Extremes | None:
    return None if contract.published is None else contract.published.extremes


def _input_of(contract: Contract) -> str:
    extremes = _extremes(contract)
    return "rows" if extremes is None else f"pictures scaled to the extremes of {extremes.value!r}"
