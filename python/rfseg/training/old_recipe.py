"""Every choice of a training run in one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import SceneError
from ..synth import Recipe, load_recipe

__all__ = ["VALIDATION_SEED", "TrainingRecipe"]

VALIDATION_SEED = 1_000_000_000  # held-out scenes have this seed and the following ones


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a network is trained.

    Parameters
    ----------
    minutes : float
        Wall-clock time of the run; the schedule follows the clock, so a busy machine makes fewer
        steps and still ends on time.
    seed : int
        Seed of the first training scene, of the weights and of the augmentation.
    peak_rate : float
        Highest learning rate of the one-cycle schedule.
    columns : int
        Bins in the batch of one process: 12 scenes of 64 bins, or 6 of 128.
    half_share : float
        Share of the batches that see half of the rows of each frame.
    uses : float
        How often a scene is trained on before a fresh one takes its place, on average.
    pool : int
        Scenes that one process keeps in memory.
    class_weights : tuple of float
        Of the cross entropy, by class id.
    dice_weight, error_weight : float
        Of the Dice loss and of the soft error-guided refinement, re the cross entropy.
    jitter_db : float
        The noise reference is moved by up to this, up or down.
    scenes : Recipe
        Law of the scenes.
    """

    minutes: float = 90.0
    seed: int = 0
    peak_rate: float = 3e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.06  # share of the time
    columns: int = 768
    half_share: float = 0.6
    uses: float = 6.0
    pool: int = 2000
    class_weights: tuple[float, ...] = (1.0, 1.5, 1.5, 3.0)
    dice_weight: float = 0.5
    error_weight: float = 0.5
    ema_decay: float = 0.999
    jitter_db: float = 10.0
    scenes: Recipe = field(default_factory=lambda: load_recipe("standard"))

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise SceneError(f"minutes={self.minutes!r} must be above 0")
        if self.columns < 256:
            raise SceneError(f"columns={self.columns!r} must be at least 256: batch norm needs several frames")
        if self.uses < 1:
            raise SceneError(f"uses={self.uses!r} must be at least 1")
