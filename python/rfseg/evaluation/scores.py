"""Everything that is counted of one system: a model, or a baseline beside it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Sequence

import numpy as np

from ..bands import BandRules, mask_to_bands
from ..contract import ClassKind, SignalClass
from ..datasets.classes import IGNORED
from ..geometry import Frame
from .bandscores import BandScores
from .buckets import HIGH_SNR, HIGH_SNR_DB, in_order, snr_bucket
from .calibration import Calibration
from .confusion import Confusion
from .frames import JudgedFrame
from .pulsescores import PulseScores
from .truth import TrueBand, TruePulse, band_pixels

__all__ = ["PIXEL_GROUPS", "Scores"]

# Carrier pixels by the carrier's SNR and channel bandwidth; all pixels by what holds for the whole frame
PIXEL_GROUPS = ("by_snr", "by_bandwidth", "by_frame_snr", "by_total_snr", "by_scene", "by_duration", "by_rate")


class Scores:
    """Counts over the frames of a set.

    Parameters
    ----------
    title : str
        Of the system, for people.
    classes : sequence of SignalClass
        Of the model.
    rules : BandRules
        What counts as a band; those that they label ``Unknown`` are scored under their guess, and counted.
    """

    def __init__(self, title: str, classes: Sequence[SignalClass], rules: BandRules = BandRules()) -> None:
        self.title, self.classes = title, tuple(classes)
        self.labels = tuple(c.label for c in classes)
        self._rules = rules
        self.total = self._confusion()
        self.groups = {name: defaultdict(self._confusion) for name in PIXEL_GROUPS}
        self.calibration: Calibration | None = None
        self.bands: BandScores | None = None  # where the set says who sends
        self.pulses: PulseScores | None = None

    def add(
        self,
        frame: JudgedFrame,
        mask: np.ndarray,
        confidence: np.ndarray | None,
        record: tuple[Sequence[TrueBand], Sequence[TruePulse]] | None,
    ) -> None:
        """Count one frame.

        Parameters
        ----------
        mask : uint8 ``(T, F)``
        confidence : uint8 ``(T, F)`` or None
            None for a system that has none: it is sure of all, and is not asked for its calibration.
        record : tuple or None
            The frame's true bands and pulses, where they are known.
        """
        self.total.add(frame.truth, mask)
        self.groups["by_duration"][f"{frame.metadata['frame_duration'] * 1e3:g} ms"].add(frame.truth, mask)
        self.groups["by_rate"][f"{frame.geometry.samp_rate / 1e6:g} MS/s"].add(frame.truth, mask)
        if "scene" in frame.metadata:
            self.groups["by_scene"][str(frame.metadata["scene"])].add(frame.truth, mask)
        if "noise_free" in frame.metadata:
            name = "no noise" if frame.metadata["noise_free"] else f"{frame.metadata['snr_db']:g} dB"
            self.groups["by_total_snr"][name].add(frame.truth, mask)
        if confidence is not None:
            self.calibration = self.calibration or Calibration()
            self.calibration.add(frame.truth, mask, confidence)
        if record is not None:
            self._add_carriers(frame, mask, record[0])
            self._add_bands(frame, mask, confidence, record[0])
            self.pulses = self.pulses or PulseScores()
            pulsed = [i for i, c in enumerate(self.classes) if c.kind is ClassKind.PULSED]
            self.pulses.add(frame.truth, mask, record[1], class_ids=pulsed)

    def to_json(self) -> dict[str, Any]:
        """Figures under the names of ``docs/evaluation.md``."""
        groups = {
            group: {name: counts[name].to_json(self.labels) for name in in_order(counts)}
            for group, counts in self.groups.items()
        }
        return {
            "title": self.title,
            "pixels": self.total.to_json(self.labels) | groups,
            "bands": self.bands.to_json() if self.bands else None,
            "pulses": self.pulses.to_json() if self.pulses else None,
            "calibration": self.calibration.to_json() if self.calibration else None,
        }

    def _confusion(self) -> Confusion:
        return Confusion(len(self.classes))

    def _add_carriers(self, frame: JudgedFrame, mask: np.ndarray, bands: Sequence[TrueBand]) -> None:
        """The pixels of each carrier by what it is, and all pixels by the weakest one that shows."""
        snrs_db = []
        for band in bands:
            bins = band_pixels(band, frame.geometry.bins)
            own = frame.truth[:, bins] == band.class_id
            if not own.any():
                continue
            snrs_db.append(band.snr_db)
            truth = np.where(own, band.class_id, IGNORED)
            for group, name in (
                ("by_snr", snr_bucket(band.snr_db)),
                ("by_bandwidth", f"{self.labels[band.class_id]} {band.channel}"),
            ):
                self.groups[group][name].add(truth, mask[:, bins])
        if snrs_db:
            names = [snr_bucket(min(snrs_db)), *([HIGH_SNR] if min(snrs_db) >= HIGH_SNR_DB else [])]
            for name in names:
                self.groups["by_frame_snr"][name].add(frame.truth, mask)

    def _add_bands(
        self, frame: JudgedFrame, mask: np.ndarray, confidence: np.ndarray | None, true_bands: Sequence[TrueBand]
    ) -> None:
        geometry = frame.geometry
        whole = Frame(
            index=frame.index,
            sample_start=0,
            sample_count=geometry.frame_samples,
            valid_samples=geometry.frame_samples,
            samp_rate=geometry.samp_rate,
        )
        certain = np.full(mask.shape, 255, np.uint8) if confidence is None else confidence
        where = {"frame": whole, "geometry": geometry, "classes": self.classes}
        bands = mask_to_bands(mask, certain, frame.rows, **where, rules=self._rules)
        self.bands = self.bands or BandScores(self.classes)
        self.bands.add(frame.truth, bands, true_bands, geometry)
