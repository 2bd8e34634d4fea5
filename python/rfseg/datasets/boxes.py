"""SigMF annotations as boxes in time and frequency, and boxes painted into a mask.

Rules
-----
* A box labels every row that it touches, and every bin whose centre it covers, but at least one bin.
* Without frequency edges a box covers the whole band; without a length it lasts to the end of its capture (SigMF).
* Where boxes overlap: ``ignore`` over pulsed classes over carriers over the background; among equals the
  smaller one (in time times frequency) over the larger, then the later one in the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from ..contract import ClassKind, SignalClass
from ..errors import DatasetError
from ..geometry import Frame, Geometry
from ..sigmf import Recording
from .classes import IGNORED

__all__ = ["IGNORE", "Box", "paint_boxes", "read_boxes"]

IGNORE = "ignore"  # in place of a class: the truth of the box is not known
_RANKS = {ClassKind.BACKGROUND: 0, ClassKind.CARRIER: 1, ClassKind.PULSED: 2}
_TOP_RANK = 3


@dataclass(frozen=True, kw_only=True)
class Box:
    """An annotation that was found to lie in its recording.

    Parameters
    ----------
    index : int
        Of the annotation in its file.
    class_id : int
        255 for one that is to be ignored.
    sample_start, sample_stop : int
        As the recording counts samples, half-open.
    edges : (float, float) or None
        Hz: RF where the capture states its centre; None for the whole band.
    """

    index: int
    class_id: int
    sample_start: int
    sample_stop: int
    edges: tuple[float, float] | None

    def area(self, samp_rate: float) -> float:
        """Samples times Hz."""
        width = samp_rate if self.edges is None else self.edges[1] - self.edges[0]
        return (self.sample_stop - self.sample_start) * width


def read_boxes(recording: Recording, class_ids: Mapping[str, int]) -> list[Box]:
    """The annotations of a recording, each held against the recording.

    Parameters
    ----------
    class_ids : dict of str to int
        Class id, or 255, of each label.

    Raises
    ------
    DatasetError
        If an annotation has an unknown label, is malformed, or lies outside the recording in time or in frequency;
        the text names file, annotation and values.
    """
    boxes = []
    for index, annotation in enumerate(recording.annotations):
        label = _label(recording, index, annotation)
        if label not in class_ids:
            what = f"the label {label!r}" if label else "no core:label"
            known = ", ".join(class_ids)
            remedy = f"add it to --classes or give --map {label}=CLASS"
            raise _wrong(recording, index, f"{what}, expected one of {known}; {remedy}")
        start, stop = _span(recording, index, annotation)
        edges = _edges(recording, index, annotation)
        if edges is not None:
            _check_in_band(recording, index, start, stop, edges)
        boxes.append(
            Box(index=index, class_id=class_ids[label], sample_start=start, sample_stop=stop, edges=edges)
        )
    return boxes


def _wrong(recording: Recording, index: int, text: str) -> DatasetError:
    return DatasetError(f"annotation {index} of {recording.source.described_in} has {text}")


def _label(recording: Recording, index: int, annotation: Mapping[str, Any]) -> str:
    """The label without blanks around it, empty where there is none."""
    label = annotation.get("core:label") or ""
    if not isinstance(label, str):
        raise _wrong(recording, index, f"core:label={label!r}, expected a text; correct it")
    return label.strip()


def _span(recording: Recording, index: int, annotation: Mapping[str, Any]) -> tuple[int, int]:
    """First sample and the one after the last, as the recording counts them."""
    stated = annotation.get("core:sample_start"), annotation.get("core:sample_count")
    for key, value in zip(("core:sample_start", "core:sample_count"), stated):
        optional = key == "core:sample_count" and value is None
        if not optional and (isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1):
            raise _wrong(recording, index, f"{key}={value!r}, expected an integer")
    start = int(stated[0]) - recording.sample_offset
    later = [first for first, _, _ in recording.captures if first > start]
    stop = (later or [recording.sample_count])[0] if stated[1] is None else start + int(stated[1])
    if not 0 <= start < stop <= recording.sample_count:
        first = recording.sample_offset
        raise _wrong(
            recording,
            index,
            f"core:sample_start={stated[0]}, core:sample_count={stated[1]}, but the recording holds the samples"
            f" {first} to {first + recording.sample_count}; correct or remove it",
        )
    return start, stop


def _edges(recording: Recording, index: int, annotation: Mapping[str, Any]) -> tuple[float, float] | None:
    low, high = annotation.get("core:freq_lower_edge"), annotation.get("core:freq_upper_edge")
    if low is None and high is None:
        return None
    numbers = [v for v in (low, high) if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        raise _wrong(
            recording,
            index,
            f"core:freq_lower_edge={low!r}, core:freq_upper_edge={high!r}, expected two frequencies in Hz, the lower"
            " first, or neither; correct it",
        )
    return float(numbers[0]), float(numbers[1])


def _check_in_band(recording: Recording, index: int, start: int, stop: int, edges: tuple[float, float]) -> None:
    """An annotation that no part of is in the band of any capture that it touches is a mistake."""
    half = recording.samp_rate / 2
    ends = [first for first, _, _ in recording.captures[1:]] + [recording.sample_count]
    bands = [
        ((center or 0.0) - half, (center or 0.0) + half)
        for (first, center, _), end in zip(recording.captures, ends)
        if first < stop and start < end
    ]
    if not any(low < edges[1] and edges[0] < high for low, high in bands):
        listed = ", ".join(f"{low:.0f} to {high:.0f} Hz" for low, high in bands)
        raise _wrong(
            recording,
            index,
            f"core:freq_lower_edge={edges[0]:.0f}, core:freq_upper_edge={edges[1]:.0f}, but the recording covers"
            f" {listed}; correct or remove it",
        )


def paint_boxes(
    boxes: Sequence[Box],
    *,
    frame: Frame,
    geometry: Geometry,
    classes: Sequence[SignalClass],
    unlabelled: int = 0,
) -> np.ndarray:
    """Mask of a frame (see the module's rules).

    Parameters
    ----------
    unlabelled : int
        Value of the pixels that no box covers: 0 or 255.

    Returns
    -------
    uint8 ``(T, F)``
        Class ids; 255 in the rows after the frame's valid samples.
    """

    def order(box: Box) -> tuple[float, ...]:
        rank = _TOP_RANK if box.class_id == IGNORED else _RANKS[classes[box.class_id].kind]
        return rank, -box.area(geometry.samp_rate), box.index

    mask = np.full((geometry.rows, geometry.bins), unlabelled, np.uint8)
    touching = [b for b in boxes if b.sample_start < frame.watermark and frame.sample_start < b.sample_stop]
    for box in sorted(touching, key=order):
        first = max(0, (box.sample_start - frame.sample_start) // geometry.row_samples)
        stop = -(-(box.sample_stop - frame.sample_start) // geometry.row_samples)
        left, right = _bins(box.edges, frame, geometry)
        mask[first:stop, left:right] = box.class_id
    mask[geometry.valid_rows(frame.valid_samples) :] = IGNORED
    return mask


def _bins(edges: tuple[float, float] | None, frame: Frame, geometry: Geometry) -> tuple[int, int]:
    """Bins whose centre lies between the edges, at least one where any of the band does."""
    if edges is None:
        return 0, geometry.bins
    low, high = (geometry.freq_edge(edge - (frame.center_freq or 0.0)) for edge in edges)
    if high <= 0 or low >= geometry.bins:
        return 0, 0
    left, right = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if right <= left:
        left = math.floor((low + high) / 2)
        right = left + 1
    return min(max(left, 0), geometry.bins - 1), max(min(right, geometry.bins), 1)
