"""``rfseg synth``: scenes with known truth and frames of the published protocols, as a set and as files beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..datasets.pictures import require_pillow
from ..datasets.sheet import save_sheet
from ..datasets.shardset import ShardSet
from ..datasets.writing import write_set
from ..errors import OptionError
from .options import DEFAULT_FOLDER, add_json, training_packages
from .table import format_table

__all__ = ["add_parser", "run"]

_SHEET_ITEMS = 40
_PER_SHARD = 64


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "synth",
        description="Make scenes with known truth, or frames of a published protocol: a sharded set in FOLDER, and with --sigmf"
        " or --published the same as SigMF recordings or pictures. Each is a function of recipe and seed. Run again, the command"
        " goes on where it stopped.",
    )
    add = parser.add_argument
    add("recipe", nargs="?", help="name of a recipe of the library, or a TOML file; without one, the recipes are listed")
    add("--count", type=int, metavar="N", help="scenes or frames (default: what the recipe says)")
    add("--seed", type=int, metavar="S", help="seed of the first (default: what the recipe says)")
    add("--out", type=Path, default=DEFAULT_FOLDER / "scenes", metavar="FOLDER", help="for the set (default: %(default)s)")
    add("--masks", metavar="KINDS", help="of occupied, energy, channel, with commas; the first is trained on (default: occupied)")
    add("--sigmf", type=Path, metavar="FOLDER", help="write each scene as a SigMF recording with annotations, too")
    add("--datatype", help="of the recordings: ci8, ci16_le or cf32_le (default: ci16_le)")
    add("--published", type=Path, metavar="FOLDER", help="write the frames of a protocol as published sets have them, too")
    add("--sheet", type=Path, metavar="PNG", help=f"draw the first {_SHEET_ITEMS} with their masks")
    add("--processes", type=int, default=1, metavar="N", help="that make scenes (default: %(default)s)")
    add("--device", default="cpu", help="where samples are made: cpu or cuda (default: %(default)s)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Make scenes, or list the recipes.

    Raises
    ------
    RfsegError
        If PyTorch is missing, the recipe or an option is of no use, or the folder cannot be written.
    """
    with training_packages("synth", "torch", "tomli"):
        from ..synth import makers, recipe

    if options.recipe is None:
        _list_recipes(recipe, as_json=options.json)
        return
    law = recipe.load_recipe(options.recipe)
    count = law.count if options.count is None else options.count
    if count < 1:
        raise OptionError(f"count={count} scenes of the recipe {law.name}; say how many with --count")
    _check_device(options.device)
    if options.sheet is not None:
        require_pillow()
    wishes = makers.Wishes(masks=options.masks, sigmf=options.sigmf, datatype=options.datatype, published=options.published)
    maker = makers.make_maker(law, wishes, device=options.device)
    made = write_set(
        options.out,
        maker,
        count,
        description=maker.description,
        per_shard=_PER_SHARD,
        processes=options.processes,
        first_seed=law.first_seed if options.seed is None else options.seed,
    )
    files = {"set": options.out} | maker.write_files(made)
    if options.sheet is not None:
        first = [made[index] for index in range(min(_SHEET_ITEMS, len(made)))]
        captions = [maker.caption(item.metadata) for item in first]
        save_sheet(options.sheet, first, made.description.labels, captions=captions, columns=4)
        files["sheet"] = options.sheet
    _report(made, files, options)


def _check_device(device: str) -> None:
    import torch

    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise OptionError(f"--device {device} is not there; choose cpu" + (" or cuda" if torch.cuda.is_available() else ""))


def _list_recipes(recipe: Any, *, as_json: bool) -> None:
    laws = [recipe.load_recipe(name) for name in recipe.list_recipes()]
    if as_json:
        facts = [{"recipe": law.name, "count": law.count or None, "description": law.description} for law in laws]
        print(json.dumps(facts, indent=2))
        return
    rows = [(law.name, str(law.count or "any"), law.description) for law in laws]
    print(format_table(("Recipe", "Items", "What it is"), rows))


def _report(made: ShardSet, files: dict[str, Path], options: argparse.Namespace) -> None:
    total = sum(made.pixels.values())
    shares = {label: made.pixels.get(number, 0) / total for number, label in enumerate(made.description.labels)}
    shares["unknown"] = made.pixels.get(255, 0) / total
    if options.json:
        facts = {"count": len(made), "pixels": {k: round(v, 4) for k, v in shares.items()}}
        print(json.dumps({what: str(path) for what, path in files.items()} | facts, indent=2))
        return
    print(f"{len(made)} items: " + ", ".join(f"{label} {share:.1%}" for label, share in shares.items()))
    for what, path in files.items():
        print(f"{what}: {path}")
