"""Pulses, their widths and intervals: exact where the SNR is high, within stated limits where it is low."""

from __future__ import annotations

import numpy as np
import pytest

from rfseg.errors import BandError, GeometryError
from rfseg.geometry import Geometry, Reduction, make_geometry
from rfseg.spectrogram import frame_rows
from rfseg.tracking import PatternKind, find_pattern, find_pulses, intervals as intervals_module, measure_pulses
from rfseg.tracking.median import StreamingMedian
from rfseg.tracking.rowpulses import pulses_in_rows

RATE = 10e6  # Hz
COUNT = 200_000  # samples, 20 ms


def noise(count: int = COUNT, *, seed: int = 1) -> np.ndarray:
    """Complex white noise of power 1."""
    return np.random.default_rng(seed).standard_normal((count, 2)) @ [1, 1j] / np.sqrt(2)


def with_pulses(starts: np.ndarray, width: int, snr_db: float, *, seed: int = 1, count: int = COUNT) -> np.ndarray:
    """Rectangular pulses in noise of power 1."""
    iq = noise(count, seed=seed)
    for start in starts:
        iq[start : start + width] += 10 ** (snr_db / 20) * np.exp(1j * start)
    return iq


STARTS = np.arange(321, COUNT - 3000, 10_000)  # every ms


@pytest.mark.parametrize("width", [1, 7, 100, 3000])
def test_strong_pulses_are_found_to_the_sample(width):
    pulses = measure_pulses(with_pulses(STARTS, width, 25.0), RATE).pulses
    assert pulses.starts.tolist() == STARTS.tolist()
    assert set(pulses.widths.tolist()) == {width}


def test_a_report_has_width_interval_power_and_snr():
    report = measure_pulses(0.01 * with_pulses(STARTS, 20, 20.0), RATE)
    assert (report.width, report.wide_width) == (2e-6, 2e-6)
    assert (report.pattern.kind, report.pattern.interval) == (PatternKind.CONSTANT, pytest.approx(1e-3, abs=1e-9))
    assert report.power_dbfs == pytest.approx(-20.0, abs=0.3)
    assert report.snr_db == pytest.approx(20.0, abs=0.4)
    assert report.pulses.noise_power == pytest.approx(1e-4, rel=0.02)


def test_widths_are_those_at_half_and_a_quarter_of_the_power():
    # Amplitude rises and falls linearly over 40 samples around a top of 100: half power is at 0.707, a quarter at 0.5.
    shape = np.concatenate([np.arange(0.5, 40) / 40, np.ones(100), np.arange(39.5, 0, -1) / 40])
    iq = 1e-3 * noise()
    for start in STARTS:
        iq[start : start + shape.size] += shape
    report = measure_pulses(iq, RATE)
    assert report.width * RATE == pytest.approx(100 + 2 * 40 * (1 - 0.7071), abs=2)
    assert report.wide_width * RATE == pytest.approx(100 + 2 * 40 * 0.5, abs=2)


# (samples, dB): share found within a tenth of the width or two samples, as measured with a margin
@pytest.mark.parametrize("width, snr_db, least", [(10, 12.0, 0.9), (100, 3.0, 0.8), (100, 6.0, 0.95), (1000, -3.0, 0.8)])
def test_weak_pulses_are_found(width, snr_db, least):
    found = [measure_pulses(with_pulses(STARTS, width, snr_db, seed=s), RATE) for s in range(2)]
    near = [np.abs(STARTS[:, None] - r.pulses.starts).min(axis=1) <= max(2, width / 10) for r in found]
    assert np.mean(near) >= least
    for report in found:
        assert report.pattern.kind is PatternKind.CONSTANT
        assert report.pattern.interval == pytest.approx(1e-3, rel=1e-3)
        assert report.width * RATE == pytest.approx(width, abs=max(2, 0.1 * width))


def test_noise_has_no_pulses():
    assert sum(measure_pulses(noise(300_000, seed=s), RATE).pulses.count for s in range(2)) <= 1


def test_a_signal_that_never_pauses_has_no_pulses():
    report = measure_pulses(np.exp(0.3j * np.arange(COUNT)), RATE)
    assert report.pulses.count == 0 and report.width is report.snr_db is report.pattern.interval is None


def test_a_stream_of_zeros_with_pulses_has_pulses():
    iq = np.zeros(COUNT, np.complex64)
    iq[1000:1020] = 1.0
    assert measure_pulses(iq, RATE).pulses.starts.tolist() == [1000]


