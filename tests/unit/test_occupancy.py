"""Occupancy: every sum is a number of samples, whatever the frames look like."""

from __future__ import annotations

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.occupancy import Occupancy, OccupancyRules
from rfseg.occupancyreport import CSV_COLUMNS, OccupancyReport, report_to_csv

RATE = 10e6  # Hz
CENTER = 3.5e9  # Hz
PLAIN = {"window": 1.0, "interval": 0.1, "bin_width": 1e6, "hold": 0.0, "min_width": 1e6, "guard": 0.0, "validity": 0.1}


def frame(start: int, count: int, **values) -> Frame:
    """A frame of ``count`` samples at 3.5 GHz."""
    fields = {"index": 0, "samp_rate": RATE, "center_freq": CENTER, **values}
    return Frame(sample_start=start, sample_count=count, valid_samples=count, **fields)


def band(low: float, high: float, start: int, count: int, center: float = CENTER) -> Band:
    """A band with edges in MHz from the centre."""
    return Band(
        label="LTE",
        class_id=1,
        confidence=1.0,
        freq_lower_edge=center + low * 1e6,
        freq_upper_edge=center + high * 1e6,
        freq_reference="rf",
        sample_start=start,
        sample_count=count,
    )


def edges(bands) -> list[tuple[float, float]]:
    """Edges in MHz from 3.5 GHz."""
    return [((b.freq_lower_edge - CENTER) / 1e6, (b.freq_upper_edge - CENTER) / 1e6) for b in bands]


def duty(report: OccupancyReport) -> list[float]:
    """Duty cycles of the only span."""
    (span,) = report.spans
    return list(span.duty_cycle)


def test_duty_cycle_is_the_share_of_samples_and_bands_that_overlap_count_once():
    occupancy = Occupancy(OccupancyRules(**PLAIN))
    bands = [band(-2, 0, 0, 300_000), band(-1, 1, 200_000, 300_000), band(3.5, 4.1, 999_999, 1)]
    (report,) = occupancy.add(frame(0, 1_000_000), bands)
    # bins from -5 to 5 MHz: -2..-1 for 300 000 of a million, -1..0 from 0 to 500 000, 0..1 from 200 000 to 500 000
    assert duty(report) == [0, 0, 0, 0.3, 0.5, 0.3, 0, 0, 1e-6, 1e-6]
    assert (report.sample_start, report.sample_stop, report.spans[0].freq_lower_edge) == (0, 1_000_000, CENTER - 5e6)


def test_the_cut_into_frames_changes_nothing():
    rng = np.random.default_rng(3)
    starts = rng.integers(0, 7_000_000, 60)
    bands = [
        band(*sorted(rng.uniform(-6, 6, 2) + [0, 0.01]), int(start), int(rng.integers(1, 600_000))) for start in starts
    ]

    def reports(cuts: list[int]) -> list[OccupancyReport]:
        occupancy, found = Occupancy(OccupancyRules(**{**PLAIN, "window": 0.3, "hold": 0.12})), []
        for start, stop in zip(cuts, cuts[1:]):
            inside = []
            for b in bands:
                begin, end = max(b.sample_start, start), min(b.sample_start + b.sample_count, stop)
                if begin < end:
                    low, high = ((edge - CENTER) / 1e6 for edge in (b.freq_lower_edge, b.freq_upper_edge))
                    inside.append(band(low, high, begin, end - begin))
            found += occupancy.add(frame(start, stop - start, last=stop == cuts[-1]), inside)
        return found

    whole = reports([0, 7_654_321])
    assert len(whole) == 8 and [r.sample_stop for r in whole][-2:] == [7_000_000, 7_654_321]
    for seed in range(3):
        cuts = np.random.default_rng(seed).choice(7_654_320, 50, replace=False) + 1
        assert reports([0, *sorted(cuts.tolist()), 7_654_321]) == whole


