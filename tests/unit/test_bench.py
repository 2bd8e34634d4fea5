"""rfseg bench without GNU Radio: statistics, plan, scene, bound, inference, report.  How fast anything is is not tested."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rfseg.bench.bound import SpectrogramBound
from rfseg.bench.eager_client import EagerNetwork, find_torch_python
from rfseg.bench.inference import measure_inference, time_frame
from rfseg.bench.machine import describe_machine
from rfseg.bench.plan import SECTIONS, Plan, quick
from rfseg.bench.plot import save_plot
from rfseg.bench.report import format_report, markdown_table
from rfseg.bench.running import run_bench
from rfseg.bench.scene import make_scene
from rfseg.bench.spread import in_turns, latencies, ratio, spread
from rfseg.bench.usage import ThreadTimes, memory_mib
from rfseg.cli import EXIT_BAD_INPUT, EXIT_DONE, main
from rfseg.errors import BackendUnavailableError, OptionError

PYTHON = sys.executable


def one(value: float) -> dict[str, float]:
    return spread([value, 2 * value, 3 * value])


@pytest.fixture
def report() -> dict:
    """A report with every section, of numbers that can be told apart."""
    names = ("block", "block_overlapped", "gnuradio")
    ratios = ("block_to_gnuradio_wall", "block_to_gnuradio_core", "block_to_bound", "overlapped_to_bound")
    times = {"p50": 11.0, "p95": 12.0, "p99": 13.0, "max": 14.0, "n": 5}
    case = {"why": "as asked", "samp_rate": 61.44e6, "bins": 256, "frame_duration": 0.02, "channels": 1, "threads": 1}
    taken = {"cores": {"segmenter": 0.75, "band_tagger": 0.25}, "memory": {"now": 300.0, "peak": 301.0, "first": 290.0, "last": 300.0}}
    model = {"model": "m", "precision": "fp16", "threads": 1, "batch": 2, "rows": 256, "bins": 256, "ms": times}
    sections = {
        "spectrogram": {
            "gnuradio": "3.10.5",
            "rows": [
                {
                    "bins": 256, "hop": 120, "item_type": "int16", "bound_means": "FFTW",
                    "wall": {name: one(100.0) for name in names},
                    "core": {name: one(200.0) for name in (*names, "bound", "bound_overlapped")},
                    "ratios": {name: one(1.5) for name in ratios},
                }
            ],
        },
        "inference": {
            "providers": ["cpu"], "pytorch": "python",
            "rows": [{**model, "provider": "cpu", "pytorch_to_this": one(2.5)}, {**model, "provider": "pytorch"}],
        },
        "lossless": {"rows": [{**case, **taken, "rate": one(80.0), "times_real_time": one(1.25)}]},
        "live": {
            "rows": [
                {
                    **case, **taken, "frames": 1000, "inferred": 900, "skipped": 0, "dropped": 100, "failed": 0, "late": 7,
                    "to_tag": times, "to_message": None, "lag": times, "overruns": 3,
                }
            ]
        },
        "process": {"rows": [{"stage": "feed", **taken, "wait": times, "wait_alone": times, "lag": None, "dropped": 4}]},
    }  # fmt: skip
    load = {"load_before": 0.5, "load_after": None, "took": 12.3}
    return {
        "machine": describe_machine(),
        "plan": Plan().to_json(),
        "sections": {name: {**figures, **load} for name, figures in sections.items()},
        "left_out": {"other": "it is missing"},
    }


# ---- statistics


def test_spread_and_ratio_are_of_rounds() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0, "n": 3}
    # Twice as slow in the second round, both of them: the ratio is 4 throughout.
    assert ratio([8.0, 4.0, 8.0], [2.0, 1.0, 2.0]) == {"median": 4.0, "low": 4.0, "high": 4.0, "n": 3}


def test_latencies_are_percentiles_in_ms() -> None:
    found = latencies(np.arange(101) * 1e-3)
    assert found == pytest.approx({"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0, "n": 101})
    assert latencies([]) is None


def test_what_is_compared_is_measured_in_turns() -> None:
    calls: list[str] = []
    results = in_turns({name: (lambda n=name: calls.append(n) or len(calls)) for name in "abc"}, 4)
    rounds = [calls[i : i + 3] for i in range(0, 12, 3)]
    assert all(sorted(entry) == ["a", "b", "c"] for entry in rounds)
    assert len({tuple(entry) for entry in rounds}) > 1
    assert sorted(sum(results.values(), [])) == list(range(1, 13))


def test_threads_are_told_with_what_they_used() -> None:
    times = ThreadTimes()
    begin = time.thread_time()
    while time.thread_time() - begin < 0.05:  # the kernel tells of what has run at its ticks
        pass
    assert 0.02 < times.seconds()["MainThread"] < 0.5
    assert 0 < memory_mib()["now"] <= memory_mib()["peak"]


# ---- plan and scene


def test_quick_is_a_part_of_the_whole() -> None:
    plan, short = Plan(), quick(Plan())
    assert set(short.bins) <= set(plan.bins) and set(short.batches) <= set(plan.batches) and not short.grows
    assert short.repeats < plan.repeats and short.seconds < plan.seconds and short.runs < plan.runs


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"repeats": 0}, "repeats=0 must be above 0"), ({"threads": ()}, "threads is empty; give at least one value")],
)
def test_a_plan_of_no_use_is_refused(changes: dict, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        Plan(**changes)


@pytest.mark.parametrize(("item_type", "scale"), [("complex64", 1.0), ("int16", 32767.0), ("int8", 127.0)])
def test_the_scene_has_its_carriers_at_their_level(item_type: str, scale: float) -> None:
    samples = make_scene(15.36e6, 153_600, item_type=item_type)
    assert len(samples) == 153_600
    assert np.array_equal(samples, make_scene(15.36e6, 153_600, item_type=item_type))
    if item_type != "complex64":
        samples = (samples.astype(np.float32) / scale) @ np.array([1, 1j])
    quarter = samples[: len(samples) // 4]  # two of the carriers send
    power = np.abs(np.fft.fftshift(np.fft.fft(quarter))) ** 2
    freqs = np.fft.fftshift(np.fft.fftfreq(len(quarter)))
    inside = power[np.abs(freqs + 0.30) < 0.09].mean()
    outside = power[np.abs(freqs - 0.28) < 0.04].mean()  # that carrier begins later
    assert 10 * np.log10(inside / outside) > 15
    assert 10 * np.log10(np.mean(np.abs(quarter) ** 2)) == pytest.approx(-27.0, abs=1.0)  # two of -30 dBFS, and pulses


def test_pulses_can_be_left_out_and_side_lobes_are() -> None:
    both, alone = (np.abs(make_scene(15.36e6, 153_600, has_radar=has)) ** 2 for has in (True, False))
    assert both.reshape(10, -1)[:, :16].mean() > 2 * alone.reshape(10, -1)[:, :16].mean()  # a pulse a millisecond
    samples = make_scene(15.36e6, 153_600, has_radar=False)
    power = np.abs(np.fft.fft(samples[:38_400])) ** 2
    free = power[int(0.17 * 38_400) : int(0.20 * 38_400)].mean() / 38_400
    assert 10 * np.log10(free) == pytest.approx(-50.0, abs=1.0)  # the noise, beside a carrier


def test_the_bound_is_measured_with_and_without_libraries(monkeypatch) -> None:
    fast = SpectrogramBound(256, 120)
    assert fast.measure(0.01) > 0 and "batches of" in fast.means
    monkeypatch.setattr("rfseg.bench.bound._load", lambda name: None)
    plain = SpectrogramBound(256, 256)
    assert plain.measure(0.01) > 0
    assert plain.means.startswith("SciPy's FFT, window by NumPy, magnitude by NumPy")


# ---- inference


def test_every_cell_of_the_grid_is_measured(threshold_model: Path) -> None:
    plan = Plan(
        model=str(threshold_model), all_models=False, runs=3, batches=(1, 2), threads=(1, 2), inference_bins=(64, 256)
    )
    said: list[str] = []
    found = measure_inference(plan, torch_python=None, say=said.append)
    rows = [row for row in found["rows"] if row["provider"] == "cpu"]
    assert [(r["threads"], r["batch"], r["bins"]) for r in rows] == [
        (1, 1, 256), (1, 2, 256), (2, 1, 256), (2, 2, 256), (1, 1, 64),
    ]  # fmt: skip
    assert all(row["ms"]["n"] == 3 and 0 < row["ms"]["p50"] <= row["ms"]["p99"] for row in rows)
    assert not any("pytorch_to_this" in row for row in rows)
    assert said == ["inference: threshold"]


def test_models_of_pictures_are_measured_at_their_own_size(picture_model: Path) -> None:
    plan = Plan(model=str(picture_model), all_models=False, runs=2, batches=(1,), threads=(1,))
    (row,) = measure_inference(plan, torch_python=None, say=lambda text: None)["rows"]
    assert row["bins"] == row["rows"]
    assert time_frame(picture_model, runs=2)["median_ms"] > 0


@pytest.fixture
def make_python(tmp_path: Path):
    """A program in the place of an interpreter with PyTorch."""

    def make(body: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!{PYTHON}\nimport sys\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_a_network_in_another_process_is_asked_line_by_line(make_python) -> None:
    python = make_python(
        "import json\nassert sys.argv[1:3] == ['-m', 'rfseg.deployment.eager']\n"
        "for line in sys.stdin: print(json.loads(line)['batch'] * 0.5, flush=True)"
    )
    with EagerNetwork(python, "rf-segmenter", classes=4, rows=256) as network:
        assert [network.run(threads=1, batch=n, bins=256) for n in (1, 3)] == [0.5, 1.5]


def test_a_network_that_cannot_run_says_why(make_python) -> None:
    with EagerNetwork(make_python("sys.exit('no such network')"), "x", classes=4, rows=256) as network:
        with pytest.raises(BackendUnavailableError, match="cannot run in PyTorch: no such network; .*--without-pytorch"):
            network.run(threads=1, batch=1, bins=256)


def test_an_interpreter_without_pytorch_is_refused_where_it_is_asked_for(make_python, monkeypatch) -> None:
    with pytest.raises(OptionError, match="has not both torch and rfseg; name the interpreter of an environment"):
        find_torch_python(Path(make_python("sys.exit(1)")))
    with pytest.raises(OptionError, match="/no/such/python has not both torch"):
        find_torch_python(Path("/no/such/python"))
    monkeypatch.setattr("rfseg.bench.eager_client._CHECKOUT", Path("/no/such/checkout"))
    monkeypatch.setattr(sys, "executable", make_python("sys.exit(1)"))
    assert find_torch_python() is None
    monkeypatch.setattr(sys, "executable", make_python("sys.exit(0)"))
    assert find_torch_python() == sys.executable


# ---- the report


def test_a_markdown_table_is_aligned() -> None:
    text = markdown_table(("Name", "ms"), [("a", "1.25"), ("longer", "12")])
    assert text.splitlines() == ["| Name   |   ms |", "| ------ | ---: |", "| a      | 1.25 |", "| longer |   12 |"]


def test_the_report_is_markdown_with_every_section(report: dict) -> None:
    text = format_report(report)
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert len(titles) == len(SECTIONS)
    for row in (
        "| 256  | int16 | 200 (100 to 300) |",
        "| m     | fp16      | cpu      |       1 |     2 | 256 x 256 |    11.00 |    12.00 |    13.00 |             5.50 | 5.00 (2.50 to 7.50) |",
        "| as asked |   61.44 |  256 |         20 |        1 |       1 | 160 (80 to 240) | 2.50 (1.25 to 3.75) |       1.00 |          301 |",
        "|   1000 |      900 |       0 |     100 |          7 |            11.0 / 13.0 |                          - |             14.0 |        3 |",
        "| feed  |       1.00 |",
    ):
        assert row in text
    assert "Load average 0.50 before, - after; 12 s." in text
    assert text.endswith("**other** is left out: it is missing")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_the_picture_shows_what_was_measured(report: dict, tmp_path: Path) -> None:
    assert save_plot(tmp_path / "a.png", report)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert not save_plot(tmp_path / "b.png", {**report, "sections": {}})
    assert not (tmp_path / "b.png").exists()


# ---- the command


@pytest.fixture
def bench(threshold_model: Path, tmp_path: Path, capsys):
    """Run ``rfseg bench`` on the test model: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        options = ["--model", str(threshold_model), "--out", str(tmp_path / "out"), "--without-pytorch", "--quick"]
        code = main(["bench", *arguments, *options])
        return code, *capsys.readouterr()

    return run


