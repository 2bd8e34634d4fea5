"""The tracker on scripted air: ten seconds with everything that happens, and the rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from rfseg.bands import Band
from rfseg.contract import ClassKind, SignalClass
from rfseg.errors import BandError
from rfseg.geometry import Frame, RxTime
from rfseg.tracking import BandTracker, EndReason, EventKind, TrackRules

CLASSES = (
    SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
    SignalClass(label="LTE", kind=ClassKind.CARRIER),
    SignalClass(label="NR", kind=ClassKind.CARRIER),
    SignalClass(label="Radar", kind=ClassKind.PULSED),
)
IDS = {c.label: i for i, c in enumerate(CLASSES)}
RATE = 61.44e6  # Hz
FRAME = 1_228_800  # samples, 20 ms
ROW = FRAME // 256  # samples, 78.125 us
CENTER = 3.6e9  # Hz
BEGIN = RxTime(seconds=1_800_000_000, fraction=0.25)


@dataclass(frozen=True)
class Emission:
    """Something on the air: edges in MHz re 3.6 GHz, samples half-open."""

    label: str
    low: float
    high: float
    start: int
    stop: int
    power: float = -30.0
    confidence: float = 0.9


def seconds(time: float) -> int:
    """Samples."""
    return round(time * RATE)


def bands_of(frame: Frame, emissions: list[Emission]) -> list[Band]:
    """What a perfect network would see of them in a frame: cut to its samples and to its view."""
    low, high = -frame.samp_rate / 2, frame.samp_rate / 2
    origin = CENTER if frame.center_freq is None else frame.center_freq
    found = []
    first, end = frame.sample_start, frame.watermark
    for e in emissions:
        if e.start >= end or e.stop <= first:
            continue
        start, stop = max(e.start, first), min(e.stop, end)
        edges = [min(max(CENTER + x * 1e6 - origin, low), high) for x in (e.low, e.high)]
        if edges[0] < edges[1]:
            shift = 0.0 if frame.center_freq is None else origin
            found.append(
                Band(
                    label=e.label,
                    class_id=IDS[e.label],
                    confidence=e.confidence,
                    freq_lower_edge=shift + edges[0],
                    freq_upper_edge=shift + edges[1],
                    freq_reference="baseband" if frame.center_freq is None else "rf",
                    sample_start=start,
                    sample_count=stop - start,
                    power_dbfs=e.power,
                    snr_db=e.power + 50.0,
                    model="m",
                )
            )
    return sorted(found, key=lambda b: (b.sample_start, b.freq_lower_edge))


def make_frames(
    count: int, *, center: float | None = CENTER, rate: float = RATE, time: RxTime | None = None, start: int = 0
) -> list[Frame]:
    """Whole frames in a row."""
    return [
        Frame(
            index=i,
            sample_start=start + i * FRAME,
            sample_count=FRAME,
            valid_samples=FRAME,
            samp_rate=rate,
            center_freq=center,
            rx_time=None if time is None else time.after(i * FRAME, rate),
        )
        for i in range(count)
    ]


def run(tracker: BandTracker, frames: list[Frame], emissions: list[Emission], *, dropped: tuple[int, ...] = ()):
    """Events and bands of all frames; ``dropped`` are positions in the list."""
    events, bands = [], []
    for place, frame in enumerate(frames):
        seen = [] if place in dropped else bands_of(frame, emissions)
        result = tracker.step(frame, seen, is_judged=place not in dropped)
        assert len(result.bands) == len(seen)
        events += result.events
        bands += result.bands
    return events, bands


def of_kind(events: list, kind: EventKind) -> list:
    """Events of one kind."""
    return [event for event in events if event.kind is kind]


def carrier(label: str = "LTE", low: float = -9.0, high: float = 9.0, *, frames: tuple[int, int]) -> Emission:
    """A carrier that fills whole frames."""
    return Emission(label, low, high, frames[0] * FRAME, frames[1] * FRAME)


# -- ten seconds

RETUNE = seconds(5.0) + 7 * ROW  # cuts a frame; the centre goes 20 MHz up
RETUNED = CENTER + 20e6
GAP = seconds(7.0) + 11 * ROW  # half a second is missing
SHORT_GAP = seconds(8.0)  # 10 ms are missing
END = seconds(10.0)


def ten_seconds() -> list[Frame]:
    """Frames with a retune, a long gap and a short one; sample numbers run on over gaps, as GNU Radio's do."""
    pieces = [
        (0, RETUNE, CENTER, 0.0),
        (RETUNE, GAP, RETUNED, 0.0),
        (GAP, SHORT_GAP, RETUNED, 0.5),
        (SHORT_GAP, END, RETUNED, 0.51),
    ]
    frames: list[Frame] = []
    for begin, end, center, lost in pieces:
        for start in range(begin, end, FRAME):
            frames.append(
                Frame(
                    index=len(frames),
                    sample_start=start,
                    sample_count=FRAME,
                    valid_samples=min(FRAME, end - start),
                    samp_rate=RATE,
                    center_freq=center,
                    rx_time=BEGIN.after(start + seconds(lost), RATE),
                    last=start + FRAME >= end == END,
                )
            )
    return frames


