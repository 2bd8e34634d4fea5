"""Pixels by true and by assigned class, and every figure that follows from them."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..datasets.classes import IGNORED, STANDARD_CLASSES

__all__ = ["Confusion", "mean_score", "plain"]


class Confusion:
    """Pixels by true and by assigned class; those of unknown truth (255) do not count."""

    def __init__(self, classes: int = len(STANDARD_CLASSES)) -> None:
        self.counts = np.zeros((classes, classes), np.int64)  # [true, assigned]

    def add(self, truth: np.ndarray, mask: np.ndarray) -> None:
        """Count the pixels of two masks ``(T, F)``."""
        known = truth != IGNORED
        size = len(self.counts)
        pairs = truth[known].astype(np.int64) * size + mask[known]
        self.counts += np.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def pixels(self) -> int:
        """Pixels that count."""
        return int(self.counts.sum())

    @property
    def iou_scores(self) -> np.ndarray:
        """Intersection over union of each class; NaN where neither has it."""
        return self._shares(self.counts.sum(0) + self.counts.sum(1) - np.diag(self.counts))

    @property
    def recall_scores(self) -> np.ndarray:
        """Share of each class that was found; NaN where there is none of it."""
        return self._shares(self.counts.sum(1))

    @property
    def precision_scores(self) -> np.ndarray:
        """Share of what was assigned to each class that is of it; NaN where nothing was."""
        return self._shares(self.counts.sum(0))

    @property
    def f1_scores(self) -> np.ndarray:
        """Harmonic mean of precision and recall of each class; NaN where neither has it."""
        return self._shares((self.counts.sum(0) + self.counts.sum(1)) / 2)

    @property
    def accuracy_score(self) -> float:
        """Share of pixels that are right (micro)."""
        return float(np.trace(self.counts) / max(1, self.counts.sum()))

    @property
    def macro_accuracy_score(self) -> float | None:
        """Mean recall of the classes that occur."""
        return mean_score(self.recall_scores)

    @property
    def mean_iou_score(self) -> float | None:
        """Mean IoU of the classes that occur or are assigned."""
        return mean_score(self.iou_scores)

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        """Every figure under the names of ``docs/evaluation.md``; None where there is nothing to divide by."""
        by_class = zip(labels, self.iou_scores, self.precision_scores, self.recall_scores, self.f1_scores, strict=True)
        return {
            "pixels": self.pixels,
            "accuracy": plain(self.accuracy_score) if self.pixels else None,
            "macro_accuracy": plain(self.macro_accuracy_score),
            "mean_iou": plain(self.mean_iou_score),
            "classes": {
                label: {"iou": plain(iou), "precision": plain(precision), "recall": plain(recall), "f1": plain(f1)}
                for label, iou, precision, recall, f1 in by_class
            },
            "confusion": self.counts.tolist(),
        }

    def _shares(self, total: np.ndarray) -> np.ndarray:
        hit = np.diag(self.counts).astype(float)
        return np.divide(hit, total, out=np.full(len(hit), np.nan), where=total > 0)


def mean_score(scores: np.ndarray) -> float | None:
    """Mean of the scores that are numbers; None if none is."""
    there = scores[~np.isnan(scores)]
    return float(there.mean()) if there.size else None


def plain(value: float | None) -> float | None:
    """A figure as JSON has it: six digits, None for NaN."""
    return None if value is None or np.isnan(value) else round(float(value), 6)
