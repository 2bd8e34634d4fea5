"""How well a network does on held-out frames while it is trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import nn

from ..evaluation.confusion import Confusion
from .samples import Sample, frame_features

__all__ = ["score_frames"]

_COLUMNS = 1024  # bins in a batch


@torch.no_grad()
def score_frames(network: nn.Module, samples: Sequence[Sample], classes: int, *, normalised: bool = False) -> Confusion:
    """Pixels by true and assigned class, over whole frames.

    Parameters
    ----------
    network : Module
        In the state that it is to be judged in: features to logits.
    classes : int
        That it knows.
    """
    confusion = Confusion(classes)
    groups: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.width].append(sample)
    for width, members in sorted(groups.items()):
        size = max(1, _COLUMNS // width)
        for begin in range(0, len(members), size):
            part = members[begin : begin + size]
            features = torch.stack(frame_features(part, normalised=normalised))  # (N, 3, T, width)
            masks = network(features).argmax(dim=1).to(torch.uint8).cpu().numpy()
            for sample, mask in zip(part, masks, strict=True):
                confusion.add(sample.mask.cpu().numpy(), mask[:, : sample.mask.shape[1]])
    return confusion
