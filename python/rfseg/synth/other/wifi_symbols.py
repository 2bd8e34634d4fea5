"""OFDM symbols and training fields of IEEE 802.11: legacy, HT and VHT, 20 to 80 MHz.

Fields are made at 20 MS/s per 20 MHz and have unit power.  Clauses are those of IEEE Std 802.11-2020.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .modulation import random_points

__all__ = ["FULL_GUARD", "SHORT_GUARD", "SIZE", "long_training", "preamble", "short_training", "symbol_bank"]

SIZE = 64  # bins per 20 MHz: 312.5 kHz each
FULL_GUARD, SHORT_GUARD = 16, 8  # samples at 20 MS/s: 0.8 and 0.4 us

# Clause 17.3.3, equations 17-6 and 17-8: signs of the short training carriers; long training carriers below and above DC
_SHORT_SIGNS = {-24: 1, -20: -1, -16: 1, -12: -1, -8: -1, -4: 1, 4: -1, 8: -1, 12: 1, 16: 1, 20: 1, 24: 1}
_LEFT = (1, 1, -1, -1, 1, 1, -1, 1, -1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1, 1, 1, 1)
_RIGHT = (1, -1, -1, 1, 1, -1, 1, -1, 1, -1, -1, -1, -1, -1, 1, 1, -1, -1, 1, -1, 1, -1, 1, 1, 1, 1)
_BRIDGE = (-1, -1, -1, 1, 1, -1, 1, -1, 1, 1, -1)
# HT-LTF of 20 and 40 MHz (19.3.9.4.6) and VHT-LTF of 80 MHz (21.3.8.3.5), lowest carrier first
_LONG = {
    20: (1, 1, *_LEFT, 0, *_RIGHT, -1, -1),
    40: (*_LEFT, 1, *_RIGHT, -1, -1, -1, 1, 0, 0, 0, -1, 1, 1, -1, *_LEFT, 1, *_RIGHT),
    80: (*_LEFT, 1, *_RIGHT, *_BRIDGE, *_LEFT, 1, *_RIGHT, 1, -1, 1, -1, 0, 0, 0, 1, -1, -1, 1,
         *_LEFT, 1, *_RIGHT, *_BRIDGE, *_LEFT, 1, *_RIGHT),
}  # fmt: skip
# Pilots of one stream: clauses 17.3.5.9, 19.3.11.10 and 21.3.10.10
_LEGACY_PILOTS = ((-21, -7, 7, 21), (1, 1, 1, -1))
_PILOTS = {
    20: ((-21, -7, 7, 21), (1, 1, 1, -1)),
    40: ((-53, -25, -11, 11, 25, 53), (1, 1, 1, -1, -1, 1)),
    80: ((-103, -75, -39, -11, 11, 39, 75, 103), (1, 1, 1, -1, -1, 1, 1, 1)),
}
_ROTATION = {20: (1,), 40: (1, 1j), 80: (1, -1, -1, -1)}  # of each 20 MHz, lowest first: 19.3.9.2.1, 21.3.7.5


@lru_cache(maxsize=1)
def _polarity() -> np.ndarray:
    """Pilot polarity p of clause 17.3.5.10: the scrambler ``x^7 + x^4 + 1`` from all ones, float32 ``(127,)``."""
    state = [1] * 7
    found = []
    for _ in range(127):
        bit = state[6] ^ state[3]
        state = [bit, *state[:6]]
        found.append(1 - 2 * bit)
    return np.array(found, dtype=np.float32)


def _rotation(mhz: int) -> np.ndarray:
    """Phase of each bin, complex64 ``(bins,)`` unshifted."""
    return np.fft.ifftshift(np.repeat(np.array(_ROTATION[mhz], dtype=np.complex64), SIZE))


def _legacy_bins(mhz: int, bands: tuple[int, ...], carriers: np.ndarray) -> np.ndarray:
    """Unshifted bins of legacy carriers in each of ``bands``, the 20 MHz parts counted from below."""
    parts = mhz // 20
    centers = [SIZE * band - SIZE * (parts - 1) // 2 for band in bands]
    return np.concatenate([carriers + center for center in centers]) % (SIZE * parts)


def _unit(grid: np.ndarray) -> np.ndarray:
    """Time samples of one symbol's grid, complex64, unit power."""
    samples = np.fft.ifft(grid)
    return (samples / np.sqrt(np.mean(np.abs(samples) ** 2))).astype(np.complex64)


