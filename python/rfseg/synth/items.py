"""Scenes as items of a training set, and as recordings beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Collection, Mapping

import numpy as np
import torch

from ..datasets.items import Content, Item, SetDescription, level_rows
from ..datasets.shardset import ShardSet
from .labels import MaskKind
from .recipe import Recipe
from .recording import is_recorded, write_recording
from .scene import Scene, make_scenes

__all__ = ["SceneMaker", "describe_set", "scene_item", "scene_name"]


def scene_name(recipe: Recipe, seed: int) -> str:
    """Name of a scene's files."""
    return f"{recipe.name}-{seed}"


def scene_item(scene: Scene, seed: int, kinds: Collection[MaskKind]) -> Item:
    """Rows, masks in the order of ``kinds``, and everything that is known of the scene."""
    data, level = level_rows(scene.rows)
    metadata = {
        "seed": seed,
        "level_dbfs": level,
        "samp_rate": scene.geometry.samp_rate,
        "frame_duration": scene.plan.frame_duration,
        "emitters": [asdict(emitter) for emitter in scene.emitters],
        "plan": json.loads(json.dumps(scene.plan.to_record())),
    }
    mask = np.stack([scene.masks[kind] for kind in kinds])
    return Item(data, mask, metadata)


def describe_set(recipe: Recipe, kinds: Collection[MaskKind]) -> SetDescription:
    """What all scenes of a recipe have in common."""
    rates, durations = ([value for value, weight in table if weight > 0] for table in (recipe.rates, recipe.durations))
    return SetDescription(
        name=recipe.name,
        content=Content.ROWS,
        samp_rate_range=(min(rates), max(rates)),
        frame_duration_range=(min(durations), max(durations)),
        masks=tuple(kind.value for kind in kinds),
        recipe=json.dumps(recipe.to_record()),
    )


@dataclass(frozen=True, kw_only=True)
class SceneMaker:
    """Makes the scene of a seed as an item; can be sent to another process.

    Parameters
    ----------
    recipe : Recipe
    kinds : tuple of MaskKind
        The first is the mask to train on.
    device : str
    recordings : Path or None
        Folder for SigMF recordings of the same scenes.
    datatype : str
        Of the recordings.
    """

    recipe: Recipe
    kinds: tuple[MaskKind, ...] = (MaskKind.OCCUPIED,)
    device: str = "cpu"
    recordings: Path | None = None
    datatype: str = "ci16_le"

    @property
    def description(self) -> SetDescription:
        """What all scenes have in common."""
        return describe_set(self.recipe, self.kinds)

    def __call__(self, seed: int) -> Item:
        torch.set_num_threads(1)
        return self.many([seed])[0]

    def many(self, seeds: list[int]) -> list[Item]:
        """The items of several seeds, made together."""
        keep_iq = self.recordings is not None
        scenes = make_scenes(self.recipe, seeds, kinds=self.kinds, device=self.device, keep_iq=keep_iq)
        for seed, scene in zip(seeds, scenes, strict=True):
            if self.recordings is not None:
                write_recording(
                    scene,
                    self.recordings / scene_name(self.recipe, seed),
                    datatype=self.datatype,
                    description=f"Scene {seed} of the recipe {self.recipe.name}, made by rfseg.synth",
                )
        return [scene_item(scene, seed, self.kinds) for seed, scene in zip(seeds, scenes, strict=True)]

    def write_files(self, made: ShardSet) -> dict[str, Path]:
        """Recordings that are missing, for the set may have been made without them; where they all are."""
        if self.recordings is None:
            return {}
        for seed in range(made.plan.first_seed, made.plan.first_seed + made.plan.count):
            if not is_recorded(self.recordings / scene_name(self.recipe, seed), self.datatype):
                self(seed)
        return {"recordings": self.recordings}

    def caption(self, facts: Mapping[str, Any]) -> str:
        """Seed, rate, duration and what is in a scene, by the metadata of its item."""
        plan = facts["plan"]
        parts = [f"{c['label']}{c['channel_mhz']:g}@{c['snr_db']:.0f}" for c in plan["carriers"]]
        parts += [r["family"] for r in plan["radars"]] + [o["kind"] for o in plan["others"]]
        return f"{facts['seed']}: {facts['samp_rate'] / 1e6:g} MS/s {facts['frame_duration'] * 1e3:g} ms {' '.join(parts)}"
