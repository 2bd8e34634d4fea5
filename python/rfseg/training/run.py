"""A training from start to end: new or resumed, on one processor or many."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import DDPStrategy

from .. import __version__
from ..atomic import make_folder, remove_leftovers, replacing
from ..errors import OptionError
from ..models.registry import make_network
from .checkpoint import LAST, load_state, recipe_of
from .initial import load_initial
from .keeper import Keeper
from .memory import keep_memory
from .recipe import TrainingRecipe
from .schedule import Progress
from .sources import LiveSource, SetSource, Source, check_scenes
from .task import SegmentationTask

__all__ = ["Outcome", "Place", "train"]

_RECIPE = "recipe.toml"  # of a run's folder
_PRECISIONS = ("32", "bf16-mixed", "16-mixed")
_LIGHTNING_PRECISION = {"32": "32-true"}
_DEAD_WEIGHTS = ("prmnet", "rpmsn")  # networks with parameters that take part in nothing, as published
_MOST_HELPERS = 8  # processes that make scenes, or threads that read sets, for one GPU
_MAY_CHANGE = ("name", "description", "data.validation", "data.workers", "stop.minutes", "stop.steps", "stop.epochs", "stop.check_minutes")
_NOISE = (  # of Lightning's, which is used as intended
    r".*does not have many workers.*",
    r".*isinstance\(treespec, LeafSpec\).*",
    r".*GPU available but not used.*",
    r".*`broadcast_buffers` is deprecated.*",  # PyTorch 2.11 has no other word for it
)
_ACCELERATORS = ("auto", "cpu", "gpu")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a training runs.

    Parameters
    ----------
    accelerator : {"auto", "cpu", "gpu"}
    devices, nodes : int
        Processes of one node, and nodes.  Two processes of one thread use two cores better than two threads do.
    precision : {"32", "bf16-mixed", "16-mixed"}

    Raises
    ------
    OptionError
        If there is no such accelerator or precision, or fewer devices than asked for.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32"

    def __post_init__(self) -> None:
        if self.accelerator not in _ACCELERATORS:
            raise OptionError(f"--accelerator {self.accelerator} is unknown; choose one of {', '.join(_ACCELERATORS)}")
        if self.precision not in _PRECISIONS:
            raise OptionError(f"--precision {self.precision} is unknown; choose one of {', '.join(_PRECISIONS)}")
        for name in ("devices", "nodes"):
            if getattr(self, name) < 1:
                raise OptionError(f"--{name} {getattr(self, name)} must be at least 1")
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.accelerator == "gpu" and not there:
            raise OptionError("--accelerator gpu: PyTorch sees no GPU here; choose cpu, or install PyTorch with CUDA")
        if self.is_gpu and self.devices > there:
            raise OptionError(f"--devices {self.devices}: there are {there} GPUs; choose at most so many")
        if self.precision == "16-mixed" and not self.is_gpu:
            raise OptionError("--precision 16-mixed needs a GPU; choose 32, or bf16-mixed where the processor has it")

    @property
    def is_gpu(self) -> bool:
        """Whether it runs on GPUs."""
        return self.accelerator == "gpu" or (self.accelerator == "auto" and torch.cuda.is_available())

    @property
    def ranks(self) -> int:
        """Processes in all."""
        return self.devices * self.nodes

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        names = ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK") if self.ranks > 1 else ()
        return all(int(os.environ.get(name, 0)) == 0 for name in names)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training came to.

    Parameters
    ----------
    progress : Progress
    best_score : float
        Best mean IoU, where the recipe keeps the best; below 0 otherwise.
    was_interrupted : bool
        By Ctrl-C; the same command goes on.
    was_over : bool
        Whether there was nothing left to do.
    """

    progress: Progress
    best_score: float
    was_interrupted: bool = False
    was_over: bool = False


def train(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    place: Place | None = None,
    sets: Sequence[Path] = (),
    initial: Path | None = None,
    text: str = "",
) -> Outcome:
    """Train a network, or go on where a run in that folder stopped.

    Parameters
    ----------
    recipe : TrainingRecipe
    folder : Path
        Receives everything.
    place : Place
    sets : sequence of Path
        Sharded sets to train on, in place of scenes made meanwhile.
    initial : Path or None
        Weights to start from; a resumed run has its own.
    text : str
        The recipe as it was given, for the folder.

    Raises
    ------
    RfsegError
        If the recipe has no end or does not fit the data, a file is of no use, the folder holds another run, or the
        loss is no number any more.
    """
    place = place or Place()
    stop = recipe.stop
    if not (stop.minutes or stop.steps or stop.epochs):
        raise OptionError(f"the recipe {recipe.name} does not say when to stop; give --minutes or --steps")
    if not sets:
        check_scenes(recipe)
    earlier = load_state(folder / LAST) if (folder / LAST).is_file() else None
    if earlier is not None:
        _check_same(recipe, earlier, folder)
        _check_sets(sets, earlier, folder)
    progress, best_score = _progress_of(earlier, folder)
    if progress.share(stop) >= 1.0:
        return Outcome(progress=progress, best_score=best_score, was_over=True)
    if not place.is_gpu and place.devices > 1:
        torch.set_num_threads(1)
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # of the processes that are still to come
    if not place.is_gpu:
        keep_memory()
    torch.manual_seed(recipe.seed)
    network = make_network(recipe.network, len(recipe.classes), published=recipe.published)
    if earlier is not None:
        network.load_state_dict(earlier["network"])
    elif initial is not None:
        load_initial(network, initial)
    make_folder(folder)
    if place.is_first:
        _begin_folder(folder, text)
    task = SegmentationTask(network, recipe, progress, partial(_open_source, recipe, tuple(sets)), earlier=earlier)
    keeper = Keeper(folder, facts=_facts(recipe, place, sets, initial), best_score=best_score)
    with warnings.catch_warnings():
        for message in _NOISE:
            warnings.filterwarnings("ignore", message=message)
        _make_trainer(recipe, place, keeper).fit(task)
    return Outcome(progress=progress, best_score=keeper.best_score, was_interrupted=keeper.was_interrupted)


