"""Channels are those of the tables: delays, powers, Doppler spectrum, line of sight; and they do not repeat."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0

from rfseg.errors import SceneError
from rfseg.synth.channel import Channel, _time_nodes, draw_channel, fading, rms_delay_spread, tap_gains, taps
from rfseg.synth.channel_profiles import PROFILES

SCALED = [name for name in PROFILES if PROFILES[name].is_scaled]
LOS_K_DB = {"TDL-D": 13.3, "TDL-E": 22.0}  # of the first tap: TR 38.901 tables 7.7.2-4, 7.7.2-5
INTERPOLATION_ERROR = 1.5e-4  # promised 1e-4, and float32
DRAWS_TOLERANCE = 0.06  # of a mean over some 2000 independent gains


def _make(profile, **changes) -> Channel:
    spread = 100e-9 if profile in SCALED else None
    return Channel(**{**dict(profile=profile, delay_spread_s=spread), **changes})


def _times(duration: float, count: int) -> torch.Tensor:
    return torch.linspace(0, duration, count, dtype=torch.float64)


@pytest.mark.parametrize(
    "profile, nanoseconds, tolerance",
    # TS 36.104 tables B.2-1 to B.2-3 (EPA: the taps give 43 ns, the annex says 45), TS 38.101-4 table B.2.1-1
    [("EPA", 45, 2), ("EVA", 357, 1), ("ETU", 991, 1), ("TDLA30", 30, 0.5), ("TDLB100", 100, 0.5), ("TDLC300", 300, 0.5)],
)
def test_tables_have_the_delay_spread_that_names_them(profile, nanoseconds, tolerance):
    assert rms_delay_spread(profile) * 1e9 == pytest.approx(nanoseconds, abs=tolerance)


@pytest.mark.parametrize("profile", SCALED)
def test_scaled_tables_are_normalised_and_scale(profile):
    assert rms_delay_spread(profile) == pytest.approx(1.0, abs=0.01)
    delays, powers = taps(_make(profile, delay_spread_s=363e-9))
    spread = math.sqrt(powers @ delays**2 - (powers @ delays) ** 2)
    assert spread == pytest.approx(363e-9, rel=0.01)
    assert len(delays) == len(powers) == {"TDL-A": 23, "TDL-B": 23, "TDL-C": 24, "TDL-D": 14, "TDL-E": 15}[profile]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_realised_gains_have_the_powers_and_the_delays_of_the_table(profile, generator):
    channel = _make(profile, doppler_hz=500.0)
    delays, powers = taps(channel)
    spread = max(math.sqrt(powers @ delays**2 - (powers @ delays) ** 2), 10e-9)
    freqs = torch.arange(0, 6, dtype=torch.float64) * 0.05 / spread
    gain = torch.cat([fading(_times(1, 150), freqs, channel, generator=generator) for _ in range(16)]).to(torch.complex128)
    correlation = (gain * gain[:, :1].conj()).mean(0).numpy()
    expected = np.exp(-2j * np.pi * freqs.numpy()[:, None] * delays) @ powers
    assert correlation[0].real == pytest.approx(1.0, abs=DRAWS_TOLERANCE)
    assert np.allclose(correlation / correlation[0], expected, atol=DRAWS_TOLERANCE)


@pytest.mark.parametrize("profile", ["EPA", "ETU", "TDLC300", "TDL-A", "TDL-D"])
def test_the_rms_delay_spread_of_realised_taps_is_that_of_the_table(profile, generator):
    channel = _make(profile, doppler_hz=100.0)
    delays, _ = taps(channel)
    gains = torch.cat([tap_gains(_times(1, 100), channel, generator=generator) for _ in range(20)])
    power = gains.abs().square().mean(0).double().numpy()
    power /= power.sum()
    spread = math.sqrt(power @ delays**2 - (power @ delays) ** 2)
    scale = 100e-9 if profile in SCALED else 1.0
    assert spread == pytest.approx(scale * rms_delay_spread(profile), rel=0.06)


def test_taps_follow_jakes_spectrum(generator):
    doppler, step = 70.0, 0.5e-3
    gains = torch.cat(
        [tap_gains(_times(0.2, 401), _make("TDL-B", doppler_hz=doppler), generator=generator) for _ in range(60)], dim=1
    ).numpy()  # (401, 1380)
    lags = np.arange(0, 60)
    power = (np.abs(gains) ** 2).mean()
    found = np.array([(gains[: 401 - lag].conj() * gains[lag:]).mean() for lag in lags]) / power
    assert np.allclose(found, j0(2 * np.pi * doppler * step * lags), atol=0.04)
    spectrum = (np.abs(np.fft.fft(gains * np.hanning(401)[:, None], axis=0)) ** 2).sum(1)
    freqs = np.abs(np.fft.fftfreq(401, step))
    assert spectrum[freqs > doppler + 15].sum() < 1e-4 * spectrum.sum()
    assert spectrum[(freqs > 60) & (freqs < 75)].mean() > 1.5 * spectrum[freqs < 30].mean()  # the horns of the U


def test_a_flat_tap_is_rayleigh(generator):
    channel, freqs = _make("flat", doppler_hz=50.0), torch.zeros(1)
    gains = torch.cat([fading(_times(4, 50), freqs, channel, generator=generator) for _ in range(100)])
    power = gains.abs().square().numpy()
    assert power.mean() == pytest.approx(1.0, abs=0.05)
    assert (power < 0.1).mean() == pytest.approx(1 - math.exp(-0.1), abs=0.015)


@pytest.mark.parametrize("profile", sorted(LOS_K_DB))
def test_the_line_of_sight_is_steady_and_has_its_own_doppler_shift(profile, generator):
    doppler = 100.0
    channel = _make(profile, doppler_hz=doppler)
    gains = tap_gains(_times(1.0, 1001)[:-1], channel, generator=generator).numpy()  # 1 Hz a bin
    assert np.ptp(np.abs(gains[:, 0])) < 2 * INTERPOLATION_ERROR
    spectrum = np.abs(np.fft.fft(gains[:, 0]))
    assert np.fft.fftfreq(1000, 1e-3)[spectrum.argmax()] == 70.0  # 0.7 fD: TR 38.901 clause 7.7.2
    second = np.mean([
        tap_gains(_times(1.0, 200), channel, generator=generator)[:, 1].abs().square().mean().item() for _ in range(100)
    ])  # fmt: skip
    assert 10 * math.log10((np.abs(gains[:, 0]) ** 2).mean() / second) == pytest.approx(LOS_K_DB[profile], abs=0.5)


@pytest.mark.parametrize("doppler, duration", [(5.0, 20e-3), (70.0, 5e-3), (300.0, 20e-3), (500.0, 40e-3)])
def test_interpolation_over_time_keeps_its_promise(doppler, duration):
    times = _times(duration, 560) + 3.0
    nodes, interpolation = _time_nodes(times, doppler)
    assert len(nodes) < 100 and interpolation is not None
    for shift in (-doppler, -0.3 * doppler, 0.0, doppler):
        at_nodes = torch.exp(2j * math.pi * shift * nodes).to(torch.complex64)
        found = interpolation.to(torch.complex64) @ at_nodes
        assert (found - torch.exp(2j * math.pi * shift * times)).abs().max() < INTERPOLATION_ERROR


def test_few_or_unordered_times_are_evaluated_as_given(generator):
    channel = _make("EVA", doppler_hz=300.0)
    times, freqs = _times(20e-3, 280), _times(9e6, 7)
    order = torch.randperm(280, generator=torch.Generator().manual_seed(3))
    straight = fading(times, freqs, channel, generator=torch.Generator().manual_seed(5))
    mixed = fading(times[order], freqs, channel, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(mixed, straight[order], atol=1e-4)
    pick = torch.tensor([0, 100, 279])
    few = fading(times[pick], freqs, channel, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(few, straight[pick], atol=1e-3)
    assert fading(times[:0], freqs, channel, generator=generator).shape == (0, 7)


def test_calls_are_independent_and_seeds_repeat(generator):
    channel = _make("TDL-A", doppler_hz=70.0)
    times, freqs = _times(2, 100), torch.arange(400, dtype=torch.float64) * 45e3
    first, second = (fading(times, freqs, channel, generator=generator) for _ in range(2))
    assert first.dtype == torch.complex64 and first.shape == (100, 400)
    assert (first * second.conj()).mean().abs() < 0.15
    again = fading(times, freqs, channel, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again, first)


def test_a_still_channel_stands_still(generator):
    gain = fading(_times(1, 20), torch.arange(8) * 1e6, _make("ETU"), generator=generator)
    assert torch.equal(gain, gain[:1].expand(20, 8))
    assert gain[0].abs().std() > 0.1


def test_a_cable_has_no_gains(generator):
    assert fading(_times(1e-3, 5), torch.zeros(3), Channel(cfo_hz=250.0), generator=generator) is None


def test_drawn_channels_cover_every_profile(rng):
    drawn = [draw_channel(rng) for _ in range(3000)]
    assert {c.profile for c in drawn} == {None, *PROFILES}
    assert np.mean([c.profile is None for c in drawn]) == pytest.approx(0.2, abs=0.03)
    assert {c.doppler_hz for c in drawn} == {0, 5, 10, 70, 100, 300, 400, 500}
    spreads = np.array([c.delay_spread_s for c in drawn if c.delay_spread_s is not None])
    assert 10e-9 <= spreads.min() < 12e-9 and 900e-9 < spreads.max() <= 1e-6
    assert max(abs(c.cfo_hz) for c in drawn) <= 1e3


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(profile="EPB"), r"profile='EPB' does not exist; choose None \(a cable\) or one of flat, EPA"),
        (dict(profile="TDL-A"), "delay_spread_s=None of TDL-A is no time from 0 to 1e-4 s"),
        (dict(profile="TDL-A", delay_spread_s=-1e-9), "delay_spread_s=-1e-09 of TDL-A"),
        (dict(profile="EPA", delay_spread_s=1e-7), "delay_spread_s=1e-07 given, but EPA has its own; leave it None"),
        (dict(profile="EPA", doppler_hz=-1.0), "doppler_hz=-1.0 is no maximum Doppler shift"),
        (dict(doppler_hz=5.0), "doppler_hz=5.0 given, but a cable does not move"),
        (dict(cfo_hz=math.nan), "cfo_hz=nan is not finite"),
    ],
)
def test_impossible_channels_are_refused(changes, message):
    with pytest.raises(SceneError, match=message):
        Channel(**changes)
