"""Made-up bands with known truth: LTE, NR, radars and others through channel and receiver (needs PyTorch)."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "CLASS_LABELS",
    "UNKNOWN",
    "Emitter",
    "MaskKind",
    "Plan",
    "Recipe",
    "Scene",
    "load_recipe",
    "make_scene",
    "make_scenes",
    "realise",
]

_HOMES = {
    "CLASS_LABELS": "labels",
    "UNKNOWN": "labels",
    "MaskKind": "labels",
    "Emitter": "truth",
    "Plan": "plan",
    "Recipe": "recipe",
    "load_recipe": "recipe",
}  # the others live in scene; imported when asked for, so that a waveform can be had without the rest


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES.get(name, 'scene')}", __name__), name)
