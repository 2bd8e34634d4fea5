"""Where the frames of a training come from: scenes made meanwhile, or sharded sets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ..datasets.classes import STANDARD_LABELS
from ..datasets.items import Content
from ..datasets.shardset import ShardSet
from ..errors import DatasetError, SceneError
from ..models.deployable import WIDTH_MULTIPLE
from ..synth.protocol_recipe import ProtocolRecipe
from .recipe import VALIDATION_SEED, Input, TrainingRecipe
from .samples import Draw, Sample, class_table, make_sample
from .scenestream import SceneStream, make_items, scene_maker

__all__ = ["LiveSource", "SetSource", "Source", "check_scenes"]

_LEAST = 4  # frames in a batch of scenes, for the batch norm of pooled maps
_PICTURE_NEEDS = 'pictures are for input = "pictures", rows for input = "rows"'


class Source(Protocol):
    """What a training draws its batches from."""

    epoch_items: int  # frames in an epoch
    drawn: int  # scenes taken so far by this process

    def draw(self, step: int) -> Draw:
        """The batch of a step."""

    def held_out(self) -> list[Sample]:
        """Frames to validate with."""

    def class_pixels(self) -> np.ndarray:
        """Pixels of each class, of what is trained on: int64 ``(classes,)``."""

    def close(self) -> None:
        """Let go of processes and files."""


def check_scenes(recipe: TrainingRecipe) -> None:
    """See that the law of the scenes fits the rest of a recipe.

    Raises
    ------
    SceneError
        If the network reads what these scenes are not, or they hold a class that it does not know.
    """
    scenes = recipe.scenes
    is_picture = isinstance(scenes, ProtocolRecipe)
    if is_picture != (recipe.input is Input.PICTURES):
        kind = "pictures" if is_picture else "rows"
        raise SceneError(f'scenes "{scenes.name}" are {kind}, but input = "{recipe.input.value}"; {_PICTURE_NEEDS}')
    if recipe.own_classes:
        raise SceneError(
            f'scenes "{scenes.name}" do not hold {", ".join(recipe.own_classes)}; train on sets that do with --set, or take'
            f" classes from {', '.join(STANDARD_LABELS)}"
        )
    has_radar = scenes.protocol == "radar" if isinstance(scenes, ProtocolRecipe) else scenes.radars.share > 0
    if has_radar and "Radar" not in recipe.classes:
        raise SceneError(
            f'scenes "{scenes.name}" hold Radar, which is not among the classes {", ".join(recipe.classes)};'
            " add it, or choose scenes without radars"
        )


def _generator(recipe: TrainingRecipe, step: int, *stream: int) -> np.random.Generator:
    """Randomness of a step, the same however often a run was resumed before it."""
    return np.random.default_rng([recipe.seed, step, *stream])


class LiveSource:
    """A pool of scenes in memory, replaced oldest first by fresh ones.

    Parameters
    ----------
    recipe : TrainingRecipe
    rank, ranks : int
        Which of how many processes this is; each has its own scenes.
    drawn : int
        Scenes that an earlier part of the run took.
    device : torch.device
        Where scenes are made and wait.
    is_exact : bool
        Whether a step waits for the scenes that are due to it, so that a run can be repeated to the bit; otherwise those
        that are ready come in.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        *,
        rank: int = 0,
        ranks: int = 1,
        drawn: int = 0,
        device: torch.device | str = "cpu",
        is_exact: bool = False,
    ) -> None:
        check_scenes(recipe)
        self.epoch_items = recipe.data.epoch_items
        self._recipe, self._rank, self._device, self._is_exact = recipe, rank, torch.device(device), is_exact
        self._table = class_table(STANDARD_LABELS, recipe.classes)
        self._pool: deque[Sample] = deque(maxlen=recipe.data.pool)
        again = min(drawn, recipe.data.pool) if is_exact else 0  # to be made once more
        self.drawn = drawn - again
        workers = recipe.data.workers
        self._stream = SceneStream(
            recipe.scenes,
            recipe.first_scene + rank + ranks * self.drawn,
            stride=ranks,
            workers=workers,
            device=str(self._device),
        )
        self._fill(again or recipe.data.first_scenes, wait=True)
        self._owed = 0.0

    def __len__(self) -> int:
        return len(self._pool)

    def draw(self, step: int) -> Draw:
        """Scenes of one padded width, or that can be cut to one, drawn from the pool."""
        law, rng = self._recipe.batch, _generator(self._recipe, step, self._rank)
        pivot = self._pool[int(rng.integers(len(self._pool)))].width
        width = pivot
        crop = law.crop_bins
        if crop and pivot > crop:
            width = 2 * crop if pivot >= 2 * crop and rng.random() < law.wide_share else crop
        fitting = [s for s in self._pool if s.width == width or (crop and s.width > width >= crop)]
        wanted = law.frames or max(_LEAST, law.columns // width)
        size = max(2, min(len(fitting), wanted))  # the batch norm of pooled maps needs two
        chosen = rng.choice(len(fitting), size=size, replace=len(fitting) < size)
        is_halved = bool(_generator(self._recipe, step).random() < law.half_share)
        self._refresh(step, len(chosen))
        return Draw(samples=[fitting[i] for i in chosen], width=width, is_halved=is_halved, rng=rng)

    def held_out(self) -> list[Sample]:
        """Frames of seeds that no training uses."""
        maker = scene_maker(self._recipe.scenes)
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + self._recipe.data.validation)
        return [make_sample(make_items(maker, [s])[0], self._table, device=self._device) for s in seeds]

    def class_pixels(self) -> np.ndarray:
        """Pixels of each class in the pool."""
        size = len(self._recipe.classes)
        return sum(np.bincount(s.mask.cpu().numpy().ravel(), minlength=256)[:size] for s in self._pool)

    def close(self) -> None:
        """End the processes that make scenes."""
        self._stream.close()

    def _refresh(self, step: int, used: int) -> None:
        """Take the scenes that this batch has earned; a whole number by the step, so that nothing need be kept."""
        uses = self._recipe.data.uses
        if self._is_exact:
            wanted = self._recipe.batch.frames or self._recipe.batch.columns // 64
            self._fill(int((step + 1) * wanted / uses) - int(step * wanted / uses), wait=True)
            return
        self._owed = min(self._owed + used / uses, 64.0)
        self._owed -= self._fill(int(self._owed), wait=False)

    def _fill(self, count: int, *, wait: bool) -> int:
        """Take up to ``count`` fresh scenes, all of them with ``wait``; how many came."""
        for taken in range(count):
            item = self._stream.take(wait=wait)
            if item is None:
                return taken
            self._pool.append(make_sample(item, self._table, device=self._device))
            self.drawn += 1
        return count


