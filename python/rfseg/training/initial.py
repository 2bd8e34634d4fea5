"""Weights to start from: of a checkpoint, of a plain state dict, or of a shipped model file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import RecordingError
from .checkpoint import load_state

__all__ = ["load_initial", "read_weights"]

_PREFIXES = ("network.", "module.", "model.")
_NESTED = ("average", "model_state_dict", "state_dict", "network")
_SHOWN = 4  # names in a text
_log = logging.getLogger(__name__)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a file, by their names in the network.

    Parameters
    ----------
    path : Path
        A checkpoint of ``rfseg train``, a state dict of PyTorch's, plain or under the usual keys and prefixes, or an ``.onnx`` file.

    Raises
    ------
    RecordingError
        If the file cannot be read or holds no weights.
    """
    found = _read_onnx(path) if path.suffix == ".onnx" else _unpack(load_state(path))
    if not found:
        raise RecordingError(f"{path} holds no weights by name; give a checkpoint, a state dict or a model file (.onnx)")
    return found


def load_initial(network: nn.Module, path: Path) -> list[str]:
    """Give a network the weights of a file, in place.

    Returns
    -------
    list of str
        Names of the network that the file lacks, or has in another shape; they keep their random values.

    Raises
    ------
    RecordingError
        If the file cannot be read, or is of another network: it lacks more than half of the weights.
    """
    found, own = read_weights(path), network.state_dict()
    fits = {name: found[name] for name, value in own.items() if name in found and found[name].shape == value.shape}
    lacking = [name for name in own if name not in fits and not name.endswith("num_batches_tracked")]
    count = sum(not name.endswith("num_batches_tracked") for name in own)
    shown = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
    if 2 * len(lacking) > count:
        raise RecordingError(
            f"{path} lacks {len(lacking)} of the {count} weights of the network ({shown}); it is of another network: see --network"
        )
    network.load_state_dict(fits, strict=False)
    if lacking:
        folded = "; its batch norms were folded into the convolutions" if path.suffix == ".onnx" else ""
        _log.warning("%s lacks %d of the %d weights, which start at random: %s%s", path, len(lacking), count, shown, folded)
    return lacking


def _unpack(state: Mapping[str, object]) -> dict[str, Tensor]:
    for key in _NESTED:
        if isinstance(state.get(key), Mapping):
            return _unpack(state[key])  # type: ignore[arg-type]
    return _without_prefix({name: value for name, value in state.items() if isinstance(value, Tensor)})


def _without_prefix(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without the prefixes that wrappers put before every one of them."""
    for prefix in _PREFIXES:
        named = {name: value for name, value in found.items() if name.startswith(prefix)}
        if named and 2 * len(named) > len(found):
            found = {name.removeprefix(prefix): value for name, value in named.items()}
    return found


def _read_onnx(path: Path) -> dict[str, Tensor]:
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load(str(path)).graph
        values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}; check that it is there") from error
    except Exception as error:  # of a file of anyone's its reader may raise anything
        raise RecordingError(f"{path} is no ONNX file: {error}") from error
    if any(v.dtype == torch.int8 for v in values.values()):
        raise RecordingError(f"{path} has integers for weights (int8), which no training can begin with; give the checkpoint it was made of")
    return _without_prefix({name: v.float() if v.dtype == torch.float16 else v for name, v in values.items()})
