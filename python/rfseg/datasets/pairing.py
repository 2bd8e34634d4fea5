"""Pairs of an image and a label, matched by what their names say and never by their order."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Sequence, TypeVar

import numpy as np

from ..errors import DatasetError
from .layouts import Layout

__all__ = ["Pair", "Problem", "files_of", "pair_key", "pair_split", "sample"]

Thing = TypeVar("Thing")

# What tells an image from its label and nothing else; everything else in a name belongs to the key.
_ROLES = frozenset("data image images img input inputs label labels mask masks gt spectrogram".split())


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with one file."""

    file: Path
    text: str  # names the file


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An image and its label on disk, not yet read.

    Parameters
    ----------
    key : str
        What the names of the two have in common.
    facts : dict
        What the name of the image says.
    parameters : Path or None
        MATLAB file beside the image.
    """

    key: str
    split: str
    image: Path
    label: Path
    facts: dict[str, Any] = field(default_factory=dict)
    parameters: Path | None = None


def pair_key(stem: str) -> str:
    """The key in the name of a file without suffix.

    Examples
    --------
    >>> pair_key("data_00001_radar_5G_70_snr_2"), pair_key("label_00001_radar_5G_70_snr_2")
    ('00001_radar_5G_70_snr_2', '00001_radar_5G_70_snr_2')
    >>> pair_key("NR_label_frame_12_3_70")
    'NR_frame_12_3_70'
    """
    words = [word for word in re.split(r"[_\-. ]+", stem) if word.lower() not in _ROLES]
    return "_".join(words) or stem


def sample(things: Sequence[Thing], count: int) -> list[Thing]:
    """At most ``count`` of the things in their order, drawn at random and always the same.

    Taking every n-th would fall in step with names that count SNRs and scenes.
    """
    chosen = np.random.default_rng(0).permutation(len(things))[:count]
    return [things[index] for index in sorted(chosen.tolist())]


def files_of(folder: Path) -> list[Path]:
    """Files of a folder that are not hidden, sorted by name.

    Raises
    ------
    DatasetError
        If it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name[:1] != "." and entry.is_file())
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error.strerror or error}; check that it is there") from error
    return [folder / name for name in names]


def pair_split(root: Path, layout: Layout, split: str) -> tuple[list[Pair], list[Problem]]:
    """Pairs of a split, sorted by key, and the files that belong to none."""
    image_folder, label_folder = (root / part for part in layout.splits[split])
    images = _by_key(files_of(image_folder), layout.image_suffixes)
    labels = _by_key(files_of(label_folder) if label_folder.is_dir() else [], layout.label_suffixes)
    pairs, problems = [], []
    for key in sorted({*images, *labels}):
        pictured, labelled = images.get(key, []), labels.get(key, [])
        if len(pictured) == 1 and len(labelled) == 1:
            parameters = pictured[0].with_suffix(".mat")
            pairs.append(
                Pair(
                    key=key,
                    split=split,
                    image=pictured[0],
                    label=labelled[0],
                    facts=layout.facts(pictured[0].stem) or {},
                    parameters=parameters if parameters.is_file() else None,
                )
            )
        else:
            problems.append(_unpaired(key, pictured, labelled, image_folder, label_folder))
    return pairs, problems


def _by_key(files: Iterable[Path], suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for file in files:
        if file.suffix.lower() in suffixes:
            found[pair_key(file.stem)].append(file)
    return found


def _unpaired(key: str, images: list[Path], labels: list[Path], image_folder: Path, label_folder: Path) -> Problem:
    """What is wrong with the files of a key that are not one image and one label."""
    if not images or not labels:
        (file, *_), missing = (images, "label") if images else (labels, "image")
        folder = label_folder if images else image_folder
        text = f"{file} has no {missing} of key {key!r} in {folder}; restore it or remove this one"
    else:
        file, other = (images if len(images) > 1 else labels)[:2]
        text = f"{file} and {other.name} have the same key {key!r}, expected one file of each; remove one"
    return Problem(file=file, text=text)
