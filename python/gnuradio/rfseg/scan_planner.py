# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan Planner: bands in, commands for the receiver and the stitched spectrum out."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import pmt
from gnuradio import gr
from rfseg.errors import BandError
from rfseg.framequeue import LogPace
from rfseg.pipeline import FrameState
from rfseg.scanning import PlannerState, ScanOutput, ScanPlanner, ScanRange, ScanRules, StitchRules, to_ranges

from .endings import ends_safely
from .message_queues import LeftOver
from .messages import BandsMessage, event_to_pmt
from .occupancy_messages import occupancy_to_pmt
from .rfseg_python import keys
from .scan_messages import CMD, COMMAND, freq_to_pmt, order_from_pmt, scan_to_pmt, tune_to_pmt

__all__ = ["scan_planner"]

_POLL = 5e-3  # s; between two questions to a driver
_DEFAULT_RANGES = ((2.4e9, 2.5e9),)


class scan_planner(gr.basic_block):
    """Steps a receiver through ranges wider than its bandwidth and stitches together what is found.

    Stream in: none.
    Stream out: none.
    Messages in: ``bands`` of the receiver's samples; ``control``: ``start``, ``stop``, ``hold``, ``report``.
    Messages out: ``command`` to a UHD source, ``cmd`` to a Soapy source or any other that takes a dictionary with ``freq``;
    ``freq``, what a driver says it is tuned to (:meth:`set_driver`), for RF Segmenter; ``scan``, the stitched spectrum; ``occupancy``, the same as occupied and free bands; ``status``.
    Tags: none; the frames behind ``bands`` tell from the source's ``rx_freq`` whether it has obeyed.
    Latency: none beyond that of the bands.
    Threads: the block's own, and one that watches whether messages come and asks the driver.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second of the receiver, Hz.
    ranges : sequence
        Each is lower and upper edge (Hz), and if wanted priority and dwell (s); or a mapping of the fields of
        :class:`rfseg.scanning.ScanRange`.
    dwell : float
        Time for which a step is sensed in a visit, s.
    dwell_frames : int
        The same in whole frames, where above 0.
    max_revisit : float
        No step is left alone for longer, s.
    settling : float
        Samples of this time after a retune are not counted, s, besides those that the frames call settling.
    usable : float
        Share of the sample rate that is looked at, 0 to 1.
    overlap : float
        Width that neighbouring steps share at least, Hz.
    boost : float
        Steps that are occupied or have changed are visited this many times as often, where time allows.
    min_change : float
        A step has changed if its occupied bins differ over this width, Hz.
    freq_jitter : float
        The centre of each visit is off its step's by up to this, Hz.
    dwell_jitter : float
        Each visit is longer by up to this share.
    seed : int
        Of the jitter.
    timeout : float
        Time of the stream for the receiver to obey, s.
    retries : int
        Commands repeated until a step counts as failed.
    tolerance : float or None
        A receiver that is off by more did not obey, Hz; None for what leaves no hole between steps.
    stall : float
        If no message comes for this time, by the machine's clock, the command is repeated, s; 0 for never.
    bin_width : float
        Width of the bins that duty cycles are counted in, Hz.
    window : float
        Visits that ended longer ago do not count, s, but the newest of each step always does.
    max_duty : float
        A bin whose duty cycle exceeds this is not free, 0 to 1.
    min_width : float
        Narrower free bands are not listed, Hz.
    guard : float
        Distance that a free band keeps from whatever is not free, Hz.
    report_interval : float
        Least time between two reports, s; 0 for one after each visit.
    autostart : bool
        Whether the scan begins with the flowgraph, or with a message.
    """

    def __init__(
        self,
        samp_rate: float,
        *,
        ranges: Sequence[ScanRange | Mapping[str, Any] | Sequence[float]] = _DEFAULT_RANGES,
        dwell: float = ScanRules.dwell,
        dwell_frames: int = ScanRules.dwell_frames,
        max_revisit: float = ScanRules.max_revisit,
        settling: float = ScanRules.settling,
        usable: float = ScanRules.usable,
        overlap: float = ScanRules.overlap,
        boost: float = ScanRules.boost,
        min_change: float = ScanRules.min_change,
        freq_jitter: float = ScanRules.freq_jitter,
        dwell_jitter: float = ScanRules.dwell_jitter,
        seed: int = 0,
        timeout: float = ScanRules.timeout,
        retries: int = ScanRules.retries,
        tolerance: float | None = ScanRules.tolerance,
        stall: float = 2.0,
        bin_width: float = StitchRules.bin_width,
        window: float = StitchRules.window,
        max_duty: float = StitchRules.max_duty,
        min_width: float = StitchRules.min_width,
        guard: float = StitchRules.guard,
        report_interval: float = StitchRules.report_interval,
        autostart: bool = True,
    ) -> None:
        gr.basic_block.__init__(self, name="scan_planner", in_sig=None, out_sig=None)
        if not 0 <= stall < float("inf"):
            raise BandError(f"stall={stall!r} must be a number of at least 0")
        self._rules = ScanRules(
            samp_rate=samp_rate,
            ranges=to_ranges(ranges),
            usable=usable,
            overlap=overlap,
            dwell=dwell,
            dwell_frames=dwell_frames,
            settling=settling,
            max_revisit=max_revisit,
            boost=boost,
            min_change=min_change,
            freq_jitter=freq_jitter,
            dwell_jitter=dwell_jitter,
            timeout=timeout,
            retries=retries,
            tolerance=tolerance,
        )
        self._stitch = StitchRules(
            bin_width=bin_width,
            window=window,
            max_duty=max_duty,
            min_width=min_width,
            guard=guard,
            report_interval=report_interval,
        )
        self._seed, self._stall, self._autostart = seed, stall, autostart
        self._lock = threading.Lock()  # of the planner, and of the order of its messages
        self._watch: threading.Thread | None = None
        self._driver: Callable[[], float] | None = None
        self._left_over = LeftOver(keys.BANDS)
        self._bad_message_pace, self._failure_pace, self._driver_pace = LogPace(), LogPace(), LogPace()
        self._reset()
        for port, handler in ((keys.BANDS, self._on_bands), (keys.CONTROL, self._on_control)):
            self.message_port_register_in(pmt.intern(port))
            self.set_msg_handler(pmt.intern(port), handler)
        for port in (COMMAND, CMD, keys.FREQ, keys.SCAN, keys.OCCUPANCY, keys.STATUS):
            self.message_port_register_out(pmt.intern(port))

    # -- what scripts may ask and order while the flowgraph runs

    def set_driver(self, get_frequency: Callable[[], float] | None) -> None:
        """Whom to ask for the receiver's frequency (Hz) where its source writes no ``rx_freq`` tag after a retune.

        For a Soapy source: ``planner.set_driver(lambda: source.get_frequency(0))``.  Each change of the answer goes out on
        ``freq``.  Set it before the flowgraph starts.
        """
        self._driver = get_frequency

    def center_freqs(self) -> list[float]:
        """Centres of the steps, Hz."""
        return [step.center_freq for step in self._planner.steps]

    def sweeps(self) -> int:
        """How often every step has been visited or given up in this run."""
        return self._planner.sweeps

    def failures(self) -> int:
        """How often the receiver did not obey in this run."""
        return self._failures

    def bad_messages(self) -> int:
        """Messages that made no sense in this run."""
        return self._bad_messages

    def begin(self) -> None:
        """Begin to scan, or go on after a stop or hold."""
        self._order(lambda planner: planner.start())

    def halt(self) -> None:
        """Give no more commands."""
        self._order(lambda planner: planner.stop())

    def hold(self, freq: float | None = None) -> None:
        """Stay at the step in progress, or tune to a frequency (Hz) and stay there."""
        self._order(lambda planner: planner.hold(freq))

    # -- what the scheduler calls

    def start(self) -> bool:
        """Begin a run; what the run before left in the queue speaks of other samples."""
        self._left_over.forget(self)
        self._reset()
        if self._autostart:
            self.begin()
        if self._stall or self._driver is not None:
            self._watch = threading.Thread(target=self._watch_messages, args=(self._ended,), daemon=True)
            self._watch.start()
        return True

    @ends_safely
    def stop(self) -> bool:
        """Where the stream ended without a frame marked ``last``, tell what was found."""
        self._ended.set()
        if self._watch is not None:
            self._watch.join()
            self._watch = None
        if self._planner.state is not PlannerState.STOPPED:
            self.halt()
        return True

    def _on_bands(self, message: pmt.pmt_base) -> None:
        try:
            content = BandsMessage.from_pmt(message)
            is_judged = content.tag.state in (None, FrameState.INFERRED) and not content.tag.frame.settling
            self._heard = time.monotonic()
            self._order(lambda planner: planner.add(content.tag.frame, content.bands, is_judged=is_judged))
        except BandError as error:
            self._refuse(error)

    def _on_control(self, message: pmt.pmt_base) -> None:
        try:
            action, freq = order_from_pmt(message)
        except BandError as error:
            self._refuse(error)
            return
        orders = {
            "start": lambda planner: planner.start(),
            "stop": lambda planner: planner.stop(),
            "hold": lambda planner: planner.hold(freq),
            "report": lambda planner: planner.report(),
        }
        self._order(orders[action])

    def _watch_messages(self, ended: threading.Event) -> None:
        """Ask the driver, and repeat the command when nothing comes; in a thread of its own."""
        while not ended.wait(self._pause()):
            if self._driver is not None:
                self._ask_driver()
            if self._stall and time.monotonic() - self._heard >= self._stall:
                self._heard = time.monotonic()
                self._order(lambda planner: planner.stalled())

    def _pause(self) -> float:
        """Time until something is to be done, s."""
        return _POLL if self._driver is not None else max(0.0, self._heard + self._stall - time.monotonic())

    def _ask_driver(self) -> None:
        """Tell a change of the receiver's frequency."""
        try:
            freq = float(self._driver())
        except Exception as error:  # of a driver: anything; the planner notices that nothing is confirmed
            if self._driver_pace.is_due():
                self.logger.warn(f"the driver does not tell its frequency: {type(error).__name__}: {error}")
            return
        if freq != self._told_freq:
            self._told_freq = freq
            self.message_port_pub(pmt.intern(keys.FREQ), freq_to_pmt(freq))

    def _order(self, order: Any) -> None:
        """Let the planner do something, and publish what follows."""
        with self._lock:
            self._publish(order(self._planner))

    def _publish(self, out: ScanOutput) -> None:
        for event, fields in out.events:
            self.message_port_pub(pmt.intern(keys.STATUS), event_to_pmt(keys.SCANNER, event, fields))
            if event == keys.FAILED:
                self._failures += 1
                if self._failure_pace.is_due():
                    self.logger.warn(f"{fields[keys.REASON]}; {self._failures} so far")
        if out.picture is not None:
            self.message_port_pub(pmt.intern(keys.SCAN), scan_to_pmt(out.picture.report))
            self.message_port_pub(pmt.intern(keys.OCCUPANCY), occupancy_to_pmt(out.picture.occupancy))
        for command in out.commands:
            self.message_port_pub(pmt.intern(COMMAND), tune_to_pmt(command, is_uhd=True))
            self.message_port_pub(pmt.intern(CMD), tune_to_pmt(command, is_uhd=False))

    def _refuse(self, error: BandError) -> None:
        self._bad_messages += 1
        if self._bad_message_pace.is_due():
            self.logger.warn(f"a message is ignored: {error}; {self._bad_messages} so far")

    def _reset(self) -> None:
        """Back to the state before the first message."""
        self._planner = ScanPlanner(self._rules, self._stitch, rng=np.random.default_rng(self._seed))
        self._ended = threading.Event()
        self._heard = time.monotonic()
        self._told_freq: float | None = None
        self._failures = self._bad_messages = 0
