"""Who is in a scene, and where: the random composition, before any sample is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import lte, nr
from .other import OTHER_KINDS, OtherEmitter, draw_other

__all__ = ["CarrierPlan", "draw_snr_db", "plan_carriers", "plan_others"]

# Weight of a carrier's channel bandwidth in MHz, where it fits
_LTE_WEIGHTS = {1.4: 0.4, 3.0: 0.5, 5.0: 1.0, 10.0: 1.6, 15.0: 1.0, 20.0: 1.6}
_NR_WEIGHTS = {5: 0.4, 10: 1.0, 15: 0.8, 20: 1.3, 25: 0.6, 30: 0.8, 40: 1.0, 50: 0.8, 60: 0.6, 80: 0.6, 90: 0.4, 100: 0.8}


@dataclass(frozen=True, kw_only=True)
class CarrierPlan:
    """A carrier before it sends: standard, size and place."""

    label: str  # LTE or NR
    channel_mhz: float
    spacing: float  # subcarriers, Hz
    blocks: int
    center: float  # Hz, on the subcarrier raster
    snr_db: float  # of a data element
    cell: lte.LteCell | nr.NrCell | None = None  # None: a random one

    @property
    def width(self) -> float:
        """Occupied bandwidth, Hz."""
        return 12 * self.blocks * self.spacing + (15e3 if self.label == "LTE" else 0.0)


def draw_snr_db(rng: np.random.Generator) -> float:
    """In-band signal-to-noise ratio: mostly 5 to 35 dB, one in twelve below -5 dB."""
    draw = rng.random()
    if draw < 0.68:
        return float(rng.uniform(5, 35))
    return float(rng.uniform(-5, 10)) if draw < 0.92 else float(rng.uniform(-10, -5))


def _choices() -> list[tuple[str, float, float, int, float]]:
    """(label, channel MHz, spacing Hz, blocks, weight) of every carrier there is."""
    found = [("LTE", mhz, 15e3, blocks, _LTE_WEIGHTS[mhz]) for mhz, blocks in lte.CHANNELS_MHZ.items()]
    for spacing, channels in nr.CHANNELS_MHZ.items():
        share = 0.4 if spacing == 15e3 else 0.6
        for mhz, blocks in channels.items():
            twin = mhz in nr.CHANNELS_MHZ[45e3 - spacing]
            found.append(("NR", mhz, spacing, blocks, _NR_WEIGHTS[mhz] * (share if twin else 1.0)))
    return found


def _draw_carrier(low: float, high: float, rng: np.random.Generator) -> CarrierPlan | None:
    """A carrier at 0 Hz of occupied width between ``low`` and ``high`` Hz, LTE and NR equally likely."""
    fitting = [c for c in _choices() if low <= 12 * c[3] * c[2] <= high]
    if not fitting:
        return None
    labels = sorted({c[0] for c in fitting})
    label = str(rng.choice(labels))
    fitting = [c for c in fitting if c[0] == label]
    weights = np.array([c[4] for c in fitting])
    _, mhz, spacing, blocks, _ = fitting[int(rng.choice(len(fitting), p=weights / weights.sum()))]
    return CarrierPlan(label=label, channel_mhz=mhz, spacing=spacing, blocks=blocks, center=0.0, snr_db=draw_snr_db(rng))


def _at(plan: CarrierPlan, center: float, snr_db: float | None = None) -> CarrierPlan:
    """The same carrier moved to the subcarrier next to ``center``."""
    moved = replace(plan, center=round(center / plan.spacing) * plan.spacing)
    return moved if snr_db is None else replace(moved, snr_db=snr_db)


def plan_carriers(samp_rate: float, rng: np.random.Generator) -> list[CarrierPlan]:
    """Carriers of a scene: none, one that fills the band, a row of adjacent ones, or scattered ones."""
    narrow = samp_rate <= 31e6
    mode = rng.choice(["none", "fill", "adjacent", "scattered"], p=[0.15, 0.32, 0.15, 0.38] if narrow else [0.15, 0.15, 0.15, 0.55])
    if mode == "none":
        return []
    if mode == "fill":
        carrier = _draw_carrier(0.55 * samp_rate, 1.3 * samp_rate, rng)
        if carrier is not None:
            return [_at(carrier, rng.choice([0.0, rng.normal(0, 1e6), rng.uniform(-4e6, 4e6)], p=[0.5, 0.25, 0.25]))]
    if mode == "adjacent":
        return _adjacent(samp_rate, rng)
    return _scattered(samp_rate, rng)


def _adjacent(samp_rate: float, rng: np.random.Generator) -> list[CarrierPlan]:
    """Carriers at the standard distance, the outer ones cut by the band's edges."""
    first = _draw_carrier(4e6, min(0.7 * samp_rate, 20e6), rng)
    if first is None:
        return _scattered(samp_rate, rng)
    pitch = first.channel_mhz * 1e6 * (1.0 if rng.random() < 0.8 else 0.99)
    start = 0.0 if rng.random() < 0.4 else rng.uniform(-0.5, 0.5) * pitch
    reach = int(0.5 * samp_rate / pitch) + 1
    plans = []
    for index in range(-reach, reach + 1):
        center = start + index * pitch
        if abs(center) - 0.45 * pitch < 0.5 * samp_rate and rng.random() < 0.8:
            other = _draw_carrier(0.95 * first.width, 1.08 * first.width, rng) if rng.random() < 0.25 else None
            plans.append(_at(other or first, center, first.snr_db + float(rng.normal(0, 4))))
    return plans


def _scattered(samp_rate: float, rng: np.random.Generator) -> list[CarrierPlan]:
    """One to four carriers that do not overlap, now and then partly outside the band."""
    plans: list[CarrierPlan] = []
    for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.35, 0.38, 0.17, 0.1]))):
        carrier = _draw_carrier(1e6, 0.8 * samp_rate, rng)
        for _ in range(10 if carrier else 0):
            reach = 0.5 * samp_rate + (0.3 if rng.random() < 0.15 else -0.5) * carrier.width
            center = rng.uniform(-reach, reach)
            if all(abs(center - p.center) > (carrier.width + p.width) / 2 + rng.uniform(0, 2e6) for p in plans):
                plans.append(_at(carrier, center))
                break
    return plans


def plan_others(samp_rate: float, carriers: list[CarrierPlan], rng: np.random.Generator) -> list[OtherEmitter]:
    """Other emitters: more often where there are no carriers, outside them where there is room."""
    if rng.random() > (0.42 if carriers else 0.8):
        return []
    kinds = list(OTHER_KINDS)
    found: list[OtherEmitter] = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))):
        kind = str(rng.choice(kinds, p=[OTHER_KINDS[k][0] for k in kinds]))
        for _ in range(8):
            emitter = draw_other(kind, rng.uniform(-0.5, 0.5) * samp_rate, float(rng.uniform(0, 35)), rng)
            anywhere = kind in ("spurs", "hopper")
            taken = [*carriers, *found]
            if anywhere or all(abs(emitter.center - p.center) > (emitter.width + p.width) / 2 for p in taken):
                found.append(emitter)
                break
    return found
