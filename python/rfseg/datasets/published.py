"""The published sets, read into this library's order of classes, rows and bins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable

import numpy as np
import scipy.io

from ..errors import DatasetError
from .detection import detect_layout, present_splits
from .labelcolours import colours_to_mask
from .layouts import Layout
from .pairing import Pair, Problem, pair_split, sample
from .pictures import picture_size, read_labels, read_picture, require_pillow

__all__ = ["LabelledPicture", "PublishedSet", "open_published"]

Size = tuple[int, int]  # rows, bins


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """A pair, read.

    Parameters
    ----------
    image : uint8 ``(T, F, 3)``
        RGB, earliest row first, lowest frequency first.
    mask : uint8 ``(T, F)``
        Class ids: 0 Noise, 1 LTE, 2 NR, 3 Radar.
    facts : dict
        What the name says, and ``params`` from a MATLAB file beside the image.
    worst_distance : int
        Largest difference of any label pixel from the colour of its class, levels.
    """

    image: np.ndarray
    mask: np.ndarray
    facts: dict[str, Any]
    worst_distance: int


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A published set on disk; made by :func:`open_published`.

    Parameters
    ----------
    root : Path
    layout : Layout
    pairs : tuple of Pair
        By split, then by key.
    problems : tuple of Problem
        Files that are in no pair.
    sizes : dict of str to (int, int)
        Size of ``image`` and of ``label`` that most pairs have, rows and bins.
    tolerance : int
        Levels by which a label may differ from the colour of its class.
    """

    root: Path
    layout: Layout
    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...] = ()
    sizes: dict[str, Size] = field(default_factory=dict)
    tolerance: int

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that have pairs."""
        return tuple(dict.fromkeys(pair.split for pair in self.pairs))

    def load(self, pair: Pair) -> LabelledPicture:
        """Read a pair.

        Raises
        ------
        DatasetError
            If a file is damaged, of another size than the rest, or has a colour that no class has.
        """
        image, label = read_picture(pair.image), read_labels(pair.label)
        for what, path, picture in (("image", pair.image, image), ("label", pair.label, label)):
            self._check_size(what, path, picture.shape[:2])
        try:
            mask, worst = colours_to_mask(label, self.layout.colours, tolerance=self.tolerance)
        except DatasetError as error:
            raise DatasetError(
                f"{pair.label} {error}; correct the label, or allow more with --tolerance if it was blurred"
            ) from error
        if image.shape[:2] != mask.shape:
            image = _resize(image, mask.shape)
        facts = dict(pair.facts)
        if pair.parameters is not None:
            facts["params"] = read_parameters(pair.parameters)
        # Published pictures show the newest row on top.
        return LabelledPicture(
            image=np.ascontiguousarray(image[::-1]),
            mask=np.ascontiguousarray(mask[::-1]),
            facts=facts,
            worst_distance=worst,
        )

    def _check_size(self, what: str, path: Path, size: Size) -> None:
        expected = self.sizes[what]
        if size != expected:
            raise DatasetError(
                f"{path} is {size[1]} x {size[0]} pixels, but most of the set's {what}s are"
                f" {expected[1]} x {expected[0]}; make it again in that size or remove the pair"
            )


def open_published(
    folder: Path,
    *,
    layout: str | None = None,
    tolerance: int | None = None,
    splits: Iterable[str] | None = None,
    per_split: int | None = None,
    watch: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> PublishedSet:
    """Find out what a folder holds and pair its files; only the heads of the pictures are read.

    Parameters
    ----------
    layout : str or None
        Name of the layout; None to detect it.
    tolerance : int or None
        Levels by which a label may differ from the colour of its class; None for the layout's.
    splits : iterable of str or None
        Only these.
    per_split : int or None
        At most so many pairs of each split, drawn at random and always the same.
    watch
        Wraps the list of pairs whose sizes are read, for a progress bar.

    Raises
    ------
    DatasetError
        If the folder holds no known set, or no pair of it.
    """
    root, found = detect_layout(folder, layout)
    present = present_splits(root, found)
    wanted = present if splits is None else [*splits]
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for split in wanted:
        if split not in present:
            raise DatasetError(f"{root} has no split {split!r}, expected one of {', '.join(present)}")
        in_split, unpaired = pair_split(root, found, split)
        pairs += in_split if per_split is None else sample(in_split, per_split)
        problems += unpaired
    if not pairs:
        why = f"the first file without a partner is {problems[0].file}" if problems else "their folders are empty"
        looked_for = " or ".join(found.looked_for)
        raise DatasetError(f"{root} holds no pair of {found.name}, {looked_for}: {why}; fetch it again")
    return PublishedSet(
        root=root,
        layout=found,
        pairs=tuple(pairs),
        problems=tuple(problems),
        sizes=_common_sizes(pairs, found, watch),
        tolerance=found.tolerance if tolerance is None else tolerance,
    )


def _common_sizes(pairs: list[Pair], layout: Layout, watch: Callable[[list[Pair]], Iterable[Pair]]) -> dict[str, Size]:
    """Sizes that most images and labels have; a file without a size is left to :meth:`PublishedSet.load`."""
    counts: dict[str, Counter[Size]] = {"image": Counter(), "label": Counter()}
    for pair in watch(pairs):
        for what, path in (("image", pair.image), ("label", pair.label)):
            try:
                counts[what][picture_size(path)] += 1
            except DatasetError:
                continue
    sizes = {what: max(count, key=lambda s: (count[s], s), default=(0, 0)) for what, count in counts.items()}
    if not layout.resizes_images and sizes["label"] != (0, 0):
        sizes["image"] = sizes["label"]  # so that an image of another size than its label is found out
    return sizes


def _resize(image: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear, as the sets' own scripts do it to the images of the layouts that allow it."""
    image_module = require_pillow()
    resized = image_module.fromarray(image).resize(size[::-1], image_module.Resampling.BILINEAR)
    return np.asarray(resized)


def read_parameters(path: Path) -> dict[str, Any]:
    """The structure ``params`` of a MATLAB file as JSON has it; empty where there is none.

    Raises
    ------
    DatasetError
        If the file cannot be read.
    """
    try:
        content = scipy.io.loadmat(path, simplify_cells=True, variable_names=["params"])
    except Exception as error:  # SciPy's reader raises whatever a damaged byte leads to
        raise DatasetError(f"{path} is no MATLAB file of version 4 to 7.2: {error}; fetch it again") from error
    params = content.get("params", {})
    return _to_plain(params) if isinstance(params, dict) else {"value": _to_plain(params)}


def _to_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _to_plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return [_to_plain(part) for part in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [_to_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
