"""What computes a network: ONNX Runtime's execution providers, by short names and in a stated order."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from .errors import BackendUnavailableError, OptionError

__all__ = ["AUTO", "FRAMES_AT_ONCE", "PROVIDERS", "available_providers", "choose_providers", "provider_options"]

AUTO = "auto"
FRAMES_AT_ONCE = 2  # on processors: two cores do more with a frame each than with a thread each of one frame
# Short name to ONNX Runtime's, the first choice first.
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
# OpenVINO takes longer than the processor's own provider (docs/benchmarks.md): only who names it gets it.
_AUTOMATIC = ("tensorrt", "cuda", "cpu")
_EXTRAS = {"tensorrt": "gpu", "cuda": "gpu", "openvino": "openvino"}


def available_providers(found: Iterable[str]) -> list[str]:
    """Short names of the providers in ONNX Runtime's list ``found``, in the order of preference."""
    found = set(found)
    return [name for name, long_name in PROVIDERS.items() if long_name in found]


def choose_providers(wanted: str, found: Collection[str]) -> list[str]:
    """Short names of the providers to try, the first that starts computes.

    Parameters
    ----------
    wanted : str
        ``auto``, or one or more short names with commas between them, such as ``cuda`` or ``tensorrt,cpu``.
    found : collection of str
        What the installed ONNX Runtime has, by its own names.

    Raises
    ------
    OptionError
        If a name is unknown.
    BackendUnavailableError
        If a provider that is asked for by name is not there; the message names the package.

    Examples
    --------
    >>> choose_providers("auto", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    ['cuda', 'cpu']
    >>> choose_providers("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"])
    ['cpu']
    """
    there = available_providers(found)
    if wanted == AUTO:
        return [name for name in there if name in _AUTOMATIC]
    names = [name.strip() for name in wanted.split(",")] if isinstance(wanted, str) else [wanted]
    for name in names:
        if name not in PROVIDERS:
            raise OptionError(
                f"providers={wanted!r}: {name!r} is unknown; give {AUTO}, or one or more of {', '.join(PROVIDERS)}"
                " with commas between them"
            )
        if name not in there:
            raise BackendUnavailableError(
                f"providers={wanted!r}: the installed ONNX Runtime has no {name}, it has {', '.join(there) or 'none'}; {_remedy(name)}"
            )
    return names


def provider_options(name: str, threads: int = 0) -> dict[str, Any]:
    """Settings that a provider is opened with."""
    if name == "openvino":  # left alone it computes in bfloat16 where it can, and on every core
        return {"device_type": "CPU", "precision": "FP32", **({"num_of_threads": str(threads)} if threads else {})}
    if name == "tensorrt":  # building an engine takes minutes: once for each model and shape
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rfseg" / "tensorrt"
        return {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(cache)}
    return {}


def _remedy(name: str) -> str:
    if name not in _EXTRAS:
        return "reinstall it: pip install --force-reinstall onnxruntime"
    extra = _EXTRAS[name]
    return (
        f"pip uninstall onnxruntime, then pip install 'rfseg[{extra}]' (package onnxruntime-{extra}), which takes its place;"
        " or leave providers at auto"
    )