def test_samples_that_are_not_finite_hide_nothing_else():
    iq = with_pulses(STARTS, 20, 25.0)
    iq[[5, 77_777]] = [np.nan, np.inf]
    assert measure_pulses(iq, RATE).pulses.starts.tolist() == STARTS.tolist()


def test_pulses_of_different_strength_and_a_close_pair_are_told_apart():
    iq = noise()
    for start, width, level in ((1000, 10, 40.0), (1030, 10, 40.0), (5000, 10, 15.0), (9000, 200, 12.0)):
        iq[start : start + width] += 10 ** (level / 20)
    pulses = find_pulses(iq, longest_box=1280)
    assert np.abs(pulses.starts - [1000, 1030, 5000, 9000]).max() <= 1
    assert np.abs(pulses.widths - [10, 10, 10, 200]).max() <= 2
    assert 10 * np.log10(pulses.powers) == pytest.approx([40.0, 40.0, 15.0, 12.0], abs=1.5)


@pytest.mark.parametrize("shift", [1, 40, 4095])
def test_a_shift_of_the_samples_shifts_the_pulses(shift):
    iq = with_pulses(STARTS, 30, 8.0)
    one, other = find_pulses(iq, longest_box=1024), find_pulses(np.concatenate([noise(shift, seed=9), iq]), longest_box=1024)
    assert (one.starts + shift).tolist() == other.starts.tolist() and one.count > 15


@pytest.mark.parametrize(
    "iq, text",
    [
        (np.zeros((2, 100), np.complex64), "iq has shape (2, 100) and type complex64, expected at least 64 complex samples"),
        (np.zeros(63, np.complex64), "iq has shape (63,)"),
        (np.zeros(100), "type float64, expected at least 64 complex"),
    ],
)
def test_what_are_no_samples_is_refused(iq, text):
    with pytest.raises(BandError) as caught:
        measure_pulses(iq, RATE)
    assert text in str(caught.value)


def test_a_rate_or_a_chance_that_cannot_be_is_refused():
    with pytest.raises(BandError, match="samp_rate=0.0 is not a rate; give complex samples per second, above 0"):
        measure_pulses(noise(100), 0.0)
    with pytest.raises(BandError, match="false_alarm=1.0 is no probability; expected above 0 and below 1"):
        measure_pulses(noise(100), RATE, false_alarm=1.0)


# -- patterns

TOLERANCE = 0.3e-6  # s


def train(intervals: tuple[float, ...], count: int) -> np.ndarray:
    """Times of pulses at intervals that repeat, s."""
    return np.concatenate([[0.0], np.cumsum(np.resize(intervals, count - 1))]) + 123e-6


@pytest.mark.parametrize(
    "intervals", [(1e-3,), (0.8e-3, 1.0e-3, 1.3e-3), (20e-6, 980e-6), (1e-3, 1.01e-3, 0.98e-3, 1.02e-3), (0.9e-3,) * 3 + (1.1e-3,)]
)
@pytest.mark.parametrize("seed", range(3))
def test_patterns_survive_missing_and_false_pulses_and_scatter(intervals, seed):
    rng = np.random.default_rng(seed)
    times = train(intervals, 60)
    times = times[rng.random(60) > 0.15]
    times = np.sort(np.concatenate([times + rng.normal(0, 0.05e-6, times.size), rng.uniform(0, times[-1], 4)]))
    pattern = find_pattern(times, tolerance=TOLERANCE)
    assert pattern.interval == pytest.approx(np.mean(intervals), rel=1e-4)
    assert pattern.kind is (PatternKind.CONSTANT if len(intervals) == 1 else PatternKind.STAGGERED)
    assert pattern.is_regular and pattern.share > 0.85 and pattern.spread < 0.15e-6
    rounds = [np.roll(intervals, k) for k in range(len(intervals))] if len(intervals) > 1 else []
    if rounds:
        assert min(np.abs(np.array(pattern.stagger) - r).max() for r in rounds) < TOLERANCE


def test_bursts_that_are_out_of_step_have_the_interval_within():
    times = np.concatenate([train((1e-3,), 20), 4.8003717 + train((1e-3,), 15)])
    pattern = find_pattern(times, tolerance=TOLERANCE)
    assert (pattern.kind, pattern.interval) == (PatternKind.CONSTANT, pytest.approx(1e-3, abs=1e-9))


