"""Who sent in a scene, as records: the truth behind the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import Geometry
from .plan import CarrierPlan, Plan
from .radar import PulseTrain, occupied_edges, pulse_times, scan_gain_db

__all__ = ["Emitter", "list_emitters"]

_WORTH_NAMING_DB = 0.0  # pulses weaker than this in their strongest bin are left out


@dataclass(frozen=True, kw_only=True)
class Emitter:
    """An emitter, or one pulse of a radar; SigMF annotation fields, frequencies in Hz re the centre of the band."""

    label: str
    freq_lower_edge: float
    freq_upper_edge: float
    sample_start: int
    sample_count: int
    snr_db: float
    comment: str = ""


def list_emitters(plan: Plan, geometry: Geometry) -> list[Emitter]:
    """The truth, cut at the edges of the band and of the frame, earliest first."""
    duration = geometry.frame_duration
    spans: list[tuple[str, tuple[float, float], tuple[float, float], float, str]] = []
    for carrier in plan.carriers:
        edges = (carrier.center - carrier.width / 2, carrier.center + carrier.width / 2)
        spans.append((carrier.label, edges, (0.0, duration), carrier.snr_db, _describe(carrier)))
    for other in plan.others:
        edges = (other.center - other.width / 2, other.center + other.width / 2)
        spans.append(("Noise", edges, (0.0, duration), other.snr_db, other.kind))
    for train in plan.radars:
        edges = occupied_edges(train)
        for start, stop in pulse_times(train, duration):
            snr_db = train.snr_db + _scan_db(train, 0.5 * (start + stop))
            if snr_db >= _WORTH_NAMING_DB:
                spans.append(("Radar", edges, (start, stop), snr_db, train.family))
    half = plan.samp_rate / 2
    found = [
        Emitter(
            label=label,
            freq_lower_edge=float(max(-half, low)),
            freq_upper_edge=float(min(half, high)),
            sample_start=max(0, round(start * plan.samp_rate)),
            sample_count=max(1, round(stop * plan.samp_rate) - max(0, round(start * plan.samp_rate))),
            snr_db=float(snr_db),
            comment=comment,
        )
        for label, (low, high), (start, stop), snr_db, comment in spans
        if low < half and high > -half and round(start * plan.samp_rate) < geometry.frame_samples
    ]
    return sorted(found, key=lambda e: (e.sample_start, e.freq_lower_edge))


def _scan_db(train: PulseTrain, time: float) -> float:
    return float(scan_gain_db(train, np.array([time]))[0])


def _describe(carrier: CarrierPlan) -> str:
    direction = "TDD" if carrier.downlink and carrier.uplink else "downlink" if carrier.downlink else "uplink"
    return f"{carrier.channel_mhz:g} MHz, {carrier.spacing / 1e3:g} kHz, {direction}"
