"""Made-up bands with known truth: LTE, NR, radars and others through channel and receiver (needs PyTorch)."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["CLASS_LABELS", "UNKNOWN", "Emitter", "Plan", "Recipe", "Scene", "make_scene", "realise"]

_HOMES = {"CLASS_LABELS": "labels", "UNKNOWN": "labels"}  # the others live in scene


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES.get(name, 'scene')}", __name__), name)
