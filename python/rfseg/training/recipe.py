"""Every choice of a training run in one value, read from a small TOML file.

Every key has the default of the classes below; a file names what it changes, re the defaults or re the recipe that
its key ``base`` names.
"""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Mapping

from ..contract import ClassKind, SignalClass
from ..datasets.classes import STANDARD_CLASSES, STANDARD_LABELS
from ..errors import ContractError, SceneError
from ..models.registry import ARCHITECTURES
from ..synth.protocol_recipe import ProtocolRecipe
from ..synth.recipe import Recipe, load_recipe
from ..synth.tables import convert, read_toml
from .laws import BatchLaw, DataLaw, LossLaw, OptimizerLaw, ScheduleLaw, StopLaw, refuse_unknown_keys
from .scenelaw import scenes_from_record

__all__ = [
    "VALIDATION_SEED",
    "Input",
    "TrainingRecipe",
    "list_training_recipes",
    "load_training_recipe",
    "recipe_text",
    "scenes_named",
]

VALIDATION_SEED = 1_000_000_000  # held-out scenes have this seed and the following ones
SEED_STEP = 1_000_000  # scenes between the first ones of runs with successive seeds
_SECTIONS = {
    "data": DataLaw,
    "batch": BatchLaw,
    "loss": LossLaw,
    "optimizer": OptimizerLaw,
    "schedule": ScheduleLaw,
    "stop": StopLaw,
}


