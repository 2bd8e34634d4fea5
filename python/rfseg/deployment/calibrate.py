"""Confidence that means something: the temperature of the softmax, and the bands that deserve no name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import optimize

from ..bands import mask_to_bands
from ..datasets.classes import IGNORED
from ..evaluation.bandscores import Verdict, judge_bands
from ..evaluation.calibration import Calibration
from ..evaluation.truth import read_bands
from ..geometry import Frame
from ..inference import Session
from ..models.deployable import DeployableSegmenter, quantise_probability
from ..synth import Scene
from .heldout import truth_of

__all__ = [
    "BandVerdict",
    "Pixels",
    "Rejection",
    "band_calibration_error",
    "collect_bands",
    "collect_pixels",
    "count_rejections",
    "cross_validate",
    "fit_temperature",
    "fit_thresholds",
]

_TEMPERATURES = (0.2, 5.0)
_FEWEST = 20  # right bands of a class; with fewer a threshold would rest on chance
_BAND_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Known pixels of many scenes: logits, float32 ``(P, classes)``, and their classes, int64 ``(P,)``."""

    logits: torch.Tensor
    truth: torch.Tensor

    def loss(self, temperature: float) -> float:
        """Mean negative log likelihood."""
        return float(F.cross_entropy(self.logits / temperature, self.truth))

    def calibration_error(self, temperature: float) -> float:
        """Expected calibration error of the confidences that a file with this temperature gives, 0 to 1."""
        best = (self.logits / temperature).softmax(dim=1).max(dim=1)
        calibration = Calibration()
        truth, mask = (v.numpy().astype(np.uint8)[None] for v in (self.truth, best.indices))
        calibration.add(truth, mask, quantise_probability(best.values).numpy()[None])
        return float(calibration.calibration_error)


def collect_pixels(model: DeployableSegmenter, scenes: Iterable[Scene], labels: Sequence[str]) -> Pixels:
    """What the network says of the pixels whose truth is known."""
    logits, truths = [torch.zeros(0, len(labels))], [torch.zeros(0, dtype=torch.int64)]
    for scene in scenes:
        truth = torch.from_numpy(truth_of(scene, labels).astype(np.int64))  # (T, F)
        with torch.no_grad():
            answer = model.eval().logits(torch.from_numpy(scene.rows)[None])[0]  # (classes, T, F)
        known = truth != IGNORED
        logits.append(answer.permute(1, 2, 0)[known])
        truths.append(truth[known])
    return Pixels(logits=torch.cat(logits), truth=torch.cat(truths))


def fit_temperature(pixels: Pixels) -> float:
    """The temperature, 0.2 to 5, at which the true classes of the pixels are most likely; 1 where there are none."""
    if not len(pixels.truth):
        return 1.0
    low, high = np.log(_TEMPERATURES)
    best = optimize.minimize_scalar(
        lambda x: pixels.loss(float(np.exp(x))), bounds=(low, high), method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(best.x))


@dataclass(frozen=True)
class BandVerdict:
    """A band that a model found: in which scene, its class, its confidence, and whether it is right."""

    scene: int
    label: str
    confidence: float
    is_right: bool


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """What thresholds do to the bands of a class: how many are right, how many of those keep their name, and so on."""

    right: int
    right_kept: int
    false: int
    false_rejected: int

    def __str__(self) -> str:
        kept = f"{self.right_kept / self.right:.1%} of {self.right}" if self.right else "none of 0"
        rejected = f"{self.false_rejected / self.false:.1%} of {self.false}" if self.false else "none of 0"
        return f"{kept} right bands keep their name, {rejected} false ones lose it"


def collect_bands(session: Session, scenes: Iterable[Scene]) -> list[BandVerdict]:
    """The bands that a model finds in scenes, without those that can be judged neither way."""
    classes, labels = session.contract.classes, session.contract.labels
    verdicts = []
    for number, scene in enumerate(scenes):
        geometry, truth = scene.geometry, truth_of(scene, labels)
        masks, confidences = session.run(scene.rows[None])
        count = geometry.frame_samples
        frame = Frame(index=0, sample_start=0, sample_count=count, valid_samples=count, samp_rate=geometry.samp_rate)
        bands = mask_to_bands(masks[0], confidences[0], scene.rows, frame=frame, geometry=geometry, classes=classes)
        record = {"emitters": [vars(emitter) for emitter in scene.emitters]}
        true_bands = read_bands(record, truth, geometry, classes)
        for band, verdict in zip(bands, judge_bands(truth, bands, true_bands, geometry, classes), strict=True):
            if verdict is not Verdict.EXCUSED:
                verdicts.append(BandVerdict(number, band.label, band.confidence, verdict is Verdict.RIGHT))
    return verdicts


def fit_thresholds(bands: Sequence[BandVerdict], *, lost: float) -> dict[str, float]:
    """By label the highest confidence below which lies at most the share ``lost`` of the right bands.

    A label has none where fewer than 20 right bands were seen, or no false band lies below it.
    """
    thresholds = {}
    for label in sorted({band.label for band in bands}):
        right = sorted(b.confidence for b in bands if b.label == label and b.is_right)
        false = [b.confidence for b in bands if b.label == label and not b.is_right]
        if len(right) < _FEWEST:
            continue
        threshold = np.floor(right[int(lost * len(right))] * 1e3) / 1e3
        if any(confidence < threshold for confidence in false):
            thresholds[label] = float(threshold)
    return thresholds


def count_rejections(bands: Sequence[BandVerdict], thresholds: Mapping[str, float]) -> dict[str, Rejection]:
    """What thresholds do, by label."""
    counts = {}
    for label in sorted({band.label for band in bands}):
        of_label = [b for b in bands if b.label == label]
        kept = [b.confidence >= thresholds.get(label, 0.0) for b in of_label]
        counts[label] = Rejection(
            right=sum(b.is_right for b in of_label),
            right_kept=sum(b.is_right and k for b, k in zip(of_label, kept, strict=True)),
            false=sum(not b.is_right for b in of_label),
            false_rejected=sum(not b.is_right and not k for b, k in zip(of_label, kept, strict=True)),
        )
    return counts


def cross_validate(bands: Sequence[BandVerdict], *, lost: float) -> dict[str, Rejection]:
    """What thresholds fitted on every other scene do to the scenes between, both ways, by label."""
    halves = [b for b in bands if b.scene % 2], [b for b in bands if not b.scene % 2]
    parts = [count_rejections(b, fit_thresholds(a, lost=lost)) for a, b in (halves, halves[::-1])]
    names = ("right", "right_kept", "false", "false_rejected")
    labels = sorted(parts[0].keys() | parts[1].keys())
    return {
        label: Rejection(**{n: sum(getattr(part[label], n) for part in parts if label in part) for n in names})
        for label in labels
    }


def band_calibration_error(bands: Sequence[BandVerdict]) -> float | None:
    """Mean distance between the confidence of bands and the share of them that is right, in ten bins, 0 to 1."""
    if not bands:
        return None
    confidence = np.array([b.confidence for b in bands])
    right = np.array([b.is_right for b in bands])
    place = np.minimum((confidence * _BAND_BINS).astype(int), _BAND_BINS - 1)
    gaps = [abs(confidence[place == p].mean() - right[place == p].mean()) * (place == p).sum() for p in np.unique(place)]
    return float(sum(gaps) / len(bands))
