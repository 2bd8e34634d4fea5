"""Who is in a scene, and where: the random composition, before any sample is made.

A plan is a record of plain values.  Together with its payload seed it decides every sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Sequence

import numpy as np

from . import lte, lte_uplink, nr, nr_uplink
from .channel import draw_channel
from .laws import CarrierLaw, OtherLaw, RadarLaw, ReceiverLaw
from .layout import CarrierPlan, draw_carriers, draw_index
from .other import OTHER_KINDS, SPREAD_KINDS, OtherEmitter, draw_other
from .radar import FAMILIES, PulseTrain, draw_radar
from .receiver import IDEAL_RECEIVER, Receiver, draw_receiver
from .recipe import Recipe

__all__ = ["SYSTEM_FRAMES_HALF_MS", "CarrierPlan", "Plan", "draw_plan"]

SYSTEM_FRAMES_HALF_MS = 20 * 1024  # half milliseconds until system frame numbers come again
_NARROW_RATE = 25e6  # Hz; receivers of one Wi-Fi channel


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A scene before its samples are made."""

    samp_rate: float
    frame_duration: float
    carriers: tuple[CarrierPlan, ...] = ()
    others: tuple[OtherEmitter, ...] = ()
    radars: tuple[PulseTrain, ...] = ()
    receiver: Receiver = IDEAL_RECEIVER
    layout: str = "fixed"
    payload_seed: int = 0

    def to_record(self) -> dict[str, Any]:
        """The plan in plain values, for JSON."""
        return asdict(self)


def _pick(table: Sequence[tuple[float, float]], rng: np.random.Generator) -> float:
    weights = np.array([w for _, w in table])
    return table[int(rng.choice(len(table), p=weights / weights.sum()))][0]


def draw_plan(recipe: Recipe, rng: np.random.Generator) -> Plan:
    """A random scene of the recipe."""
    samp_rate = _pick(recipe.rates, rng)
    duration = _pick(recipe.durations, rng)
    if samp_rate > recipe.long_rate_limit:
        half = samp_rate > 1.8 * recipe.long_rate_limit
        duration = min(duration, recipe.long_duration_limit / (2 if half else 1))
    snr_db = float(rng.choice(recipe.snr.steps)) if recipe.snr.steps else None
    layout, carriers = draw_carriers(recipe, samp_rate, snr_db, rng)
    directions = [fixed.direction for fixed in recipe.carriers.fixed] or [None] * len(carriers)
    return Plan(
        samp_rate=samp_rate,
        frame_duration=duration,
        carriers=tuple(_with_cells(c, recipe.carriers, d, rng) for c, d in zip(carriers, directions, strict=True)),
        others=tuple(_others(recipe.others, samp_rate, carriers, rng)),
        radars=tuple(_radars(recipe.radars, samp_rate, duration, carriers, rng)),
        receiver=_receiver(recipe.receiver, rng),
        layout=layout,
        payload_seed=int(rng.integers(2**62)),
    )


def _with_cells(plan: CarrierPlan, law: CarrierLaw, direction: str | None, rng: np.random.Generator) -> CarrierPlan:
    """The carrier with what it sends, when, and through which channel; ``direction`` None: drawn."""
    if direction is None:
        shares = law.uplink_share, law.tdd_share, max(0.0, 1 - law.uplink_share - law.tdd_share)
        direction = ("uplink", "tdd", "downlink")[draw_index(shares, rng)]
    down: Any
    up: Any
    if plan.label == "LTE":
        down = lte.draw_lte(plan.blocks, rng, tdd_choices=law.lte_tdd if direction == "tdd" else (None,))
        up = replace(lte_uplink.draw_lte_uplink(plan.blocks, rng), tdd=down.tdd, special=down.special)
    else:
        choices = law.nr_tdd if direction == "tdd" else (None,)
        down = nr.draw_nr(plan.blocks, plan.spacing, rng, tdd_choices=choices)
        up = nr_uplink.draw_nr_uplink(plan.blocks, plan.spacing, rng)
        up = replace(up, tdd=down.tdd, special_uplink=min(up.special_uplink, max(0, 13 - down.special_symbols)))
    return replace(
        plan,
        downlink=None if direction == "uplink" else down,
        uplink=None if direction == "downlink" else up,
        uplink_db=float(rng.normal(0, 8)) if direction == "tdd" else 0.0,
        first_half_ms=int(rng.integers(SYSTEM_FRAMES_HALF_MS)),
        lead=float(rng.uniform(0, 0.5e-3)),
        channel=draw_channel(rng),
    )


def _others(law: OtherLaw, samp_rate: float, carriers: list[CarrierPlan], rng: np.random.Generator) -> list[OtherEmitter]:
    """Other emitters: more often where there are no carriers, outside them where there is room."""
    if rng.random() > (law.share if carriers else law.share_alone):
        return []
    kinds = [k for k in (law.kinds or OTHER_KINDS) if k not in law.excluded]
    weights = [OTHER_KINDS[k][0] for k in kinds]
    found: list[OtherEmitter] = []
    for _ in range(1 + draw_index(law.counts, rng)):
        kind = kinds[draw_index(weights, rng)]
        for _ in range(8):
            emitter = draw_other(kind, 0.0, float(rng.uniform(*law.snr_db)), rng)
            emitter = replace(emitter, center=_other_center(emitter, samp_rate, carriers, rng))
            distances = (abs(emitter.center - p.center) - 0.5 * (emitter.width + p.width) for p in (*carriers, *found))
            if kind in SPREAD_KINDS or emitter.width > samp_rate or min(distances, default=1.0) > 0:
                found.append(emitter)
                break
    return found


def _other_center(emitter: OtherEmitter, samp_rate: float, carriers: list[CarrierPlan], rng: np.random.Generator) -> float:
    """Anywhere; often so that Wi-Fi fills a narrow band, and GSM lines touch an LTE carrier."""
    if emitter.kind == "wifi" and not carriers and samp_rate <= _NARROW_RATE and rng.random() < 0.5:
        return float(rng.normal(0, 1e6))
    hosts = [c for c in carriers if c.label == "LTE"]
    if emitter.kind == "gsm" and hosts and rng.random() < 0.5:
        host = hosts[int(rng.integers(len(hosts)))]
        return host.center + float(rng.choice([-1, 1]) * (0.5 * (host.width + emitter.width) + rng.uniform(0, 0.3e6)))
    return float(rng.uniform(-0.5, 0.5) * samp_rate)


def _radars(
    law: RadarLaw, samp_rate: float, duration: float, carriers: list[CarrierPlan], rng: np.random.Generator
) -> list[PulseTrain]:
    """Radars, a share of them on a carrier."""
    if rng.random() >= law.share:
        return []
    families = tuple(f for f in (law.families or FAMILIES) if f not in law.excluded)
    found = []
    for _ in range(1 + draw_index(law.counts, rng)):
        radar = replace(draw_radar(duration, samp_rate, rng, families=families), snr_db=float(rng.uniform(*law.snr_db)))
        if carriers and rng.random() < law.on_carrier_share:
            host = carriers[int(rng.integers(len(carriers)))]
            center = host.center + rng.uniform(-0.5, 0.5) * host.width
            radar = replace(radar, center=float(np.clip(center, -0.48 * samp_rate, 0.48 * samp_rate)))
        found.append(radar)
    return found


def _receiver(law: ReceiverLaw, rng: np.random.Generator) -> Receiver:
    receiver = draw_receiver(rng)
    if law.ideal:
        return IDEAL_RECEIVER
    return replace(receiver, bits=int(_pick(law.bits, rng))) if law.bits else receiver
