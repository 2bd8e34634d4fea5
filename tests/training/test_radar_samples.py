"""The samples of radars: widths, intervals, chirps and codes as recorded, levels as asked, nothing folded back."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rfseg.errors import SceneError
from rfseg.geometry import make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.synth.radar import BARKER_CODES, FAMILIES, Echo, Pulse, PulseTrain, code_phases, draw_radar, pulse_times, radar_samples

RATE = 61.44e6
LEVEL_TOLERANCE_DB = 1.0  # between the alignments at which the level is sought
PERFECT_CODES = ("frank", "p1", "p3", "p4", "zadoff-chu")


def _train(pulse: Pulse | None = None, **changes) -> PulseTrain:
    facts = dict(
        family="plain", center=0.0, pulses=(pulse or Pulse(width=1e-6),), intervals=(1e-3,), first=0.2e-3, snr_db=30.0
    )
    return PulseTrain(**{**facts, **changes})


def _samples(train: PulseTrain, duration: float, rate: float = RATE) -> np.ndarray:
    return radar_samples(train, round(duration * rate), rate, rng=np.random.default_rng(2)).numpy()


def _above_half(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last sample of each stretch above half the largest amplitude."""
    loud = np.concatenate([[False], np.abs(samples) > 0.5 * np.abs(samples).max(), [False]])
    edges = np.flatnonzero(np.diff(loud.astype(int)))
    return edges[::2], edges[1::2]


@pytest.mark.parametrize("width", [0.3e-6, 1e-6, 20e-6, 90e-6])
@pytest.mark.parametrize("rise", [20e-9, 100e-9])
def test_pulse_widths_measured_at_half_amplitude(width, rise):
    begin, end = _above_half(_samples(_train(Pulse(width=width, rise=rise)), 5e-3))
    assert np.allclose((end - begin) / RATE, width, atol=2 / RATE)
    assert np.allclose(begin / RATE, 0.2e-3 + 1e-3 * np.arange(5), atol=1.5 / RATE)


def test_staggered_pulses_come_at_their_intervals():
    intervals = (0.9e-3, 1.1e-3, 1.05e-3)
    begin, _ = _above_half(_samples(_train(intervals=intervals), 8e-3))
    assert np.allclose(np.diff(begin) / RATE, np.resize(intervals, begin.size - 1), atol=1.5 / RATE)


@pytest.mark.parametrize("family", ["ntia-1", "asr-8", "asr-11", "marine", "dfs-2", "spy-1"])
def test_the_samples_hold_energy_where_the_record_says_and_only_there(family):
    train = draw_radar(5e-3, 30e6, np.random.default_rng(5), families=(family,))
    train = replace(train, echoes=(), tail=(), scan_peak=None, scan_width=None, burst_gains_db=(0.0,), first=0.3e-3)
    power = np.abs(_samples(train, 5e-3)) ** 2
    inside = np.zeros(power.size, bool)
    spans = pulse_times(train, 5e-3)
    assert spans
    for start, stop in spans:
        inside[max(0, round((start - 0.15e-6) * RATE)) : round((stop + 0.15e-6) * RATE)] = True
    assert power[~inside].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize("modulation", ["lfm", "tangent", "taper"])
@pytest.mark.parametrize("turn", [-1, 1])
def test_chirps_sweep_what_they_say(modulation, turn):
    bend = {"lfm": 0.0, "tangent": 1.1, "taper": 0.8}[modulation]
    pulse = Pulse(width=50e-6, modulation=modulation, chirp=turn * 20e6, bend=bend)
    samples = _samples(_train(pulse, center=3e6, burst=1), 1e-3)
    begin, end = (int(edge[0]) for edge in _above_half(samples))
    freq = np.angle(samples[begin + 4 : end - 4] * samples[begin + 3 : end - 5].conj()) * RATE / (2 * math.pi)
    assert (freq[0], freq[-1]) == pytest.approx((3e6 - turn * 10e6, 3e6 + turn * 10e6), abs=1.2e6)
    assert (turn * np.diff(np.convolve(freq, np.ones(64) / 64, mode="valid")) > -2e4).all()
    assert np.median(freq) == pytest.approx(3e6, abs=0.2e6)


