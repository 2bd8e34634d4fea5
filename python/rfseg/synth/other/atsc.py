"""Digital television of North America: 8-VSB with a pilot tone, ATSC A/53 part 2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from .canvas import Canvas
from .emitter import OtherEmitter
from .modulation import rrc_gain

__all__ = ["PILOT_HZ", "SYMBOL_RATE", "WIDTHS", "AtscEmitter", "add", "draw"]

SYMBOL_RATE = 4.5e6 / 286 * 684  # A/53 part 2 clause 5.1
CHANNEL_HZ = 6e6
PILOT_HZ = (CHANNEL_HZ - SYMBOL_RATE / 2) / 2  # above the channel's lower edge
WIDTHS = {"atsc": (SYMBOL_RATE / 2, SYMBOL_RATE / 2)}

_SEGMENT, _FIELD = 832, 313  # symbols; segments: clause 6.4
_PILOT_LEVEL, _POWER = 1.25, 21.0  # in units in which symbols are the odd numbers to 7: clause 6.5


@dataclass(frozen=True, kw_only=True)
class AtscEmitter(OtherEmitter):
    """A channel, always on air; ``width`` is that of the signal at half power.

    Parameters
    ----------
    inverted : bool
        Whether the pilot is at the upper edge, as after a converter with high-side injection.
    start_symbols : int
        Place of the scene's start in a field.
    """

    inverted: bool
    start_symbols: int


def draw(kind: str, center: float, snr_db: float, rng: np.random.Generator) -> AtscEmitter:
    """A random channel."""
    return AtscEmitter(
        kind=kind,
        center=center,
        width=WIDTHS[kind][0],
        snr_db=snr_db,
        inverted=bool(rng.random() < 0.1),
        start_symbols=int(rng.integers(_SEGMENT * _FIELD)),
    )


def add(canvas: Canvas, emitter: AtscEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel to the scene; the field's synchronisation segment has random signs.

    The symbol rate is rounded to a multiple of the inverse duration, by 4 parts per million at most at 20 ms.
    """
    device = generator.device
    count = 2 * round(canvas.milliseconds * SYMBOL_RATE / 2e3)
    levels = torch.randint(0, 8, (count,), generator=generator, device=device).float() * 2 - 7
    place = emitter.start_symbols + torch.arange(count, device=device)
    sync = place % _SEGMENT < 4
    signs = torch.where((place % _SEGMENT) % 3 == 0, 5.0, -5.0)  # 5, -5, -5, 5: clause 6.4.2
    in_field = place // _SEGMENT % _FIELD == 0
    levels = torch.where(in_field, torch.where(levels < 0, -5.0, 5.0), levels)
    levels = torch.where(sync, signs, levels) + _PILOT_LEVEL
    # the upper sideband of the real symbols, moved so that its middle, a quarter of the symbol rate, is at 0 Hz
    middle = round(count / 4)
    spectrum = torch.fft.fft(levels.to(torch.complex64), norm="ortho")
    freqs = torch.fft.fftfreq(count, 0.5, device=device)  # in half symbol rates, -1 to 1 re the middle
    rolloff = PILOT_HZ * 2 / (SYMBOL_RATE / 2)
    shaped = spectrum.roll(-middle) * rrc_gain(freqs, rolloff) * math.sqrt(2 / (_POWER + _PILOT_LEVEL**2))
    if emitter.inverted:
        shaped = shaped.flip(0).roll(1)
    canvas.add_spectrum(shaped, emitter)
