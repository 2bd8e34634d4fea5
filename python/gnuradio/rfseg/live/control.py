# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in for commands: XML-RPC, ZeroMQ REP with JSON, and GNU Radio messages by ZeroMQ PULL.

All three take the same commands (:mod:`rfseg.live.commands`) and run in threads of their own.  They listen on this machine
only unless another address is named: whoever reaches them may retune the radio.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from typing import Any, Callable
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import pmt
from gnuradio import gr
from rfseg.errors import BackendUnavailableError, OptionError, RfsegError
from rfseg.live.commands import NAMES, ORDERS, LiveCommand, command_from_json
from rfseg.live.settings import Address
from rfseg.live.status import LiveStatus, status_to_json

__all__ = ["MessageControl", "XmlRpcControl", "ZeromqControl", "command_port"]

Apply = Callable[[LiveCommand], LiveStatus]
_LARGEST_XMLRPC_INT = 2**31 - 1
_POLL = 100  # ms between looks at whether to end


class _XmlRpcHandler(SimpleXMLRPCRequestHandler):
    """Serves one client at a time, and leaves one that says nothing: it would hold up the others, and the end."""

    timeout = 2.0  # s


class XmlRpcControl:
    """``set_NAME(value)`` for each setting, ``status()``, ``resume()`` and ``stop()``; each returns the status.

    Numbers beyond 32 bits, which XML-RPC lacks, are told as doubles.  What is refused is a fault with its reason.
    """

    def __init__(self, address: Address, apply: Apply) -> None:
        try:
            self._server = SimpleXMLRPCServer(
                (address.host, address.port), requestHandler=_XmlRpcHandler, logRequests=False, allow_none=True
            )
        except OSError as error:
            raise OptionError(f"xmlrpc='{address}' cannot be listened on: {error.strerror}; choose another port") from None
        self.address = Address(address.host, self._server.server_address[1])
        self._apply = apply
        for name in NAMES:
            if name in ORDERS:
                self._server.register_function(lambda name=name: self._obey({name: True}), name)
            else:
                self._server.register_function(lambda value, name=name: self._obey({name: value}), f"set_{name}")
        self._server.register_function(lambda: self._obey({}), "status")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL / 1e3,), name="xmlrpc", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the call in progress."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _obey(self, table: dict[str, Any]) -> dict[str, Any]:
        try:
            return _to_xmlrpc(asdict(self._apply(LiveCommand.from_table(table))))
        except RfsegError as error:
            raise Fault(1, str(error)) from None


class ZeromqControl:
    """A REP socket: a command as a JSON object, answered by ``{"ok": true, "status": ...}`` or ``"ok": false, "error"``."""

    def __init__(self, address: Address, apply: Apply) -> None:
        try:
            import zmq
        except ImportError as error:
            raise BackendUnavailableError(
                "control by ZeroMQ needs pyzmq: apt-get install python3-zmq, or pip install pyzmq"
            ) from error
        self._zmq, self._apply = zmq, apply
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        try:
            if address.port == 0:
                port = self._socket.bind_to_random_port(f"tcp://{address.host}")
            else:
                port = address.port
                self._socket.bind(f"tcp://{address}")
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OptionError(f"zeromq='{address}' cannot be listened on: {error}; choose another port") from None
        self.address = Address(address.host, port)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="zeromq control", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the command in progress."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        self._context.destroy(linger=_POLL)

    def _serve(self) -> None:
        while not self._end.is_set():
            if self._socket.poll(_POLL):
                command = self._socket.recv()
                self._socket.send(self._answer(command).encode())

    def _answer(self, command: bytes) -> str:
        try:
            status = self._apply(command_from_json(command))
        except Exception as error:  # drivers raise what they like; who asks is answered, and the next one too
            return json.dumps({"ok": False, "error": str(error)})
        return json.dumps({"ok": True, "status": json.loads(status_to_json(status))})


class command_port(gr.basic_block):
    """Takes commands as messages.

    Stream in, stream out: none.
    Messages in: ``command``: a dictionary, or a pair of a name and a value, such as ``(gain . 30)``.
    Messages out: none.
    Tags: none.
    Latency: none.
    Threads: the block's own.
    """

    def __init__(self, apply: Apply, on_note: Callable[[str], None]) -> None:
        gr.basic_block.__init__(self, name="command_port", in_sig=None, out_sig=None)
        self._apply, self._on_note = apply, on_note
        self.message_port_register_in(pmt.intern("command"))
        self.set_msg_handler(pmt.intern("command"), self._on_command)

    def _on_command(self, message: pmt.pmt_base) -> None:
        try:
            self._apply(LiveCommand.from_table(_to_table(message)))
        except Exception as error:  # drivers raise what they like; a message handler must not
            self._on_note(f"command {message} is refused: {error}")


class MessageControl:
    """GNU Radio messages by ZeroMQ: a flowgraph elsewhere sends them with its ZMQ PUSH Message Sink.

    It is a flowgraph of its own, so that it neither ends with the receiver's nor holds that up.
    """

    def __init__(self, address: Address, apply: Apply, on_note: Callable[[str], None]) -> None:
        from gnuradio import zeromq

        self.address = address
        self._top = gr.top_block("rfseg live control")
        try:
            self._source = zeromq.pull_msg_source(f"tcp://{address}", _POLL, True)
        except RuntimeError as error:
            raise OptionError(f"messages='{address}' cannot be listened on: {error}; choose another port") from None
        self._port = command_port(apply, on_note)
        self._top.msg_connect(self._source, "out", self._port, "command")

    def start(self) -> None:
        """Begin to listen."""
        self._top.start()

    def stop(self) -> None:
        """End."""
        self._top.stop()
        self._top.wait()


def _to_table(message: pmt.pmt_base) -> Any:
    """A command's table from a dictionary or a pair; anything else as it is."""
    if pmt.is_pair(message) and pmt.is_symbol(pmt.car(message)):
        return {pmt.symbol_to_string(pmt.car(message)): pmt.to_python(pmt.cdr(message))}
    return pmt.to_python(message)


def _to_xmlrpc(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_xmlrpc(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_xmlrpc(entry) for entry in value]
    is_large = isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST_XMLRPC_INT
    return float(value) if is_large else value
