"""What a set is made of: an item, and what all items of a set have in common."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Mapping

import numpy as np

from ..contract import ClassKind, SignalClass
from ..errors import ContractError, DatasetError
from ..geometry import ROWS, Reduction
from .classes import IGNORED, STANDARD_CLASSES

__all__ = ["Content", "Item", "SetDescription", "check_item", "level_rows", "restore_rows"]


class Content(str, Enum):
    """What the data of an item is."""

    ROWS = "rows"  # float16 (C, T, F), dB re the item's level_dbfs
    PICTURES = "pictures"  # uint8 (T, F, 3), RGB


@dataclass(frozen=True)
class Item:
    """One frame with its truth.

    Parameters
    ----------
    data
        Rows, float16 ``(C, T, F)``, or a picture, uint8 ``(T, F, 3)``; earliest row first, lowest
        frequency first.
    mask
        Class ids, uint8 ``(T, F)``, 255 where the truth is not known; or ``(M, T, F)``, one for each of the
        description's ``masks``.
    metadata : dict
        What JSON can hold.
    """

    data: np.ndarray
    mask: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SetDescription:
    """What all items of a set have in common.

    Parameters
    ----------
    name : str
        Of the set, for people.
    content : Content
        Rows or pictures.
    classes : tuple of SignalClass
        In the order of the ids in the masks, background first.
    masks : tuple of str
        Names of the masks of an item, such as ``occupied``; the first is the one that class shares count.
    family : str
        Geometry rule: ``rfseg`` (:mod:`rfseg.geometry`) or ``published``.
    samp_rate_range, frame_duration_range : (float, float)
        Hz and s.
    reductions : tuple of Reduction
        Channels of the rows, in order.
    recipe : str
        The recipe's text, or where else the items are from.
    source : dict
        Anything else that JSON can hold: commit, folder, options.
    """

    name: str
    content: Content
    samp_rate_range: tuple[float, float]
    frame_duration_range: tuple[float, float]
    classes: tuple[SignalClass, ...] = STANDARD_CLASSES
    masks: tuple[str, ...] = ("occupied",)
    family: str = "rfseg"
    reductions: tuple[Reduction, ...] = (Reduction.MEAN, Reduction.MAX)
    recipe: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", Content(self.content))
        for name in ("samp_rate_range", "frame_duration_range"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != 2 or not all(math.isfinite(v) for v in values) or not 0 < values[0] <= values[1]:
                raise DatasetError(f"{name}={values!r} must be two positive numbers, the lower first")
            object.__setattr__(self, name, values)
        for name in ("classes", "masks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "reductions", tuple(Reduction(r) for r in self.reductions))
        if not self.masks or len(set(self.masks)) != len(self.masks):
            raise DatasetError(f"masks={self.masks!r} must be names that differ, at least one")
        kinds = [c.kind for c in self.classes]
        if kinds[:1] != [ClassKind.BACKGROUND] or kinds.count(ClassKind.BACKGROUND) != 1 or len(kinds) > IGNORED:
            raise DatasetError(f"classes {self.labels} must begin with the one background, and be at most {IGNORED}")
        if len(set(self.labels)) != len(kinds):
            raise DatasetError(f"classes {self.labels} must have labels that differ")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels by class id."""
        return tuple(c.label for c in self.classes)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return json.loads(to_json(asdict(self)))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> SetDescription:
        """Inverse of :meth:`to_json`.

        Raises
        ------
        DatasetError
            If a field is missing, unknown or wrong.
        """
        try:
            return cls(**{**fields, "classes": tuple(SignalClass(**c) for c in fields["classes"])})
        except (ContractError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"the description of the set is not valid: {error}") from error


def to_json(value: Any) -> str:
    """JSON text, sorted and without blanks; NumPy's numbers are numbers, anything else unknown is refused.

    Raises
    ------
    DatasetError
        If JSON cannot hold the value.
    """
    try:
        return json.dumps(value, default=_plain, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"metadata must be what JSON can hold: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r:.60} is not")


def check_item(item: Item, description: SetDescription) -> None:
    """Compare an item with the description of its set.

    Raises
    ------
    DatasetError
        If a type, a shape, a value of a mask or the metadata does not fit.
    """
    data, mask = item.data, item.mask
    if description.content is Content.ROWS:
        channels = len(description.reductions)
        fits = data.dtype == np.float16 and data.ndim == 3 and data.shape[0] == channels
        expected, size = f"float16 ({channels}, T, F)", data.shape[1:]
        if fits and description.family == "rfseg" and data.shape[1] != ROWS:
            fits, expected = False, f"float16 ({channels}, {ROWS}, F)"
    else:
        fits = data.dtype == np.uint8 and data.ndim == 3 and data.shape[2] == 3
        expected, size = "uint8 (T, F, 3)", data.shape[:2]
    if not fits or not all(data.shape):
        raise DatasetError(f"the item's data is {data.dtype} {data.shape}, expected {expected}")
    count = len(description.masks)
    shapes = [(count, *size)] + ([size] if count == 1 else [])
    if mask.dtype != np.uint8 or mask.shape not in shapes:
        raise DatasetError(f"the item's mask is {mask.dtype} {mask.shape}, expected uint8 {shapes[-1]}")
    wrong = mask[(mask >= len(description.classes)) & (mask != IGNORED)]
    if wrong.size:
        raise DatasetError(
            f"the item's mask holds class {wrong[0]}, expected 0 to {len(description.classes) - 1}, or {IGNORED}"
        )
    if not isinstance(item.metadata, dict):
        raise DatasetError(f"the item's metadata is a {type(item.metadata).__name__}, expected a dict")


def level_rows(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows as a set holds them: float16, moved so that their values are small and finely resolved.

    Parameters
    ----------
    rows : float32 ``(C, T, F)``
        dBFS.

    Returns
    -------
    data : float16 ``(C, T, F)``
        dB re the level; resolved to 0.03 dB within 64 dB of it.
    level_dbfs : float
        Median of the first channel, dBFS.
    """
    level = round(float(np.median(rows[0])), 3)
    return (rows - np.float32(level)).astype(np.float16), level


def restore_rows(item: Item) -> np.ndarray:
    """Inverse of :func:`level_rows`: float32 ``(C, T, F)``, dBFS."""
    return item.data.astype(np.float32) + np.float32(item.metadata.get("level_dbfs", 0.0))
