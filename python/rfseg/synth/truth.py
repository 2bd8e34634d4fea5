"""Who sent in a scene, as records: the truth behind the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import Geometry
from .plan import CarrierPlan, Plan
from .radar import PulseTrain, occupied_edges, pulse_times
from .radar.timing import schedule

__all__ = ["Emitter", "list_emitters"]

_WORTH_NAMING_DB = 0.0  # pulses weaker than this in their strongest bin are left out

# Label; frequency edges, Hz re the centre; start and stop, s; SNR, dB; comment
_Span = tuple[str, tuple[float, float], tuple[float, float], float, str]


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
    whole = (0.0, geometry.frame_duration)
    spans: list[_Span] = []
    for carrier in plan.carriers:
        edges = (carrier.center - carrier.width / 2, carrier.center + carrier.width / 2)
        spans.append((carrier.label, edges, whole, carrier.snr_db, _describe(carrier)))
    spans += [("Noise", other.edges, whole, other.snr_db, other.kind) for other in plan.others]
    for train in plan.radars:
        spans += _pulses(train, geometry.frame_duration)
    found = [_cut(span, geometry) for span in spans]
    return sorted((e for e in found if e is not None), key=lambda e: (e.sample_start, e.freq_lower_edge))


def _pulses(train: PulseTrain, duration: float) -> list[_Span]:
    """The pulses of a radar that are strong enough, each at the frequency that it hops to."""
    plan = schedule(train, duration)
    lowest, highest = occupied_edges(train)
    spans: list[_Span] = []
    for start, stop in pulse_times(train, duration):
        group = max(0, int(np.searchsorted(plan.starts, 0.5 * (start + stop), side="right")) - 1)
        hop, snr_db = plan.offsets[group], train.snr_db + plan.gains_db[group]
        edges = (lowest + hop - min(train.hops), highest + hop - max(train.hops))
        if snr_db >= _WORTH_NAMING_DB:
            spans.append(("Radar", edges, (start, stop), snr_db, train.family))
    return spans


def _cut(span: _Span, geometry: Geometry) -> Emitter | None:
    """What of it lies in the band and in the frame; None if nothing does."""
    label, (low, high), (start, stop), snr_db, comment = span
    half, count = geometry.samp_rate / 2, geometry.frame_samples
    first, last = (min(count, max(0, round(time * geometry.samp_rate))) for time in (start, stop))
    if low >= half or high <= -half or first == count:
        return None
    return Emitter(
        label=label,
        freq_lower_edge=float(max(-half, low)),
        freq_upper_edge=float(min(half, high)),
        sample_start=first,
        sample_count=max(1, last - first),
        snr_db=float(snr_db),
        comment=comment,
    )


def _describe(carrier: CarrierPlan) -> str:
    direction = "TDD" if carrier.downlink and carrier.uplink else "downlink" if carrier.downlink else "uplink"
    return f"{carrier.channel_mhz:g} MHz, {carrier.spacing / 1e3:g} kHz, {direction}"
