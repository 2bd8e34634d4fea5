"""The figures of a checkpoint as a text and as JSON: what the model card quotes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..evaluation.confusion import Confusion
from ..inference import Session
from ..models.deployable import DeployableSegmenter
from ..synth import CLASS_LABELS, UNKNOWN, Scene
from .evaluation import Evaluation, evaluate, validation_scenes
from .recipe import TrainingRecipe
from .trainer import load_network

__all__ = ["evaluate_checkpoint", "fit_temperature", "parity_score"]

_CALIBRATION_FIRST = 100_000  # offset of the calibration scenes within the held-out seeds
_CALIBRATION_SCENES = 40


def fit_temperature(model: DeployableSegmenter, scenes: list[Scene]) -> float:
    """Temperature that minimises the cross entropy on scenes held out for it (0.5 to 3)."""
    grid = np.geomspace(0.5, 3.0, 26)
    losses = np.zeros(len(grid))
    for scene in scenes:
        truth = torch.from_numpy(scene.mask.astype(np.int64))[None]
        if (truth == UNKNOWN).all():
            continue
        with torch.no_grad():
            logits = model.logits(torch.from_numpy(scene.rows)[None])
        losses += [float(F.cross_entropy(logits / t, truth, ignore_index=UNKNOWN)) for t in grid]
    return float(grid[int(losses.argmin())])


def parity_score(checkpoint: Path, model_file: Path, *, scenes: int = 60) -> float:
    """Share of the pixels of held-out scenes on which a model file and its checkpoint agree."""
    session = Session(model_file)
    model = DeployableSegmenter(load_network(checkpoint))
    equal = total = 0
    for scene in validation_scenes(scenes, TrainingRecipe().scenes):
        with torch.no_grad():
            mask = model(torch.from_numpy(scene.rows)[None])[0].numpy()
        equal += int((session.run(scene.rows[None])[0] == mask).sum())
        total += mask.size
    return equal / total


def evaluate_checkpoint(checkpoint: Path, *, scenes: int, out: Path | None = None) -> str:
    """Figures on held-out scenes as text; ``out`` receives them as JSON, with the temperature."""
    recipe = TrainingRecipe().scenes
    model = DeployableSegmenter(load_network(checkpoint))
    temperature = fit_temperature(model, validation_scenes(_CALIBRATION_SCENES, recipe, first=_CALIBRATION_FIRST))
    result = evaluate(model, validation_scenes(scenes, recipe))
    if out is not None:
        facts = {
            "temperature": round(temperature, 3),
            "summary": {"scenes": scenes, **result.summary()},
            "confusion": result.total.counts.tolist(),
            "worst": sorted(result.scores, key=lambda s: s[1])[:40],
        }
        out.write_text(json.dumps(facts, indent=1) + "\n")
    return _text(result, temperature)


def _text(result: Evaluation, temperature: float) -> str:
    lines = [f"temperature {temperature:.2f}", f"accuracy {result.total.accuracy_score:.4f}"]
    lines += [f"mIoU {np.nanmean(result.total.iou_scores):.4f}", "class      IoU  recall"]
    for name, iou, recall in zip(CLASS_LABELS, result.total.iou_scores, result.total.recall_scores, strict=True):
        lines.append(f"{name:8s} {iou:.3f}   {recall:.3f}")
    lines.append("confusion (rows: truth)")
    lines += ["  ".join(f"{c:>10d}" for c in row) for row in result.total.counts]
    for title, table in (("SNR (carrier pixels)", result.by_snr), ("rate", result.by_rate), ("duration", result.by_duration)):
        lines.append(f"by {title}: accuracy, IoU of {', '.join(CLASS_LABELS)}, share of pixels")
        lines += [_row(name, table[name], result.total) for name in sorted(table, key=_leading_number)]
    lines.append("carriers: found, under the other name, missed")
    for name in sorted(result.bands, key=lambda n: (n.split()[0], _leading_number(n.split(maxsplit=1)[1]))):
        right, wrong, missed = result.bands[name]
        lines.append(f"{name:18s} {right:4d} {wrong:4d} {missed:4d}")
    return "\n".join(lines)


def _leading_number(name: str) -> float:
    return float(name.split()[0])


def _row(name: str, confusion: Confusion, total: Confusion) -> str:
    iou = " ".join(f"{v:.3f}" for v in confusion.iou_scores)
    return f"{name:14s} {confusion.accuracy_score:.4f}  {iou}  {confusion.counts.sum() / total.counts.sum():.3f}"
