"""What a recipe says of carriers, radars, other emitters and the receiver, each a table of its TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable

from ..errors import SceneError
from . import lte, nr
from .other import OTHER_KINDS
from .radar import FAMILIES
from .receiver import Receiver

__all__ = ["CarrierLaw", "FixedCarrier", "OtherLaw", "RadarLaw", "ReceiverLaw", "SnrLaw", "check_weights", "occupied_width"]

DIRECTIONS = ("downlink", "uplink", "tdd")


def occupied_width(label: str, blocks: int, spacing: float) -> float:
    """Occupied bandwidth of a carrier, Hz; that of LTE has an empty subcarrier at its centre."""
    return 12 * blocks * spacing + (15e3 if label == "LTE" else 0.0)


@dataclass(frozen=True, kw_only=True)
class SnrLaw:
    """In-band signal-to-noise ratio of a carrier's data elements, dB.

    Uniform over ``low`` to ``high``, but for a share of weak ones, uniform over ``weak_low`` to ``low``.
    With ``steps``, one of them for all carriers of a scene instead.
    """

    low: float = -5.0
    high: float = 35.0
    weak_share: float = 0.10
    weak_low: float = -10.0
    steps: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.weak_low <= self.low < self.high:
            raise SceneError(f"snr: weak_low={self.weak_low:g}, low={self.low:g}, high={self.high:g} dB must ascend")
        _check_share("snr.weak_share", self.weak_share)


@dataclass(frozen=True, kw_only=True)
class FixedCarrier:
    """A carrier that every scene of the recipe holds.

    Parameters
    ----------
    label : {"LTE", "NR"}
    blocks : int
        Resource blocks of a channel bandwidth that exists for the spacing.
    spacing : float
        Subcarrier spacing, Hz; 15e3 for LTE.
    center : float or None
        Hz re the centre of the band; None: drawn uniformly.
    snr_db : float or None
        None: drawn by the SNR law.
    direction : {"downlink", "uplink", "tdd"}
    """

    label: str
    blocks: int
    spacing: float = 15e3
    center: float | None = None
    snr_db: float | None = None
    direction: str = "downlink"

    def __post_init__(self) -> None:
        if self.label not in ("LTE", "NR"):
            raise SceneError(f"carriers.fixed: label={self.label!r} is no carrier; choose LTE or NR")
        _check_direction("carriers.fixed.direction", self.direction)
        tables = {15e3: lte.CHANNELS_MHZ} if self.label == "LTE" else nr.CHANNELS_MHZ
        if self.spacing not in tables:
            known = ", ".join(f"{s:g}" for s in tables)
            raise SceneError(f"carriers.fixed: {self.label} has no spacing={self.spacing:g} Hz; choose {known}")
        if self.blocks not in tables[self.spacing].values():
            known = ", ".join(str(b) for b in tables[self.spacing].values())
            raise SceneError(
                f"carriers.fixed: no {self.label} channel at {self.spacing:g} Hz has blocks={self.blocks}; choose {known}"
            )

    @property
    def channel_mhz(self) -> float:
        """Channel bandwidth, MHz."""
        table = lte.CHANNELS_MHZ if self.label == "LTE" else nr.CHANNELS_MHZ[self.spacing]
        return next(mhz for mhz, blocks in table.items() if blocks == self.blocks)

    @property
    def width(self) -> float:
        """Occupied bandwidth, Hz."""
        return occupied_width(self.label, self.blocks, self.spacing)


@dataclass(frozen=True, kw_only=True)
class CarrierLaw:
    """How many carriers, which and where.

    Parameters
    ----------
    counts : tuple of float
        Weights of 0, 1, 2 ... carriers.
    fill_share, adjacent_share : float
        Of the scenes with carriers: one that fills the band, or a row of neighbours at the standard distance,
        cut by the band's edges; the rest are scattered.
    outside_share, overlap_share : float
        Of the scattered carriers: partly outside the band; allowed to overlap another.
    uplink_share, tdd_share : float
        Of all carriers: the uplink of a pair of bands; downlink and uplink in turn.
    lte_tdd : tuple of int
        Uplink-downlink configurations to draw from, TS 36.211 table 4.2-2.
    nr_tdd : tuple of str
        Slot patterns to draw from, 30 kHz slots.
    fixed : tuple of FixedCarrier
        Instead of random ones.
    """

    counts: tuple[float, ...] = (0.08, 0.35, 0.37, 0.14, 0.06)
    fill_share: float = 0.22
    adjacent_share: float = 0.15
    outside_share: float = 0.10
    overlap_share: float = 0.03
    uplink_share: float = 0.05
    tdd_share: float = 0.30
    lte_tdd: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    nr_tdd: tuple[str, ...] = ("DDDSU", "DDDSUUDDDD", "DDDDDDDSUU")
    fixed: tuple[FixedCarrier, ...] = ()

    def __post_init__(self) -> None:
        for name in ("fill_share", "adjacent_share", "outside_share", "overlap_share", "uplink_share", "tdd_share"):
            _check_share(f"carriers.{name}", getattr(self, name))
        for first, second in (("fill_share", "adjacent_share"), ("uplink_share", "tdd_share")):
            if getattr(self, first) + getattr(self, second) > 1:
                raise SceneError(f"carriers.{first} and carriers.{second} are shares of the same carriers; their sum must be at most 1")
        check_weights("carriers.counts", self.counts)
        if not self.lte_tdd or not self.nr_tdd:
            raise SceneError("carriers.lte_tdd and carriers.nr_tdd must not be empty; set tdd_share to 0 for no TDD")
        for pattern in self.nr_tdd:
            if not pattern or set(pattern) - set("DSU"):
                raise SceneError(f"carriers.nr_tdd: {pattern!r} is no slot pattern; write one of D, S, U per slot")
        for configuration in self.lte_tdd:
            if configuration not in range(7):
                raise SceneError(f"carriers.lte_tdd: {configuration!r} is no configuration of TS 36.211 table 4.2-2; choose 0 to 6")


@dataclass(frozen=True, kw_only=True)
class RadarLaw:
    """Radars: the share of scenes with one, how many, of which families (all but ``excluded`` if none are named)."""

    share: float = 0.55
    counts: tuple[float, ...] = (0.8, 0.2)  # weights of 1, 2 ...
    families: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    snr_db: tuple[float, float] = (3.0, 50.0)  # of the strongest bin, uniform
    on_carrier_share: float = 0.5

    def __post_init__(self) -> None:
        _check_share("radars.share", self.share)
        _check_share("radars.on_carrier_share", self.on_carrier_share)
        check_weights("radars.counts", self.counts)
        _check_range("radars.snr_db", self.snr_db)
        _check_names("radars", FAMILIES, self.families, self.excluded)


@dataclass(frozen=True, kw_only=True)
class OtherLaw:
    """Emitters that are Noise: shares of the scenes with and without carriers that hold some."""

    share: float = 0.30
    share_alone: float = 0.70
    counts: tuple[float, ...] = (0.6, 0.28, 0.12)  # weights of 1, 2 ...
    kinds: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    snr_db: tuple[float, float] = (0.0, 35.0)

    def __post_init__(self) -> None:
        _check_share("others.share", self.share)
        _check_share("others.share_alone", self.share_alone)
        check_weights("others.counts", self.counts)
        _check_range("others.snr_db", self.snr_db)
        _check_names("others", OTHER_KINDS, self.kinds, self.excluded)


@dataclass(frozen=True, kw_only=True)
class ReceiverLaw:
    """Overrides of the receiver that is drawn: the bits of its converter, by weight; none: as drawn."""

    bits: tuple[tuple[int, float], ...] = ()
    ideal: bool = False  # noise and nothing else

    def __post_init__(self) -> None:
        if self.bits:
            check_weights("receiver.bits", [weight for _, weight in self.bits])
        for bits, _ in self.bits:
            Receiver(bits=bits)


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise SceneError(f"{name}={value!r} must lie in 0 to 1")


def _check_range(name: str, values: tuple[float, float]) -> None:
    if not values[0] <= values[1]:
        raise SceneError(f"{name}={values!r} must be two numbers, the lower first")


def check_weights(name: str, weights: Any) -> None:
    """Raise :class:`SceneError` unless they are weights to draw by."""
    if not weights or min(weights) < 0 or sum(weights) <= 0:
        raise SceneError(f"{name}={tuple(weights)!r} must be weights of at least 0 that do not all vanish")


def _check_names(where: str, known: Iterable[str], wanted: tuple[str, ...], excluded: tuple[str, ...]) -> None:
    known = list(known)
    for name in (*wanted, *excluded):
        if name not in known:
            raise SceneError(f"{where}: there is no {name!r}; choose from {', '.join(known)}")
    if not set(wanted or known) - set(excluded):
        raise SceneError(f"{where}: everything is excluded; leave something, or set the share to 0")


def _check_direction(name: str, value: str) -> None:
    if value not in DIRECTIONS:
        raise SceneError(f"{name}={value!r} is unknown; choose {', '.join(DIRECTIONS)}")
