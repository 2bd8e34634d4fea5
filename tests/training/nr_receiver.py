"""A small NR cell search around py3gpp, which decodes broadcast channels without any code of this project."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import py3gpp
import torch
from scipy.signal import fftconvolve

from rfseg.synth.nr import NrCell, nr_signals
from rfseg.synth.ofdm import Numerology, modulate

FFT_SIZE = 512
PREFIX = 36  # samples: 144 of 2048
PLACES = np.arange(-120, 120)  # subcarriers of a block
PSS_THRESHOLD = 0.15  # of the energy in the window; noise stays below 0.05


class Found(NamedTuple):
    """A decoded master information block."""

    cell_id: int
    frame: int
    half: int
    index: int  # of the demodulation references
    payload: np.ndarray


def total(signal) -> torch.Tensor:
    """Sum over the ports, ``(symbols, subcarriers)``."""
    grid = torch.zeros(signal.symbol_count, signal.subcarriers.numel(), dtype=torch.complex64)
    for port in signal.grids:
        if port.symbols is None:
            grid += port.elements
        else:
            grid.index_add_(0, port.symbols, port.elements)
    return grid


def samples_around_blocks(cell: NrCell, first_half_ms: int, half_ms: int, seed: int) -> np.ndarray:
    """What a receiver of 512 subcarriers tuned to the blocks hears, at ``512 * ssb_spacing`` samples per second."""
    rate = FFT_SIZE * cell.ssb_spacing
    shift = round(cell.ssb_center / cell.spacing) * cell.spacing
    heard = torch.zeros(round(rate * half_ms / 2000), dtype=torch.complex64)
    random = np.random.default_rng(seed)
    for signal in nr_signals(cell, first_half_ms, half_ms, rng=random, generator=torch.Generator().manual_seed(seed)):
        places = signal.subcarriers - round(shift / signal.spacing)
        heard += modulate(total(signal), places, Numerology(grid_rate=rate, spacing=signal.spacing))
    rest = (cell.ssb_center - shift) / rate
    noise = random.normal(0, 0.05, size=(2, heard.numel()))
    return (heard.numpy() + noise[0] + 1j * noise[1]) * np.exp(-2j * np.pi * rest * np.arange(heard.numel()))


@lru_cache(maxsize=3)
def _secondary_signals(identity: int) -> np.ndarray:
    """``(336, 127)``"""
    return np.stack([py3gpp.nrSSS(3 * n + identity) for n in range(336)])


@lru_cache(maxsize=8)
def _references(cell_id: int) -> np.ndarray:
    """``(8, 144)``"""
    return np.stack([py3gpp.nrPBCHDMRS(cell_id, n) for n in range(8)])


def _strongest_start(samples: np.ndarray) -> tuple[float, int, int]:
    """(share of the energy, sample, identity) of the strongest primary synchronisation signal."""
    energy = fftconvolve(np.abs(samples) ** 2, np.ones(FFT_SIZE), "valid") + 1e-3
    found = []
    for identity in range(3):
        spectrum = np.zeros(FFT_SIZE, complex)
        spectrum[PLACES[56:183] % FFT_SIZE] = py3gpp.nrPSS(identity)
        pulse = np.fft.ifft(spectrum)
        pulse /= np.linalg.norm(pulse)
        match = np.abs(fftconvolve(samples, pulse[::-1].conj(), "valid")) ** 2 / energy
        match[max(0, match.size - 3 * (FFT_SIZE + PREFIX)) :] = 0
        start = int(match.argmax())
        found.append((float(match[start]), start, identity))
    return max(found)


def search(samples: np.ndarray, candidates: int) -> Found | None:
    """Primary, then secondary synchronisation signal, references, polar code with its CRC."""
    share, start, identity = _strongest_start(samples)
    if share < PSS_THRESHOLD:
        return None
    step = FFT_SIZE + PREFIX
    block = np.stack([np.fft.fft(samples[start + s * step :][:FFT_SIZE])[PLACES % FFT_SIZE] for s in range(4)], axis=1)  # (240, 4)
    channel = np.convolve(block[56:183, 0] * py3gpp.nrPSS(identity), np.ones(9) / 9, "same")
    secondary = block[56:183, 2] * channel.conj()
    cell_id = 3 * int(np.abs(_secondary_signals(identity) @ secondary).argmax()) + identity
    flat = block.T.ravel()
    where = np.asarray(py3gpp.nrPBCHDMRSIndices(cell_id))
    matches = flat[where] * _references(cell_id).conj()  # (8, 144)
    index = int(np.abs(matches.reshape(8, -1, 12).sum(2)).sum(1).argmax())
    gain = matches[index].mean()  # the samples know no echoes
    heard = flat[np.asarray(py3gpp.nrPBCHIndices(cell_id))] * gain.conj()
    soft = np.stack([heard.real, heard.imag], axis=1).ravel()
    scrambling = np.asarray(py3gpp.nrPBCHPRBS(cell_id, index % candidates, 864)).astype(int).ravel()
    soft = 10 * soft / np.abs(soft).mean() * (1 - 2 * scrambling)
    _, crc, payload, low_bits, half, _ = py3gpp.nrBCHDecode(soft, 8, candidates, cell_id)
    if int(np.ravel(crc)[0]):
        return None
    frame = int("".join(str(int(bit)) for bit in [*payload[1:7], *low_bits]), 2)
    return Found(cell_id=cell_id, frame=frame, half=int(half), index=index, payload=np.asarray(payload))
