"""The tables of a training recipe: data, batch, loss, optimizer, schedule, stop."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Mapping

from ..errors import SceneError

__all__ = [
    "Balance",
    "BatchLaw",
    "DataLaw",
    "ErrorForm",
    "LossLaw",
    "OptimizerKind",
    "OptimizerLaw",
    "ScheduleKind",
    "ScheduleLaw",
    "Selection",
    "Softmax",
    "StopLaw",
    "refuse_unknown_keys",
]


def refuse_unknown_keys(table: Mapping[str, Any], known: Mapping[str, Any], where: str = "") -> None:
    """Raise :class:`SceneError` at the first key that is not known, with the nearest one that is.

    Parameters
    ----------
    known : mapping of str to type
        Keys; a type that is a dataclass has its fields as keys of a table of its own.
    """
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {where}{near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise SceneError(f"unknown key {where}{key}; {hint}")
        if is_dataclass(known[key]) and isinstance(value, Mapping):
            refuse_unknown_keys(value, {f.name: f.type for f in fields(known[key])}, f"{where}{key}.")


def _check_share(law: Any, *names: str, table: str) -> None:
    for name in names:
        if not 0 <= getattr(law, name) <= 1:
            raise SceneError(f"{table}.{name}={getattr(law, name)!r} must be 0 to 1")


def _check_least(law: Any, least: float, *names: str, table: str) -> None:
    for name in names:
        if getattr(law, name) < least:
            raise SceneError(f"{table}.{name}={getattr(law, name)!r} must be at least {least:g}")


@dataclass(frozen=True, kw_only=True)
class DataLaw:
    """Where frames come from and how long they stay.

    Parameters
    ----------
    uses : float
        How often a scene that is made while training is trained on before a fresh one takes its place, on average.
    pool : int
        Scenes that one process keeps in memory.
    first_scenes : int
        Scenes in the pool before the first step.
    workers : int
        Processes that make scenes, of each training process; 0: a training process makes them itself.
    epoch_items : int
        Frames in an epoch where scenes are made while training; a set has its own number.
    validation : int
        Held-out frames that each checkpoint is looked at with.
    validation_share : float
        Last part of each set, which is held out.
    mask : str
        Which mask of a set is learnt, where it has several; its first by default.
    """

    uses: float = 6.0
    pool: int = 2500
    first_scenes: int = 300
    workers: int = 1
    epoch_items: int = 10_000
    validation: int = 100
    validation_share: float = 0.1
    mask: str = ""

    def __post_init__(self) -> None:
        _check_least(self, 1, "uses", "epoch_items", table="data")
        _check_least(self, 0, "workers", "validation", table="data")
        _check_least(self, 8, "first_scenes", table="data")
        _check_share(self, "validation_share", table="data")
        if self.pool < self.first_scenes:
            raise SceneError(f"data.pool={self.pool!r} must be at least data.first_scenes={self.first_scenes}")


@dataclass(frozen=True, kw_only=True)
class BatchLaw:
    """What one process trains on in a step, and how frames are varied.

    Parameters
    ----------
    columns : int
        Bins in a batch: 12 frames of 64 bins, or 6 of 128.
    frames : int
        Frames in a batch, whatever their bins; 0 leaves it to ``columns``.
    crop_bins : int
        Wider frames are cut to this; 0 keeps them whole, then only frames of one width share a batch.
    wide_share : float
        Share of the batches of frames at least twice as wide that are cut to twice that.
    half_share : float
        Share of the batches that see half of the rows of each frame.
    flip_frequency, flip_time : float
        Probabilities of a mirrored spectrum and of reversed time.
    reference_db, reference_share : float
        The noise reference is moved by up to this, up or down, in this share of the frames.
    gain_db : float
        Slope over the band: up to this at its edges, up at one and down at the other.
    span : float
        Levels above the reference are stretched by 1 - span to 1 + span.
    cut_share : float
        Share of the frames that end early, as the last one of a recording does.
    """

    columns: int = 768
    frames: int = 0
    crop_bins: int = 128
    wide_share: float = 1 / 6
    half_share: float = 0.6
    flip_frequency: float = 0.5
    flip_time: float = 0.3
    reference_db: float = 10.0
    reference_share: float = 0.6
    gain_db: float = 0.0
    span: float = 0.0
    cut_share: float = 0.04

    def __post_init__(self) -> None:
        shares = ("wide_share", "half_share", "flip_frequency", "flip_time", "reference_share", "cut_share", "span")
        _check_share(self, *shares, table="batch")
        _check_least(self, 0, "reference_db", "gain_db", table="batch")
        if not self.frames and self.columns < 256:
            raise SceneError(f"batch.columns={self.columns!r} must be at least 256: batch norm needs several frames")
        if self.frames < 0 or self.frames == 1:
            raise SceneError(f"batch.frames={self.frames!r} must be at least 2: batch norm needs several frames")
        if self.crop_bins < 0 or self.crop_bins % 32:
            raise SceneError(f"batch.crop_bins={self.crop_bins!r} must be a multiple of 32, or 0 for whole frames")


class Softmax(str, Enum):
    """How often the scores pass a softmax on their way into the cross entropy."""

    SINGLE = "single"
    DOUBLE = "double"  # as most published training code has it


class ErrorForm(str, Enum):
    """Error-guided refinement."""

    SOFT = "soft"  # mean (1 - probability of the true class)^2
    WRONG_PIXELS = "wrong-pixels"  # cross entropy averaged over the pixels whose argmax is wrong
    PUBLISHED = "published"  # mean square of (argmax == truth) - 1: a number without gradient


class Balance(str, Enum):
    """Weights of the classes where ``class_weights`` says nothing."""

    NONE = "none"
    MEDIAN = "median-frequency"  # median of the class shares over the share of the class, of the training data


@dataclass(frozen=True, kw_only=True)
class LossLaw:
    """What is minimised: a weighted sum.

    Parameters
    ----------
    cross_entropy, dice, error : float
        Weights of the three terms.
    error_form : ErrorForm
    softmax : Softmax
    class_weights : tuple of float
        Of the cross entropy, by class id; none by default.
    balance : Balance
    smoothing : float
        Label smoothing of the cross entropy.
    """

    cross_entropy: float = 1.0
    dice: float = 0.0
    error: float = 0.0
    error_form: ErrorForm = ErrorForm.SOFT
    softmax: Softmax = Softmax.SINGLE
    class_weights: tuple[float, ...] = ()
    balance: Balance = Balance.NONE
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "error_form", ErrorForm(self.error_form))
        object.__setattr__(self, "softmax", Softmax(self.softmax))
        object.__setattr__(self, "balance", Balance(self.balance))
        _check_least(self, 0, "cross_entropy", "dice", "error", table="loss")
        if not 0 <= self.smoothing < 1:
            raise SceneError(f"loss.smoothing={self.smoothing!r} must be 0 or more and below 1")
        if any(weight < 0 for weight in self.class_weights):
            raise SceneError(f"loss.class_weights={list(self.class_weights)} must be 0 or more")
        if self.class_weights and self.balance is not Balance.NONE:
            raise SceneError(f'loss.balance="{self.balance.value}" computes what loss.class_weights states; leave one out')
        learns = self.cross_entropy or self.dice or (self.error and self.error_form is not ErrorForm.PUBLISHED)
        if not learns:
            raise SceneError("loss has no term with a gradient; give loss.cross_entropy a weight")


class OptimizerKind(str, Enum):
    """Who makes the steps."""

    MUON = "muon"  # on the matrices of convolutions; AdamW on the rest
    ADAMW = "adamw"
    ADAM = "adam"
    SGD = "sgd"


@dataclass(frozen=True, kw_only=True)
class OptimizerLaw:
    """Who makes the steps, and how large they are.

    Parameters
    ----------
    kind : OptimizerKind
    rate : float
        Highest learning rate.
    weight_decay : float
        Of convolutions, per unit of the rate (of everything with ``adam`` and ``sgd``, as published).
    momentum : float
        Of ``sgd`` and ``muon``.
    betas : (float, float)
        Of ``adam`` and ``adamw``.
    clip_norm : float
        Longer gradients are shortened to this; 0 leaves them.
    average : float
        Decay per step of the averaged weights that are validated and exported; 0 averages nothing.
    rounds_to_half : bool
        Round the weights to float16 after every epoch, as the published OS-Net code does.
    """

    kind: OptimizerKind = OptimizerKind.MUON
    rate: float = 2.5e-3
    weight_decay: float = 0.01
    momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 5.0
    average: float = 0.999
    rounds_to_half: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", OptimizerKind(self.kind))
        if not self.rate > 0:
            raise SceneError(f"optimizer.rate={self.rate!r} must be above 0")
        _check_least(self, 0, "weight_decay", "clip_norm", table="optimizer")
        for name, value in (("momentum", self.momentum), ("average", self.average), *(("betas", b) for b in self.betas)):
            if not 0 <= value < 1:
                raise SceneError(f"optimizer.{name}={value!r} must be 0 or more and below 1")


class ScheduleKind(str, Enum):
    """Course of the learning rate."""

    STABLE = "warmup-stable-decay"
    CYCLE = "one-cycle"
    STEPS = "steps"
    CONSTANT = "constant"


@dataclass(frozen=True, kw_only=True)
class ScheduleLaw:
    """Course of the learning rate over the run.

    Parameters
    ----------
    kind : ScheduleKind
        ``warmup-stable-decay``: up, level, straight down.  ``one-cycle``: up, then a cosine down.
        ``steps``: times ``factor`` every ``step_epochs`` epochs.
    warm_up, decay : float
        Shares of the run; a warm-up lasts at most 2 minutes, or 300 steps.
    final : float
        Last rate re the highest.
    step_epochs : int
    factor : float
    """

    kind: ScheduleKind = ScheduleKind.STABLE
    warm_up: float = 0.06
    decay: float = 0.25
    final: float = 0.002
    step_epochs: int = 20
    factor: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", ScheduleKind(self.kind))
        _check_share(self, "warm_up", "decay", "final", "factor", table="schedule")
        _check_least(self, 1, "step_epochs", table="schedule")
        if self.warm_up + self.decay > 1:
            raise SceneError(f"schedule.warm_up={self.warm_up!r} and schedule.decay={self.decay!r} are more than the whole run")

    @property
    def needs_epochs(self) -> bool:
        """Whether the rate depends on epochs."""
        return self.kind is ScheduleKind.STEPS


class Selection(str, Enum):
    """Which weights a run is for."""

    LAST = "last"
    BEST = "best"  # of all validations, by mean IoU; as published code does


@dataclass(frozen=True, kw_only=True)
class StopLaw:
    """When the run ends; the first of the limits that are above 0 counts, and the schedule follows it.

    Parameters
    ----------
    minutes : float
        Of wall-clock time in all, those of a resumed run included.
    steps : int
    epochs : int
    check_minutes : float
        Between checkpoints with their validations, where they are not those of epochs.
    selection : Selection
        ``best`` also keeps ``best.pt``, and validates after every epoch.
    """

    minutes: float = 0.0
    steps: int = 0
    epochs: int = 0
    check_minutes: float = 5.0
    selection: Selection = Selection.LAST

    def __post_init__(self) -> None:
        object.__setattr__(self, "selection", Selection(self.selection))
        _check_least(self, 0, "minutes", "steps", "epochs", table="stop")
        if not self.check_minutes > 0:
            raise SceneError(f"stop.check_minutes={self.check_minutes!r} must be above 0")
