"""The made-up signals keep the standards: positions, sequences, timing, power."""

import math

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.channel import PROFILES, fading
from rfseg.synth.lte import LteCell, lte_grid, lte_subcarriers
from rfseg.synth.nr import NrCell, nr_grid
from rfseg.synth.ofdm import Numerology, modulate, qpsk
from rfseg.synth.radar import PulseTrain, radar_samples
from rfseg.synth.sequences import lte_pss, lte_sss, nr_pss, nr_sss

POWER_TOLERANCE_DB = 0.3  # in-band SNR on the spectrogram against the request


def _lte(**changes) -> LteCell:
    return LteCell(**{**dict(blocks=25, cell_id=7, ports=2, crs_boost_db=0.0, load="idle", control_fill=0.0), **changes})


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


def test_reference_signals_stand_where_the_standard_puts_them(rng, generator):
    grid = lte_grid(_lte(ports=1), 2, 2, rng=rng, generator=generator)  # subframe 1: nothing else is sent
    shift = 7 % 6
    for symbol in range(14):
        expected = {0: shift, 4: (3 + shift) % 6}.get(symbol % 7)
        used = set(torch.nonzero(_used(grid[symbol])).flatten().tolist())
        if expected is None:
            assert not used
        else:
            assert set(range(expected, 300, 6)) <= used


def test_four_ports_use_the_second_symbol_too(rng, generator):
    two = lte_grid(_lte(), 2, 2, rng=rng, generator=generator)
    four = lte_grid(_lte(ports=4), 2, 2, rng=rng, generator=generator)
    assert not _used(two[8]).any()
    assert _used(four[8]).sum() == 100  # two ports, every sixth of 300 each


def test_fdd_synchronisation_occupies_62_subcarriers_around_dc_every_5_ms(rng, generator):
    cell = _lte()
    grid = lte_grid(cell, 0, 20, rng=rng, generator=generator)
    for slot, half in ((0, 0), (10, 1)):
        pss, sss = grid[7 * slot + 6, 119:181], grid[7 * slot + 5, 119:181]
        assert torch.allclose(pss, lte_pss(cell.cell_id % 3))
        assert torch.allclose(sss, lte_sss(cell.cell_id, half))
    assert 0 not in lte_subcarriers(25)


def test_tdd_sends_nothing_in_uplink_subframes(rng, generator):
    grid = lte_grid(_lte(load="full", control_fill=0.5, tdd=2, special=7), 0, 20, rng=rng, generator=generator)  # DSUDDDSUDD
    on = _used(grid).any(1).reshape(10, 14)
    assert not on[2].any() and not on[7].any()
    assert on[0].all() and on[3].all()
    assert on[1][:3].all() and not on[1][10:].any()  # special configuration 7: ten downlink symbols


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


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_fading_has_unit_mean_power(profile, generator):
    times = torch.linspace(0, 20, 400, dtype=torch.float64)
    freqs = torch.linspace(-9e6, 9e6, 100, dtype=torch.float64)
    gain = fading(times, freqs, profile=profile, doppler=70.0, generator=generator)
    assert float(gain.abs().square().mean()) == pytest.approx(1.0, abs=0.2)


def test_fading_of_a_cable_is_none(generator):
    assert fading(torch.zeros(1), torch.zeros(1), profile=None, doppler=0.0, generator=generator) is None


def _radar(**changes) -> PulseTrain:
    facts = dict(
        family="unmodulated", center=0.0, width=1e-6, chirp=0.0, chips=(), intervals=(1e-3,), jitter=0.0, first=0.2e-3,
        scan_peak=0.0, scan_width=math.inf, sidelobe_db=-30.0, echoes=(), snr_db=30.0,
    )  # fmt: skip
    return PulseTrain(**{**facts, **changes})


def test_pulses_come_at_their_interval(rng):
    samples = radar_samples(_radar(), 61440 * 5, 61.44e6, rng).abs().numpy()
    starts = np.flatnonzero((samples[1:] > 0) & (samples[:-1] == 0)) + 1
    assert np.allclose(starts / 61.44e6, 0.2e-3 + 1e-3 * np.arange(5), atol=1 / 61.44e6)


@pytest.mark.parametrize("width", [0.5e-6, 1e-6, 2e-6])
def test_the_strongest_bin_of_a_pulse_has_the_snr_asked_for(width, rng):
    geometry = make_geometry(61.44e6, frame_duration=20e-3)
    samples = radar_samples(_radar(width=width, intervals=(0.9713e-3,)), geometry.frame_samples + 200, 61.44e6, rng)
    peak = frame_rows(samples.numpy(), geometry)[0][1].max() + 10 * math.log10(geometry.bins / 1.5)
    assert peak == pytest.approx(30.0, abs=2.0)  # soft edges and the window take up to 2 dB


def test_a_chirp_that_leaves_the_band_does_not_fold_back(rng):
    geometry = make_geometry(15.36e6, frame_duration=5e-3)
    train = _radar(center=7e6, width=50e-6, chirp=10e6)  # 2 to 12 MHz, the band ends at 7.68 MHz
    samples = radar_samples(train, geometry.frame_samples + 100, 15.36e6, rng)
    peak = frame_rows(samples.numpy(), geometry)[0][1].max(0)
    # the first bins lie beside the last ones on the circle of an FFT, so a window leaks into them
    assert peak[6 : geometry.bins // 2 - 4].max() < peak.max() - 20
