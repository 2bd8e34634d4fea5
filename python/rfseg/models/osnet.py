"""OS-Net: an encoder and decoder of 4.64 M parameters with full-resolution skips through pooling indices.

Written from the published description of the network (H.-T. Nguyen and others, OS-Net with Error-Guided
Refinement, "SpectrumSensing_OS-Net_EGR"); names and shapes of its parameters are kept, so that its
checkpoints load.

========  ==============================================================  ==========
stage     layers (3x3, batch norm, ReLU)                                  resolution
========  ==============================================================  ==========
enc1      3 to 64, 64 to 64; 2x2 pooling                                  1
enc2      64 to 128, 128 to 128; 2x2 pooling                              1/2
enc3      128 to 256, 256 to 256; 2x2 pooling                             1/4
mid       256 to 512, 512 to 256                                          1/8
dec3      doubled + MAR(enc3); 256 to 256, 256 to 128                     1/4
dec2      doubled + MAR(enc2); 128 to 128, 128 to 64                      1/2
dec1      doubled + MAR(enc1); 5x5 64 to 16; 5x5 16 to classes, plain     1
========  ==============================================================  ==========

Departures: logits come out, not their softmax (the published training puts a softmax in front of a
cross entropy that has its own, which leaves little gradient); MAR is written as comparisons instead of
``max_unpool2d``, whose indices export badly; its results are the same, ties included.  In training it is a product
with the places that pooling took, which has a cheap gradient in any memory format.

Where two values of a window are equal but for rounding, sums in another order move the maximum by a
pixel, in either form, and logits around it by percents of the greatest: a graph equals its module
everywhere else only.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .framesize import CHANNELS, require_multiple

__all__ = ["OSNet", "keep_maxima"]


def keep_maxima(x: Tensor, pooled: Tensor) -> Tensor:
    """MAR: what pooling took of ``x``, left where it was; zero elsewhere.

    Parameters
    ----------
    x : Tensor ``(N, C, T, F)``
        T and F even.
    pooled : Tensor ``(N, C, T/2, F/2)``
        ``max_pool2d(x, 2)``.

    Returns
    -------
    Tensor ``(N, C, T, F)``
        Equal to ``max_unpool2d`` of ``pooled``: of equal maxima in a 2x2 window the first one stays, row by
        row.  Equal maxima are the rule where the input is flat, as under a clipped level.
    """
    first, second = x[:, :, 0::2, 0::2], x[:, :, 0::2, 1::2]
    third, fourth = x[:, :, 1::2, 0::2], x[:, :, 1::2, 1::2]
    in_first, in_second, in_third = first == pooled, second == pooled, third == pooled
    above = in_first | in_second
    top = torch.stack([first * in_first, second * (in_second & ~in_first)], dim=-1)  # (N, C, T/2, F/2, 2)
    bottom = torch.stack([third * (in_third & ~above), fourth * ~(in_third | above)], dim=-1)
    return torch.stack([top.flatten(-2), bottom.flatten(-2)], dim=-2).flatten(-3, -2)


def _places(x: Tensor) -> tuple[Tensor, Tensor]:
    """``max_pool2d(x, 2)``, and 1 where it took ``x`` from, 0 elsewhere, of the shape of ``x``."""
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    with torch.no_grad():  # the gradient of pooling puts a value where each maximum was
        taken = torch.ops.aten.max_pool2d_with_indices_backward(
            torch.ones_like(pooled), x, [2, 2], [2, 2], [0, 0], [1, 1], False, indices
        )
    return pooled, taken


class OSNet(nn.Module):
    """The whole network.

    Parameters
    ----------
    classes : int
        Classes of the mask.

    Notes
    -----
    Input ``(N, 3, T, F)`` with T and F multiples of 8, output logits ``(N, classes, T, F)``.

    Raises
    ------
    GeometryError
        When the input has another number of channels, or a size that is no multiple of 8.
    """

    stride = 8  # three poolings

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        widths = {1: (CHANNELS, 64, 64), 2: (64, 128, 128), 3: (128, 256, 256), 4: (256, 512, 256)}
        widths |= {5: (256, 256, 128), 6: (128, 128, 64)}
        for stage, (inputs, hidden, outputs) in widths.items():
            self._add(f"{stage}_1", inputs, hidden, 3)
            self._add(f"{stage}_2", hidden, outputs, 3)
        self._add("7_1", 64, 16, 5)
        self.conv7_2 = nn.Conv2d(16, classes, 5, padding=2)

    def _add(self, name: str, inputs: int, outputs: int, kernel: int) -> None:
        """Convolution ``conv{name}`` and batch norm ``bn{name}``."""
        self.add_module(f"conv{name}", nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))
        self.add_module(f"bn{name}", nn.BatchNorm2d(outputs))

    def _layer(self, name: str, x: Tensor) -> Tensor:
        """Convolution, batch norm, ReLU."""
        return F.relu(getattr(self, f"bn{name}")(getattr(self, f"conv{name}")(x)))

    def _stage(self, stage: int, x: Tensor) -> Tensor:
        return self._layer(f"{stage}_2", self._layer(f"{stage}_1", x))

    def _pool(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Half the size, and MAR of what was pooled."""
        if self.training:
            pooled, taken = _places(x)
            return pooled, x * taken
        pooled = F.max_pool2d(x, 2)
        return pooled, keep_maxima(x, pooled)

    def forward(self, features: Tensor) -> Tensor:
        require_multiple(features, self.stride)
        x, skips = features, []
        for stage in (1, 2, 3):
            x = self._stage(stage, x)  # (N, 64 | 128 | 256, T / 1 | 2 | 4, F / 1 | 2 | 4)
            x, kept = self._pool(x)
            skips.append(kept)
        x = self._stage(4, x)  # (N, 256, T/8, F/8)
        x = self._stage(5, _double(x) + skips[2])  # (N, 128, T/4, F/4)
        x = self._stage(6, _double(x) + skips[1])  # (N, 64, T/2, F/2)
        x = self._layer("7_1", _double(x) + skips[0])  # (N, 16, T, F)
        return self.conv7_2(x)  # (N, classes, T, F)


def _double(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
