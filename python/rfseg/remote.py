"""Inference in another process or on another host: rows go there by ZeroMQ, masks come back.

:class:`RemoteSession` takes the place of :class:`rfseg.inference.Session` wherever one is given to a block or a
function; :func:`serve` is the other half, which needs neither GNU Radio nor radios.  Both halves check that they speak
of the same contract, so that model, scaling and classes cannot differ between them.

On the wire, version 1
----------------------
Request and reply are ZeroMQ multipart messages: an empty part (as REQ and REP sockets exchange it), a header, and
data.  The header is a JSON object with ``version``, ``type`` and ``number``; a reply has the ``number`` of its request.

=============  =======================================================================================================
``contract``   request, no data
``contract``   reply: ``metadata``, the model's, and ``contract``, its digest; no data
``rows``       request: ``contract``, ``shape`` (N, C, T, F), ``dtype`` ``float32`` (dBFS) or ``int16`` (hundredths of
               a dB), both little endian; data: the rows, earliest first, lowest frequency first; for a model of the
               family ``published`` a second part, its limits (N, 2), ``float32``, dBFS
``mask``       reply: ``shape`` (N, T, F), ``seconds`` that inference took; data: two parts, mask and confidence, uint8
``error``      reply: ``reason``; no data
=============  =======================================================================================================

There is no authentication: who reaches the port may use the processor.  Bind loopback, a private network or a tunnel.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Callable

import numpy as np

from .contract import Contract
from .errors import BackendUnavailableError, ContractError, OptionError, RemoteError, RfsegError
from .inference import Session

__all__ = ["DTYPES", "WIRE_VERSION", "RemoteCounts", "RemoteSession", "serve"]

_log = logging.getLogger(__name__)

WIRE_VERSION = 1  # raised when one half would misread the other
_DTYPES = {"float32": np.dtype("<f4"), "int16": np.dtype("<i2")}
DTYPES = tuple(_DTYPES)
_STEPS_PER_DB = 100.0  # of int16; rows lie within +-200 dB
_REPLIES = {"contract": ("metadata", "contract"), "mask": ("seconds",)}  # what is read of each type
_LARGEST_ROWS = 1 << 28  # bytes of a request; 64 frames of 20 ms at 122.88 MS/s


@dataclass(frozen=True, kw_only=True)
class RemoteCounts:
    """What became of the requests of a session: ``requests == answered + lost + refused``, but for one in work.

    Parameters
    ----------
    requests : int
        Calls of :meth:`RemoteSession.run`.
    answered : int
        Those that got a mask.
    lost : int
        Those that nobody answered in time.
    refused : int
        Those that the other side could not or would not serve.
    round_trip, inference : float
        Of the newest answer: from the request to the mask, and how much of that the other side computed, s.
    """

    requests: int = 0
    answered: int = 0
    lost: int = 0
    refused: int = 0
    round_trip: float = 0.0
    inference: float = 0.0


class RemoteSession:
    """A model that runs elsewhere.

    :meth:`run` may be called from several threads, one request is under way at a time.  A request that is lost raises
    :class:`~rfseg.errors.RemoteError` after ``timeout``, or at once while nobody is connected; the next one may succeed.

    Parameters
    ----------
    address : str
        ZeroMQ address of the other half, such as ``tcp://gpu.example:5560``.
    timeout : float
        Longest wait for a mask, s.
    connect_timeout : float
        Longest wait for the contract, here, s.
    dtype : str
        Of the rows on the wire: ``float32``, exact, or ``int16``, half as much.

    Raises
    ------
    RemoteError
        If nobody answers, or the answer is of another version.
    """

    def __init__(
        self, address: str, *, timeout: float = 0.5, connect_timeout: float = 10.0, dtype: str = "float32"
    ) -> None:
        if dtype not in _DTYPES:
            raise OptionError(f"dtype={dtype!r} is unknown, expected one of {', '.join(DTYPES)}")
        if not (timeout > 0 and connect_timeout > 0):
            raise OptionError(f"timeout={timeout!r} s and connect_timeout={connect_timeout!r} s must be above 0")
        self._zmq = _import_zmq()
        self._address, self._timeout, self._dtype = address, timeout, dtype
        self._lock = threading.Lock()
        self._number = 0
        self._counts = RemoteCounts()
        self._socket: Any = None
        self._connect()
        try:
            reply, _ = self._ask({"type": "contract"}, (), expected="contract", timeout=connect_timeout, is_patient=True)
            self.contract = Contract.from_metadata(reply["metadata"], source=f"the model at {address}")
        except BaseException:
            self.close()
            raise
        self._digest = reply["contract"]

    def run(self, rows: np.ndarray, limits: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Segment frames elsewhere, as :meth:`rfseg.inference.Session.run` does here.

        Raises
        ------
        RemoteError
            If nobody answers in time, the request is refused, or another model answers.
        """
        with self._lock:
            begin = time.monotonic()
            request = {"type": "rows", "contract": self._digest, "shape": rows.shape, "dtype": self._dtype}
            self._counts = replace(self._counts, requests=self._counts.requests + 1)
            try:
                content = (_pack(rows, self._dtype), *(() if limits is None else (_pack(limits, "float32"),)))
                reply, parts = self._ask(request, content, expected="mask", timeout=self._timeout)
                mask, confidence = (_as_mask(part, (rows.shape[0], *rows.shape[2:])) for part in parts)
            except RemoteError as error:
                kind = "lost" if error.is_lost else "refused"
                self._counts = replace(self._counts, **{kind: getattr(self._counts, kind) + 1})
                raise
            self._counts = replace(
                self._counts,
                answered=self._counts.answered + 1,
                round_trip=time.monotonic() - begin,
                inference=float(reply["seconds"]),
            )
            return mask, confidence

    def counts(self) -> RemoteCounts:
        """What became of the requests so far."""
        return self._counts

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None

    def _connect(self) -> None:
        """A fresh connection: what is still under way on the old one will not be heard."""
        zmq = self._zmq
        self.close()
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing queues up for a host that is away
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)  # ms
        try:
            self._socket.connect(self._address)
        except zmq.ZMQError as error:
            self.close()
            raise RemoteError(f"{self._address}: {error}; expected an address such as tcp://HOST:5560") from error

    def _ask(
        self, request: dict, parts: tuple[Any, ...], *, expected: str, timeout: float, is_patient: bool = False
    ) -> tuple[dict, list]:
        """Send a request and wait for its reply."""
        zmq, deadline = self._zmq, time.monotonic() + timeout
        self._number += 1
        header = json.dumps({"version": WIRE_VERSION, "number": self._number, **request}).encode()
        if not self._socket.poll(int(timeout * 1000) if is_patient else 0, zmq.POLLOUT):
            raise RemoteError(f"nobody answers at {self._address}; start the other half there", is_lost=True)
        self._socket.send_multipart([b"", header, *parts], copy=False)
        while (left := deadline - time.monotonic()) > 0:
            if not self._socket.poll(max(1, int(left * 1000)), zmq.POLLIN):
                continue
            whose = f"the reply of {self._address}"
            reply, data = _read_reply(self._socket.recv_multipart(), whose)
            if reply.get("number") != self._number:
                continue  # of a request that was given up
            if reply["type"] == "error":
                _need(reply, "reason", whose=whose)
                raise RemoteError(f"{self._address} refuses: {reply['reason']}")
            if reply["type"] != expected or len(data) != (2 if expected == "mask" else 0):
                raise RemoteError(f"{self._address} replies with {reply['type']!r} in {len(data)} parts, expected {expected!r}")
            _need(reply, *_REPLIES[expected], whose=whose)
            return reply, data
        self._connect()
        raise RemoteError(f"no reply from {self._address} within {timeout:g} s", is_lost=True)