def test_against_counting_sample_by_sample():
    rng = np.random.default_rng(5)
    bins = ((-50e-6, 0.0), (0.0, 50e-6))  # edges, MHz: a span of 100 Hz, as 100 samples a second have it
    rules = {"window": 3.0, "interval": 1.0, "hold": 0.7, "validity": 1.0, "max_duty": 0.3, "bin_width": 50.0}
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, **rules}))
    touched = np.zeros((1200, 2), bool)  # (sample, bin)
    sensed = np.zeros(1200, bool)
    reports, start = [], 0
    while start < 1100:
        count = int(rng.integers(1, 90))
        sensed[start : start + count] = is_inferred = bool(rng.random() < 0.8)
        bands = []
        for _ in range(int(rng.integers(0, 3))):
            low, high = sorted(rng.uniform(-50e-6, 50e-6, 2))
            first = int(rng.integers(0, count))
            last = int(rng.integers(first, count)) + 1
            bands.append(band(low, high, start + first, last - first))
            for k, (left, right) in enumerate(bins):
                touched[start + first : start + last, k] |= is_inferred and low < right and high > left
        reports += occupancy.add(frame(start, count, samp_rate=100.0), bands, is_inferred=is_inferred)
        start += count
    assert len(reports) == 11
    for report in reports:
        begin, end = report.sample_start, report.sample_stop
        assert (end % 100, end - begin) == (0, min(end, 300))
        shares = touched[begin:end].sum(axis=0) / sensed[begin:end].sum()
        assert duty(report) == shares.tolist()
        for k, place in enumerate(bins):
            seen = np.flatnonzero(touched[:end, k])
            is_held = seen.size > 0 and end - (seen[-1] + 1) <= 70
            listed = [low <= place[0] + 1e-9 and place[1] - 1e-9 <= high for low, high in edges(report.occupied)]
            assert any(listed) == (is_held or shares[k] > 0.3)


def test_the_window_slides_and_forgets():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "window": 0.2}))
    reports = []
    for index in range(4):
        start = index * 1_000_000
        reports += occupancy.add(frame(start, 1_000_000), [band(-2, 0, start, 500_000)] if index == 0 else [])
    assert [duty(report)[4] for report in reports] == [0.5, 0.25, 0.0, 0.0]
    assert [report.sample_start for report in reports] == [0, 0, 1_000_000, 2_000_000]


def test_memory_is_bounded_by_the_window():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "window": 0.5}))
    for index in range(300):
        occupancy.add(frame(index * 100_000, 100_000), [band(-2, 0, index * 100_000, 500)])
    assert len(occupancy._slots) <= 6 and occupancy._grid.sensed.size == 10


def test_hold_keeps_a_band_occupied_and_the_guard_keeps_a_distance():
    rules = {**PLAIN, "hold": 0.15, "guard": 0.5e6, "min_width": 2e6, "max_duty": 1.0}
    occupancy, reports = Occupancy(OccupancyRules(**rules)), []
    for index in range(4):
        start = index * 1_000_000
        reports += occupancy.add(frame(start, 1_000_000), [band(-1, 1, start, 1_000_000)] if index == 0 else [])
    assert [edges(report.occupied) for report in reports] == [[(-1, 1)], [(-1, 1)], [], []]
    # half a megahertz of guard takes a whole bin; what is left of -5..-1 and 1..5 is two wide
    assert edges(reports[0].free) == [(-4, -2), (2, 4)]
    assert edges(reports[3].free) == [(-4, 4)]
    assert [b.valid_until for b in reports[3].free] == [5_000_000]
    assert [b.valid_until for b in reports[0].occupied] == [2_000_000]


def test_a_bin_that_is_used_now_and_then_is_not_free():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "max_duty": 0.2}))
    bands = [band(-2, -1, 0, 300_000), band(1, 2, 0, 100_000)]
    (report,) = occupancy.add(frame(0, 1_000_000), bands)
    assert edges(report.occupied) == [(-2, -1)]
    assert report.occupied[0].duty_cycle == 0.3
    assert edges(report.free) == [(-5, -2), (-1, 5)]


