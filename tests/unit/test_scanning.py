"""A scan of a made-up spectrum, with receivers of all sorts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.scanning import PlannerState, ScanPlanner, ScanRange, ScanReport, ScanRules, ScanSpan, StitchRules, to_ranges
from rfseg.scanning.plan import make_steps
from rfseg.scanning.report import CSV_COLUMNS, scan_from_fields, scan_from_json, scan_to_csv, scan_to_fields, scan_to_json
from rfseg.scanning.schedule import Schedule

RATE = 20e6  # Hz; 16 MHz of it are used
FRAME = 200_000  # samples; 10 ms
RANGE = ScanRange(freq_lower_edge=3.4e9, freq_upper_edge=3.46e9)  # four steps of 15 MHz
RULES = ScanRules(samp_rate=RATE, ranges=(RANGE,), dwell_frames=2, timeout=0.1)
STITCH = StitchRules(report_interval=0.0)
CENTERS = [3407.5e6, 3422.5e6, 3437.5e6, 3452.5e6]
LTE = ("LTE", 3413e6, 3419e6)  # across the border of the first two steps, at 3415 MHz


@dataclass
class Receiver:
    """What a radio and a network make of the air: obeys ``delay`` frames late, frequencies are whole ``raster`` Hz.

    ``ignores`` says of a command's number whether it is lost, ``air`` are the carriers on at a sample.
    """

    air: object
    delay: int = 1
    raster: float = 1.0
    ignores: object = lambda number: False
    center: float = 1e9
    sample: int = 0
    index: int = 0
    commands: list = field(default_factory=list)
    lost: int = 0  # samples that an overflow has cost
    waiting: list = field(default_factory=list)

    def tune(self, command) -> None:
        """Hear a command."""
        number = len(self.commands)
        self.commands.append(command)
        if not self.ignores(number):
            self.waiting.append((self.index + self.delay, round(command.center_freq / self.raster) * self.raster))

    def frame(self, *, size: int = FRAME, **changes) -> tuple[Frame, list[Band]]:
        """The next frame and its bands."""
        while self.waiting and self.waiting[0][0] <= self.index:
            self.center = self.waiting.pop(0)[1]
        moment = RxTime(seconds=100, fraction=0.0).after(self.sample + self.lost, RATE)
        frame = Frame(
            index=self.index, sample_start=self.sample, sample_count=FRAME, valid_samples=size, samp_rate=RATE,
            center_freq=self.center, rx_time=moment, **changes,
        )  # fmt: skip
        bands = []
        for label, low, high in self.air(self.sample):
            edges = max(low, self.center - RATE / 2), min(high, self.center + RATE / 2)
            if edges[0] < edges[1]:
                density = 1e-10  # of full scale squared per Hz: -32 dBFS for 6 MHz
                bands.append(
                    Band(
                        label=label, class_id=1, confidence=0.9, freq_lower_edge=edges[0], freq_upper_edge=edges[1],
                        freq_reference="rf", sample_start=self.sample, sample_count=size,
                        power_dbfs=10 * np.log10(density * (edges[1] - edges[0])), snr_db=20.0,
                    )  # fmt: skip
                )
        self.sample, self.index = self.sample + size, self.index + 1
        return frame, bands


def scan(planner: ScanPlanner, receiver: Receiver, frames: int, **changes) -> list:
    """Events of so many frames, each (name, fields)."""
    events = []

    def obey(out) -> None:
        events.extend(out.events)
        for command in out.commands:
            receiver.tune(command)

    if planner.state is PlannerState.STOPPED:
        obey(planner.start())
    for _ in range(frames):
        obey(planner.add(*receiver.frame(**changes)))
    return events


def named(events: list, name: str) -> list:
    """Fields of the events of a name."""
    return [fields for event, fields in events if event == name]


def picture(planner: ScanPlanner):
    """The newest picture."""
    return planner.report().picture


# -- the plan


def test_steps_share_the_overlap_and_reach_beyond_the_ends_of_the_range():
    rules = replace(RULES, ranges=(RANGE, ScanRange(freq_lower_edge=2.40e9, freq_upper_edge=2.41e9)))
    steps = make_steps(rules)
    assert [step.center_freq for step in steps] == [*CENTERS, 2.405e9]
    half = rules.view_width / 2
    assert steps[0].center_freq - half == RANGE.freq_lower_edge - rules.overlap / 2
    for below, above in zip(steps[:3], steps[1:4]):
        assert below.center_freq + half - (above.center_freq - half) == rules.overlap


def test_ranges_are_read_as_flowgraphs_write_them():
    wanted = (RANGE, ScanRange(freq_lower_edge=1.0, freq_upper_edge=2.0, priority=3.0, dwell=0.5))
    mapping = {"freq_lower_edge": 1.0, "freq_upper_edge": 2.0, "priority": 3.0, "dwell": 0.5}
    assert to_ranges([(3.4e9, 3.46e9), mapping]) == wanted == to_ranges([RANGE, (1.0, 2.0, 3.0, 0.5)])


@pytest.mark.parametrize(
    "values, text",
    [
        ({"samp_rate": 0.0}, "samp_rate=0.0 must be a number above 0"),
        ({"retries": -1}, "retries=-1 must be a number of at least 0"),
        ({"ranges": ()}, "ranges is empty; name at least one"),
        ({"usable": 1.2}, "usable=1.2 is a share of the sample rate"),
        ({"boost": 0.5}, "boost=0.5 must be at least 1"),
        ({"overlap": 16e6}, r"overlap=1.6e\+07 Hz leaves nothing of the usable 1.6e\+07 Hz"),
        ({"freq_jitter": 0.6e6}, "freq_jitter=600000 Hz would leave holes between steps"),
        ({"tolerance": float("nan")}, "tolerance=nan must be a number of at least 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(values, text):
    with pytest.raises(BandError, match=text):
        replace(RULES, **values)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: ScanRange(freq_lower_edge=2.0, freq_upper_edge=1.0), "2.0 to 1.0 Hz is no range to scan"),
        (lambda: replace(RANGE, priority=0.0), "priority=0.0 must be a number above 0"),
        (lambda: replace(RANGE, dwell=0.0), "dwell=0.0 must be a number above 0"),
        (lambda: replace(RANGE, dwell_frames=-1), "dwell_frames=-1 must be a number of at least 0"),
        (lambda: to_ranges([5.0]), r"ranges holds 5.0; expected \(lower edge, upper edge"),
        (lambda: to_ranges([(1.0,)]), "ranges holds None; expected"),
        (lambda: StitchRules(bin_width=0.0), "bin_width=0.0 must be a number above 0"),
        (lambda: StitchRules(max_duty=2.0), "max_duty=2.0 is a share of the time"),
        (lambda: make_steps(replace(RULES, dwell_frames=0, dwell=8.0)), "a sweep of 4 steps takes at least 32 s, more"),
        (
            lambda: make_steps(replace(RULES, samp_rate=1e3, overlap=0.0)),
            "the ranges need more than 65536 steps; scan less",
        ),
    ],
)
def test_ranges_and_plans_that_make_no_sense_are_refused(make, text):
    with pytest.raises(BandError, match=text):
        make()


# -- a receiver that does what it should


def test_a_sweep_finds_a_carrier_that_a_border_cuts_as_one_with_its_edges():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    events = scan(planner, receiver, 12)  # one frame to obey and two to dwell, four times
    assert [command.center_freq for command in receiver.commands[:4]] == CENTERS
    assert [fields["step"] for fields in named(events, "visit")] == [0, 1, 2, 3]
    assert [fields["samples"] for fields in named(events, "visit")] == [2 * FRAME] * 4
    assert named(events, "sweep") == [{"sample": 12 * FRAME, "sweeps": 1}]
    report = picture(planner).report
    (band,) = report.bands
    assert (band.label, band.freq_lower_edge, band.freq_upper_edge, band.steps) == ("LTE", 3413e6, 3419e6, (0, 1))
    assert not band.is_cut_low and not band.is_cut_high
    assert band.duty_cycle == 1.0 and band.snr_db == pytest.approx(20.0)
    assert band.power_dbfs == pytest.approx(10 * np.log10(1e-10 * 6e6))
    assert band.last_seen == 6 * FRAME  # the second visit's end
    assert (band.last_time.seconds, round(band.last_time.fraction, 9)) == (100, 0.06)
    (span,) = report.spans
    assert (span.freq_lower_edge, len(span.duty_cycle)) == (3.4e9, 600)
    occupied = np.flatnonzero(np.array(span.duty_cycle) == 1.0)
    assert occupied.tolist() == list(range(130, 190)) and not np.any(np.array(span.duty_cycle)[190:])
    assert {span.last_seen[place] for place in occupied} == {3 * FRAME, 6 * FRAME}  # seen from one step only, or again
    assert span.last_seen[0] == -1


def test_only_frames_of_the_new_frequency_that_were_judged_and_have_settled_count():
    rules = replace(RULES, settling=0.015)
    planner, receiver = ScanPlanner(rules, STITCH), Receiver(lambda sample: [LTE], center=CENTERS[1])
    receiver.tune(planner.start().commands[0])
    told = []
    for changes in ({}, {"settling": True}, {}, {}):  # old; settling; 10 ms after the retune; 20 ms after it
        told += planner.add(*receiver.frame(**changes)).events
    frame, bands = receiver.frame()
    told += planner.add(frame, bands, is_judged=False).events
    assert not named(told, "visit")
    told = planner.add(*receiver.frame()).events
    assert named(told, "visit")[0]["samples"] == 2 * FRAME
    (span,) = picture(planner).report.spans  # nothing of where it was before
    assert span.freq_lower_edge + len(span.duty_cycle) * 1e5 == 3415.5e6


def test_dwell_is_in_seconds_or_frames_and_each_range_has_its_own():
    ranges = (replace(RANGE, dwell=0.035), ScanRange(freq_lower_edge=5e9, freq_upper_edge=5.01e9, dwell_frames=1))
    planner, receiver = ScanPlanner(replace(RULES, ranges=ranges), STITCH), Receiver(lambda sample: [])
    visits = named(scan(planner, receiver, 22), "visit")
    assert [v["samples"] // FRAME for v in visits] == [4, 4, 4, 4, 1]  # 35 ms are in four frames


def test_duty_cycles_are_shares_of_the_time_that_was_sensed():
    on = {3, 4, 15, 16}  # frames: every other visit of the second step, which takes frames 4 and 5, 16 and 17
    planner = ScanPlanner(replace(RULES, boost=1.0), STITCH)
    receiver = Receiver(lambda sample: [("NR", 3420e6, 3425e6)] if sample // FRAME in on else [])
    scan(planner, receiver, 24)
    (band,) = picture(planner).report.bands
    assert band.duty_cycle == 0.5 and (band.freq_lower_edge, band.freq_upper_edge) == (3420e6, 3425e6)
    occupancy = picture(planner).occupancy
    assert [(b.freq_lower_edge, b.freq_upper_edge, b.duty_cycle) for b in occupancy.occupied] == [(3420e6, 3425e6, 0.5)]
    assert [(b.freq_lower_edge, b.freq_upper_edge) for b in occupancy.free] == [
        (3400.2e6, 3419.8e6), (3425.2e6, 3459.8e6)
    ]  # fmt: skip
    assert all(b.valid_until > occupancy.sample_stop for b in occupancy.free)


def test_the_window_forgets_but_every_step_keeps_its_newest_visit():
    on = lambda sample: [LTE] if sample < 12 * FRAME else []  # noqa: E731
    planner, receiver = ScanPlanner(RULES, replace(STITCH, window=0.2)), Receiver(on)
    scan(planner, receiver, 60)
    report = picture(planner).report
    assert report.bands == () and len(report.spans) == 1 and len(report.spans[0].duty_cycle) == 600
    assert max(max(span.duty_cycle) for span in report.spans) == 0.0


def test_two_labels_at_one_place_stay_two_and_one_carrier_with_two_labels_is_one():
    both = lambda sample: [("LTE", 3410e6, 3420e6), ("Radar", 3414e6, 3416e6)]  # noqa: E731
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(both)
    scan(planner, receiver, 12)
    assert [(b.label, b.steps) for b in picture(planner).report.bands] == [("LTE", (0, 1)), ("Radar", (0, 1))]
    flips = lambda sample: [("LTE" if sample < 3 * FRAME else "NR", 3405e6, 3416.5e6)]  # noqa: E731
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(flips)
    scan(planner, receiver, 12)
    (band,) = picture(planner).report.bands
    assert (band.label, band.freq_lower_edge, band.freq_upper_edge) == ("LTE", 3405e6, 3416.5e6)  # the wider part


def test_carriers_on_either_side_of_a_border_stay_two():
    apart = lambda sample: [("LTE", 3405e6, 3414.8e6), ("LTE", 3415.2e6, 3422e6)]  # noqa: E731
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(apart)
    scan(planner, receiver, 12)
    assert [(b.freq_lower_edge, b.freq_upper_edge) for b in picture(planner).report.bands] == [
        (3405e6, 3414.8e6), (3415.2e6, 3422e6)
    ]  # fmt: skip


def test_a_carrier_over_four_steps_is_one_and_says_that_it_goes_on():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [("NR", 3406e6, 3500e6)])
    scan(planner, receiver, 12)
    (band,) = picture(planner).report.bands
    assert (band.freq_lower_edge, band.freq_upper_edge, band.steps) == (3406e6, 3460.5e6, (0, 1, 2, 3))
    assert band.is_cut_high and not band.is_cut_low


# -- which step is next


def test_occupied_steps_are_visited_more_often_and_none_is_left_alone_for_longer_than_promised():
    rules = replace(RULES, max_revisit=0.4, boost=8.0)
    planner, receiver = ScanPlanner(rules, STITCH), Receiver(lambda sample: [("LTE", 3436e6, 3440e6)])
    visits = named(scan(planner, receiver, 600), "visit")
    ends = {step: [v["sample"] / RATE for v in visits if v["step"] == step] for step in range(4)}
    assert len(ends[2]) > 2 * max(len(ends[step]) for step in (0, 1, 3))
    for moments in ends.values():
        assert max(np.diff([0.0, *moments, planner.now])) <= rules.max_revisit + 1e-9


def test_a_change_brings_a_step_back_sooner():
    def order(air) -> list:
        planner, receiver = ScanPlanner(replace(RULES, boost=20.0), STITCH), Receiver(air)
        return [v["step"] for v in named(scan(planner, receiver, 30), "visit")]

    assert order(lambda sample: [])[4:8] == [0, 1, 2, 3]
    gone = order(lambda sample: [("LTE", 3420e6, 3424e6)] if sample < 6 * FRAME else [])
    assert gone[:4] == [0, 1, 2, 3] and gone[4:8].count(1) == 2  # occupied, then changed


def test_priorities_hold_among_ranges():
    ranges = (RANGE, ScanRange(freq_lower_edge=5e9, freq_upper_edge=5.01e9, priority=3.0))
    planner, receiver = ScanPlanner(replace(RULES, ranges=ranges), STITCH), Receiver(lambda sample: [])
    steps = [v["step"] for v in named(scan(planner, receiver, 300), "visit")]
    assert 2.0 <= steps.count(4) / steps.count(0) <= 4.0


@pytest.mark.parametrize("seed", range(5))
def test_deadlines_hold_for_any_weights_and_costs(seed):
    rng = np.random.default_rng(seed)
    count = 12
    costs = rng.uniform(0.05, 0.5, count)
    schedule = Schedule(rng.uniform(0.1, 10.0, count), max_revisit=1.3 * costs.sum())
    now, ends = 0.0, np.zeros(count)
    for _ in range(600):
        step = schedule.next(now, costs)
        now += costs[step]
        assert now - ends[step] <= schedule.max_revisit + 1e-6
        ends[step] = now
        schedule.visited(step, now)
        schedule.weights[rng.integers(count)] = rng.uniform(0.1, 10.0)
    assert np.all(now - ends <= schedule.max_revisit)


def test_a_sweep_that_does_not_fit_is_told_once_and_goes_round_in_turn():
    planner, receiver = ScanPlanner(replace(RULES, max_revisit=0.09), STITCH), Receiver(lambda sample: [LTE])
    events = scan(planner, receiver, 60)
    (told,) = named(events, "overloaded")
    assert told["sweep_seconds"] == pytest.approx(0.12) and told["max_revisit"] == 0.09  # three frames for each step
    counts = np.bincount([v["step"] for v in named(events, "visit")])
    assert counts.max() - counts.min() <= 1


def test_jitter_moves_centres_within_its_bounds_and_is_the_same_for_a_seed():
    rules = replace(RULES, freq_jitter=200e3, dwell_jitter=0.5)

    def run(seed: int) -> tuple[list, list]:
        planner = ScanPlanner(rules, STITCH, rng=np.random.default_rng(seed))
        receiver = Receiver(lambda sample: [])
        visits = named(scan(planner, receiver, 120), "visit")
        return [(v["step"], v["center_freq"]) for v in visits], [v["samples"] for v in visits]

    places, samples = run(1)
    assert run(1) == (places, samples) != run(2)
    offsets = np.array([center - CENTERS[step] for step, center in places])
    assert 50e3 < np.abs(offsets).max() <= 200e3
    assert set(samples) == {3 * FRAME}  # 20 ms and up to 10 more, in whole frames


def test_one_step_needs_one_command():
    rules = replace(RULES, ranges=(ScanRange(freq_lower_edge=3.4e9, freq_upper_edge=3.41e9),))
    planner, receiver = ScanPlanner(rules, STITCH), Receiver(lambda sample: [])
    visits = named(scan(planner, receiver, 11), "visit")
    assert len(receiver.commands) == 1 and len(visits) == 5


# -- receivers that do not


def test_a_lost_command_is_repeated_one_hertz_off():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [], ignores=lambda number: number == 1)
    events = scan(planner, receiver, 24)
    (retry,) = named(events, "retry")
    assert (retry["step"], retry["attempt"], retry["sample"]) == (1, 1, (3 + 10) * FRAME)  # 0.1 s after it was given
    assert [c.center_freq for c in receiver.commands[1:3]] == [CENTERS[1], CENTERS[1] + 1]
    assert [v["step"] for v in named(events, "visit")][:2] == [0, 1] and not named(events, "failed")


def test_a_receiver_that_never_obeys_is_an_error_and_the_scan_goes_on():
    deaf = Receiver(lambda sample: [LTE], ignores=lambda number: True, center=2e9)
    planner = ScanPlanner(RULES, STITCH)
    events = scan(planner, deaf, 62)
    failures = named(events, "failed")
    assert [f["step"] for f in failures] == [0, 1] and failures[0]["sample"] == 30 * FRAME  # three times 0.1 s
    assert failures[0]["actual_freq"] == 2e9
    assert "did not go to 3407.500000 MHz in 3 commands of 0.1 s each: frames come from 2000.000000 MHz" in (
        failures[0]["reason"]
    )
    report = picture(planner).report
    assert report.spans == () and report.bands == ()  # what it heard elsewhere is not of the scan
    assert [(s.failures, s.is_failed, s.last_visit) for s in report.steps[:3]] == [
        (1, True, -1), (1, True, -1), (0, False, -1)
    ]  # fmt: skip


def test_frames_without_a_centre_confirm_nothing():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [])
    planner.start()
    events = []
    for _ in range(31):
        frame, bands = receiver.frame()
        events += planner.add(replace(frame, center_freq=None), bands).events
    assert "frames tell no centre frequency" in named(events, "failed")[0]["reason"]


def test_a_late_receiver_is_waited_for_and_an_answer_to_an_old_command_counts_nowhere():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE], delay=15)  # 150 ms; asked twice
    visits = named(scan(planner, receiver, 100), "visit")
    assert [v["step"] for v in visits][:4] == [0, 1, 2, 3]
    late = Receiver(lambda sample: [LTE], delay=40)  # after three commands the step is given up
    planner = ScanPlanner(RULES, STITCH)
    events = scan(planner, late, 45)  # the first answers come while another step is wanted
    assert late.center == pytest.approx(CENTERS[0], abs=3) and planner.state is PlannerState.TUNING
    assert len(named(events, "failed")) == 1 and not named(events, "visit")


def test_the_nearest_frequency_that_it_can_tune_to_will_do_if_no_hole_is_left():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE], raster=700e3)  # up to 350 kHz off
    visits = named(scan(planner, receiver, 12), "visit")
    assert [v["actual_freq"] for v in visits] == [round(c / 700e3) * 700e3 for c in CENTERS]
    report = picture(planner).report
    assert len(report.spans) == 1 and len(report.spans[0].duty_cycle) == 600
    assert [(b.freq_lower_edge, b.freq_upper_edge) for b in report.bands] == [(3413e6, 3419e6)]


def test_a_frequency_too_far_off_is_none():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [], raster=10e6)  # 2.5 MHz off
    events = scan(planner, receiver, 40)
    assert named(events, "failed")[0]["actual_freq"] == 3410e6 and not named(events, "visit")
    near = ScanPlanner(replace(RULES, tolerance=3e6), STITCH)
    assert len(named(scan(near, Receiver(lambda sample: [], raster=10e6), 12), "visit")) == 4


def test_an_overflow_prolongs_the_dwell_and_its_time_is_not_lost():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    events = scan(planner, receiver, 2)
    receiver.lost = 1_000_000  # 50 ms
    events += scan(planner, receiver, 1, size=50_000) + scan(planner, receiver, 1)
    (visit,) = named(events, "visit")  # 200 000 before it, 50 000 after, and a whole frame
    assert visit["samples"] == 450_000 and planner.now == pytest.approx((650_000 + 1_000_000) / RATE)


def test_a_visit_without_judged_frames_is_given_up():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [])
    out = planner.start()
    events = []
    for _ in range(25):
        for command in out.commands:
            receiver.tune(command)
        out = planner.add(*receiver.frame(), is_judged=False)
        events += out.events
    (starved,) = named(events, "starved")
    assert (starved["step"], starved["samples"]) == (0, 0)
    assert starved["sample"] == pytest.approx((0.01 + 0.18) * RATE, abs=2 * FRAME)  # four dwells and the timeout


def test_a_receiver_that_someone_else_retunes_is_called_back():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [])
    scan(planner, receiver, 2)
    receiver.center = 1e9
    events = scan(planner, receiver, 3)
    assert named(events, "lost")[0]["step"] == 0
    (visit,) = named(events, "visit")
    assert (visit["step"], visit["samples"]) == (0, 2 * FRAME)


def test_what_was_counted_before_a_receiver_was_lost_for_good_stays():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [], ignores=lambda number: number > 0)
    scan(planner, receiver, 2)
    receiver.center = 1e9
    events = scan(planner, receiver, 40)
    assert named(events, "failed")[0]["step"] == 0 and named(events, "visit")[0]["samples"] == FRAME
    assert [(s.visits, s.failures, s.is_failed) for s in picture(planner).report.steps[:1]] == [(1, 1, True)]


def test_silence_is_told_and_the_command_repeated():
    planner = ScanPlanner(RULES, STITCH)
    assert planner.stalled().commands == []
    first = planner.start().commands
    out = planner.stalled()
    assert out.commands == first and out.events == [("stalled", {"sample": 0, "center_freq": CENTERS[0]})]


# -- orders


def test_hold_stays_counts_on_and_start_goes_on():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 4)
    assert named(planner.hold().events, "held")[0]["center_freq"] == CENTERS[1]
    visits = named(scan(planner, receiver, 20), "visit")
    assert len(visits) == 10 and {v["step"] for v in visits} == {1} and len(receiver.commands) == 2
    assert planner.is_held
    out = planner.start()
    assert out.commands[0].center_freq == CENTERS[2] and not planner.is_held


def test_hold_at_a_frequency_counts_nothing():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 3)
    before = picture(planner).report.spans
    (command,) = planner.hold(3415e6).commands
    receiver.tune(command)
    assert (command.center_freq, command.step) == (3415e6, -1)
    assert not named(scan(planner, receiver, 20), "visit") and receiver.center == 3415e6
    assert picture(planner).report.spans == before


def test_a_frequency_to_hold_that_cannot_be_had_is_an_error_again_and_again():
    planner, deaf = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [], ignores=lambda number: True)
    scan(planner, deaf, 1)
    planner.hold(3415e6)
    assert len(named(scan(planner, deaf, 62), "failed")) == 2


def test_a_hold_at_a_step_outlasts_a_receiver_that_leaves_it():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [], ignores=lambda number: number > 0)
    scan(planner, receiver, 2)
    planner.hold()
    receiver.center = 1e9
    events = scan(planner, receiver, 62)
    assert len(named(events, "failed")) == 2 and {c.step for c in receiver.commands} == {0}


def test_stop_gives_no_more_commands_and_tells_what_was_seen():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 12)
    out = planner.stop()
    assert len(out.picture.report.bands) == 1 and planner.state is PlannerState.STOPPED
    after = planner.add(*receiver.frame())
    assert (after.commands, after.events, after.picture) == ([], [], None)
    assert planner.start().commands[0].center_freq == CENTERS[0]


def test_the_last_frame_brings_the_last_picture_also_when_it_comes_again():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 4)
    frame, bands = receiver.frame()
    planner.add(frame, bands)
    out = planner.add(replace(frame, last=True), [])
    assert out.picture.report.sample_stop == 5 * FRAME and out.picture.report.steps[1].visits == 1
    other = ScanPlanner(RULES, STITCH)
    other.start()
    assert other.add(replace(frame, last=True), bands).picture is not None


def test_frames_out_of_order_or_of_another_rate_are_refused():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [])
    frame, bands = receiver.frame()
    planner.add(frame, bands)
    with pytest.raises(BandError, match="a frame at sample 100 follows one up to 200000; sort them"):
        planner.add(replace(frame, sample_start=100), bands)
    with pytest.raises(BandError, match=r"samp_rate=1e\+07 Hz, the scan was planned for 2e\+07 Hz"):
        planner.add(replace(receiver.frame()[0], samp_rate=10e6), bands)


def test_too_fine_bins_are_refused():
    planner, receiver = ScanPlanner(RULES, StitchRules(bin_width=100.0)), Receiver(lambda sample: [])
    with pytest.raises(BandError, match="a step of 155000 bins is more than 65536; choose a larger bin_width"):
        scan(planner, receiver, 3)


# -- reports


def test_a_report_survives_json_and_fields():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 5)
    report = picture(planner).report
    assert report.bands and report.rx_time and report.steps[3].actual_freq is None
    assert scan_from_json(scan_to_json(report)) == report == scan_from_fields(scan_to_fields(report))
    assert json.loads(scan_to_json(report))["type"] == "scan"


def test_csv_has_a_line_for_each_band_and_bin():
    planner, receiver = ScanPlanner(RULES, STITCH), Receiver(lambda sample: [LTE])
    scan(planner, receiver, 12)
    report = picture(planner).report
    lines = list(csv.DictReader(io.StringIO(scan_to_csv(report)), CSV_COLUMNS))
    assert len(lines) == 1 + 600 and [line["kind"] for line in lines[:2]] == ["band", "bin"]
    assert (lines[0]["label"], float(lines[0]["freq_lower_edge"]), lines[0]["duty_cycle"]) == ("LTE", 3413e6, "1.0")
    assert lines[1]["last_seen"] == "" and lines[150]["last_seen"] == str(6 * FRAME)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "a scan is no JSON"),
        ("[]", "a scan is \\[\\], expected an object"),
        ('{"type":"bands","version":1}', r"type and version are \('bands', 1\), expected \('scan', 1\)"),
        ('{"type":"scan","version":1}', "a scan lacks the key 'spans'"),
        ('{"type":"scan","version":1,"spans":[],"bands":[],"steps":[]}', "a scan makes no sense"),
    ],
)
def test_texts_that_are_no_scan_are_refused(text, message):
    with pytest.raises(BandError, match=message):
        scan_from_json(text)


def test_a_report_before_the_first_sample_is_refused():
    with pytest.raises(BandError, match="sample_stop=-1 must be at least 0"):
        ScanReport(sample_stop=-1, samp_rate=RATE, sweeps=0, bin_width=1e5, spans=(), bands=())
    assert ScanSpan(freq_lower_edge=0.0, duty_cycle=(), last_seen=()) is not None


def test_the_page_s_example_runs_and_its_defaults_are_those_of_the_rules(capsys):
    page = (Path(__file__).parents[2] / "docs" / "scanning.md").read_text()
    exec(page.split("```python\n")[1].split("```")[0], {})
    assert capsys.readouterr().out == "14 3322727273.0\n"  # 11 steps of 45.5 MHz and three of 33.3 MHz
    defaults = ScanRules(samp_rate=RATE, ranges=(RANGE,))
    for line in (
        f"| `usable`, `overlap` | {defaults.usable:g}, {defaults.overlap / 1e6:g} MHz |",
        f"| `dwell`, `dwell_frames` | {defaults.dwell:g} s, {defaults.dwell_frames} |",
        f"| `max_revisit` | {defaults.max_revisit:g} s |",
        f"| `boost`, `min_change` | {defaults.boost:g}, {defaults.min_change / 1e3:g} kHz |",
        f"| `timeout`, `retries`, `tolerance` | {defaults.timeout:g} s, {defaults.retries}, no holes |",
    ):
        assert line in page