def on_air() -> list[Emission]:
    """What is sent in the ten seconds, and what the network makes up."""
    rng = np.random.default_rng(4)
    air = [
        Emission("LTE", -29.0, -20.0, seconds(1.0) + 3 * ROW, seconds(4.0) + 9 * ROW, -25.0),  # comes and goes
        Emission("LTE", 1.0, 9.0, 0, seconds(3.0)),  # two carriers ...
        Emission("LTE", 9.2, 17.0, 0, seconds(3.0)),
        Emission("NR", 1.0, 17.0, seconds(3.0), seconds(4.5)),  # ... become one ...
        Emission("NR", 1.0, 8.0, seconds(4.5), GAP),  # ... and two again
        Emission("NR", 9.0, 17.0, seconds(4.5), END),
        Emission("LTE", 31.0, 49.0, 0, END),  # in view after the retune only
    ]
    for number in range(500):  # a carrier whose label flaps; edges flicker by a bin
        label = "LTE" if rng.random() < 0.3 else "NR"
        low, high = np.array([19.0, 28.0]) + rng.uniform(-0.24, 0.24, 2)
        air.append(Emission(label, low, high, number * FRAME, (number + 1) * FRAME, -40.0))
    for burst in (2.0, 6.5):  # a radar comes round; its pulses are one row each
        for pulse in range(40):
            start = seconds(burst + pulse * 1e-3) // ROW * ROW
            air.append(Emission("Radar", -6.0, -4.0, start, start + ROW, -20.0))
    for place in rng.integers(0, 500, 12):  # what the network makes up
        label, low = ("LTE", -9.0) if place % 2 else ("Radar", -3.0)
        air.append(Emission(label, low, low + 2.0, place * FRAME + 5 * ROW, place * FRAME + 9 * ROW))
    return air


