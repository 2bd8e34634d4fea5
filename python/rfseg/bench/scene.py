"""Samples for the chain: three carriers that come and go, radar pulses, noise.  They have to be work, not truth."""

from __future__ import annotations

import numpy as np

__all__ = ["ITEM_DTYPES", "make_scene"]

ITEM_DTYPES = {"complex64": np.complex64, "int16": np.int16, "int8": np.int8}
_SPACING = 15e3  # Hz between subcarriers
_CARRIERS = ((-0.30, 0.20, 0.0, 1.0), (0.05, 0.15, 0.0, 0.5), (0.28, 0.10, 0.3, 0.9))  # centre, width (shares of the rate); time
_CARRIER_DBFS, _NOISE_DBFS, _PULSE_DBFS = -30.0, -50.0, -25.0
_SKIRT = 0.3e6  # Hz; without a filter, the side lobes of cut symbols look like pulses
_PULSE_SECONDS, _PULSE_INTERVAL, _PULSE_CENTER = 2e-6, 1e-3, -0.08


def make_scene(
    samp_rate: float, count: int, *, item_type: str = "complex64", seed: int = 1, has_radar: bool = True
) -> np.ndarray:
    """Samples of the item type: complex64 ``(count,)``, or int16 / int8 ``(count, 2)``.

    Parameters
    ----------
    samp_rate : float
        Complex samples per second, Hz.
    count : int
        Samples.
    has_radar : bool
        Whether there are pulses: each costs a band, which carriers do not.
    """
    random = np.random.default_rng(seed)
    samples = _noise(random, count, _NOISE_DBFS)
    for center, width, first, last in _CARRIERS:
        begin, end = int(first * count), int(last * count)
        samples[begin:end] += _ofdm(random, end - begin, samp_rate, center * samp_rate, width * samp_rate)
    if has_radar:
        _add_pulses(samples, samp_rate)
    if item_type == "complex64":
        return samples
    dtype = ITEM_DTYPES[item_type]
    scale = np.iinfo(dtype).max
    return np.clip(np.rint(samples.view(np.float32) * scale), -scale, scale).astype(dtype).reshape(-1, 2)


def _noise(random: np.random.Generator, count: int, level_dbfs: float) -> np.ndarray:
    parts = random.standard_normal(2 * count, np.float32) * np.float32(10 ** (level_dbfs / 20) / np.sqrt(2))
    return parts.view(np.complex64)


def _ofdm(random: np.random.Generator, count: int, samp_rate: float, center: float, width: float) -> np.ndarray:
    """QPSK on subcarriers of 15 kHz with a cyclic prefix of a fourteenth, filtered; ``_CARRIER_DBFS`` in all."""
    size = round(samp_rate / _SPACING)
    prefix = size // 14
    symbols = -(-count // (size + prefix))
    used = np.arange(round((center - width / 2) / _SPACING), round((center + width / 2) / _SPACING))
    spectrum = np.zeros((symbols, size), np.complex64)
    spectrum[:, used % size] = (1 - 2 * random.integers(0, 2, (symbols, len(used)))) + 1j * (
        1 - 2 * random.integers(0, 2, (symbols, len(used)))
    )
    waves = np.fft.ifft(spectrum, axis=1)
    waves *= 10 ** (_CARRIER_DBFS / 20) / np.sqrt(np.mean(np.abs(waves) ** 2))
    whole = np.fft.fft(np.concatenate([waves[:, -prefix:], waves], axis=1).reshape(-1)[:count])
    away = np.abs(np.fft.fftfreq(count, 1 / samp_rate) - center)
    whole *= np.clip((width / 2 + _SKIRT - np.minimum(away, samp_rate - away)) / _SKIRT, 0, 1)
    return np.fft.ifft(whole).astype(np.complex64)


def _add_pulses(samples: np.ndarray, samp_rate: float) -> None:
    length = max(1, round(_PULSE_SECONDS * samp_rate))
    pulse = 10 ** (_PULSE_DBFS / 20) * np.exp(2j * np.pi * _PULSE_CENTER * np.arange(length))
    for begin in range(0, len(samples) - length, max(1, round(_PULSE_INTERVAL * samp_rate))):
        samples[begin : begin + length] += pulse.astype(np.complex64)
