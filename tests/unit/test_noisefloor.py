"""The noise floor: what a frame shows, what is remembered, and what is not taken for noise."""

import numpy as np
import pytest

from rfseg.bands.noisefloor import NoiseFloor, frame_floor

ROWS, BINS = 256, 128
LEVEL = 1e-9
CLOSE = 0.05  # relative; a row of 40 segments varies by 16 %, a stretch of 16 rows by 4 %


def frame(rng, *, level=LEVEL, carriers=(), rows=ROWS):
    """Mean power and busy pixels of a frame with carriers ``(rows, bins, power)``."""
    mean = level * rng.gamma(40, 1 / 40, (rows, BINS))
    busy = np.zeros(mean.shape, bool)
    for row_range, bin_range, power in carriers:
        box = slice(*row_range), slice(*bin_range)
        mean[box] += power
        busy[box] = True
    return mean, busy


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_free_bins_show_their_noise(rng):
    slope = 10 ** np.linspace(-0.1, 0.1, BINS)
    mean, busy = frame(rng)
    floor = frame_floor(mean * slope, busy)
    np.testing.assert_allclose(floor / (LEVEL * slope), 1.0, atol=4 * CLOSE)
    assert np.median(floor / (LEVEL * slope)) == pytest.approx(1.0, rel=CLOSE)


def test_bins_of_a_carrier_and_those_beside_it_show_none(rng):
    floor = frame_floor(*frame(rng, carriers=[((0, ROWS), (40, 60), 1e-6)]))
    assert np.isnan(floor[35:65]).all() and np.isfinite(floor[:35]).all() and np.isfinite(floor[65:]).all()


def test_pauses_of_a_carrier_show_its_noise(rng):
    floor = frame_floor(*frame(rng, carriers=[((0, 128), (0, BINS), 1e-6)]))
    assert np.median(floor) == pytest.approx(LEVEL, rel=CLOSE)


def test_bursts_without_a_label_do_not_count(rng):
    mean, busy = frame(rng)
    mean[40:140, 20:50] += 1e-7
    np.testing.assert_allclose(frame_floor(mean, busy)[20:50] / LEVEL, 1.0, atol=4 * CLOSE)


def test_an_emitter_that_the_mask_calls_noise_is_no_floor(rng):
    mean, busy = frame(rng)
    mean[:, 30:50] += 1e-7
    floor = frame_floor(mean, busy)
    assert np.isnan(floor[30:50]).all() and np.isfinite(floor[:30]).all()


def test_samples_that_were_lost_are_no_floor(rng):
    mean, busy = frame(rng, carriers=[((0, 156), (0, BINS), 1e-6)])
    mean[156:] = 1e-20
    assert np.isnan(frame_floor(mean, busy)).all()


def test_frames_of_any_number_of_rows_are_measured(rng):
    for rows in (1, 7, 16, 100):
        assert np.median(frame_floor(*frame(rng, rows=rows))) == pytest.approx(LEVEL, rel=0.2)


def test_under_a_carrier_the_floor_lies_between_its_sides(rng):
    noise = NoiseFloor()
    slope = 10 ** np.linspace(-0.1, 0.1, BINS)
    mean, busy = frame(rng, carriers=[((0, ROWS), (50, 80), 1e-6)])
    noise.update(mean * slope, busy)
    np.testing.assert_allclose(noise.level() / (LEVEL * slope), 1.0, atol=6 * CLOSE)


def test_a_filters_slope_says_nothing_of_the_passband(rng):
    shape = np.ones(BINS)
    shape[-15:] = 10 ** np.linspace(0, -3, 15)
    mean, busy = frame(rng, carriers=[((0, ROWS), (60, 112), 1e-6)])
    noise = NoiseFloor()
    noise.update(mean * shape, busy)
    np.testing.assert_allclose(noise.level()[60:105] / LEVEL, 1.0, atol=4 * CLOSE)


def test_a_carrier_that_fills_the_band_from_the_start_leaves_no_floor(rng):
    noise = NoiseFloor()
    noise.update(*frame(rng, carriers=[((0, ROWS), (0, BINS), 1e-6)]))
    assert noise.level() is None


def test_what_was_seen_before_a_carrier_came_is_remembered(rng):
    noise = NoiseFloor()
    noise.update(*frame(rng))
    for _ in range(20):
        noise.update(*frame(rng, carriers=[((0, ROWS), (0, BINS), 1e-6)]))
    assert np.median(noise.level()) == pytest.approx(LEVEL, rel=CLOSE)


def test_a_remembered_floor_follows_the_gain_by_what_other_bins_show(rng):
    noise = NoiseFloor()
    noise.update(*frame(rng))
    noise.update(*frame(rng, level=10 * LEVEL, carriers=[((0, ROWS), (0, 90), 1e-5)]))
    np.testing.assert_allclose(noise.level() / (10 * LEVEL), 1.0, atol=6 * CLOSE)


def test_the_floor_falls_quickly_and_rises_slowly(rng):
    noise = NoiseFloor()
    noise.update(*frame(rng))
    noise.update(*frame(rng, level=1.4 * LEVEL))
    assert np.median(noise.level()) == pytest.approx(LEVEL * 1.4**0.1, rel=CLOSE)
    noise.update(*frame(rng, level=LEVEL / 1.4))
    assert np.median(noise.level()) < 0.9 * LEVEL


def test_after_a_retune_nothing_is_remembered(rng):
    noise = NoiseFloor()
    noise.update(*frame(rng), center_freq=2.4e9)
    noise.update(*frame(rng, carriers=[((0, ROWS), (0, BINS), 1e-6)]), center_freq=2.5e9)
    assert noise.level() is None


def test_a_spike_at_the_centre_is_no_noise(rng):
    mean, busy = frame(rng)
    mean[:, BINS // 2] += 1e-7
    mean[:, [BINS // 2 - 1, BINS // 2 + 1]] += 0.25e-7
    noise = NoiseFloor()
    noise.update(mean, busy)
    assert noise.level()[BINS // 2] == pytest.approx(LEVEL, rel=4 * CLOSE)


def test_before_the_first_frame_there_is_no_floor():
    assert NoiseFloor().level() is None
