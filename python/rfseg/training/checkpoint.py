"""Files of a training run: written whole or not at all, read without running anything that they hold."""

from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import nn

from ..atomic import replacing
from ..errors import RecordingError, SceneError
from ..models.registry import make_network
from ..synth.recipe import load_recipe
from .recipe import TrainingRecipe
from .scenelaw import scenes_from_record

__all__ = ["BEST", "LAST", "Checkpoint", "load_state", "read_checkpoint", "recipe_of", "save_state"]

LAST = "last.pt"  # of a run's folder
BEST = "best.pt"
_PRECISION = "32"  # of runs that do not say
_KEYS = {"network", "average", "recipe"}  # what every checkpoint has


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a run has reached.

    Parameters
    ----------
    network : Module
        With the averaged weights, ready to infer: features to logits.
    recipe : TrainingRecipe
        Its ``network`` names the architecture, its ``classes`` the order of the ids.
    progress : dict
        ``step``, ``images``, ``scenes`` (made while training), ``minutes``, ``seed`` and ``precision``.
    """

    network: nn.Module
    recipe: TrainingRecipe
    progress: dict[str, Any]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of ``rfseg train``.

    Raises
    ------
    RecordingError
        If the file is missing, damaged or no checkpoint.
    SceneError
        If its recipe is not valid.
    """
    state = load_state(path)
    if not _KEYS <= set(state):
        raise RecordingError(
            f"{path} is no checkpoint of rfseg train: it lacks {', '.join(sorted(_KEYS - set(state)))};"
            " published checkpoints are read by rfseg import-checkpoint"
        )
    recipe = recipe_of(state, path)
    network = make_network(recipe.network, len(recipe.classes), published=recipe.published)
    try:
        network.load_state_dict(state["average"])
    except RuntimeError as error:
        raise RecordingError(f"{path} does not hold the network {recipe.network} that its recipe names: {error}") from error
    return Checkpoint(network=network.eval(), recipe=recipe, progress=_progress_of(state))


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint; it takes the place of an earlier one when it is complete.

    Raises
    ------
    RecordingError
        If it cannot be written.
    """
    with replacing(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                torch.save(dict(state), file)
        except RuntimeError as error:  # PyTorch's own word for a disk that is full
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load_state(path: Path) -> dict[str, Any]:
    """Everything in a file of PyTorch's, tensors and plain values only.

    Raises
    ------
    RecordingError
        If the file cannot be read, is damaged, or holds anything that is more than values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for a report to PyTorch wherever a pickle is another program's
            state = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}; check that it is there") from error
    except pickle.UnpicklingError as error:
        raise RecordingError(
            f"{path} holds more than weights, or is damaged; nothing of it was run. Copy it again, or name last.pt or best.pt"
            " of a run of rfseg train"
        ) from error  # PyTorch's own text advises to run what is in it
    except Exception as error:  # of a file of anyone's its reader may raise anything
        reason = str(error).partition(". ")[0] or type(error).__name__
        raise RecordingError(f"{path} is damaged or no file of PyTorch's: {reason}; copy it again, or name another") from error
    if not isinstance(state, dict):
        raise RecordingError(f"{path} holds a {type(state).__name__}, expected a dict of weights")
    return state


def recipe_of(state: Mapping[str, Any], path: Path) -> TrainingRecipe:
    """The recipe in a checkpoint."""
    try:
        record = json.loads(state["recipe"])
        return _earlier_recipe(record) if "columns" in record else TrainingRecipe.from_record(record)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SceneError):
            raise SceneError(f"{path}: {error}") from error
        raise RecordingError(f"{path} has no readable recipe: {error}") from error


def _earlier_recipe(record: Mapping[str, Any]) -> TrainingRecipe:
    """The recipe of a checkpoint from before networks had names: all were RF-Segmenter."""
    try:
        scenes = scenes_from_record(record["scenes"])
        note = "from before recipes had tables"
    except SceneError:  # a law that this version has no words for
        scenes = load_recipe("standard")
        note = "from before recipes had tables; its scenes followed an earlier law than the one named here"
    recipe = TrainingRecipe(name="rfseg", description=note, scenes=scenes)
    return recipe.with_changes(
        stop__minutes=float(record["minutes"]),
        optimizer__rate=record["peak_rate"],
        loss__class_weights=tuple(record["class_weights"]),
        loss__dice=record["dice_weight"],
        loss__error=record["error_weight"],
    )


def _progress_of(state: Mapping[str, Any]) -> dict[str, Any]:
    if "progress" in state:
        progress = state["progress"]
        facts = {key: progress[key] for key in ("step", "images", "scenes", "minutes", "seed")}
        return {**facts, "precision": progress.get("precision", _PRECISION)}
    return {
        "step": state["step"],
        "images": state["images"],
        "scenes": state["next_seed"] - state["seed"],
        "minutes": round(state["elapsed"] / 60.0, 2),
        "seed": state["seed"],
        "precision": _PRECISION,
    }
