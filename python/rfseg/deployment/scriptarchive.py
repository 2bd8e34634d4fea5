"""Weights of a TorchScript archive, read without running anything that is in it.

``torch.jit.save`` writes a zip file with the pickled module (``data.pkl``), its storages (``data/0``, ``data/1`` ...) and its
program (``code/``).  ``torch.jit.load`` compiles that program and runs the pickle, so it is not for files of strangers.  Here the
program is not looked at, and the pickle is read by an unpickler that knows tensors, lists and modules, and turns everything that
claims to be a module into a bag of attributes; any other name in it ends the reading.
"""

from __future__ import annotations

import collections
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Callable

import torch
from torch import Tensor

from ..errors import RecordingError

__all__ = ["is_script_archive", "read_script_archive"]

_LARGEST = 1 << 32  # bytes of a storage; the largest published network has 160 MB
_DEEPEST = 64  # modules inside each other
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_LISTS = {"build_boollist", "build_doublelist", "build_intlist", "build_tensorlist"}


class _Module:
    """What stands in for a module of the archive: attributes, no code."""


class _Storage:
    """Names a type of storage; never made."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def is_script_archive(path: Path) -> bool:
    """Whether a file is a zip file with a program for TorchScript in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    return "data.pkl" in names and any(name.startswith("code/") for name in names)


def read_script_archive(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by name, in the order of the modules.

    Raises
    ------
    RecordingError
        If the file is damaged, or holds anything but tensors, numbers and modules.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name.partition("/")[0] for name in archive.namelist() if name.endswith("/data.pkl"))
            _check_order(archive, root)
            with archive.open(f"{root}/data.pkl") as file:
                module = _Unpickler(file, archive, root).load()
            return dict(_tensors(module))
    except RecordingError as error:
        raise RecordingError(f"{path} {error}") from error
    except Exception as error:  # of a file of anyone's a pickle may raise anything
        raise RecordingError(f"{path} is a damaged TorchScript archive: {str(error) or type(error).__name__}; save it again") from error


def _check_order(archive: zipfile.ZipFile, root: str) -> None:
    if f"{root}/byteorder" in archive.namelist():
        order = archive.read(f"{root}/byteorder").decode("ascii", "replace").strip()
        if order != "little":
            raise RecordingError(f"holds numbers in {order!r} order, expected 'little'; save it on another machine")


class _Unpickler(pickle.Unpickler):
    """Knows what TorchScript writes for tensors, lists and modules, and nothing else."""

    def __init__(self, file: BinaryIO, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The harmless counterpart of a name."""
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _DTYPES:
            return _Storage(_DTYPES[name])
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch.jit._pickle", "restore_type_tag"): _first,
            **{("torch.jit._pickle", kind): _first for kind in _LISTS},
        }
        if (module, name) not in known:
            raise RecordingError(
                f"names {module}.{name}, which no saved network needs and which might run code; nothing of it was run."
                " Use a file that holds weights only: torch.save(model.state_dict(), FILE)"
            )
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage, flat."""
        kind, storage, key, _, count = pid
        if kind != "storage" or not isinstance(storage, _Storage) or not isinstance(key, str):
            raise ValueError(f"a reference to {kind!r} is no storage")
        if key not in self._storages:
            entry = self._archive.getinfo(f"{self._root}/data/{key}")
            size = count * storage.dtype.itemsize
            if entry.file_size != size or size > _LARGEST or entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"storage {key} has {entry.file_size} bytes, expected {size}, stored as they are")
            data = bytearray(self._archive.read(entry))
            self._storages[key] = torch.frombuffer(data, dtype=storage.dtype) if data else torch.empty(0, dtype=storage.dtype)
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """A tensor of a storage; what follows the stride in the file is of no interest to weights."""
    if math.prod(size) > storage.numel():
        raise ValueError(f"a tensor {tuple(size)} does not fit its storage of {storage.numel()} values")
    return torch.as_strided(storage, tuple(size), tuple(stride), offset).clone()


def _first(values: Any, *_: Any) -> Any:
    return values


def _tensors(module: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, Tensor]]:
    if not isinstance(module, _Module) or depth > _DEEPEST:
        raise ValueError("it does not hold a module")
    found: list[tuple[str, Tensor]] = []
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            found.append((prefix + name, value))
        elif isinstance(value, _Module):
            found += _tensors(value, f"{prefix}{name}.", depth + 1)
    return found
