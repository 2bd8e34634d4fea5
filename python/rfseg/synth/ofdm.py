"""OFDM on a common sample grid: resource grids to samples, exactly and without resampling.

The grid rate is a multiple of 3.84 MHz, so the FFT length ``grid_rate / spacing`` and every cyclic
prefix are whole numbers of samples, for 15 and 30 kHz spacing alike, and a carrier goes anywhere on
the subcarrier raster.  ``ifft(norm="ortho")`` makes a resource element of amplitude ``A`` show a bin
power of ``A**2`` over noise of unit variance per sample: the in-band SNR is the element's amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import SceneError

__all__ = ["GRID_STEP_HZ", "Numerology", "modulate", "qpsk"]

GRID_STEP_HZ = 3.84e6  # 3GPP TS 38.211 clause 4.1: both spacings fit with whole cyclic prefixes
_HALF_MS_SYMBOLS_15K = 7  # normal cyclic prefix, 3GPP TS 36.211 table 6.2.3-1


@dataclass(frozen=True, kw_only=True)
class Numerology:
    """Sizes of OFDM symbols at a grid rate.

    Parameters
    ----------
    grid_rate : float
        Samples per second, a multiple of 3.84e6 Hz.
    spacing : float
        Subcarrier spacing, 15e3 or 30e3 Hz.
    """

    grid_rate: float
    spacing: float

    def __post_init__(self) -> None:
        if self.spacing not in (15e3, 30e3):
            raise SceneError(f"spacing={self.spacing!r} Hz is not supported; choose 15e3 or 30e3")
        if self.grid_rate % GRID_STEP_HZ or self.grid_rate <= 0:
            raise SceneError(
                f"grid_rate={self.grid_rate!r} Hz is no positive multiple of {GRID_STEP_HZ:g} Hz; round it up to one"
            )

    @property
    def fft_size(self) -> int:
        """Samples of a symbol without its prefix."""
        return round(self.grid_rate / self.spacing)

    @property
    def symbols(self) -> int:
        """Symbols in half a millisecond."""
        return _HALF_MS_SYMBOLS_15K * round(self.spacing / 15e3)

    @property
    def prefixes(self) -> list[int]:
        """Cyclic prefix of each symbol of half a millisecond, samples: 3GPP TS 38.211 clause 5.3.1."""
        common = 9 * self.fft_size // 128
        return [common + (round(self.grid_rate / 1.92e6) if i == 0 else 0) for i in range(self.symbols)]

    @property
    def half_ms(self) -> int:
        """Samples in half a millisecond."""
        return round(self.grid_rate / 2000)

    def symbol_starts(self, count: int) -> Tensor:
        """Start of each of ``count`` symbols from a half-millisecond boundary on, s, float64."""
        lengths = torch.tensor([p + self.fft_size for p in self.prefixes], dtype=torch.float64)
        offsets = torch.cumsum(lengths, 0) - lengths
        index = torch.arange(count)
        block = torch.div(index, self.symbols, rounding_mode="floor")
        return (block * self.half_ms + offsets[index % self.symbols]) / self.grid_rate


def qpsk(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random unit-power QPSK, complex64."""
    bits = torch.randint(0, 2, (*shape, 2), generator=generator, dtype=torch.int8)
    return torch.view_as_complex((bits.float() * 2 - 1) * 2**-0.5)


def modulate(grid: Tensor, subcarriers: Tensor, numerology: Numerology) -> Tensor:
    """Resource grid to samples.

    Parameters
    ----------
    grid : complex64 ``(S, K)``
        Elements by symbol and subcarrier; ``S`` is a whole number of half milliseconds.
    subcarriers : int64 ``(K,)``
        Position of each element, subcarriers from 0 Hz.  Those outside the grid rate are dropped,
        as an ideal anti-alias filter does.
    numerology : Numerology

    Returns
    -------
    complex64 ``(S / symbols * half_ms,)``
    """
    size = numerology.fft_size
    inside = (subcarriers >= -size // 2) & (subcarriers < size // 2)
    spectrum = torch.zeros(grid.shape[0], size, dtype=torch.complex64)
    spectrum[:, subcarriers[inside] % size] = grid[:, inside]
    body = torch.fft.ifft(spectrum, norm="ortho").unflatten(0, (-1, numerology.symbols))  # (H, symbols, size)
    out = torch.empty(body.shape[0], numerology.half_ms, dtype=torch.complex64)
    position = 0
    for index, prefix in enumerate(numerology.prefixes):
        out[:, position : position + prefix] = body[:, index, size - prefix :]
        out[:, position + prefix : position + prefix + size] = body[:, index]
        position += prefix + size
    return out.flatten()
