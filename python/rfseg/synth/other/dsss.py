"""Wi-Fi without OFDM: IEEE Std 802.11-2020 clauses 15 (Barker) and 16 (complementary codes), 11 Mchip/s."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .bursts import draw_bursts, log_uniform
from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import random_points, rrc_spectrum

__all__ = ["WIDTHS", "DsssEmitter", "add", "draw"]

WIDTHS = {"dsss": (12.6e6, 17.6e6)}

CHIP_RATE = 11e6
BARKER = (1, -1, 1, 1, -1, 1, 1, 1, -1, -1, -1)  # clause 15.4.4.2
_SIFS_US = 10.0
_ACK_US = (112.0 + 96.0, 112.0 / 2 + 96.0)


@dataclass(frozen=True, kw_only=True)
class DsssEmitter(OtherEmitter):
    """A channel of 802.11b.

    Parameters
    ----------
    rolloff : float
        Of the transmitter's chip pulses, taken as root raised cosine.
    mbit : float
        Data rate: 1 and 2 spread by Barker's code, 5.5 and 11 sent as complementary codes.
    preamble_us : float
        Preamble and header at 1 Mbit/s: 192 (long) or 96 (short).
    frame_us : tuple of float
        Shortest and longest frame, us.
    acknowledged : bool
        Whether an acknowledgement follows 10 us after each frame.
    ack_db : float
        Its level, dB.
    """

    rolloff: float
    mbit: float
    preamble_us: float
    frame_us: tuple[float, float]
    acknowledged: bool
    ack_db: float


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> DsssEmitter:
    """A random channel."""
    rolloff = float(rng.uniform(0.25, 1.0))
    mbit = float(rng.choice([1.0, 2.0, 5.5, 11.0]))
    preamble = 192.0 if mbit == 1.0 or rng.random() < 0.6 else 96.0
    low = preamble + log_uniform(80, 1500, rng)
    return DsssEmitter(
        kind=kind,
        center=center,
        width=CHIP_RATE * (1 + 0.6 * rolloff),
        snr_db=snr_db,
        duty=log_uniform(0.05, 0.8, rng),
        rolloff=rolloff,
        mbit=mbit,
        preamble_us=preamble,
        frame_us=(low, low * log_uniform(1.0, 4.0, rng)),
        acknowledged=bool(rng.random() < 0.7),
        ack_db=float(rng.uniform(-20, 3)),
    )


def _complementary(words: int, generator: torch.Generator) -> Tensor:
    """Chips of random code words, complex64 ``(8 words,)``: clause 16.3.6.5, equation 16-1."""
    phases = random_points(4, (4, words), generator)
    one, two, three, four = phases * torch.exp(torch.tensor(-0.25j * math.pi, device=phases.device))
    chips = [one * two * three * four, one * three * four, one * two * four, -one * four]
    chips += [one * two * three, one * three, -one * two, one]
    return torch.stack(chips, dim=1).flatten()


def add(canvas: Canvas, emitter: DsssEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel's frames to the scene; everything is laid out by the microsecond, a symbol of Barker's code."""
    count = round(canvas.duration_us)
    level = np.zeros(count, dtype=np.float32)  # of each microsecond
    coded = np.zeros(count, dtype=np.float32)  # 1: complementary codes
    pause = 50.0 + (_SIFS_US + _ACK_US[0] if emitter.acknowledged else 0.0)
    for start, length in draw_bursts(canvas.duration_us, emitter.duty, emitter.frame_us, rng, pause_us=pause):
        first, body, stop = (round(start + delay) for delay in (0.0, emitter.preamble_us, length))
        level[max(0, first) : max(0, stop)] = 1.0
        if emitter.mbit > 2.0:
            coded[max(0, body) : max(0, stop)] = 1.0
        if emitter.acknowledged:
            ack = stop + round(_SIFS_US)
            level[max(0, ack) : max(0, ack + round(float(rng.choice(_ACK_US))))] = 10 ** (emitter.ack_db / 20)
    device = generator.device
    order = 2 if emitter.mbit == 1.0 else 4
    barker = torch.tensor(BARKER, dtype=torch.complex64, device=device)
    chips = random_points(order, (count, 1), generator) * barker  # (count, 11)
    if coded.any():
        words = _complementary(-(-count * 11 // 8), generator)[: count * 11].reshape(count, 11)
        chips = torch.where(torch.from_numpy(coded).to(device)[:, None] > 0, words, chips)
    chips = chips * torch.from_numpy(level).to(device)[:, None]
    canvas.add_spectrum(rrc_spectrum(chips.flatten(), emitter.rolloff), emitter)
