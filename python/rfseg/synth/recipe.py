"""The law that scenes are drawn from, as a small TOML file.

Every key has the default of the class below, those of its tables of :mod:`rfseg.synth.laws`; a file names what it
changes.  Fixed carriers are tables of their own (``[[carriers.fixed]]``) and replace the random ones.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SceneError
from ..geometry import FRAME_DURATION_RANGE, SAMP_RATE_RANGE
from .laws import CarrierLaw, OtherLaw, RadarLaw, ReceiverLaw, SnrLaw, check_weights
from .protocol_recipe import ProtocolRecipe
from .tables import from_table, read_toml

__all__ = ["Recipe", "list_recipes", "load_recipe"]

_Weighted = tuple[tuple[float, float], ...]


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
        check_weights("rates", [w for _, w in self.rates])
        check_weights("durations", [w for _, w in self.durations])
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
                if carrier.center is not None and abs(carrier.center) >= 0.5 * (rate + carrier.width):
                    raise SceneError(
                        f"carriers.fixed: {carrier.label} at center={carrier.center:g} Hz lies outside a band of"
                        f" {rate / 1e6:g} MS/s; choose at most {0.5 * rate:g} Hz either side"
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
