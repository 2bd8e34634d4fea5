"""Made-up bands with known truth: LTE, NR, radars and others through channel and receiver (needs PyTorch)."""

from .labels import CLASS_LABELS, UNKNOWN
from .scene import Emitter, Plan, Recipe, Scene, make_scene, realise

__all__ = ["CLASS_LABELS", "UNKNOWN", "Emitter", "Plan", "Recipe", "Scene", "make_scene", "realise"]
