"""Who looks after a run: the clock that all processes agree on, checkpoints, validation, Ctrl-C and the progress bar."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import nn
from tqdm import tqdm

from ..atomic import replacing
from ..errors import SceneError
from .checkpoint import BEST, LAST, save_state
from .laws import Selection
from .runlog import RunLog
from .samples import Sample
from .task import SegmentationTask
from .validation import score_frames

__all__ = ["RUN", "Keeper"]

RUN = "run.json"  # of a run's folder
_AGREE_STEPS = 16  # between agreements on a GPU, which must not wait for its host at every step
_QUIET_SECONDS = 1.0  # what is done sooner shows no progress bar


class Keeper(pl.Callback):
    """Ends the run when its time has come, and leaves it such that it can be resumed.

    Parameters
    ----------
    folder : Path
        Receives ``last.pt``, ``best.pt``, ``log.csv`` and the events for TensorBoard.
    facts : dict
        What the run is, for ``run.json``.
    best_score : float
        Best mean IoU of the earlier parts of the run.
    """

    def __init__(self, folder: Path, *, facts: dict[str, Any], best_score: float = -1.0) -> None:
        self.folder, self.best_score = folder, best_score
        self.was_interrupted = False
        self._facts = facts
        self._asked_to_stop = 0
        self._held_out: list[Sample] | None = None
        self._log: RunLog | None = None
        self._bar: Any = None

    def on_train_start(self, trainer: pl.Trainer, task: SegmentationTask) -> None:
        """Start the clock."""
        self._clock = time.monotonic()
        self._checked = task.progress.seconds
        self._images, self._images_at = task.progress.images, task.progress.seconds
        self._epochs = int(task.progress.epoch)
        self._outer = signal.signal(signal.SIGINT, self._ask_to_stop)
        if trainer.is_global_zero:
            with replacing(self.folder / RUN) as temporary:
                temporary.write_text(json.dumps(self._facts, indent=2) + "\n", encoding="utf-8")
            self._log = RunLog(self.folder, step=task.progress.step)
            self._bar = _make_bar(task)

    def on_train_batch_end(self, trainer: pl.Trainer, task: SegmentationTask, *_: Any) -> None:
        """Count the step, agree on the time, look at the network when it is due, end the run when it is over."""
        task.finish_step()
        progress, stop = task.progress, task.recipe.stop
        if task.device.type == "cpu" or progress.step % _AGREE_STEPS == 0:
            now = time.monotonic()
            seconds, asked = _agree(progress.seconds + now - self._clock, self._asked_to_stop, task.device)
            progress.seconds, self._clock = seconds, now
            self.was_interrupted = asked
        is_over = progress.share(stop) >= 1.0 or self.was_interrupted
        if stop.selection is Selection.BEST or (stop.epochs and not stop.minutes and not stop.steps):
            is_due = int(progress.epoch) > self._epochs
        else:
            is_due = progress.seconds - self._checked > 60.0 * stop.check_minutes
        if self._bar is not None:
            _show(self._bar, task)
        if is_over or is_due:
            self._checked, self._epochs = progress.seconds, int(progress.epoch)
            if trainer.is_global_zero:
                self._look(trainer, task)
        trainer.should_stop = trainer.should_stop or is_over

    def on_train_end(self, trainer: pl.Trainer, task: SegmentationTask) -> None:
        """Put things back."""
        signal.signal(signal.SIGINT, self._outer)
        self._close()

    def on_exception(self, trainer: pl.Trainer, task: SegmentationTask, exception: BaseException) -> None:
        """Put things back."""
        if hasattr(self, "_outer"):
            signal.signal(signal.SIGINT, self._outer)
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._log is not None:
            self._log.close()

    def _ask_to_stop(self, *_: Any) -> None:
        """First Ctrl-C: end after this step; second: at once."""
        self._asked_to_stop += 1
        if self._asked_to_stop > 1:
            raise KeyboardInterrupt

    def _look(self, trainer: pl.Trainer, task: SegmentationTask) -> None:
        """Write a checkpoint, then validate and write a line of the log; interrupted, only the checkpoint."""
        loss = task.take_loss()
        if loss is not None and loss != loss:
            raise SceneError(f"the loss is no number any more at step {task.progress.step}; lower optimizer.rate")
        save_state(self._state(trainer, task), self.folder / LAST)
        if self.was_interrupted:
            return
        facts = self._measure(task, loss)
        if task.recipe.stop.selection is Selection.BEST and (facts["mean_iou"] or 0.0) > self.best_score:
            self.best_score = facts["mean_iou"] or 0.0
            state = self._state(trainer, task)
            save_state(state, self.folder / BEST)
            save_state(state, self.folder / LAST)  # knows the best score, too
        assert self._log is not None
        self._log.write(facts)
        self._tell(facts)

    def _state(self, trainer: pl.Trainer, task: SegmentationTask) -> dict[str, Any]:
        progress = task.progress.to_record(ranks=trainer.world_size, seed=task.recipe.seed)
        progress["precision"] = self._facts["precision"]
        return {
            "network": _on_cpu(task.network),
            "average": _on_cpu(task.average),
            "optimizer": trainer.optimizers[0].state_dict(),
            "scaler": trainer.precision_plugin.state_dict(),
            "recipe": json.dumps(task.recipe.to_record()),
            "progress": progress,
            "sets": self._facts["sets"],
            "best_score": self.best_score,
            "class_weights": None if task.loss.weights is None else task.loss.weights.tolist(),
        }

    def _measure(self, task: SegmentationTask, loss: float | None) -> dict[str, Any]:
        """A line of the log."""
        if self._held_out is None:
            self._held_out = task.source.held_out()
        network, classes = task.average, task.recipe.classes
        was_training = network.training
        scores = score_frames(network.eval(), self._held_out, len(classes), normalised=task.recipe.normalised)
        network.train(was_training)
        progress = task.progress
        spent = max(progress.seconds - self._images_at, 1e-9)
        pace, self._images, self._images_at = (progress.images - self._images) / spent, progress.images, progress.seconds
        line = {
            "step": progress.step,
            "minutes": round(progress.minutes, 2),
            "epoch": round(progress.epoch, 3),
            "images": progress.images,
            "images_per_second": round(pace, 2),
            "rate": float(f"{task.rate:.3g}"),
            "loss": None if loss is None else round(loss, 4),
            "accuracy": round(scores.accuracy_score, 4),
            "mean_iou": None if scores.mean_iou_score is None else round(scores.mean_iou_score, 4),
        }
        ious = zip(classes, scores.iou_scores.tolist(), strict=True)
        return line | {f"iou_{label}": None if iou != iou else round(iou, 4) for label, iou in ious}

    def _tell(self, facts: dict[str, Any]) -> None:
        loss = "-" if facts["loss"] is None else f"{facts['loss']:.3f}"
        score = "-" if facts["mean_iou"] is None else f"{facts['mean_iou']:.4f}"
        text = f"{facts['minutes']:.1f} min, step {facts['step']}: loss {loss}, mean IoU {score}"
        tqdm.write(text, file=sys.stderr)


def _agree(seconds: float, asked: int, device: torch.device) -> tuple[float, bool]:
    """Mean of the processes' clocks, and whether any of them was asked to stop."""
    if not (dist.is_available() and dist.is_initialized()):
        return seconds, asked > 0
    both = torch.tensor([seconds, float(asked)], dtype=torch.float64, device=device)
    dist.all_reduce(both)
    total, count = both.tolist()
    return total / dist.get_world_size(), count > 0


def _on_cpu(network: nn.Module) -> dict[str, Any]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _make_bar(task: SegmentationTask) -> Any:
    """A bar on standard error, where someone looks at it; it counts what ends the run."""
    stop = task.recipe.stop
    unit, total = ("min", stop.minutes) if stop.minutes else ("step", stop.steps) if stop.steps else ("epoch", stop.epochs)
    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} {unit} [{elapsed}<{remaining}{postfix}]"
    return tqdm(
        total=total, unit=unit, desc=f"train {task.recipe.network}", delay=_QUIET_SECONDS, disable=None, leave=False,
        file=sys.stderr, bar_format=form,
    )  # fmt: skip


def _show(bar: Any, task: SegmentationTask) -> None:
    if bar.disable:
        return
    progress, stop = task.progress, task.recipe.stop
    bar.n = progress.minutes if stop.minutes else progress.step if stop.steps else progress.epoch
    bar.set_postfix_str(f"step {progress.step}, rate {task.rate:.2g}", refresh=False)
    bar.update(0)
