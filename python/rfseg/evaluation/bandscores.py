"""Bands found, false alarms, wrong labels and errors of the edges, against the carriers of a scene's record."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import Any, Sequence

import numpy as np

from ..bands import Band
from ..contract import ClassKind, SignalClass
from ..datasets.classes import IGNORED
from ..geometry import Geometry
from .buckets import in_order, snr_bucket
from .confusion import plain
from .truth import TrueBand

__all__ = ["IOU_THRESHOLDS", "BandScores", "Verdict", "band_iou_score", "judge_bands"]

IOU_THRESHOLDS = (0.5, 0.75)
_EXCUSED_SHARE = 0.5  # of a band's area; where more lies on what is not judged, the band is no false alarm


class Verdict(Enum):
    """What a predicted band is."""

    RIGHT = "right"  # a carrier with an IoU of at least 0.5 and its label, or a pulse on a true one
    FALSE = "false"
    EXCUSED = "excused"  # half of it or more lies where nobody can tell


@dataclass(frozen=True)
class _Box:
    """A predicted carrier in rows and (fractional) bin edges."""

    class_id: int
    low: float
    high: float
    row_start: int
    row_stop: int

    @classmethod
    def from_band(cls, band: Band, geometry: Geometry) -> _Box:
        first, stop = band.sample_start, band.sample_start + band.sample_count
        low, high = (
            float(np.clip(geometry.freq_edge(edge), 0.0, geometry.bins))
            for edge in (band.freq_lower_edge, band.freq_upper_edge)
        )
        return cls(band.class_id, low, high, first // geometry.row_samples, -(-stop // geometry.row_samples))


def band_iou_score(found: _Box | TrueBand, true: TrueBand, truth: np.ndarray, carriers: Sequence[int]) -> float:
    """Intersection over union of two boxes in time and frequency, on the pixels that can be judged.

    Pixels of unknown truth count neither as common nor as different, and so do those inside the true box that
    another carrier owns.

    Parameters
    ----------
    truth : uint8 ``(T, F)``
    carriers : sequence of int
        Ids of the carrier classes.
    """
    counts = truth != IGNORED
    box = slice(true.row_start, true.row_stop), slice(int(true.low), int(np.ceil(true.high)))
    counts[box] &= ~np.isin(truth[box], [c for c in carriers if c != true.class_id])
    start, stop = max(found.row_start, true.row_start), min(found.row_stop, true.row_stop)
    low, high = max(found.low, true.low), min(found.high, true.high)
    both = _area(counts, (start, stop), (low, high)) if stop > start and high > low else 0.0
    either = sum(_area(counts, (b.row_start, b.row_stop), (b.low, b.high)) for b in (found, true)) - both
    return both / either if either > 0 else 0.0


def _area(counts: np.ndarray, rows: tuple[int, int], edges: tuple[float, float]) -> float:
    """Pixels inside a box that count; bins that it covers in part count in part."""
    bins = np.arange(counts.shape[1])
    cover = np.clip(np.minimum(edges[1], bins + 1) - np.maximum(edges[0], bins), 0.0, 1.0)
    return float(counts[slice(*rows)].sum(axis=0) @ cover)


def judge_bands(
    truth: np.ndarray,
    bands: Sequence[Band],
    true_bands: Sequence[TrueBand],
    geometry: Geometry,
    classes: Sequence[SignalClass],
) -> list[Verdict]:
    """What each predicted band of a frame is; see :meth:`BandScores.add` for the arguments.

    A pulse is right if a pixel in it, or next to it, is true; carriers are judged as :class:`BandScores` judges them.
    """
    carriers = [i for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER]
    boxes = [_Box.from_band(band, geometry) for band in bands]
    judged = [band for band in true_bands if band.is_judged]
    scores = np.zeros((len(boxes), len(judged)))
    for number, box in enumerate(boxes):
        for index, true in enumerate(judged):
            if box.class_id == true.class_id:
                scores[number, index] = band_iou_score(box, true, truth, carriers)
    found = {number for number, _ in _match(scores, IOU_THRESHOLDS[0])}
    found |= {n for n, box in enumerate(boxes) if box.class_id not in carriers and _is_on_truth(box, truth)}
    excused = _excused(boxes, truth, [band for band in true_bands if not band.is_judged])
    return [
        Verdict.RIGHT if number in found else Verdict.EXCUSED if excused[number] else Verdict.FALSE
        for number in range(len(boxes))
    ]


def _is_on_truth(box: _Box, truth: np.ndarray) -> bool:
    """Whether a pixel of the box, or next to it, is of its class."""
    rows = slice(max(0, box.row_start - 1), box.row_stop + 1)
    bins = slice(max(0, int(box.low) - 1), int(np.ceil(box.high)) + 1)
    return bool((truth[rows, bins] == box.class_id).any())


class BandScores:
    """Counts over the frames of a set.

    Parameters
    ----------
    classes : sequence of SignalClass
        Of the model; carriers are judged here, pulses in :class:`rfseg.evaluation.PulseScores`.
    """

    def __init__(self, classes: Sequence[SignalClass]) -> None:
        self._classes = tuple(classes)
        self._labels = {i: c.label for i, c in enumerate(classes) if c.kind is ClassKind.CARRIER}
        self._frames = 0
        self._ignored = 0
        self._judged: dict[int, int] = defaultdict(int)  # by class
        self._found: dict[tuple[float, int], int] = defaultdict(int)  # by threshold and class
        self._false: dict[tuple[float, int], int] = defaultdict(int)
        self._by_snr: dict[str, list[int]] = defaultdict(lambda: [0, 0])  # found at the first threshold, of so many
        self._named = [0, 0]  # found under another label, found under any
        self._rejected = {Verdict.RIGHT: [0, 0], Verdict.FALSE: [0, 0]}  # without a name, of so many; any class
        self._edge_errors: list[float] = []  # Hz

    def add(self, truth: np.ndarray, bands: Sequence[Band], true_bands: Sequence[TrueBand], geometry: Geometry) -> None:
        """Count one frame.

        Parameters
        ----------
        truth : uint8 ``(T, F)``
        bands : sequence of Band
            Of the prediction, frequencies in Hz from the centre, samples from the frame's first.
        """
        self._frames += 1
        judged = [band for band in true_bands if band.is_judged]
        self._ignored += len(true_bands) - len(judged)
        boxes = [_Box.from_band(band, geometry) for band in bands if band.class_id in self._labels]
        scores = np.array([[band_iou_score(b, t, truth, list(self._labels)) for t in judged] for b in boxes])
        scores = scores.reshape(len(boxes), len(judged))
        same = np.array([[b.class_id == t.class_id for t in judged] for b in boxes], bool).reshape(scores.shape)
        excused = _excused(boxes, truth, [band for band in true_bands if not band.is_judged])
        for true in judged:
            self._judged[true.class_id] += 1
        for threshold in IOU_THRESHOLDS:
            pairs = _match(np.where(same, scores, 0.0), threshold)
            for _, index in pairs:
                self._found[threshold, judged[index].class_id] += 1
            matched = {number for number, _ in pairs}
            for number, box in enumerate(boxes):
                if number not in matched and not excused[number]:
                    self._false[threshold, box.class_id] += 1
            if threshold == IOU_THRESHOLDS[0]:
                self._add_details(boxes, judged, pairs, geometry)
        for band, verdict in zip(bands, judge_bands(truth, bands, true_bands, geometry, self._classes), strict=True):
            if verdict in self._rejected:
                self._rejected[verdict][0] += band.guess is not None
                self._rejected[verdict][1] += 1
        named = _match(scores, IOU_THRESHOLDS[0])  # whatever the label
        self._named[0] += sum(not same[pair] for pair in named)
        self._named[1] += len(named)

    def _add_details(
        self, boxes: Sequence[_Box], judged: Sequence[TrueBand], pairs: Sequence[tuple[int, int]], geometry: Geometry
    ) -> None:
        """Detection by SNR, and the errors of the edges that the mask shows."""
        found = {index for _, index in pairs}
        for index, true in enumerate(judged):
            counts = self._by_snr[snr_bucket(true.snr_db)]
            counts[0] += index in found
            counts[1] += 1
        for number, index in pairs:
            box, true = boxes[number], judged[index]
            if true.shows_low:
                self._edge_errors.append(abs(box.low - true.low) * geometry.bin_width)
            if true.shows_high:
                self._edge_errors.append(abs(box.high - true.high) * geometry.bin_width)

    def to_json(self) -> dict[str, Any]:
        """Figures under the names of ``docs/evaluation.md``."""
        wrong, named = self._named
        errors = np.array(self._edge_errors) / 1e3
        return {
            "bands": sum(self._judged.values()),
            "ignored": self._ignored,
            "classes": {
                label: {"bands": self._judged[class_id]}
                | {f"iou_{threshold:g}": self._detection(threshold, class_id) for threshold in IOU_THRESHOLDS}
                for class_id, label in self._labels.items()
            },
            "by_snr": {
                name: {"bands": count, "found": found, "detection": plain(found / count)}
                for name in in_order(self._by_snr)
                for found, count in [self._by_snr[name]]
            },
            "wrong_label": {"found": named, "wrong": wrong, "rate": plain(wrong / named) if named else None},
            "rejected": {
                verdict.value: {"bands": count, "rejected": rejected, "rate": plain(rejected / count) if count else None}
                for verdict, (rejected, count) in self._rejected.items()
            },
            "edge_error_khz": {
                "edges": len(errors),
                "median": plain(np.median(errors)) if errors.size else None,
                "p90": plain(np.percentile(errors, 90)) if errors.size else None,
            },
        }

    def _detection(self, threshold: float, class_id: int) -> dict[str, Any]:
        found, judged = self._found[threshold, class_id], self._judged[class_id]
        return {
            "found": found,
            "detection": plain(found / judged) if judged else None,
            "false_alarms_per_frame": plain(self._false[threshold, class_id] / self._frames) if self._frames else None,
        }


def _match(scores: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Pairs of prediction and truth, best first, each in one pair at most, none below the threshold."""
    pairs = []
    scores = scores.copy()
    while scores.size and scores.max() >= threshold:
        number, index = divmod(int(scores.argmax()), scores.shape[1])
        pairs.append((number, index))
        scores[number] = scores[:, index] = 0.0
    return pairs


def _excused(boxes: Sequence[_Box], truth: np.ndarray, unjudged: Sequence[TrueBand]) -> list[bool]:
    """Whether half of each prediction, or more, lies on unknown pixels or on carriers that are not judged."""
    excuse = truth == IGNORED
    for band in unjudged:
        excuse[:, int(band.low) : int(np.ceil(band.high))] = True
    everything = np.ones_like(excuse)
    shares = []
    for box in boxes:
        rows, edges = (box.row_start, box.row_stop), (box.low, box.high)
        area = _area(everything, rows, edges)
        shares.append(_area(excuse, rows, edges) / area if area > 0 else 1.0)
    return [share >= _EXCUSED_SHARE for share in shares]
