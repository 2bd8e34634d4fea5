"""Zigbee: O-QPSK of IEEE Std 802.15.4-2020 clause 12 at 2.4 GHz, 2 Mchip/s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .bursts import draw_bursts, log_uniform, paste
from .canvas import Canvas
from .emitter import OtherEmitter

__all__ = ["WIDTHS", "ZigbeeEmitter", "add", "draw"]

WIDTHS = {"zigbee": (2.6e6, 2.6e6)}

_UP = 3  # samples per chip of 0.5 us
_RATE = _UP * 2e6
_SYMBOL_US = 16.0
_CHIPS = "11011001110000110101001000101110"  # clause 12.2.4, data symbol 0
_ACK_US, _TURNAROUND_US = 11 * 32.0, 12 * _SYMBOL_US  # 11 octets; clause 10.1.3


@dataclass(frozen=True, kw_only=True)
class ZigbeeEmitter(OtherEmitter):
    """A channel.

    Parameters
    ----------
    frame_us : tuple of float
        Shortest and longest frame, us: 17 to 133 octets of 32 us.
    acknowledged : bool
        Whether an acknowledgement follows 192 us after each frame.
    ack_db : float
        Its level, dB.
    """

    frame_us: tuple[float, float]
    acknowledged: bool
    ack_db: float


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> ZigbeeEmitter:
    """A random channel."""
    low = log_uniform(17 * 32, 120 * 32, rng)
    return ZigbeeEmitter(
        kind=kind,
        center=center,
        width=WIDTHS[kind][0],
        snr_db=snr_db,
        duty=log_uniform(0.05, 0.6, rng),
        frame_us=(low, min(133 * 32.0, low * log_uniform(1, 4, rng))),
        acknowledged=bool(rng.random() < 0.7),
        ack_db=float(rng.uniform(-20, 3)),
    )


def _sequences() -> np.ndarray:
    """Chips of the 16 data symbols, -1 and 1, float32 ``(16, 32)``: rotated by four, then odd chips inverted."""
    base = np.array([int(chip) for chip in _CHIPS]) * 2 - 1
    first = np.stack([np.roll(base, 4 * symbol) for symbol in range(8)])
    return np.concatenate([first, first * np.tile([1, -1], 16)]).astype(np.float32)


def add(canvas: Canvas, emitter: ZigbeeEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel's frames to the scene."""
    device = generator.device
    table = torch.from_numpy(_sequences()).to(device)
    longest = round(emitter.frame_us[1] / _SYMBOL_US) + 1
    symbols = torch.randint(0, 16, (longest + 64,), generator=generator, device=device)
    symbols[:8] = 0  # preamble, then the delimiter 0xA7: clause 12.1.2
    symbols[8], symbols[9] = 7, 10
    chips = table[symbols].flatten()
    pulse = torch.sin(torch.arange(2 * _UP, device=device) * (torch.pi / (2 * _UP)))
    inphase = (chips[0::2, None] * pulse).flatten()
    quadrature = (chips[1::2, None] * pulse).flatten().roll(_UP)  # half a pulse later
    quadrature[:_UP] = 0.0
    frame = torch.complex(inphase, quadrature)
    samples = canvas.zeros(canvas.count(_RATE))
    pause = 320.0 + (_TURNAROUND_US + _ACK_US if emitter.acknowledged else 0.0)
    for start, length in draw_bursts(canvas.duration_us, emitter.duty, emitter.frame_us, rng, pause_us=pause):
        stop = paste(samples, frame[: round(length * _RATE * 1e-6)], round(start * _RATE * 1e-6))
        if emitter.acknowledged:
            ack = frame[: round(_ACK_US * _RATE * 1e-6)] * 10 ** (emitter.ack_db / 20)
            paste(samples, ack, stop + round(_TURNAROUND_US * _RATE * 1e-6))
    canvas.add_samples(samples, emitter)
