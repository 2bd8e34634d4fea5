"""Who is in a scene, and where: the random composition, before any sample is made.

A plan is a record of plain values.  Together with its payload seed it decides every sample.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Sequence

import numpy as np

from . import lte, lte_uplink, nr, nr_uplink
from .channel import Channel, draw_channel
from .other import OTHER_KINDS, SPREAD_KINDS, OtherEmitter, draw_other
from .radar import FAMILIES, PulseTrain, draw_radar
from .receiver import IDEAL_RECEIVER, Receiver, draw_receiver
from .recipe import CarrierLaw, FixedCarrier, OtherLaw, RadarLaw, ReceiverLaw, Recipe, SnrLaw

__all__ = ["SYSTEM_FRAMES_HALF_MS", "CarrierPlan", "Plan", "draw_plan"]

SYSTEM_FRAMES_HALF_MS = 20 * 1024  # half milliseconds until system frame numbers come again

# Weight of a channel bandwidth in MHz among those that fit; the NR ones are equally likely
_LTE_WEIGHTS = {1.4: 0.4, 3.0: 0.5, 5.0: 1.0, 10.0: 1.0, 15.0: 1.0, 20.0: 1.0}
_SPACING_WEIGHTS = {15e3: 0.4, 30e3: 0.52, 60e3: 0.08}
_WIDEST_SHARE = 0.8  # of the band, for a scattered carrier
_FILLING = (0.55, 1.3)  # occupied bandwidth over sample rate of a carrier that fills the band
_NARROW_RATE = 25e6  # Hz; receivers of one Wi-Fi channel
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
        return 12 * self.blocks * self.spacing + (15e3 if self.label == "LTE" else 0.0)


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


def _count(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Index by weight."""
    return int(rng.choice(len(weights), p=np.array(weights) / sum(weights)))


def draw_plan(recipe: Recipe, rng: np.random.Generator) -> Plan:
    """A random scene of the recipe."""
    samp_rate = _pick(recipe.rates, rng)
    duration = _pick(recipe.durations, rng)
    if samp_rate > recipe.long_rate_limit:
        half = samp_rate > 1.8 * recipe.long_rate_limit
        duration = min(duration, recipe.long_duration_limit / (2 if half else 1))
    snr_db = float(rng.choice(recipe.snr.steps)) if recipe.snr.steps else None
    layout, carriers = _carriers(recipe, samp_rate, snr_db, rng)
    return Plan(
        samp_rate=samp_rate,
        frame_duration=duration,
        carriers=tuple(_with_cells(c, recipe.carriers, rng) for c in carriers),
        others=tuple(_others(recipe.others, samp_rate, carriers, rng)),
        radars=tuple(_radars(recipe.radars, samp_rate, duration, carriers, rng)),
        receiver=_receiver(recipe.receiver, rng),
        layout=layout,
        payload_seed=int(rng.integers(2**62)),
    )


def _draw_snr_db(law: SnrLaw, rng: np.random.Generator) -> float:
    if rng.random() < law.weak_share:
        return float(rng.uniform(law.weak_low, law.low))
    return float(rng.uniform(law.low, law.high))


def _channels() -> list[tuple[str, float, float, int, float]]:
    """(label, channel MHz, spacing Hz, blocks, weight) of every carrier there is; LTE and NR weigh the same."""
    total = sum(_LTE_WEIGHTS.values())
    found = [("LTE", mhz, 15e3, blocks, _LTE_WEIGHTS[mhz] / total) for mhz, blocks in lte.CHANNELS_MHZ.items()]
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
    _, mhz, spacing, blocks, _ = fitting[_count([c[4] for c in fitting], rng)]
    return CarrierPlan(label=label, channel_mhz=mhz, spacing=spacing, blocks=blocks, center=0.0, snr_db=snr_db)


def _at(plan: CarrierPlan, center: float) -> CarrierPlan:
    """The same carrier moved to the subcarrier next to ``center``."""
    return replace(plan, center=round(center / plan.spacing) * plan.spacing)


def _carriers(
    recipe: Recipe, samp_rate: float, snr_db: float | None, rng: np.random.Generator
) -> tuple[str, list[CarrierPlan]]:
    """Name of the layout, and its carriers without what they send."""
    law = recipe.carriers

    def draw() -> float:
        return _draw_snr_db(recipe.snr, rng) if snr_db is None else snr_db

    if law.fixed:
        return "fixed", [_fixed(f, samp_rate, draw(), rng) for f in law.fixed]
    count = _count(law.counts, rng)
    if not count:
        return "none", []
    mode = rng.random()
    if mode < law.fill_share:
        carrier = _draw_carrier(_FILLING[0] * samp_rate, _FILLING[1] * samp_rate, draw(), rng)
        if carrier is not None:
            offset = (0.0, rng.normal(0, 1e6), rng.uniform(-4e6, 4e6))[_count((0.5, 0.25, 0.25), rng)]
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


def _with_cells(plan: CarrierPlan, law: CarrierLaw, rng: np.random.Generator) -> CarrierPlan:
    """The carrier with what it sends, when, and through which channel."""
    if law.fixed:
        fixed = next(f for f in law.fixed if (f.label, f.blocks, f.spacing) == (plan.label, plan.blocks, plan.spacing))
        direction = fixed.direction
    else:
        direction = ("uplink", "tdd", "downlink")[
            _count((law.uplink_share, law.tdd_share, max(0.0, 1 - law.uplink_share - law.tdd_share)), rng)
        ]
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
    for _ in range(1 + _count(law.counts, rng)):
        kind = kinds[_count(weights, rng)]
        for _ in range(8):
            emitter = draw_other(kind, 0.0, float(rng.uniform(*law.snr_db)), rng)
            emitter = replace(emitter, center=_other_center(emitter, samp_rate, carriers, rng))
            taken = [*carriers, *found]
            if kind in SPREAD_KINDS or emitter.width > samp_rate or all(abs(emitter.center - p.center) > 0.5 * (emitter.width + p.width) for p in taken):
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
    for _ in range(1 + _count(law.counts, rng)):
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

