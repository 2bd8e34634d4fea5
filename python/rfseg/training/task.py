"""One training as Lightning runs it: batches in, loss out, learning rate and averaged weights after each step."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..models.rf_segmenter import SSCA
from .laws import Balance
from .losses import SegmentationLoss, median_frequency_weights
from .optimizers import make_optimizer
from .recipe import TrainingRecipe
from .samples import make_batch
from .schedule import Progress, rate_factor
from .sources import Source

__all__ = ["SegmentationTask", "keep_scans_exact"]


class SegmentationTask(pl.LightningModule):
    """A network, its recipe and how far it is.

    Parameters
    ----------
    network : Module
        Features to logits.
    recipe : TrainingRecipe
    progress : Progress
        Moved on with every step.
    open_source : callable
        Takes the progress and the keywords ``rank``, ``ranks`` and ``device``; called when the processes are there.
    earlier : dict or None
        Checkpoint of the run that this one resumes.
    """

    source: Source
    loss: SegmentationLoss

    def __init__(
        self,
        network: nn.Module,
        recipe: TrainingRecipe,
        progress: Progress,
        open_source: Callable[..., Source],
        *,
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.recipe, self.progress = network, recipe, progress
        self._open_source = open_source
        self._earlier = earlier
        self._loss_sum: Tensor | float = 0.0  # of the steps since somebody looked
        self._loss_count = 0
        self._frames = 0  # in the batch of this step
        self._layout = torch.contiguous_format
        self._average = [copy.deepcopy(network).eval()] if recipe.optimizer.average else []  # a list hides it from DDP
        if earlier is not None and self._average:
            self._average[0].load_state_dict(earlier["average"])

    def setup(self, stage: str) -> None:
        """Open the source; the processes know each other by now."""
        trainer = self.trainer
        device = trainer.strategy.root_device
        self.source = self._open_source(self.progress, rank=trainer.global_rank, ranks=trainer.world_size, device=device)
        self.loss = SegmentationLoss(self.recipe.loss, self._class_weights())
        if trainer.precision_plugin.precision != "32-true":
            keep_scans_exact(self.network)
            self._layout = torch.channels_last  # mixed convolutions are faster so
        if self._earlier is not None:
            trainer.precision_plugin.load_state_dict(self._earlier.get("scaler", {}))

    def teardown(self, stage: str) -> None:
        """Let go of processes and files."""
        if "source" in self.__dict__:
            self.source.close()

    def _class_weights(self) -> tuple[float, ...] | None:
        """Those of the recipe, or of all that the processes train on."""
        law = self.recipe.loss
        if law.balance is Balance.NONE:
            return law.class_weights or None
        if self._earlier is not None:
            return tuple(self._earlier["class_weights"])
        pixels = torch.from_numpy(self.source.class_pixels())
        if self.trainer.world_size > 1:
            pixels = pixels.to(self.trainer.strategy.root_device)
            dist.all_reduce(pixels)
        return median_frequency_weights(pixels.cpu())

    @property
    def average(self) -> nn.Module:
        """The network that is validated and exported: with averaged weights where the recipe has them."""
        return self._average[0] if self._average else self.network

    def train_dataloader(self) -> Iterator[int]:
        """Steps without end; who looks after the run ends it.  Frames are drawn in the step: Lightning would be one ahead."""
        return itertools.count()

    def transfer_batch_to_device(self, batch: int, device: torch.device, dataloader_idx: int) -> int:
        """Frames wait on the device already."""
        return batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The recipe's; Lightning asks when the network is on its device."""
        for network in self._average:
            network.to(self.device)
        optimizer = make_optimizer(self.network, self.recipe.optimizer)
        if self._earlier is not None:
            optimizer.load_state_dict(self._earlier["optimizer"])
        return optimizer

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.recipe.optimizer.rate * rate_factor(self.recipe.schedule, self.progress, self.recipe.stop)

    def training_step(self, batch: int, batch_idx: int) -> Tensor:
        """Loss of the batch of this step."""
        # Dropout draws from here; so a resumed run goes on as if it had not stopped.
        torch.manual_seed((self.recipe.seed * 1_000_003 + self.progress.step) * 64 + self.global_rank)
        draw = self.source.draw(self.progress.step)
        self._frames = len(draw.samples)
        with torch.autocast(self.device.type, enabled=False):  # frames wait in float16 and are worked out in float32
            features, masks = make_batch(draw, self.recipe.batch, normalised=self.recipe.normalised)
        loss = self.loss(self.network(features.contiguous(memory_format=self._layout)), masks)
        self._loss_sum = self._loss_sum + loss.detach()
        self._loss_count += 1
        return loss

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        """Shorten long gradients; a step whose gradient is not finite is left out.  Also sets the learning rate."""
        for group in optimizer.param_groups:
            group["lr"] = self.rate
        clip = self.recipe.optimizer.clip_norm
        if not clip:
            return
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), clip)
        if not torch.isfinite(norm):
            for parameter in self.network.parameters():
                parameter.grad = None

    def finish_step(self) -> None:
        """Count the step, and average the weights where this is the process that writes them."""
        progress, before = self.progress, int(self.progress.epoch)
        progress.step += 1
        progress.images += self._frames * self.trainer.world_size
        progress.epoch = progress.images / self.source.epoch_items
        progress.drawn = self.source.drawn
        if self.recipe.optimizer.rounds_to_half and int(progress.epoch) > before:
            self.network.half().float()
        if self._average and self.trainer.is_global_zero:
            young = (1 + progress.step) / (10 + progress.step)  # random first weights are soon forgotten
            _move_average(self._average[0], self.network, min(self.recipe.optimizer.average, young))

    def take_loss(self) -> float | None:
        """Mean loss since the last call."""
        if not self._loss_count:
            return None
        mean = float(self._loss_sum) / self._loss_count
        self._loss_sum, self._loss_count = 0.0, 0
        return mean


@torch.no_grad()
def _move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and batch-norm statistics."""
    means, values = list(average.state_dict().values()), list(network.state_dict().values())
    floats = [m.dtype.is_floating_point for m in means]
    torch._foreach_lerp_(
        [m for m, is_float in zip(means, floats, strict=True) if is_float],
        [v for v, is_float in zip(values, floats, strict=True) if is_float],
        1 - decay,
    )
    for mean, value, is_float in zip(means, values, floats, strict=True):
        if not is_float:
            mean.copy_(value)


def keep_scans_exact(network: nn.Module) -> None:
    """Selective scans in float32 under autocast: their products of many factors leave the range of halves."""
    for module in network.modules():
        if isinstance(module, SSCA):
            module.scan = _exactly(module.scan)  # type: ignore[method-assign]


def _exactly(scan: Any) -> Any:
    def run(u: Tensor) -> Tensor:
        with torch.autocast(u.device.type, enabled=False):
            return scan(u.float())

    return run
