"""The loss: weighted cross entropy, Dice, and error-guided refinement in a form that has a gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..synth import UNKNOWN
from .old_recipe import TrainingRecipe

__all__ = ["segmentation_loss"]


def segmentation_loss(logits: Tensor, masks: Tensor, recipe: TrainingRecipe) -> Tensor:
    """Loss of a batch; pixels of value 255 do not count.

    Parameters
    ----------
    logits : Tensor ``(N, classes, T, F)``
    masks : int64 Tensor ``(N, T, F)``

    Notes
    -----
    Error-guided refinement as published compares an argmax, which has no gradient; here it is the mean
    of ``(1 - probability of the true class) ** 2``.
    """
    weights = torch.tensor(recipe.class_weights)
    entropy = F.cross_entropy(logits, masks, weight=weights, ignore_index=UNKNOWN)
    known = masks != UNKNOWN
    if not known.any():
        return logits.sum() * 0.0
    probability = logits.softmax(dim=1).permute(1, 0, 2, 3)[:, known]  # (classes, P)
    truth = F.one_hot(masks[known], logits.shape[1]).T.to(probability.dtype)
    overlap, total = (probability * truth).sum(1), (probability + truth).sum(1)
    present = truth.sum(1) > 0
    dice = (1 - (2 * overlap + 1) / (total + 1))[present].mean()
    error = (1 - (probability * truth).sum(0)).square().mean()
    return entropy + recipe.dice_weight * dice + recipe.error_weight * error
