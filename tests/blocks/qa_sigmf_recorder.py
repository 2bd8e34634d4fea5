# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF Recorder in flowgraphs: what is on disk is the stream, bit for bit, with its bands, captures and times."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import numpy as np
import pmt
import pytest
from gnuradio import gr, rfseg
from gnuradio.rfseg.messages import BandsMessage, FrameTag, band_to_pmt

from rfseg.bands import Band
from rfseg.errors import OptionError, RecordingError
from rfseg.geometry import Frame, RxTime
from rfseg.recording import files as recording_files
from rfseg.recording.archive import Archive
from rfseg.recording.recorder import Recorder
from rfseg.sigmf import open_recording

SAMP_RATE = 1e6  # Hz
TIMEOUT = 20.0  # s that a test waits for what must come
TYPES = {"complex64": np.complex64, "int16": np.int16, "int8": np.int8}


def ramp(count: int, item_type: str = "int16") -> np.ndarray:
    """Samples that tell their own index."""
    index = np.arange(count)
    if item_type == "complex64":
        return (index % 4096 + 1j * (index // 4096)).astype(np.complex64)
    base = 100 if item_type == "int8" else 30_000
    return np.stack([index % base, index // base % base], -1).astype(TYPES[item_type])


def band(start: int, count: int, **changes) -> Band:
    """A band of the stream."""
    fields = dict(label="LTE", class_id=1, confidence=0.9, freq_lower_edge=1e9, freq_upper_edge=1.001e9)
    fields |= dict(freq_reference="rf", model="m", snr_db=12.0, id=start, track=3)
    return Band(**{**fields, "sample_start": start, "sample_count": count, **changes})


def tags_of(bands=(), *, first: list | None = None) -> dict:
    """Tags as Band Tagger writes them, and those of the source on the first sample."""
    time_tag = pmt.make_tuple(pmt.from_uint64(1_769_862_896), pmt.from_double(0.25))
    tags = {0: [("rx_time", time_tag), ("rx_freq", pmt.from_double(1e9)), *(first or [])]}
    for one in bands:
        tags.setdefault(one.sample_start, []).append(("band_start", band_to_pmt(one)))
        end = one.sample_start + one.sample_count - 1
        tags.setdefault(end, []).append(("band_end", pmt.from_uint64(one.id)))
    return tags


def run(kit, folder: Path, samples: np.ndarray, tags: dict, *, until: str = "", **options):
    """Play samples into a recorder, the end once ``status`` tells an event; the block and its messages."""
    source = kit.array_source(samples, tags=tags, is_open=bool(until))
    recorder = rfseg.sigmf_recorder(SAMP_RATE, folder, **{"mode": "lossless", "item_type": "int16", **options})
    log = kit.message_log()
    top = gr.top_block()
    top.connect(source, recorder)
    top.msg_connect(recorder, "status", log, "in")
    top.start()
    if until:
        log.wait_for(lambda messages: any(message["event"] == until for message in messages))
    source.end.set()
    top.wait()
    return recorder, log


def opened(folder: Path) -> list[tuple[dict, np.ndarray]]:
    """Metadata and samples of the recordings of a folder."""
    return [
        (json.loads(path.read_text()), open_recording(path)) for path in sorted(folder.glob("*.sigmf-meta"))
    ]


@pytest.mark.parametrize("item_type", list(TYPES))
def test_the_stream_is_on_disk_bit_for_bit_over_rotation(kit, tmp_path, item_type):
    samples = ramp(150_000, item_type)
    bands = [band(40_000, 20_000)]
    options = {"record": "all", "item_type": item_type, "rotate_seconds": 0.05}
    recorder, _ = run(kit, tmp_path, samples, tags_of(bands), **options)
    found = opened(tmp_path)
    raw = b"".join(recording.data_path.read_bytes() for _, recording in found)
    assert raw == samples.tobytes()
    firsts = [meta["captures"][0] for meta, _ in found]
    assert [first["core:global_index"] for first in firsts] == [0, 50_000, 100_000]
    assert [first["core:datetime"] for first in firsts] == [f"2026-01-31T12:34:56.{t}0000000Z" for t in (25, 30, 35)]
    places = [[(a["core:sample_start"], a["core:sample_count"]) for a in meta["annotations"]] for meta, _ in found]
    assert places == [[(40_000, 10_000)], [(0, 10_000)], []]
    assert found[0][0]["annotations"][0]["rfseg:track"] == 3
    assert recorder.counts().written == 150_000


def test_what_lies_around_chosen_bands_is_recorded(kit, tmp_path):
    samples = ramp(200_000)
    bands = [band(50_000, 1_000), band(100_000, 1_000, label="Radar", snr_db=30.0), band(150_000, 1_000, snr_db=None)]
    options = {"labels": ["Radar", "NR"], "min_snr": 20.0, "pre": 0.01, "post": 0.02}
    recorder, log = run(kit, tmp_path, samples, tags_of(bands), until="finished", **options)
    ((meta, recording),) = opened(tmp_path)
    assert meta["captures"][0]["core:global_index"] == 90_000
    assert recording.data_path.read_bytes() == samples[90_000:121_000].tobytes()
    assert [a["core:label"] for a in meta["annotations"]] == ["Radar"]
    assert meta["annotations"][0]["core:sample_start"] == 10_000
    begun, finished = (m for m in log.messages if m["event"] in ("begun", "finished"))
    assert begun["source"] == "recorder" and begun["sample"] == 90_000
    assert finished["path"] == str(recording.meta_path) and finished["samples"] == 31_000
    assert recorder.counts().triggers == 1


def test_a_retune_and_a_gap_are_captures(kit, tmp_path):
    tags = tags_of()
    tags[30_000] = [("rx_freq", pmt.from_double(2e9))]
    late = RxTime(seconds=1_769_862_896, fraction=0.25).after(61_000, SAMP_RATE)
    tags[60_000] = [("rx_time", pmt.make_tuple(pmt.from_uint64(late.seconds), pmt.from_double(late.fraction)))]
    run(kit, tmp_path, ramp(90_000), tags, record="all")
    ((meta, _),) = opened(tmp_path)
    captures = [(c["core:sample_start"], c["core:frequency"], c["core:datetime"][17:]) for c in meta["captures"]]
    assert captures == [(0, 1e9, "56.250000000Z"), (30_000, 2e9, "56.280000000Z"), (60_000, 2e9, "56.311000000Z")]


def test_tags_that_make_no_sense_are_counted_and_passed_over(kit, tmp_path):
    tags = tags_of(first=[("rx_rate", pmt.from_double(-1.0)), ("band_start", pmt.PMT_T)])
    tags[10] = [("rx_time", pmt.make_tuple(pmt.from_uint64(1), pmt.from_double(1.5)))]
    recorder, _ = run(kit, tmp_path, ramp(20_000), tags, record="all")
    assert recorder.bad_tags() == 3
    ((meta, recording),) = opened(tmp_path)
    assert recording.sample_count == 20_000 and len(meta["captures"]) == 1


def test_at_the_quota_recording_stops_and_the_stream_goes_on(kit, tmp_path):
    options = {"record": "all", "quota_bytes": 1_000_000}
    recorder, log = run(kit, tmp_path, ramp(400_000), tags_of(), until="stopped", **options)
    counts = recorder.counts()
    assert recorder.is_stopped() and recorder.nitems_read(0) == 400_000
    assert counts.written + counts.refused == 400_000 and 3 * counts.written > 400_000
    (stopped,) = (message for message in log.messages if message["event"] == "stopped")
    assert stopped["reason"].startswith("the quota of 1000000 bytes is used up; move recordings away")


def test_an_error_that_should_not_be_ends_recording_not_the_stream(kit, tmp_path, monkeypatch):
    def fail(self, *args, **options):
        raise RuntimeError("it broke")

    monkeypatch.setattr(Recorder, "push", fail)
    recorder, log = run(kit, tmp_path, ramp(100_000), tags_of(), until="failed", record="all")
    assert recorder.nitems_read(0) == 100_000
    (failed,) = (message for message in log.messages if message["event"] == "failed")
    assert failed["reason"] == "it broke"


def test_after_a_failure_messages_are_left_alone_and_do_not_pile_up(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(Recorder, "push", None)
    source, log = kit.array_source(ramp(10_000), is_open=True), kit.message_log()
    recorder = rfseg.sigmf_recorder(SAMP_RATE, tmp_path, item_type="int16", record="all")
    top = gr.top_block()
    top.connect(source, recorder)
    top.msg_connect(recorder, "status", log, "in")
    top.start()
    log.wait_for(lambda messages: any(message["event"] == "failed" for message in messages))
    for _ in range(3):
        recorder.to_basic_block()._post(pmt.intern("bands"), pmt.PMT_T)  # would be counted if it were looked at
    deadline = time.monotonic() + TIMEOUT
    while recorder.to_basic_block().nmsgs(pmt.intern("bands")):
        assert time.monotonic() < deadline
        time.sleep(1e-3)
    source.end.set()
    top.wait()
    assert recorder.bad_tags() == 0


def test_what_came_too_late_in_one_run_is_not_told_of_the_next(kit, tmp_path):
    frame = Frame(index=9, sample_start=90, sample_count=10, valid_samples=10, samp_rate=SAMP_RATE, center_freq=7e9)
    source = kit.array_source(ramp(30_000))
    recorder = rfseg.sigmf_recorder(SAMP_RATE, tmp_path, item_type="int16", mode="lossless", record="all")
    top = gr.top_block()
    top.connect(source, recorder)
    for _ in range(2):
        kit.run(top)
        recorder.to_basic_block()._post(pmt.intern("bands"), BandsMessage(tag=FrameTag(frame=frame)).to_pmt())
    assert [len(meta["captures"]) for meta, _ in opened(tmp_path)] == [1, 1]


def test_a_folder_that_is_gone_ends_recording_not_the_stream(kit, tmp_path):
    source, log = kit.array_source(ramp(100_000), is_open=True), kit.message_log()
    recorder = rfseg.sigmf_recorder(SAMP_RATE, tmp_path / "gone", item_type="int16", mode="lossless", record="all")
    (tmp_path / "gone").rmdir()
    (tmp_path / "gone").write_text("a file")
    top = gr.top_block()
    top.connect(source, recorder)
    top.msg_connect(recorder, "status", log, "in")
    top.start()
    log.wait_for(lambda messages: any("cannot be written" in message.get("reason", "") for message in messages))
    source.end.set()
    top.wait()
    assert recorder.nitems_read(0) == 100_000


def test_an_error_of_the_writer_ends_recording_not_the_stream(kit, tmp_path, monkeypatch):
    def fail(self, piece):
        raise RuntimeError("it broke")

    monkeypatch.setattr(Archive, "write", fail)
    recorder, log = run(kit, tmp_path, ramp(100_000), tags_of(), until="stopped", record="all")
    assert recorder.nitems_read(0) == recorder.counts().refused == 100_000


def test_a_disk_that_hangs_holds_no_sample_up(kit, tmp_path, monkeypatch):
    gate = threading.Event()
    write = recording_files.os.write
    monkeypatch.setattr(recording_files.os, "write", lambda *args: gate.wait(TIMEOUT) and write(*args))
    source = kit.array_source(ramp(300_000), tags=tags_of(), is_open=True)
    recorder = rfseg.sigmf_recorder(SAMP_RATE, tmp_path, item_type="int16", record="all", queue_seconds=0.02)
    top = gr.top_block()
    top.connect(source, recorder)
    top.start()
    deadline = time.monotonic() + TIMEOUT
    while recorder.nitems_read(0) < 300_000:  # the whole stream passes while the disk hangs
        assert time.monotonic() < deadline
        time.sleep(1e-3)
    assert recorder.counts().dropped > 200_000
    gate.set()
    source.end.set()
    top.wait()
    counts = recorder.counts()
    assert counts.written + counts.dropped == counts.wanted == 300_000


def test_a_flowgraph_runs_again_into_the_same_folder(kit, tmp_path):
    for _ in range(2):
        run(kit, tmp_path, ramp(30_000), tags_of(), record="all")
    names = [recording.name for _, recording in opened(tmp_path)]
    assert names == [f"rfseg-20260131T123456Z-00000{number}" for number in (1, 2)]


def test_what_only_messages_tell_is_known_on_its_sample(kit, tmp_path, threshold_model):
    rate, count = 15.36e6, 6 * 30_720
    tags = {70_000: [("rx_freq", pmt.from_double(2e9))]}
    source = kit.array_source(kit.noise(count, level_db=-60.0, seed=1), tags=tags)
    chain = rfseg.rf_segmenter(rate, model=threshold_model, mode="lossless", frame_duration=2e-3, center_freq=1e9)
    untagged = kit.random_copy(np.complex64, seed=1, largest=5_000)
    untagged.set_tag_propagation_policy(gr.TPP_DONT)
    recorder = rfseg.sigmf_recorder(rate, tmp_path, mode="lossless", record="all")
    top = gr.top_block()
    top.connect(source, chain, untagged, recorder)
    top.msg_connect(chain, "bands", recorder, "bands")
    recorder.to_basic_block()._post(pmt.intern("bands"), pmt.PMT_T)
    kit.run(top)
    ((meta, _),) = opened(tmp_path)
    assert [(c["core:sample_start"], c["core:frequency"]) for c in meta["captures"]] == [(0, 1e9), (70_000, 2e9)]
    assert recorder.bad_tags() == 1


def test_behind_rf_segmenter_the_bands_of_its_messages_are_annotations(kit, tmp_path, threshold_model):
    rate, count = 15.36e6, 4 * 30_720
    samples = kit.noise(count, level_db=-60.0, seed=1)
    samples[30_720:92_160] += kit.comb(61_440, bins=64, first=40, last=50, level_db=-20.0)
    source = kit.array_source(samples, tags=tags_of())
    chain = rfseg.rf_segmenter(rate, model=threshold_model, mode="lossless", frame_duration=2e-3)
    recorder = rfseg.sigmf_recorder(rate, tmp_path, mode="lossless", pre=1e-3, post=1e-3)
    log = kit.message_log()
    top = gr.top_block()
    top.connect(source, chain, recorder)
    top.msg_connect(chain, "bands", log, "in")
    kit.run(top)
    log.wait_for(lambda messages: messages and messages[-1]["last"])
    told = [one for message in log.messages for one in message["bands"]]
    ((meta, recording),) = opened(tmp_path)
    first = meta["captures"][0]["core:global_index"]
    assert first == min(one["sample_start"] for one in told) - 15_360
    stored = np.fromfile(recording.data_path, np.complex64)
    assert np.array_equal(stored, samples[first : first + len(stored)])
    places = [(a["core:sample_start"] + first, a["core:sample_count"], a["core:label"]) for a in meta["annotations"]]
    assert places == [(one["sample_start"], one["sample_count"], one["label"]) for one in told] != []


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"record": "x"}, OptionError, "record='x' is unknown, expected one of bands, all"),
        ({"item_type": "x"}, RecordingError, "item_type='x' is unknown"),
        ({"labels": "LTE"}, RecordingError, "labels='LTE' must be a list"),
        ({"info": {"hw": 1}}, RecordingError, "info has the key 'hw'"),
    ],
)
def test_wrong_options_are_refused_in_words(tmp_path, options, error, text):
    with pytest.raises(error, match=text):
        rfseg.sigmf_recorder(SAMP_RATE, tmp_path, **options)
