"""Digital television of Europe: DVB-T, ETSI EN 300 744, channels of 6, 7 and 8 MHz."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import random_points

__all__ = ["RATE", "WIDTHS", "DvbtEmitter", "add", "draw", "pilots"]

RATE = 9e6  # the useful part of a symbol is a whole number of samples at every channel width
WIDTHS = {"dvbt": (5.7e6, 7.62e6)}

# EN 300 744 clause 4.4 and annex E: useful duration of a 2k symbol, us, by channel width in MHz
_USEFUL_US = {6: 896.0 / 3, 7: 256.0, 8: 224.0}
_CARRIERS = {2: 1705, 8: 6817}
_PERIOD = 1704  # after which the continual pilots repeat
_BOOST = 4 / 3  # amplitude of pilots: clause 4.5.5
# Table 7: continual pilots of the 2k mode
_CONTINUAL = (
    0, 48, 54, 87, 141, 156, 192, 201, 255, 279, 282, 333, 432, 450, 483, 525, 531, 618, 636, 714, 759, 765, 780, 804,
    873, 888, 918, 939, 942, 969, 984, 1050, 1101, 1107, 1110, 1137, 1140, 1146, 1206, 1269, 1323, 1377, 1491, 1683, 1704,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DvbtEmitter(OtherEmitter):
    """A channel, always on air.

    Parameters
    ----------
    channel_mhz : int
        6, 7 or 8.
    mode : int
        2 (1705 carriers) or 8 (6817).
    guard : int
        Guard interval is the useful part over this: 4, 8, 16 or 32.
    order : int
        Constellation size.
    start_share : float
        Place of the scene's start in a frame of four symbols, 0 to 1.
    """

    channel_mhz: int
    mode: int
    guard: int
    order: int
    start_share: float


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> DvbtEmitter:
    """A random channel."""
    mhz, mode = int(rng.choice([6, 7, 8], p=[0.25, 0.15, 0.6])), int(rng.choice([2, 8], p=[0.3, 0.7]))
    spacing = 1e6 / _USEFUL_US[mhz] * 2 / mode
    return DvbtEmitter(
        kind=kind,
        center=center,
        width=_CARRIERS[mode] * spacing,
        snr_db=snr_db,
        channel_mhz=mhz,
        mode=mode,
        guard=int(rng.choice([4, 8, 16, 32])),
        order=int(rng.choice([4, 16, 64])),
        start_share=float(rng.random()),
    )


def pilots(mode: int, symbol: int) -> np.ndarray:
    """Carriers that are pilots in a symbol, continual and scattered: clauses 4.5.3 and 4.5.4, bool ``(carriers,)``."""
    carriers = np.arange(_CARRIERS[mode])
    continual = np.isin(carriers, [k + _PERIOD * part for part in range(mode // 2) for k in _CONTINUAL])
    return continual | (carriers % 12 == 3 * (symbol % 4))


def _reference(count: int) -> np.ndarray:
    """Signs of the pilots: ``x^11 + x^2 + 1`` from all ones, clause 4.5.2, float32 ``(count,)``."""
    bits = [1] * 11
    while len(bits) < count:
        bits.append(bits[-9] ^ bits[-11])
    return 1.0 - 2.0 * np.array(bits[:count], dtype=np.float32)


def add(canvas: Canvas, emitter: DvbtEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel to the scene; its signalling carriers (1 %) hold data."""
    device, carriers = generator.device, _CARRIERS[emitter.mode]
    size = round(_USEFUL_US[emitter.channel_mhz] * emitter.mode / 2 * RATE * 1e-6)
    prefix = size // emitter.guard
    count = canvas.count(RATE)
    skip = int(emitter.start_share * 4 * (size + prefix))
    symbols = -(-(skip + count) // (size + prefix))
    elements = random_points(emitter.order, (symbols, carriers), generator)
    signs = torch.from_numpy(_reference(carriers)).to(device) * _BOOST
    for phase in range(4):
        places = torch.from_numpy(np.flatnonzero(pilots(emitter.mode, phase))).to(device)
        elements[phase::4, places] = signs[places].to(torch.complex64)
    share = float(np.mean([pilots(emitter.mode, phase) for phase in range(4)]))
    power = 1 + share * (_BOOST**2 - 1)
    grid = torch.zeros(symbols, size, dtype=torch.complex64, device=device)
    half = carriers // 2
    grid[:, : half + 1], grid[:, -half:] = elements[:, half:], elements[:, :half]
    body = torch.fft.ifft(grid, norm="ortho") * math.sqrt(size / (carriers * power))
    samples = torch.cat([body[:, -prefix:], body], dim=1).flatten()[skip : skip + count]
    canvas.add_samples(samples, emitter)
