"""Crashes and full disks: whatever is there opens, what was interrupted is recovered, and the stream goes on."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import sigmf

from rfseg.bands import Band
from rfseg.errors import RecordingError
from rfseg.geometry import RxTime
from rfseg.recording import files as recording_files
from rfseg.recording.filerules import FileRules
from rfseg.recording.files import RecordingFile, Sync
from rfseg.recording.metadata import make_header
from rfseg.recording.recorder import Recorder
from rfseg.recording.recovery import recover
from rfseg.recording.stream import StreamState
from rfseg.datatype import Datatype
from rfseg.sigmf import open_recording

SAMP_RATE = 1e6  # Hz
INT16 = Datatype.from_name("int16")
RUN = Path(__file__).with_name("recording_writer.py")
TIMEOUT = 60.0  # s that a test waits for what must come


def ramp(start: int, count: int) -> np.ndarray:
    """Samples that tell their index in the stream."""
    index = np.arange(start, start + count)
    return np.stack([index % 30_000, index // 30_000 % 30_000], -1).astype(np.int16)


def band(start: int, count: int) -> Band:
    """A band of the stream."""
    return Band(
        label="LTE",
        class_id=1,
        confidence=0.9,
        freq_lower_edge=1e9,
        freq_upper_edge=1.001e9,
        freq_reference="rf",
        sample_start=start,
        sample_count=count,
        model="m",
    )


def state(capture: int) -> StreamState:
    """State of a capture that begins at sample 1000 * ``capture``."""
    time = RxTime(seconds=100, fraction=0.5).after(1000 * capture, SAMP_RATE)
    fields = {"capture": capture, "samp_rate": SAMP_RATE, "center_freq": 1e9 + capture}
    return StreamState(offset=1000 * capture, rx_time=time, **fields)


def check(folder: Path, *, newest: int = 100) -> list[Path]:
    """Every metadata file of a folder opens with both readers, and its samples are those that it speaks of."""
    paths = sorted(folder.glob("*.sigmf-meta"))[-newest:]
    for path in paths:
        recording = open_recording(path)
        other = sigmf.fromfile(str(path))
        other.validate()
        assert other.sample_count == recording.sample_count
        stored = np.fromfile(recording.data_path, np.int16).reshape(-1, 2)
        captures = recording.metadata["captures"]
        stops = [*(c["core:sample_start"] for c in captures[1:]), recording.sample_count]
        for number, (capture, stop) in enumerate(zip(captures, stops)):
            first = capture["core:sample_start"]
            expected = ramp(capture["core:global_index"], stop - first)
            # At a crash one sample, the first of a capture to come, may be there without its capture.
            has_crashed = ".part" in path.name or "core:description" in recording.metadata["global"]
            spare = has_crashed and number == len(captures) - 1
            wrong = np.flatnonzero((stored[first:stop] != expected).any(axis=1))
            assert wrong.size == 0 or (spare and list(wrong) == [stop - first - 1])
        for annotation in recording.annotations:
            assert annotation["core:sample_start"] + annotation["core:sample_count"] <= recording.sample_count
    return paths


def write_recording(folder: Path, sync: Sync) -> None:
    """A recording of two captures with a gap between them, step by step."""
    file = RecordingFile(folder, "one", header=make_header(INT16, SAMP_RATE), sample_bytes=4, sync=sync)
    try:
        file.append(ramp(0, 500), 0, state(0), [band(100, 1_000)])
        file.flush()
        if sync is Sync.FLUSH:
            file.force()
        file.append(ramp(1000, 300), 1000, state(1))
        file.append(ramp(1300, 200), 1300, state(1), [band(1400, 50)])
        file.flush()
        file.finish()
    finally:
        file.close()


class PowerOff(BaseException):
    """The program ends here; nothing that it would still do happens."""


class Steps:
    """Counts what is done to the disk and lets it happen up to a certain step."""

    def __init__(self, monkeypatch, last: float) -> None:
        self.count, self._last = 0, last
        for name in ("write", "ftruncate", "replace", "link", "rename", "unlink", "fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._guard(getattr(os, name)))

    def _guard(self, step):
        def guarded(*args, **options):
            if self.count >= self._last:
                raise PowerOff
            self.count += 1
            return step(*args, **options)

        return guarded


@pytest.mark.parametrize(
    "sync, has_links", [(Sync.FLUSH, True), (Sync.FILE, True), (Sync.NEVER, True), (Sync.FILE, False)]
)
def test_a_crash_between_any_two_steps_leaves_what_opens_and_is_recovered(tmp_path, monkeypatch, sync, has_links):
    def refuse(*args, **options):
        raise OSError(errno.EPERM, "no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    with monkeypatch.context() as patch:
        steps = Steps(patch, np.inf)
        (tmp_path / "whole").mkdir()
        write_recording(tmp_path / "whole", sync)
    assert steps.count > 10
    for last in range(steps.count):
        folder = tmp_path / f"{last}"
        folder.mkdir()
        with monkeypatch.context() as patch, pytest.raises(PowerOff):
            Steps(patch, last)
            write_recording(folder, sync)
        if has_links:
            check(folder)
        was_finished = not list(folder.glob("*.part.*"))
        recovered = recover(folder)
        found = check(folder)
        assert recovered == ([] if was_finished else found)
        written = sum(len(np.fromfile(path, np.int16)) // 2 for path in folder.glob("*.sigmf-data"))
        assert len(found) == (written > 0)
        assert sorted(path.name for path in folder.iterdir()) in ([], ["one.sigmf-data", "one.sigmf-meta"])
        assert recover(folder) == []
    assert written == 1_000


class TestRecovery:
    """What a crash leaves."""

    @pytest.fixture
    def interrupted(self, tmp_path) -> Path:
        """A folder with a recording whose writer is gone after the last flush."""
        file = RecordingFile(tmp_path, "one", header=make_header(INT16, SAMP_RATE), sample_bytes=4)
        file.append(ramp(0, 500), 0, state(0), [band(100, 300)])
        file.append(ramp(1000, 300), 1000, state(1), [band(1_100, 150)])
        file.flush()
        file.close()
        return tmp_path

    def test_samples_after_the_last_flush_are_kept(self, interrupted):
        with open(interrupted / "one.part.sigmf-data", "ab") as file:
            file.write(ramp(1300, 50).tobytes() + b"\0\1\2")  # and a part of one
        assert recover(interrupted) == [interrupted / "one.sigmf-meta"]
        assert check(interrupted) == [interrupted / "one.sigmf-meta"]
        recording = open_recording(interrupted / "one.sigmf-meta")
        assert recording.sample_count == 850 and len(recording.annotations) == 2
        assert recording.metadata["global"]["core:description"].startswith("Interrupted, then recovered")

    def test_what_speaks_of_samples_that_a_power_cut_took_goes(self, interrupted):
        os.truncate(interrupted / "one.part.sigmf-data", 4 * 250)
        recover(interrupted)
        ((capture),) = open_recording(check(interrupted)[0]).metadata["captures"]
        (annotation,) = open_recording(interrupted / "one.sigmf-meta").annotations
        assert capture["core:global_index"] == 0
        assert (annotation["core:sample_start"], annotation["core:sample_count"]) == (100, 150)

    def test_what_is_being_written_is_left_alone(self, tmp_path):
        file = RecordingFile(tmp_path, "one", header=make_header(INT16, SAMP_RATE), sample_bytes=4)
        file.append(ramp(0, 500), 0, state(0))
        assert recover(tmp_path) == []
        file.finish()
        assert check(tmp_path) == [tmp_path / "one.sigmf-meta"]

    def test_other_prefixes_are_left_alone(self, interrupted):
        assert recover(interrupted, prefix="other") == []
        assert (interrupted / "one.part.sigmf-meta").exists()

    def test_the_next_recorder_recovers_and_says_so(self, interrupted):
        for path in list(interrupted.glob("one.part.*")):
            path.rename(interrupted / path.name.replace("one", "rfseg-20260131T123456Z-000007"))
        events = []
        record(interrupted, 5_000, events=events)
        assert events[0] == ("recovered", {"path": str(interrupted / "rfseg-20260131T123456Z-000007.sigmf-meta")})
        assert [path.stem[-6:] for path in check(interrupted)] == ["000007", "000008"]

    def test_a_program_recovers_a_folder(self, interrupted):
        command = [sys.executable, "-m", "rfseg.recording", str(interrupted)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        assert (done.returncode, done.stdout) == (0, f"{interrupted / 'one.sigmf-meta'}\n")

    def test_damaged_metadata_are_refused_in_words(self, interrupted):
        (interrupted / "one.part.sigmf-meta").write_text("{")
        with pytest.raises(RecordingError, match="one.part.sigmf-meta is no JSON.*remove it and its data"):
            recover(interrupted)

    def test_what_is_damaged_holds_up_neither_the_others_nor_the_next_recorder(self, interrupted):
        damaged = interrupted / "rfseg-20260131T123456Z-000001.part.sigmf-data"
        damaged.write_bytes(bytes(100))
        for path in list(interrupted.glob("one.part.*")):
            path.rename(interrupted / path.name.replace("one", "rfseg-20260131T123456Z-000002"))
        _, counts, events = record(interrupted, 5_000)
        assert events[0][0] == "unrecovered" and "000001.part.sigmf-meta is missing" in events[0][1]["reason"]
        assert [path.stem[-6:] for path in check(interrupted)] == ["000002", "000003"]
        assert damaged.exists() and counts.written == 5_000

    def test_missing_metadata_are_refused_in_words(self, interrupted):
        (interrupted / "one.part.sigmf-meta").unlink()
        with pytest.raises(RecordingError, match="one.part.sigmf-meta is missing; write it by hand, or remove"):
            recover(interrupted)

    def test_a_missing_folder_is_refused_in_words(self, tmp_path):
        with pytest.raises(RecordingError, match="gone cannot be recovered: No such file"):
            recover(tmp_path / "gone")


def test_killed_at_any_moment_everything_opens_and_is_recovered(tmp_path):
    chance = random.Random(1)
    nursery = subprocess.Popen([sys.executable, str(RUN), str(tmp_path)], stdin=-1, stdout=-1, text=True, bufsize=1)
    with nursery:
        for _ in range(8):
            nursery.stdin.write("another\n")
            writer = int(nursery.stdout.readline())  # it writes
            time.sleep(chance.uniform(0, 0.15))  # the moment is the test
            os.kill(writer, signal.SIGKILL)
            assert nursery.stdout.readline() == "gone\n"
            check(tmp_path, newest=3)
            # Each writer recovers what the one before left: one that grows, and those that were being finished.
            assert len(list(tmp_path.glob("*.part.sigmf-meta"))) <= 4
        nursery.stdin.close()
    recover(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".sigmf-data", ".sigmf-meta")]
    assert not list(tmp_path.glob("*.part.*")) and not list(tmp_path.glob(".*"))
    check(tmp_path, newest=3)
    stems = [sorted(path.stem for path in tmp_path.glob(f"*.sigmf-{kind}")) for kind in ("data", "meta")]
    assert stems[0] == stems[1] and len(stems[0]) >= 8


def record(folder: Path, count: int, *, events: list | None = None, **rules):
    """A stream of so many samples; the recorder, its counts and its events."""
    events = [] if events is None else events
    recorder = Recorder(
        folder,
        samp_rate=SAMP_RATE,
        item_type="int16",
        mode="lossless",
        files=FileRules(**rules),
        on_event=lambda event, fields: events.append((event, fields)),
    )
    recorder.start()
    for start in range(0, count, 5_000):
        recorder.push(ramp(start, min(5_000, count - start)), bands=[band(start + 10, 100)])
    return recorder, recorder.stop(), events


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.iterdir())


class TestFull:
    """No room."""

    def test_at_the_quota_recording_stops_with_a_message_and_the_stream_goes_on(self, tmp_path):
        _, counts, events = record(tmp_path, 400_000, rotate_bytes=300_000, quota_bytes=1_000_000)
        event, told = events[-1]
        assert event == "stopped" and told["reason"] == (
            "the quota of 1000000 bytes is used up; move recordings away and resume or start again, raise quota_bytes,"
            " or choose on_full='delete_oldest'"
        )
        assert 900_000 < size_of(tmp_path) <= 1_000_000
        assert counts.written + counts.refused == counts.wanted == 400_000
        recordings = [open_recording(path) for path in check(tmp_path)]
        assert sum(recording.sample_count for recording in recordings) == counts.written

    def test_recordings_of_earlier_runs_count_and_those_of_others_do_not(self, tmp_path):
        (tmp_path / "other-20260131T123456Z-000001.sigmf-data").write_bytes(bytes(900_000))
        record(tmp_path, 150_000, quota_bytes=1_000_000)
        _, counts, events = record(tmp_path, 150_000, quota_bytes=1_000_000)
        assert events[-1][0] == "stopped" and 80_000 < counts.written < 100_000

    def test_it_goes_on_when_it_is_told_to_and_there_is_room(self, tmp_path):
        recorder, _, _ = record(tmp_path, 300_000, quota_bytes=1_000_000)
        assert recorder.is_stopped
        recorder = Recorder(tmp_path, samp_rate=SAMP_RATE, item_type="int16", files=FileRules(quota_bytes=1_000_000))
        recorder.start()
        recorder.push(ramp(0, 50_000))
        recorder.drain()
        assert recorder.is_stopped and recorder.counts().refused > 0
        before = recorder.counts().written
        for path in tmp_path.glob("*-000001.*"):
            path.unlink()
        recorder.resume()
        recorder.push(ramp(50_000, 10_000))
        assert recorder.stop().written == before + 10_000
        assert open_recording(check(tmp_path)[-1]).metadata["captures"][0]["core:global_index"] == 50_000

    def test_bands_do_not_pile_up_while_it_has_stopped(self, tmp_path):
        recorder = Recorder(tmp_path, samp_rate=SAMP_RATE, item_type="int16", files=FileRules(quota_bytes=100_000))
        recorder.start()
        recorder.push(ramp(0, 50_000))
        recorder.drain()
        assert recorder.is_stopped
        passed = []
        for start in range(50_000, 100_000, 5_000):
            one = band(start + 10, 100)
            passed.append(weakref.ref(one))
            recorder.push(ramp(start, 5_000), bands=[one])
            del one
        recorder.drain()
        recorder.push(ramp(100_000, 20_000))
        recorder.drain()
        assert [one() for one in passed] == [None] * 10
        recorder.stop()

    def test_the_oldest_go_where_that_is_allowed(self, tmp_path):
        rules = dict(rotate_bytes=100_000, quota_bytes=500_000, on_full="delete_oldest")
        _, counts, events = record(tmp_path, 400_000, **rules)
        assert counts.written == 400_000 and "stopped" not in [event for event, _ in events]
        paths = check(tmp_path)
        assert [int(path.stem[-6:]) for path in paths] == [13, 14, 15, 16]
        deleted = [Path(fields["path"]).stem[-6:] for event, fields in events if event == "deleted"]
        assert deleted == [f"{number:06d}" for number in range(1, 13)]
        assert size_of(tmp_path) <= 500_000

    @pytest.mark.parametrize("room", [0, 4, 333_333, 700_002])
    def test_a_disk_that_takes_no_more_keeps_whole_samples(self, tmp_path, monkeypatch, room):
        write, left = os.write, [room]

        def take(file, content):
            count = write(file, content[: left[0]]) if left[0] else 0
            left[0] -= count
            if count == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return count

        monkeypatch.setattr(recording_files.os, "write", take)
        _, counts, events = record(tmp_path, 400_000)
        assert counts.written == room // 4 and counts.refused == 400_000 - room // 4
        assert events[-1][0] == "stopped" and "No space left on device" in events[-1][1]["reason"]
        assert [open_recording(path).sample_count for path in check(tmp_path)] == [room // 4] * (room > 0)

    def test_a_disk_that_fails_stops_recording_not_the_stream(self, tmp_path, monkeypatch):
        def fail(file, content):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(recording_files.os, "write", fail)
        _, counts, events = record(tmp_path, 50_000, on_full="delete_oldest")
        assert counts.refused == 50_000 and "Input/output error" in events[-1][1]["reason"]
        assert list(tmp_path.iterdir()) == []

    def test_metadata_that_a_full_disk_refuses_take_the_place_of_the_last_samples(self, tmp_path, monkeypatch):
        file = RecordingFile(tmp_path, "one", header=make_header(INT16, SAMP_RATE), sample_bytes=4)
        file.append(ramp(0, 50_000), 0, state(0))
        put, refusals = recording_files.put_text, iter([True, True])

        def refuse(path, text, **options):
            if next(refusals, False):
                raise OSError(errno.ENOSPC, "No space left on device")
            put(path, text, **options)

        monkeypatch.setattr(recording_files, "put_text", refuse)
        file.finish()
        assert open_recording(check(tmp_path)[0]).sample_count == 50_000 - 2 * 16_384

    def test_a_small_disk_that_is_really_full(self, tmp_path):
        shell = f'mount -t tmpfs -o size=2m tmpfs "{tmp_path}" && exec "{sys.executable}" "{RUN}" "{tmp_path}" full'
        probe = f'mount -t tmpfs -o size=2m tmpfs "{tmp_path}"'
        unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        if subprocess.run([*unshare, probe], capture_output=True, timeout=TIMEOUT).returncode:
            pytest.skip("this system lets nobody mount a disk of their own")
        done = subprocess.run([*unshare, shell], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["written"] + found["refused"] == found["wanted"]
        assert 1_900_000 < 4 * found["written"] < 2 << 20 and found["opened"] == [found["written"]]
        assert found["event"] == "stopped" and "full" in found["reason"]
