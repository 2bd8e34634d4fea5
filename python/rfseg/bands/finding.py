"""What a mask shows, as columns: carriers and pulses with their rows, edges, power and width, before they become bands."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Sequence

import numpy as np

from ..contract import SignalClass
from .guards import find_guards
from .power import BandMeter
from .regions import Region, RegionRules, carrier_regions, pulse_boxes

__all__ = ["Found", "find"]


@dataclass(frozen=True)
class Found:
    """Columns of one length: what becomes bands.  Edges are in bins, NaN stands for what is not known."""

    class_id: np.ndarray
    confidence: np.ndarray
    row_start: np.ndarray
    row_stop: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    power_dbfs: np.ndarray
    snr_db: np.ndarray
    pulse_width: np.ndarray


def find(
    mask: np.ndarray,
    confidence: np.ndarray,
    meter: BandMeter | None,
    *,
    classes: Sequence[SignalClass],
    limits: RegionRules,
    min_confidence: float,
) -> Found:
    """Carriers, then pulses, of a mean probability of ``min_confidence`` and more.

    Parameters
    ----------
    mask, confidence : uint8 ``(T, F)``
    meter : BandMeter or None
        None where there are no rows: edges are then those of the pixels, and nothing else is known.
    """
    carriers = _carriers(mask, confidence, meter, classes, limits, min_confidence)
    pulses = _pulses(mask, confidence, meter, classes, min_confidence)
    return Found(*(np.concatenate(columns) for columns in zip(vars(carriers).values(), vars(pulses).values())))


def _carriers(
    mask: np.ndarray,
    confidence: np.ndarray,
    meter: BandMeter | None,
    classes: Sequence[SignalClass],
    limits: RegionRules,
    min_confidence: float,
) -> Found:
    sure = [
        (region, certainty)
        for region in _carrier_regions(mask, confidence, meter, classes, limits)
        if (certainty := region.confidence(mask, confidence)) >= min_confidence
    ]
    boxes = [(region.rows, region.bins) for region, _ in sure]
    if meter is None:
        measured = [(*bins, math.nan, math.nan) for _, bins in boxes]
    else:
        measured = [
            (lower.position, upper.position, *meter.carrier_power(box, (lower, upper)))
            for box, (lower, upper) in zip(boxes, meter.carrier_edges(boxes), strict=True)
        ]
    rows = [
        (region.class_id, certainty, *region.rows, *values, math.nan)
        for (region, certainty), values in zip(sure, measured, strict=True)
    ]
    return Found(*np.array(rows, np.float64).reshape(-1, len(fields(Found))).T)


def _pulses(
    mask: np.ndarray, confidence: np.ndarray, meter: BandMeter | None, classes: Sequence[SignalClass], min_confidence: float
) -> Found:
    boxes = pulse_boxes(mask, confidence, classes)
    boxes = boxes.chosen(boxes.confidences >= min_confidence)
    place = boxes.class_ids, boxes.confidences, boxes.row_starts, boxes.row_stops
    if meter is None:
        return Found(*place, boxes.bin_starts, boxes.bin_stops, *np.full((3, boxes.count), np.nan))
    measured = meter.measure_pulses(boxes)
    return Found(*place, measured.lower, measured.upper, measured.power_dbfs, measured.snr_db, measured.width)


def _carrier_regions(
    mask: np.ndarray,
    confidence: np.ndarray,
    meter: BandMeter | None,
    classes: Sequence[SignalClass],
    limits: RegionRules,
) -> list[Region]:
    carriers = carrier_regions(mask, confidence, classes, limits)
    if meter is None:
        return carriers
    return [
        part
        for region in carriers
        for part in _split_at_guards(region, meter, region.support(mask, confidence), limits)
    ]


def _split_at_guards(region: Region, meter: BandMeter, support: np.ndarray, limits: RegionRules) -> list[Region]:
    """The carriers of a region in whose guard bands the mask saw no noise, each with its own rows."""
    guards = find_guards(meter.profile(region.rows, region.bins)[slice(*region.bins)], support)
    if not guards:
        return [region]
    starts = [0, *(stop for _, stop in guards)]
    stops = [*(start for start, _ in guards), len(support)]
    parts = [region.part(a, b) for a, b in zip(starts, stops) if b - a >= limits.min_bins]
    return [part for part in parts if part is not None and len(part.pixels) >= limits.min_rows]
