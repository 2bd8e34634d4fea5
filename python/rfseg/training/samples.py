"""Frames as they wait for their turn, and the batches that are made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..datasets.classes import IGNORED
from ..datasets.items import Item
from ..models.deployable import WIDTH_MULTIPLE, pad_width, reference_features
from ..models.picture_segmenter import picture_features
from .laws import BatchLaw

__all__ = ["Draw", "Sample", "class_table", "frame_features", "make_batch", "make_sample"]

_LEAST_VALID = 8  # rows of a frame that ends early


@dataclass(frozen=True)
class Sample:
    """One frame with its truth.

    Parameters
    ----------
    data : Tensor
        Rows, float16 ``(2, T, F)``, dB re the frame's own level; or a picture, uint8 ``(T, F, 3)``.
    mask : uint8 Tensor ``(T, F)``
        Ids in the order of the recipe's classes, 255 where the truth is not known.
    """

    data: Tensor
    mask: Tensor

    @property
    def is_picture(self) -> bool:
        """Whether the data is one."""
        return self.data.dtype == torch.uint8

    @property
    def width(self) -> int:
        """Bins after padding to the networks' multiple."""
        return -(-self.mask.shape[1] // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Frames for one batch of one process.

    Parameters
    ----------
    samples : list of Sample
    width : int
        Bins that they are cut to.
    is_halved : bool
        Whether half of the rows are taken; alike on all processes.
    rng : Generator
        For the augmentation.
    """

    samples: list[Sample]
    width: int
    is_halved: bool
    rng: np.random.Generator


def class_table(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Id in ``classes`` of each id in ``labels``, uint8 ``(256,)``; 255 of what ``classes`` has not."""
    table = np.full(256, IGNORED, np.uint8)
    for class_id, label in enumerate(labels):
        if label in classes:
            table[class_id] = list(classes).index(label)
    return table


def make_sample(item: Item, table: np.ndarray, *, mask: int = 0, device: torch.device | str = "cpu") -> Sample:
    """An item as it waits; ``mask`` is the number of the mask that counts, where the item has several."""
    chosen = item.mask if item.mask.ndim == 2 else item.mask[mask]
    return Sample(torch.from_numpy(item.data).to(device), torch.from_numpy(table[chosen]).to(device))


def frame_features(samples: Sequence[Sample], *, normalised: bool = False) -> list[Tensor]:
    """Features of whole frames as a network sees them in use, each ``(3, T, width)``."""
    return _features(samples, None, None, normalised)


def make_batch(draw: Draw, law: BatchLaw, *, normalised: bool = False) -> tuple[Tensor, Tensor]:
    """Features and masks of one batch, varied, on the device of the samples.

    The features come from the whole frame; crops are cut afterwards, so the noise reference is what it will be in
    use.  A halved batch keeps half of the rows: twice the variety for the time.

    Returns
    -------
    features : float32 ``(N, 3, height, width)``
    masks : int64 ``(N, height, width)``
    """
    rng = draw.rng
    samples = [_cut_short(s, rng) if law.cut_share and rng.random() < law.cut_share else s for s in draw.samples]
    features = _features(samples, law, rng, normalised)
    full = samples[0].mask.shape[0]
    height = full // 2 if draw.is_halved else full
    cut_features, cut_masks = [], []
    for feature, sample in zip(features, samples, strict=True):
        padding = feature.shape[-1] - sample.mask.shape[1]
        label = torch.nn.functional.pad(sample.mask, (0, padding), value=IGNORED)
        left = int(rng.integers(feature.shape[-1] - draw.width + 1))
        top = int(rng.integers(full - height + 1))
        flips = [axis for axis, share in ((-1, law.flip_frequency), (-2, law.flip_time)) if rng.random() < share]
        cut_features.append(feature[:, top : top + height, left : left + draw.width].flip(flips))
        cut_masks.append(label[top : top + height, left : left + draw.width].flip(flips))
    return torch.stack(cut_features), torch.stack(cut_masks).long()


def _features(
    samples: Sequence[Sample], law: BatchLaw | None, rng: np.random.Generator | None, normalised: bool
) -> list[Tensor]:
    """Features of each frame; frames of one number of bins are worked out together."""
    groups: dict[int, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        groups[sample.mask.shape[1]].append(index)
    features: dict[int, Tensor] = {}
    for bins, members in groups.items():
        data = torch.stack([samples[i].data for i in members])
        if samples[members[0]].is_picture:
            made = picture_features(data, normalisation="imagenet" if normalised else "none")
        else:
            rows, offset = data.float(), 0.0
            if law is not None and rng is not None:
                rows, offset = _jitter(rows, law, rng)
            made = reference_features(rows, offset)
        features.update(zip(members, pad_width(made), strict=True))
    return [features[index] for index in range(len(samples))]


def _jitter(rows: Tensor, law: BatchLaw, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Rows ``(N, 2, T, F)`` with a slope over the band and levels stretched; and offsets ``(N, 1, 1)`` of the reference, dB."""
    count, bins = rows.shape[0], rows.shape[-1]
    offset = rng.uniform(-law.reference_db, law.reference_db, count) * (rng.random(count) < law.reference_share)
    if law.gain_db:
        slope = _tensor(rng.uniform(-law.gain_db, law.gain_db, count), rows)
        rows = rows + slope.view(-1, 1, 1, 1) * torch.linspace(-1, 1, bins, device=rows.device)
    if law.span:
        rows = rows * _tensor(rng.uniform(1 - law.span, 1 + law.span, count), rows).view(-1, 1, 1, 1)
    return rows, _tensor(offset, rows).view(-1, 1, 1)


def _tensor(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(like.device)


def _cut_short(sample: Sample, rng: np.random.Generator) -> Sample:
    """A frame that ended early: the valid rows come again, backwards and forwards, as :func:`rfseg.spectrogram.frame_rows` does."""
    if sample.is_picture:
        return sample
    count = sample.mask.shape[0]
    valid = int(rng.integers(_LEAST_VALID, count))
    turn = np.arange(count) % (2 * valid)
    source = torch.from_numpy(np.minimum(turn, 2 * valid - 1 - turn)).to(sample.mask.device)
    return Sample(sample.data.index_select(1, source), sample.mask.index_select(0, source))
