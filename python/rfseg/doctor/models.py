"""Models, and what computes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator

from .findings import Finding, fault, note, pip_install, sound, try_python, warning

__all__ = ["check_models", "check_providers"]

_LIST = """
from rfseg.inference import DEFAULT_MODEL, MODEL_PATH_VARIABLE, absent_folders, list_models
models = {name: str(path) for name, path in list_models().items()}
result = [DEFAULT_MODEL, MODEL_PATH_VARIABLE, models, list(map(str, absent_folders()))]
"""
_OPEN = """
import time
from rfseg.errors import RfsegError
from rfseg.inference import Session
try:
    session = Session(sys.argv[1], threads=1)
    result = [True, f"{session.contract.name}, {session.contract.precision}, on {session.provider}: self-test passed"]
except RfsegError as error:
    result = [False, str(error)]
"""
_PROVIDERS = """
import onnxruntime
from rfseg.providers import PROVIDERS, available_providers
result = [available_providers(onnxruntime.get_available_providers()), list(PROVIDERS)]
"""
_NVIDIA = Path("/proc/driver/nvidia/version")


def check_models() -> Iterator[Finding]:
    """Each model that can be named: open it and run its self-test."""
    trial = try_python(_LIST)
    if trial.has_failed:
        yield fault("models", f"cannot be listed: {trial.error}", "mend the packages above first")
        return
    default, variable, models, absent = trial.result
    for folder in absent:
        yield warning("models", f"{variable} names {folder}, which is no folder", f"correct {variable}")
    if default not in models:
        yield fault(
            "models", f"the default model {default!r} is not there",
            f"install the package again, or set {variable} to a folder that holds {default}.onnx",
        )  # fmt: skip
    for name, path in models.items():
        opened = try_python(_OPEN, path)
        if opened.has_failed:
            yield fault("models", f"{name} ({path}) cannot be opened: {opened.error}", "mend the packages above first")
        elif not opened.result[0]:
            yield fault("models", opened.result[1], f"copy {name}.onnx there again, or remove it")
        else:
            yield sound("models", f"{opened.result[1]} ({path})")


def check_providers() -> Iterator[Finding]:
    """Execution providers of ONNX Runtime."""
    trial = try_python(_PROVIDERS)
    if trial.has_failed:
        return  # said already, of onnxruntime
    there, known = trial.result
    text = f"ONNX Runtime has {', '.join(there) or 'none'} of {', '.join(known)}"
    if "cpu" not in there:
        yield fault("providers", text, pip_install("--force-reinstall onnxruntime"))
    elif _NVIDIA.exists() and "cuda" not in there:
        own = pip_install("'rfseg[gpu]'")
        remedy = f"{sys.executable} -m pip uninstall onnxruntime, then {own}"
        yield note("providers", f"{text}; there is an NVIDIA driver, which is not used", remedy)
    else:
        yield sound("providers", text)