def test_what_needs_gnuradio_is_left_out_and_said_so(bench, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, out, err = bench("--json", "--no-picture")
    report = json.loads(out)
    assert code == EXIT_DONE
    assert list(report["sections"]) == ["inference"]
    assert list(report["left_out"]) == [name for name in SECTIONS if name != "inference"]
    assert all("needs GNU Radio 3.10, which " in reason for reason in report["left_out"].values())
    assert "rfseg: live is left out: the part 'live' of rfseg bench needs GNU Radio" in err
    assert json.loads((tmp_path / "out" / "bench.json").read_text("utf-8")) == report
    assert "**live** is left out: " in (tmp_path / "out" / "bench.md").read_text("utf-8")
    assert not (tmp_path / "out" / "bench.png").exists()


def test_a_section_that_is_asked_for_is_not_left_out(bench, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, out, err = bench("live", "--no-picture")
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert "rfseg: error: the part 'live' of rfseg bench needs GNU Radio 3.10" in err


def test_a_rate_that_the_model_does_not_cover_is_refused_before_anything_is_measured(bench, tmp_path: Path) -> None:
    code, out, err = bench("--samp-rate", "1e6", "--no-picture")
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert err.startswith("rfseg: error: samp_rate=1e+06 Hz is outside")


def test_a_flowgraph_that_fails_is_reported_with_its_last_words(bench, monkeypatch) -> None:
    monkeypatch.setattr(
        "rfseg.bench.flowgraphs.program_command",
        lambda module, purpose: [sys.executable, "-c", "import sys; print('a\\nb', file=sys.stderr); sys.exit(9)"],
    )
    code, _, err = bench("live", "--no-picture")
    assert code == EXIT_BAD_INPUT
    assert "rfseg: error: the flowgraph of 'live' ended with exit code 9: a | b" in err


def test_one_thing_is_varied_at_a_time_and_only_as_far_as_the_model_goes(threshold_model: Path, monkeypatch) -> None:
    asked: list[dict] = []
    times = {"p50": 1.0, "p99": 2.0, "max": 3.0}
    counts = {"frames": 9, "inferred": 9, "skipped": 0, "dropped": 0, "failed": 0, "late": 0, "overruns": 0}

    def answer(task: str, **settings) -> dict:
        asked.append({"task": task, **settings})
        figures = {"frame_duration": settings["frame_duration"], "bins": 256, "cores": {"a": 0.5}, "memory": {"peak": 1.0, "first": 1.0, "last": 1.0}}
        return {**figures, **counts, "rate": one(70.0), "to_tag": times, "to_message": times, "lag": times}

    monkeypatch.setattr("rfseg.bench.running.run_task", answer)
    monkeypatch.setattr("rfseg.bench.running.available_cores", lambda: 2)
    monkeypatch.setattr("rfseg.bench.running.time_frame", lambda model, bins: {"median_ms": 12.0})
    plan = Plan(model=str(threshold_model), repeats=2, threads=(1, 2))
    report = run_bench(plan, ["lossless", "live"])
    lossless = [a for a in asked if a["task"] == "lossless"]
    base = {"samp_rate": 61.44e6, "frame_duration": 20e-3, "channels": 1, "threads": 1, "has_radar": True}
    changed = [{k: a[k] for k in base if a[k] != base[k]} for a in lossless[: len(lossless) // 2]]
    assert changed == [
        {}, {"has_radar": False}, {"threads": 2}, {"frame_duration": 5e-3}, {"frame_duration": 10e-3}, {"frame_duration": 40e-3},
        {"samp_rate": 15.36e6}, {"samp_rate": 30.72e6}, {"samp_rate": 122.88e6}, {"channels": 2},
    ]  # fmt: skip
    assert lossless[len(lossless) // 2 :] == lossless[: len(lossless) // 2][::-1]  # the second round goes the other way
    overload, duty = [a for a in asked if a["task"] == "live"][-2:]
    assert overload["frame_duration"] == pytest.approx(3e-3)  # a quarter of what a frame takes
    assert (duty["samp_rate"], duty["options"]) == (122.88e6, {"infer_every": 4})
    rows = report["sections"]["lossless"]["rows"]
    assert rows[-1]["times_real_time"]["median"] == pytest.approx(140.0 / (2 * 61.44))
    text = format_report(report)
    assert "| 4.0 times what one thread infers |" in text and "| one frame in 4 inferred " in text


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(OptionError, match="section 'speed' is unknown, expected some of spectrogram, inference"):
        run_bench(Plan(), ["speed"])
