"""Pulses found, by family, NTIA bin and SNR, and rows on which a pulse was seen that is none."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Sequence

import numpy as np
from scipy import ndimage

from ..datasets.classes import IGNORED
from .buckets import in_order, snr_bucket
from .confusion import plain
from .truth import TruePulse

__all__ = ["PulseScores"]


class PulseScores:
    """Counts over the frames of a set."""

    def __init__(self) -> None:
        self._frames = 0
        self._false_rows = 0
        self._ignored = 0
        self._groups: dict[str, dict[str, list[int]]] = {  # found, of so many
            name: defaultdict(lambda: [0, 0]) for name in ("total", "by_family", "by_ntia_bin", "by_snr")
        }

    def add(self, truth: np.ndarray, mask: np.ndarray, pulses: Sequence[TruePulse], *, class_ids: Sequence[int]) -> None:
        """Count one frame.

        A pulse is found if the mask has its class on its rows and between its edges, where the truth has that class or is
        unknown.  A row is false if the mask has a pulsed class on it, and nowhere within a pixel of truth of that kind or of
        what is unknown.

        Parameters
        ----------
        truth, mask : uint8 ``(T, F)``
        class_ids : sequence of int
            Of the pulsed classes.
        """
        self._frames += 1
        possible = np.isin(truth, [*class_ids, IGNORED])
        seen = np.isin(mask, class_ids)
        excused = seen & ndimage.binary_dilation(possible, np.ones((3, 3), bool))
        self._false_rows += int((seen.any(axis=1) & ~excused.any(axis=1)).sum())
        for pulse in pulses:
            if not pulse.is_judged:
                self._ignored += 1
                continue
            box = slice(pulse.row_start, pulse.row_stop), slice(pulse.bin_start, pulse.bin_stop)
            is_found = bool(((mask[box] == pulse.class_id) & possible[box]).any())
            names = ("all", pulse.family, pulse.ntia_bin, snr_bucket(pulse.snr_db))
            for group, name in zip(self._groups.values(), names, strict=True):
                group[name][0] += is_found
                group[name][1] += 1

    def to_json(self) -> dict[str, Any]:
        """Figures under the names of ``docs/evaluation.md``."""
        groups = {
            group: {name: _detection(*counts[name]) for name in in_order(counts)} for group, counts in self._groups.items()
        }
        total = groups.pop("total").get("all") or _detection(0, 0)
        rate = plain(self._false_rows / self._frames) if self._frames else None
        return {**total, "ignored": self._ignored, "false_rows_per_frame": rate, **groups}


def _detection(found: int, count: int) -> dict[str, Any]:
    return {"pulses": count, "found": found, "detection": plain(found / count) if count else None}