def test_jittered_pulses_have_their_median_interval():
    rng = np.random.default_rng(3)
    times = np.cumsum(1e-3 * rng.uniform(0.8, 1.2, 60))
    pattern = find_pattern(times, tolerance=TOLERANCE)
    assert pattern.kind is PatternKind.JITTERED and not pattern.is_regular
    assert pattern.interval == pytest.approx(1e-3, rel=0.06)


@pytest.mark.parametrize("times", [[], [0.0, 1e-3, 2e-3], np.cumsum(np.random.default_rng(5).exponential(1e-3, 50))])
def test_too_few_pulses_or_random_ones_have_no_pattern(times):
    pattern = find_pattern(times, tolerance=TOLERANCE)
    assert (pattern.kind, pattern.interval, pattern.share) == (PatternKind.UNKNOWN, None, 0.0)


# -- rows

GEOMETRY = make_geometry(15.36e6)  # rows of 78.125 us


def rows_of(starts: np.ndarray, width: float, *, level: float = 0.1) -> np.ndarray:
    """Rows of a frame with pulses at 5 MHz; ``starts`` and ``width`` in s."""
    iq = 1e-3 * noise(GEOMETRY.frame_samples)
    time = np.arange(iq.size) / GEOMETRY.samp_rate
    for start in starts:
        iq += level * ((time >= start) & (time < start + width)) * np.exp(2j * np.pi * 5e6 * time)
    return frame_rows(iq.astype(np.complex64), GEOMETRY)[0]


BINS = (48, 58)  # around 5 MHz


@pytest.mark.parametrize("width", [5e-6, 60e-6])
def test_rows_tell_the_row_of_a_pulse_and_its_width(width):
    starts = 0.5e-3 + 1.3e-3 * np.arange(14)
    found = pulses_in_rows(rows_of(starts, width), GEOMETRY, bins=BINS)
    assert found.times.size == 14
    assert np.abs(found.times - starts - width / 2).max() <= 0.5 * GEOMETRY.row_duration + 1e-9
    assert np.median(found.widths) == pytest.approx(width, rel=0.15)


def test_rows_give_the_interval_of_a_frame_to_a_few_microseconds():
    starts = 0.31e-3 + 1.037e-3 * np.arange(18)
    times = pulses_in_rows(rows_of(starts, 2e-6), GEOMETRY, bins=BINS).times
    pattern = find_pattern(times, tolerance=GEOMETRY.row_duration)
    assert (pattern.kind, pattern.interval) == (PatternKind.CONSTANT, pytest.approx(1.037e-3, abs=5e-6))


def test_rows_of_noise_have_no_pulses():
    assert pulses_in_rows(rows_of(np.array([]), 1e-6), GEOMETRY, bins=BINS).times.size == 0


def test_rows_that_do_not_fit_are_refused():
    rows = np.zeros((2, 256, 64), np.float32)
    with pytest.raises(GeometryError, match=r"rows have shape \(1, 256, 64\), expected \(2, T, 64\)"):
        pulses_in_rows(rows[:1], GEOMETRY, bins=BINS)
    with pytest.raises(GeometryError, match=r"bins=\(5, 5\) are none of 64; give the first and the one after the last"):
        pulses_in_rows(rows, GEOMETRY, bins=(5, 5))
    only_mean = Geometry(samp_rate=15.36e6, fft_size=64, hop=30, segments_per_row=40, reductions=(Reduction.MEAN,))
    with pytest.raises(GeometryError, match="lack mean or max; both are needed"):
        pulses_in_rows(rows[:1], only_mean, bins=BINS)


# -- medians


@pytest.mark.parametrize("count", [1, 2, 17, 62, 63])
def test_a_median_of_few_values_is_exact(count):
    values = np.random.default_rng(count).normal(size=count)
    median = StreamingMedian()
    for value in values:
        median.add(value)
    assert median.value == pytest.approx(np.median(values), abs=0) and median.count == count


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform"])
def test_a_median_of_many_values_is_near(draw):
    values = getattr(np.random.default_rng(1), draw)(size=20_000)
    median = StreamingMedian()
    for value in values:
        median.add(value)
    assert abs(median.value - np.median(values)) < 0.02
    assert len(median._heights) == 5 and not median._first


def test_a_median_without_values_is_not_known():
    assert StreamingMedian().value is None


def test_a_period_is_not_refined_down_to_nothing():
    times = np.array([0.0, 0.5, 100.0])  # within the tolerance each pulse is the next one and itself
    assert intervals_module._refined(times, 2.05, 1.0) == 2.05
