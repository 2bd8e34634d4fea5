"""Scenes that no network is trained on, for everything that is fitted or compared once it is trained.

Each purpose has its own seeds: beyond those of training (below 1 000 000 000) and of validation while training, and
below those of the frozen test sets (from 2 000 000 000).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import IntEnum

import numpy as np

from ..datasets.classes import STANDARD_LABELS
from ..synth import Recipe, Scene, load_recipe, make_scene
from ..training.samples import class_table

__all__ = ["Purpose", "held_out_scenes", "noise_recipe", "strange_recipe", "truth_of"]


class Purpose(IntEnum):
    """What scenes are held out for; the value is the seed of the first."""

    TEMPERATURE = 1_100_000_000
    SCALES = 1_200_000_000  # of int8
    PARITY = 1_300_000_000
    REJECT_STRANGE = 1_400_000_000  # radars, patterns, rates and converters that training does not know
    REJECT_NOISE = 1_500_000_000  # others alone: no LTE, no NR, no radar


def held_out_scenes(purpose: Purpose, count: int, recipe: Recipe) -> Iterator[Scene]:
    """The first ``count`` scenes of a purpose, without their samples."""
    for seed in range(purpose, purpose + count):
        scene = make_scene(recipe, seed)
        yield replace(scene, iq=scene.iq[:0])


def strange_recipe() -> Recipe:
    """The law of the frozen set ``ood``; only the seeds differ."""
    return load_recipe("ood")


def noise_recipe(recipe: Recipe) -> Recipe:
    """A law of emitters that are neither LTE, NR nor radar, with a recipe's rates, durations and receivers."""
    return replace(
        recipe,
        carriers=replace(recipe.carriers, counts=(1.0,), fixed=()),
        radars=replace(recipe.radars, share=0.0),
        others=replace(recipe.others, share_alone=1.0),
    )


def truth_of(scene: Scene, labels: Sequence[str]) -> np.ndarray:
    """The mask of a scene in the ids of a network's labels, uint8 ``(T, F)``; 255 where it has no name for what is there."""
    return class_table(STANDARD_LABELS, labels)[scene.mask]
