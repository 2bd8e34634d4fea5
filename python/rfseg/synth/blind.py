"""What the published protocols give away: predictions that never look at the picture, and what they score.

A network that is trained and tested on such a set has these figures for free; print them beside its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator

import numpy as np

from ..errors import SceneError
from .labels import CLASS_LABELS, UNKNOWN
from .protocol_cellular import CELLULAR_SCENES, CellularProtocol, cellular_label, draw_cellular_protocol
from .protocol_frame import Spot, carrier_columns
from .protocol_radar import RADAR_SCENES, RadarProtocol, draw_radar_protocol, radar_label

__all__ = [
    "FIXED_ROWS",
    "Scores",
    "blind_scores",
    "centred_carriers",
    "fixed_rows",
    "pixel_prior",
    "protocol_labels",
    "score_predictions",
]

FIXED_ROWS = (1, 2, 87, 172, 173)  # of 256, from 1, earliest first: where the published radar nearly always is
_MEDIAN_WIDTH = {"LTE": 15e6, "NR": 25e6}  # Hz, of the published carriers
_CLASSES = len(CLASS_LABELS)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Counts of pixels by true and predicted class, and what follows from them.

    Parameters
    ----------
    confusion : int64 ``(4, 4)``
        Pixels of each true class (rows) by predicted class (columns), in the order of
        :data:`~rfseg.synth.labels.CLASS_LABELS`; pixels of unknown truth are left out.
    """

    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of all pixels that are right."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def recall(self) -> dict[str, float]:
        """Share of each class's pixels that are found; NaN for a class that does not occur."""
        return self._by_class(self.confusion.sum(1))

    @property
    def iou(self) -> dict[str, float]:
        """Intersection over union of each class; NaN for one that neither occurs nor is predicted."""
        return self._by_class(self.confusion.sum(0) + self.confusion.sum(1) - np.diag(self.confusion))

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur or are predicted."""
        return float(np.nanmean(list(self.iou.values())))

    def _by_class(self, total: np.ndarray) -> dict[str, float]:
        right = np.diag(self.confusion)
        return {label: float(r / t) if t else float("nan") for label, r, t in zip(CLASS_LABELS, right, total, strict=True)}


def score_predictions(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Scores:
    """Scores of predicted and true masks.

    Parameters
    ----------
    pairs : iterable of (uint8 ``(T, F)``, uint8 ``(T, F)``)
        Prediction and truth; 255 in the truth is left out.

    Raises
    ------
    SceneError
        If two masks differ in shape, or there is no pixel to judge.
    """
    confusion = np.zeros((_CLASSES, _CLASSES), np.int64)
    for prediction, truth in pairs:
        if prediction.shape != truth.shape:
            raise SceneError(f"prediction has shape {prediction.shape}, its truth {truth.shape}; both must be the same")
        known = truth != UNKNOWN
        pair = truth[known].astype(np.int64) * _CLASSES + prediction[known]
        confusion += np.bincount(pair, minlength=_CLASSES**2).reshape(_CLASSES, _CLASSES)
    if not confusion.any():
        raise SceneError("no pixel to judge; give at least one mask with known pixels")
    return Scores(confusion=confusion)


def fixed_rows(size: int = 256, rows: tuple[int, ...] = FIXED_ROWS) -> np.ndarray:
    """Radar on the same rows whatever the picture shows, Noise elsewhere: uint8 ``(size, size)``, newest row first.

    Parameters
    ----------
    rows : tuple of int
        Of 256, counted from 1, earliest first; scaled to other sizes.
    """
    mask = np.zeros((size, size), np.uint8)
    mask[[size - 1 - (row - 1) * size // 256 for row in rows]] = CLASS_LABELS.index("Radar")
    return mask


def centred_carriers(labels: tuple[str, ...], size: int = 256) -> np.ndarray:
    """Carriers of median width in the middle of the band, Noise elsewhere: uint8 ``(size, size)``; one or none."""
    mask = np.zeros((size, size), np.uint8)
    if len(labels) == 1:
        spot = Spot(label=labels[0], center=0.0, width=_MEDIAN_WIDTH[labels[0]])
        mask[:, carrier_columns(spot, size, is_rounded=True)] = CLASS_LABELS.index(labels[0])
    return mask


def pixel_prior(labels: Iterable[np.ndarray]) -> np.ndarray:
    """The class that each pixel most often has, uint8 ``(T, F)``: the best that accuracy allows without looking.

    Raises
    ------
    SceneError
        If there is no label.
    """
    counts: np.ndarray | None = None
    for label in labels:
        if counts is None:
            counts = np.zeros((_CLASSES, *label.shape), np.int32)
        for class_id in range(_CLASSES):
            counts[class_id] += label == class_id
    if counts is None:
        raise SceneError("no labels to take the prior from; give at least one")
    return counts.argmax(0).astype(np.uint8)


def protocol_labels(
    recipe: RadarProtocol | CellularProtocol, seeds: Iterable[int], scene: str | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Scene and label of each frame of some draws, twins once, without making a sample; newest row first."""
    is_radar = isinstance(recipe, RadarProtocol)
    scenes = [scene] if scene else list(RADAR_SCENES if is_radar else CELLULAR_SCENES)
    for seed in seeds:
        if isinstance(recipe, RadarProtocol):
            radar = draw_radar_protocol(recipe, seed)
            yield from ((name, radar_label(radar, name, recipe)) for name in scenes)
        else:
            cellular = draw_cellular_protocol(recipe, seed)
            yield from ((name, cellular_label(cellular, name, recipe)) for name in scenes)


def blind_scores(recipe: RadarProtocol | CellularProtocol, *, draws: int = 200, first_seed: int = 0) -> dict[str, Scores]:
    """What predictions score that never look at the picture.

    Parameters
    ----------
    draws : int
        Of the recipe, to judge with; as many others are what the priors are taken from.
    first_seed : int
        Of the draws that are judged.

    Returns
    -------
    dict
        ``noise``: Noise everywhere.  ``rows`` (radar sets): Radar on :data:`FIXED_ROWS`, Noise elsewhere.
        ``rows and centre`` (radar sets): a single carrier of median width in the middle too, its kind told by the file's
        name.  ``prior``: the most frequent class of each pixel.  ``scene prior``: that of the scene, which the name tells.
    """
    size = recipe.size
    judged = list(protocol_labels(recipe, range(first_seed, first_seed + draws)))
    learnt = list(protocol_labels(recipe, range(first_seed + draws, first_seed + 2 * draws)))
    scenes = RADAR_SCENES if isinstance(recipe, RadarProtocol) else CELLULAR_SCENES
    by_scene = {name: pixel_prior(label for scene, label in learnt if scene == name) for name in scenes}
    prior = pixel_prior(label for _, label in learnt)
    nothing = np.zeros((size, size), np.uint8)
    guesses = {"noise": dict.fromkeys(scenes, nothing)}
    if isinstance(recipe, RadarProtocol):
        rows = fixed_rows(size)
        guesses["rows"] = dict.fromkeys(scenes, rows)
        centred = {name: centred_carriers(kinds, size) for name, kinds in scenes.items()}
        guesses["rows and centre"] = {name: np.where(rows > 0, rows, carrier) for name, carrier in centred.items()}
    guesses |= {"prior": dict.fromkeys(scenes, prior), "scene prior": by_scene}
    return {name: score_predictions((guess[scene], label) for scene, label in judged) for name, guess in guesses.items()}
