"""The law that scenes are drawn from, as a small TOML file.

Every key has the default of the class below; a file names what it changes.  Fixed carriers are tables
of their own (``[[carriers.fixed]]``) and replace the random ones.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Iterable

from ..errors import SceneError
from ..geometry import FRAME_DURATION_RANGE, SAMP_RATE_RANGE
from . import lte, nr
from .other import OTHER_KINDS
from .protocol_recipe import ProtocolRecipe
from .radar import FAMILIES
from .tables import from_table, read_toml

__all__ = ["CarrierLaw", "FixedCarrier", "OtherLaw", "RadarLaw", "ReceiverLaw", "Recipe", "SnrLaw", "list_recipes", "load_recipe"]

_Weighted = tuple[tuple[float, float], ...]
DIRECTIONS = ("downlink", "uplink", "tdd")


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
        return 12 * self.blocks * self.spacing + (15e3 if self.label == "LTE" else 0.0)


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
        _check_weights("carriers.counts", self.counts)
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
        _check_weights("radars.counts", self.counts)
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
        _check_weights("others.counts", self.counts)
        _check_names("others", OTHER_KINDS, self.kinds, self.excluded)


@dataclass(frozen=True, kw_only=True)
class ReceiverLaw:
    """Overrides of the receiver that is drawn: the bits of its converter, by weight; none: as drawn."""

    bits: tuple[tuple[int, float], ...] = ()
    ideal: bool = False  # noise and nothing else


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Law that scenes are drawn from.

    Parameters
    ----------
    name, description : str
    count : int
        Scenes of a frozen set, 0 for as many as are asked for.
    first_seed : int
        Seed of the first scene; the others follow.
    rates : tuple of (float, float)
        Sample rate in Hz (whole kHz) and its weight.
    durations : tuple of (float, float)
        Frame duration in s and its weight.
    long_rate_limit, long_duration_limit : float
        Above this rate, Hz, frames last at most this long, s, and half as long above twice the rate.

    Raises
    ------
    SceneError
        If a value is out of its range, or a fixed carrier is wider than a sample rate.
    """

    name: str = "standard"
    description: str = ""
    count: int = 0
    first_seed: int = 0
    rates: _Weighted = (
        (15.36e6, 0.13), (16e6, 0.02), (19.2e6, 0.13), (20e6, 0.08), (23.04e6, 0.10), (25e6, 0.05), (28e6, 0.02),
        (30.72e6, 0.19), (40e6, 0.03), (46.08e6, 0.05), (50e6, 0.03), (56e6, 0.02), (61.44e6, 0.11),
        (92.16e6, 0.02), (122.88e6, 0.02),
    )  # fmt: skip
    durations: _Weighted = (
        (1e-3, 0.09), (2e-3, 0.06), (2.5e-3, 0.04), (2.857e-3, 0.04), (5e-3, 0.15), (10e-3, 0.24), (20e-3, 0.30), (40e-3, 0.08),
    )  # fmt: skip
    long_rate_limit: float = 47e6
    long_duration_limit: float = 20e-3
    snr: SnrLaw = field(default_factory=SnrLaw)
    carriers: CarrierLaw = field(default_factory=CarrierLaw)
    radars: RadarLaw = field(default_factory=RadarLaw)
    others: OtherLaw = field(default_factory=OtherLaw)
    receiver: ReceiverLaw = field(default_factory=ReceiverLaw)

    def __post_init__(self) -> None:
        _check_weights("rates", [w for _, w in self.rates])
        _check_weights("durations", [w for _, w in self.durations])
        low, high = SAMP_RATE_RANGE
        for rate, _ in self.rates:
            if not low <= rate <= high or rate % 1e3:
                raise SceneError(f"rates: {rate:g} Hz is no whole number of kHz from {low:g} to {high:g} Hz; choose one")
            for carrier in self.carriers.fixed:
                if carrier.width > rate:
                    raise SceneError(
                        f"carriers.fixed: {carrier.label} with {carrier.blocks} blocks is {carrier.width / 1e6:g} MHz wide,"
                        f" wider than the sample rate {rate / 1e6:g} MS/s; choose fewer blocks or a higher rate"
                    )
        shortest, longest = FRAME_DURATION_RANGE
        for duration, _ in self.durations:
            if not shortest <= duration <= longest:
                raise SceneError(f"durations: {duration:g} s is outside {shortest:g} to {longest:g} s; choose one inside")
        if self.count < 0 or self.first_seed < 0:
            raise SceneError(f"count={self.count!r} and first_seed={self.first_seed!r} must be at least 0")

    def to_record(self) -> dict[str, Any]:
        """The recipe in plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_toml(cls, text: str, *, source: str = "recipe") -> Recipe:
        """Read a recipe.

        Raises
        ------
        SceneError
            If the text is no TOML, a key is unknown or a value is of the wrong kind or out of its range.

        Examples
        --------
        >>> Recipe.from_toml('name = "quiet"\\n[radars]\\nshare = 0.0').radars.share
        0.0
        """
        table = read_toml(text, source)
        try:
            return from_table(cls, table)
        except SceneError as error:
            raise SceneError(f"{source}: {error}") from error


def list_recipes() -> list[str]:
    """Names of the recipes that come with the library."""
    folder = importlib.resources.files(__package__) / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str | Path) -> Recipe | ProtocolRecipe:
    """A recipe of the library by its name, or a file; one that has the key ``protocol`` is of a published protocol.

    Raises
    ------
    SceneError
        If there is none, or it is not valid.
    """
    if str(name) in list_recipes():
        file = importlib.resources.files(__package__) / "recipes" / f"{name}.toml"
        return _from_toml(file.read_text(encoding="utf-8"), f"recipe {name}")
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"no recipe {str(name)!r}: neither a readable file nor one of {', '.join(list_recipes())}") from error
    return _from_toml(text, str(name))


def _from_toml(text: str, source: str) -> Recipe | ProtocolRecipe:
    kind = ProtocolRecipe if "protocol" in read_toml(text, source) else Recipe
    return kind.from_toml(text, source=source)


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise SceneError(f"{name}={value!r} must lie in 0 to 1")


def _check_weights(name: str, weights: Any) -> None:
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