def _field(mhz: int, bins: np.ndarray, values: np.ndarray) -> np.ndarray:
    grid = np.zeros(SIZE * mhz // 20, dtype=np.complex64)
    grid[bins] = values
    return _unit(grid * _rotation(mhz))


@lru_cache(maxsize=16)
def short_training(mhz: int, bands: tuple[int, ...]) -> np.ndarray:
    """L-STF: ten periods of 0.8 us, complex64 ``(8 us,)``."""
    carriers = np.array(list(_SHORT_SIGNS))
    values = np.tile(np.array(list(_SHORT_SIGNS.values())) * (1 + 1j), len(bands))
    symbol = _field(mhz, _legacy_bins(mhz, bands, carriers), values)
    return np.tile(symbol, 3)[: 160 * mhz // 20]


@lru_cache(maxsize=16)
def preamble(mhz: int, bands: tuple[int, ...]) -> np.ndarray:
    """L-STF and L-LTF: complex64 ``(16 us,)``."""
    carriers = np.array([*range(-26, 0), *range(1, 27)])
    symbol = _field(mhz, _legacy_bins(mhz, bands, carriers), np.tile(np.array(_LEFT + _RIGHT), len(bands)))
    return np.concatenate([short_training(mhz, bands), symbol[-32 * mhz // 20 :], symbol, symbol])


@lru_cache(maxsize=4)
def long_training(mhz: int) -> np.ndarray:
    """HT-STF and HT-LTF, or those of VHT: complex64 ``(8 us,)``."""
    values = np.array(_LONG[mhz])
    reach = len(values) // 2
    symbol = _field(mhz, np.arange(-reach, reach + 1) % (SIZE * mhz // 20), values)
    part = mhz // 20
    return np.concatenate([short_training(mhz, tuple(range(part)))[: 80 * part], symbol[-FULL_GUARD * part :], symbol])


def symbol_bank(
    count: int, mhz: int, generator: torch.Generator, *, order: int, guard: int, bands: tuple[int, ...] | None
) -> Tensor:
    """Data symbols with pilots and guard intervals, unit power.

    Parameters
    ----------
    count : int
        Number of symbols; the pilots' polarity starts with the first.
    order : int
        Constellation size.
    guard : int
        Guard interval, samples at 20 MS/s.
    bands : tuple of int or None
        20 MHz parts that carry copies of legacy symbols; None: symbols of HT or VHT over the whole width.

    Returns
    -------
    complex64 ``(count, bins + guard)``
        Edges are softened over one sample by averaging with the cyclic extension of the symbol before.
    """
    size, device, copies = SIZE * mhz // 20, generator.device, 1 if bands is None else len(bands)
    carriers, places, signs = _carriers(count, mhz, is_legacy=bands is not None)
    pilots = torch.from_numpy(signs).to(device)
    payload = random_points(order, (count, len(carriers)), generator)
    grid = torch.zeros(count, size, dtype=torch.complex64, device=device)
    for used, elements in ((carriers, payload), (places, pilots)):
        bins = used % size if bands is None else _legacy_bins(mhz, bands, used)
        grid[:, torch.from_numpy(bins).to(device)] = elements.repeat(1, copies)
    power = (len(carriers) + len(places)) * copies / size
    grid *= torch.from_numpy(_rotation(mhz)).to(device) / math.sqrt(power)
    body = torch.fft.ifft(grid, norm="ortho")  # (count, size)
    symbols = torch.cat([body[:, -guard * mhz // 20 :], body], dim=1)
    symbols[1:, 0] = (symbols[1:, 0] + body[:-1, 0]) / 2
    return symbols


def _carriers(count: int, mhz: int, *, is_legacy: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data carriers, pilot carriers re the middle, and the pilots of each symbol, complex64 ``(count, P)``."""
    if is_legacy:
        used, (places, signs) = np.array([*range(-26, 0), *range(1, 27)]), _LEGACY_PILOTS
        turn, first = np.tile(np.arange(len(signs)), (count, 1)), 0
    else:
        used, (places, signs) = np.flatnonzero(_LONG[mhz]) - len(_LONG[mhz]) // 2, _PILOTS[mhz]
        turn, first = np.arange(count)[:, None] + np.arange(len(signs)), 3  # 19.3.11.10: rotates, after L-SIG and HT-SIG
    polarity = _polarity()[(np.arange(count) + first) % 127, None]
    return np.setdiff1d(used, places), np.array(places), (np.array(signs)[turn % len(signs)] * polarity).astype(np.complex64)