def _begin_folder(folder: Path, text: str) -> None:
    """The recipe in the folder, and nothing of writers that were killed."""
    remove_leftovers(folder)
    if text:
        with replacing(folder / _RECIPE) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _open_source(
    recipe: TrainingRecipe, sets: Sequence[Path], progress: Progress, *, rank: int, ranks: int, device: torch.device
) -> Source:
    """What one process draws its batches from."""
    cores = max(1, (os.cpu_count() or 1) // max(1, torch.cuda.device_count() if device.type == "cuda" else ranks))
    is_gpu = device.type == "cuda"
    if sets:
        threads = min(_MOST_HELPERS, cores) if is_gpu else 1
        return SetSource(recipe, sets, rank=rank, ranks=ranks, drawn=progress.drawn, device=device, threads=threads)
    if is_gpu and recipe.data.workers:
        recipe = recipe.with_changes(data__workers=max(recipe.data.workers, min(_MOST_HELPERS, cores // 2)))
    is_exact = not recipe.stop.minutes
    return LiveSource(recipe, rank=rank, ranks=ranks, drawn=progress.drawn, device=device, is_exact=is_exact)


def _make_trainer(recipe: TrainingRecipe, place: Place, keeper: Keeper) -> pl.Trainer:
    """Lightning's trainer, with what this package does itself switched off."""
    for part in ("lightning.pytorch", "lightning.fabric"):  # else they report the hardware
        logging.getLogger(part).setLevel(logging.WARNING)
    strategy: Any = "auto"
    if place.ranks > 1:
        strategy = DDPStrategy(
            find_unused_parameters=recipe.network in _DEAD_WEIGHTS,
            broadcast_buffers=False,  # the statistics of the first process are those that count
            gradient_as_bucket_view=True,
            process_group_backend="nccl" if place.is_gpu else "gloo",
        )
    return pl.Trainer(
        accelerator="gpu" if place.is_gpu else "cpu",
        devices=place.devices,
        num_nodes=place.nodes,
        strategy=strategy,
        precision=_LIGHTNING_PRECISION.get(place.precision, place.precision),
        callbacks=[keeper],
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )


def _facts(recipe: TrainingRecipe, place: Place, sets: Sequence[Path], initial: Path | None) -> dict[str, Any]:
    """What a run is, for its folder."""
    return {
        "recipe": recipe.to_record(),
        "sets": [str(folder) for folder in sets],
        "initial": None if initial is None else str(initial),
        "accelerator": "gpu" if place.is_gpu else "cpu",
        "hardware": torch.cuda.get_device_name() if place.is_gpu else f"{os.cpu_count()} cores",
        "processes": place.ranks,
        "precision": place.precision,
        "versions": {"rfseg": __version__, "torch": torch.__version__, "lightning": pl.__version__},
    }


def _progress_of(earlier: Mapping[str, Any] | None, folder: Path) -> tuple[Progress, float]:
    if earlier is None:
        return Progress(), -1.0
    if "progress" not in earlier:
        raise OptionError(
            f"{folder / LAST} is of an earlier version, which this one cannot resume; name another folder with --out and start"
            f" from its weights with --init {folder / LAST}"
        )
    record = earlier["progress"]
    return Progress(**{f.name: record[f.name] for f in fields(Progress)}), earlier.get("best_score", -1.0)


def _check_same(recipe: TrainingRecipe, earlier: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with another recipe; when it ends may change."""
    then, now = recipe_of(earlier, folder / LAST).to_record(), recipe.to_record()
    difference = _first_difference(then, now)
    if difference is not None:
        key, old, new = difference
        raise OptionError(
            f"{folder} holds a run with {key}={old!r}, not {new!r}; name another folder with --out, or give that run's recipe"
        )


def _check_sets(sets: Sequence[Path], earlier: Mapping[str, Any], folder: Path) -> None:
    """Refuse to go on with other data; sets that were moved keep their names."""
    then, now = [Path(name).name for name in earlier.get("sets", sets)], [path.name for path in sets]
    if then != now:
        raise OptionError(
            f"{folder} holds a run on {', '.join(then) or 'fresh scenes'}, not on {', '.join(now) or 'fresh scenes'}; give the same"
            f" --set as before, or name another folder with --out and start from its weights with --init {folder / LAST}"
        )


def _first_difference(then: Any, now: Any, where: str = "") -> tuple[str, Any, Any] | None:
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return None if then == now else (where, then, now)
    for key in sorted(set(then) | set(now)):
        path = f"{where}.{key}" if where else key
        if path in _MAY_CHANGE:
            continue
        difference = _first_difference(then.get(key), now.get(key), path)
        if difference is not None:
            return difference
    return None
