"""What a network reaches on held-out scenes: per class, per signal-to-noise ratio, per rate and per band."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..evaluation.confusion import Confusion
from ..models.deployable import DeployableSegmenter
from ..synth import CLASS_LABELS, UNKNOWN, Recipe, Scene, make_scene
from .recipe import VALIDATION_SEED

__all__ = ["Confusion", "Evaluation", "count_scene", "evaluate", "validation_scenes"]

_SNR_EDGES_DB = (-10, -5, 0, 5, 10, 20, 30, 60)


@dataclass
class Evaluation:
    """Figures over a set of scenes."""

    total: Confusion = field(default_factory=Confusion)
    by_snr: dict[str, Confusion] = field(default_factory=lambda: defaultdict(Confusion))
    by_rate: dict[str, Confusion] = field(default_factory=lambda: defaultdict(Confusion))
    by_duration: dict[str, Confusion] = field(default_factory=lambda: defaultdict(Confusion))
    scores: list[tuple[int, float]] = field(default_factory=list)  # (scene, share of pixels right)
    bands: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))

    def summary(self) -> dict[str, float]:
        """The figures that a log line holds."""
        iou = self.total.iou_scores
        return {
            "accuracy": round(self.total.accuracy_score, 4),
            "miou": round(float(np.nanmean(iou)), 4),
            **{f"iou_{name}": round(float(v), 4) for name, v in zip(CLASS_LABELS, iou, strict=True)},
        }


def validation_scenes(count: int, recipe: Recipe, *, first: int = 0) -> list[Scene]:
    """Held-out scenes; the samples are dropped to save memory."""
    scenes = (make_scene(recipe, VALIDATION_SEED + index) for index in range(first, first + count))
    return [replace(scene, iq=scene.iq[:0]) for scene in scenes]


def evaluate(model: DeployableSegmenter, scenes: Iterable[Scene]) -> Evaluation:
    """Run the model over scenes and count."""
    result = Evaluation()
    model = model.eval()
    for index, scene in enumerate(scenes):
        with torch.no_grad():
            mask = model(torch.from_numpy(scene.rows)[None])[0][0].numpy()
        count_scene(result, index, scene, mask)
    return result


def count_scene(result: Evaluation, index: int, scene: Scene, mask: np.ndarray) -> None:
    """Add one scene's mask ``(T, F)`` to the figures."""
    result.total.add(scene.mask, mask)
    result.by_rate[f"{scene.geometry.samp_rate / 1e6:g} MS/s"].add(scene.mask, mask)
    result.by_duration[f"{scene.geometry.frame_duration * 1e3:.0f} ms"].add(scene.mask, mask)
    known = scene.mask != UNKNOWN
    result.scores.append((index, float((mask == scene.mask)[known].mean()) if known.any() else 1.0))
    for emitter in scene.emitters:
        if emitter.label in ("LTE", "NR"):
            low = max(0, round(scene.geometry.freq_edge(emitter.freq_lower_edge)))
            high = round(scene.geometry.freq_edge(emitter.freq_upper_edge))
            part, truth = mask[:, low:high], scene.mask[:, low:high]
            own = truth == CLASS_LABELS.index(emitter.label)
            if own.any():
                _count_carrier(result, emitter.label, emitter.snr_db, part, np.where(own, truth, UNKNOWN))


def _count_carrier(result: Evaluation, label: str, snr_db: float, mask: np.ndarray, truth: np.ndarray) -> None:
    """Pixels of one carrier by SNR, and the band as a whole: found, under the wrong name, or missed."""
    bucket = int(np.clip(np.searchsorted(_SNR_EDGES_DB, snr_db, side="right") - 1, 0, len(_SNR_EDGES_DB) - 2))
    name = f"{_SNR_EDGES_DB[bucket]} to {_SNR_EDGES_DB[bucket + 1]} dB"
    result.by_snr[name].add(truth, mask)
    counts = np.bincount(mask[truth != UNKNOWN], minlength=len(CLASS_LABELS))
    right = counts[CLASS_LABELS.index(label)]
    wrong = counts[CLASS_LABELS.index("NR" if label == "LTE" else "LTE")]
    verdict = 0 if right >= 0.5 * counts.sum() and right > wrong else 1 if wrong >= 0.3 * counts.sum() else 2
    result.bands[f"{label} {name}"][verdict] += 1
