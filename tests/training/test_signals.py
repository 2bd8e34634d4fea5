"""The made-up signals keep the standards: positions, sequences, timing, power."""

import math

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.nr import NrCell, nr_grid
from rfseg.synth.ofdm import Numerology, modulate, qpsk
from rfseg.synth.sequences import lte_pss, lte_sss, nr_pss, nr_sss

POWER_TOLERANCE_DB = 0.3  # in-band SNR on the spectrogram against the request


def _nr(**changes) -> NrCell:
    facts = dict(
        blocks=51, spacing=30e3, cell_id=3, load="idle", ssb_subcarrier=100, ssb_symbols=(4, 8), ssb_period_ms=20,
        ssb_gain_db=0.0, coreset=(0, 48, 2), control_share=0.0, first_data_symbol=2, dmrs_symbols=(2,), csi_period=40,
    )  # fmt: skip
    return NrCell(**{**facts, **changes})


def _used(grid: torch.Tensor) -> torch.Tensor:
    return grid.abs() > 0


@pytest.mark.parametrize("spacing", [15e3, 30e3])
@pytest.mark.parametrize("grid_rate", [15.36e6, 19.2e6, 30.72e6, 61.44e6])
def test_symbols_and_prefixes_fill_half_a_millisecond_exactly(grid_rate, spacing):
    numerology = Numerology(grid_rate=grid_rate, spacing=spacing)
    assert sum(numerology.prefixes) + numerology.symbols * numerology.fft_size == grid_rate / 2000


def test_prefixes_at_30_72_ms_are_the_standard_ones():
    assert Numerology(grid_rate=30.72e6, spacing=15e3).prefixes == [160] + 6 * [144]  # TS 36.211 table 6.12-1


def test_grid_rates_off_the_raster_are_refused():
    with pytest.raises(SceneError, match="grid_rate=20000000.0 Hz is no positive multiple of 3.84e"):
        Numerology(grid_rate=20e6, spacing=15e3)
    with pytest.raises(SceneError, match="spacing=60000.0 Hz is not supported"):
        Numerology(grid_rate=30.72e6, spacing=60e3)


def test_a_demodulated_symbol_gives_back_its_elements(generator):
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    grid = qpsk((7, 72), generator)
    subcarriers = torch.arange(72) - 36 + 100
    samples = modulate(grid, subcarriers, numerology)
    start = numerology.prefixes[0]
    spectrum = torch.fft.fft(samples[start : start + 1024], norm="ortho")
    assert torch.allclose(spectrum[subcarriers], grid[0], atol=1e-5)
    assert samples.numel() == 7680


def test_elements_outside_the_rate_are_dropped_and_do_not_fold_back(generator):
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    outside = modulate(qpsk((7, 72), generator), torch.arange(72) + 512, numerology)
    assert float(outside.abs().max()) == 0.0


def test_in_band_power_on_the_spectrogram_is_the_power_of_the_elements(generator):
    geometry = make_geometry(15.36e6, frame_duration=5e-3)
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    samples = modulate(10.0 * qpsk((70 + 14, 600), generator), torch.arange(600) - 300, numerology)  # 20 dB, 9 MHz
    rows = frame_rows(samples.numpy(), geometry)[0][0]
    power = 10 ** (rows[:, 16:48] / 10).mean() * geometry.bins / 1.5  # re unit noise per sample
    assert 10 * math.log10(power) == pytest.approx(20.0, abs=POWER_TOLERANCE_DB)


@pytest.mark.parametrize("sequence", [lte_pss(0), lte_pss(1), lte_pss(2), lte_sss(100, 0), nr_pss(1), nr_sss(335)])
def test_synchronisation_sequences_have_unit_power(sequence):
    assert torch.allclose(sequence.abs(), torch.ones(len(sequence)))


def test_nr_sequences_correlate_with_themselves_only():
    # m-sequences of 127: off-peak correlation -1
    first, second = nr_pss(0), nr_pss(1)
    assert (first * first).sum().real == 127
    assert abs((first * second).sum().real) == 1
    # first bits of x(i+7) = x(i+4) + x(i) from 0110111: 38.211 clause 7.4.2.2.1
    assert (nr_pss(0)[:10].real == torch.tensor([1, -1, -1, 1, -1, -1, -1, -1, 1, 1])).all()


def test_secondary_sequences_of_the_two_half_frames_differ():
    assert not torch.equal(lte_sss(12, 0), lte_sss(12, 1))
    assert not torch.equal(lte_sss(12, 0), lte_sss(15, 0))


def test_an_idle_nr_carrier_sends_its_synchronisation_blocks_and_nothing_else(rng, generator):
    cell = _nr()
    grid = nr_grid(cell, 0, 560, rng=rng, generator=generator)  # 20 ms
    used = _used(grid)
    lines = torch.nonzero(used.any(1)).flatten().tolist()
    block_lines = [4, 5, 6, 7, 8, 9, 10, 11]
    tracking = [line for line in lines if line not in block_lines]
    assert all(line // 14 % cell.csi_period < 2 and line % 14 in (4, 8) for line in tracking)
    primary = grid[4, 100 + 56 : 100 + 183]
    assert torch.allclose(primary, nr_pss(0) * primary.abs()[0], atol=1e-5)
    columns = torch.nonzero(used[5]).flatten()
    assert (columns.min(), columns.max()) == (100, 339)  # 240 subcarriers


def test_a_busy_tdd_nr_carrier_pauses_in_uplink_slots(rng, generator):
    grid = nr_grid(_nr(load="full", tdd="DDDSU", ssb_subcarrier=None), 0, 140, rng=rng, generator=generator)
    on = _used(grid).any(1).reshape(10, 14)
    assert not on[4].any() and not on[9].any()
    assert on[[0, 1, 2], 5].all()


