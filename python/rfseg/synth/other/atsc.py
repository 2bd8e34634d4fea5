"""Digital television of North America: 8-VSB with a pilot tone, ATSC A/53 part 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

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
_RATE_ERROR = 30e-6  # of the symbol rate
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


def _largest_factor(number: int) -> int:
    """Largest prime factor."""
    factor = 2
    while factor * factor <= number:
        if number % factor:
            factor += 1
        else:
            number //= factor
    return number


@lru_cache(maxsize=64)
def _symbol_count(milliseconds: int) -> int:
    """Even number of symbols that is quick to transform, next to what the rate gives."""
    exact = milliseconds * SYMBOL_RATE / 1e3
    reach = int(exact * _RATE_ERROR / 2)
    return min((2 * (round(exact / 2) + step) for step in range(-reach, reach + 1)), key=_largest_factor)


def add(canvas: Canvas, emitter: AtscEmitter, rng: np.random.Generator, generator: torch.Generator) -> None:
    """Add the channel to the scene; the field's synchronisation segment has random signs.

    The symbol rate is off by 30 parts per million at most, so that the scene holds a number of symbols with small factors.
    """
    device = generator.device
    count = _symbol_count(canvas.milliseconds)
    first, skip = divmod(emitter.start_symbols, _SEGMENT)
    segments = -(-(skip + count) // _SEGMENT)
    levels = torch.randint(0, 8, (segments, _SEGMENT), generator=generator, device=device, dtype=torch.int32).float() * 2 - 7
    levels[-first % _FIELD :: _FIELD] = levels[-first % _FIELD :: _FIELD].sign() * 5
    levels[:, :4] = torch.tensor([5.0, -5.0, -5.0, 5.0], device=device)  # segment synchronisation: clause 6.4.2
    levels = levels.flatten()[skip : skip + count] + _PILOT_LEVEL
    # the upper sideband of the real symbols, moved so that its middle, a quarter of the symbol rate, is at 0 Hz
    middle = round(count / 4)
    spectrum = torch.fft.fft(levels.to(torch.complex64), norm="ortho")
    freqs = torch.fft.fftfreq(count, 0.5, device=device)  # in half symbol rates, -1 to 1 re the middle
    rolloff = PILOT_HZ * 2 / (SYMBOL_RATE / 2)
    shaped = spectrum.roll(-middle) * rrc_gain(freqs, rolloff) * math.sqrt(2 / (_POWER + _PILOT_LEVEL**2))
    if emitter.inverted:
        shaped = shaped.flip(0).roll(1)
    canvas.add_spectrum(shaped, emitter)
