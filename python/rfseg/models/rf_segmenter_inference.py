"""RF-Segmenter as a model file computes it: the same parameters and sums in fewer and larger operations.

:class:`RFSegmenter <rfseg.models.rf_segmenter.RFSegmenter>` behind
:class:`DeployableSegmenter <rfseg.models.deployable.DeployableSegmenter>` is the specification.  What is done otherwise:

- the asymmetric convolutions of both halves are one convolution of five taps, some of them 0, over all channels;
- gates and gains of channels go into the weights that read the channels next;
- the softmax over a pair is the logistic function of a difference;
- products of decays in the selective scan are exponentials of sums of steps, which have no index of state;
- a transposed convolution whose stride is its size is a product at each pixel, and classes are compared before the
  pixels are put in their places.

All that depends on parameters alone is computed in the graph and folded when a backend loads the file.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deployable import CONFIDENCE_SCALE, WIDTH_MULTIPLE, DeployableSegmenter, reference_features
from .rf_segmenter import ADAC, MSAF, SSCA, RFSegmenter
from .selective_scan import CHUNK, MIN_DECAY

__all__ = ["InferenceForm"]

_TAPS = 5  # of a kernel of three with dilation 1 or 2, side by side
_SHUFFLE = 4  # groups of MSAF's channel shuffle
_UP = 4  # rows and bins of the mask for each of MSAF's
_FEW_OUTPUTS = 96  # up to here a block's map has more pixels than channels, and gating the weight is the lesser work
_MIN_LOG_PRODUCT = -69.0  # of decays: exp is 1e-30; further down are denormals, which cost 100 times the time
_TINY = 1e-30  # for a quotient 0 / 0 that is to be 0


class InferenceForm(nn.Module):
    """Rows in, mask and confidence out, as the module it is made of; its state dict is the same, too.

    Parameters
    ----------
    model : DeployableSegmenter
        With an :class:`RFSegmenter` in evaluation mode.
    """

    def __init__(self, model: DeployableSegmenter) -> None:
        super().__init__()
        if not isinstance(model.network, RFSegmenter):
            raise TypeError(f"the network is a {type(model.network).__name__}, expected an RFSegmenter")
        self.network = model.network
        self.register_buffer("temperature", model.temperature)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """``rows (N, 2, T, F)`` dBFS to ``mask (N, T, F)`` and ``confidence (N, T, F)``, both uint8."""
        width = rows.shape[-1]
        net = self.network
        s0 = net.conv_in(_pad_width(reference_features(rows)))  # (N, 32, T/2, F/2)
        s1 = _stage(net.stage1[0], s0)
        s2 = _stage(net.stage2[0], s1)
        s3 = _attend(net.stage3[1], _stage(net.stage3[0], s2))
        s4 = _attend(net.stage4[1], _stage(net.stage4[0], s3))
        fused = _fuse(net.msaf, s1, s2, s3, s4)  # (N, 96, T/4, F/4)
        logits = _head(net, fused, _gain(net.ssca, fused), self.temperature)  # (N, classes, 16, T/4, F/4)
        mask, confidence = _decide(logits)
        return _place(mask)[..., :width], _place(confidence)[..., :width]


def _pad_width(features: Tensor) -> Tensor:
    """Repeat the last bin until the width is a multiple of 32; what is there already is copied as a whole."""
    width = features.shape[-1]
    padded = (width + WIDTH_MULTIPLE - 1) // WIDTH_MULTIPLE * WIDTH_MULTIPLE
    index = torch.arange(width, padded, device=features.device).clamp(max=width - 1)
    return torch.cat([features, features.index_select(-1, index)], dim=-1)


def _stage(stage: nn.Module, x: Tensor) -> Tensor:
    for block in stage.blocks:
        x = _adac(block, x)
    return x


def _adac(block: ADAC, x: Tensor) -> Tensor:
    hidden = block.conv_in(x)  # (N, h, T, F)
    halves = (block.normal, block.dilated)
    both = _asymmetric([h.conv_a for h in halves], hidden, along=3) + _asymmetric([h.conv_b for h in halves], hidden, along=2)
    squeeze, expand = block.fuse.mlp[1], block.fuse.mlp[3]
    pooled = F.silu(squeeze(F.adaptive_avg_pool2d(both, 1)))
    first, second = expand.weight.chunk(2)
    gate = torch.sigmoid(F.conv2d(pooled, torch.cat([first - second, second - first])))  # softmax over the pair
    y = _gated(block.conv_out, both, gate)
    return F.silu(x + y if block.residual else y)


def _gated(conv_out: nn.Sequential, x: Tensor, gate: Tensor) -> Tensor:
    """1x1 convolution and batch norm of ``x * gate``, gate ``(N, h, 1, 1)``."""
    conv, norm = conv_out
    if conv.out_channels > _FEW_OUTPUTS:
        return conv_out(x * gate)
    scale, bias = _scale_and_bias(norm)
    weight = (conv.weight.flatten(1) * scale.unsqueeze(1)) * gate.flatten(1).unsqueeze(1)  # (N, out, h)
    return (weight @ x.flatten(2) + bias.unsqueeze(1)).unflatten(2, x.shape[2:])


def _scale_and_bias(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch norm as ``scale * x + bias``."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _asymmetric(pair: list[nn.Sequential], x: Tensor, *, along: int) -> Tensor:
    """Two depthwise convolutions of three taps, one for each half of the channels, as one of five; batch norm, SiLU."""
    kernels, norms = [], [branch[1] for branch in pair]
    for branch in pair:
        conv = branch[0]
        dilation = conv.dilation[0]
        spread = torch.zeros(3, _TAPS)
        for tap in range(3):
            spread[tap, _TAPS // 2 + dilation * (tap - 1)] = 1.0
        kernels.append(conv.weight.flatten(2) @ spread)  # (h/2, 1, 5)
    kernel = torch.cat(kernels).unsqueeze(2 if along == 3 else 3)  # (h, 1, 1, 5) or (h, 1, 5, 1)
    padding = (0, _TAPS // 2) if along == 3 else (_TAPS // 2, 0)
    bias = torch.cat([branch[0].bias for branch in pair])
    y = F.conv2d(x, kernel, bias, padding=padding, groups=x.shape[1])
    statistics = [torch.cat([getattr(n, name) for n in norms]) for name in ("running_mean", "running_var", "weight", "bias")]
    return F.silu(F.batch_norm(y, *statistics, eps=norms[0].eps))


def _attend(block: SSCA, x: Tensor) -> Tensor:
    """Selective state-space channel attention."""
    return x * _gain(block, x).unsqueeze(-1).unsqueeze(-1)


def _gain(block: SSCA, x: Tensor) -> Tensor:
    """What the attention multiplies each channel with, ``(N, C)``."""
    pooled = torch.cat([F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)], dim=2).squeeze(-1)  # (N, C, 2)
    conv, norm, gelu = block.conv_c_in
    scale, bias = _scale_and_bias(norm)
    u = gelu(pooled @ (conv.weight.flatten(1) * scale.unsqueeze(1)).T + bias).transpose(0, 1)  # (C, N, 32)
    y = _scan(block, torch.stack([u, u.flip(0)]))  # (2, C, N, 32)
    y = y[0] + y[1].flip(0)
    gain = block.conv_c_out[1](y @ block.conv_c_out[0].weight.flatten()).T  # (N, C)
    return 1.0 + block.out_norm_c(gain)


def _softplus(x: Tensor) -> Tensor:
    """``log(1 + exp(x))`` of operations that backends compute by vectors; the operator itself is often not."""
    small = (-x.abs()).exp()
    one_more = 1.0 + small
    return x.relu() + small * (one_more.log() / (one_more - 1.0).clamp(min=_TINY))  # log1p to rounding [Kahan]


def _scan(block: SSCA, u: Tensor) -> Tensor:
    """Selective scan of ``u (2, L, N, d)``; states are ``(chunk, 2, P, N, n, d)`` for P chunks, n states."""
    _, length, _, inner = u.shape
    states = block.Ac_logs.shape[1]
    u = u.unflatten(1, (length // CHUNK, CHUNK)).permute(2, 0, 1, 3, 4)  # (chunk, 2, P, N, d)
    step_of, b_of, c_of = block.xc_proj_weight.split([block.rank, states, states], dim=1)
    weight = torch.cat([block.dtc_projs_weight @ step_of, b_of, c_of], dim=1).transpose(1, 2)  # (2, d, d + 2 n)
    projected = u.flatten(2, 3) @ weight  # (chunk, 2, P N, d + 2 n)
    step, b, c = projected.unflatten(2, (length // CHUNK, -1)).split([inner, states, states], dim=-1)
    step = _softplus(step + block.dtc_projs_bias.view(2, 1, 1, inner))  # (chunk, 2, P, N, d)
    a = -block.Ac_logs.float().exp().view(2, 1, 1, inner, states).transpose(3, 4)  # (2, 1, 1, n, d)
    decay = (step.unsqueeze(-2) * a).exp().clamp(min=MIN_DECAY)
    drive = (step * u).unsqueeze(-2) * b.unsqueeze(-1)
    decays, drives = decay.split(1), drive.split(1)
    local = [drives[0]]
    for index in range(1, CHUNK):
        local.append(decays[index] * local[-1] + drives[index])
    product = (step.cumsum(0).unsqueeze(-2) * a).clamp(min=_MIN_LOG_PRODUCT).exp()  # of the decays since the chunk began
    ends, spans = local[-1].split(1, dim=2), product[-1:].split(1, dim=2)
    carried = [torch.zeros_like(ends[0])]
    for index in range(length // CHUNK - 1):
        carried.append(spans[index] * carried[-1] + ends[index])
    state = torch.cat(local) + product * torch.cat(carried, dim=2)  # (chunk, 2, P, N, n, d)
    y = (c.unsqueeze(-2) @ state).squeeze(-2) + u * block.Dcs.view(2, 1, 1, inner)
    return y.permute(1, 2, 0, 3, 4).flatten(1, 2)


def _fuse(block: MSAF, s1: Tensor, s2: Tensor, s3: Tensor, s4: Tensor) -> Tensor:
    """Multi-scale attention fusion."""
    width = block.WIDTH
    conv, norm, relu = block.Up1.conv
    first = relu(norm(F.conv2d(s1, conv.weight.transpose(0, 1), conv.bias)))
    scales = [first, block.Up2(s2), block.Up3(s3), block.Up4(s4)]  # each (N, 96, T/4, F/4)
    stacked = torch.cat(scales, dim=1)
    gates = block.smn(torch.cat([F.adaptive_avg_pool2d(s, 1) for s in scales], dim=1)).view(-1, 1, 4, 4 * width)  # (N, 1, i, j 96)
    mix, _, *rest = block.final_fusion_conv
    weight = mix.weight.view(_SHUFFLE, -1, 4 * width).transpose(0, 1).reshape(width, 4, 1, width)  # rows shuffled
    weight = weight.expand(-1, -1, 4, -1).flatten(2)  # (96, i, j 96)
    weight = (weight * gates).sum(dim=2)  # (N, 96, 384)
    fused = (weight @ stacked.flatten(2)).unflatten(2, stacked.shape[2:])
    for layer in rest:
        fused = layer(fused)
    return fused


def _head(net: RFSegmenter, x: Tensor, gain: Tensor, temperature: Tensor) -> Tensor:
    """Logits of ``x * gain`` over temperature, ``(N, classes, 16, T/4, F/4)``: the 16 pixels that each pixel of ``x`` becomes."""
    conv, norm, last = net.up.conv
    groups, classes = conv.groups, norm.num_features
    scale, bias = _scale_and_bias(norm)
    weight = conv.weight.view(groups, -1, classes // groups, _UP * _UP).permute(0, 2, 3, 1)
    weight = weight * (scale / temperature).view(groups, -1, 1, 1)
    weight = weight.flatten(1, 2) * gain.view(-1, groups, 1, x.shape[1] // groups)  # (N, groups, classes/groups 16, 96/groups)
    bias = (conv.bias * scale + bias) / temperature
    logits = weight @ x.flatten(2).unflatten(1, (groups, -1))  # (N, groups, classes/groups 16, T/4 F/4)
    logits = logits.flatten(1, 2).unflatten(1, (classes, -1)) + bias.view(classes, 1, 1)
    return last(logits).unflatten(3, x.shape[2:])


def _decide(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest class and its probability, both uint8, of logits with classes on axis 1."""
    first, *others = logits.unbind(1)
    best, mask = first, torch.zeros_like(first, dtype=torch.uint8)
    for class_id, candidate in enumerate(others, start=1):
        mask = torch.where(candidate > best, torch.tensor(class_id, dtype=torch.uint8), mask)
        best = torch.maximum(best, candidate)
    total = (first - best).exp()
    for candidate in others:
        total = total + (candidate - best).exp()
    return mask, (CONFIDENCE_SCALE / total + 0.5).to(torch.uint8)


def _place(pixels: Tensor) -> Tensor:
    """Pixels ``(N, 16, T/4, F/4)`` to ``(N, T, F)``: first those of a row, then whole rows."""
    rows = pixels.unflatten(1, (_UP, _UP)).permute(0, 1, 3, 4, 2).flatten(3, 4)  # (N, 4, T/4, F)
    return rows.transpose(1, 2).flatten(1, 2)