@pytest.mark.parametrize("modulation", ["tangent", "taper"])
def test_non_linear_chirps_have_lower_range_sidelobes(modulation):
    def sidelobe_db(pulse: Pulse) -> float:
        samples = _samples(_train(pulse, burst=1), 0.4e-3)
        spectrum = np.fft.fft(samples, 8 * samples.size)
        response = np.abs(np.fft.ifft(np.pad(np.abs(spectrum) ** 2, (0, 0))))[: samples.size]  # autocorrelation
        null = np.flatnonzero(np.diff(response) > 0)[0]
        return 20 * math.log10(response[null:].max() / response[0])

    facts = dict(width=50e-6, chirp=10e6)
    linear = sidelobe_db(Pulse(modulation="lfm", **facts))
    assert linear == pytest.approx(-13.3, abs=0.7)
    assert sidelobe_db(Pulse(modulation=modulation, bend={"tangent": 1.1, "taper": 0.8}[modulation], **facts)) < linear - 6


@pytest.mark.parametrize(("chips", "index"), [(n, i + 1) for n, codes in BARKER_CODES.items() for i in range(len(codes))])
def test_barker_sidelobes_are_one_chip(chips, index):
    code = np.exp(1j * code_phases("barker", chips, index))
    lags = np.abs(np.correlate(code, code, "full"))
    assert lags.max() == pytest.approx(chips) and np.delete(lags, chips - 1).max() <= 1 + 1e-9


@pytest.mark.parametrize("code", PERFECT_CODES)
@pytest.mark.parametrize("chips", [16, 25, 64])
def test_polyphase_codes_have_a_perfect_periodic_autocorrelation(code, chips):
    phasors = np.exp(1j * code_phases(code, chips))
    lags = np.abs(np.fft.ifft(np.abs(np.fft.fft(phasors)) ** 2))
    assert lags[0] == pytest.approx(chips) and lags[1:].max() < 1e-9


@pytest.mark.parametrize(("code", "first"), [
    ("frank", [0, 0, 0, 0, 0, 90, 180, 270, 0, 180, 0, 180, 0, 270, 180, 90]),
    ("p1", [0, -135, 90, -45, -180, -225, -270, -315, 0, 45, 90, 135, 180, -45, 90, -135]),
    ("p2", [-202.5, -67.5, 67.5, 202.5, -67.5, -22.5, 22.5, 67.5, 67.5, 22.5, -22.5, -67.5, 202.5, 67.5, -67.5, -202.5]),
    ("p4", [0, -168.75, 45, -78.75]),
])  # fmt: skip
def test_polyphase_codes_of_sixteen_are_those_of_the_book(code, first):
    found = np.exp(1j * code_phases(code, 16)[: len(first)])
    assert np.allclose(found, np.exp(1j * np.radians(first)))


@pytest.mark.parametrize("chips", [16, 25, 36, 49, 64])
def test_px_has_the_peak_sidelobe_of_frank(chips):
    def peak(code: str) -> float:
        phasors = np.exp(1j * code_phases(code, chips))
        return float(np.abs(np.correlate(phasors, phasors, "full"))[:chips - 1].max())

    assert peak("px") == pytest.approx(peak("frank"), rel=0.02 if chips % 2 == 0 else 0.5)


def test_an_unknown_code_is_refused():
    with pytest.raises(SceneError, match="code='gold' is unknown; choose one of barker, frank"):
        code_phases("gold", 7)


def test_a_barker_pulse_compresses_to_its_chips():
    samples = _samples(_train(Pulse(width=13e-6, modulation="barker", chips=13, rise=20e-9), burst=1), 1e-3)
    chip = RATE * 1e-6
    lags = np.abs(np.correlate(samples, samples[int(0.2e-3 * RATE) :][: int(14 * chip)], "valid"))
    peak = lags.argmax()
    aside = np.delete(lags, np.s_[peak - int(1.2 * chip) : peak + int(1.2 * chip)])
    assert aside.max() / lags[peak] == pytest.approx(1 / 13, abs=0.02)


