"""An LTE carrier that was taken out of a wide stream decodes, in time and in frequency, beside a stronger neighbour."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import signal

from rfseg.bands import Band
from rfseg.extraction import BandExtractor, BandFollower, BandStart, ExtractionRules, StreamChange
from rfseg.geometry import RxTime
from rfseg.synth.lte import LteCell, lte_signals
from rfseg.synth.ofdm import Numerology, modulate

decode = runpy.run_path(str(Path(__file__).with_name("lte_receiver.py")))["decode"]

RATE, OUT = 15.36e6, 7.68e6  # Hz
RECEIVER = 1.92e6  # Hz
MIDDLE, NEIGHBOUR = 3.5003e6, -1.5e6  # Hz; carriers of 5 MHz, 0.5 MHz apart
OFFSET = 300.0  # Hz by which the band's edges are wrong, as those of a network are
START = 50_001  # sample on which the carrier begins, in the middle of a symbol
HALF_MS = 64
OFFSET_TOLERANCE = 20.0  # Hz, of the receiver's own estimate
TIMING_TOLERANCE = 1  # sample of the receiver; a path without delay


def carrier(cell_id: int, first_half_ms: int) -> np.ndarray:
    """A cell of 25 blocks at 15.36 MS/s, one port, power 1."""
    facts = dict(blocks=25, ports=1, crs_boost_db=0.0, load="full", control_fill=0.5, system_information=(0, 6))
    made = lte_signals(
        LteCell(cell_id=cell_id, **facts), first_half_ms, HALF_MS,
        rng=np.random.default_rng(cell_id), generator=torch.Generator().manual_seed(cell_id),
    )[0]  # fmt: skip
    total = torch.zeros(made.symbol_count, made.subcarriers.numel(), dtype=torch.complex64)
    for grid in made.grids:
        rows = torch.arange(made.symbol_count) if grid.symbols is None else grid.symbols
        total.index_add_(0, rows, grid.elements)
    samples = modulate(total, made.subcarriers, Numerology(grid_rate=RATE, spacing=15e3)).numpy()
    return samples / np.sqrt(np.mean(np.abs(samples) ** 2))


@pytest.fixture(scope="module")
def iq() -> np.ndarray:
    """Noise, the neighbour all the time, and the carrier from sample ``START`` on."""
    rng = np.random.default_rng(1)
    wanted, other = carrier(77, 12), 3.0 * carrier(301, 5)
    turn = 2j * np.pi / RATE * np.arange(other.size)
    iq = other * np.exp(NEIGHBOUR * turn) + 0.1 * rng.standard_normal((other.size, 2)) @ [1, 1j]
    iq[START:] += wanted[START:] * np.exp(MIDDLE * turn[START:])
    return iq.astype(np.complex64)


def band(start: int, middle: float, track: int) -> BandStart:
    """A carrier's band up to the end of the stream, its edges wrong by ``OFFSET``."""
    middle -= OFFSET
    values = dict(label="LTE", class_id=1, confidence=0.9, freq_reference="baseband", sample_count=HALF_MS * 7680 - start)
    edges = dict(freq_lower_edge=middle - 2.25e6, freq_upper_edge=middle + 2.25e6)
    return BandStart(start, Band(sample_start=start, track=track, **values, **edges))


def assert_decodes(samples: np.ndarray, cell_id: int, *, first: int, frames: list[int]) -> None:
    """That a cell is found and its frames begin on samples of the input, ``first`` being that of the first of ``samples``."""
    found = decode(signal.resample_poly(samples, 1, 4))
    assert found is not None and found[:4] == (cell_id, "FDD", 1, 25)
    assert found.offset_hz == pytest.approx(OFFSET, abs=OFFSET_TOLERANCE)
    begins = [first + begin * RATE / RECEIVER for begin, _ in found.frames]
    assert begins == pytest.approx(frames, abs=TIMING_TOLERANCE * RATE / RECEIVER)


# Radio frames begin every 10 ms; the first one 4 ms after the beginning of the stream, or 7.5 ms.
WANTED_FRAMES = [round(ms * RATE / 1000) for ms in (4, 14, 24)]
OTHER_FRAMES = [round(ms * RATE / 1000) for ms in (7.5, 17.5, 27.5)]


def test_excerpts_of_both_carriers_decode(iq):
    extractor = BandExtractor(RATE, OUT, rules=ExtractionRules(max_duration=0.1))  # of one part
    time = RxTime(seconds=1_790_000_000, fraction=0.5)
    bands = [band(0, NEIGHBOUR, 2), band(START, MIDDLE, 1)]
    excerpts = extractor.step(iq, bands, [StreamChange(sample=0, rx_time=time)]) + extractor.finish()
    other, wanted = excerpts
    assert wanted.rx_time == time.after(wanted.sample_start, RATE) and 0 < wanted.sample_start <= START
    assert_decodes(wanted.iq, 77, first=wanted.sample_start, frames=WANTED_FRAMES)
    assert_decodes(other.iq, 301, first=0, frames=OTHER_FRAMES)


def test_the_stream_of_a_carrier_decodes_by_the_count_of_its_samples(iq):
    follower = BandFollower(RATE, OUT, rules=ExtractionRules(label="LTE"))
    pieces = follower.step(iq, [band(START, MIDDLE, 1)]) + follower.finish()
    assert_decodes(np.concatenate([piece.iq for piece in pieces]), 77, first=0, frames=WANTED_FRAMES)
