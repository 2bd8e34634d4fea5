"""RF-Segmenter: a 1.25 M parameter segmentation network with state-space channel attention.

Written from the published description of the network (names and shapes of its parameters are kept, so
that its checkpoints load).  Departures: the selective scan runs by chunks in plain tensor operations
(:mod:`.selective_scan`) instead of a CUDA kernel, and ``head="linear"`` leaves out the ReLU
on the logits, which starves classes of gradient and ties empty pixels to class 0.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .selective_scan import chunked_scan

__all__ = ["ADAC", "MSAF", "SSCA", "RFSegmenter"]

_STATE = 16  # state size of the selective scan
_INNER = 32  # channels of the scanned sequence


def _conv_bn(channels: int, kernel: tuple[int, int], dilation: int) -> nn.Sequential:
    """Depthwise convolution that keeps the size, batch norm, SiLU."""
    padding = tuple(dilation * (k // 2) for k in kernel)
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels),
        nn.BatchNorm2d(channels),
        nn.SiLU(inplace=True),
    )


class _Asymmetric(nn.Module):
    """A 1x3 and a 3x1 depthwise convolution side by side, summed."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv_a = _conv_bn(channels, (1, 3), dilation)
        self.conv_b = _conv_bn(channels, (3, 1), dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_a(x) + self.conv_b(x)


class _Fuse(nn.Module):
    """Weighs two halves of the channels against each other by a softmax over the pair."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // reduction, 1, bias=False),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1, bias=False),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        both = torch.cat([first, second], dim=1)  # (N, h, T, F)
        weight = self.mlp(both).unflatten(1, (2, -1)).softmax(dim=1).flatten(1, 2)  # (N, h, 1, 1)
        return both * weight


class ADAC(nn.Module):
    """Asymmetric dilated attention convolution: an inverted residual with two asymmetric branches.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the depthwise convolution; 1 keeps the size and, with equal channels, adds the input.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        hidden = 2 * inputs
        self.conv_in = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, hidden, 3, stride=stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.SiLU(inplace=True),
        )
        self.normal = _Asymmetric(hidden // 2, 1)
        self.dilated = _Asymmetric(hidden // 2, 2)
        self.fuse = _Fuse(hidden)
        self.conv_out = nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.conv_in(x).chunk(2, dim=1)
        y = self.conv_out(self.fuse(self.normal(first), self.dilated(second)))
        return F.silu(x + y if self.residual else y)


class _Stage(nn.Module):
    """Two ADAC blocks; the first halves the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ADAC(inputs, outputs, stride=2), ADAC(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class SSCA(nn.Module):
    """Selective state-space channel attention: a two-way scan over the channel axis gives each channel a gain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rank = math.ceil(channels / 16)
        self.conv_c_in = nn.Sequential(nn.Conv2d(2, _INNER, 1, bias=False), nn.BatchNorm2d(_INNER), nn.GELU())
        self.xc_proj_weight = nn.Parameter(torch.empty(2, self.rank + 2 * _STATE, _INNER))
        self.dtc_projs_weight = nn.Parameter(torch.empty(2, _INNER, self.rank))
        self.dtc_projs_bias = nn.Parameter(torch.empty(2, _INNER))
        self.Ac_logs = nn.Parameter(torch.arange(1.0, _STATE + 1).log().repeat(2 * _INNER, 1))
        self.Dcs = nn.Parameter(torch.ones(2 * _INNER))
        self.conv_c_out = nn.Sequential(nn.Conv2d(_INNER, 1, 1, bias=False), nn.GELU())
        self.out_norm_c = nn.LayerNorm(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the step sizes as Mamba does: softplus(bias) log-uniform in 1e-3 to 0.1."""
        nn.init.uniform_(self.xc_proj_weight, -(_INNER**-0.5), _INNER**-0.5)
        nn.init.uniform_(self.dtc_projs_weight, -(self.rank**-0.5), self.rank**-0.5)
        step = torch.empty_like(self.dtc_projs_bias).uniform_(math.log(1e-3), math.log(0.1)).exp()
        with torch.no_grad():
            self.dtc_projs_bias.copy_(step + torch.log(-torch.expm1(-step)))  # inverse softplus

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.stack([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)  # (N, 2, C)
        u = self.conv_c_in(pooled.unsqueeze(-1)).squeeze(-1).permute(2, 0, 1)  # (L = C, N, 32)
        y = self.scan(torch.stack([u, u.flip(0)]))  # (2, L, N, 32)
        y = y[0] + y[1].flip(0)
        gain = self.conv_c_out(y.permute(1, 2, 0).unsqueeze(-1)).flatten(1)  # (N, C)
        gain = self.out_norm_c(gain).unsqueeze(-1).unsqueeze(-1)  # (N, C, 1, 1)
        return x + x * gain

    def scan(self, u: Tensor) -> Tensor:
        """Selective scan of ``u (2, L, N, 32)``, one direction per leading index."""
        _, length, _, inner = u.shape
        flat = u.flatten(1, 2)  # (2, L N, 32)
        projected = flat @ self.xc_proj_weight.transpose(1, 2)
        step_r, b, c = projected.split([self.rank, _STATE, _STATE], dim=-1)
        step = step_r @ self.dtc_projs_weight.transpose(1, 2) + self.dtc_projs_bias.unsqueeze(1)
        step = F.softplus(step)  # (2, L N, 32)
        a = -self.Ac_logs.float().exp().view(2, 1, inner, _STATE)
        decay = (step.unsqueeze(-1) * a).exp().unflatten(1, (length, -1))  # (2, L, N, 32, 16)
        drive = ((step * flat).unsqueeze(-1) * b.unsqueeze(2)).unflatten(1, (length, -1))
        states = chunked_scan(decay, drive).flatten(1, 2)  # (2, L N, 32, 16)
        y = (states @ c.unsqueeze(-1)).squeeze(-1) + flat * self.Dcs.view(2, 1, inner)
        return y.unflatten(1, (length, -1))


def _shuffle(x: Tensor, groups: int) -> Tensor:
    """Channel shuffle: interleave ``groups`` groups of channels."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class _Shuffle(nn.Module):
    """Channel shuffle as a layer."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return _shuffle(x, self.groups)


class _Up(nn.Module):
    """Transposed convolution that enlarges by ``scale``, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, scale: int, groups: int, *, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, scale, stride=scale, groups=groups),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True) if relu else nn.Identity(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class MSAF(nn.Module):
    """Multi-scale attention fusion: four scales are enlarged to the first and mixed by learned gates."""

    WIDTH = 96

    def __init__(self) -> None:
        super().__init__()
        width = self.WIDTH
        self.Up1 = _Up(64, width, 1, 1)
        self.Up2 = _Up(96, width, 2, 96)
        self.Up3 = _Up(160, width, 4, 32)
        self.Up4 = _Up(256, width, 8, 32)
        self.smn = nn.Sequential(
            nn.Conv2d(4 * width, 160, 1, bias=False),
            nn.BatchNorm2d(160),
            nn.ReLU(inplace=True),
            _Shuffle(4),
            nn.Conv2d(160, 16 * width, 1),
            nn.Sigmoid(),
        )
        self.final_fusion_conv = nn.Sequential(
            nn.Conv2d(4 * width, width, 1, bias=False),
            _Shuffle(4),
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, s1: Tensor, s2: Tensor, s3: Tensor, s4: Tensor) -> Tensor:
        scales = [self.Up1(s1), self.Up2(s2), self.Up3(s3), self.Up4(s4)]  # each (N, 96, T/4, F/4)
        pooled = torch.cat([s.mean(dim=(2, 3), keepdim=True) for s in scales], dim=1)  # (N, 384, 1, 1)
        gates = self.smn(pooled).reshape(-1, 4, 4, self.WIDTH)  # (N, i, j, 96)
        # Scale i of the fusion is sum_j gates[i, j] * scales[j], and a 1x1 convolution mixes the four.
        # Both are linear, so the gates go into the convolution's weight: one product instead of 28 sums.
        mix, *rest = self.final_fusion_conv
        weight = mix.weight.view(self.WIDTH, 4, self.WIDTH)  # (96, i, 96)
        weight = torch.einsum("oic,nijc->nojc", weight, gates).flatten(2)  # (N, 96, 384)
        stacked = torch.cat(scales, dim=1)  # (N, 384, T/4, F/4)
        fused = (weight @ stacked.flatten(2)).unflatten(2, stacked.shape[2:])
        for layer in rest:
            fused = layer(fused)
        return fused  # (N, 96, T/4, F/4)


class RFSegmenter(nn.Module):
    """The whole network.

    Parameters
    ----------
    classes : int
        Classes of the mask.
    head : {"linear", "published"}
        ``"published"`` ends with a ReLU as the published code does; ``"linear"`` does not.

    Notes
    -----
    Input ``(N, 3, T, F)`` with T and F multiples of 32, output logits ``(N, classes, T, F)``.  Batch
    norm acts on ``(N, C, 1, 1)`` maps too, so a training batch holds at least two frames.
    """

    def __init__(self, classes: int = 4, *, head: str = "linear") -> None:
        super().__init__()
        if head not in ("linear", "published"):
            raise ValueError(f"head={head!r} is unknown; choose 'linear' or 'published'")
        self.conv_in = nn.Sequential(nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.stage1 = nn.Sequential(_Stage(32, 64))
        self.stage2 = nn.Sequential(_Stage(64, 96))
        self.stage3 = nn.Sequential(_Stage(96, 160), SSCA(160))
        self.stage4 = nn.Sequential(_Stage(160, 256), SSCA(256))
        self.msaf = MSAF()
        self.ssca = SSCA(MSAF.WIDTH)
        self.up = _Up(MSAF.WIDTH, classes, 4, math.gcd(MSAF.WIDTH, classes), relu=head == "published")

    def forward(self, features: Tensor) -> Tensor:
        s0 = self.conv_in(features)  # (N, 32, T/2, F/2)
        s1 = self.stage1(s0)  # (N, 64, T/4, F/4)
        s2 = self.stage2(s1)  # (N, 96, T/8, F/8)
        s3 = self.stage3(s2)  # (N, 160, T/16, F/16)
        s4 = self.stage4(s3)  # (N, 256, T/32, F/32)
        return self.up(self.ssca(self.msaf(s1, s2, s3, s4)))  # (N, classes, T, F)