def test_sharp_edges_splatter_and_soft_ones_do_not():
    def far_db(rise: float) -> float:
        power = np.abs(np.fft.fft(_samples(_train(Pulse(width=1e-6, rise=rise), burst=1), 1e-3))) ** 2
        freqs = np.abs(np.fft.fftfreq(power.size, 1 / RATE))
        return 10 * math.log10(power[(freqs > 18e6) & (freqs < 22e6)].max() / power.max())

    assert far_db(0.0) == pytest.approx(-36, abs=1.5)
    assert far_db(100e-9) < -55


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("rate", "duration"), [(15.36e6, 5e-3), (61.44e6, 10e-3)])
def test_the_strongest_bin_has_the_snr_asked_for(family, rate, duration):
    geometry = make_geometry(rate, frame_duration=duration)
    rng = np.random.default_rng(21)
    for _ in range(2):
        train = draw_radar(duration, rate, rng, families=(family,))
        intervals = train.intervals if family == "fmcw-altimeter" else tuple(min(v, 1.7e-3) for v in train.intervals)
        burst = None if train.burst is None else max(train.burst, 8)
        train = replace(
            train, scan_peak=None, scan_width=None, first=0.1e-3, intervals=intervals, burst=burst,
            burst_interval=None, burst_gains_db=(0.0,), hops=(0.0,),
        )  # fmt: skip
        if train.is_fmcw:  # the sweep crosses the band within the scene
            pulse = replace(train.pulses[0], width=2e-3)
            train = replace(train, pulses=(pulse,), intervals=(2e-3,), center=0.0, first=-1e-3)
        samples = radar_samples(train, geometry.frame_samples + geometry.overhang, rate, rng=rng)
        peak_db = frame_rows(samples.numpy(), geometry)[0][1].max() + 10 * math.log10(geometry.bins / 1.5)
        assert peak_db == pytest.approx(train.snr_db, abs=LEVEL_TOLERANCE_DB)


def test_a_chirp_wider_than_the_band_crosses_it_and_does_not_fold_back():
    rate, pulse = 15.36e6, Pulse(width=50e-6, modulation="lfm", chirp=100e6)
    samples = np.abs(_samples(_train(pulse, burst=1), 1e-3, rate))
    begin, end = _above_half(samples)
    assert (end[-1] - begin[0]) / rate == pytest.approx(50e-6 * 15.36 / 100, abs=1e-6)  # one crossing, in the middle
    assert begin[0] / rate == pytest.approx(0.2e-3 + 25e-6 - 3.84e-6, abs=1e-6)
    quiet = np.delete(samples, np.s_[begin[0] - 90 : end[-1] + 90])
    assert quiet.max() < 0.02 * samples.max()


