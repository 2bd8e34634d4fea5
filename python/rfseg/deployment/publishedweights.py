"""Weights in the forms in which published code saves them, brought to the names of a network."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import RecordingError
from ..training.checkpoint import load_state
from .scriptarchive import is_script_archive, read_script_archive

__all__ = ["Weights", "fit_weights", "is_own_checkpoint", "read_weights"]

_NESTED = ("model_state_dict", "state_dict")
_PREFIXES = ("", "module.", "model.", "model.module.", "module.model.")  # of DataParallel and Lightning
_OWN = {"network", "average", "recipe"}  # in every checkpoint of rfseg train
_COUNTER = ".num_batches_tracked"
_AUXILIARY = "aux_classifier."  # a second head of DeepLabV3, for training only
_LISTED = 4  # names of a kind in a message
_GLOBAL = re.compile(r"GLOBAL (\S+)")


@dataclass(kw_only=True)
class Weights:
    """What a file holds.

    Parameters
    ----------
    form : str
        How it was saved, for people.
    tensors : dict
        By the names of the file.
    facts : dict
        Epoch or step, where the file says so.
    notes : list of str
        What was left out, for people.
    """

    form: str
    tensors: dict[str, Tensor]
    facts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_weights(path: Path) -> Weights:
    """Read the weights of a checkpoint that anyone may have written; nothing in it is run.

    Raises
    ------
    RecordingError
        If the file is missing, damaged, holds more than weights, or holds none.
    """
    _require_file(path)
    if is_script_archive(path):
        return Weights(form="TorchScript archive", tensors=read_script_archive(path))
    state = _load(path)
    form, tensors = "state dict", state
    for key in _NESTED:
        if isinstance(state.get(key), Mapping):
            lightning = key == "state_dict" and "pytorch-lightning_version" in state
            form, tensors = "Lightning checkpoint" if lightning else f"dict with {key}", dict(state[key])
            break
    others = [key for key, value in tensors.items() if not isinstance(value, Tensor)]
    if not tensors or others:
        has = f"{', '.join(map(str, others[:_LISTED]))} besides tensors" if others else "nothing"
        raise RecordingError(
            f"{path} holds {has}, expected the tensors of a network, or a dict with {' or '.join(_NESTED)} that has them"
        )
    facts = {key: state[key] for key in ("epoch", "global_step") if isinstance(state.get(key), int)}
    return Weights(form=form, tensors=tensors, facts=facts)


def is_own_checkpoint(path: Path) -> bool:
    """Whether ``rfseg train`` wrote a file, with what it knows of the training.

    Raises
    ------
    RecordingError
        As :func:`read_weights`.
    """
    _require_file(path)
    return not is_script_archive(path) and _OWN <= set(_load(path))


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise RecordingError(f"checkpoint {str(path)!r} does not exist; give the file that the training wrote")


def _load(path: Path) -> dict[str, Any]:
    """What a file of PyTorch's holds, if that is values only."""
    try:
        return load_state(path)
    except RecordingError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError):
            raise RecordingError(_refusal(path, str(error.__cause__))) from error
        raise


def fit_weights(weights: Weights, network: nn.Module, *, source: Path) -> None:
    """Put weights into a network.

    Prefixes of wrappers are taken off; counters of batches, which nothing needs to infer, may be missing or left over.

    Raises
    ------
    RecordingError
        If weights are missing, left over, of another shape, or not finite; one message says all.
    """
    own = network.state_dict()
    tensors = _without_prefix(weights, set(own))
    given = {key: value for key, value in tensors.items() if not key.startswith(_AUXILIARY)}
    if len(given) < len(tensors):
        weights.notes.append(f"left out {len(tensors) - len(given)} weights of the auxiliary head, which only training uses")
    missing = [key for key in own if key not in given and not key.endswith(_COUNTER)]
    unexpected = [key for key in given if key not in own and not key.endswith(_COUNTER)]
    shapes = {
        key: f"{key} is {_shape(given[key])}, expected {_shape(value)}"
        for key, value in own.items()
        if key in given and given[key].shape != value.shape and not key.endswith(_COUNTER)
    }
    wrong = [key for key, value in given.items() if key in own and value.is_floating_point() and not value.isfinite().all()]
    problems = [
        _list("missing", missing),
        _list("not of this network", unexpected),
        _list("of another shape", list(shapes.values())),
        _list("not finite", wrong),
    ]
    if any(problems):
        raise RecordingError(
            f"{source} ({weights.form}, {len(weights.tensors)} tensors) does not fit {type(network).__name__}: "
            + "; ".join(filter(None, problems))
            + "; name another network with --network, or mend the file"
        )
    network.load_state_dict(
        {key: given[key] if key in given and given[key].shape == value.shape else value for key, value in own.items()}
    )


def _without_prefix(weights: Weights, names: set[str]) -> dict[str, Tensor]:
    """The tensors under the prefix that makes most of them the network's; the others are noted."""
    known = {prefix: sum(key.removeprefix(prefix) in names for key in _under(weights, prefix)) for prefix in _PREFIXES}
    best = max(_PREFIXES, key=lambda prefix: known[prefix])
    inside = _under(weights, best)
    outside = [key for key in weights.tensors if key not in set(inside)]
    if outside:
        weights.notes.append(f"left out what is not under {best!r}: {_names(outside)}")
    return {key.removeprefix(best): weights.tensors[key] for key in inside}


def _under(weights: Weights, prefix: str) -> list[str]:
    return [key for key in weights.tensors if key.startswith(prefix)]


def _refusal(path: Path, reason: str) -> str:
    found = _GLOBAL.search(reason)
    what = f"names {found[1]}, which might run code" if found else "holds more than weights, or is damaged"
    return (
        f"{path} {what}; nothing of it was run. Use a file that holds weights only: where it was trained, and if you trust"
        " it, load it and save them with torch.save(model.state_dict(), FILE)"
    )


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"


def _list(what: str, names: list[str]) -> str:
    return f"{len(names)} {what} ({_names(names)})" if names else ""


def _names(names: list[Any]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(str, names[:_LISTED])) + more
