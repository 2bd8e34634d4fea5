"""OFDM and its sequences: sizes, places, timing and power by the standards."""

import math

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.ofdm import Numerology, OfdmSignal, PortGrid, modulate, modulate_many, qpsk
from rfseg.synth.rows import scene_rows
from rfseg.synth.sequences import gold, gold_qpsk, lte_pss, lte_sss, nr_pss, nr_sss

ROWS_TOLERANCE_DB = 1e-4  # float32 sums in another order
POWER_TOLERANCE_DB = 0.3  # in-band SNR on the spectrogram against the request


@pytest.mark.parametrize("spacing", [15e3, 30e3, 60e3])
@pytest.mark.parametrize("grid_rate", [15.36e6, 23.04e6, 30.72e6, 61.44e6])
def test_symbols_and_prefixes_fill_half_a_millisecond_exactly(grid_rate, spacing):
    numerology = Numerology(grid_rate=grid_rate, spacing=spacing)
    assert sum(numerology.prefixes) + numerology.symbols * numerology.fft_size == grid_rate / 2000


def test_prefixes_at_30_72_ms_are_the_standard_ones():
    assert Numerology(grid_rate=30.72e6, spacing=15e3).prefixes == [160] + 6 * [144]  # TS 36.211 table 6.12-1


def test_grid_rates_off_the_raster_are_refused():
    with pytest.raises(SceneError, match="grid_rate=20000000.0 Hz is no positive multiple of 3.84e"):
        Numerology(grid_rate=20e6, spacing=15e3)
    with pytest.raises(SceneError, match="grid_rate=19200000.0 Hz is no positive multiple of 7.68e"):
        Numerology(grid_rate=19.2e6, spacing=60e3)
    with pytest.raises(SceneError, match="spacing=120000.0 Hz is not supported; choose 15e3"):
        Numerology(grid_rate=30.72e6, spacing=120e3)


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


def test_four_symbols_of_60_khz_fill_one_of_15_khz():
    wide, narrow = (Numerology(grid_rate=61.44e6, spacing=spacing) for spacing in (60e3, 15e3))
    assert wide.prefixes[:4] == [104, 72, 72, 72]  # TS 38.211 clause 5.3.1
    assert wide.symbol_starts(28)[::4].tolist() == pytest.approx(narrow.symbol_starts(7).tolist())


@pytest.mark.parametrize("half_shift", [False, True])
def test_the_prefix_is_the_end_of_the_symbol(half_shift, generator):
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    samples = modulate(qpsk((7, 72), generator), torch.arange(72), numerology, half_shift=half_shift)
    prefix, size = numerology.prefixes[0], numerology.fft_size
    sign = -1.0 if half_shift else 1.0  # half a subcarrier: half a turn per symbol length
    assert torch.allclose(samples[:prefix], sign * samples[size : size + prefix], atol=1e-6)


def test_a_half_shift_lies_half_a_subcarrier_higher():
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    samples = modulate(torch.ones(7, 1, dtype=torch.complex64), torch.tensor([10]), numerology, half_shift=True)
    body = samples[numerology.prefixes[0] :][: numerology.fft_size]
    tone = torch.exp(2j * math.pi * 10.5 * torch.arange(1024) / 1024)
    assert abs(torch.vdot(tone.to(torch.complex64), body)) == pytest.approx(float(body.norm()) * 32, rel=1e-4)


def test_carriers_modulated_together_are_those_modulated_alone(generator):
    numerology = Numerology(grid_rate=15.36e6, spacing=30e3)
    grids = [(qpsk((14, 24), generator), torch.arange(24) - 30), (qpsk((28, 12), generator), torch.arange(12) + 100)]
    together = modulate_many(grids, numerology)
    for (grid, subcarriers), samples in zip(grids, together, strict=True):
        assert torch.equal(samples, modulate(grid, subcarriers, numerology))


def test_columns_may_lie_anywhere_and_in_any_order(generator):
    numerology = Numerology(grid_rate=15.36e6, spacing=15e3)
    grid, places = qpsk((7, 6), generator), torch.tensor([-600, -512, -1, 0, 5, 511])
    body = modulate(grid, places, numerology)[numerology.prefixes[0] :][:1024]
    spectrum = torch.fft.fft(body, norm="ortho")
    assert torch.allclose(spectrum[places[1:]], grid[0, 1:], atol=1e-5)
    assert float(spectrum.abs().square().sum()) == pytest.approx(5.0, abs=1e-3)  # the first lies outside


def test_ports_add_up_in_the_power_of_a_signal():
    rows = torch.tensor([1])
    grids = (
        PortGrid(elements=torch.ones(2, 24, dtype=torch.complex64)),
        PortGrid(elements=torch.full((1, 24), 2.0 + 0j), symbols=rows, port=1),
    )
    signal = OfdmSignal(spacing=15e3, subcarriers=torch.arange(24), symbol_count=2, grids=grids)
    assert signal.power().tolist() == [[1.0, 1.0], [5.0, 5.0]]


@pytest.mark.parametrize("samp_rate, duration", [(15.36e6, 1e-3), (20e6, 5e-3), (61.44e6, 2e-3)])
def test_rows_are_those_of_the_specification(samp_rate, duration, generator):
    geometry = make_geometry(samp_rate, frame_duration=duration)
    count = geometry.frame_samples + geometry.overhang
    iq = torch.randn(2, count, generator=generator, dtype=torch.complex64)
    rows = 10 * scene_rows(iq, geometry).log10()
    for scene in range(2):
        assert np.allclose(rows[scene], frame_rows(iq[scene].numpy(), geometry)[0], atol=ROWS_TOLERANCE_DB)
    some = 10 * scene_rows(iq[0], geometry, first_row=7, rows=5).log10()
    assert torch.allclose(some, rows[0, :, 7:12], atol=ROWS_TOLERANCE_DB)


def _slow_gold(start: int, length: int) -> list[int]:
    """TS 38.211 clause 5.2.1, letter by letter."""
    first, second = [1] + 30 * [0], [(start >> bit) & 1 for bit in range(31)]
    for n in range(1600 + length):
        first.append((first[n + 3] + first[n]) % 2)
        second.append((second[n + 3] + second[n + 2] + second[n + 1] + second[n]) % 2)
    return [(a + b) % 2 for a, b in zip(first[1600 : 1600 + length], second[1600 : 1600 + length])]


@pytest.mark.parametrize("start", [1, 0x5A5A5A5, 2**31 - 1])
def test_gold_sequences_are_those_of_the_recurrence(start):
    assert gold(start, 200).tolist() == _slow_gold(start, 200)
    bits = np.array(_slow_gold(start, 8)).reshape(4, 2)
    assert np.allclose(gold_qpsk(start, 4), ((1 - 2 * bits[:, 0]) + 1j * (1 - 2 * bits[:, 1])) / 2**0.5)


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
