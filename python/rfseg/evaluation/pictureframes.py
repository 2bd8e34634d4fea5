"""Pictures of a set as a model of the family ``published`` sees them, and what guessing without looking scores on them."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Iterable

import numpy as np

from ..contract import Contract
from ..datasets.classes import IGNORED
from ..datasets.items import Item
from ..datasets.shardset import ShardSet
from ..errors import DatasetError
from ..published_colours import from_parula
from .frames import JudgedFrame, item_geometry

__all__ = ["BlindGuesses", "PictureReader"]

_COLOUR_TOLERANCE = 6.0  # levels of 255, Euclidean; MATLAB's own table is 1.5 from this library's
_ASSUMED_SCALE_DB = (-156.5, -96.5)  # dB re 1/Hz of 0 and 255 where the set does not say: the published floor and span
_UNKNOWN_CLASS = 254  # a class of the set that the model lacks


class PictureReader:
    """Reads the items of a set of pictures for a model.

    Colours are brought back to levels, and levels to the decibels that they stood for, from which the model makes the very
    same levels.  A set may name classes that the model lacks, and the other way round, as long as no pixel has them.

    Parameters
    ----------
    dataset : ShardSet
    contract : Contract

    Raises
    ------
    DatasetError
        If the set's background has another name; later, if an item's rate, duration or size is not the contract's, its
        colours are not the published ones, or its truth has a class that the model does not know.
    """

    def __init__(self, dataset: ShardSet, contract: Contract) -> None:
        self._dataset, self._contract = dataset, contract
        self._name = str(dataset.folder)
        self._labels = dataset.description.labels
        if self._labels[0] != contract.labels[0]:
            raise DatasetError(
                f"{self._name} calls the background {self._labels[0]}, but the model {contract.name!r} calls it"
                f" {contract.labels[0]}; evaluate another model, or name it so when the model is made"
            )
        self._table = np.full(256, IGNORED, np.uint8)
        known = contract.labels
        self._table[: len(self._labels)] = [known.index(n) if n in known else _UNKNOWN_CLASS for n in self._labels]

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> JudgedFrame:
        item = self._dataset[index]
        name = f"item {index} of {self._name}"
        geometry = item_geometry(self._contract.make_geometry, item.metadata, item=name, command="import")
        if item.data.shape[:2] != (geometry.rows, geometry.bins):
            raise DatasetError(
                f"item {index} of {self._name} has {item.data.shape[0]} x {item.data.shape[1]} pixels, but the model"
                f" {self._contract.name!r} judges {geometry.rows} x {geometry.bins}; evaluate a model made for that size"
            )
        levels, distance = from_parula(item.data)
        if distance > _COLOUR_TOLERANCE:
            raise DatasetError(
                f"item {index} of {self._name} has a colour {distance:.0f} levels from any of the published map (parula), so its"
                " levels are unknown; give pictures as published, not blurred or drawn in other colours"
            )
        scale = item.metadata.get("scale_db", _ASSUMED_SCALE_DB)
        low, high = (float(value) + 10.0 * math.log10(1.5 * geometry.bin_width) for value in scale)  # dBFS
        rows = low + levels.astype(np.float32) * np.float32((high - low) / 255.0)
        return JudgedFrame(
            index=index,
            rows=rows[None].astype(np.float32),
            truth=self._truth(index, item),
            geometry=geometry,
            metadata=item.metadata,
            limits=np.array([low, high], np.float32),
        )

    def truths(self, indices: Iterable[int]) -> Iterable[tuple[dict[str, Any], np.ndarray]]:
        """Metadata and truth of some items."""
        for index in indices:
            item = self._dataset[index]
            yield item.metadata, self._truth(index, item)

    def _truth(self, index: int, item: Item) -> np.ndarray:
        mask = item.mask if item.mask.ndim == 2 else item.mask[0]
        truth = self._table[mask]
        if np.any(truth == _UNKNOWN_CLASS):
            labels = ", ".join(self._labels[i] for i in np.unique(mask[truth == _UNKNOWN_CLASS]))
            raise DatasetError(
                f"item {index} of {self._name} has pixels of {labels}, which the model {self._contract.name!r} does not know"
                f" (its classes: {', '.join(self._contract.labels)}); evaluate it on a set without, or another model on this one"
            )
        return truth


class BlindGuesses:
    """The class that each pixel most often has: what a set gives away to those who do not look.

    A frame is guessed from the other half of the set; halves are cut by draws, whose frames share their labels.

    Parameters
    ----------
    truths : iterable of (dict, uint8 ``(T, F)``)
        Metadata and truth of all frames.
    classes : int
    """

    def __init__(self, truths: Iterable[tuple[dict[str, Any], np.ndarray]], classes: int) -> None:
        self._classes = classes
        counts: dict[tuple[int, str | None], Any] = defaultdict(int)
        for number, (metadata, truth) in enumerate(truths):
            here = np.stack([truth == i for i in range(classes)]).astype(np.int32)  # (classes, T, F)
            half = _half(metadata, number)
            for scene in {None, metadata.get("scene")}:
                counts[half, scene] = counts[half, scene] + here
        # What never occurs in the other half is taken for background, the first of equal counts.
        self._guesses = {key: count.argmax(axis=0).astype(np.uint8) for key, count in counts.items()}

    def guess(self, metadata: dict[str, Any], number: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Guesses for a frame, uint8 ``(T, F)``: of the whole other half, and of its frames of the same scene."""
        other = 1 - _half(metadata, number)
        nothing = np.zeros(shape, np.uint8)
        by_pixel = self._guesses.get((other, None), nothing)
        return by_pixel, self._guesses.get((other, metadata.get("scene")), by_pixel)


def _half(metadata: dict[str, Any], number: int) -> int:
    """0 or 1, by the draw that the frame is of, where that is known."""
    draw = metadata.get("draw", metadata.get("frame", number))
    return (draw if isinstance(draw, int) else number) % 2
