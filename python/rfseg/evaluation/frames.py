"""Frames of a set as a model sees them, held to the model's contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..contract import Contract
from ..datasets.classes import IGNORED
from ..datasets.items import Content, SetDescription, restore_rows
from ..datasets.shardset import ShardSet
from ..errors import DatasetError, GeometryError
from ..geometry import Geometry

__all__ = ["FrameReader", "JudgedFrame", "item_geometry"]


@dataclass(frozen=True, kw_only=True)
class JudgedFrame:
    """One frame with its truth.

    Parameters
    ----------
    index : int
        Of the item in its set.
    rows : float32 ``(C, T, F)``
        dBFS, in the order of the contract's reductions.
    truth : uint8 ``(T, F)``
        Class ids of the model, 255 where the truth is not known.
    metadata : dict
        Of the item.
    limits : float32 ``(2,)`` or None
        dBFS that become 0 and 255, for models of the family ``published``.
    """

    index: int
    rows: np.ndarray
    truth: np.ndarray
    geometry: Geometry
    metadata: dict[str, Any]
    limits: np.ndarray | None = None

    @property
    def has_record(self) -> bool:
        """Whether it is known who sends in it."""
        return "emitters" in self.metadata


class FrameReader:
    """Reads the items of a set for a model.

    Parameters
    ----------
    dataset : ShardSet
    contract : Contract

    Raises
    ------
    DatasetError
        If the set holds pictures, rows of another kind or classes that the model does not know; later, if an item's
        rate, duration or shape is not one that the contract covers.
    """

    def __init__(self, dataset: ShardSet, contract: Contract) -> None:
        self._dataset, self._contract = dataset, contract
        self._name = str(dataset.folder)
        description = dataset.description
        self._check_content(description)
        missing = [r.value for r in contract.reductions if r not in description.reductions]
        if missing:
            raise DatasetError(
                f"{self._name} has the reductions {', '.join(r.value for r in description.reductions)}, but the model"
                f" {contract.name!r} needs {', '.join(missing)} too; make the set with it, or evaluate another model"
            )
        self._channels = [description.reductions.index(r) for r in contract.reductions]
        self._table = self._class_table(description)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> JudgedFrame:
        item = self._dataset[index]
        name = f"item {index} of {self._name}"
        geometry = item_geometry(self._contract.make_geometry, item.metadata, item=name, command="from-sigmf")
        rows = restore_rows(item)[self._channels]
        expected = (geometry.channels, geometry.rows, geometry.bins)
        if rows.shape != expected:
            raise DatasetError(
                f"item {index} of {self._name} has rows {rows.shape}, but the contract of {self._contract.name!r} wants"
                f" {expected} at {geometry.samp_rate:g} Hz; make the set with this version of rfseg"
            )
        mask = item.mask if item.mask.ndim == 2 else item.mask[0]
        return JudgedFrame(
            index=index, rows=rows, truth=self._table[mask], geometry=geometry, metadata=item.metadata
        )

    def _check_content(self, description: SetDescription) -> None:
        if description.content is Content.PICTURES:
            raise DatasetError(
                f"{self._name} holds pictures, but the model {self._contract.name!r} takes spectrogram rows in dBFS; evaluate"
                " it on a set of rows (rfseg synth rfseg-test), or on these pictures a model that was trained on such"
                " (family 'published', see docs/importing.md)"
            )
        if self._contract.family == "published":
            raise DatasetError(
                f"{self._name} holds rows in dBFS, but the model {self._contract.name!r} judges pictures of the published kind;"
                " evaluate it on a set of pictures (rfseg synth protocol-radar, rfseg dataset import)"
            )
        if description.family != self._contract.family:
            raise DatasetError(
                f"{self._name} has the geometry {description.family!r}, but the model {self._contract.name!r} was made for"
                f" {self._contract.family!r}; evaluate it on a set that rfseg synth or rfseg dataset from-sigmf made"
            )

    def _class_table(self, description: SetDescription) -> np.ndarray:
        """Class id of the model by class id of the set, uint8 ``(256,)``."""
        known = self._contract.labels
        unknown = [label for label in description.labels if label not in known]
        if unknown or description.labels[0] != known[0]:
            what = f"does not know {', '.join(unknown)}" if unknown else f"calls the background {known[0]}"
            raise DatasetError(
                f"{self._name} has the classes {', '.join(description.labels)}, but the model {self._contract.name!r} {what}"
                f" (its classes: {', '.join(known)}); rename or leave out labels when the set is made"
                " (rfseg dataset from-sigmf --map LABEL=CLASS), or evaluate another model"
            )
        table = np.full(256, IGNORED, np.uint8)
        table[: len(description.labels)] = [known.index(label) for label in description.labels]
        return table


def item_geometry(make: Callable[..., Geometry], metadata: dict[str, Any], *, item: str, command: str) -> Geometry:
    """The geometry of an item by what it states.

    Parameters
    ----------
    make : callable
        Method of the contract that takes samp_rate (Hz) and frame_duration (s).
    item, command : str
        Names of the item, and of the command that makes such sets, for messages.

    Raises
    ------
    DatasetError
        If the item does not state them, or the model does not take them.
    """
    try:
        samp_rate, duration = float(metadata["samp_rate"]), float(metadata["frame_duration"])
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{item} does not state samp_rate and frame_duration; make the set with rfseg synth or rfseg dataset {command}"
        ) from error
    try:
        return make(samp_rate, frame_duration=duration)
    except GeometryError as error:
        raise DatasetError(f"{item} is nothing for this model: {error}") from error
