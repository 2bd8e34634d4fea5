"""MobileNetV3-Large without its classifier, dilated to an output stride of 16.

Howard and others, "Searching for MobileNetV3", 2019, table 1.  Departures, those of the published
checkpoints: the last three blocks keep the resolution and dilate their depthwise convolution by 2
instead of the first of them halving it; a squeeze layer has a quarter of the block's channels,
rounded to eights; batch norm has eps 0.001 and momentum 0.01.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["MobileNetV3Large"]

# Kernel, expanded channels, output channels, squeeze, hard swish, stride, dilation [table 1]
_BLOCKS = (
    (3, 16, 16, False, False, 1, 1),
    (3, 64, 24, False, False, 2, 1),
    (3, 72, 24, False, False, 1, 1),
    (5, 72, 40, True, False, 2, 1),
    (5, 120, 40, True, False, 1, 1),
    (5, 120, 40, True, False, 1, 1),
    (3, 240, 80, False, True, 2, 1),
    (3, 200, 80, False, True, 1, 1),
    (3, 184, 80, False, True, 1, 1),
    (3, 184, 80, False, True, 1, 1),
    (3, 480, 112, True, True, 1, 1),
    (3, 672, 112, True, True, 1, 1),
    (5, 672, 160, True, True, 1, 2),
    (5, 960, 160, True, True, 1, 2),
    (5, 960, 160, True, True, 1, 2),
)


class _ConvNorm(nn.Sequential):
    """Convolution without bias that keeps the size but for its stride, batch norm, activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, dilation: int = 1, groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:  # fmt: skip
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation=dilation, groups=groups, bias=False)
        norm = nn.BatchNorm2d(outputs, eps=0.001, momentum=0.01)
        super().__init__(conv, norm, *([] if activation is None else [activation()]))


class _Squeeze(nn.Module):
    """Squeeze and excitation: a gain for each channel, from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _to_eights(channels / 4)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        return x * nn.functional.hardsigmoid(self.fc2(self.fc1(mean).relu()))


def _to_eights(channels: float) -> int:
    """The nearest multiple of 8, halves upward, one more if it were below 90 %."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class _Block(nn.Module):
    """Inverted residual: expand, depthwise convolution, squeeze, project."""

    def __init__(self, inputs: int, row: tuple[int, int, int, bool, bool, int, int]) -> None:
        super().__init__()
        kernel, expanded, outputs, squeeze, hard_swish, stride, dilation = row
        activation = nn.Hardswish if hard_swish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(_ConvNorm(inputs, expanded, activation=activation))
        shape = dict(stride=stride, dilation=dilation, groups=expanded)
        layers.append(_ConvNorm(expanded, expanded, kernel, **shape, activation=activation))
        if squeeze:
            layers.append(_Squeeze(expanded))
        layers.append(_ConvNorm(expanded, outputs))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(x)
        return x + y if self.residual else y


class MobileNetV3Large(nn.Sequential):
    """``(N, 3, T, F)`` to ``(N, 960, T/16, F/16)``, for T and F multiples of 16.

    Convolutions start as in the published training (He and others, by outputs).
    """

    stride = 16
    outputs = 960

    def __init__(self) -> None:
        layers: list[nn.Module] = [_ConvNorm(3, 16, 3, stride=2, activation=nn.Hardswish)]
        width = 16
        for row in _BLOCKS:
            layers.append(_Block(width, row))
            width = row[2]
        layers.append(_ConvNorm(width, self.outputs, activation=nn.Hardswish))
        super().__init__(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