DROPPED = (75, 76, 77, 149, 250)
# label, edges (MHz re 3.6 GHz), first sample, the one after the last, why it ended, parents and children as places in this
# list.  Frame 149 was dropped: what ended with it was last seen in frame 148.  No carrier outlives the long gap.
TRACKS = [
    ("LTE", 1.0, 9.0, 0, 149 * FRAME, "merge", (), (3,)),
    ("LTE", 9.2, 17.0, 0, 149 * FRAME, "merge", (), (3,)),
    ("LTE", -29.0, -20.0, seconds(1.0) + 3 * ROW, seconds(4.0) + 9 * ROW, "silence", (), ()),
    ("NR", 1.0, 17.0, seconds(3.0), seconds(4.5), "split", (0, 1), (5, 6)),
    ("NR", 19.0, 28.0, 0, GAP, "gap", (), ()),
    ("NR", 1.0, 8.0, seconds(4.5), GAP, "gap", (3,), ()),
    ("NR", 9.0, 17.0, seconds(4.5), GAP, "gap", (3,), ()),
    ("LTE", 31.0, 49.0, RETUNE, GAP, "gap", (), ()),
    ("Radar", -6.0, -4.0, seconds(2.0), seconds(6.539) // ROW * ROW + ROW, "stream_end", (), ()),
    ("NR", 9.0, 17.0, GAP, END, "stream_end", (), ()),
    ("NR", 19.0, 28.0, GAP, END, "stream_end", (), ()),
    ("LTE", 31.0, 49.0, GAP, END, "stream_end", (), ()),
]
BIN = 0.24  # MHz; edges flicker by so much


@pytest.fixture(scope="module")
def golden():
    """Events and bands of the ten seconds."""
    return run(BandTracker(CLASSES), ten_seconds(), on_air(), dropped=DROPPED)


def test_ten_seconds_of_air_give_exactly_these_tracks(golden):
    ends = of_kind(golden[0], EventKind.END)
    numbers = [event.track.track for event in ends]
    assert len(ends) == len(TRACKS) and len(set(numbers)) == len(numbers)
    for event, (label, low, high, start, stop, reason, parents, children) in zip(ends, TRACKS):
        track = event.track
        assert (track.label, event.reason.value) == (label, reason)
        assert (track.sample_start, track.sample_start + track.sample_count) == (start, stop)
        assert track.freq_lower_edge == pytest.approx(CENTER + low * 1e6, abs=BIN * 1e6)
        assert track.freq_upper_edge == pytest.approx(CENTER + high * 1e6, abs=BIN * 1e6)
        assert track.parents == tuple(numbers[place] for place in parents)
        assert track.children == tuple(numbers[place] for place in children)
        assert track.freq_reference == "rf" and track.model == "m" and track.confidence == pytest.approx(0.9)


def test_every_track_has_one_onset_with_the_same_first_sample(golden):
    onsets = {e.track.track: e for e in of_kind(golden[0], EventKind.ONSET)}
    ends = {e.track.track: e for e in of_kind(golden[0], EventKind.END)}
    assert onsets.keys() == ends.keys() and len(onsets) == len(of_kind(golden[0], EventKind.ONSET))
    for number, onset in onsets.items():
        assert onset.track.sample_start == ends[number].track.sample_start
        assert onset.track.sample_start < onset.watermark <= ends[number].watermark
        assert (onset.track.rx_time, onset.reason) == (ends[number].track.rx_time, None)


def test_times_are_exact_over_gaps_that_sample_numbers_do_not_show(golden):
    tracks = [e.track for e in of_kind(golden[0], EventKind.END)]
    assert tracks[2].rx_time == BEGIN.after(seconds(1.0) + 3 * ROW, RATE)
    assert tracks[8].end_time == BEGIN.after(seconds(6.539) // ROW * ROW + ROW, RATE)
    assert tracks[9].rx_time == BEGIN.after(GAP + seconds(0.5), RATE)
    assert tracks[9].end_time == BEGIN.after(END + seconds(0.51), RATE)


def test_bands_name_tracks_on_the_right_samples(golden):
    events, bands = golden
    numbers = [e.track.track for e in of_kind(events, EventKind.END)]
    assert all(band.track is not None for band in bands)
    for number, (_, low, high, start, stop, _, parents, children) in zip(numbers, TRACKS):
        own = [b for b in bands if b.track == number]
        middles = [(b.freq_lower_edge + b.freq_upper_edge - 2 * CENTER) / 2e6 for b in own]
        if not children:  # until a change of shape is confirmed, its bands name a parent
            assert all(low < middle < high for middle in middles)
            assert max(b.sample_start + b.sample_count for b in own) == stop
        if not parents:
            assert min(b.sample_start for b in own) == start


def test_statistics_of_the_ten_seconds(golden):
    tracks = [e.track for e in of_kind(golden[0], EventKind.END)]
    assert [t.power_dbfs for t in tracks[:5]] == [-30.0, -30.0, -25.0, -30.0, -40.0]
    assert [t.snr_db for t in tracks[:5]] == [20.0, 20.0, 25.0, 20.0, 10.0]
    for place in (0, 1, 2, 3, 4, 9):
        assert tracks[place].duty_cycle == 1.0  # dropped frames do not count
    # What was observed of track 2: its span less the three frames that were dropped and frame 149.
    assert tracks[2].observed_time == pytest.approx(3.0 + 6 * ROW / RATE - 4 * 0.02, abs=1e-12)
    radar = tracks[8]
    assert radar.band_count == 80 and radar.occupied_time == pytest.approx(80 * ROW / RATE, abs=1e-12)
    # 2.000 to 6.539 s, less frames 149 and 250, which were dropped: the latter is the first after the retune.
    assert radar.observed_time == pytest.approx(radar.sample_count / RATE - 0.02 - 7 * ROW / RATE, abs=1e-9)
    assert radar.pulse_interval == pytest.approx(1e-3, rel=0.01)


def test_the_same_frames_give_the_same_tracks(golden):
    assert golden == run(BandTracker(CLASSES), ten_seconds(), on_air(), dropped=DROPPED)


# -- the rules one by one


def test_a_moment_of_imagination_is_no_track():
    events, bands = run(BandTracker(CLASSES), make_frames(10), [carrier(frames=(4, 5))])
    assert not events and len(bands) == 1 and bands[0].track is not None


def test_a_moment_across_the_line_between_two_frames_is_no_track():
    moment = Emission("LTE", -9.0, 9.0, 5 * FRAME - 2 * ROW, 5 * FRAME + 2 * ROW)
    events, bands = run(BandTracker(CLASSES), make_frames(10), [moment])
    assert not events and len({b.track for b in bands}) == 1


@pytest.mark.parametrize("seen, onset_in", [((4, 5), 5), ((4, 6), 6), ((4, 7), None)])
def test_a_carrier_is_confirmed_by_two_frames_of_three(seen, onset_in):
    air = [carrier(frames=(i, i + 1)) for i in seen]
    events, _ = run(BandTracker(CLASSES), make_frames(12), air)
    onsets = of_kind(events, EventKind.ONSET)
    assert [e.watermark for e in onsets] == ([] if onset_in is None else [(onset_in + 1) * FRAME])
    assert all(e.track.sample_start == 4 * FRAME for e in onsets)


def test_a_frame_that_was_dropped_between_them_does_not_count():
    air = [carrier(frames=(4, 5)), carrier(frames=(8, 9))]
    events, _ = run(BandTracker(CLASSES), make_frames(12), air, dropped=(5, 6, 7))
    assert [e.track.sample_start for e in of_kind(events, EventKind.ONSET)] == [4 * FRAME]


@pytest.mark.parametrize("pause, tracks", [(10, 1), (11, 2)])
def test_a_pause_beyond_the_hold_ends_a_track(pause, tracks):
    air = [carrier(frames=(0, 10)), carrier(frames=(10 + pause, 40))]  # 10 frames are 0.2 s
    events, _ = run(BandTracker(CLASSES), make_frames(40), air)
    ends = of_kind(events, EventKind.END)
    assert len(ends) + 1 == len(of_kind(events, EventKind.ONSET)) == tracks
    assert [(e.reason, e.track.sample_count) for e in ends] == [(EndReason.SILENCE, 10 * FRAME)] * (tracks - 1)


def test_dropped_frames_never_end_a_track():
    air = [carrier(frames=(0, 10)), carrier(frames=(200, 210))]
    events, _ = run(BandTracker(CLASSES), make_frames(210), air, dropped=tuple(range(10, 200)))
    assert [e.kind for e in events if e.kind is not EventKind.UPDATE] == [EventKind.ONSET]


def test_a_label_that_flaps_makes_one_track_and_no_news():
    air = [carrier("NR" if i % 3 else "LTE", frames=(i, i + 1)) for i in range(1, 60)]
    events, bands = run(BandTracker(CLASSES, rules=TrackRules(update_interval=float("inf"))), make_frames(60), air)
    assert [(e.kind, e.track.label) for e in events] == [(EventKind.ONSET, "NR")]
    assert {b.track for b in bands} == {events[0].track.track}


def test_a_label_that_changes_for_good_is_told_as_an_update():
    air = [carrier("LTE", frames=(0, 20)), carrier("NR", frames=(20, 60))]
    events, _ = run(BandTracker(CLASSES, rules=TrackRules(update_interval=float("inf"))), make_frames(60), air)
    assert [(e.kind, e.track.label) for e in events] == [(EventKind.ONSET, "LTE"), (EventKind.UPDATE, "NR")]
    assert events[1].watermark < 40 * FRAME


def test_updates_come_at_their_interval():
    tracker = BandTracker(CLASSES, rules=TrackRules(update_interval=0.1))
    events, _ = run(tracker, make_frames(20), [carrier(frames=(0, 20))])
    assert [e.watermark // FRAME for e in events] == [2, 7, 12, 17]
    assert [e.track.sample_count // FRAME for e in events] == [2, 7, 12, 17]


def test_neighbours_are_two_tracks():
    air = [carrier(low=-9, high=0, frames=(0, 20)), carrier(low=0.2, high=9, frames=(0, 20))]
    events, _ = run(BandTracker(CLASSES), make_frames(20), air)
    assert len(of_kind(events, EventKind.ONSET)) == 2


def test_a_carrier_that_pauses_within_a_frame_is_one_track():
    air = [Emission("NR", -9, 9, i * FRAME + j * 128 * ROW, i * FRAME + (j * 128 + 64) * ROW) for i in range(5) for j in (0, 1)]
    events, bands = run(BandTracker(CLASSES), make_frames(5), air)
    assert len(bands) == 10 and len({b.track for b in bands}) == 1
    last = BandTracker(CLASSES)
    frames = make_frames(5)
    events, _ = run(last, [*frames[:-1], replace(frames[-1], last=True)], air)
    assert events[-1].reason is EndReason.STREAM_END
    assert events[-1].track.duty_cycle == pytest.approx(10 * 64 / (5 * 256 - 64))
    assert last.open_tracks == last.candidates == 0


def test_a_part_that_splits_off_names_its_parent_which_lives_on():
    air = [carrier(low=-9, high=9, frames=(0, 20)), carrier(low=-9, high=4, frames=(20, 60)), carrier(low=4.4, high=9, frames=(20, 60))]
    events, _ = run(BandTracker(CLASSES), make_frames(60), air)
    onsets = of_kind(events, EventKind.ONSET)
    assert [e.track.parents for e in onsets] == [(), (onsets[0].track.track,)]
    assert onsets[1].track.sample_start == 20 * FRAME and not of_kind(events, EventKind.END)


def test_a_narrow_carrier_that_a_wide_one_swallows_ends_as_merged():
    air = [carrier(low=-9, high=4, frames=(0, 20)), carrier(low=4.4, high=9, frames=(0, 20)), carrier(frames=(20, 60))]
    events, _ = run(BandTracker(CLASSES), make_frames(60), air)
    (end,) = of_kind(events, EventKind.END)
    onsets = of_kind(events, EventKind.ONSET)
    assert (end.reason, end.track.track) == (EndReason.MERGE, onsets[1].track.track)
    assert end.track.children == (onsets[0].track.track,)
    assert of_kind(events, EventKind.UPDATE)[-1].track.parents == (end.track.track,)


def test_a_change_of_shape_begins_on_its_own_sample():
    turn = 20 * FRAME + 100 * ROW
    air = [Emission("NR", -9, 9, 0, turn), Emission("NR", -9, -1, turn, 40 * FRAME)]
    events, _ = run(BandTracker(CLASSES), make_frames(40), air)
    (end,) = of_kind(events, EventKind.END)
    child = of_kind(events, EventKind.ONSET)[1].track
    assert end.reason is EndReason.RESHAPE and end.track.sample_count == child.sample_start == turn
    assert child.parents == (end.track.track,) and end.track.children == (child.track,)


def test_a_shape_that_is_lost_for_two_frames_stays_the_same_track():
    air = [carrier(frames=(0, 20)), carrier(low=-9, high=-2, frames=(20, 22)), carrier(low=0, high=9, frames=(20, 22)), carrier(frames=(22, 40))]
    events, bands = run(BandTracker(CLASSES), make_frames(40), air)
    assert len({b.track for b in bands}) == 1 and not of_kind(events, EventKind.END)


def test_unconfirmed_bands_can_be_left_out():
    tracker = BandTracker(CLASSES, rules=TrackRules(drop_unconfirmed=True))
    air = [carrier(frames=(2, 6)), carrier(low=12, high=15, frames=(3, 4))]
    counts = [len(tracker.step(frame, bands_of(frame, air)).bands) for frame in make_frames(8)]
    assert counts == [0, 0, 0, 1, 1, 1, 0, 0]


def test_a_retune_keeps_rf_tracks_that_stay_or_come_back_into_view():
    here, there = make_frames(20), make_frames(30, center=CENTER + 200e6, start=20 * FRAME)
    back = make_frames(20, start=50 * FRAME)
    events, bands = run(BandTracker(CLASSES), here + there + back, [carrier(frames=(0, 70))])
    assert len({b.track for b in bands}) == 1 and len(of_kind(events, EventKind.ONSET)) == 1
    newest = of_kind(events, EventKind.UPDATE)[-1].track
    assert newest.duty_cycle == 1.0  # what is out of view is not counted
    assert newest.observed_time == pytest.approx(newest.sample_count / RATE - 30 * 0.02)


def test_a_track_that_stays_out_of_view_ends_at_last():
    frames = make_frames(20) + make_frames(30, center=CENTER + 200e6, start=20 * FRAME)
    events, _ = run(BandTracker(CLASSES, rules=TrackRules(max_absence=0.5)), frames, [carrier(frames=(0, 70))])
    (end,) = of_kind(events, EventKind.END)
    assert (end.reason, end.watermark) == (EndReason.ABSENCE, (20 + 26) * FRAME)


def test_an_edge_out_of_view_moves_no_median():
    frames = make_frames(5) + make_frames(30, center=CENTER + 33e6, start=5 * FRAME)
    events, _ = run(BandTracker(CLASSES, rules=TrackRules(update_interval=0.1)), frames, [carrier(frames=(0, 35))])
    assert {e.track.freq_lower_edge for e in events} == {CENTER - 9e6}
    assert len({e.track.track for e in events}) == 1 and events[-1].track.sample_count > 30 * FRAME


def test_an_edge_that_comes_into_view_is_the_tracks_own():
    frames = make_frames(5, center=CENTER + 26e6) + make_frames(10, start=5 * FRAME)
    frames[-1] = replace(frames[-1], last=True)
    events, _ = run(BandTracker(CLASSES), frames, [carrier(frames=(0, 15))])
    assert [(e.kind, e.track.track, e.track.freq_lower_edge) for e in events] == [
        (EventKind.ONSET, 1, CENTER + 26e6 - RATE / 2),  # as far as it can be seen
        (EventKind.END, 1, CENTER - 9e6),
    ]


@pytest.mark.parametrize("centers", [(None, CENTER), (CENTER, None)])
def test_a_centre_that_becomes_known_or_unknown_ends_all_tracks(centers):
    frames = make_frames(5, center=centers[0]) + make_frames(5, center=centers[1], start=5 * FRAME)
    events, _ = run(BandTracker(CLASSES), frames, [carrier(frames=(0, 10))])
    (end,) = of_kind(events, EventKind.END)
    assert (end.reason, end.watermark) == (EndReason.RETUNE, 5 * FRAME)
    assert [e.track.freq_reference for e in of_kind(events, EventKind.ONSET)] == ["rf" if c else "baseband" for c in centers]


@pytest.mark.parametrize("center, ends", [(CENTER, []), (None, [EndReason.RATE_CHANGE])])
def test_another_rate_keeps_rf_tracks_and_their_times(center, ends):
    frames = make_frames(5, center=center) + make_frames(5, center=center, rate=RATE / 2, start=5 * FRAME)
    frames[-1] = replace(frames[-1], last=True)
    events, _ = run(BandTracker(CLASSES), frames, [carrier(frames=(0, 10))])
    found = of_kind(events, EventKind.END)
    assert [e.reason for e in found] == [*ends, EndReason.STREAM_END]
    if not ends:
        assert found[0].track.occupied_time == pytest.approx(5 * 0.02 + 5 * 0.04, abs=1e-12)
        assert found[0].track.observed_time == pytest.approx(5 * 0.02 + 5 * 0.04, abs=1e-12)


@pytest.mark.parametrize("lost, survives", [(0.19, True), (0.21, False), (-0.01, False)])
def test_missing_time_ends_a_track_where_it_exceeds_the_hold(lost, survives):
    frames = make_frames(10, time=BEGIN)
    later = BEGIN.after(10 * FRAME + seconds(lost), RATE)
    frames += make_frames(10, time=later, start=10 * FRAME)
    events, _ = run(BandTracker(CLASSES), frames, [carrier(frames=(0, 20))])
    assert [e.reason for e in of_kind(events, EventKind.END)] == ([] if survives else [EndReason.GAP])
    assert len(of_kind(events, EventKind.ONSET)) == (1 if survives else 2)


@pytest.mark.parametrize("lost, survives", [(0.19, True), (0.21, False)])
def test_time_that_is_unknown_for_a_while_hides_no_gap(lost, survives):
    frames = make_frames(10, time=BEGIN) + make_frames(5, start=10 * FRAME)  # as after an overflow
    frames += make_frames(5, time=BEGIN.after(15 * FRAME + seconds(lost), RATE), start=15 * FRAME)
    events, _ = run(BandTracker(CLASSES), frames, [carrier(frames=(0, 20))])
    assert [e.reason for e in of_kind(events, EventKind.END)] == ([] if survives else [EndReason.GAP])


def test_a_day_of_frames_shows_no_gap_where_there_is_none():
    tracker, rate, day = BandTracker(CLASSES), 61.44e6 / 3, 86_400
    for start in (0, FRAME, round(day * rate) // FRAME * FRAME):
        frame = replace(make_frames(1, rate=rate, time=BEGIN.after(start, rate), start=start)[0], index=start // FRAME)
        events = tracker.step(frame, bands_of(frame, [carrier(frames=(0, 10**9))])).events
        assert not of_kind(events, EventKind.END)
    assert tracker.open_tracks == 1


def test_a_change_of_shape_after_a_part_split_off_is_no_split():
    air = [carrier(low=-9, high=9, frames=(0, 20)), carrier(low=-9, high=4, frames=(20, 60)), carrier(low=4.4, high=9, frames=(20, 60))]
    air += [carrier(low=-9, high=-5, frames=(60, 80)), carrier(low=4.4, high=9, frames=(60, 80))]
    events, _ = run(BandTracker(CLASSES), make_frames(80), air)
    (end,) = of_kind(events, EventKind.END)
    assert (end.reason, end.track.track, len(end.track.children)) == (EndReason.RESHAPE, 1, 2)


def test_one_blob_is_no_radar_and_two_pulses_are():
    pulse = [Emission("Radar", 0, 2, (3 * 256 + r) * ROW, (3 * 256 + r + 1) * ROW) for r in (10, 30)]
    splinters = [replace(pulse[0], low=2.2, high=3.0), replace(pulse[0], low=-1.0, high=-0.2)]
    assert not run(BandTracker(CLASSES), make_frames(30), [pulse[0], *splinters])[0]
    events, bands = run(BandTracker(CLASSES), make_frames(30), pulse)
    (onset,) = events
    assert (onset.track.label, onset.track.sample_start, onset.watermark) == ("Radar", pulse[0].start, 4 * FRAME)
    assert {b.track for b in bands} == {onset.track.track}


def test_a_sweep_without_pauses_is_confirmed_by_frames():
    events, _ = run(BandTracker(CLASSES), make_frames(5), [carrier("Radar", frames=(0, 5))])
    assert [e.watermark for e in events] == [2 * FRAME]


def test_the_message_fields_leave_out_what_is_not_known(golden):
    end = of_kind(golden[0], EventKind.END)[2]
    fields = end.to_fields()
    assert fields["event"] == "end" and fields["reason"] == "silence" and fields["duty_cycle"] == 1.0
    assert fields["rx_time"] == [BEGIN.after(seconds(1.0) + 3 * ROW, RATE).seconds, end.track.rx_time.fraction]
    assert fields["parents"] == [] and not {"power_dbm", "pulse_interval"} & fields.keys()
    assert "reason" not in of_kind(golden[0], EventKind.ONSET)[0].to_fields()


def test_frames_out_of_order_are_refused_and_change_nothing():
    tracker = BandTracker(CLASSES)
    first, second, third = make_frames(3)
    tracker.step(second, [])
    with pytest.raises(BandError, match="a frame at sample 0 follows one that reaches to 2457600; give the frames of one run"):
        tracker.step(first, [])
    tracker.step(third, [])


def test_a_frame_that_comes_again_as_the_last_only_ends_the_stream():
    tracker = BandTracker(CLASSES)
    frames = make_frames(4)
    run(tracker, frames, [carrier(frames=(0, 4))])
    ended = tracker.step(replace(frames[-1], last=True), [])
    (end,) = ended.events
    assert ended.bands == () and (end.kind, end.reason) == (EventKind.END, EndReason.STREAM_END)
    assert (end.track.sample_count, end.track.duty_cycle) == (4 * FRAME, 1.0)  # nothing is counted twice
    assert tracker.step(replace(frames[-1], last=True), []).events == ()


@pytest.mark.parametrize(
    "field, value, text",
    [
        ("hold", -1.0, "hold=-1.0 must be a time in s, 0 or more"),
        ("pulse_hold", float("nan"), "pulse_hold=nan must be a time"),
        ("max_absence", float("inf"), "max_absence=inf must be a time"),
        ("update_interval", 0.0, "update_interval=0.0 must be a time in s above 0; inf for no updates"),
        ("confirm_hits", 4, "confirm_hits=4 of confirm_window=3 frames: expected 1 <= confirm_hits <= confirm_window"),
        ("confirm_hits", 0, "confirm_hits=0 of"),
        ("confirm_window", 65, "confirm_window=65 must be at most 64 frames"),
        ("min_overlap", 0.4, "min_overlap=0.4 must lie in 0.5"),
    ],
)
def test_rules_that_cannot_be_are_refused(field, value, text):
    with pytest.raises(BandError) as caught:
        TrackRules(**{field: value})
    assert text in str(caught.value)


# -- whatever comes


def flicker(seed: int, frames: int) -> list[Emission]:
    """Carriers that a poor network misses in a fifth of the frames, misnames, cuts and adds to."""
    rng = np.random.default_rng(seed)
    air = []
    for low, high in ((-20.0, -11.0), (-8.0, 8.0), (12.0, 21.0)):
        for i in range(frames):
            if rng.random() < 0.2:
                continue
            cut = rng.uniform(0.0, 0.6) * (high - low) if rng.random() < 0.1 else 0.0
            label = "LTE" if rng.random() < 0.35 else "NR"
            air.append(Emission(label, low + rng.normal(0, 0.2), high - cut + rng.normal(0, 0.2), i * FRAME, (i + 1) * FRAME))
    for _ in range(frames):
        row, low = int(rng.integers(0, 256 * frames - 10)), rng.uniform(-30.0, 26.0)
        air.append(Emission(str(rng.choice(["LTE", "NR", "Radar"])), low, low + 2.0, row * ROW, (row + 6) * ROW))
    return air


@pytest.mark.parametrize("seed", range(4))
def test_flicker_gives_one_track_to_each_carrier(seed):
    frames = make_frames(200)
    frames[-1] = replace(frames[-1], last=True)
    events, bands = run(BandTracker(CLASSES), frames, flicker(seed, 200))
    long = [e.track for e in of_kind(events, EventKind.END) if e.track.label != "Radar" and e.track.band_count > 100]
    assert [t.label for t in long] == ["NR", "NR", "NR"]
    assert all(band.track is not None for band in bands)
    wide = [b for b in bands if b.bandwidth > 8.2e6 and b.label != "Radar"]
    known = {t.track for t in long}
    assert np.mean([b.track in known for b in wide]) > 0.97


@pytest.mark.parametrize("seed", range(4))
def test_every_life_is_onset_updates_end_and_numbers_never_come_again(seed):
    frames = make_frames(120)
    frames[-1] = replace(frames[-1], last=True)
    tracker = BandTracker(CLASSES, rules=TrackRules(hold=0.04, pulse_hold=0.3, update_interval=0.1))
    events, bands = run(tracker, frames, flicker(seed, 120), dropped=tuple(range(40, 45)))
    lives: dict[int, list] = {}
    for event in events:
        lives.setdefault(event.track.track, []).append(event)
    assert lives and tracker.open_tracks == tracker.candidates == 0
    for life in lives.values():
        kinds = [event.kind for event in life]
        assert kinds[0] is EventKind.ONSET and kinds[-1] is EventKind.END
        assert set(kinds[1:-1]) <= {EventKind.UPDATE}
        assert all(0.0 < event.track.duty_cycle <= 1.0 for event in life)
        assert all(a.watermark <= b.watermark for a, b in zip(life, life[1:]))
        assert len({event.track.sample_start for event in life}) == 1
        assert {p for event in life for p in event.track.parents} <= lives.keys()
    assert {band.track for band in bands} >= lives.keys()
    assert [event.watermark for event in events] == sorted(event.watermark for event in events)


def test_memory_does_not_grow_with_time():
    tracker = BandTracker(CLASSES, rules=TrackRules(pulse_hold=1.0))
    counts = []
    for frame in make_frames(300):
        rng = np.random.default_rng(frame.index)
        air = [
            Emission(str(rng.choice(["LTE", "Radar"])), low, low + 1.0, frame.sample_start + r * ROW, frame.sample_start + (r + 1) * ROW)
            for r, low in zip(rng.integers(0, 255, 6), rng.uniform(-30, 29, 6))
        ]
        tracker.step(frame, bands_of(frame, air))
        counts.append(tracker.candidates + tracker.open_tracks)
    assert max(counts[150:]) <= 1.5 * max(counts[:150]) < 90
