"""One band shifted to 0 Hz, filtered and brought to another rate, in blocks of an FFT.

Overlap-save: the spectrum of a block of the input, its bins around the band weighted with the response of a linear-phase
filter, and the inverse transform of as many bins as the output's rate asks for.  Each block overlaps its neighbours
by the filter's length, so that the result is that of the filter.

* The shift is a multiple of ``samp_rate / 2**40``, and its phase at a sample follows from the sample's absolute index in whole
  numbers: it is the same whenever extraction begins, and exact after days.
* The filter is a Kaiser design of 80 dB; what lies beyond the stop edge is cut off altogether.
* A sample of the output lies exactly on its sample of the input: the filter is centred, its delay is nil.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Callable

import numpy as np
from scipy import fft, signal

from ..errors import BandError
from .grid import Grid
from .history import SampleHistory

__all__ = ["STOP_BAND_DB", "WIDEST", "BandFilter", "PassBand", "fit_pass_band"]

STOP_BAND_DB = 80.0  # attenuation of the design
WIDEST = 0.92  # share of the lower of both rates that a pass-band takes at most
_TRANSITION = 0.1  # from pass to stop edge, share of the pass-band's half
_STEP = 10e3  # Hz; edges of pass-bands are multiples, so that designs are found again
_PHASE_BITS = 40  # a shift is a multiple of samp_rate / 2**40
_LEAST_BLOCK = 8192  # samples; the fastest of 2048 to 32768
_LONG_BLOCK = 8  # times the filter's length
_GROUP = 4  # blocks transformed at a time: as many as the processor's vectors hold, and few enough for its cache


@dataclass(frozen=True, kw_only=True)
class PassBand:
    """What a filter lets pass, Hz from its centre.

    Parameters
    ----------
    pass_edge : float
        Up to here everything passes.
    stop_edge : float
        From here on nothing does.
    """

    pass_edge: float
    stop_edge: float


def fit_pass_band(bandwidth: float, *, margin: float, samp_rate: float, out_rate: float) -> PassBand:
    """The pass-band for a band of some width, all in Hz.

    The margin shrinks where the rates leave no room for it.

    Raises
    ------
    BandError
        If the band itself is too wide for one of the rates.
    """
    rate = min(samp_rate, out_rate)
    widest = WIDEST * rate
    if bandwidth > widest:
        raise BandError(
            f"a band of {bandwidth / 1e6:.3f} MHz is too wide for {rate / 1e6:.6g} MS/s, which take"
            f" {widest / 1e6:.3f} MHz; choose a higher rate"
        )
    pass_edge = min(_STEP * math.ceil(bandwidth / 2 / _STEP) + margin, widest / 2)
    return PassBand(pass_edge=pass_edge, stop_edge=min(pass_edge + max(margin, _TRANSITION * pass_edge), rate / 2))


@lru_cache(maxsize=64)
def _taps(band: PassBand, samp_rate: float) -> np.ndarray:
    """Low-pass of odd length, float64."""
    count, beta = signal.kaiserord(STOP_BAND_DB, 2 * (band.stop_edge - band.pass_edge) / samp_rate)
    return signal.firwin(count | 1, (band.pass_edge + band.stop_edge) / 2, window=("kaiser", beta), fs=samp_rate)


class BandFilter:
    """Shift, filter and change of the rate for one band.

    Parameters
    ----------
    grid : Grid
        Of both rates; its origin does not matter.
    center : float
        Frequency that becomes 0 Hz, from the centre of the input, Hz.
    band : PassBand
    """

    def __init__(self, grid: Grid, *, center: float, band: PassBand) -> None:
        taps = _taps(band, grid.samp_rate)
        half = taps.size // 2
        self.band = band
        self._step = round(center / grid.samp_rate * 2**_PHASE_BITS)  # turns per sample, times 2**40
        self._up, self._down = grid.up, grid.down
        around = -(-half // grid.down)  # units of overlap on either side
        units = fft.next_fast_len(-(-max(_LEAST_BLOCK, _LONG_BLOCK * taps.size) // grid.down))
        self.reach = around * grid.down
        self.block_units = units - 2 * around
        self.group_units = _GROUP * self.block_units
        self._size, self._out_size = units * grid.down, units * grid.up
        self._kept = slice(around * grid.up, (units - around) * grid.up)
        self.center = self._step / 2**_PHASE_BITS * grid.samp_rate
        self._bin = round(self._step * self._size / 2**_PHASE_BITS)
        rest = self._step / 2**_PHASE_BITS - self._bin / self._size  # turns per sample that whole bins leave
        self._weights = self._response(taps, half, rest, grid)
        places = np.arange(self._out_size)[self._kept] * (grid.down / grid.up)
        self._turn = np.exp(-2j * np.pi * rest * places).astype(np.complex64)

    def _response(self, taps: np.ndarray, half: int, rest: float, grid: Grid) -> np.ndarray:
        """Weights of the bins from ``-side`` to ``side``, complex64."""
        impulse = np.zeros(self._size, complex)
        impulse[: taps.size] = taps * np.exp(2j * np.pi * rest * (np.arange(taps.size) - half))
        response = np.fft.fft(np.roll(impulse, -half)) * (self._out_size / self._size)
        side = math.ceil(self.band.stop_edge / grid.samp_rate * self._size) + 1
        side = min(side, (min(self._size, self._out_size) - 1) // 2)
        return np.concatenate([response[-side:], response[: side + 1]]).astype(np.complex64)

    def apply(
        self,
        history: SampleHistory,
        grid: Grid,
        first_unit: int,
        block_count: int,
        room: Callable[[int], np.ndarray] = partial(np.empty, dtype=np.complex64),
    ) -> np.ndarray:
        """Units of ``block_count`` blocks from ``first_unit`` on, complex64; the history is read ``reach`` samples further.

        ``room`` gives the array for a number of samples, into which they are written.
        """
        size = self.block_units * self._up
        made = room(block_count * size)
        for block in range(0, block_count, _GROUP):
            out = made[block * size : (block + _GROUP) * size].reshape(-1, size)
            self._batch(history, grid, first_unit + block * self.block_units, out)
        return made

    def _batch(self, history: SampleHistory, grid: Grid, first_unit: int, out: np.ndarray) -> None:
        """A block per row of ``out``."""
        hop, count = self.block_units * self._down, len(out)
        begin = grid.sample(first_unit) - self.reach
        iq = history.read(begin, begin + (count - 1) * hop + self._size)
        blocks = np.ndarray((count, self._size), iq.dtype, iq, strides=(hop * iq.itemsize, iq.itemsize))  # they overlap
        spectrum = self._around_band(fft.fft(blocks, axis=1))
        np.multiply(fft.ifft(spectrum, axis=1, overwrite_x=True)[:, self._kept], self._turn, out=out)
        out *= self._phases([begin + number * hop for number in range(count)])[:, None]

    def _around_band(self, spectrum: np.ndarray) -> np.ndarray:
        """Weighted bins of the band, its centre at bin 0 of the output's spectrum."""
        out = np.zeros((spectrum.shape[0], self._out_size), np.complex64)
        side = self._weights.size // 2
        low = (self._bin - side) % self._size
        head = min(self._weights.size, self._size - low)  # bins before the end of the spectrum
        bins = [(0, head, low), (head, self._weights.size, 0)]
        for first, stop, source in bins:
            for begin, end, shift in ((first, min(stop, side), self._out_size - side), (max(first, side), stop, -side)):
                if begin < end:
                    place = slice(source + begin - first, source + end - first)
                    np.multiply(spectrum[:, place], self._weights[begin:end], out=out[:, begin + shift : end + shift])
        return out

    def _phases(self, samples: list[int]) -> np.ndarray:
        """What turns the shift to the phase of each absolute sample, complex64."""
        turns = [(self._step * sample) % 2**_PHASE_BITS / 2**_PHASE_BITS for sample in samples]
        return np.exp(-2j * np.pi * np.array(turns)).astype(np.complex64)
