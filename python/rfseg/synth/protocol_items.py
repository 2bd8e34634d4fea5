"""Frames of the published protocols as items of a set, and as files that look like the published ones."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import torch
from tqdm import tqdm

from ..atomic import make_folder, replacing
from ..datasets.hdf4 import encode_raster
from ..datasets.items import Content, Item, SetDescription
from ..datasets.layouts import LAYOUTS, Layout
from ..datasets.pictures import HDF4_SUFFIXES, require_pillow
from ..datasets.shardset import ShardSet
from ..errors import OptionError
from ..published import flip_time
from .labels import CLASS_LABELS, UNKNOWN
from .protocol_carriers import SAMP_RATE
from .protocol_frame import ProtocolFrame
from .protocol_recipe import ProtocolRecipe

__all__ = ["FrameMaker", "check_published", "frame_item", "published_folders", "write_published"]

_QUIET_SECONDS = 1.0  # what is done sooner shows no progress bar


def frame_item(frame: ProtocolFrame, recipe: ProtocolRecipe, seed: int) -> Item:
    """Picture, label and all that is known of a frame, earliest row first."""
    image, label = frame.to_axis_law()
    facts = dict(frame.parameters)
    metadata = {
        "seed": seed,
        "draw": facts.pop("seed"),
        "scene": facts.pop("scene"),
        "snr_db": facts.pop("snr_db"),
        "doppler_hz": facts.pop("doppler_hz"),
        "samp_rate": SAMP_RATE,
        "frame_duration": recipe.frame_duration,
        "image_name": frame.image_name,
        "label_name": frame.label_name,
        "scale_db": [frame.levels.low_db, frame.levels.high_db],  # what became 0 and 255, dB re 1/Hz
        "parameters": facts,
    }
    metadata["noise_free"] = metadata["snr_db"] is None
    return Item(np.ascontiguousarray(image), np.ascontiguousarray(label), metadata)


@dataclass(frozen=True, kw_only=True)
class FrameMaker:
    """Makes the frame of a seed as an item; can be sent to another process.

    Parameters
    ----------
    recipe : ProtocolRecipe
    device : str
    published : Path or None
        Folder for the files of :func:`write_published`.
    """

    recipe: ProtocolRecipe
    device: str = "cpu"
    published: Path | None = None

    @property
    def description(self) -> SetDescription:
        """What all frames have in common."""
        recipe = self.recipe
        return SetDescription(
            name=recipe.name,
            content=Content.PICTURES,
            samp_rate_range=(SAMP_RATE, SAMP_RATE),
            frame_duration_range=(recipe.frame_duration, recipe.frame_duration),
            masks=("channel",),  # published masks cover the nominal channel for the whole frame
            family="published",
            recipe=json.dumps(recipe.to_record()),
        )

    def __call__(self, seed: int) -> Item:
        torch.set_num_threads(1)
        return frame_item(self.recipe.make_frame(seed, device=self.device), self.recipe, seed)

    def write_files(self, made: ShardSet) -> dict[str, Path]:
        """The published files, if they are asked for."""
        if self.published is None:
            return {}
        write_published(made, self.recipe, self.published)
        return {"published": self.published}

    def caption(self, facts: Mapping[str, Any]) -> str:
        """Name, noise level and Doppler of a frame, by the metadata of its item."""
        level = "clean" if facts["noise_free"] else f"{facts['snr_db']:g} dB"
        return f"{facts['seed']}: {facts['scene']} {level}, {facts['doppler_hz']:g} Hz"


def check_published(recipe: ProtocolRecipe) -> None:
    """See that the names of published files say what is true.

    Raises
    ------
    OptionError
        If names would number noise levels that the published sets do not have, or Pillow is missing.
    """
    require_pillow()
    layout = _layout(recipe)
    levels = {number: snr if math.isfinite(snr) else None for number, snr in enumerate(recipe.flags.snrs_db, 1)}
    if layout.snr_db and levels != layout.snr_db:
        stated = ", ".join(f"{snr:g}" for snr in layout.snr_db.values() if snr is not None)
        raise OptionError(
            f"--published: the names of {layout.name} stand for the levels {stated} dB, but {recipe.name} has others;"
            " leave out --published, or snrs_db in the recipe"
        )


def published_folders(recipe: ProtocolRecipe, scene: str) -> tuple[str, str]:
    """Folders of the pictures and of the labels of a scene."""
    return _layout(recipe).splits[recipe.generator.splits[scene]]


def write_published(made: ShardSet, recipe: ProtocolRecipe, folder: Path) -> None:
    """Write the frames of a set as a published set lies on disk: newest row first, published names and colours.

    Parameters
    ----------
    folder : Path
        Made where it is not there; files of the same names are replaced.

    Raises
    ------
    RecordingError
        If a file cannot be written.
    """
    colours = _label_colours(_layout(recipe))
    for item in tqdm(made, desc=folder.name, unit="frame", delay=_QUIET_SECONDS, disable=None, leave=False):
        images, labels = (folder / name for name in published_folders(recipe, item.metadata["scene"]))
        _write_picture(images / item.metadata["image_name"], flip_time(item.data))
        _write_picture(labels / item.metadata["label_name"], colours[flip_time(item.mask)])


def _layout(recipe: ProtocolRecipe) -> Layout:
    return next(layout for layout in LAYOUTS if layout.name == recipe.generator.layout)


def _label_colours(layout: Layout) -> np.ndarray:
    """Published colour of each class id, uint8 ``(256, 3)``; what is unknown is Noise there."""
    by_label = {label: colour for colour, label in layout.colours.items()}
    table = np.zeros((256, 3), np.uint8)
    for class_id, label in enumerate(CLASS_LABELS):
        table[class_id] = by_label.get(label, (0, 0, 0))
    table[UNKNOWN] = table[0]
    return table


def _write_picture(path: Path, picture: np.ndarray) -> None:
    make_folder(path.parent)
    with replacing(path) as temporary:
        if path.suffix in HDF4_SUFFIXES:
            temporary.write_bytes(encode_raster(picture[..., 0]))
        else:
            require_pillow().fromarray(np.ascontiguousarray(picture)).save(temporary, format="PNG")
