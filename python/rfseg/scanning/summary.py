"""The picture of a scan at one moment, from what its steps remember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ..geometry import Frame
from ..occupancyreport import OccupancyReport
from .plan import ScanStep
from .report import NEVER, ScanReport, StepState
from .rules import ScanRules, StitchRules
from .stitching import count_bins, join_bands, parts_of, to_occupancy, to_spans
from .visits import StepHistory

__all__ = ["Picture", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The scan's own report, and the same as a report of occupancy."""

    report: ScanReport
    occupancy: OccupancyReport


def summarise(
    steps: Sequence[ScanStep],
    histories: Sequence[StepHistory],
    rules: ScanRules,
    stitch: StitchRules,
    *,
    frame: Frame | None,
    sweeps: int,
) -> Picture:
    """Add up all visits that count; ``frame`` is the newest."""
    counts = count_bins(histories)
    parts = [part for index, history in enumerate(histories) for part in parts_of(index, history)]
    time = None if frame is None else frame.rx_time
    report = ScanReport(
        sample_stop=0 if frame is None else frame.watermark,
        samp_rate=rules.samp_rate if frame is None else frame.samp_rate,
        rx_time=None if time is None else time.after(frame.valid_samples, frame.samp_rate),
        sweeps=sweeps,
        bin_width=stitch.bin_width,
        spans=to_spans(counts, stitch.bin_width),
        bands=join_bands(parts),
        steps=tuple(_state_of(step, history) for step, history in zip(steps, histories)),
    )
    occupancy = to_occupancy(
        report,
        counts,
        stitch,
        sample_start=min((history.visits[0].sample_start for history in histories if history.visits), default=0),
        validity=round(rules.max_revisit * report.samp_rate),
    )
    return Picture(report=report, occupancy=occupancy)


def _state_of(step: ScanStep, history: StepHistory) -> StepState:
    return StepState(
        index=step.index,
        center_freq=step.center_freq,
        actual_freq=history.center_freq,
        visits=history.count,
        failures=history.failures,
        last_visit=history.visits[-1].sample_stop if history.visits else NEVER,
        is_occupied=history.is_occupied,
        is_failed=history.has_failed,
    )
