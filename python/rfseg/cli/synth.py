"""``rfseg synth``: scenes with known truth, as a training set and as SigMF recordings."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets.sheet import save_sheet
from ..datasets.shardset import ShardSet
from ..datasets.writing import write_set
from ..errors import BackendUnavailableError, OptionError
from .segment import DEFAULT_FOLDER
from .table import format_table

__all__ = ["add_parser", "run"]

_SHEET_ITEMS = 40
_PER_SHARD = 64


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "synth",
        help="make scenes with known truth",
        description="Make scenes with known truth: a sharded training set in FOLDER, and with --sigmf the same scenes as SigMF"
        " recordings. A scene is a function of recipe and seed. Run again, the command goes on where it stopped.",
    )
    add = parser.add_argument
    add("recipe", nargs="?", help="name of a recipe of the library, or a TOML file; without one, the recipes are listed")
    add("--count", type=int, metavar="N", help="scenes (default: what the recipe says)")
    add("--seed", type=int, metavar="S", help="seed of the first scene (default: what the recipe says)")
    add("--out", type=Path, default=DEFAULT_FOLDER / "scenes", metavar="FOLDER", help="for the set (default: %(default)s)")
    add("--masks", default="occupied", metavar="KINDS", help="of occupied, energy, channel, with commas; the first is trained on")
    add("--sigmf", type=Path, metavar="FOLDER", help="write each scene as a SigMF recording with annotations, too")
    add("--datatype", default="ci16_le", help="of the recordings: ci8, ci16_le or cf32_le (default: %(default)s)")
    add("--sheet", type=Path, metavar="PNG", help=f"draw the first {_SHEET_ITEMS} scenes with their masks")
    add("--processes", type=int, default=1, metavar="N", help="that make scenes (default: %(default)s)")
    add("--device", default="cpu", help="where samples are made: cpu or cuda (default: %(default)s)")
    add("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Make scenes, or list the recipes.

    Raises
    ------
    RfsegError
        If PyTorch is missing, the recipe or an option is of no use, or the folder cannot be written.
    """
    try:
        from ..synth import items, labels, recipe, recording
    except ImportError as error:
        if isinstance(error, BackendUnavailableError) or (error.name or "").split(".")[0] not in ("torch", "tomli"):
            raise
        raise BackendUnavailableError(
            f"rfseg synth needs the package {error.name}; install it with: pip install 'rfseg[train]'"
        ) from error

    if options.recipe is None:
        _list_recipes(recipe)
        return
    law = recipe.load_recipe(options.recipe)
    count = law.count if options.count is None else options.count
    if count < 1:
        raise OptionError(f"count={count} scenes of the recipe {law.name}; say how many with --count")
    known = [kind.value for kind in labels.MaskKind]
    for name in (names := options.masks.split(",")):
        if name not in known or names.count(name) > 1:
            raise OptionError(f"--masks {options.masks}: {name!r} is unknown or named twice; choose from {', '.join(known)}")
    if options.datatype not in recording.DATATYPES:
        raise OptionError(f"--datatype {options.datatype} is unknown; choose from {', '.join(recording.DATATYPES)}")
    _check_device(options.device)
    law = replace(law, first_seed=law.first_seed if options.seed is None else options.seed)
    kinds = tuple(labels.MaskKind(name) for name in names)
    maker = items.SceneMaker(law, kinds, options.device, options.sigmf, options.datatype)
    made = write_set(
        options.out,
        maker,
        count,
        description=items.describe_set(law, kinds),
        per_shard=_PER_SHARD,
        processes=options.processes,
        first_seed=law.first_seed,
    )
    if options.sheet is not None:
        first = [made[index] for index in range(min(_SHEET_ITEMS, len(made)))]
        save_sheet(options.sheet, first, made.description.labels, captions=items.captions_of(first), columns=4)
    _report(made, options)


def _check_device(device: str) -> None:
    import torch

    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise OptionError(f"--device {device} is not there; choose cpu" + (" or cuda" if torch.cuda.is_available() else ""))


def _list_recipes(recipe: Any) -> None:
    rows = []
    for name in recipe.list_recipes():
        law = recipe.load_recipe(name)
        rows.append((name, str(law.count or "any"), law.description))
    print(format_table(("Recipe", "Scenes", "What it is"), rows))


def _report(made: ShardSet, options: argparse.Namespace) -> None:
    total = sum(made.pixels.values())
    shares = {label: made.pixels.get(number, 0) / total for number, label in enumerate(made.description.labels)}
    shares["unknown"] = made.pixels.get(255, 0) / total
    if options.json:
        facts = {"set": str(options.out), "count": len(made), "pixels": {k: round(v, 4) for k, v in shares.items()}}
        print(json.dumps(facts, indent=2))
        return
    print(f"{len(made)} scenes in {options.out}: " + ", ".join(f"{label} {share:.1%}" for label, share in shares.items()))
    if options.sigmf is not None:
        print(f"recordings: {options.sigmf}")
    if options.sheet is not None:
        print(f"sheet: {options.sheet}")
