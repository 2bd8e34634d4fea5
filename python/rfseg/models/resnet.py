"""ResNet-50 without its classifier, dilated to an output stride of 8.

He and others, "Deep residual learning for image recognition", 2015, table 1, 50 layers.  Departures,
those of the published checkpoints: a block's stride is that of its 3x3 convolution, not of its first
1x1 ("ResNet V1.5"); the last two stages keep the resolution and dilate by 2 and 4 instead, the first
block of each by what the stage before it had.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ResNet50"]

# Blocks, width, stride, dilation of the first block, dilation of the others
_STAGES = ((3, 64, 1, 1, 1), (4, 128, 2, 1, 1), (6, 256, 1, 1, 2), (3, 512, 1, 2, 4))
_EXPANSION = 4  # outputs of a block re its width


class _Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, and around them the input."""

    def __init__(self, inputs: int, width: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet50(nn.Module):
    """``(N, 3, T, F)`` to ``(N, 2048, T/8, F/8)``, for T and F multiples of 8.

    Convolutions start as in the published training (He and others, by outputs).
    """

    stride = 8
    outputs = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for index, (blocks, width, stride, first, others) in enumerate(_STAGES, start=1):
            stage = [_Bottleneck(inputs, width, stride=stride, dilation=first)]
            inputs = _EXPANSION * width
            stage += [_Bottleneck(inputs, width, dilation=others) for _ in range(blocks - 1)]
            self.add_module(f"layer{index}", nn.Sequential(*stage))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        x = self.bn1(self.conv1(features)).relu()  # (N, 64, T/2, F/2)
        x = nn.functional.max_pool2d(x, 3, 2, padding=1)  # (N, 64, T/4, F/4)
        x = self.layer1(x)  # (N, 256, T/4, F/4)
        x = self.layer2(x)  # (N, 512, T/8, F/8)
        return self.layer4(self.layer3(x))  # (N, 2048, T/8, F/8)