class Input(str, Enum):
    """What the network reads."""

    ROWS = "rows"  # three channels re the noise reference, from rows in dB
    PICTURES = "pictures"  # the coloured pictures of the published protocols


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a network is trained.

    Parameters
    ----------
    name, description : str
    network : str
        One of :data:`rfseg.models.registry.ARCHITECTURES`.
    published : bool
        The network in the form of its published checkpoints instead of the one that trains best.
    classes : tuple of str
        Labels in the order of the ids that the network answers; published code has others than this library.  What
        scenes do not hold (anything but Noise, LTE, NR and Radar) comes from sets.
    pulsed : tuple of str
        Which classes of one's own come in pulses, as Radar does; the others are carriers.
    input : Input
    normalised : bool
        Pictures re the mean and spread of ImageNet, as torchvision's backbones are fed.
    seed : int
        Of the weights, the augmentation and the scenes: those of a run begin at ``seed * 1_000_000``.
    scenes : Recipe or ProtocolRecipe
        Law of the scenes that are made while training; sets take their place.
    data, batch, loss, optimizer, schedule, stop
        The tables of :mod:`rfseg.training.laws`.

    Raises
    ------
    SceneError
        If a value is out of its range, or two contradict each other.
    """

    name: str = "rfseg"
    description: str = ""
    network: str = "rf-segmenter"
    published: bool = False
    classes: tuple[str, ...] = STANDARD_LABELS
    pulsed: tuple[str, ...] = ()
    input: Input = Input.ROWS
    normalised: bool = False
    seed: int = 0
    scenes: Recipe | ProtocolRecipe = field(default_factory=lambda: load_recipe("standard"))
    data: DataLaw = field(default_factory=DataLaw)
    batch: BatchLaw = field(default_factory=BatchLaw)
    loss: LossLaw = field(default_factory=LossLaw)
    optimizer: OptimizerLaw = field(default_factory=OptimizerLaw)
    schedule: ScheduleLaw = field(default_factory=ScheduleLaw)
    stop: StopLaw = field(default_factory=StopLaw)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input", Input(self.input))
        if self.network not in ARCHITECTURES:
            raise SceneError(f"network={self.network!r} is unknown; choose one of {', '.join(ARCHITECTURES)}")
        self._check_classes()
        if not 0 <= self.seed < VALIDATION_SEED // SEED_STEP:
            raise SceneError(f"seed={self.seed!r} must be 0 to {VALIDATION_SEED // SEED_STEP - 1}: validation has the scenes beyond")
        weights = self.loss.class_weights
        if weights and len(weights) != len(self.classes):
            raise SceneError(f"loss.class_weights has {len(weights)} values, expected one for each of {', '.join(self.classes)}")
        if self.normalised and self.input is not Input.PICTURES:
            raise SceneError('normalised=true is of pictures; set input = "pictures" or leave it out')
        if self.schedule.needs_epochs and not self.stop.epochs:
            raise SceneError('schedule.kind="steps" counts epochs; say how many with stop.epochs')

    def _check_classes(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise SceneError(f"classes={list(self.classes)} must be two or more labels that differ")
        for label in self.pulsed:
            if label not in self.own_classes:
                raise SceneError(f"pulsed: {label!r} is no class of your own; those in classes: {', '.join(self.own_classes) or 'none'}")
        if STANDARD_LABELS[0] not in self.classes:
            raise SceneError(f"classes={list(self.classes)} lack {STANDARD_LABELS[0]}, which every frame has")
        try:
            self.signal_classes
        except ContractError as error:
            raise SceneError(f"classes: {error}") from None

    @property
    def own_classes(self) -> list[str]:
        """Labels that no scene holds."""
        return [label for label in self.classes if label not in STANDARD_LABELS]

    @property
    def signal_classes(self) -> tuple[SignalClass, ...]:
        """The classes with their kinds.

        Raises
        ------
        ContractError
            If a label is none that SigMF allows.
        """
        standard = {c.label: c for c in STANDARD_CLASSES}
        kinds = {True: ClassKind.PULSED, False: ClassKind.CARRIER}
        return tuple(standard.get(n) or SignalClass(label=n, kind=kinds[n in self.pulsed]) for n in self.classes)

    @property
    def first_scene(self) -> int:
        """Seed of the first scene that is made."""
        return self.seed * SEED_STEP

    def to_record(self) -> dict[str, Any]:
        """The recipe in plain values, for JSON."""
        record = {name: asdict(getattr(self, name)) for name in _SECTIONS}
        own = {name: getattr(self, name) for name in ("name", "description", "network", "published", "normalised", "seed")}
        return json.loads(
            json.dumps(
                {**own, "classes": self.classes, "pulsed": self.pulsed, "input": self.input.value, "scenes": self.scenes.to_record(), **record}
            )
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TrainingRecipe:
        """Inverse of :meth:`to_record`.

        Raises
        ------
        SceneError
            If a key is unknown or a value wrong.
        """
        return _from_table({**record, "scenes": scenes_from_record(record["scenes"])})

    @classmethod
    def from_toml(cls, text: str, *, source: str = "recipe") -> TrainingRecipe:
        """Read a recipe.

        Raises
        ------
        SceneError
            If the text is no TOML, a key is unknown or a value is of the wrong kind or out of its range.

        Examples
        --------
        >>> TrainingRecipe.from_toml('base = "rfseg"\\n[loss]\\nerror = 0.0').loss.error
        0.0
        """
        table = read_toml(text, source)
        try:
            table = _based(table)
            if isinstance(table.get("scenes", ""), str):
                table["scenes"] = scenes_named(table.get("scenes", "standard"), Path(source).parent)
            return _from_table(table)
        except SceneError as error:
            raise SceneError(f"{source}: {error}") from error

    def with_changes(self, **changes: Any) -> TrainingRecipe:
        """The recipe with some values changed; those of tables as ``stop__minutes=3``."""
        tables: dict[str, dict[str, Any]] = {}
        own = {}
        for key, value in changes.items():
            table, _, name = key.rpartition("__")
            (tables.setdefault(table, {}) if table else own)[name] = value
        return replace(self, **own, **{name: replace(getattr(self, name), **values) for name, values in tables.items()})


def scenes_named(name: str, folder: Path = Path()) -> Recipe | ProtocolRecipe:
    """A law of scenes by its name, or a file, also beside the recipe that names it."""
    beside = folder / name
    return load_recipe(beside if beside.is_file() else name)


def list_training_recipes() -> list[str]:
    """Names of the recipes that come with the library."""
    folder = importlib.resources.files(__package__) / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_training_recipe(name: str | Path) -> TrainingRecipe:
    """A recipe of the library by its name, or a file.

    Raises
    ------
    SceneError
        If there is none, or it is not valid.
    """
    text, source = _read(name)
    return TrainingRecipe.from_toml(text, source=source)


def recipe_text(name: str | Path) -> str:
    """The text of a recipe of the library, or of a file.

    Raises
    ------
    SceneError
        If there is none.
    """
    return _read(name)[0]


def _read(name: str | Path) -> tuple[str, str]:
    if str(name) in list_training_recipes():
        file = importlib.resources.files(__package__) / "recipes" / f"{name}.toml"
        return file.read_text(encoding="utf-8"), f"recipe {name}"
    try:
        return Path(name).read_text(encoding="utf-8"), str(name)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(list_training_recipes())
        raise SceneError(f"no training recipe {str(name)!r}: neither a readable file nor one of {known}") from error


def _based(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table over the one that it is based on."""
    table = dict(table)
    if "base" not in table:
        return table
    base = convert(str, table.pop("base"), "base")
    if base not in list_training_recipes():
        raise SceneError(f"base={base!r} is unknown; choose one of {', '.join(list_training_recipes())}")
    below = _based(read_toml(*_read(base)))
    for key, value in table.items():
        below[key] = {**below.get(key, {}), **value} if key in _SECTIONS and isinstance(value, dict) else value
    return below


def _from_table(table: Mapping[str, Any]) -> TrainingRecipe:
    scenes = table.get("scenes")
    rest = {key: value for key, value in table.items() if key != "scenes"}
    own: dict[str, Any] = {"name": str, "description": str, "network": str, "published": bool, "normalised": bool, "seed": int}
    own |= {"classes": tuple[str, ...], "pulsed": tuple[str, ...], "input": Input, **_SECTIONS}
    refuse_unknown_keys(rest, {**own, "base": str, "scenes": str})
    values = {key: convert(own[key], value, key) for key, value in rest.items()}
    if scenes is not None:
        values["scenes"] = scenes if not isinstance(scenes, Mapping) else scenes_from_record(scenes)
    return TrainingRecipe(**values)