def test_frames_that_were_not_inferred_do_not_count_and_free_bands_run_out():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "window": 0.5, "validity": 0.15}))
    reports = occupancy.add(frame(0, 1_000_000), [])
    for index in (1, 2):
        reports += occupancy.add(frame(index * 1_000_000, 1_000_000), [], is_inferred=False)
    assert [edges(report.free) for report in reports] == [[(-5, 5)], [(-5, 5)], []]
    assert [report.free[0].valid_until for report in reports[:2]] == [2_500_000, 2_500_000]  # when last sensed
    assert [duty(report) for report in reports] == [[0.0] * 10] * 3  # of the one interval that is known


def test_a_gap_is_not_counted_and_is_not_reported_interval_by_interval():
    occupancy = Occupancy(OccupancyRules(**PLAIN))
    time = RxTime(seconds=7, fraction=0.0)
    assert occupancy.add(frame(0, 500_000, rx_time=time), [band(0, 1, 0, 500_000)]) == []
    later = RxTime(seconds=17, fraction=0.0)
    reports = occupancy.add(frame(100_000_000, 1_000_000, rx_time=later), [band(0, 1, 100_000_000, 250_000)])
    assert [(r.sample_stop, r.rx_time) for r in reports] == [
        (1_000_000, RxTime(seconds=7, fraction=0.1)),
        (101_000_000, RxTime(seconds=17, fraction=0.1)),
    ]
    assert [duty(r)[5] for r in reports] == [1.0, 0.25]


def test_a_retune_adds_bins_and_keeps_those_that_are_left():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "validity": 0.3}))
    first = occupancy.add(frame(0, 1_000_000), [band(-2, 0, 0, 500_000)])
    moved = occupancy.add(frame(1_000_000, 1_000_000, center_freq=CENTER + 20e6), [])
    assert len(first[0].spans) == 1 and len(moved[0].spans) == 2
    low, high = moved[0].spans
    assert low.duty_cycle == first[0].spans[0].duty_cycle  # nothing new is known there
    assert (high.freq_lower_edge, set(high.duty_cycle)) == (CENTER + 15e6, {0.0})
    assert [b.valid_until for b in moved[0].free if b.freq_lower_edge < CENTER] == [4_000_000]
    assert [b.valid_until for b in moved[0].free if b.freq_lower_edge > CENTER + 10e6] == [5_000_000]


def test_another_rate_or_the_loss_of_the_centre_begins_anew():
    occupancy = Occupancy(OccupancyRules(**PLAIN))
    occupancy.add(frame(0, 1_000_000), [band(-2, 0, 0, 1_000_000)])
    (report,) = occupancy.add(frame(1_000_000, 1_000_000, center_freq=None), [])
    assert report.freq_reference == "baseband" and set(duty(report)) == {0.0}
    (report,) = occupancy.add(frame(2_000_000, 2_000_000, samp_rate=20e6), [])
    assert report.samp_rate == 20e6 and len(duty(report)) == 20


def test_a_day_of_samples_loses_none():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "window": 0.2}))
    day = 86_400 * 122_880_000
    start = day - day % 12_288_000
    fields = {"samp_rate": 122.88e6, "rx_time": RxTime(seconds=86_400, fraction=0.0)}
    (report,) = occupancy.add(frame(start, 12_288_000, **fields), [band(0, 1, start + 1, 1)])
    assert (report.sample_start, report.sample_stop) == (start - 12_288_000, start + 12_288_000)
    assert max(duty(report)) == 1 / 12_288_000
    assert report.rx_time.seconds == 86_400 and report.rx_time.fraction == pytest.approx(0.1, abs=1e-12)