@pytest.mark.parametrize("modulation", ["lfm", "sawtooth"])
def test_a_chirp_that_leaves_the_band_ends_at_its_edge(modulation):
    rate = 15.36e6
    geometry = make_geometry(rate, frame_duration=5e-3)
    width = 50e-6 if modulation == "lfm" else 2e-3
    pulse = Pulse(width=width, modulation=modulation, chirp=10e6, rise=0.0)
    train = _train(pulse, center=7e6, intervals=(1e-3 if modulation == "lfm" else width,))  # 2 to 12 MHz, the band ends at 7.68
    peak = frame_rows(_samples(train, 6e-3, rate), geometry)[0][1].max(0)
    # the first bins lie beside the last ones on the circle of an FFT, so a window leaks into them
    assert peak[6 : geometry.bins // 2 - 4].max() < peak.max() - 20
    assert peak[geometry.bins // 2 + 12 :].min() > peak.max() - 12


def test_a_radar_outside_the_band_leaves_nothing():
    geometry = make_geometry(15.36e6, frame_duration=2e-3)
    outside = _train(Pulse(width=20e-6, modulation="lfm", chirp=1e6), center=20e6)
    peak_db = frame_rows(_samples(outside, 2.1e-3, 15.36e6), geometry)[0][1].max() + 10 * math.log10(geometry.bins / 1.5)
    assert peak_db < 30 - 40  # the skirts of its edges
    assert not _samples(_train(first=5e-3), 2e-3).any()


def test_the_scan_shapes_the_pulses():
    train = _train(intervals=(0.25e-3,), first=0.0, scan_peak=10e-3, scan_width=6e-3, sidelobe_db=-60.0)
    samples = np.abs(_samples(train, 20e-3)).reshape(80, -1).max(1)
    levels = 20 * np.log10(samples / samples.max())
    times = (np.arange(80) * 0.25e-3 - 10e-3) / 6e-3
    assert np.allclose(levels, -12.04 * times**2, atol=0.1)


def test_bursts_and_hops_are_heard():
    train = _train(burst=2, burst_interval=5e-3, burst_gains_db=(0.0, -20.0), first=0.0, hops=(-5e6, 5e6), hop_pulses=2)
    samples = _samples(train, 10e-3)
    strong, weak = samples[: samples.size // 2], samples[samples.size // 2 :]
    assert 20 * math.log10(np.abs(weak).max() / np.abs(strong).max()) == pytest.approx(-20, abs=0.1)
    for part, freq in ((strong, -5e6), (weak, 5e6)):
        power = np.abs(np.fft.fft(part)) ** 2
        assert np.fft.fftfreq(part.size, 1 / RATE)[power.argmax()] == pytest.approx(freq, abs=0.5e6)


def test_echoes_come_late_and_weaker():
    echo = Echo(delay=15e-6, gain_db=-12.0, phase=1.0)
    samples = _samples(_train(burst=1, echoes=(echo,), tail=(replace(echo, delay=30e-6, gain_db=-20.0),)), 1e-3)
    peaks = [np.abs(samples[round((0.2e-3 + at + 0.5e-6) * RATE)]) for at in (0.0, 15e-6, 30e-6)]
    assert 20 * np.log10(np.array(peaks) / peaks[0]) == pytest.approx([0.0, -12.0, -20.0], abs=0.2)


def test_a_triangle_comes_back_without_a_click():
    pulse = Pulse(width=1e-3, modulation="triangle", chirp=20e6, rise=0.0)
    samples = _samples(_train(pulse, center=1.2345e6, first=-0.3e-3), 5e-3)
    steps = np.abs(np.angle(samples[2:] * samples[:-2].conj() * (samples[1:-1].conj() * samples[:-2]) ** 2))
    assert np.abs(samples).std() < 1e-3 * np.abs(samples).max()  # constant envelope: sweeps neither overlap nor part
    assert steps.max() < 0.05  # curvature of the phase, rad


def test_the_same_record_and_seed_give_the_same_samples():
    for family in FAMILIES:
        train = draw_radar(2e-3, 15e6, np.random.default_rng(4), families=(family,))
        first, second = _samples(train, 2e-3, 15.36e6), _samples(train, 2e-3, 15.36e6)
        assert np.array_equal(first, second) and first.dtype == np.complex64 and np.isfinite(first).all()
    other = radar_samples(train, first.size, 15.36e6, rng=np.random.default_rng(77)).numpy()
    assert np.allclose(np.abs(other), np.abs(first), atol=1e-4 * np.abs(first).max())  # only the phase is not recorded


def test_a_magnetron_starts_with_any_phase():
    steady, wild = (_samples(_train(coherent=flag), 20e-3).reshape(20, -1)[:, 12318] for flag in (True, False))
    assert np.ptp(np.angle(steady / steady[0])) < 1e-3
    assert np.ptp(np.angle(wild / wild[0])) > 1.0


def test_samples_are_made_on_the_device_asked_for():
    with torch.device("cpu"):
        assert radar_samples(_train(), 1000, RATE, rng=np.random.default_rng(0), device="cpu").device.type == "cpu"
