"""The bound of a spectrogram on one core: window, FFT, squared magnitude and accumulation, and no framework.

Planned FFTW and VOLK do the work where their libraries are found (GNU Radio brings both), on batches that stay in
the cache; SciPy and NumPy do elsewhere.  Which did is part of the result.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import time
from typing import Any, Callable

import numpy as np
import scipy.fft

__all__ = ["SpectrogramBound"]

_BATCHES = (1 << 13, 1 << 14, 1 << 15, 1 << 16)  # samples; the fastest is kept
_ALIGNMENT = 64  # bytes
_MEASURE, _FORWARD = 0, -1  # FFTW_MEASURE, FFTW_FORWARD
_TRIAL = 20e-3  # s for each size of a batch


class SpectrogramBound:
    """Samples per second of processor time that one core turns into accumulated power.

    Parameters
    ----------
    bins : int
        FFT size.
    hop : int
        Samples between segments; below ``bins`` they overlap.
    """

    def __init__(self, bins: int, hop: int) -> None:
        self.bins, self.hop = bins, hop
        self._fftw, self._volk = _load("fftw3f"), _load("volk")
        trials = [self._make(max(1, size // bins)) for size in _BATCHES if size >= bins]
        self._pass, self.segments = max(trials, key=lambda trial: _rate(*trial, _TRIAL))

    @property
    def means(self) -> str:
        """What computes it."""
        fft = "FFTW" if self._fftw else "SciPy's FFT"
        power = "VOLK" if self._volk else "NumPy"
        return f"{fft}, window by NumPy, magnitude by {power}, batches of {self.segments} segments"

    def measure(self, seconds: float) -> float:
        """Samples per second of processor time, measured for about so long."""
        return _rate(self._pass, self.segments, seconds) * self.hop

    def _make(self, segments: int) -> tuple[Callable[[], None], int]:
        bins, hop = self.bins, self.hop
        samples = _aligned((segments - 1) * hop + bins, np.complex64)
        samples[:] = np.random.default_rng(0).standard_normal((len(samples), 2), np.float32).view(np.complex64)[:, 0]
        taken = np.lib.stride_tricks.as_strided(
            samples.view(np.float32), (segments, 2 * bins), (8 * hop, 4), writeable=False
        )
        window = np.repeat(np.hanning(bins + 1)[:-1].astype(np.float32), 2)
        tapered, spectra = _aligned((segments, bins), np.complex64), _aligned((segments, bins), np.complex64)
        power, total = _aligned((segments, bins), np.float32), np.empty(bins, np.float32)
        flat = tapered.view(np.float32)
        transform = self._transform(tapered, spectra)
        square = self._square(spectra, power)

        def one_pass(_held: tuple = (spectra, power)) -> None:  # C knows these arrays by their addresses alone
            np.multiply(taken, window, out=flat)
            transform()
            square()
            np.add.reduce(power, axis=0, out=total)

        return one_pass, segments

    def _transform(self, source: np.ndarray, target: np.ndarray) -> Callable[[], None]:
        if self._fftw is None:

            def by_scipy() -> None:
                target[...] = scipy.fft.fft(source, axis=1, workers=1)

            return by_scipy
        plan_many = self._fftw.fftwf_plan_many_dft
        plan_many.restype = ctypes.c_void_p
        size = (ctypes.c_int * 1)(self.bins)
        none, one, bins = None, ctypes.c_int(1), ctypes.c_int(self.bins)
        plan = plan_many(
            1, size, len(source), ctypes.c_void_p(source.ctypes.data), none, one, bins,
            ctypes.c_void_p(target.ctypes.data), none, one, bins, _FORWARD, _MEASURE,
        )  # fmt: skip
        execute, pointer = self._fftw.fftwf_execute, ctypes.c_void_p(plan)
        execute.restype = None
        return lambda: execute(pointer)

    def _square(self, spectra: np.ndarray, power: np.ndarray) -> Callable[[], None]:
        if self._volk is None:

            def by_numpy() -> None:
                np.multiply(spectra.real, spectra.real, out=power)
                np.add(power, spectra.imag * spectra.imag, out=power)

            return by_numpy
        kernel = _volk_kernel(self._volk, "volk_32fc_magnitude_squared_32f")
        arguments = (ctypes.c_void_p(power.ctypes.data), ctypes.c_void_p(spectra.ctypes.data), ctypes.c_uint(power.size))
        return lambda: kernel(*arguments)


def _volk_kernel(library: ctypes.CDLL, name: str) -> Any:
    """VOLK's kernels are variables that point to functions; the first call of one chooses it for this processor."""
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
    scratch = np.zeros(16, np.float32)
    prototype(ctypes.c_void_p.in_dll(library, name).value)(scratch.ctypes.data, scratch.ctypes.data, 0)
    return prototype(ctypes.c_void_p.in_dll(library, name).value)


def _rate(one_pass: Callable[[], None], segments: int, seconds: float) -> float:
    """Segments per second of processor time."""
    one_pass()
    passes, begin = 0, time.thread_time()
    while (spent := time.thread_time() - begin) < seconds:
        for _ in range(8):
            one_pass()
        passes += 8
    return passes * segments / spent


def _load(name: str) -> ctypes.CDLL | None:
    found = ctypes.util.find_library(name)
    try:
        return ctypes.CDLL(found) if found else None
    except OSError:
        return None


def _aligned(shape: int | tuple[int, ...], dtype: type) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -room.ctypes.data % _ALIGNMENT
    return room[begin : begin + size].view(dtype).reshape(shape)
