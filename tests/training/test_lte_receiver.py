"""What the LTE generator sends is decoded, from samples, by a receiver that shares no code with it."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import rfseg.synth.lte
from rfseg.synth.lte import CHANNELS_MHZ, LteCell, lte_signals
from rfseg.synth.ofdm import Numerology, modulate, qpsk

decode = runpy.run_path(str(Path(__file__).with_name("lte_receiver.py")))["decode"]

NOISE_DB = -12.0  # of each sample, re a data element
TIMING_TOLERANCE = 3  # samples of 0.52 us: the receiver takes the strongest path, the latest comes after 1.5 us
OFFSET_TOLERANCE_HZ = 150.0
PATHS = ((0.0, 1.0), (0.2e-6, 0.6), (0.7e-6, 0.4), (1.5e-6, 0.2))  # s, amplitude


def _received(cell: LteCell, first_half_ms: int, half_ms: int, rng, generator, offset_hz: float = 0.0) -> np.ndarray:
    """1.92 MS/s samples: each port through paths of its own, the sum with noise and a frequency offset."""
    signal = lte_signals(cell, first_half_ms, half_ms, rng=rng, generator=generator)[0]
    near = signal.subcarriers.abs() <= 60  # what a receiver's filter lets through
    freqs = 15e3 * signal.subcarriers[near].double()
    total = torch.zeros(signal.symbol_count, len(freqs), dtype=torch.complex64)
    for grid in signal.grids:
        turns = torch.from_numpy(rng.random(len(PATHS)))  # of the phase
        paths = zip(turns, PATHS, strict=True)
        response = sum(gain * torch.exp(2j * torch.pi * (turn - freqs * delay)) for turn, (delay, gain) in paths)
        rows = torch.arange(signal.symbol_count) if grid.symbols is None else grid.symbols
        total.index_add_(0, rows, grid.elements[:, near] * response.to(torch.complex64))
    samples = modulate(total, signal.subcarriers[near], Numerology(grid_rate=3.84e6, spacing=15e3)).numpy()[::2] * 2**0.5
    return samples * np.exp(2j * np.pi * offset_hz / 1.92e6 * np.arange(len(samples))) + _noise(len(samples), rng)


def _noise(count: int, rng) -> np.ndarray:
    return (rng.standard_normal(count) + 1j * rng.standard_normal(count)) * 2**-0.5 * 10 ** (NOISE_DB / 20)


def _cell(**changes) -> LteCell:
    facts = dict(blocks=6, cell_id=7, ports=2, crs_boost_db=0.0, load="medium", control_fill=0.5, system_information=(0, 6))
    return LteCell(**{**facts, **changes})


@pytest.mark.parametrize("ports", [1, 2, 4])
@pytest.mark.parametrize("duplex", ["FDD", "TDD"])
@pytest.mark.parametrize("blocks", CHANNELS_MHZ.values())
def test_the_master_information_block_is_decoded(blocks, duplex, ports, generator):
    rng = np.random.default_rng([blocks, ports, len(duplex), duplex == "TDD"])
    cell = _cell(
        blocks=blocks,
        cell_id=int(rng.integers(504)),
        ports=ports,
        crs_boost_db=float(rng.choice([0.0, 3.0])),
        load=str(rng.choice(["idle", "medium", "full"])),
        tdd=int(rng.integers(7)) if duplex == "TDD" else None,
        special=int(rng.integers(11)),
        phich_resource=int(rng.integers(3)),
    )
    first = int(rng.integers(20480))
    offset = float(rng.uniform(-800, 800))
    found = decode(_received(cell, first, 44, rng, generator, offset))
    assert found is not None
    assert found[:5] == (cell.cell_id, duplex, ports, blocks, cell.phich_resource)
    assert found.offset_hz == pytest.approx(offset, abs=OFFSET_TOLERANCE_HZ)
    frame = -(-first // 20)  # the first that begins inside
    expected = [((20 * (frame + n) - first) * 960, (frame + n) % 1024) for n in range(len(found.frames))]
    assert [number for _, number in found.frames] == [number for _, number in expected]
    assert np.abs(np.array(found.frames)[:, 0] - np.array(expected)[:, 0]).max() <= TIMING_TOLERANCE


@pytest.mark.parametrize("tdd", range(7))
def test_every_uplink_downlink_configuration_is_decoded(tdd, rng, generator):
    found = decode(_received(_cell(tdd=tdd, special=tdd, cell_id=71 * tdd), 0, 24, rng, generator))
    assert found is not None and found[:4] == (71 * tdd, "TDD", 2, 6)


def test_the_frame_number_advances_through_all_quarters_and_wraps(rng, generator):
    found = decode(_received(_cell(cell_id=123), 20 * 1021, 120, rng, generator))
    assert [number for _, number in found.frames] == [1021, 1022, 1023, 0, 1, 2]


def test_mbsfn_subframes_do_not_disturb(rng, generator):
    found = decode(_received(_cell(cell_id=500, mbsfn=(1, 2, 3, 6, 7, 8), mbsfn_filled=True, load="full"), 0, 24, rng, generator))
    assert found is not None and found[:4] == (500, "FDD", 2, 6)


def test_noise_is_not_decoded(rng):
    assert all(decode(_noise(42240, rng)) is None for _ in range(5))


def test_random_symbols_of_the_same_numerology_are_not_decoded(rng, generator):
    subcarriers = torch.cat([torch.arange(-36, 0), torch.arange(1, 37)])
    samples = modulate(qpsk((308, 72), generator), subcarriers, Numerology(grid_rate=3.84e6, spacing=15e3)).numpy()[::2]
    assert decode(samples + _noise(len(samples), rng)) is None


def test_a_cell_without_a_coded_broadcast_channel_is_not_decoded(rng, generator, monkeypatch):
    monkeypatch.setattr(rfseg.synth.lte, "broadcast_symbols", lambda *_: qpsk((240,), generator).numpy())
    assert decode(_received(_cell(), 0, 44, rng, generator)) is None
