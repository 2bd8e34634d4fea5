"""DeepLabV3: a dilated backbone, atrous spatial pyramid pooling, a small head.

Chen and others, "Rethinking atrous convolution for semantic image segmentation", 2017, section 3.3;
backbones MobileNetV3-Large (11.0 M parameters) and ResNet-50 (39.6 M).  Names and shapes of the
parameters are those of torchvision's, so that its checkpoints, and those of networks built on it, load.

Departures from the paper, as in torchvision: rates 12, 24, 36 at either output stride, and a 3x3
convolution between the pyramid and the classifier.  Departures from torchvision: the logits come out,
not a dictionary of them; sizes that are no multiple of the stride are refused, not stretched; the
pooled image is spread by broadcasting, which is what interpolating a single pixel does; and ``rates`` is
free, because at 256 x 256 the published ones mostly reach past the border: with MobileNetV3's map of
16 x 16, 24 and 36 never touch more than their centre.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import OptionError
from .framesize import require_multiple
from .mobilenet_v3 import MobileNetV3Large
from .resnet import ResNet50

__all__ = ["PUBLISHED_RATES", "SPECTROGRAM_RATES", "DeepLabV3", "PyramidPooling"]

PUBLISHED_RATES = (12, 24, 36)
SPECTROGRAM_RATES = (3, 6, 9)  # reach over the map of a frame and not past it
_WIDTH = 256
_BACKBONES = {"mobilenet_v3_large": MobileNetV3Large, "resnet50": ResNet50}


def _conv_norm(inputs: int, outputs: int, kernel: int = 1, *, rate: int = 1) -> list[nn.Module]:
    """Convolution that keeps the size, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class PyramidPooling(nn.Module):
    """Atrous spatial pyramid: 1x1, three dilated 3x3 and the mean of the image, joined by a 1x1.

    Parameters
    ----------
    inputs : int
        Channels; 256 come out.
    rates : tuple of int
        Dilations of the 3x3 convolutions, in cells of the map.
    """

    def __init__(self, inputs: int, rates: tuple[int, int, int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Sequential(*_conv_norm(inputs, _WIDTH))])
        self.convs.extend(nn.Sequential(*_conv_norm(inputs, _WIDTH, 3, rate=rate)) for rate in rates)
        self.convs.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_norm(inputs, _WIDTH)))
        self.project = nn.Sequential(*_conv_norm(5 * _WIDTH, _WIDTH), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        *branches, image = (branch(x) for branch in self.convs)  # each (N, 256, t, f), the last (N, 256, 1, 1)
        return self.project(torch.cat([*branches, image.expand_as(branches[0])], dim=1))


class DeepLabV3(nn.Module):
    """The whole network.

    Parameters
    ----------
    classes : int
        Classes of the mask.
    backbone : {"mobilenet_v3_large", "resnet50"}
    rates : tuple of int
        Dilations of the pyramid: ``SPECTROGRAM_RATES``, or ``PUBLISHED_RATES`` for published checkpoints.

    Notes
    -----
    Input ``(N, 3, T, F)`` with T and F multiples of 16 (MobileNetV3) or 8 (ResNet-50), output logits
    ``(N, classes, T, F)``.  Batch norm acts on an ``(N, C, 1, 1)`` map too, so a training batch holds at
    least two frames.

    Raises
    ------
    OptionError
        When the backbone does not exist.
    GeometryError
        When the input has another number of channels, or a size that is no multiple of the stride.
    """

    def __init__(
        self, classes: int = 4, *, backbone: str = "mobilenet_v3_large", rates: tuple[int, int, int] = SPECTROGRAM_RATES
    ) -> None:
        super().__init__()
        if backbone not in _BACKBONES:
            raise OptionError(f"backbone={backbone!r} is unknown; choose one of {', '.join(map(repr, _BACKBONES))}")
        self.backbone = _BACKBONES[backbone]()
        self.classifier = nn.Sequential(
            PyramidPooling(self.backbone.outputs, rates), *_conv_norm(_WIDTH, _WIDTH, 3), nn.Conv2d(_WIDTH, classes, 1)
        )

    @property
    def stride(self) -> int:
        """Pixels of the frame in a cell of the map."""
        return self.backbone.stride

    def forward(self, features: Tensor) -> Tensor:
        require_multiple(features, self.stride)
        coarse = self.classifier(self.backbone(features))  # (N, classes, T/stride, F/stride)
        return F.interpolate(coarse, scale_factor=self.stride, mode="bilinear", align_corners=False)
