"""LoRa: chirps of 2**SF chips, as Semtech's AN1200.22 describes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .canvas import Canvas
from .emitter import OtherEmitter

__all__ = ["WIDTHS", "LoraEmitter", "add", "draw"]

WIDTHS = {"lora": (125e3, 500e3)}

_PREAMBLE, _SYNC, _DOWN = 8, 2, 2.25  # symbols: plain up-chirps, network identifier, down-chirps
_OVERSAMPLING = 4


@dataclass(frozen=True, kw_only=True)
class LoraEmitter(OtherEmitter):
    """A transmitter; ``width`` is the bandwidth.

    Parameters
    ----------
    spreading_factor : int
        7 to 12: a chirp lasts ``2**spreading_factor / width`` s.
    payload_symbols : int
        Chirps after the preamble.
    sync : tuple of int
        Values of the two synchronisation chirps.
    start_symbols : float
        Place within the packet at which the scene begins; negative: the packet is still to come.
    """

    spreading_factor: int
    payload_symbols: int
    sync: tuple[int, int]
    start_symbols: float

    @property
    def symbol_s(self) -> float:
        """Duration of a chirp, s."""
        return 2**self.spreading_factor / self.width


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> LoraEmitter:
    """A random transmitter: in its packet when the scene begins, or soon after."""
    factor, payload = int(rng.integers(7, 13)), int(rng.integers(8, 80))
    width = float(rng.choice([125e3, 250e3, 500e3]))
    ahead = min(0.5, 1e-3 / (2**factor / width))
    return LoraEmitter(
        kind=kind,
        center=center,
        width=width,
        snr_db=snr_db,
        spreading_factor=factor,
        payload_symbols=payload,
        sync=(8 * int(rng.integers(1, 15)), 8 * int(rng.integers(1, 15))),
        start_symbols=float(rng.uniform(-ahead, 0.9 * (_PREAMBLE + _SYNC + _DOWN + payload))),
    )


def add(canvas: Canvas, emitter: LoraEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the packet to the scene; the next follows after a pause of five symbols."""
    rate, device = _OVERSAMPLING * emitter.width, generator.device
    count, chips = canvas.count(rate), 2**emitter.spreading_factor
    length = _PREAMBLE + _SYNC + _DOWN + emitter.payload_symbols
    place = emitter.start_symbols + torch.arange(count, device=device, dtype=torch.float64) / (rate * emitter.symbol_s)
    packet = torch.floor(place / (length + 5))
    place = place - packet * (length + 5)
    data = place >= _PREAMBLE + _SYNC + _DOWN
    position = torch.where(data, place - _DOWN % 1, place)
    symbol = torch.floor(position)
    packets = 2 + int((emitter.start_symbols + canvas.milliseconds * 1e-3 / emitter.symbol_s) / (length + 5))
    table = torch.randint(0, chips, (packets, math.ceil(length) + 6), generator=generator, device=device)
    table[:, :_PREAMBLE] = 0
    table[:, _PREAMBLE : _PREAMBLE + _SYNC] = torch.tensor(emitter.sync, device=device) % chips
    value = table[packet.long() + 1, symbol.long()] / chips
    down = ~data & (place >= _PREAMBLE + _SYNC)
    value = torch.where(down, torch.zeros_like(value), value)
    chirp = (value + position - symbol) % 1.0 - 0.5  # widths
    chirp = torch.where(down, -chirp, chirp)
    phase = torch.cumsum(chirp, 0) * (2 * math.pi / _OVERSAMPLING)
    on_air = (place < length) & (packet >= 0)
    samples = torch.polar(on_air.float(), (phase % (2 * math.pi)).float())
    canvas.add_samples(samples, emitter)
