"""Edges from power: known spectra through a hann window, unequal floors, slopes, neighbours and the ends of the spectrum."""

import numpy as np
import pytest

from rfseg.bands.edges import Edge, find_edges, share_edges, without_noise
from rfseg.spectrogram import periodic_hann

BINS = 128
ROWS = (0, 256)
EXACT = 1 / 16 + 0.01  # bins: half a step of the search
FINE = 8  # points per bin that the spectra below are made of


def seen(spectrum) -> np.ndarray:
    """Profile of a power density over bin positions as a hann window shows it, ``(BINS,)``."""
    padded = np.abs(np.fft.fftshift(np.fft.fft(periodic_hann(BINS), BINS * FINE))) ** 2
    kernel = padded[BINS * FINE // 2 - 8 * FINE : BINS * FINE // 2 + 8 * FINE + 1]
    fine = (np.arange((BINS + 16) * FINE) + 0.5) / FINE - 8
    values = np.convolve(np.vectorize(spectrum)(fine), kernel / kernel.sum(), mode="same")
    return np.interp(np.arange(BINS) + 0.5, fine, values)


def block(low: float, high: float, level: float, floor: float = 1e-9):
    return lambda at: level + floor if low <= at < high else floor


def edges_of(profile: np.ndarray, bins: tuple[int, int]) -> tuple[float, float]:
    lower, upper = find_edges([profile], [bins])[0]
    return lower.position, upper.position


@pytest.mark.parametrize("low, high", [(30.0, 70.0), (30.25, 70.4), (30.7, 69.9), (30.5, 35.06)])
@pytest.mark.parametrize("snr_db", [6, 20, 40])
def test_edges_are_where_the_spectrum_begins_and_ends(low, high, snr_db):
    profile = seen(block(low, high, 10 ** (snr_db / 10) * 1e-9))
    assert edges_of(profile, (round(low), round(high))) == pytest.approx((low, high), abs=EXACT)


@pytest.mark.parametrize("lower, upper", [(-3, 3), (-2, 1), (2, -2), (1, 3)])
def test_a_mask_some_bins_off_makes_no_difference(lower, upper):
    profile = seen(block(30.3, 70.6, 1e-6))
    assert edges_of(profile, (30 + lower, 71 + upper)) == pytest.approx((30.3, 70.6), abs=EXACT)


def test_floors_may_differ_from_side_to_side():
    profile = seen(lambda at: 1e-6 if 30.3 <= at < 70.6 else 1e-9 if at < 50 else 2e-7)
    assert edges_of(profile, (30, 71)) == pytest.approx((30.3, 70.6), abs=EXACT)


def test_a_level_that_falls_towards_the_edge_does_not_move_it():
    profile = seen(lambda at: 10 ** (-6 + 0.2 * min(at - 30.3, 6)) if 30.3 <= at < 70.6 else 1e-9)  # 2 dB a bin
    assert edges_of(profile, (30, 71))[0] == pytest.approx(30.3, abs=0.3)


def test_blocks_in_use_further_inside_do_not_attract_the_edge():
    profile = seen(lambda at: 1e-9 if not 30.3 <= at < 60.2 else 1e-6 if at < 33 else 2.5e-6)  # a 4 dB step inside
    assert edges_of(profile, (30, 60))[0] == pytest.approx(30.3, abs=0.25)  # it reads as a slope


def test_without_a_step_the_edges_are_those_of_the_mask():
    lower, upper = find_edges([np.full(BINS, 1e-6)], [(30, 70)])[0]
    assert (lower.position, upper.position) == (30.0, 70.0) and not lower.is_step and not upper.is_step


def test_ends_of_the_spectrum_are_half_the_sample_rate():
    assert edges_of(np.full(BINS, 1e-6), (0, BINS)) == (0.5, BINS + 0.5)
    profile = seen(block(-20.0, 40.2, 1e-6))  # a carrier that the band cuts
    assert edges_of(profile, (0, 40)) == pytest.approx((0.5, 40.2), abs=EXACT)


def test_levels_next_to_an_edge_are_given():
    lower, upper = find_edges([seen(block(30.25, 70.4, 1e-6, floor=1e-8))], [(30, 70)])[0]
    assert [lower.inner, upper.inner] == pytest.approx([1.01e-6] * 2, rel=0.05)
    assert [lower.outer, upper.outer] == pytest.approx([1e-8] * 2, rel=0.1)


def test_noise_of_a_short_frame_moves_an_edge_little():
    rng = np.random.default_rng(3)
    clean = seen(block(30.3, 70.6, 1e-7, floor=1e-8))  # 10 dB
    errors = []
    for _ in range(200):
        profile = clean * rng.gamma(512, 1 / 512, BINS)  # 1 ms: 512 segments
        errors += [abs(a - b) for a, b in zip(edges_of(profile, (30, 71)), (30.3, 70.6))]
    assert np.median(errors) < 0.15 and np.max(errors) < 1.0


def test_where_carriers_touch_the_stronger_shows_the_edge_of_both():
    profile = seen(lambda at: 1e-7 if 20 <= at < 50.4 else 1e-5 if 50.4 <= at < 80 else 1e-9)
    boxes = [(ROWS, (20, 50)), (ROWS, (50, 80))]
    (_, upper), (lower, _) = share_edges(boxes, find_edges([profile] * 2, [bins for _, bins in boxes]))
    assert upper.position == lower.position == pytest.approx(50.4, abs=EXACT)


def test_carriers_that_touch_at_other_times_share_nothing():
    step, none = Edge(50.4, 1e-5, 1e-7, True), Edge(50.0, 1e-7, 1e-7, False)
    ends = Edge(20.0, 1e-7, 1e-9, True), Edge(80.0, 1e-5, 1e-9, True)
    edges = [(ends[0], none), (step, ends[1])]
    apart = share_edges([((0, 100), (20, 50)), ((100, 256), (50, 80))], edges)
    assert apart == edges
    together = share_edges([((0, 101), (20, 50)), ((100, 256), (50, 80))], edges)
    assert together[0][1].position == 50.4


@pytest.mark.parametrize(
    "bins, expected",
    [
        ((8, 100), (30, 71)),  # far into the noise on both sides
        ((20, 81), (20, 81)),  # as far as blocks may be out of use
        ((40, 60), (40, 60)),  # inside the carrier
    ],
)
def test_a_mask_that_reaches_far_into_the_noise_is_cut(bins, expected):
    noise = np.full(BINS, 1e-9)
    start, stop = without_noise(seen(block(30.3, 70.6, 1e-7)), bins, noise)
    assert (start, stop) == pytest.approx(expected, abs=2)


def test_a_weak_carriers_mask_is_not_cut():
    assert without_noise(seen(block(30.3, 70.6, 3e-9)), (8, 100), np.full(BINS, 1e-9)) == (8, 100)


def test_no_bands_have_no_edges():
    assert find_edges([], []) == []
