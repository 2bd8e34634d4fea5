"""A pool of scenes that a second process keeps fresh, and the batches drawn from it."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models.deployable import WIDTH_MULTIPLE, pad_width, reference_features
from ..synth import UNKNOWN, Recipe, make_scene
from .old_recipe import TrainingRecipe

__all__ = ["Pool", "Sample", "make_batch", "make_sample"]

_CROP = 128  # bins; wider frames are cut to this
_WIDE_CROP = 256  # or, one batch in six, to this
_LEAST = 4  # frames in a batch, for the batch norm of pooled maps
_NICE = 5  # the generator yields to the trainer


@dataclass(frozen=True)
class Sample:
    """Rows (float16 dB) and mask of a scene."""

    rows: np.ndarray  # float16 (2, T, F)
    mask: np.ndarray  # uint8 (T, F)

    @property
    def width(self) -> int:
        """Bins after padding to the network's multiple."""
        return -(-self.mask.shape[1] // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def make_sample(recipe: Recipe, seed: int) -> Sample:
    """The scene of a seed, levels moved so that float16 resolves them to 0.03 dB."""
    scene = make_scene(recipe, seed)
    return Sample((scene.rows - np.median(scene.rows[0])).astype(np.float16), scene.mask)


def _produce(recipe: Recipe, first_seed: int, step: int, out: multiprocessing.Queue) -> None:
    """Body of the generator process: scenes of every ``step``-th seed, for ever."""
    torch.set_num_threads(1)
    os.nice(_NICE)
    seed = first_seed
    while True:
        out.put(make_sample(recipe, seed))
        seed += step


class Pool:
    """Scenes in memory, replaced oldest first by those of a generator process.

    Parameters
    ----------
    recipe : TrainingRecipe
    first_seed : int
        Seed of the first scene; a resumed run goes on where it stopped.
    stride : int
        From one seed to the next: as many as there are pools.
    """

    def __init__(self, recipe: TrainingRecipe, first_seed: int, *, stride: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(maxsize=48)
        arguments = (recipe.scenes, first_seed, stride, self._queue)
        self._worker = context.Process(target=_produce, args=arguments, daemon=True)
        self._worker.start()
        self.next_seed, self._stride = first_seed, stride
        self._scenes: deque[Sample] = deque(maxlen=recipe.pool)

    def __len__(self) -> int:
        return len(self._scenes)

    def fill(self, count: int, *, wait: bool = False) -> int:
        """Take up to ``count`` fresh scenes; ``wait`` for all of them.  Returns how many came."""
        taken = 0
        while taken < count:
            try:
                self._scenes.append(self._queue.get(block=wait, timeout=120 if wait else None))
            except queue.Empty:
                break
            taken += 1
        self.next_seed += taken * self._stride
        return taken

    def draw(self, columns: int, rng: np.random.Generator) -> tuple[list[Sample], int]:
        """Scenes for one batch and the width they are cut to."""
        pivot = self._scenes[int(rng.integers(len(self._scenes)))]
        width = pivot.width
        if width > _CROP:
            width = _WIDE_CROP if width >= _WIDE_CROP and rng.random() < 1 / 6 else _CROP
        fitting = [s for s in self._scenes if s.width == width or (s.width > width and width >= _CROP)]
        count = min(len(fitting), max(_LEAST, columns // width))
        return [fitting[i] for i in rng.choice(len(fitting), size=count, replace=False)], width

    def close(self) -> None:
        """End the generator process."""
        self._worker.terminate()
        self._worker.join()


def _cut_short(rows: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Make it a frame that ended early: the valid rows come again, backwards and forwards.  In place."""
    valid = int(rng.integers(8, rows.shape[1]))
    turn = np.arange(valid, rows.shape[1]) % (2 * valid)  # as :func:`rfseg.spectrogram.frame_rows` does
    source = np.minimum(turn, 2 * valid - 1 - turn)
    rows[:, valid:], mask[valid:] = rows[:, source], mask[source]


def make_batch(
    samples: list[Sample], width: int, recipe: TrainingRecipe, rng: np.random.Generator, *, halved: bool
) -> tuple[Tensor, Tensor]:
    """Features and masks of one batch, augmented.

    The features come from the whole frame; crops are cut afterwards, so the noise reference is what it
    will be in use.  A halved batch keeps half of the rows: twice the variety for the time.

    Returns
    -------
    features : float32 ``(N, 3, height, width)``
    masks : int64 ``(N, height, width)``
    """
    features, masks = [], []
    full = samples[0].mask.shape[0]
    height = full // 2 if halved else full
    for sample in samples:
        rows, mask = sample.rows.astype(np.float32), sample.mask.copy()
        if rng.random() < 0.04:
            _cut_short(rows, mask, rng)
        offset = float(rng.uniform(-recipe.jitter_db, recipe.jitter_db)) if rng.random() < 0.6 else 0.0
        feature = pad_width(reference_features(torch.from_numpy(rows)[None], offset))[0]  # (3, T, W)
        label = torch.full((mask.shape[0], feature.shape[-1]), UNKNOWN, dtype=torch.int64)
        label[:, : mask.shape[1]] = torch.from_numpy(mask)
        start = int(rng.integers(feature.shape[-1] - width + 1))
        top = int(rng.integers(full - height + 1))
        feature = feature[:, top : top + height, start : start + width]
        label = label[top : top + height, start : start + width]
        flips = [axis for axis, share in ((-1, 0.5), (-2, 0.3)) if rng.random() < share]
        features.append(feature.flip(flips))
        masks.append(label.flip(flips))
    return torch.stack(features), torch.stack(masks)
