"""The geometry rule, and the axes and clocks that hang on it."""

import pytest

from rfseg.errors import GeometryError
from rfseg.geometry import Frame, Geometry, Reduction, RxTime, make_geometry

SHAPES = [  # samp_rate (Hz), duration (s), bins, hop, segments per row: the rule worked by hand
    (61.44e6, 20e-3, 256, 120, 40),
    (61.44e6, 1e-3, 256, 120, 2),
    (30.72e6, 10e-3, 128, 60, 20),
    (19.2e6, 20e-3, 80, 37, 40),
    (20e6, 20e-3, 80, 39, 40),
    (15.36e6, 40e-3, 64, 30, 80),
    (122.88e6, 20e-3, 512, 240, 40),
]


@pytest.mark.parametrize("samp_rate, duration, bins, hop, per_row", SHAPES)
def test_rule_gives_the_shape_worked_by_hand(samp_rate, duration, bins, hop, per_row):
    geometry = make_geometry(samp_rate, frame_duration=duration)
    assert (geometry.bins, geometry.hop, geometry.segments_per_row) == (bins, hop, per_row)
    assert geometry.frame_samples == 256 * per_row * hop


def test_bins_stay_near_240_khz_and_segments_overlap_by_half_at_every_rate():
    for samp_rate in range(15_360_000, 122_880_001, 40_000):
        geometry = make_geometry(samp_rate)
        assert 226e3 < geometry.bin_width < 255e3
        assert 0.42 < geometry.hop / geometry.fft_size < 0.5


@pytest.mark.parametrize("samp_rate", [10e6, 15.3e6, 123e6, 0.0, -1.0, float("nan")])
def test_rate_outside_the_rule_is_refused_with_the_range(samp_rate):
    with pytest.raises(GeometryError, match=r"samp_rate=.* outside 1.536e\+07 to 1.2288e\+08 Hz"):
        make_geometry(samp_rate)


@pytest.mark.parametrize("duration", [0.9e-3, 41e-3, float("nan")])
def test_duration_outside_the_rule_is_refused(duration):
    with pytest.raises(GeometryError, match="frame_duration=.* outside 0.001 to 0.04 s"):
        make_geometry(61.44e6, frame_duration=duration)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"samp_rate": float("inf")}, "samp_rate=inf is not a rate"),
        ({"fft_size": 255}, "fft_size=255 is odd"),
        ({"fft_size": 0}, "fft_size=0 must be an integer of at least 1"),
        ({"hop": 1.5}, "hop=1.5 must be an integer"),
        ({"hop": 300}, "hop=300 exceeds fft_size=256"),
        ({"reductions": ()}, "reductions is empty"),
    ],
)
def test_impossible_geometry_is_refused(change, text):
    fields = {"samp_rate": 61.44e6, "fft_size": 256, "hop": 120, "segments_per_row": 40, **change}
    with pytest.raises(GeometryError, match=text):
        Geometry(**fields)


def test_reductions_are_taken_by_name():
    geometry = Geometry(samp_rate=1e6, fft_size=64, hop=32, segments_per_row=1, reductions=("first", "max"))
    assert geometry.reductions == (Reduction.FIRST, Reduction.MAX)


def test_edges_and_frequencies_are_inverse_and_dc_is_in_the_middle_bin():
    geometry = make_geometry(61.44e6)
    assert geometry.edge_freq(geometry.bins // 2 + 0.5) == 0.0
    assert geometry.edge_freq(0.5) == -30.72e6
    assert geometry.freq_edge(geometry.edge_freq(17.25)) == pytest.approx(17.25)


def test_valid_rows_counts_rows_with_any_sample():
    geometry = make_geometry(61.44e6)
    assert [geometry.valid_rows(n) for n in (1, 4800, 4801, geometry.frame_samples)] == [1, 1, 2, 256]


def test_time_after_a_day_of_samples_is_exact():
    start = RxTime(seconds=1_700_000_000, fraction=0.25)
    day = 86_400 * 61_440_000
    assert start.after(day, 61.44e6) == RxTime(seconds=1_700_086_400, fraction=0.25)
    assert start.after(day + 46_080_000, 61.44e6) == RxTime(seconds=1_700_086_401, fraction=0.0)


def test_fraction_of_a_second_outside_its_range_is_refused():
    with pytest.raises(GeometryError, match="fraction=1.0 of a second"):
        RxTime(seconds=0, fraction=1.0)


@pytest.mark.parametrize("valid", [0, 11])
def test_frame_with_impossible_valid_samples_is_refused(valid):
    with pytest.raises(GeometryError, match=f"valid_samples={valid} must lie in 1 to sample_count=10"):
        Frame(index=0, sample_start=0, sample_count=10, valid_samples=valid, samp_rate=1e6)


def test_watermark_is_the_first_sample_after_the_frame():
    frame = Frame(index=0, sample_start=100, sample_count=10, valid_samples=7, samp_rate=1e6)
    assert frame.watermark == 107
