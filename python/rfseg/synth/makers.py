"""From a recipe of either kind and what is asked for to what makes the items of a set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Protocol

from ..datasets.items import Item, SetDescription
from ..datasets.shardset import ShardSet
from ..errors import OptionError
from .items import SceneMaker
from .labels import MaskKind
from .protocol_items import FrameMaker, check_published
from .protocol_recipe import ProtocolRecipe
from .recipe import Recipe
from .recording import DATATYPES

__all__ = ["ItemMaker", "Wishes", "make_maker"]


class ItemMaker(Protocol):
    """Makes the items of a set, each of its seed alone; can be sent to another process."""

    @property
    def description(self) -> SetDescription:
        """What all items have in common."""

    def __call__(self, seed: int) -> Item:
        """The item of a seed."""

    def write_files(self, made: ShardSet) -> dict[str, Path]:
        """What is asked for beside the set that was made: what it is, and its folder."""

    def caption(self, facts: Mapping[str, Any]) -> str:
        """One line about an item, by its metadata."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Options of ``rfseg synth`` that not every recipe has; None where nothing was said.

    Parameters
    ----------
    masks : str or None
        Names of masks, with commas.
    sigmf : Path or None
        Folder for recordings.
    datatype : str or None
        Of the recordings.
    published : Path or None
        Folder for files as the published sets have them.
    """

    masks: str | None = None
    sigmf: Path | None = None
    datatype: str | None = None
    published: Path | None = None


def make_maker(recipe: Recipe | ProtocolRecipe, wishes: Wishes, *, device: str = "cpu") -> ItemMaker:
    """What makes the items of a recipe.

    Raises
    ------
    OptionError
        If a wish is unknown, or the recipe cannot meet it.
    """
    make = {Recipe: _scene_maker, ProtocolRecipe: _frame_maker}[type(recipe)]
    return make(recipe, wishes, device)


def _scene_maker(recipe: Recipe, wishes: Wishes, device: str) -> ItemMaker:
    if wishes.published is not None:
        raise OptionError(
            f"--published: {recipe.name} is no published protocol; leave it out, or choose a recipe that is, such as protocol-radar"
        )
    known = [kind.value for kind in MaskKind]
    names = (MaskKind.OCCUPIED.value if wishes.masks is None else wishes.masks).split(",")
    for name in names:
        if name not in known or names.count(name) > 1:
            raise OptionError(f"--masks {wishes.masks}: {name!r} is unknown or named twice; choose from {', '.join(known)}")
    if wishes.datatype is not None and wishes.datatype not in DATATYPES:
        raise OptionError(f"--datatype {wishes.datatype} is unknown; choose from {', '.join(DATATYPES)}")
    return SceneMaker(
        recipe=recipe,
        kinds=tuple(MaskKind(name) for name in names),
        device=device,
        recordings=wishes.sigmf,
        datatype=wishes.datatype or SceneMaker.datatype,
    )


def _frame_maker(recipe: ProtocolRecipe, wishes: Wishes, device: str) -> ItemMaker:
    for option, value, why in (
        ("--masks", wishes.masks, "its labels cover the channels, as published"),
        ("--sigmf", wishes.sigmf, "its frames are pictures"),
        ("--datatype", wishes.datatype, "its frames are pictures"),
    ):
        if value is not None:
            raise OptionError(f"{option} {value}: {recipe.name} is a published protocol, {why}; leave {option} out")
    if wishes.published is not None:
        check_published(recipe)
    return FrameMaker(recipe=recipe, device=device, published=wishes.published)
