"""Receivers do to a signal what their fields say, by as much as they say, and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.receiver import (
    IDEAL_RECEIVER,
    SHARES,
    Receiver,
    converter_noise,
    digitise,
    draw_receiver,
    noise_slope,
    passband,
)
from rfseg.synth.receiver_stages import interpolate, phase_noise

RATE = 30.72e6
LEVEL_TOLERANCE_DB = 0.3
CLOCK_ERROR = 6e-4  # promised 4.6e-4 at 20 ppm, and float32


def _noise(count: int, seed: int = 4) -> torch.Tensor:
    return torch.view_as_complex(torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)) * math.sqrt(0.5))


def _tone(cycles: float, count: int = 61440, amplitude: float = 1.0) -> torch.Tensor:
    """``cycles`` periods in all, so bin ``cycles`` of an FFT over all."""
    turns = torch.arange(count, dtype=torch.float64) * (cycles / count)
    return amplitude * torch.exp(2j * math.pi * (turns - turns.round())).to(torch.complex64)


def _digitise(iq: torch.Tensor, *, samp_rate: float = RATE, seed: int = 1, **changes) -> torch.Tensor:
    receiver = Receiver(**{**dict(backoff_db=0.0), **changes})
    return digitise(
        iq, receiver, samp_rate=samp_rate, rng=np.random.default_rng(seed), generator=torch.Generator().manual_seed(seed)
    )


def _spectrum_db(iq: torch.Tensor) -> torch.Tensor:
    """dB re the strongest bin."""
    power = torch.fft.fft(iq.to(torch.complex128)).abs().square()
    return 10 * torch.log10(power / power.max() + 1e-20)


def test_an_ideal_receiver_only_scales():
    iq = _noise(10_000)
    kept = iq.clone()
    out = _digitise(iq, backoff_db=6.0)
    assert torch.allclose(out, iq * (out[0] / iq[0]), atol=1e-6)
    assert 10 * math.log10(out.abs().square().mean()) == pytest.approx(-6.0, abs=0.01)
    assert IDEAL_RECEIVER.impairments == () and not IDEAL_RECEIVER.is_shaping
    assert torch.equal(passband(IDEAL_RECEIVER, torch.linspace(-1, 1, 5) * RATE / 2, RATE), torch.ones(5))
    _digitise(iq, bits=8, dc_db=10.0, ibo_db=3.0, gap=(0.5, 1e-5), gain_step_db=3.0, image_db=-30.0, linewidth_hz=10.0)
    assert torch.equal(iq, kept)  # the input is left alone


@pytest.mark.parametrize("image_db", [-25.0, -45.0])
def test_the_image_mirrors_at_its_level(image_db):
    db = _spectrum_db(_digitise(_tone(5000), image_db=image_db))
    assert float(db[-5000]) == pytest.approx(image_db, abs=0.1)
    assert float(db[1000]) < -100


def test_a_selective_image_is_weaker_towards_the_edges():
    levels = []
    for cycles in (100, 15360, 30000):  # near DC, half way to the edge, near the edge
        levels.append(float(_spectrum_db(_digitise(_tone(cycles), image_db=-30.0, image_selectivity=0.5))[-cycles]))
    norm = 10 * math.log10(1 + 0.5**2)
    expected = [-30 + 20 * math.log10(1.5) - norm, -30.0, -30 + 20 * math.log10(0.5) - norm]
    assert levels == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize("samp_rate", [15.36e6, 61.44e6])
def test_the_dc_spike_stands_above_the_noise_of_a_bin(samp_rate):
    geometry = make_geometry(samp_rate, frame_duration=5e-3)
    iq = _noise(geometry.frame_samples + geometry.overhang)
    rows = frame_rows(_digitise(iq, samp_rate=samp_rate, dc_db=20.0).numpy(), geometry)[0][0]
    power = (10 ** (rows / 10)).mean(0)
    middle = geometry.bins // 2
    spike = 10 * math.log10(power[middle] / np.delete(power, np.s_[middle - 2 : middle + 3]).mean() - 1)
    assert spike == pytest.approx(20.0, abs=LEVEL_TOLERANCE_DB)


def test_a_drifting_dc_spike_swings_by_its_share():
    out = _digitise(1e-3 * _noise(60_000), dc_db=10.0, dc_drift=0.3)
    level = out.unflatten(0, (-1, 600)).mean(1).abs()
    assert 0.2 < float(level.max() / level.min()) - 1 < 1.3 / 0.7 - 1 + 0.02
    assert float(level.diff().abs().max() / level.mean()) < 0.03  # slowly


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_a_full_scale_tone_keeps_the_converters_snr(bits):
    tone = _tone(7001)
    error = _digitise(tone, bits=bits, backoff_db=0.1) * 10 ** (0.1 / 20) - tone  # just below clipping
    snr_db = -10 * math.log10(error.abs().square().mean())
    assert snr_db == pytest.approx(6.02 * bits + 1.76 - 0.1, abs=0.3)


@pytest.mark.parametrize("bits, backoff_db", [(8, 20.0), (8, 10.0), (12, 5.0), (6, 3.0)])
def test_the_converters_noise_on_a_gaussian_signal_is_foretold(bits, backoff_db):
    iq = 10 * _noise(400_000)
    out = _digitise(iq, bits=bits, backoff_db=backoff_db)
    gain = (out * iq.conj()).mean() / iq.abs().square().mean()
    found = float((out / gain - iq).abs().square().mean())
    told = converter_noise(Receiver(bits=bits, backoff_db=backoff_db), 100.0)
    assert 10 * math.log10(found / told) == pytest.approx(0.0, abs=LEVEL_TOLERANCE_DB)
    assert converter_noise(IDEAL_RECEIVER, 100.0) == 0.0


def test_what_exceeds_full_scale_is_clipped_and_splatters():
    iq = _tone(2000) * 0.1
    iq[30_000:30_100] *= 300.0
    clean = torch.view_as_real(_digitise(iq, bits=None, backoff_db=0.0))
    out = _digitise(iq, bits=12, backoff_db=0.0)
    parts = torch.view_as_real(out)
    assert clean.abs().max() > 5
    assert (parts.min(), parts.max()) == (-1.0, 1 - 2.0**-11)
    splatter = torch.fft.fft(out[30_000:30_096]).abs()
    assert float(splatter[20:70].max() / splatter.max()) > 0.02  # third harmonics and beyond
    assert float(torch.fft.fft(iq[30_000:30_096])[20:70].abs().max() / 96 / 30) < 0.02


@pytest.mark.parametrize("ibo_db", [9.0, 12.0, 15.0])
def test_compression_makes_the_third_order_products_of_two_tones(ibo_db):
    # x - x**5 / (4 s**4), x = 2 A cos: the third harmonic of cos**5 gives 5 / 4 (A / s)**4, and s**2 = 2 A**2 IBO
    db = _spectrum_db(_digitise(_tone(1000) + _tone(1400), ibo_db=ibo_db))
    expected = 20 * math.log10(1.25 / 4 * 10 ** (-ibo_db / 5))
    for product in (600, 1800):
        assert float(db[product]) == pytest.approx(expected, abs=0.1 if ibo_db > 10 else 0.7)


def test_compression_grows_shoulders_beside_a_carrier():
    spectrum = torch.fft.fft(_noise(61440)) * (torch.fft.fftfreq(61440).abs() < 0.1)
    carrier = torch.fft.ifft(spectrum)
    shoulders = {}
    for ibo_db in (3.0, 9.0, None):
        power = torch.fft.fft(_digitise(carrier, ibo_db=ibo_db)).abs().square()
        freqs = torch.fft.fftfreq(61440).abs()
        near, far = ((freqs > a) & (freqs < b) for a, b in ((0.11, 0.2), (0.42, 0.5)))
        inside = power[freqs < 0.09].mean()
        shoulders[ibo_db] = [10 * math.log10(power[part].mean() / inside + 1e-12) for part in (near, far)]
    assert shoulders[3.0][0] > shoulders[9.0][0] + 6 > -60
    assert shoulders[3.0][0] > shoulders[3.0][1] + 6  # falling away from the carrier
    assert shoulders[None][0] < -100


def test_wiener_phase_noise_walks_by_its_linewidth(generator):
    linewidth, lag_s = 300.0, 20e-6
    rotor = phase_noise(2_400_000, RATE, linewidth_hz=linewidth, pedestal_dbc_hz=None, generator=generator)
    lag = round(lag_s * RATE)
    steps = (rotor[lag:] * rotor[:-lag].conj())[:: lag // 4].angle()
    assert float(steps.square().mean()) == pytest.approx(2 * math.pi * linewidth * lag_s, rel=0.08)
    assert float((rotor.abs() - 1).abs().max()) < 5e-3  # chords between nodes half a microsecond apart


def test_a_pll_pedestal_has_its_density_to_100_khz(generator):
    level, count = -90.0, 1 << 20
    rotor = phase_noise(count, RATE, linewidth_hz=0.0, pedestal_dbc_hz=level, generator=generator)
    density = torch.fft.fft(rotor.to(torch.complex128)).abs().square() / count / RATE  # re the carrier, 1/Hz
    freqs = torch.fft.fftfreq(count, 1 / RATE).abs()
    for low, high, expected in ((5e3, 15e3, level), (90e3, 110e3, level - 3), (280e3, 320e3, level - 10)):
        found = 10 * math.log10(density[(freqs > low) & (freqs < high)].mean())
        assert found == pytest.approx(expected, abs=0.7)


def test_phase_noise_reaches_the_samples():
    out = _digitise(_tone(3000), linewidth_hz=500.0, pedestal_dbc_hz=-85.0)
    skirt = _spectrum_db(out)[3010:3200]
    assert -75 < float(skirt.mean()) < -20
    assert float(out.abs().std()) < 2e-3


def test_the_passband_rolls_off_tilts_and_ripples_where_stated():
    freqs = torch.tensor([-0.5, -0.4, -0.38, 0.0, 0.38, 0.5]) * RATE
    db = 20 * torch.log10(passband(Receiver(flat_share=0.8, rolloff_db=40.0), freqs, RATE))
    assert db.tolist() == pytest.approx([-40, 0, 0, 0, 0, -40], abs=1e-3)
    db = 20 * torch.log10(passband(Receiver(tilt_db=3.0), freqs, RATE))
    assert float(db[-1] - db[0]) == pytest.approx(3.0, abs=1e-3)
    db = 20 * torch.log10(passband(Receiver(ripple_db=0.7, ripple_periods=5.0), torch.linspace(-0.5, 0.5, 999) * RATE, RATE))
    assert (float(db.min()), float(db.max())) == pytest.approx((-0.7, 0.7), abs=0.01)
    assert ((db[1:] > 0) & (db[:-1] <= 0)).sum() == 5


def test_the_noise_floor_alone_can_lean():
    receiver = Receiver(floor_slope_db=-2.0)
    db = 20 * torch.log10(noise_slope(receiver, torch.tensor([-0.5, 0.0, 0.5]) * RATE, RATE))
    assert db.tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-4)
    assert not receiver.is_shaping


@pytest.mark.parametrize("ppm", [20.0, -20.0, 3.0])
@pytest.mark.parametrize("share", [0.1, 0.45])
def test_a_slow_clock_takes_every_sample_later(ppm, share):
    count = 300_000
    cycles = round(share * count)
    out = _digitise(_tone(cycles, count), clock_ppm=ppm)
    expected = _tone(cycles * (1 + ppm * 1e-6), count)
    error = (out - expected).abs()
    assert float(error[0]) < 0.02  # the first sample stays
    assert float(error[1000 : count - 1000].max()) < CLOCK_ERROR  # the rest of both ends sees mirror images
    moved = (out[-300] * _tone(cycles, count)[-300].conj()).angle() / (2 * math.pi * share)
    wanted = (count - 300) * ppm * 1e-6
    assert math.remainder(float(moved) - wanted, 1 / share) == pytest.approx(0.0, abs=0.02)  # samples


def test_a_gain_step_is_of_its_size_at_its_place():
    power = _digitise(_tone(100, 100_000), gain_step_db=-7.0, gain_step_place=0.3).abs()
    assert 20 * math.log10(power[30_000] / power[29_999]) == pytest.approx(-7.0, abs=1e-3)
    assert power[:30_000].std() < 1e-5 and power[30_000:].std() < 1e-5


def test_a_settling_gain_step_approaches_its_size_exponentially():
    settle = 100e-6
    level = 20 * torch.log10(_digitise(_tone(100, 100_000), gain_step_db=6.0, gain_step_place=0.5, gain_settle_s=settle).abs())
    after = round(settle * RATE)
    assert float(level[50_000] - level[0]) == pytest.approx(0.0, abs=0.01)
    assert float(level[50_000 + after] - level[0]) == pytest.approx(6 * (1 - math.exp(-1)), abs=0.05)
    assert float(level[-1] - level[0]) == pytest.approx(6.0, abs=0.01)


def test_an_agc_turns_down_quickly_and_up_slowly():
    iq = _tone(1000, 600_000)
    iq[200_000:300_000] *= 10 ** (15 / 20)
    out = _digitise(iq, agc_attack_s=50e-6, agc_decay_s=2e-3, agc_range_db=10.0)
    gain = 20 * torch.log10((out / iq).abs() / (out[0] / iq[0]).abs())
    assert float(gain[:199_000].abs().max()) < 0.01
    assert float(gain[200_000 + 4 * 1536]) == pytest.approx(-10 * (1 - math.exp(-4)), abs=0.3)  # four attack times later
    assert float(gain[299_000]) == pytest.approx(-10.0, abs=0.05)
    assert float(gain[300_000 + 61_440]) == pytest.approx(-10 * math.exp(-1), abs=0.2)  # one decay time after the burst
    assert gain.max() < 0.01


def test_blanking_follows_an_overload():
    iq = _noise(100_000)
    pulse = slice(40_000, 40_031)
    iq[pulse] = 40.0
    out = _digitise(iq, overload_db=15.0, blanking_s=3e-6)
    hold = round(3e-6 * RATE)
    assert (out[40_031 : 40_031 + hold] == 0).all()
    assert (out[:40_031] != 0).all() and (out[40_031 + hold :] != 0).all()  # the pulse itself is seen
    assert (_digitise(_noise(100_000), overload_db=15.0, blanking_s=3e-6) != 0).all()


def test_lost_samples_are_zero_and_are_told():
    receiver = Receiver(gap=(0.25, 100e-6), bits=8, dc_db=20.0)
    out = _digitise(_noise(100_000), gap=(0.25, 100e-6), bits=8, dc_db=20.0)
    start, stop = receiver.gap_samples(100_000, RATE)
    assert (start, stop) == (25_000, 25_000 + 3072)
    assert (out[start:stop] == 0).all()
    assert (out[:start] != 0).float().mean() > 0.99 and (out[stop:] != 0).float().mean() > 0.99
    assert replace(receiver, gap=(0.999, 1e-3)).gap_samples(100_000, RATE) == (99_900, 100_000)
    assert IDEAL_RECEIVER.gap_samples(100_000, RATE) is None


def test_a_phase_jump_turns_the_rest():
    tone = _tone(10, 10_000)
    out = _digitise(tone, phase_jump=(0.4, 2.0))
    turn = (out / tone).angle()
    assert torch.allclose(turn[:4000], torch.zeros(4000), atol=1e-3)
    assert torch.allclose(turn[4000:], torch.full((6000,), 2.0), atol=1e-3)


def test_slow_quantities_are_interpolated_on_straight_lines():
    nodes = torch.tensor([0.0, 4.0, 2.0])
    assert interpolate(nodes, 4, 7).tolist() == [0, 1, 2, 3, 4, 3.5, 3]
    turned = interpolate(nodes.to(torch.complex64) * (1 - 2j), 4, 7)
    assert torch.allclose(turned, interpolate(nodes, 4, 7) * (1 - 2j))


def test_the_same_seeds_give_the_same_samples():
    changes = dict(
        bits=8, dc_db=10.0, dc_drift=0.2, image_db=-30.0, linewidth_hz=100.0, pedestal_dbc_hz=-90.0, ibo_db=8.0, clock_ppm=10.0
    )
    first, second, other = (_digitise(_noise(50_000), seed=seed, **changes) for seed in (1, 1, 2))
    assert first.dtype == torch.complex64 and first.shape == (50_000,)
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_drawn_receivers_have_each_impairment_as_often_as_the_table_says(rng):
    drawn = [draw_receiver(rng) for _ in range(4000)]
    shares = {n: np.mean([n in r.impairments for r in drawn]) for n in set().union(*(r.impairments for r in drawn))}
    for field, name in {
        "floor slope": "noise-floor slope", "compression": "compression", "blanking": "blanking",
        "linewidth": "Wiener phase noise", "pedestal": "PLL pedestal", "image": "image", "dc": "DC",
        "gain step": "gain step", "agc": "AGC", "clock": "clock offset", "phase jump": "phase jump", "gap": "gap",
    }.items():  # fmt: skip
        assert shares[field] == pytest.approx(SHARES[name], abs=4 * math.sqrt(SHARES[name] / 4000)), field
    assert {r.bits for r in drawn} == {8, 12, 14, 16, None}
    backoffs = [r.backoff_db for r in drawn]
    assert 3 <= min(backoffs) < 3.1 and 19.9 < max(backoffs) <= 20
    assert draw_receiver(np.random.default_rng(5)) == draw_receiver(np.random.default_rng(5))


def test_every_drawn_receiver_gives_finite_samples(rng, generator):
    iq = _noise(30_000) + _tone(4000, 30_000, 3.0)
    for _ in range(60):
        receiver = draw_receiver(rng)
        out = digitise(iq, receiver, samp_rate=RATE, rng=rng, generator=generator)
        assert out.shape == iq.shape and torch.isfinite(torch.view_as_real(out)).all()
        if receiver.bits is not None and receiver.phase_jump is None:
            assert torch.view_as_real(out).abs().max() <= 1.0


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(bits=1), "bits=1 is no converter's; choose 2 to 24"),
        (dict(flat_share=1.0), "flat_share=1.0 lies outside 0 to 1"),
        (dict(clock_ppm=200.0), "clock_ppm=200.0 is more than a clock is off"),
        (dict(image_selectivity=2.0), "image_selectivity=2.0 lies outside 0 to 1"),
        (dict(overload_db=15.0), "overload_db=15.0 with blanking_s=0.0; give both"),
        (dict(agc_attack_s=0.0), "agc_attack_s=0.0, agc_decay_s=0.001: both must be positive"),
        (dict(gap=(1.5, 1e-3)), r"gap=\(1.5, 0.001\) does not begin within the frame"),
        (dict(gap=(0.5, 0.0)), r"gap=\(0.5, 0.0\) has no length"),
        (dict(phase_jump=(-0.1, 1.0)), r"phase_jump=\(-0.1, 1.0\) does not begin within the frame"),
    ],
)
def test_impossible_receivers_are_refused(changes, message):
    with pytest.raises(SceneError, match=message):
        Receiver(**changes)
