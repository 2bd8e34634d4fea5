"""Whether a confidence of 0.8 is right in eight of ten pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..datasets.classes import IGNORED
from .confusion import plain

__all__ = ["CALIBRATION_BINS", "Calibration"]

CALIBRATION_BINS = 15  # Guo et al., "On Calibration of Modern Neural Networks", 2017


class Calibration:
    """Pixels by confidence, in bins of equal width from 0 to 1; those of unknown truth (255) do not count."""

    def __init__(self) -> None:
        self._pixels = np.zeros(256, np.int64)  # by confidence, of 255
        self._right = np.zeros(256, np.int64)

    def add(self, truth: np.ndarray, mask: np.ndarray, confidence: np.ndarray) -> None:
        """Count the pixels of a frame, each uint8 ``(T, F)``."""
        known = truth != IGNORED
        right = known & (truth == mask)
        self._pixels += np.bincount(confidence[known], minlength=256)
        self._right += np.bincount(confidence[right], minlength=256)

    def table(self) -> list[dict[str, float | int | None]]:
        """Bins of confidence: their limits, pixels, mean confidence and share of pixels that are right."""
        level = np.arange(256)
        place = np.minimum(level * CALIBRATION_BINS // 255, CALIBRATION_BINS - 1)
        lines = []
        for number in range(CALIBRATION_BINS):
            inside = place == number
            pixels = int(self._pixels[inside].sum())
            mean = (self._pixels * level)[inside].sum() / 255 / pixels if pixels else None
            lines.append(
                {
                    "low": plain(number / CALIBRATION_BINS),
                    "high": plain((number + 1) / CALIBRATION_BINS),
                    "pixels": pixels,
                    "confidence": plain(mean),
                    "accuracy": plain(self._right[inside].sum() / pixels) if pixels else None,
                }
            )
        return lines

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error: mean over the pixels of how far their bin's accuracy is from its confidence."""
        total = int(self._pixels.sum())
        if not total:
            return None
        gaps = (b["pixels"] * abs(b["accuracy"] - b["confidence"]) for b in self.table() if b["pixels"])
        return float(sum(gaps) / total)

    def to_json(self) -> dict[str, Any]:
        """Error and table under the names of ``docs/evaluation.md``."""
        return {"ece": plain(self.calibration_error), "bins": self.table()}
