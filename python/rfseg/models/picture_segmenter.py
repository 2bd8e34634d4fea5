"""What the published networks were fed, and everything between dB rows and mask for them in one module.

The published pictures are levels of 0 to 255 in the colours of ``parula``, newest row first.  The colours are made
inside the graph: its input is the densities that survive the resize, in dB, and the two values that become 0 and 255
(:class:`rfseg.published.PublishedFrontEnd` makes both), so that a mask follows from numbers and not from a picture file.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..published_colours import parula
from .deployable import quantise_probability

__all__ = ["NORMALISATIONS", "PictureSegmenter", "picture_features", "rows_to_levels"]

HIGHEST_LEVEL = 255.0
# Mean and standard deviation of red, green and blue: none, and those of ImageNet
NORMALISATIONS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def picture_features(pictures: Tensor, *, normalisation: str = "none") -> Tensor:
    """What a network sees of pictures; for training on picture sets.

    The order of the rows stays as it is: a network that is trained on a set's pictures (earliest row first) is deployed
    with ``newest_first=False``.

    Parameters
    ----------
    pictures : uint8 Tensor ``(N, T, F, 3)``
        RGB.
    normalisation : {"none", "imagenet"}
        Colours from 0 to 1; ``imagenet`` also subtracts a mean and divides by a deviation, as the DeepLab recipe does.

    Returns
    -------
    float32 Tensor ``(N, 3, T, F)``
    """
    return _normalise(pictures.movedim(-1, 1).float() / HIGHEST_LEVEL, normalisation)


def rows_to_levels(rows: Tensor, limits: Tensor) -> Tensor:
    """The published scaling, minimum to maximum, rounded to whole levels.

    Parameters
    ----------
    rows : float Tensor ``(N, 1, T, F)``
        dB.
    limits : float Tensor ``(N, 2)``
        dB that become 0 and 255; where they are equal, all levels are 0.

    Returns
    -------
    int32 Tensor ``(N, T, F)``
        0 to 255.
    """
    low, high = limits[:, 0].reshape(-1, 1, 1), limits[:, 1].reshape(-1, 1, 1)
    span = high - low
    is_flat = span <= 0
    share = (rows[:, 0] - low) / torch.where(is_flat, 1.0, span)
    levels = (HIGHEST_LEVEL * share.clamp(0.0, 1.0) + 0.5).floor()
    return torch.where(is_flat, 0.0, levels).to(torch.int32)


class PictureSegmenter(nn.Module):
    """Densities and their scale in, mask and confidence out; what the ``.onnx`` file of the published family holds.

    Parameters
    ----------
    network : Module
        Maps features ``(N, 3, T, F)`` to logits ``(N, classes, T, F)``.
    newest_first : bool
        Whether the network was trained on the newest row first, as published networks were.  Input and output of this
        module have the earliest row first in any case.
    normalisation : {"none", "imagenet"}
        As in training, see :func:`picture_features`.
    class_ids : sequence of int or None
        Id in the mask of each output of the network; None where they are the same.
    temperature : float
        Divides the logits before the softmax; it calibrates the confidence and leaves the mask alone.

    Raises
    ------
    OptionError
        If the normalisation does not exist, or the ids are not 0, 1, 2 ... in some order.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        newest_first: bool,
        normalisation: str = "none",
        class_ids: Sequence[int] | None = None,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.newest_first = newest_first
        self.register_buffer("colours", _colour_table(normalisation), persistent=False)  # (256, 3)
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        if class_ids is not None and sorted(class_ids) != list(range(len(class_ids))):
            raise OptionError(f"class_ids={list(class_ids)!r} must be 0 to {len(class_ids) - 1}, each once")
        is_plain = class_ids is None or list(class_ids) == sorted(class_ids)
        ids = None if is_plain else torch.tensor(list(class_ids), dtype=torch.uint8)
        self.register_buffer("class_ids", ids, persistent=False)

    def logits(self, rows: Tensor, limits: Tensor) -> Tensor:
        """Logits ``(N, classes, T, F)`` in the network's order of classes, earliest row first."""
        features = self.colours[rows_to_levels(rows, limits).long()].movedim(-1, 1)  # (N, 3, T, F)
        if self.newest_first:
            features = features.flip(2)
        logits = self.network(features)
        return logits.flip(2) if self.newest_first else logits

    def forward(self, rows: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
        """``rows (N, 1, T, F)`` and ``limits (N, 2)`` in dB to ``mask`` and ``confidence``, uint8 ``(N, T, F)``."""
        logits = self.logits(rows, limits) / self.temperature
        best, index = logits.max(dim=1, keepdim=True)
        probability = 1.0 / (logits - best).exp().sum(dim=1)  # softmax of the best class, (N, T, F)
        index = index.squeeze(1)
        mask = index.to(torch.uint8) if self.class_ids is None else self.class_ids[index]
        return mask, quantise_probability(probability)


def _normalise(colours: Tensor, normalisation: str) -> Tensor:
    """Colours ``(N, 3, ...)`` from 0 to 1, as a network wants them."""
    mean, deviation = _normalisation(normalisation)
    shape = (-1, *[1] * (colours.ndim - 2))
    return (colours - mean.to(colours.device).view(shape)) / deviation.to(colours.device).view(shape)


def _colour_table(normalisation: str) -> Tensor:
    """Features of each level, float32 ``(256, 3)``."""
    return _normalise(torch.from_numpy(parula().copy()).float() / HIGHEST_LEVEL, normalisation)


def _normalisation(name: str) -> tuple[Tensor, Tensor]:
    if name not in NORMALISATIONS:
        known = ", ".join(map(repr, NORMALISATIONS))
        raise OptionError(f"normalisation={name!r} is unknown; choose one of {known}")
    mean, deviation = NORMALISATIONS[name]
    return torch.tensor(mean), torch.tensor(deviation)
