"""What a published generator yields: a picture, its label and their names; and what all generators share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..published import Levels, PublishedFrontEnd, flip_time
from ..published_colours import to_parula
from .labels import CLASS_LABELS
from .protocol_carriers import SAMP_RATE

__all__ = ["ProtocolFrame", "Spot", "carrier_columns", "flat_fading", "make_frame", "noise", "place_one", "place_two"]

_MHZ = 1e6


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A carrier in the band.

    Parameters
    ----------
    label : {"LTE", "NR"}
    center : float
        Hz re the band's centre.
    width : float
        What is labelled, Hz: the channel bandwidth that the generator states.
    """

    label: str
    center: float
    width: float


@dataclass(frozen=True, kw_only=True)
class ProtocolFrame:
    """One picture with its label, **newest row first** as the published files have them.

    Parameters
    ----------
    image : uint8 ``(N, N, 3)``
        Spectrogram through ``parula``.
    label : uint8 ``(N, N)``
        Class ids of this library (0 Noise, 1 LTE, 2 NR, 3 Radar), 255 where a variant leaves the truth open.
    levels : Levels
        The densities behind the picture, earliest row first.
    image_name, label_name : str
        What the published generator calls the two files, without a folder.
    colours : dict of str to (int, int, int)
        Colour of each class in the published label.
    parameters : dict
        What the frame was drawn as, in values that JSON can hold.
    iq : complex64 ``(S,)`` or None
        The frame's samples at 61.44 MS/s, if they were asked for.
    """

    image: np.ndarray
    label: np.ndarray
    levels: Levels
    image_name: str
    label_name: str
    colours: dict[str, tuple[int, int, int]]
    parameters: dict[str, Any] = field(default_factory=dict)
    iq: np.ndarray | None = None

    def to_axis_law(self) -> tuple[np.ndarray, np.ndarray]:
        """Picture and label with the earliest row first, as everything else in this library has them."""
        return flip_time(self.image), flip_time(self.label)

    def label_image(self) -> np.ndarray:
        """Label in the published colours, uint8 ``(N, N, 3)``; open pixels as Noise."""
        table = np.empty((256, 3), np.uint8)
        table[:] = self.colours[CLASS_LABELS[0]]
        for label, colour in self.colours.items():
            table[CLASS_LABELS.index(label)] = colour
        return table[self.label]


def make_frame(samples: np.ndarray, front_end: PublishedFrontEnd, *, keep_iq: bool, **facts: Any) -> ProtocolFrame:
    """A frame from its samples; ``facts`` are the other fields of :class:`ProtocolFrame`."""
    levels = front_end.levels(samples)
    image = to_parula(flip_time(levels.to_index()))
    return ProtocolFrame(image=image, levels=levels, iq=samples if keep_iq else None, **facts)


def noise(samples: Tensor, power: float, generator: torch.Generator) -> Tensor:
    """The samples plus white Gaussian noise of that mean power."""
    white = torch.randn(samples.shape, generator=generator, dtype=torch.complex64, device=generator.device)
    return samples + white * math.sqrt(power)


def carrier_columns(spot: Spot, size: int, *, is_rounded: bool) -> slice:
    """Pixels that a carrier's label covers, cut at the picture's edges.

    Parameters
    ----------
    is_rounded : bool
        The rule of the radar set, nearest pixel edges with both ends inside; else the rule of the LTE/NR sets,
        the pixels that hold the edges.

    Examples
    --------
    >>> spot = Spot(label="LTE", center=0.0, width=20e6)
    >>> carrier_columns(spot, 256, is_rounded=True), carrier_columns(spot, 256, is_rounded=False)
    (slice(85, 170, None), slice(86, 170, None))
    """
    edges = [(SAMP_RATE / 2 + spot.center + side * spot.width / 2) * size / SAMP_RATE for side in (-1, 1)]
    first, last = (math.floor(e + 0.5) if is_rounded else math.floor(e) + 1 for e in edges)  # counted from 1
    return slice(max(0, first - 1), min(size, last))


def place_one(width: float, spacing: float, rng: np.random.Generator) -> float:
    """Centre of a single carrier anywhere in the band, a pixel of 256 from its edges, Hz on the subcarrier raster."""
    room = (SAMP_RATE - width) / 2 - SAMP_RATE / 256
    return spacing * round(rng.uniform(-room, room) / spacing)


def place_two(widths: dict[str, float], rng: np.random.Generator) -> dict[str, float]:
    """Centres of an LTE and an NR carrier side by side, Hz: either may be the lower one; steps of 1 MHz.

    Parameters
    ----------
    widths : dict
        Channel bandwidth of ``"LTE"`` and ``"NR"``, Hz; together less than 61.44 MHz.
    """
    order = ["LTE", "NR"] if rng.random() < 0.5 else ["NR", "LTE"]
    pixel = SAMP_RATE / 256
    gap = _MHZ * int(rng.integers(max(0, SAMP_RATE - sum(widths.values()) - pixel) // _MHZ + 1))
    start = _MHZ * int(rng.integers(max(0, SAMP_RATE - sum(widths.values()) - gap - pixel) // _MHZ + 1))
    low = -SAMP_RATE / 2 + start + pixel / 2
    first, second = order
    upper = low + widths[first] + gap
    return {first: low + widths[first] / 2, second: upper + widths[second] / 2}


def flat_fading(count: int, doppler_hz: float, rng: np.random.Generator, device: torch.device, *, waves: int = 16) -> Tensor:
    """Rayleigh gain of one tap, unit mean power, complex64 ``(count,)``: a sum of plane waves from all sides."""
    step = 4096  # samples; the gain is straight in between
    knots = torch.arange(-(-count // step) + 1, dtype=torch.float64, device=device) * (step / SAMP_RATE)
    shift = doppler_hz * np.cos(2 * math.pi * (np.arange(waves) + rng.random(waves)) / waves)
    phase = rng.uniform(0, 2 * math.pi, size=waves)
    scale = rng.standard_normal((waves, 2)) @ np.array([1, 1j]) / math.sqrt(2 * waves)
    angles = 2 * math.pi * torch.from_numpy(shift).to(device)[:, None] * knots + torch.from_numpy(phase).to(device)[:, None]
    gain = (torch.from_numpy(scale).to(device)[:, None] * torch.polar(torch.ones_like(angles), angles)).sum(0)
    gain = gain.to(torch.complex64)
    part = torch.arange(step, device=device) / step
    return (gain[:-1, None] + (gain[1:] - gain[:-1])[:, None] * part).flatten()[:count]
