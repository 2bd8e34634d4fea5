"""``rfseg train``: train a network by a recipe, on one processor or many; run again, it goes on where it stopped."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from ..errors import OptionError
from .options import DEFAULT_FOLDER, add_json, training_packages
from .table import format_table

__all__ = ["add_parser", "run"]

_NEEDED = ("torch", "lightning", "tensorboardX", "tomli")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "train",
        description="Train a network by a recipe. Run again with the same folder, the command goes on where it stopped;"
        " Ctrl-C ends it after the step, saved. The same command serves a CPU, a GPU, several GPUs and nodes.",
    )
    add = parser.add_argument
    add("recipe", nargs="?", help="name of a recipe of the library, or a TOML file; without one, the recipes are listed")
    add("--network", metavar="NAME", help="train this network by the recipe")
    add("--out", type=Path, metavar="FOLDER", help=f"for the run (default: {DEFAULT_FOLDER}/training/RECIPE-NETWORK)")
    add("--init", type=Path, metavar="FILE", help="start from these weights: a checkpoint, a state dict, or a model file (.onnx)")
    add("--minutes", type=float, metavar="M", help="end after so many minutes in all; the schedule follows the clock")
    add("--steps", type=int, metavar="N", help="end after so many steps in all; such a run can be repeated to the bit")
    add("--seed", type=int, metavar="S", help="of weights, scenes and augmentation (default: what the recipe says)")
    add("--set", type=Path, action="append", default=[], metavar="SET", help="train on this set, not on fresh scenes; may be repeated")
    add("--devices", type=int, default=1, metavar="N", help="processes of a node, a GPU or a thread each (default: %(default)s)")
    add("--nodes", type=int, default=1, metavar="N", help="nodes; start the command on each (default: %(default)s)")
    kind = add("--accelerator", default="auto", metavar="KIND", help="cpu, gpu or auto (default: %(default)s)")
    kind.words = ("cpu", "gpu", "auto")  # for completion; who refuses others also says what would do
    precision = add("--precision", default="32", metavar="P", help="32, bf16-mixed or 16-mixed (default: %(default)s)")
    precision.words = ("32", "bf16-mixed", "16-mixed")
    add_json(parser, instead_of="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, or list the recipes.

    Raises
    ------
    RfsegError
        If a package is missing, or the recipe, an option or a file is of no use.
    """
    with training_packages("train", *_NEEDED):
        from ..training import recipe as recipes
        from ..training.run import Place, train

    if options.recipe is None:
        _list_recipes(recipes, as_json=options.json)
        return
    recipe = _with_options(recipes.load_training_recipe(options.recipe), options)
    place = Place(
        accelerator=options.accelerator, devices=options.devices, nodes=options.nodes, precision=options.precision
    )
    folder = options.out or DEFAULT_FOLDER / "training" / f"{recipe.name}-{recipe.network}"
    text = recipes.recipe_text(options.recipe)
    outcome = train(recipe, folder, place=place, sets=options.set, initial=options.init, text=text)
    if place.is_first:
        _report(outcome, folder, as_json=options.json)
        if outcome.was_interrupted:
            raise KeyboardInterrupt


def _with_options(recipe: Any, options: argparse.Namespace) -> Any:
    if options.minutes is not None and options.steps is not None:
        raise OptionError(f"--minutes {options.minutes:g} and --steps {options.steps} are both an end; give one")
    for name in ("minutes", "steps"):
        value = getattr(options, name)
        if value is not None:
            if not 0 < value < math.inf:
                raise OptionError(f"--{name} {value:g} must be above 0 and finite")
            ends = {"stop__minutes": 0.0, "stop__steps": 0, "stop__epochs": 0}
            if recipe.schedule.needs_epochs:
                ends.pop("stop__epochs")  # the rate goes by them
            recipe = recipe.with_changes(**(ends | {f"stop__{name}": value}))
    changes = {name: getattr(options, name) for name in ("network", "seed") if getattr(options, name) is not None}
    return recipe.with_changes(**changes)


def _list_recipes(recipes: Any, *, as_json: bool) -> None:
    listed = [(name, recipes.load_training_recipe(name)) for name in recipes.list_training_recipes()]
    if as_json:
        facts = [{"recipe": name, "network": r.network, "description": r.description} for name, r in listed]
        print(json.dumps(facts, indent=2))
        return
    print(format_table(("Recipe", "Network", "What it is"), [(name, r.network, r.description) for name, r in listed]))


def _report(outcome: Any, folder: Path, *, as_json: bool) -> None:
    progress = outcome.progress
    has_score = outcome.best_score >= 0
    if as_json:
        facts = {
            "folder": str(folder),
            "checkpoint": str(folder / "last.pt"),
            "best": str(folder / "best.pt") if has_score else None,
            "best_mean_iou": outcome.best_score if has_score else None,
            "steps": progress.step,
            "frames": progress.images,
            "minutes": progress.minutes,
            "interrupted": outcome.was_interrupted,
            "over_already": outcome.was_over,
        }
        print(json.dumps(facts, indent=2))
        return
    made = f"{progress.step} steps, {progress.images} frames, {progress.minutes:.1f} minutes"
    if outcome.was_interrupted:
        print(f"rfseg: saved after {made}; the same command goes on", file=sys.stderr)
        return
    print(f"{'over already' if outcome.was_over else 'trained'}: {made}")
    print(f"checkpoint: {folder / 'last.pt'}")
    if has_score:
        print(f"best: {folder / 'best.pt'}, mean IoU {outcome.best_score:.4f} of held-out frames")