def test_edges_on_the_edge_of_a_bin_stay_there():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "bin_width": 100e3}))
    exact = band(-1.1, 0.3, 0, 1_000_000)  # in binary neither edge is a multiple of 0.1 MHz
    (report,) = occupancy.add(frame(0, 1_000_000), [exact])
    assert np.count_nonzero(duty(report)) == 14


def test_the_end_of_the_stream_is_reported():
    occupancy = Occupancy(OccupancyRules(**PLAIN))
    (report,) = occupancy.add(frame(0, 400_000, last=True), [band(0, 1, 0, 100_000)])
    assert (report.sample_stop, duty(report)[5]) == (400_000, 0.25)
    (whole,) = Occupancy(OccupancyRules(**PLAIN)).add(frame(0, 1_000_000, last=True), [])  # once, not twice
    assert whole.sample_stop == 1_000_000


def test_a_frame_that_comes_again_as_the_last_ends_the_stream_and_counts_once():
    occupancy, bands = Occupancy(OccupancyRules(**PLAIN)), [band(0, 1, 0, 100_000)]
    assert occupancy.add(frame(0, 400_000), bands) == []
    (report,) = occupancy.add(frame(0, 400_000, last=True), bands)
    assert (report.sample_stop, duty(report)[5]) == (400_000, 0.25)
    assert occupancy.finish() == []


def test_csv_has_a_line_for_each_band_and_bin():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "bin_width": 5e6, "min_width": 5e6}))
    time = RxTime(seconds=9, fraction=0.5)
    (report,) = occupancy.add(frame(0, 1_000_000, rx_time=time), [band(1, 2, 0, 250_000)])
    assert len(CSV_COLUMNS) == 8
    assert report_to_csv(report).splitlines() == [
        "1000000,9,0.6,free,3495000000.0,3500000000.0,,2000000",
        "1000000,9,0.6,occupied,3500000000.0,3505000000.0,0.25,2000000",
        "1000000,9,0.6,bin,3495000000.0,3500000000.0,0.0,",
        "1000000,9,0.6,bin,3500000000.0,3505000000.0,0.25,",
    ]


@pytest.mark.parametrize(
    "values, text",
    [
        ({"window": 0.0}, "window=0.0 must be a number above 0"),
        ({"hold": -1.0}, "hold=-1.0 must be a number of at least 0"),
        ({"max_duty": 1.5}, "max_duty=1.5 is a share of the time"),
        ({"window": 0.05}, "window=0.05 s must span 1 to 4096 intervals of 0.1 s"),
        ({"window": 1e4}, "window=10000 s must span 1 to 4096 intervals"),
        ({"validity": 0.05}, "validity=0.05 s is shorter than interval=0.1 s"),
    ],
)
def test_rules_that_make_no_sense_are_refused(values, text):
    with pytest.raises(BandError, match=text):
        OccupancyRules(**{**PLAIN, **values})


def test_frames_out_of_order_are_refused():
    occupancy = Occupancy()
    occupancy.add(frame(1_000, 1_000), [])
    with pytest.raises(BandError, match="a frame at sample 1500 follows one up to 2000; sort them"):
        occupancy.add(frame(1_500, 1_000), [])


def test_too_fine_bins_are_refused():
    occupancy = Occupancy(OccupancyRules(**{**PLAIN, "bin_width": 1.0}))
    with pytest.raises(BandError, match="bins are more than 1048576; choose a larger bin_width"):
        occupancy.add(frame(0, 1_000), [])


@pytest.mark.parametrize(
    "values, text",
    [
        ({"sample_start": 5, "sample_stop": 4}, "a window from sample 5 to 4 is none"),
        ({"freq_reference": "if"}, "freq_reference='if' must be one of rf, baseband"),
    ],
)
def test_reports_that_make_no_sense_are_refused(values, text):
    fields = {"sample_start": 0, "sample_stop": 1, "samp_rate": RATE, "freq_reference": "rf", "bin_width": 1e6}
    with pytest.raises(BandError, match=text):
        OccupancyReport(**{**fields, **values})
