"""PRMNet, also published as RPMSN: 14.5 M parameters in four streams of different resolution.

Written from the published description of the network (H.-T. Nguyen and others, "Resolution-preserving
multi-scale network for 5G-LTE spectrogram-based spectrum sensing", IEEE Wireless Communications Letters
14 (6), 2025; the code published as PRMNet and the one published as RPMSN hold the same network, trained
on different sets); names and shapes of its parameters are kept, so that the checkpoints of both load.

=====  =============================================================================================
layer  what
=====  =============================================================================================
stem   1x1, 3x3, 5x5 and 7x7 side by side, 3 to 16 each; joined to 64, batch norm, ReLU
1      two convolutions: stream 1, full resolution
2      stream 2 starts as pooled stream 1; three convolutions on stream 1, two on stream 2
3      fusion, stream 3 starts; two convolutions on each stream
4      fusion, stream 4 starts; two convolutions on each stream
5      fusion; one convolution on each stream
6      fusion into stream 1; 1x1, plain
head   stem through a 1x1 (64), joined with stream 1 to 192, batch norm, ReLU; 5x5 to 64, to 16, to classes
=====  =============================================================================================

A stream has 128 channels and half the resolution of the one before; a convolution is 5x5 with bias and
ReLU, without batch norm.  A fusion adds to each stream, after one convolution of it, all others brought
to its resolution (2x2 max pooling once or more, or bilinear enlargement), each as it was before the
fusion; a stream that starts is the sum of the pooled others alone.

Departures: logits come out, not their softmax.  ``batchnorm_last1`` and ``batchnorm_last2`` are in every
checkpoint and take part in nothing, there as here; so they get no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .framesize import CHANNELS, require_multiple

__all__ = ["PRMNet"]

_WIDTH = 128  # channels of a stream
_CONVOLUTIONS = {1: 2, 2: 5, 3: 8, 4: 11, 5: 8}  # in each layer


class PRMNet(nn.Module):
    """The whole network.

    Parameters
    ----------
    classes : int
        Classes of the mask; three in both papers.

    Notes
    -----
    Input ``(N, 3, T, F)`` with T and F multiples of 8, output logits ``(N, classes, T, F)``.  A frame of
    256 x 256 costs 466 GMAC: training takes crops.

    Raises
    ------
    GeometryError
        When the input has another number of channels, or a size that is no multiple of 8.
    """

    stride = 8  # of the coarsest of four streams

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        for index, kernel in enumerate((1, 3, 5, 7), start=1):
            self.add_module(f"conv{index}", nn.Conv2d(CHANNELS, 16, kernel, padding=kernel // 2))
        self.batchnorm = nn.BatchNorm2d(64)
        self.batchnorm2 = nn.BatchNorm2d(64 + _WIDTH)
        self.conv = nn.Conv2d(64, 64, 1)
        self.conv_out = nn.Conv2d(_WIDTH, _WIDTH, 1)
        for layer, count in _CONVOLUTIONS.items():
            for index in range(1, count + 1):
                inputs = 64 if (layer, index) == (1, 1) else _WIDTH
                self.add_module(f"conv_layer{layer}_{index}", _conv5(inputs, _WIDTH))
        self.conv_layer6 = _conv5(_WIDTH, _WIDTH)
        self.conv_last1 = _conv5(64 + _WIDTH, 64)
        self.batchnorm_last1 = nn.BatchNorm2d(64)  # unused, as published
        self.conv_last2 = _conv5(64, 16)
        self.batchnorm_last2 = nn.BatchNorm2d(16)  # unused, as published
        self.conv_last3 = _conv5(16, classes)

    def forward(self, features: Tensor) -> Tensor:
        require_multiple(features, self.stride)
        stem = torch.cat([self.conv1(features), self.conv2(features), self.conv3(features), self.conv4(features)], dim=1)
        stem = F.relu(self.batchnorm(stem))  # (N, 64, T, F)
        x1 = self._run(stem, "1_1", "1_2")  # (N, 128, T, F)
        x2 = F.max_pool2d(x1, 2)  # (N, 128, T/2, F/2)
        streams = [self._run(x1, "2_1", "2_3", "2_5"), self._run(x2, "2_2", "2_4")]
        streams = self._fuse(streams, "3_2", "3_1", None)
        streams = self._each(streams, ("3_3", "3_6"), ("3_4", "3_7"), ("3_5", "3_8"))
        streams = self._fuse(streams, "4_3", "4_2", "4_1", None)
        streams = self._each(streams, ("4_4", "4_8"), ("4_5", "4_9"), ("4_6", "4_10"), ("4_7", "4_11"))
        streams = self._fuse(streams, "5_4", "5_3", "5_2", "5_1")
        streams = self._each(streams, ("5_5",), ("5_6",), ("5_7",), ("5_8",))
        (x1,) = self._fuse(streams, "6")
        x = torch.cat([self.conv(stem), self.conv_out(x1)], dim=1)  # (N, 192, T, F)
        x = F.relu(self.conv_last1(F.relu(self.batchnorm2(x))))  # (N, 64, T, F)
        return self.conv_last3(F.relu(self.conv_last2(x)))  # (N, classes, T, F)

    def _run(self, x: Tensor, *names: str) -> Tensor:
        """Convolutions ``conv_layer{name}`` one after the other, each with its ReLU."""
        for name in names:
            x = F.relu(getattr(self, f"conv_layer{name}")(x))
        return x

    def _each(self, streams: Sequence[Tensor], *names: tuple[str, ...]) -> list[Tensor]:
        """The convolutions of each stream by itself."""
        return [self._run(x, *own) for x, own in zip(streams, names, strict=True)]

    def _fuse(self, streams: Sequence[Tensor], *names: str | None) -> list[Tensor]:
        """As many streams as there are names, each the sum of all; None starts a stream."""
        fused = []
        for target, name in enumerate(names):
            terms = [] if name is None else [self._run(streams[target], name)]
            terms += [_resize(x, target - index) for index, x in enumerate(streams) if index != target]
            fused.append(sum(terms[1:], start=terms[0]))
        return fused


def _conv5(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 5, padding=2)


def _resize(x: Tensor, halvings: int) -> Tensor:
    """Bring a stream to another's resolution: pool where ``halvings`` is positive, enlarge where negative."""
    if halvings > 0:
        return F.max_pool2d(x, 2**halvings)  # the same as 2x2 pooling so many times
    return F.interpolate(x, scale_factor=2**-halvings, mode="bilinear", align_corners=False)