def serve(
    session: Session,
    address: str = "tcp://127.0.0.1:5560",
    *,
    stop: threading.Event | None = None,
    on_bound: Callable[[str], None] = lambda endpoint: None,
    on_reply: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Answer requests, one after the other, until ``stop`` is set.

    Parameters
    ----------
    session : Session
    address : str
        To bind, ``tcp://*:5560`` for all interfaces.
    stop : Event or None
        Looked at ten times a second.
    on_bound : callable
        Called with the address once it is bound.
    on_reply : callable
        Called after each mask with the time that inference took, s.

    Raises
    ------
    RemoteError
        If the address cannot be bound.
    """
    zmq = _import_zmq()
    with zmq.Context.instance().socket(zmq.REP) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_ROWS)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            raise RemoteError(f"{address} cannot be bound: {error}; choose another address") from error
        on_bound(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        while stop is None or not stop.is_set():
            if not socket.poll(100):
                continue
            reply, data = _answer(session, socket.recv_multipart())
            socket.send_multipart([json.dumps({"version": WIRE_VERSION, **reply}).encode(), *data], copy=False)
            if reply["type"] == "mask":
                on_reply(reply["seconds"])


def _answer(session: Session, parts: list[bytes]) -> tuple[dict, tuple]:
    """Reply to one request; never raises, so that nobody can stop the service."""
    number = None
    try:
        request = _read_header(parts[0], "the request")
        number = request.get("number")
        metadata = session.contract.to_metadata()
        digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()
        if request["type"] == "contract":
            return {"type": "contract", "number": number, "metadata": metadata, "contract": digest}, ()
        if request["type"] != "rows" or len(parts) not in (2, 3):
            raise RemoteError(f"a request of type {request['type']!r} in {len(parts)} parts is unknown")
        if request["contract"] != digest:
            raise ContractError(
                f"model {session.contract.name!r} runs here, the request is for another; restart the other half"
            )
        rows = _unpack(parts[1], request["dtype"], request["shape"])
        limits = [_unpack(part, "float32", [-1, 2]) for part in parts[2:]]
        begin = time.monotonic()
        mask, confidence = session.run(rows, *limits)
        reply = {"type": "mask", "number": number, "shape": mask.shape, "seconds": time.monotonic() - begin}
        return reply, (np.ascontiguousarray(mask), np.ascontiguousarray(confidence))
    except Exception as error:  # what others send, and a backend's exceptions, share no base class
        reason = f"the request lacks {error}" if isinstance(error, KeyError) else str(error)
        if not isinstance(error, RfsegError):
            _log.warning("a request cannot be served: %s: %s", type(error).__name__, error)
        return {"type": "error", "number": number, "reason": reason}, ()


def _pack(rows: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "int16":
        rows = np.rint(np.nan_to_num(rows, nan=-200.0, posinf=200.0, neginf=-200.0) * _STEPS_PER_DB)
    return np.ascontiguousarray(rows, _DTYPES[dtype])


def _unpack(content: bytes, dtype: str, shape: list[int]) -> np.ndarray:
    """Inverse of :func:`_pack`."""
    rows = np.frombuffer(content, _DTYPES[dtype]).reshape(shape)
    return np.divide(rows, _STEPS_PER_DB, dtype=np.float32) if dtype == "int16" else rows.astype(np.float32, copy=False)


def _as_mask(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    if len(content) != np.prod(shape):
        raise RemoteError(f"a mask of {len(content)} bytes came back, expected {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_header(content: bytes, whose: str) -> dict[str, Any]:
    try:
        header = json.loads(content)
        version = header["version"]
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError(f"{whose} has no header: {error!r}; is this port that of another program?") from error
    if version != WIRE_VERSION:
        raise RemoteError(f"{whose} is of version {version!r}, expected {WIRE_VERSION}; install the same release on both hosts")
    return header


def _read_reply(parts: list[bytes], whose: str) -> tuple[dict[str, Any], list[bytes]]:
    """Header and data of a reply in which nothing is missing."""
    if len(parts) < 2:
        raise RemoteError(f"{whose} has {len(parts)} parts, expected at least 2; is this port that of another program?")
    reply = _read_header(parts[1], whose)
    _need(reply, "type", whose=whose)
    return reply, parts[2:]


def _need(reply: dict[str, Any], *names: str, whose: str) -> None:
    missing = [name for name in names if name not in reply]
    if missing:
        raise RemoteError(f"{whose} lacks {', '.join(missing)}; install the same release on both hosts")


def _import_zmq() -> Any:
    try:
        import zmq
    except ImportError as error:
        raise BackendUnavailableError(
            "remote inference needs pyzmq: apt-get install python3-zmq, or pip install pyzmq"
        ) from error
    return zmq
