"""What is minimised: cross entropy, Dice and error-guided refinement, for every network; pixels of value 255 do not count.

Error-guided refinement as published compares an argmax with the truth, and an argmax has no gradient: it adds a
number to the loss and nothing to the training.  Three forms:

``soft``, the default
    Mean of ``(1 - p)^2``, p the probability of the true class.  Its gradient is greatest where the network is wrong
    and hesitates, fades where it is right, and stays bounded where it is sure and wrong, which is where labels err.
``wrong-pixels``
    Cross entropy averaged over the pixels whose argmax is wrong.  Closer to the published words, but the set of
    pixels jumps from step to step, and what is left of it late in a training are the borders and the errors of the labels.
``published``
    Kept to compare with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..datasets.classes import IGNORED
from .laws import ErrorForm, LossLaw, Softmax

__all__ = ["SegmentationLoss", "cross_entropy_loss", "dice_loss", "error_loss", "median_frequency_weights"]


class SegmentationLoss(nn.Module):
    """The weighted sum that a recipe asks for.

    Parameters
    ----------
    law : LossLaw
    weights : sequence of float or None
        Of the cross entropy, by class id.

    Notes
    -----
    Logits ``(N, classes, T, F)`` and masks int64 ``(N, T, F)`` to a scalar; 0 with a gradient of 0 where no pixel
    is known.  Computed in float32, whatever the logits are.
    """

    def __init__(self, law: LossLaw, weights: tuple[float, ...] | None = None) -> None:
        super().__init__()
        self.law = law
        self.register_buffer("weights", torch.tensor(weights) if weights else None, persistent=False)

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        law, logits = self.law, logits.float()
        known = masks != IGNORED
        truth = torch.where(known, masks, 0)  # (N, T, F)
        log_probs = logits.log_softmax(dim=1)  # (N, classes, T, F)
        scores = log_probs.exp().log_softmax(dim=1) if law.softmax is Softmax.DOUBLE else log_probs
        total = law.cross_entropy * cross_entropy_loss(scores, truth, known, self.weights, law.smoothing)
        if law.dice:
            total = total + law.dice * dice_loss(log_probs, truth, known)
        if law.error:
            total = total + law.error * error_loss(log_probs, truth, known, law.error_form)
        return total


def cross_entropy_loss(
    log_probs: Tensor, truth: Tensor, known: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean over the known pixels, weighted by class; what PyTorch's own computes, and 0 where nothing is known.

    Parameters
    ----------
    log_probs : Tensor ``(N, classes, T, F)``
    truth : int64 Tensor ``(N, T, F)``
        Any class id where ``known`` is false.
    known : bool Tensor ``(N, T, F)``
    """
    pixel = known.to(log_probs.dtype) if weights is None else weights[truth] * known
    own = -log_probs.gather(1, truth.unsqueeze(1)).squeeze(1)  # (N, T, F)
    share = pixel.sum().clamp(min=1e-12)
    loss = (own * pixel).sum() / share
    if smoothing:
        spread = -(log_probs if weights is None else log_probs * weights.view(1, -1, 1, 1)).sum(1)
        loss = (1 - smoothing) * loss + smoothing * (spread * known).sum() / share / log_probs.shape[1]
    return loss


def dice_loss(log_probs: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean over the classes that occur of ``1 - 2 overlap / (assigned + true)``, probabilities as pixels."""
    probs = log_probs.exp() * known.unsqueeze(1)
    own = torch.zeros_like(probs).scatter_(1, truth.unsqueeze(1), known.unsqueeze(1).to(probs.dtype))
    overlap, there = (probs * own).sum((0, 2, 3)), own.sum((0, 2, 3))
    dice = 1 - (2 * overlap + 1) / (probs.sum((0, 2, 3)) + there + 1)
    occurs = (there > 0).to(dice.dtype)
    return (dice * occurs).sum() / occurs.sum().clamp(min=1)


def error_loss(log_probs: Tensor, truth: Tensor, known: Tensor, form: ErrorForm) -> Tensor:
    """Error-guided refinement; see the head of this module."""
    own = log_probs.gather(1, truth.unsqueeze(1)).squeeze(1)  # log p of the true class, (N, T, F)
    if form is ErrorForm.SOFT:
        return ((1 - own.exp()).square() * known).sum() / known.sum().clamp(min=1)
    right = log_probs.argmax(dim=1) == truth
    if form is ErrorForm.WRONG_PIXELS:
        wrong = (~right & known).to(own.dtype)
        return -(own * wrong).sum() / wrong.sum().clamp(min=1)
    return ((right.to(own.dtype) - 1).square() * known).sum() / known.sum().clamp(min=1)


def median_frequency_weights(pixels: Tensor) -> tuple[float, ...]:
    """Median of the class shares over the share of each class; 0 for one that never occurs.

    Parameters
    ----------
    pixels : Tensor ``(classes,)``
        Pixels of each class.

    Examples
    --------
    >>> median_frequency_weights(torch.tensor([600, 200, 200, 0]))
    (0.333..., 1.0, 1.0, 0.0)
    """
    counts = pixels.double()
    occurs = counts > 0
    median = counts[occurs].median()
    return tuple(torch.where(occurs, median / counts.clamp(min=1), 0.0).tolist())
