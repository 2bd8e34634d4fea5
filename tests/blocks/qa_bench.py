"""rfseg bench: the flowgraphs that it measures run, and their figures agree with one another.  How fast they are is not tested."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.rfseg.bench.__main__ import main as program
from gnuradio.rfseg.bench.chains import live_figures
from gnuradio.rfseg.bench.ends import scene_source, tag_log
from gnuradio.rfseg.rfseg_python import keys

from rfseg.cli import main

SAMP_RATE = 15.36e6  # Hz
TASKS = {
    "lossless": {"seconds": 0.2, "repeats": 2},
    "live": {"seconds": 0.5, "channels": 2, "options": {"infer_every": 2}},
    "process": {"stage": "feed", "seconds": 0.3, "has_radar": False},
}


def do(task: object, **settings) -> tuple[int, str]:
    """Exit code and output of the program with one task."""
    out = io.StringIO()
    code = program([json.dumps({"task": task, **settings}) if isinstance(task, str) else task[0]], out)
    return code, out.getvalue()


@pytest.fixture
def result_of(threshold_model):
    """The result of a task with the threshold model."""

    def result(task: str) -> dict:
        code, out = do(task, model=threshold_model, samp_rate=SAMP_RATE, frame_duration=20e-3, **TASKS[task])
        assert code == 0
        return json.loads(out)

    return result


def test_the_source_plays_the_scene_and_goes_on_without_writing() -> None:
    scene = np.arange(1000, dtype=np.complex64)
    source = scene_source(scene, 1e5, is_paced=False)
    sink = blocks.vector_sink_c()
    top = gr.top_block()
    top.connect(source, blocks.head(gr.sizeof_gr_complex, 200_000), sink)
    top.run()
    taken = np.array(sink.data())
    assert len(taken) == 200_000
    assert source.has_begun
    first = taken[:70_000]  # the ring is filled by then
    assert np.array_equal(first, np.resize(scene, len(first)))
    assert set(taken[100_000:].real) == set(scene.real)


def test_spectrogram_block_own_chain_and_bound_are_all_measured() -> None:
    code, out = do("spectrogram", bins=[256], item_types=["complex64", "int16", "int8"], repeats=2, window=0.02)
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["item_type"] for row in rows] == ["complex64", "int16", "int8"]
    for row in rows:
        assert (row["bins"], row["hop"]) == (256, 120)
        assert set(row["wall"]) == {"block", "block_overlapped", "gnuradio"}
        assert set(row["core"]) == {*row["wall"], "bound", "bound_overlapped"}
        for spread in [*row["wall"].values(), *row["core"].values(), *row["ratios"].values()]:
            assert 0 < spread["low"] <= spread["median"] <= spread["high"] and spread["n"] == 2
        quotients = row["core"]["block"]["low"] / row["core"]["gnuradio"]["high"]
        assert row["ratios"]["block_to_gnuradio_core"]["low"] >= quotients * (1 - 1e-9)


def test_lossless_counts_whole_frames(result_of) -> None:
    result = result_of("lossless")
    assert (result["bins"], result["frame_duration"]) == (64, 20e-3)
    assert result["rate"]["n"] == 2 and result["rate"]["high"] > 0
    assert {"spectrogram_sin", "band_tagger"} & set(result["cores"])
    assert 0 < sum(result["cores"].values()) < os.cpu_count() + 0.5
    assert 0 < result["memory"]["now"] <= result["memory"]["peak"]


def test_live_accounts_for_every_frame_of_all_channels(result_of) -> None:
    result = result_of("live")
    assert result["frames"] > 0 and result["channels"] == 2
    # Frames in work when the counters are read may have left one of them and not reached the other.
    assert abs(result["inferred"] + result["skipped"] + result["dropped"] + result["failed"] - result["frames"]) <= 8
    assert result["failed"] == 0
    assert result["lag"]["p50"] >= 0 and result["overruns"] >= 0
    assert result["memory"]["last"] > 0


def test_latencies_count_from_the_moment_at_which_a_frames_last_sample_was_due() -> None:
    lane = SimpleNamespace(
        geometry=SimpleNamespace(frame_samples=100),
        source=SimpleNamespace(time_of=lambda sample: sample * 1e-3, lags=[0.0, 0.2, 0.06, 0.01, 0.07, 0.3]),
        # Sample after the frame, state, when the message came; the first is before the run, the last after it.
        frames=SimpleNamespace(
            seen=[(100, "inferred", 9.0), (200, "inferred", 0.21), (300, "dropped", 0.9), (400, "inferred", 0.43), (500, "inferred", 9.0)]
        ),
        # Sample after the frame of the first band, and when it came out: one in a frame without a mask.
        tags=SimpleNamespace(seen=[(200, 0.22), (300, 0.5), (400, 0.44)]),
    )
    figures = live_figures([lane], [(0, 100)], [(5, 400)])
    assert figures["to_message"] == pytest.approx({"p50": 20.0, "p95": 29.0, "p99": 29.8, "max": 30.0, "n": 2})
    assert figures["to_tag"] == pytest.approx({"p50": 30.0, "p95": 39.0, "p99": 39.8, "max": 40.0, "n": 2})
    assert (figures["lag"]["max"], figures["lag"]["n"]) == (200.0, 5)
    assert figures["overruns"] == 2  # 200 and 60 ms are one, 70 ms another


def test_of_each_frame_the_first_band_is_noted() -> None:
    def tag(place: int, start: int) -> gr.tag_t:
        value = pmt.dict_add(pmt.make_dict(), pmt.intern(keys.SAMPLE_START), pmt.from_uint64(start))
        return gr.tag_utils.python_to_tag((place, pmt.intern(keys.BAND_START), value))

    top, log = gr.top_block(), tag_log(gr.sizeof_gr_complex, 10, 100)
    # Two bands in the second frame, one in the fourth.
    tags = [tag(110, 110), tag(190, 190), tag(350, 350)]
    top.connect(blocks.vector_source_c([0] * 500, False, 1, tags), log)
    top.run()
    assert [end for end, _ in log.seen] == [200, 400]
    assert all(0 < seen <= time.monotonic() for _, seen in log.seen)


def test_the_process_tells_of_its_threads_and_of_the_lock(result_of) -> None:
    result = result_of("process")
    assert result["stage"] == "feed"
    assert result["wait"]["n"] > 0 and result["wait_alone"]["n"] == int(0.3 / 2e-3)
    assert result["wait"]["p50"] <= result["wait"]["p99"]
    assert "lock probe" not in result["cores"]
    assert result["inferred"] >= 0 and result["dropped"] >= 0


@pytest.mark.parametrize(
    ("task", "settings", "text"),
    [
        ("speed", {}, "task 'speed' is unknown, expected one of spectrogram, lossless, live, process; start rfseg bench"),
        ("live", {"options": {"colour": 1}}, "RF Segmenter has no argument colour; leave it out"),
        ("live", {"samp_rate": 1e6}, "samp_rate=1e+06 Hz is outside"),
    ],
)
def test_a_task_of_no_use_is_refused(task, settings, text, threshold_model, capsys) -> None:
    chain = {"model": threshold_model, "samp_rate": SAMP_RATE, "frame_duration": 2e-3, "seconds": 0.1}
    assert do(task, **{**chain, **settings}) == (2, "")
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(("text", "error"), [("fast", "the task is no JSON"), ("[1]", "the task is a list, expected an object")])
def test_a_task_that_is_no_object_is_refused(text, error, capsys) -> None:
    assert do((text,)) == (2, "")
    err = capsys.readouterr().err
    assert error in err and "start rfseg bench instead" in err


def test_the_whole_command_writes_one_report(tmp_path: Path, threshold_model, capsys) -> None:
    options = ["--quick", "--repeats", "1", "--seconds", "0.2", "--samp-rate", str(SAMP_RATE), "--frame-ms", "2"]
    code = main(["bench", "lossless", "live", *options, "--model", threshold_model, "--out", str(tmp_path), "--threads", "1"])
    out = capsys.readouterr().out
    assert code == 0
    assert "### Whole chain, lossless" in out and "### Whole chain, live" in out
    report = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert list(report["sections"]) == ["lossless", "live"] and report["left_out"] == {}
    (row,) = report["sections"]["lossless"]["rows"]
    assert row["times_real_time"]["median"] == pytest.approx(row["rate"]["median"] / 15.36)
    assert out.startswith((tmp_path / "bench.md").read_text("utf-8").rstrip("\n"))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
