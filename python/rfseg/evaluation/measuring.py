"""A model over a set, with the baselines and the true mask beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Iterable

import numpy as np

from ..bands import BandRules
from ..datasets.classes import IGNORED
from ..datasets.items import Content
from ..datasets.shardset import ShardSet
from ..errors import OptionError
from ..inference import Session
from .baselines import EnergyDetector
from .confusion import plain
from .frames import FrameReader, JudgedFrame
from .pictureframes import BlindGuesses, PictureReader
from .scores import Scores
from .truth import read_bands, read_pulses

__all__ = ["CEILING", "ENERGY", "MODEL", "NOISE", "PRIOR", "SCENE_PRIOR", "WORST", "Evaluation", "WorstFrame", "evaluate_set"]

# Keys of the systems; the priors are for pictures only
MODEL, ENERGY, NOISE, CEILING = "model", "energy_detector", "noise", "true_mask"
PRIOR, SCENE_PRIOR = "prior", "scene_prior"
WORST = 12  # frames shown unless told otherwise


@dataclass(frozen=True, kw_only=True)
class WorstFrame:
    """A frame that the model got wrong.

    Parameters
    ----------
    accuracy : float
        Share of the known pixels that are right.
    mask : uint8 ``(T, F)``
    """

    frame: JudgedFrame
    accuracy: float
    mask: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Which frame it is."""
        return {
            "item": self.frame.index,
            "seed": self.frame.metadata.get("seed"),
            "samp_rate": self.frame.geometry.samp_rate,
            "frame_duration": self.frame.metadata["frame_duration"],
            "accuracy": plain(self.accuracy),
        }


@dataclass(kw_only=True)
class Evaluation:
    """What was measured.

    Parameters
    ----------
    model, set_name, folder : str
        Names of model and set, and the set's folder.
    mask_kind : str
        Name of the mask that was the truth.
    frames, frames_of : int
        Frames measured, of so many in the set.
    systems : dict
        Scores of the model, of the baselines, and of the true mask, which shows what bands lose at best.
    worst : list of WorstFrame
        Worst first.
    """

    model: str
    set_name: str
    folder: str
    mask_kind: str
    frames: int
    frames_of: int
    systems: dict[str, Scores]
    worst: list[WorstFrame] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels by class id."""
        return self.systems[MODEL].labels

    def to_json(self) -> dict[str, Any]:
        """What ``docs/evaluation.md`` describes."""
        return {
            "version": 1,
            "model": self.model,
            "set": {"name": self.set_name, "folder": self.folder, "mask": self.mask_kind, "frames": self.frames_of},
            "frames": self.frames,
            "classes": list(self.labels),
            "systems": {key: scores.to_json() for key, scores in self.systems.items()},
            "worst": [worst.to_json() for worst in self.worst],
        }


def evaluate_set(
    session: Session,
    dataset: ShardSet,
    *,
    limit: int | None = None,
    worst: int = WORST,
    detector: EnergyDetector = EnergyDetector(),
    watch: Callable[[range], Iterable[int]] = iter,
) -> Evaluation:
    """Run a model and the baselines over the frames of a set.

    Parameters
    ----------
    limit : int or None
        Only the first so many frames.
    worst : int
        How many of the worst frames to keep.
    detector : EnergyDetector
        The classical baseline.
    watch : callable
        Given the indices of the frames, yields them; may show progress.

    Raises
    ------
    DatasetError
        If the set is damaged, or the model's contract does not cover it.
    OptionError
        If ``limit`` is not at least 1.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"limit={limit} frames; give at least 1")
    contract = session.contract
    is_pictures = contract.family == "published" and dataset.description.content is Content.PICTURES
    frames = PictureReader(dataset, contract) if is_pictures else FrameReader(dataset, contract)
    count = len(frames) if limit is None else min(limit, len(frames))
    rules = BandRules.for_model(contract)
    everything = f"everything {contract.labels[0]}"
    titles = {MODEL: contract.name, ENERGY: "energy detector", NOISE: everything, CEILING: "true mask"}
    blind = None
    if isinstance(frames, PictureReader):
        titles |= {PRIOR: "most frequent class of the pixel", SCENE_PRIOR: "the same, told the scene"}
        blind = BlindGuesses(frames.truths(range(count)), len(contract.classes))
    result = Evaluation(
        model=contract.name,
        set_name=dataset.description.name,
        folder=str(dataset.folder),
        mask_kind=dataset.description.masks[0],
        frames=count,
        frames_of=len(frames),
        systems={key: Scores(title, contract.classes, rules) for key, title in titles.items()},
    )
    for index in watch(range(count)):
        frame = frames[index]
        limits = () if frame.limits is None else (frame.limits[None],)
        masks, confidences = session.run(frame.rows[None], *limits)
        _count(result, frame, masks[0], confidences[0], detector.detect(frame.rows, frame.geometry, contract.classes))
        if blind is not None:
            guesses = blind.guess(frame.metadata, index, masks[0].shape)
            for key, guess in zip((PRIOR, SCENE_PRIOR), guesses, strict=True):
                result.systems[key].add(frame, guess, None, None)
        _keep_worst(result.worst, frame, masks[0], worst)
    return result


def _count(
    result: Evaluation, frame: JudgedFrame, mask: np.ndarray, confidence: np.ndarray, energy: np.ndarray
) -> None:
    classes = result.systems[MODEL].classes
    record = None
    if frame.has_record:
        facts = frame.metadata, frame.truth, frame.geometry, classes
        record = read_bands(*facts), read_pulses(*facts)
    result.systems[MODEL].add(frame, mask, confidence, record)
    result.systems[ENERGY].add(frame, energy, None, record)
    result.systems[NOISE].add(frame, np.zeros_like(mask), None, record)
    result.systems[CEILING].add(frame, np.where(frame.truth == IGNORED, 0, frame.truth).astype(np.uint8), None, record)


def _keep_worst(worst: list[WorstFrame], frame: JudgedFrame, mask: np.ndarray, count: int) -> None:
    known = frame.truth != IGNORED
    if not known.any():
        return
    accuracy = float((mask == frame.truth)[known].mean())
    worst.append(WorstFrame(frame=frame, accuracy=accuracy, mask=mask))
    worst.sort(key=lambda w: w.accuracy)
    del worst[count:]
