"""The NumPy specification of the rows: levels, positions, cut frames, bad samples."""

import numpy as np
import pytest

from rfseg.errors import GeometryError
from rfseg.geometry import Geometry, make_geometry
from rfseg.spectrogram import frame_rows, periodic_hann, segment_power

SMALL = Geometry(samp_rate=64e3, fft_size=64, hop=30, segments_per_row=3, rows=8)
SINGLE_PRECISION_DB = 1e-3  # a float32 FFT of at most 512 points


def tone(freq_bins: float, count: int, fft_size: int = 64) -> np.ndarray:
    return np.exp(2j * np.pi * freq_bins / fft_size * np.arange(count)).astype(np.complex64)


def noise(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ((rng.standard_normal(count) + 1j * rng.standard_normal(count)) * np.sqrt(0.5)).astype(np.complex64)


@pytest.mark.parametrize("offset", [-32, -5, 0, 7, 31])
def test_tone_of_amplitude_one_shows_0_dbfs_in_its_bin(offset):
    rows, _ = frame_rows(tone(offset, SMALL.frame_samples), SMALL)
    assert np.all(rows.argmax(axis=-1) == SMALL.bins // 2 + offset)
    np.testing.assert_allclose(rows.max(axis=-1), 0.0, atol=SINGLE_PRECISION_DB)


def test_segment_power_keeps_the_energy_of_the_windowed_samples():
    iq = noise(64)
    window = periodic_hann(64).astype(np.float64)
    power = segment_power(iq, np.array([0]), 64).sum()
    expected = 64 * np.sum(np.abs(iq * window) ** 2) / window.sum() ** 2  # Parseval, normalised
    np.testing.assert_allclose(power, expected, rtol=1e-5)


def test_mean_of_unit_noise_lies_at_the_window_noise_bandwidth():
    geometry = make_geometry(15.36e6, frame_duration=20e-3)
    rows, _ = frame_rows(noise(geometry.frame_samples), geometry)
    level = 10 * np.log10(np.mean(10 ** (rows[0].astype(np.float64) / 10)))
    np.testing.assert_allclose(level, 10 * np.log10(1.5 / geometry.bins), atol=0.05)


def test_max_is_the_largest_and_first_the_first_of_a_rows_segments():
    geometry = Geometry(**{**_fields(SMALL), "reductions": ("mean", "max", "first")})
    iq = noise(geometry.frame_samples + geometry.overhang)
    rows, _ = frame_rows(iq, geometry)
    power = segment_power(iq, np.arange(0, geometry.frame_samples, 30), 64).reshape(8, 3, 64)
    np.testing.assert_allclose(rows[0], 10 * np.log10(power.mean(axis=1)), atol=SINGLE_PRECISION_DB)
    np.testing.assert_allclose(rows[1], 10 * np.log10(power.max(axis=1)), atol=SINGLE_PRECISION_DB)
    np.testing.assert_allclose(rows[2], 10 * np.log10(power[:, 0]), atol=SINGLE_PRECISION_DB)


def test_samples_after_the_overhang_change_nothing():
    iq = noise(SMALL.frame_samples + 500)
    whole, _ = frame_rows(iq, SMALL)
    exact, _ = frame_rows(iq[: SMALL.frame_samples + SMALL.overhang], SMALL)
    np.testing.assert_array_equal(whole, exact)


def test_last_segment_moves_back_onto_the_last_samples_where_the_run_ends():
    iq = noise(SMALL.frame_samples)
    rows, _ = frame_rows(iq, Geometry(**{**_fields(SMALL), "segments_per_row": 1, "rows": 24}))
    moved = segment_power(iq, np.array([iq.size - 64]), 64)[0]
    np.testing.assert_allclose(rows[0, -1], 10 * np.log10(moved), atol=SINGLE_PRECISION_DB)


@pytest.mark.parametrize("valid", [1, 63, 64, 90, 91, 400, 719])
def test_cut_frame_goes_on_with_its_rows_mirrored_in_time(valid):
    rows, _ = frame_rows(noise(valid), SMALL)
    count = SMALL.valid_rows(valid)
    assert rows.shape == (2, 8, 64)
    period = [*range(count), *reversed(range(count))]
    np.testing.assert_array_equal(rows, rows[:, (period * 8)[:8]])


def test_run_shorter_than_a_segment_is_padded_with_zeros():
    iq = noise(40)
    rows, _ = frame_rows(iq, SMALL)
    padded = segment_power(np.pad(iq, (0, 24)), np.array([0]), 64)[0]
    np.testing.assert_allclose(rows[1, 0], 10 * np.log10(padded), atol=SINGLE_PRECISION_DB)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, complex(0, np.nan)])
def test_samples_that_are_not_finite_count_as_zero(bad):
    iq = noise(SMALL.frame_samples + SMALL.overhang)
    clean = iq.copy()
    iq[[5, 100, SMALL.frame_samples + 3]] = bad
    clean[[5, 100, SMALL.frame_samples + 3]] = 0
    rows, non_finite = frame_rows(iq, SMALL)
    np.testing.assert_array_equal(rows, frame_rows(clean, SMALL)[0])
    assert non_finite == 2  # the third lies in the overhang, and the next frame counts it


def test_silence_and_huge_samples_stay_inside_the_power_range():
    silent, _ = frame_rows(np.zeros(SMALL.frame_samples, np.complex64), SMALL)
    loud, _ = frame_rows(np.full(SMALL.frame_samples, 1e18, np.complex64), SMALL)
    beyond, _ = frame_rows(np.full(SMALL.frame_samples, 3e38, np.complex64), SMALL)  # the transform overflows
    assert np.isfinite(beyond).all() and beyond.max() == pytest.approx(200.0, abs=SINGLE_PRECISION_DB)
    assert silent.min() == silent.max() == -200.0
    assert loud.max() == pytest.approx(200.0, abs=SINGLE_PRECISION_DB)


def test_long_frame_equals_its_rows_one_by_one():
    geometry = make_geometry(15.36e6, frame_duration=40e-3)  # 20480 segments: several batches
    iq = noise(geometry.frame_samples + geometry.overhang)
    rows, _ = frame_rows(iq, geometry)
    one = Geometry(**{**_fields(geometry), "rows": 1})
    for index in (0, 50, 51, 255):
        start = index * geometry.row_samples
        expected, _ = frame_rows(iq[start : start + geometry.row_samples + geometry.overhang], one)
        np.testing.assert_allclose(rows[:, index], expected[:, 0], atol=SINGLE_PRECISION_DB)


@pytest.mark.parametrize("shape", [(0,), (2, 64)])
def test_shape_that_is_no_run_of_samples_is_refused(shape):
    with pytest.raises(GeometryError, match="expected \\(n,\\) with at least one sample"):
        frame_rows(np.zeros(shape, np.complex64), SMALL)


def _fields(geometry: Geometry) -> dict:
    return {name: getattr(geometry, name) for name in Geometry.__dataclass_fields__}
