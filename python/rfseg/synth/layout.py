"""The carriers of a scene: how many, which, where and how strong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Sequence

import numpy as np

from . import lte, lte_uplink, nr, nr_uplink
from .channel import Channel
from .laws import CarrierLaw, FixedCarrier, SnrLaw, occupied_width
from .recipe import Recipe

__all__ = ["LTE_WEIGHTS", "CarrierPlan", "draw_carriers", "draw_index"]

# Weight of a channel bandwidth in MHz among those that fit; the NR ones are equally likely
LTE_WEIGHTS = {1.4: 0.4, 3.0: 0.5, 5.0: 1.0, 10.0: 1.0, 15.0: 1.0, 20.0: 1.0}
_SPACING_WEIGHTS = {15e3: 0.4, 30e3: 0.52, 60e3: 0.08}
_WIDEST_SHARE = 0.8  # of the band, for a scattered carrier
_FILLING = (0.55, 1.3)  # occupied bandwidth over sample rate of a carrier that fills the band
_NEIGHBOUR_WIDTHS = (4e6, 20e6)  # Hz


@dataclass(frozen=True, kw_only=True)
class CarrierPlan:
    """A carrier before it sends.

    Parameters
    ----------
    label : {"LTE", "NR"}
    channel_mhz : float
        Channel bandwidth.
    spacing : float
        Of its subcarriers, Hz.
    blocks : int
        Resource blocks.
    center : float
        Hz re the centre of the band, on the subcarrier raster.
    snr_db : float
        Of a data element of the downlink, in the band.
    downlink, uplink : cell records or None
        What it sends; both in turn on a TDD carrier.
    uplink_db : float
        Of the uplink's data elements re ``snr_db``.
    first_half_ms : int
        Half millisecond since system frame 0 that the scene begins in.
    lead : float
        How far into it, s, 0 to 0.5e-3.
    channel : Channel
    """

    label: str
    channel_mhz: float
    spacing: float
    blocks: int
    center: float
    snr_db: float
    downlink: lte.LteCell | nr.NrCell | None = None
    uplink: lte_uplink.LteUplink | nr_uplink.NrUplink | None = None
    uplink_db: float = 0.0
    first_half_ms: int = 0
    lead: float = 0.0
    channel: Channel = Channel()

    @property
    def width(self) -> float:
        """Occupied bandwidth, Hz."""
        return occupied_width(self.label, self.blocks, self.spacing)


def draw_index(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Index by weight."""
    return int(rng.choice(len(weights), p=np.array(weights) / sum(weights)))


def _draw_snr_db(law: SnrLaw, rng: np.random.Generator) -> float:
    if rng.random() < law.weak_share:
        return float(rng.uniform(law.weak_low, law.low))
    return float(rng.uniform(law.low, law.high))


def _channels() -> list[tuple[str, float, float, int, float]]:
    """(label, channel MHz, spacing Hz, blocks, weight) of every carrier there is; LTE and NR weigh the same."""
    total = sum(LTE_WEIGHTS.values())
    found = [("LTE", mhz, 15e3, blocks, LTE_WEIGHTS[mhz] / total) for mhz, blocks in lte.CHANNELS_MHZ.items()]
    for spacing, channels in nr.CHANNELS_MHZ.items():
        found += [("NR", float(m), spacing, b, _SPACING_WEIGHTS[spacing] / len(channels)) for m, b in channels.items()]
    return found


def _draw_carrier(low: float, high: float, snr_db: float, rng: np.random.Generator) -> CarrierPlan | None:
    """A carrier at 0 Hz of occupied width between ``low`` and ``high`` Hz, LTE and NR equally likely."""
    fitting = [c for c in _channels() if low <= 12 * c[3] * c[2] <= high]
    if not fitting:
        return None
    labels = sorted({c[0] for c in fitting})
    label = labels[int(rng.integers(len(labels)))]
    fitting = [c for c in fitting if c[0] == label]
    _, mhz, spacing, blocks, _ = fitting[draw_index([c[4] for c in fitting], rng)]
    return CarrierPlan(label=label, channel_mhz=mhz, spacing=spacing, blocks=blocks, center=0.0, snr_db=snr_db)


