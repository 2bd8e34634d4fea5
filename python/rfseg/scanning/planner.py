"""Scan planner: frames and their bands in, commands for the receiver and the stitched picture out.

It tunes, waits until frames of the new centre come, skips what settles, dwells until enough samples have been judged, and goes
on.  Time is that of the stream: the samples of frames, and the receiver's clock where samples were lost.  The same frames give the
same commands; whoever knows that no frames come at all calls :meth:`ScanPlanner.stalled`.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..bands import Band
from ..errors import BandError
from ..geometry import Frame
from .clock import StreamClock
from .outputs import PlannerState, ScanOutput, TuneCommand
from .plan import ScanStep, dwell_of, make_steps, tolerance_of
from .rules import ScanRules, StitchRules
from .schedule import Schedule
from .summary import summarise
from .visits import StepHistory, Visit

__all__ = ["ScanPlanner"]

_STRETCH = 4.0  # times its dwell that a visit may last before it is given up, besides the timeout
_RATE_TOLERANCE = 1e-3  # a receiver's rate may be off by this share
_RETRY_OFFSET = 1.0  # Hz; GNU Radio's UHD source does not tune again to the very frequency it was asked for last
_HELD_STEP = -1  # number of the place that `hold` names


class ScanPlanner:
    """Steps a receiver through ranges.

    Parameters
    ----------
    rules : ScanRules
    stitch : StitchRules
    rng : Generator or None
        Of the jitter; None for one with seed 0.

    Raises
    ------
    BandError
        If the rules contradict each other.

    Examples
    --------
    >>> from rfseg.scanning import ScanRange
    >>> rules = ScanRules(samp_rate=20e6, ranges=(ScanRange(freq_lower_edge=2.4e9, freq_upper_edge=2.44e9),), dwell_frames=1)
    >>> planner = ScanPlanner(rules)
    >>> planner.start().commands
    [TuneCommand(center_freq=2406666667.0, step=0, attempt=0)]
    >>> frame = Frame(index=0, sample_start=0, sample_count=200_000, valid_samples=200_000, samp_rate=20e6,
    ...               center_freq=2406666667.0)
    >>> planner.add(frame, []).commands
    [TuneCommand(center_freq=2420000000.0, step=1, attempt=0)]
    """

    def __init__(
        self, rules: ScanRules, stitch: StitchRules = StitchRules(), *, rng: np.random.Generator | None = None
    ) -> None:
        self.rules, self.stitch = rules, stitch
        self.steps = make_steps(rules)
        self._tolerance = tolerance_of(rules, stitch.bin_width)
        self._rng = np.random.default_rng(0) if rng is None else rng
        self._schedule = Schedule([step.range.priority for step in self.steps], max_revisit=rules.max_revisit)
        self._histories = [StepHistory() for _ in self.steps]
        self._state = PlannerState.STOPPED
        self._frame: Frame | None = None  # the newest
        self._clock = StreamClock()
        self._frame_seconds = 0.0  # of a whole frame, once one has come
        self._sweeps, self._unswept = 0, set(range(len(self.steps)))
        self._is_late = False  # the sweep does not fit into max_revisit
        self._next_report = 0.0
        self._is_held = False
        self._step = 0  # number of the place, -1 where `hold` names one
        self._target = 0.0  # Hz
        self._attempt = 0
        self._asked_at = self._begun_at = self._confirmed_at = 0.0  # s
        self._good_from = 0  # sample
        self._stretch = 1.0  # of this visit's dwell
        self._visit: Visit | None = None
        self._out = ScanOutput()

    # -- what may be asked

    @property
    def state(self) -> PlannerState:
        """What the planner is doing."""
        return self._state

    @property
    def is_held(self) -> bool:
        """Whether it stays where it is."""
        return self._is_held

    @property
    def now(self) -> float:
        """Time of the stream since the first frame, s."""
        return self._clock.now

    @property
    def sweeps(self) -> int:
        """How often every step has been visited or given up."""
        return self._sweeps

    # -- what may be ordered

    def start(self) -> ScanOutput:
        """Begin, or go on after :meth:`stop` or :meth:`hold`; what was counted stays."""
        if self._state is PlannerState.STOPPED or self._is_held:
            if self._state is PlannerState.STOPPED:
                self._schedule.restart(self.now)
            self._is_held = False
            self._event("started", steps=len(self.steps))
            self._end_visit()
            self._choose()
        return self._take()

    def stop(self) -> ScanOutput:
        """Give no more commands and count no more frames; the report of what was counted."""
        if self._state is not PlannerState.STOPPED:
            self._end_visit()
            self._state, self._is_held = PlannerState.STOPPED, False
            self._event("stopped")
        self._report()
        return self._take()

    def hold(self, center_freq: float | None = None) -> ScanOutput:
        """Stay at the step in progress, or tune to a frequency (Hz) and stay there; :meth:`start` goes on.

        What is sensed at a step counts; at a frequency of its own nothing is counted.
        """
        self._is_held = True
        if center_freq is not None:
            self._end_visit()
            self._go(_HELD_STEP, center_freq)
        elif self._state is PlannerState.STOPPED:
            self._choose()
        self._event("held", center_freq=self._target)
        return self._take()

    def stalled(self) -> ScanOutput:
        """No frames come, although the scan runs: say so and repeat the command."""
        if self._state is not PlannerState.STOPPED:
            self._event("stalled", center_freq=self._target)
            self._ask()
        return self._take()

    def add(self, frame: Frame, bands: Sequence[Band], *, is_judged: bool = True) -> ScanOutput:
        """Take the next frame.  One that comes again, as the last, only ends the stream.

        Raises
        ------
        BandError
            If the frame begins before the end of the one before, or its rate is not the planned one.
        """
        newest = self._frame
        if newest is not None and frame.last and frame.sample_start == newest.sample_start:
            self._finish()
            return self._take()
        self._check(frame)
        self._clock.add(frame)
        self._frame = frame
        self._frame_seconds = frame.sample_count / frame.samp_rate
        if self._state is PlannerState.TUNING:
            self._await(frame)
        if self._state is PlannerState.DWELLING:
            self._dwell(frame, bands, is_judged=is_judged)
        if frame.last:
            self._finish()
        return self._take()

    def report(self) -> ScanOutput:
        """The picture as it is now."""
        self._report()
        return self._take()

    # -- how a visit goes

    def _finish(self) -> None:
        """The stream has ended."""
        self._end_visit()
        self._state = PlannerState.STOPPED
        self._report()

    def _await(self, frame: Frame) -> None:
        """Whether the receiver has obeyed; if not in time, ask again or give up."""
        if self._is_there(frame):
            self._state, self._confirmed_at = PlannerState.DWELLING, self.now - frame.valid_samples / frame.samp_rate
            self._good_from = frame.sample_start + round(self.rules.settling * frame.samp_rate)
        elif self.now - self._asked_at >= self.rules.timeout:
            if self._attempt < self.rules.retries:
                self._attempt += 1
                self._event("retry", **self._place(), attempt=self._attempt)
                self._ask()
            else:
                self._fail(frame)

    def _is_there(self, frame: Frame) -> bool:
        """Whether a frame is from where the receiver should be."""
        tolerance = self._tolerance + _RETRY_OFFSET * self._attempt
        return frame.center_freq is not None and abs(frame.center_freq - self._target) <= tolerance

    def _fail(self, frame: Frame) -> None:
        """The receiver does not obey: say so, and go on with another step."""
        actual = frame.center_freq
        heard = "frames tell no centre frequency" if actual is None else f"frames come from {actual / 1e6:.6f} MHz"
        reason = (
            f"the receiver did not go to {self._target / 1e6:.6f} MHz in {self._attempt + 1} commands of"
            f" {self.rules.timeout:g} s each: {heard}, {self._tolerance:g} Hz off would do; connect the commands, let the"
            " source write rx_freq tags, scan what it can tune to, or raise timeout or tolerance"
        )
        self._event("failed", **self._place(), reason=reason, **({} if actual is None else {"actual_freq": actual}))
        if self._is_held:
            self._attempt = 0
            self._ask()
            return
        if self._visit.samples:
            self._end_visit()
        else:
            self._schedule.visited(self._step, self.now)
            self._swept()
        self._histories[self._step].failures += 1
        self._histories[self._step].has_failed = True
        self._choose()

    def _dwell(self, frame: Frame, bands: Sequence[Band], *, is_judged: bool) -> None:
        """Count a frame; go on when there are enough."""
        if not self._is_there(frame):
            self._event("lost", **self._place())
            if self._attempt < self.rules.retries:
                self._attempt += 1
                self._ask()
            else:
                self._fail(frame)
            return
        if self._step == _HELD_STEP:
            return
        if is_judged and not frame.settling and frame.sample_start >= self._good_from:
            self._visit.add(frame, bands)
        wanted = self._wanted(self.steps[self._step]) * self._stretch
        is_done = self._visit.samples >= wanted * frame.samp_rate - 0.5
        if not is_done and self.now - self._confirmed_at > _STRETCH * wanted + self.rules.settling + self.rules.timeout:
            self._event("starved", **self._place(), samples=self._visit.samples)
            is_done = True
        if is_done:
            self._end_visit()
            if self._is_held:
                self._stay()
            else:
                self._choose()

    def _end_visit(self) -> None:
        """Add what was counted to the history of the step."""
        visit, self._visit = self._visit, None
        if visit is None or self._step == _HELD_STEP:
            return
        wanted = self._wanted(self.steps[self._step]) * self._stretch
        if not visit.samples:
            if self._state is PlannerState.DWELLING:
                self._schedule.visited(self._step, self.now)
                self._swept()
            return
        visit.close(self.now)
        history, step = self._histories[self._step], self.steps[self._step]
        history.center_freq = visit.newest.center_freq
        history.add(
            visit, window=self.stitch.window, min_change_bins=round(self.rules.min_change / self.stitch.bin_width)
        )
        boost = self.rules.boost if history.is_occupied or history.is_changed else 1.0
        self._schedule.weights[self._step] = step.range.priority * boost
        self._schedule.visited(
            self._step, self.now, overhead=None if self._is_held else self.now - self._begun_at - wanted
        )
        self._event(
            "visit", **self._place(), actual_freq=visit.newest.center_freq, samples=visit.samples, bands=len(visit.bands)
        )
        self._swept()
        if self.now >= self._next_report:
            self._report()

    def _swept(self) -> None:
        self._unswept.discard(self._step)
        if not self._unswept:
            self._sweeps += 1
            self._unswept = set(range(len(self.steps)))
            self._event("sweep", sweeps=self._sweeps)

    def _choose(self) -> None:
        """Begin the next visit."""
        costs = np.array([self._cost(step) for step in self.steps])
        is_late = not self._schedule.is_feasible(self.now, costs)
        if is_late and not self._is_late:
            self._event("overloaded", sweep_seconds=float(costs.sum()), max_revisit=float(self.rules.max_revisit))
        self._is_late = is_late
        step = self._schedule.next(self.now, costs)
        jitter = self.rules.freq_jitter and self._rng.uniform(-1, 1) * self.rules.freq_jitter
        self._stretch = 1 + (self.rules.dwell_jitter and self._rng.uniform(0, 1) * self.rules.dwell_jitter)
        target = float(round(self.steps[step].center_freq + jitter))
        if self._state is PlannerState.DWELLING and (step, target) == (self._step, self._target):
            self._stay()
        else:
            self._go(step, target)

    def _stay(self) -> None:
        """Begin another visit where the receiver is."""
        self._begin_visit()
        self._begun_at = self._confirmed_at = self.now

    def _go(self, step: int, target: float) -> None:
        self._step, self._target, self._attempt = step, target, 0
        self._begun_at = self.now
        self._begin_visit()
        self._ask()

    def _begin_visit(self) -> None:
        self._visit = None
        if self._step != _HELD_STEP:
            piece = self.steps[self._step].range
            limits = piece.freq_lower_edge, piece.freq_upper_edge
            self._visit = Visit(self.stitch, limits, self.rules.view_width)

    def _ask(self) -> None:
        """Give the command."""
        self._state, self._asked_at = PlannerState.TUNING, self.now
        freq = self._target + _RETRY_OFFSET * self._attempt
        self._out.commands.append(TuneCommand(center_freq=freq, step=self._step, attempt=self._attempt))

    # -- time

    def _wanted(self, step: ScanStep) -> float:
        """Dwell of a step, s."""
        seconds, frames = dwell_of(step, self.rules)
        return frames * self._frame_seconds if frames else seconds

    def _cost(self, step: ScanStep) -> float:
        """How long a visit will take at most, as far as one can know, s."""
        if self._histories[step.index].has_failed:
            return self.rules.timeout * (self.rules.retries + 1)
        overhead = max(self._schedule.overhead, self.rules.settling)
        return self._wanted(step) * (1 + self.rules.dwell_jitter) + overhead

    def _check(self, frame: Frame) -> None:
        if self._frame is not None and frame.sample_start < self._frame.watermark:
            raise BandError(
                f"a frame at sample {frame.sample_start} follows one up to {self._frame.watermark}; sort them"
            )
        if abs(frame.samp_rate / self.rules.samp_rate - 1) > _RATE_TOLERANCE:
            raise BandError(
                f"a frame has samp_rate={frame.samp_rate:g} Hz, the scan was planned for {self.rules.samp_rate:g} Hz;"
                " give the planner the receiver's rate"
            )

    # -- what is told

    def _place(self) -> dict[str, Any]:
        named = {} if self._step == _HELD_STEP else {"step": self._step}
        return {**named, "center_freq": self._target}

    def _event(self, event: str, **fields: Any) -> None:
        self._out.events.append((event, {"sample": self._frame.watermark if self._frame else 0, **fields}))

    def _take(self) -> ScanOutput:
        out, self._out = self._out, ScanOutput()
        return out

    def _report(self) -> None:
        """State of everything now."""
        self._next_report = self.now + self.stitch.report_interval
        for history in self._histories:
            history.forget(self.now - self.stitch.window)
        self._out.picture = summarise(
            self.steps, self._histories, self.rules, self.stitch, frame=self._frame, sweeps=self._sweeps
        )
