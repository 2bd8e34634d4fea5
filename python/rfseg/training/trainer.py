"""The training loop: one cycle over a fixed time, averaged weights, checkpoints that resume."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..models.deployable import DeployableSegmenter
from ..models.rf_segmenter import RFSegmenter
from .evaluation import evaluate, validation_scenes
from .old_losses import segmentation_loss
from .parallel import average_over_ranks
from .pool import Pool, make_batch
from .old_recipe import TrainingRecipe

__all__ = ["CHECKPOINT", "Trainer", "load_network", "train"]

CHECKPOINT = "last.pt"
_FIRST_SCENES = 300  # in the pool before the first step
_CHECK_S = 240.0  # between checkpoints
_QUICK_SCENES = 64  # held-out scenes looked at with each checkpoint
_FINAL_RATE = 0.002  # last learning rate re the peak
_CLIP_NORM = 5.0

_log = logging.getLogger(__name__)


def load_network(checkpoint: Path) -> RFSegmenter:
    """The averaged network of a checkpoint, ready to infer."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    network = RFSegmenter()
    network.load_state_dict(state["average"])
    return network.eval()


def train(rank: int, ranks: int, folder: Path, recipe: TrainingRecipe) -> None:
    """Body of one of ``ranks`` training processes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    Trainer(folder, recipe, rank=rank, ranks=ranks).run()


class Trainer:
    """One run in one folder.

    Parameters
    ----------
    folder : Path
        Receives ``last.pt`` and ``log.jsonl``; a folder that holds a checkpoint is resumed.
    recipe : TrainingRecipe
    rank, ranks : int
        Which of how many processes this is; only the first writes.
    """

    def __init__(self, folder: Path, recipe: TrainingRecipe, *, rank: int = 0, ranks: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.recipe, self.rank, self.ranks = folder, recipe, rank, ranks
        torch.manual_seed(recipe.seed)
        self.network = RFSegmenter()
        self.average = copy.deepcopy(self.network).eval()
        decayed = [p for p in self.network.parameters() if p.ndim == 4]
        others = [p for p in self.network.parameters() if p.ndim != 4]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.99))
        self.step, self.elapsed, self.images, self.next_seed = 0, 0.0, 0, recipe.seed
        if (folder / CHECKPOINT).exists():
            self._resume()

    def run(self) -> None:
        """Train until the recipe's time is over."""
        recipe = self.recipe
        pool = Pool(recipe, self.next_seed + self.rank, stride=self.ranks)
        scenes = validation_scenes(_QUICK_SCENES, recipe.scenes) if self.rank == 0 else []
        rng = np.random.default_rng([recipe.seed, self.step, self.rank])
        budget = recipe.minutes * 60.0
        pool.fill(_FIRST_SCENES, wait=True)
        clock = checked = time.monotonic()
        losses: list[float] = []
        owed = 0.0
        try:
            while self.elapsed < budget:
                losses.append(self._step(pool, rng))
                owed = min(owed + self._last_batch / recipe.uses, 64.0)
                owed -= pool.fill(int(owed))
                now = time.monotonic()
                self.elapsed, clock = self.elapsed + now - clock, now
                if self.rank == 0 and (now - checked > _CHECK_S or self.elapsed >= budget):
                    self.next_seed = pool.next_seed
                    self._report(losses, scenes, len(pool))
                    losses, checked = [], time.monotonic()
        finally:
            pool.close()

    def _step(self, pool: Pool, rng: np.random.Generator) -> float:
        """One optimiser step; returns the loss."""
        samples, width = pool.draw(self.recipe.columns, rng)
        halved = np.random.default_rng([self.recipe.seed, self.step]).random() < self.recipe.half_share
        features, masks = make_batch(samples, width, self.recipe, rng, halved=halved)  # alike on all ranks
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        logits = self.network.train()(features)
        loss = segmentation_loss(logits, masks, self.recipe)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.elapsed = average_over_ranks(self.network, self.elapsed)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP_NORM)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self.images += len(samples) * self.ranks
        self._last_batch = len(samples)
        self._average_weights()
        return float(loss.detach())

    def _rate(self) -> float:
        """One cycle over the time: linear up, cosine down."""
        recipe = self.recipe
        done = min(1.0, self.elapsed / (recipe.minutes * 60.0))
        if done < recipe.warm_up:
            return recipe.peak_rate * (0.05 + 0.95 * done / recipe.warm_up)
        along = (done - recipe.warm_up) / (1 - recipe.warm_up)
        return recipe.peak_rate * max(_FINAL_RATE, 0.5 * (1 + math.cos(math.pi * along)))

    @torch.no_grad()
    def _average_weights(self) -> None:
        """Exponential moving average of weights and batch-norm statistics."""
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _report(self, losses: list[float], scenes: list, pool_size: int) -> None:
        """Write a checkpoint and a line of the log."""
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "seed": self.recipe.seed,
                "recipe": json.dumps(asdict(self.recipe)),
                "step": self.step,
                "elapsed": self.elapsed,
                "images": self.images,
                "next_seed": self.next_seed,
            },
            self.folder / "new.pt",
        )
        (self.folder / "new.pt").replace(self.folder / CHECKPOINT)
        result = evaluate(DeployableSegmenter(self.average), scenes)
        line = {
            "minutes": round(self.elapsed / 60, 1),
            "step": self.step,
            "images": self.images,
            "scenes": self.next_seed - self.recipe.seed,
            "pool": pool_size,
            "loss": round(float(np.mean(losses)), 4),
            "rate": float(f"{self._rate():.3g}"),
            **result.summary(),
        }
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        _log.info("%s", line)

    def _resume(self) -> None:
        state = torch.load(self.folder / CHECKPOINT, weights_only=True, map_location="cpu")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.images, self.next_seed = state["images"], state["next_seed"]
        _log.info("resumed after %.1f minutes, %d steps", self.elapsed / 60, self.step)
