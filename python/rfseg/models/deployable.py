"""Everything between dB rows and mask in one module, used alike in training and in the exported file.

The level of a frame is taken relative to a noise reference: a low quantile over the bins of the
time-averaged mean channel.  Where carriers fill the band the reference is a carrier, so nothing here
or in the network may rely on it being noise; training jitters it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DeployableSegmenter", "pad_width", "quantise_probability", "reference_features"]

REFERENCE_QUANTILE_DIVISOR = 10  # the reference is the bin at rank F // 10 from below
LEVEL_SPAN_DB = 20.0  # dB per unit of the level channels
LEVEL_LIMITS = (-1.0, 3.0)  # that is -20 to +60 dB re the reference
PEAK_SPAN_DB = 10.0  # dB per unit of the max - mean channel
PEAK_LIMITS = (0.0, 4.0)
WIDTH_MULTIPLE = 32  # five halvings
CONFIDENCE_SCALE = 255.0


def reference_features(rows: Tensor, offset_db: Tensor | float = 0.0) -> Tensor:
    """Three channels relative to the noise reference.

    Parameters
    ----------
    rows : float Tensor ``(N, 2, T, F)``
        dBFS, channels mean and max.
    offset_db : Tensor ``(N, 1, 1)`` or float
        Added to the reference; training jitters with it.

    Returns
    -------
    Tensor ``(N, 3, T, F)``
        Mean, max (20 dB per unit) and max - mean (10 dB per unit), clipped.
    """
    mean, peak = rows[:, 0], rows[:, 1]  # (N, T, F)
    profile = mean.mean(dim=1).sort(dim=-1).values  # (N, F)
    rank = profile.shape[-1] // REFERENCE_QUANTILE_DIVISOR
    reference = profile[:, rank].reshape(-1, 1, 1) + offset_db  # (N, 1, 1)
    level = ((mean - reference) / LEVEL_SPAN_DB).clamp(*LEVEL_LIMITS)
    top = ((peak - reference) / LEVEL_SPAN_DB).clamp(*LEVEL_LIMITS)
    crest = ((peak - mean) / PEAK_SPAN_DB).clamp(*PEAK_LIMITS)
    return torch.stack([level, top, crest], dim=1)


def pad_width(features: Tensor) -> Tensor:
    """Repeat the last bin until the width is a multiple of 32: ``(..., F)`` to ``(..., 32 k)``."""
    width = features.shape[-1]
    padded = (width + WIDTH_MULTIPLE - 1) // WIDTH_MULTIPLE * WIDTH_MULTIPLE
    index = torch.arange(padded, device=features.device).clamp(max=width - 1)
    return features.index_select(-1, index)


def quantise_probability(probability: Tensor) -> Tensor:
    """Probability in 0 to 1 as uint8 in steps of 1/255."""
    return (probability * CONFIDENCE_SCALE + 0.5).clamp(0.0, CONFIDENCE_SCALE).to(torch.uint8)


class DeployableSegmenter(nn.Module):
    """Rows in, mask and confidence out; what the ``.onnx`` file holds.

    Parameters
    ----------
    network : Module
        Maps features ``(N, 3, T, F)`` with F a multiple of 32 to logits ``(N, classes, T, F)``.
    temperature : float
        Divides the logits before the softmax; it calibrates the confidence and leaves the mask alone.
    """

    def __init__(self, network: nn.Module, *, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", torch.tensor(float(temperature)))

    def logits(self, rows: Tensor) -> Tensor:
        """Logits ``(N, classes, T, F)`` of dB rows ``(N, 2, T, F)``."""
        width = rows.shape[-1]
        return self.network(pad_width(reference_features(rows)))[..., :width]

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """``rows (N, 2, T, F)`` dBFS to ``mask (N, T, F)`` and ``confidence (N, T, F)``, both uint8."""
        logits = self.logits(rows) / self.temperature  # (N, classes, T, F)
        best, class_id = logits.max(dim=1, keepdim=True)
        probability = 1.0 / (logits - best).exp().sum(dim=1)  # softmax of the best class, (N, T, F)
        return class_id.squeeze(1).to(torch.uint8), quantise_probability(probability)