def _at(plan: CarrierPlan, center: float) -> CarrierPlan:
    """The same carrier moved to the subcarrier next to ``center``."""
    return replace(plan, center=round(center / plan.spacing) * plan.spacing)


def draw_carriers(
    recipe: Recipe, samp_rate: float, snr_db: float | None, rng: np.random.Generator
) -> tuple[str, list[CarrierPlan]]:
    """Name of the layout, and its carriers without what they send."""
    law = recipe.carriers

    def draw() -> float:
        return _draw_snr_db(recipe.snr, rng) if snr_db is None else snr_db

    if law.fixed:
        return "fixed", [_fixed(f, samp_rate, draw(), rng) for f in law.fixed]
    count = draw_index(law.counts, rng)
    if not count:
        return "none", []
    mode = rng.random()
    if mode < law.fill_share:
        carrier = _draw_carrier(_FILLING[0] * samp_rate, _FILLING[1] * samp_rate, draw(), rng)
        if carrier is not None:
            offset = (0.0, rng.normal(0, 1e6), rng.uniform(-4e6, 4e6))[draw_index((0.5, 0.25, 0.25), rng)]
            return "fill", [_at(carrier, offset)]
    elif mode < law.fill_share + law.adjacent_share:
        neighbours = _adjacent(samp_rate, draw(), rng, spread_db=0.0 if snr_db is not None else 4.0)
        if neighbours:
            return "adjacent", neighbours
    return "scattered", _scattered(law, count, samp_rate, draw, rng)


def _fixed(fixed: FixedCarrier, samp_rate: float, snr_db: float, rng: np.random.Generator) -> CarrierPlan:
    room = 0.5 * (samp_rate - fixed.width)
    center = rng.uniform(-room, room) if fixed.center is None else fixed.center
    plan = CarrierPlan(
        label=fixed.label,
        channel_mhz=fixed.channel_mhz,
        spacing=fixed.spacing,
        blocks=fixed.blocks,
        center=0.0,
        snr_db=snr_db if fixed.snr_db is None else fixed.snr_db,
    )
    return _at(plan, center)


def _adjacent(samp_rate: float, snr_db: float, rng: np.random.Generator, *, spread_db: float) -> list[CarrierPlan]:
    """Carriers at the standard distance, the outer ones cut by the band's edges."""
    first = _draw_carrier(_NEIGHBOUR_WIDTHS[0], min(0.7 * samp_rate, _NEIGHBOUR_WIDTHS[1]), snr_db, rng)
    if first is None:
        return []
    pitch = first.channel_mhz * 1e6 * (1.0 if rng.random() < 0.8 else 0.99)
    start = 0.0 if rng.random() < 0.4 else rng.uniform(-0.5, 0.5) * pitch
    reach = int(0.5 * samp_rate / pitch) + 1
    plans = []
    for index in range(-reach, reach + 1):
        center = start + index * pitch
        if abs(center) - 0.45 * pitch < 0.5 * samp_rate and rng.random() < 0.8:
            other = _draw_carrier(0.95 * first.width, 1.08 * first.width, snr_db, rng) if rng.random() < 0.25 else None
            level_db = snr_db + float(rng.normal(0, spread_db))
            plans.append(replace(_at(other or first, center), snr_db=level_db))
    return plans


def _scattered(law: CarrierLaw, count: int, samp_rate: float, draw_snr_db: Any, rng: np.random.Generator) -> list[CarrierPlan]:
    """Carriers anywhere; the first one's centre is uniform over the room that it has."""
    plans: list[CarrierPlan] = []
    for _ in range(count):
        carrier = _draw_carrier(0.0, _WIDEST_SHARE * samp_rate, draw_snr_db(), rng)
        may_overlap = rng.random() < law.overlap_share
        for _ in range(20 if carrier else 0):
            if rng.random() < law.outside_share:  # a tenth to six tenths of it outside
                center = (0.5 * samp_rate + rng.uniform(-0.4, 0.1) * carrier.width) * rng.choice([-1, 1])
            else:
                center = rng.uniform(-0.5, 0.5) * (samp_rate - carrier.width)
            if may_overlap or all(abs(center - p.center) > 0.5 * (carrier.width + p.width) for p in plans):
                plans.append(_at(carrier, center))
                break
    return plans
