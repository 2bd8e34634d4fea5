"""OFDM on a common sample grid: resource grids to samples, exactly and without resampling.

The grid rate is a multiple of 7.68 MHz (3.84 MHz if nothing is spaced 60 kHz), so the FFT length
``grid_rate / spacing`` and every cyclic prefix are whole numbers of samples, and a carrier goes anywhere
on the subcarrier raster.  ``ifft(norm="ortho")`` makes a resource element of amplitude ``A`` show a bin
power of ``A**2`` over noise of unit variance per sample: the in-band SNR is the element's power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import SceneError

__all__ = ["SPACINGS_HZ", "Numerology", "OfdmSignal", "PortGrid", "modulate", "modulate_many", "qpsk"]

SPACINGS_HZ = (15e3, 30e3, 60e3)  # 3GPP TS 38.211 table 4.2-1, FR1
_HALF_MS_SYMBOLS_15K = 7  # normal cyclic prefix, 3GPP TS 36.211 table 6.2.3-1


@dataclass(frozen=True, kw_only=True)
class PortGrid:
    """What one antenna port sends; ports fade independently and add up in the air.

    Parameters
    ----------
    elements : complex64 ``(R, K)``
        Resource elements, amplitude re a data element; 0 where nothing is sent.
    symbols : int64 ``(R,)`` or None
        Which symbols of the signal the rows are; None for all of them.
    port : int
        Whose channel they go through: antenna port, beam or user.
    """

    elements: Tensor
    symbols: Tensor | None = None
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class OfdmSignal:
    """Resource grids of one numerology over a whole number of half milliseconds.

    Parameters
    ----------
    spacing : float
        Of the subcarriers, Hz.
    subcarriers : int64 ``(K,)``
        Position of each column, subcarriers from the carrier's centre.
    symbol_count : int
        Symbols of the signal.
    grids : tuple of PortGrid
    half_shift : bool
        Whether every subcarrier lies half a spacing higher, as in the LTE uplink.
    """

    spacing: float
    subcarriers: Tensor
    symbol_count: int
    grids: tuple[PortGrid, ...]
    half_shift: bool = False

    def power(self) -> Tensor:
        """Mean power of the elements of each group of 12 columns, all ports, float32 ``(S, ceil(K / 12))``."""
        columns = self.subcarriers.numel()
        total = torch.zeros(self.symbol_count, 12 * math.ceil(columns / 12), device=self.subcarriers.device)
        for grid in self.grids:
            power = torch.view_as_real(grid.elements).square().sum(-1)
            if grid.symbols is None:
                total[:, :columns] += power
            else:
                total[:, :columns].index_add_(0, grid.symbols, power)
        return total.unflatten(1, (-1, 12)).mean(-1)


@dataclass(frozen=True, kw_only=True)
class Numerology:
    """Sizes of OFDM symbols at a grid rate.

    Parameters
    ----------
    grid_rate : float
        Samples per second, a multiple of :attr:`grid_step`.
    spacing : float
        Subcarrier spacing, Hz, of :data:`SPACINGS_HZ`.

    Raises
    ------
    SceneError
        If the spacing is unknown or the rate does not hold whole prefixes.
    """

    grid_rate: float
    spacing: float

    def __post_init__(self) -> None:
        step = self.grid_step(self.spacing)
        if self.grid_rate % step or self.grid_rate <= 0:
            raise SceneError(f"grid_rate={self.grid_rate!r} Hz is no positive multiple of {step:g} Hz; round it up to one")

    @staticmethod
    def grid_step(spacing: float) -> float:
        """Hz of which the grid rate must be a multiple, so that prefixes are whole: TS 38.211 clause 5.3.1.

        Raises
        ------
        SceneError
            If the spacing is unknown.
        """
        if spacing not in SPACINGS_HZ:
            raise SceneError(f"spacing={spacing!r} Hz is not supported; choose 15e3, 30e3 or 60e3")
        return 7.68e6 if spacing == 60e3 else 3.84e6

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


@lru_cache(maxsize=4)
def _qpsk_of_byte(device: str) -> Tensor:
    """Four elements for each byte, complex64 ``(256, 4)``."""
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
    return torch.view_as_complex(((1.0 - 2.0 * bits) * 2**-0.5).unflatten(1, (4, 2))).to(device)


def qpsk(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random unit-power QPSK, complex64, on the generator's device."""
    count = math.prod(shape)
    draws = torch.randint(0, 256, (-(-count // 4),), generator=generator, device=generator.device)
    return _qpsk_of_byte(str(generator.device))[draws].flatten()[:count].reshape(shape)


def _runs(subcarriers: Tensor, size: int) -> list[tuple[slice, slice]]:
    """Columns that lie side by side, and their bins of an unshifted spectrum; those outside it are left out."""
    places = subcarriers.tolist()
    cuts = [i for i in range(1, len(places)) if places[i] != places[i - 1] + 1 or places[i] == 0]
    runs = []
    for first, last in zip([0, *cuts], [*cuts, len(places)], strict=True):
        skipped = max(0, -size // 2 - places[first])
        kept = min(last - first, size // 2 - places[first])
        if skipped < kept:
            start = (places[first] + skipped) % size
            runs.append((slice(first + skipped, first + kept), slice(start, start + kept - skipped)))
    return runs


def modulate(grid: Tensor, subcarriers: Tensor, numerology: Numerology, *, half_shift: bool = False) -> Tensor:
    """Resource grid to samples; see :func:`modulate_many`."""
    return modulate_many([(grid, subcarriers)], numerology, half_shift=half_shift)[0]


def modulate_many(grids: list[tuple[Tensor, Tensor]], numerology: Numerology, *, half_shift: bool = False) -> list[Tensor]:
    """Resource grids to samples, in one transform.

    Parameters
    ----------
    grids : list of (complex64 ``(S, K)``, int64 ``(K,)``)
        Elements by symbol and subcarrier, where ``S`` is a whole number of half milliseconds; and the
        position of each column, subcarriers from 0 Hz.  Those outside the grid rate are dropped, as an ideal
        anti-alias filter does.
    numerology : Numerology
    half_shift : bool
        Whether every subcarrier lies half a spacing higher: TS 36.211 clause 5.6.

    Returns
    -------
    list of complex64 ``(S / symbols * half_ms,)``
    """
    size, device = numerology.fft_size, grids[0][0].device
    counts = [grid.shape[0] for grid, _ in grids]
    spectrum = torch.zeros(sum(counts), size, dtype=torch.complex64, device=device)
    for (grid, subcarriers), part in zip(grids, spectrum.split(counts), strict=True):
        for source, target in _runs(subcarriers, size):
            part[:, target] = grid[:, source]
    body = torch.fft.ifft(spectrum, norm="ortho").unflatten(0, (-1, numerology.symbols))  # (H, symbols, size)
    sign = 1.0
    if half_shift:  # half a turn per symbol length, so the prefix has the other sign
        angle = torch.arange(size, device=device) * (math.pi / size)
        body = body * torch.polar(torch.ones_like(angle), angle)
        sign = -1.0
    out = torch.empty(body.shape[0], numerology.half_ms, dtype=torch.complex64, device=device)
    position = 0
    for index, prefix in enumerate(numerology.prefixes):
        out[:, position : position + prefix] = sign * body[:, index, size - prefix :]
        out[:, position + prefix : position + prefix + size] = body[:, index]
        position += prefix + size
    return [part.flatten() for part in out.split([count // numerology.symbols for count in counts])]
