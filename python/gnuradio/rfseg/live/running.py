# SPDX-License-Identifier: GPL-3.0-or-later
"""A run from start to end: signals, the status line and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from enum import IntEnum
from typing import Any, TextIO

from gnuradio import gr
from rfseg.errors import OptionError, SourceError
from rfseg.live.settings import LiveSettings, ProcessSettings, parse_address
from rfseg.live.status import LiveStatus, status_line, status_to_json, totals_line

from .control import MessageControl, XmlRpcControl, ZeromqControl
from .receiver import Receiver
from .silence import SourceWatch

__all__ = ["Exit", "Reporter", "run_receiver"]

_FLUSH_TIMEOUT = 10.0  # s for what the blocks hold, once the stream has ended
_LOOK = 0.1  # s between looks at the flowgraph


class Exit(IntEnum):
    """Exit codes of the program."""

    STOPPED = 0  # by a signal, a command or the end of the file
    CHAIN_FAILED = 1
    BAD_INPUT = 2  # settings, model, or a package that is missing: no restart helps
    SOURCE_FAILED = 3  # missing, vanished, silent: a restart may help
    INTERRUPTED = 130  # before anything ran


class Reporter:
    """Tells what a run does: the status on a stream of its own, notes on standard error.

    Parameters
    ----------
    out : text file
    is_quiet : bool
        Notes only.
    as_json : bool
        JSON lines instead of text.
    """

    def __init__(self, out: TextIO, *, is_quiet: bool = False, as_json: bool = False) -> None:
        self._out, self._is_quiet, self._as_json = out, is_quiet, as_json
        self._overwrites = out.isatty() and not as_json
        self._has_line = False
        self._writing = threading.Lock()

    def note(self, text: str) -> None:
        """A line that is worth reading; from any thread."""
        with self._writing:
            self._end_line()
            print(f"rfseg live: {text}", file=sys.stderr, flush=True)

    def status(self, status: LiveStatus) -> None:
        """The line of this second."""
        if self._is_quiet:
            return
        with self._writing:
            if self._as_json:
                print(status_to_json(status, event="status"), file=self._out, flush=True)
            elif self._overwrites:
                print(f"\r\x1b[K{status_line(status)}", end="", file=self._out, flush=True)
                self._has_line = True
            else:
                print(status_line(status), file=self._out, flush=True)

    def end(self, status: LiveStatus, reason: str) -> None:
        """The totals."""
        if self._is_quiet:
            return
        with self._writing:
            self._end_line()
            text = status_to_json(status, event="end", reason=reason) if self._as_json else totals_line(status, reason)
            try:
                print(text, file=self._out, flush=True)
            except BrokenPipeError:
                self.fall_silent()

    def fall_silent(self) -> None:
        """Whoever read the status has gone."""
        self._is_quiet, self._has_line = True, False

    def _end_line(self) -> None:
        if self._has_line:
            print(file=self._out, flush=True)
            self._has_line = False


class _Signals:
    """SIGINT and SIGTERM while a run lasts; the second of them does not wait for what the blocks hold."""

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self.seen = threading.Event()

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        else:
            self._previous = {}
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: Any) -> None:
        self.received.append(signal.Signals(number))
        self.seen.set()


def run_receiver(settings: LiveSettings, reporter: Reporter) -> Exit:
    """Run a receiver until it is stopped or ends; the exit code.

    Raises
    ------
    RfsegError
        If it cannot start.
    """
    with _Signals() as signals:  # from the start, so that none is lost while a radio is opened
        receiver = Receiver(settings, on_note=reporter.note)
        controls = _make_controls(settings, receiver, reporter)
        try:
            reporter.note(receiver.announce())
            _start(receiver, settings.process, reporter)
            for control in controls:
                control.start()
            return _watch(receiver, signals, reporter)
        finally:
            for control in controls:
                control.stop()


def _make_controls(settings: LiveSettings, receiver: Receiver, reporter: Reporter) -> list[Any]:
    control, controls = settings.control, []
    if control.xmlrpc is not None:
        controls.append(XmlRpcControl(parse_address(control.xmlrpc), receiver.apply))
    if control.zeromq is not None:
        controls.append(ZeromqControl(parse_address(control.zeromq), receiver.apply))
    if control.messages is not None:
        controls.append(MessageControl(parse_address(control.messages), receiver.apply, reporter.note))
    for entry in controls:
        reporter.note(f"commands are taken at {entry.address} ({type(entry).__name__})")
    return controls


def _start(receiver: Receiver, process: ProcessSettings, reporter: Reporter) -> None:
    """Start the flowgraph from a thread whose priority and cores its threads inherit, and no others."""
    failures: list[Exception] = []

    def start() -> None:
        try:
            if process.affinity:
                _set_affinity(process.affinity)
            if process.realtime:
                _set_realtime(reporter)
            receiver.begin()
        except Exception as error:  # it belongs to the thread that waits
            failures.append(error)

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    if failures:
        receiver.close()
        failure = failures[0]
        if isinstance(failure, (RuntimeError, ValueError)) and not isinstance(failure, OptionError):
            raise SourceError(f"the source cannot start: {failure}; see what its driver says above") from failure
        raise failure


def _set_affinity(cores: tuple[int, ...]) -> None:
    try:
        os.sched_setaffinity(0, cores)
    except OSError:
        usable = sorted(os.sched_getaffinity(0))
        raise OptionError(f"affinity={list(cores)} names cores that this process may not use; it may: {usable}") from None


def _set_realtime(reporter: Reporter) -> None:
    answer = gr.enable_realtime_scheduling()
    if answer != gr.RT_OK:
        reporter.note(
            f"real-time priority is refused ({answer.name}): run with CAP_SYS_NICE or a limit rtprio (in systemd"
            " LimitRTPRIO=50, in /etc/security/limits.d @GROUP - rtprio 50); going on with normal priority"
        )


def _watch(receiver: Receiver, signals: _Signals, reporter: Reporter) -> Exit:
    """Wait for the end, telling the status; then end everything."""
    ended = threading.Event()
    waiter = threading.Thread(target=lambda: (receiver.wait(), ended.set()), daemon=True)
    waiter.start()
    try:
        code, reason = _wait(receiver, ended, signals, reporter)
    except BaseException:  # a flowgraph that is left running would crash the process at its end
        receiver.stop()
        ended.wait(_FLUSH_TIMEOUT)
        receiver.close()
        raise
    receiver.request_end()
    pending = len(signals.received)
    deadline = time.monotonic() + _FLUSH_TIMEOUT
    while not ended.wait(_LOOK) and time.monotonic() < deadline and len(signals.received) == pending:
        pass
    if not ended.is_set():
        reporter.note("what the blocks held is lost: the stream did not end by itself")
        receiver.stop()
        ended.wait(_FLUSH_TIMEOUT)
    receiver.close()
    reporter.end(receiver.status(), reason)
    if code is not Exit.STOPPED:
        print(f"rfseg live: error: {reason}", file=sys.stderr, flush=True)
    return code


def _wait(
    receiver: Receiver, ended: threading.Event, signals: _Signals, reporter: Reporter
) -> tuple[Exit, str]:
    """Until there is a reason to end: the exit code and the reason."""
    interval, watch = receiver.settings.status_interval, SourceWatch(receiver, reporter.note)
    next_status = time.monotonic() + interval
    while True:
        if receiver.failure:
            return Exit.CHAIN_FAILED, f"the chain failed: {receiver.failure}"
        if ended.is_set():
            return _why_ended(receiver)
        if signals.received:
            return Exit.STOPPED, f"stopped by {signals.received[-1].name}"
        if receiver.stop_wanted.is_set():
            return Exit.STOPPED, "stopped by a command"
        now = time.monotonic()
        failure = watch.look(now)
        if failure:
            return Exit.SOURCE_FAILED, failure
        if now >= next_status:
            try:
                reporter.status(receiver.status())
            except BrokenPipeError:
                reporter.fall_silent()
                return Exit.STOPPED, "stopped because no one reads the status"
            receiver.mark()
            next_status = max(next_status + interval, now)
        if signals.seen.wait(min(_LOOK, max(0.0, next_status - now))):
            signals.seen.clear()


def _why_ended(receiver: Receiver) -> tuple[Exit, str]:
    """Exit code and reason of a flowgraph that ended by itself."""
    error = getattr(receiver.source.block, "error", None)
    if error is not None:
        return Exit.SOURCE_FAILED, f"the source failed: {error}"
    if receiver.has_reached_limit():
        return Exit.STOPPED, "ended at its duration"
    if receiver.settings.source.kind == "file":
        return Exit.STOPPED, "ended with the file"
    return Exit.SOURCE_FAILED, "the source ended by itself; see what its driver says above"