class SetSource:
    """Sharded sets, each frame once in an epoch, in an order drawn anew for each; the last part of each set is held out.

    Parameters
    ----------
    recipe : TrainingRecipe
    folders : sequence of Path
    rank, ranks : int
        Which of how many processes this is; they share out the batches.
    device : torch.device
    threads : int
        That read ahead.
    drawn : int
        Frames that an earlier part of the run took.

    Raises
    ------
    DatasetError
        If a set is missing or damaged, holds what the network does not read, or is too small for a batch.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        folders: Sequence[Path],
        *,
        rank: int = 0,
        ranks: int = 1,
        device: torch.device | str = "cpu",
        threads: int = 1,
        drawn: int = 0,
    ) -> None:
        self._recipe, self._rank, self._ranks, self._device = recipe, rank, ranks, torch.device(device)
        self._sets = [ShardSet(folder) for folder in folders]
        self._masks = [_check_set(s, recipe) for s in self._sets]
        self._check_own_classes()
        self._tables = [class_table(s.description.labels, recipe.classes) for s in self._sets]
        self._held_out: list[tuple[int, int]] = []
        self._groups: dict[int, list[tuple[int, int]]] = {}  # by the bins that a batch has
        for number, made in enumerate(self._sets):
            kept = len(made) - round(len(made) * recipe.data.validation_share)
            self._held_out += [(number, index) for index in range(kept, len(made))]
            for index in range(kept):
                self._groups.setdefault(self._bins(number, index), []).append((number, index))
        self.drawn = drawn
        self._epoch, self._batches = -1, [[(0, 0)]]
        self._begin(0)
        self.epoch_items = sum(map(len, self._batches)) * ranks
        self._threads = ThreadPoolExecutor(max_workers=threads)
        self._ahead: dict[int, Future[list[Sample]]] = {}

    def draw(self, step: int) -> Draw:
        """The batch of a step; those of the next steps are read meanwhile."""
        for number in range(step, step + 1 + self._threads._max_workers):
            if number not in self._ahead:
                self._ahead[number] = self._threads.submit(self._read, self._keys(number))
        samples = self._ahead.pop(step).result()
        self.drawn += len(samples)
        rng = _generator(self._recipe, step, self._rank)
        is_halved = bool(_generator(self._recipe, step).random() < self._recipe.batch.half_share)
        width = min(s.width for s in samples)
        crop = self._recipe.batch.crop_bins
        return Draw(samples=samples, width=min(width, crop or width), is_halved=is_halved, rng=rng)

    def held_out(self) -> list[Sample]:
        """Frames from the held-out part, evenly spread, as many as the recipe asks for."""
        wanted = min(self._recipe.data.validation, len(self._held_out))
        spread = np.linspace(0, len(self._held_out) - 1, wanted).round().astype(int) if wanted else []
        return self._read([self._held_out[i] for i in spread])

    def class_pixels(self) -> np.ndarray:
        """Pixels of each class in the sets, as their indices state them."""
        counts = np.zeros(256, np.int64)
        for made, table in zip(self._sets, self._tables, strict=True):
            for class_id, pixels in made.pixels.items():
                counts[table[class_id]] += pixels
        return counts[: len(self._recipe.classes)]

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _check_own_classes(self) -> None:
        shown = {label for made in self._sets for i, label in enumerate(made.description.labels) if made.pixels.get(i)}
        missing = [label for label in self._recipe.own_classes if label not in shown]
        if missing:
            folders = ", ".join(str(made.folder) for made in self._sets)
            raise DatasetError(f"no set shows {', '.join(missing)} ({folders}); add a set that does with --set, or correct classes")

    def _bins(self, number: int, index: int) -> int:
        """What a batch with this item is wide."""
        shape = self._sets[number].shape(index)
        bins = shape[1] if self._recipe.input is Input.PICTURES else shape[2]
        padded = -(-bins // WIDTH_MULTIPLE) * WIDTH_MULTIPLE
        return min(padded, self._recipe.batch.crop_bins or padded)

    def _keys(self, step: int) -> list[tuple[int, int]]:
        epoch, rest = divmod(step, len(self._batches))
        self._begin(epoch)
        return self._batches[rest]

    def _begin(self, epoch: int) -> None:
        """Put the batches of an epoch together; all processes have equally many."""
        if epoch == self._epoch:
            return
        law, rng = self._recipe.batch, np.random.default_rng([self._recipe.seed, epoch])
        batches = []
        for bins, keys in sorted(self._groups.items()):
            size = law.frames or max(_LEAST, law.columns // bins)
            order = rng.permutation(len(keys))
            size = min(size, max(2, len(keys) // self._ranks))
            whole = [order[i : i + size] for i in range(0, len(order), size)]
            batches += [[keys[i] for i in part] for part in whole if len(part) > 1]
        batches = [batches[i] for i in rng.permutation(len(batches))]
        batches = batches[: len(batches) // self._ranks * self._ranks][self._rank :: self._ranks]
        if not batches:
            raise DatasetError(f"the sets hold too few frames for {self._ranks} processes; give larger sets with --set")
        self._epoch, self._batches = epoch, batches

    def _read(self, keys: Sequence[tuple[int, int]]) -> list[Sample]:
        return [
            make_sample(self._sets[number][index], self._tables[number], mask=self._masks[number], device=self._device)
            for number, index in keys
        ]


def _check_set(made: ShardSet, recipe: TrainingRecipe) -> int:
    """Compare a set with a recipe: the number of the mask to learn."""
    description = made.description
    if (description.content is Content.PICTURES) != (recipe.input is Input.PICTURES):
        raise DatasetError(
            f'{made.folder} holds {description.content.value}, but input = "{recipe.input.value}"; {_PICTURE_NEEDS}'
        )
    if description.content is Content.ROWS and [r.value for r in description.reductions] != ["mean", "max"]:
        names = ", ".join(r.value for r in description.reductions)
        raise DatasetError(f"{made.folder} has rows of {names}, expected mean, max; make the set anew with rfseg synth")
    for class_id, pixels in made.pixels.items():
        if class_id < len(description.labels) and pixels and description.labels[class_id] not in recipe.classes:
            raise DatasetError(
                f"{made.folder} holds {description.labels[class_id]}, which is not among the recipe's classes"
                f" {', '.join(recipe.classes)}; add it to classes, or choose another set"
            )
    name = recipe.data.mask or description.masks[0]
    if name not in description.masks:
        raise DatasetError(f"{made.folder} has no mask {name!r}, only {', '.join(description.masks)}; change data.mask")
    return description.masks.index(name)

