"""Recordings: what lies around chosen bands, or everything, sample for sample, with captures and annotations."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sigmf

from rfseg.bands import Band
from rfseg.datatype import Datatype
from rfseg.errors import OptionError, RecordingError
from rfseg.geometry import RxTime
from rfseg.recording import files as recording_files
from rfseg.recording.background import Background
from rfseg.recording.filerules import FileRules
from rfseg.recording.metadata import format_datetime, make_header
from rfseg.recording.recorder import ITEM_TYPES, Recorder
from rfseg.recording.stream import StreamChange, StreamFollower
from rfseg.recording.trigger import TriggerPlan, TriggerRules
from rfseg.sigmf import open_recording

SAMP_RATE = 1e6  # Hz
BEGIN = RxTime(seconds=1_769_862_896, fraction=0.25)  # 2026-01-31T12:34:56.25Z
TIMEOUT = 20.0  # s that a test waits for what must come


def ramp(count: int, item_type: str = "int16") -> np.ndarray:
    """Samples that tell their own index."""
    index = np.arange(count)
    if item_type == "complex64":
        return (index % 4096 + 1j * (index // 4096)).astype(np.complex64)
    base = 100 if item_type == "int8" else 30_000
    return np.stack([index % base, index // base % base], -1).astype(ITEM_TYPES[item_type][1])


def band(start: int, count: int, **changes) -> Band:
    """A band of the stream."""
    fields = dict(label="LTE", class_id=1, confidence=0.9, freq_lower_edge=1e9, freq_upper_edge=1.001e9)
    fields |= dict(freq_reference="rf", model="m", snr_db=12.0, id=start)
    return Band(**{**fields, "sample_start": start, "sample_count": count, **changes})


def record(folder: Path, samples: np.ndarray, *, bands=(), changes=(), largest: int = 7777, **options):
    """Push a stream in pieces; counts and events."""
    events = []
    options = {"samp_rate": SAMP_RATE, "item_type": "int16", "center_freq": 1e9, "mode": "lossless", **options}
    recorder = Recorder(folder, on_event=lambda event, fields: events.append((event, fields)), **options)
    recorder.start()
    rng = np.random.default_rng(3)
    start = 0
    while start < len(samples):
        stop = min(start + int(rng.integers(1, largest + 1)), len(samples))
        recorder.push(
            samples[start:stop],
            changes=[change for change in changes if start <= change.offset < stop],
            bands=[one for one in bands if start <= one.sample_start < stop],
        )
        start = stop
    return recorder.stop(), events


def opened(folder: Path) -> list[tuple[dict, np.ndarray]]:
    """Metadata and samples (as stored) of all recordings of a folder, which both readers must take."""
    found = []
    for path in sorted(folder.glob("*.sigmf-meta")):
        recording = open_recording(path)
        other = sigmf.fromfile(str(path))
        other.validate()
        assert other.sample_count == recording.sample_count
        dtype = Datatype.from_name(recording.metadata["global"]["core:datatype"]).component
        data = np.fromfile(recording.data_path, dtype)
        samples = data.view(np.complex64) if dtype.kind == "f" else data.reshape(-1, 2)
        starts = [a["core:sample_start"] for a in recording.annotations]
        ends = [a["core:sample_start"] + a["core:sample_count"] for a in recording.annotations]
        assert starts == sorted(starts) and max(ends, default=0) <= recording.sample_count
        found.append((json.loads(path.read_text()), samples))
    return found


def spans(folder: Path) -> list[tuple[int, int]]:
    """First sample of the stream and the number of samples of recordings without a gap."""
    return [(meta["captures"][0]["core:global_index"], len(samples)) for meta, samples in opened(folder)]


class TestContinuous:
    """Everything is recorded."""

    @pytest.mark.parametrize("item_type", list(ITEM_TYPES))
    def test_files_hold_the_stream_bit_for_bit_over_rotation(self, tmp_path, item_type):
        samples = ramp(250_000, item_type)
        size = Datatype.from_name(item_type).sample_bytes
        counts, _ = record(tmp_path, samples, item_type=item_type, files=FileRules(rotate_bytes=60_001 * size + 1))
        found = opened(tmp_path)
        assert [len(data) for _, data in found] == [60_001] * 4 + [250_000 - 4 * 60_001]
        assert np.array_equal(np.concatenate([data for _, data in found]), samples)
        assert [meta["captures"][0]["core:global_index"] for meta, _ in found] == [60_001 * n for n in range(5)]
        assert counts.wanted == counts.written == 250_000 and counts.recordings == 5

    def test_rotation_by_time_counts_samples(self, tmp_path):
        record(tmp_path, ramp(100_000), files=FileRules(rotate_seconds=0.03))
        assert spans(tmp_path) == [(0, 30_000), (30_000, 30_000), (60_000, 30_000), (90_000, 10_000)]

    def test_time_is_exact_to_the_nanosecond_in_every_file(self, tmp_path):
        changes = [StreamChange(offset=0, rx_time=BEGIN)]
        record(tmp_path, ramp(60_003), changes=changes, files=FileRules(rotate_bytes=4 * 30_001))
        times = [meta["captures"][0]["core:datetime"] for meta, _ in opened(tmp_path)]
        assert times == [f"2026-01-31T12:34:56.{text}Z" for text in ("250000000", "280001000", "310002000")]
        assert sorted(tmp_path.glob("*-data"))[0].name == "rfseg-20260131T123456Z-000001.sigmf-data"

    def test_a_retune_and_a_gap_begin_captures_and_a_clock_that_is_set_right_does_not(self, tmp_path):
        changes = [
            StreamChange(offset=0, rx_time=BEGIN),
            StreamChange(offset=10_000, center_freq=2e9),
            StreamChange(offset=20_000, rx_time=BEGIN.after(20_001, SAMP_RATE)),  # one sample off
            StreamChange(offset=30_000, rx_time=BEGIN.after(30_500, SAMP_RATE)),  # 499 samples are lost
            StreamChange(offset=35_000, center_freq=2e9),  # says what was known
        ]
        record(tmp_path, ramp(40_000), changes=changes)
        ((meta, samples),) = opened(tmp_path)
        assert len(samples) == 40_000
        assert meta["captures"] == [
            {
                "core:sample_start": place,
                "core:global_index": place,
                "core:frequency": freq,
                "core:datetime": f"2026-01-31T12:34:56.{fraction}00000Z",
            }
            for place, freq, fraction in ((0, 1e9, "2500"), (10_000, 2e9, "2600"), (30_000, 2e9, "2805"))
        ]

    def test_a_change_of_the_rate_begins_a_file(self, tmp_path):
        changes = [StreamChange(offset=0, rx_time=BEGIN), StreamChange(offset=15_000, samp_rate=2e6)]
        record(tmp_path, ramp(40_000), changes=changes)
        (first, _), (second, _) = opened(tmp_path)
        assert (first["global"]["core:sample_rate"], second["global"]["core:sample_rate"]) == (1e6, 2e6)
        assert spans(tmp_path) == [(0, 15_000), (15_000, 25_000)]
        assert second["captures"][0]["core:datetime"] == "2026-01-31T12:34:56.265000000Z"

    def test_a_capture_after_long_metadata_begins_a_file(self, tmp_path):
        bands = [band(20 * n, 15) for n in range(1_000)]  # more than 300 KB of annotations
        changes = [StreamChange(offset=n, center_freq=float(n)) for n in (50, 20_000, 20_100)]
        record(tmp_path, ramp(30_000), bands=bands, changes=changes)
        assert spans(tmp_path) == [(0, 20_000), (20_000, 10_000)]
        assert [len(meta["captures"]) for meta, _ in opened(tmp_path)] == [2, 2]

    def test_unknown_time_and_centre_are_left_out(self, tmp_path):
        record(tmp_path, ramp(5_000), center_freq=None)
        ((meta, _),) = opened(tmp_path)
        assert meta["captures"] == [{"core:sample_start": 0, "core:global_index": 0}]

    def test_a_band_over_a_rotation_is_in_both_files(self, tmp_path):
        bands = [band(5_000, 10_000, track=7), band(29_000, 3_000, track=8, label="A name far beyond twenty")]
        record(tmp_path, ramp(50_000), bands=bands, files=FileRules(rotate_seconds=0.03))
        (first, _), (second, _) = opened(tmp_path)
        places = [
            [(a["core:sample_start"], a["core:sample_count"], a["rfseg:track"]) for a in meta["annotations"]]
            for meta in (first, second)
        ]
        assert places == [[(5_000, 10_000, 7), (29_000, 1_000, 8)], [(0, 2_000, 8)]]
        assert first["annotations"][1]["core:label"] == "A name far beyond tw"
        assert first["annotations"][0]["rfseg:snr_db"] == 12.0

    def test_numbers_go_on_in_the_next_run_and_other_files_stay(self, tmp_path):
        (tmp_path / "other-20260131T123456Z-000099.sigmf-meta").write_text("{}")
        for _ in range(2):
            record(tmp_path, ramp(5_000), changes=[StreamChange(offset=0, rx_time=BEGIN)])
        names = sorted(path.name for path in tmp_path.glob("rfseg-*.sigmf-meta"))
        assert names == [f"rfseg-20260131T123456Z-00000{n}.sigmf-meta" for n in (1, 2)]
        assert (tmp_path / "other-20260131T123456Z-000099.sigmf-meta").read_text() == "{}"

    def test_more_metadata_is_there(self, tmp_path):
        record(tmp_path, ramp(5_000), files=FileRules(info={"core:hw": "B210", "core:author": "me"}))
        ((meta, _),) = opened(tmp_path)
        assert meta["global"]["core:hw"] == "B210" and meta["global"]["core:recorder"].startswith("gr-rfseg")


class TestTriggered:
    """What lies around chosen bands is recorded."""

    RULES = TriggerRules(labels=("LTE",), min_confidence=0.5, pre=2e-3, post=1e-3, max_seconds=0.1)

    def test_a_recording_has_its_time_before_and_after(self, tmp_path):
        samples = ramp(100_000)
        counts, _ = record(tmp_path, samples, bands=[band(40_000, 3_000)], trigger=self.RULES)
        ((meta, data),) = opened(tmp_path)
        assert spans(tmp_path) == [(38_000, 6_000)]
        assert np.array_equal(data, samples[38_000:44_000])
        (annotation,) = meta["annotations"]
        assert (annotation["core:sample_start"], annotation["core:sample_count"]) == (2_000, 3_000)
        assert counts.wanted == counts.written == 6_000 and counts.triggers == 1

    @pytest.mark.parametrize("largest", [500, 3_000, 90_000])
    def test_bands_that_lie_close_make_one_recording_in_whatever_pieces_they_come(self, tmp_path, largest):
        touching = 43_000 + 1_000 + 2_000  # the time before it begins where the time after the other ends
        bands = [band(40_000, 3_000), band(touching, 100), band(50_000, 100), band(80_000, 100, label="NR")]
        record(tmp_path, ramp(100_000), bands=bands, trigger=self.RULES, largest=largest)
        assert spans(tmp_path) == [(38_000, 9_100), (48_000, 3_100)]

    def test_all_bands_are_annotated_not_only_those_that_trigger(self, tmp_path):
        bands = [band(36_000, 3_000, label="NR"), band(40_000, 3_000), band(43_500, 5_000, label="Radar")]
        record(tmp_path, ramp(100_000), bands=bands, trigger=self.RULES)
        ((meta, _),) = opened(tmp_path)
        places = [(a["core:label"], a["core:sample_start"], a["core:sample_count"]) for a in meta["annotations"]]
        assert places == [("NR", 0, 1_000), ("LTE", 2_000, 3_000), ("Radar", 5_500, 500)]

    def test_the_longest_recording_is_cut_and_the_next_begins_where_it_ends(self, tmp_path):
        rules = replace(self.RULES, max_seconds=10e-3)
        bands = [band(20_000 + 2_000 * n, 2_000) for n in range(12)]
        record(tmp_path, ramp(100_000), bands=bands, trigger=rules)
        assert spans(tmp_path) == [(18_000, 10_000), (28_000, 10_000), (38_000, 7_000)]

    def test_no_more_than_so_many_begin_in_a_minute(self, tmp_path):
        rules = replace(self.RULES, max_per_minute=2)
        bands = [band(10_000 * n, 100) for n in (1, 2, 3, 4, 9)]
        changes = [StreamChange(offset=85_000, samp_rate=1000.0)]  # 15,000 samples are 15 s then
        counts, _ = record(tmp_path, ramp(100_000), bands=bands[:4], changes=changes, trigger=rules)
        assert [start for start, _ in spans(tmp_path)] == [8_000, 18_000]
        assert (counts.triggers, counts.limited) == (4, 2)

    def test_a_minute_later_there_may_be_others(self):
        plan = TriggerPlan(TriggerRules(pre=0, post=0, max_per_minute=1))
        for second in (0, 59, 60, 61):
            plan.offer(band(second * 1000, 10), 1000.0, oldest=0)
        assert [stretch.start for stretch in plan.stretches] == [0, 60_000] and plan.limited == 2

    @pytest.mark.parametrize(
        "changes, matches",
        [
            ({}, True),
            ({"label": "NR"}, False),
            ({"confidence": 0.4}, False),
            ({"snr_db": 9.9}, False),
            ({"snr_db": None}, False),
            ({"freq_lower_edge": 1.5e9, "freq_upper_edge": 1.6e9}, False),
            ({"freq_lower_edge": 0.9e9, "freq_upper_edge": 1.0e9 + 1}, True),
        ],
    )
    def test_rules_choose_bands(self, changes, matches):
        rules = TriggerRules(labels=["LTE"], min_confidence=0.5, min_snr=10.0, freq_range=(1e9, 1.2e9))
        assert rules.matches(band(0, 10, **changes)) is matches

    def test_the_time_before_reaches_no_further_than_the_stream(self, tmp_path):
        record(tmp_path, ramp(20_000), bands=[band(500, 100)], trigger=self.RULES)
        assert spans(tmp_path) == [(0, 1_600)]

    def test_the_end_of_the_stream_ends_the_recording(self, tmp_path):
        record(tmp_path, ramp(20_000), bands=[band(19_000, 900)], trigger=self.RULES)
        assert spans(tmp_path) == [(17_000, 3_000)]

    def test_a_retune_in_the_time_before_is_a_capture(self, tmp_path):
        changes = [StreamChange(offset=0, rx_time=BEGIN), StreamChange(offset=39_000, center_freq=2e9)]
        record(tmp_path, ramp(60_000), bands=[band(40_000, 100)], changes=changes, trigger=self.RULES)
        ((meta, _),) = opened(tmp_path)
        places = [(c["core:sample_start"], c["core:global_index"], c["core:frequency"]) for c in meta["captures"]]
        assert places == [(0, 38_000, 1e9), (1_000, 39_000, 2e9)]
        assert meta["captures"][1]["core:datetime"] == "2026-01-31T12:34:56.289000000Z"


class TestQueue:
    """The stream never waits for the disk in live mode, and always does in lossless mode."""

    @pytest.fixture
    def gate(self, monkeypatch):
        """Holds every write of samples up until it is set; the first may pass."""
        gate, reached = threading.Event(), threading.Event()
        write = recording_files.os.write

        def slow(file, content):
            if len(content) > 8:  # the first sample of a capture is written by itself
                reached.set()
                assert gate.wait(TIMEOUT)
            return write(file, content)

        monkeypatch.setattr(recording_files.os, "write", slow)
        gate.reached = reached
        yield gate
        gate.set()

    def test_a_slow_disk_costs_samples_that_are_counted_and_leaves_a_capture_after_the_gap(self, tmp_path, gate):
        samples = ramp(130_000)
        recorder = Recorder(tmp_path, samp_rate=SAMP_RATE, item_type="int16", queue_seconds=0.03)
        recorder.start()
        recorder.push(samples[:10_000])
        assert gate.reached.wait(TIMEOUT)
        recorder.push(samples[10_000:100_000], bands=[band(20_000, 70_000)])
        assert recorder.counts().dropped == 70_000 and recorder.counts().waiting == 30_000
        gate.set()
        recorder.drain()
        recorder.push(samples[100_000:])
        counts = recorder.stop()
        ((meta, data),) = opened(tmp_path)
        kept = np.r_[0:30_000, 100_000:130_000]
        assert np.array_equal(data, samples[kept])
        places = [(c["core:sample_start"], c["core:global_index"]) for c in meta["captures"]]
        assert places == [(0, 0), (30_000, 100_000)]
        (annotation,) = meta["annotations"]
        assert (annotation["core:sample_start"], annotation["core:sample_count"]) == (20_000, 10_000)
        assert counts.wanted == 130_000 == counts.written + counts.dropped + counts.refused

    @pytest.mark.parametrize("sync, limit", [("file", 10_000), ("flush", 25_000)])
    def test_forcing_data_onto_the_disk_holds_up_no_sample(self, tmp_path, monkeypatch, sync, limit):
        gate, reached = threading.Event(), threading.Event()
        monkeypatch.setattr(recording_files.os, "fdatasync", lambda file: reached.set() or gate.wait(TIMEOUT))
        rules = FileRules(rotate_bytes=4 * limit, flush_interval=1e-6, sync=sync)
        recorder = Recorder(tmp_path, samp_rate=SAMP_RATE, item_type="int16", files=rules)
        recorder.start()
        recorder.push(ramp(35_000))
        recorder.drain()  # of the files that are full, none can be finished
        assert reached.wait(TIMEOUT)
        assert all(".part" in path.name for path in tmp_path.glob("*.sigmf-meta"))
        assert recorder.counts().written == 30_000 and recorder.counts().recordings == 0
        gate.set()
        counts = recorder.stop()
        assert (counts.written, counts.dropped, counts.recordings) == (35_000, 0, -(-35_000 // limit))
        assert [start for start, _ in spans(tmp_path)] == list(range(0, 35_000, limit))

    def test_a_task_that_takes_long_leaves_room_behind_it(self):
        gate, done, begun = threading.Event(), [], threading.Event()
        background = Background()
        background.submit(lambda: begun.set() or gate.wait(TIMEOUT))
        background.submit(lambda: done.append(1))
        third = threading.Thread(target=background.submit, args=(lambda: done.append(2),))
        third.start()  # there is no room until the first has begun
        deadline = time.monotonic() + TIMEOUT
        while not background._changed._waiters:
            assert time.monotonic() < deadline, "it does not wait"
            time.sleep(1e-3)
        background.start()
        assert begun.wait(TIMEOUT)
        third.join(TIMEOUT / 2)
        assert not third.is_alive() and not done
        gate.set()
        background.stop()
        assert done == [1, 2]

    def test_in_lossless_mode_the_stream_waits(self, tmp_path, gate):
        samples = ramp(100_000)
        recorder = Recorder(tmp_path, samp_rate=SAMP_RATE, item_type="int16", queue_seconds=0.02, mode="lossless")
        recorder.start()
        pusher = threading.Thread(target=recorder.push, args=(samples,), daemon=True)
        pusher.start()
        assert gate.reached.wait(TIMEOUT)
        assert recorder.counts().waiting <= 20_000
        gate.set()
        pusher.join(TIMEOUT)
        assert recorder.stop().dropped == 0
        assert np.array_equal(opened(tmp_path)[0][1], samples)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: TriggerRules(labels="LTE"), RecordingError, r"labels='LTE' must be a list"),
        (lambda: TriggerRules(min_confidence=2), RecordingError, "min_confidence=2 is no probability"),
        (lambda: TriggerRules(min_snr=float("nan")), RecordingError, "min_snr=nan must be"),
        (lambda: TriggerRules(freq_range=(2, 1)), RecordingError, r"freq_range=\(2, 1\) must be"),
        (lambda: TriggerRules(pre=-1), RecordingError, "pre=-1 must be a time"),
        (lambda: TriggerRules(post=-1), RecordingError, "post=-1 must be a time"),
        (lambda: TriggerRules(pre=1, max_seconds=1), RecordingError, "max_seconds=1 must be longer than pre=1"),
        (lambda: TriggerRules(max_per_minute=-1), RecordingError, "max_per_minute=-1 must be"),
        (lambda: FileRules(prefix="a/b"), RecordingError, "prefix='a/b' must be letters"),
        (lambda: FileRules(prefix=""), RecordingError, "prefix='' must be letters"),
        (lambda: FileRules(quota_bytes=-1), RecordingError, "quota_bytes=-1 must be 0 or more"),
        (lambda: FileRules(flush_interval=0), RecordingError, "flush_interval=0 must be a time above 0"),
        (lambda: FileRules(on_full="x"), OptionError, "on_full='x' is unknown, expected one of stop, delete_oldest"),
        (lambda: FileRules(sync="x"), OptionError, "sync='x' is unknown, expected one of flush, file, never"),
        (
            lambda: FileRules(on_full="delete_oldest", quota_bytes=3, rotate_bytes=2),
            RecordingError,
            "quota_bytes=3 is less than two files of rotate_bytes=2",
        ),
        (lambda: make_header(Datatype.from_name("cf32"), 1.0, {"hw": 1}), RecordingError, "info has the key 'hw'"),
        (lambda: make_header(Datatype.from_name("cf32"), 1.0, {"core:hw": b""}), RecordingError, "written as JSON"),
        (lambda: StreamFollower(0.0), RecordingError, "samp_rate=0.0 must be a rate above 0"),
        (lambda: StreamFollower(1.0, float("inf")), RecordingError, "center_freq=inf must be a frequency"),
        (lambda: Recorder("x", samp_rate=1.0, item_type="int4"), RecordingError, "item_type='int4' is unknown"),
        (lambda: Recorder("x", samp_rate=1.0, queue_seconds=0), RecordingError, "queue_seconds=0 must be a time"),
        (lambda: Recorder(__file__, samp_rate=1.0), RecordingError, "test_recording.py cannot be written: File exists"),
        (lambda: Recorder("x", samp_rate=1.0, mode="x"), OptionError, "mode='x' is unknown"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_fraction_that_rounds_to_a_second_carries():
    assert format_datetime(RxTime(seconds=1_769_862_899, fraction=1 - 1e-12)) == "2026-01-31T12:35:00.000000000Z"


def test_time_does_not_drift_over_a_day_of_samples():
    follower = StreamFollower(61.44e6)
    follower.follow(StreamChange(offset=1000, rx_time=BEGIN))
    day = 1000 + 61_440_000 * 86_400
    assert follower.newest.time_at(day) == RxTime(seconds=BEGIN.seconds + 86_400, fraction=0.25)
