"""The examples compile, run without a display, and find what the library finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rfseg.bands.lines import band_from_json
from rfseg.inference import Session
from rfseg.pipeline import segment_recording
from rfseg.sigmf import open_recording
from rfseg.spectrogram import frame_rows

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MODEL = ROOT / "tests" / "models" / "threshold.onnx"
GRC_FILES = sorted(EXAMPLES.glob("*.grc"))
SAMP_RATE = 30.72e6  # Hz
SAMPLES = 1_000_000
CENTERS = (3.5e9, 3.6e9)  # Hz
RETUNE = 700_001  # first sample of the second capture
TIMEOUT = 60  # s
EDGE_TOLERANCE = 0.01  # bins
POWER_TOLERANCE = 0.01  # dB
ROW_TOLERANCE = 0.01  # dB; float32 against double
BINS = 128


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a command to its end."""
    environment = {**os.environ, "GRC_BLOCKS_PATH": str(ROOT / "grc"), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """Folder of the programs that grcc makes of the examples."""
    folder = tmp_path_factory.mktemp("compiled")
    os.environ["RFSEG_MODEL_PATH"] = str(_named_as_default(tmp_path_factory.mktemp("models")))
    output = run(shutil.which("grcc"), "-o", folder, *GRC_FILES).stdout
    assert "error" not in output.lower(), output
    yield folder
    del os.environ["RFSEG_MODEL_PATH"]


def _named_as_default(folder: Path) -> Path:
    """A folder in which the examples' default model is the threshold model."""
    shutil.copy(MODEL, folder / "rf-segmenter.onnx")
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """A SigMF recording with two captures: carriers and pulses in noise, complex int8."""
    rng = np.random.default_rng(6)
    time = np.arange(SAMPLES)
    iq = 2e-3 * rng.standard_normal((SAMPLES, 2)) @ [1, 1j]
    for first, last, begin, end in ((30, 50, 0, SAMPLES), (70, 90, 250_000, 900_000)):
        tones = np.arange(first, last) - BINS // 2
        period = np.exp(2j * np.pi * (np.outer(np.arange(BINS), tones) / BINS + rng.random(tones.size))).sum(axis=1)
        iq[begin:end] += 0.02 * np.resize(period, end - begin)
    iq += 0.2 * np.exp(2j * np.pi * 40 / BINS * time) * (time % 60_000 < 60)
    folder = tmp_path_factory.mktemp("recording")
    np.clip(np.round(iq.view(np.float64) * 128), -128, 127).astype(np.int8).tofile(folder / "scene.sigmf-data")
    captures = [{"core:sample_start": s, "core:frequency": f} for s, f in zip((0, RETUNE), CENTERS)]
    captures[0]["core:datetime"] = "2026-11-21T01:02:03.25Z"
    header = {"core:datatype": "ci8", "core:sample_rate": SAMP_RATE, "core:version": "1.2.0"}
    meta = folder / "scene.sigmf-meta"
    meta.write_text(json.dumps({"global": header, "captures": captures, "annotations": []}))
    return meta


def bands_of(path: Path) -> list:
    """Bands in a file of JSON lines."""
    return [band_from_json(line) for line in path.read_text().splitlines()]


def assert_same_bands(found: list, expected: list, *, shift: float = 0.0) -> None:
    """Labels and samples equal; edges, moved by ``shift`` Hz, within 1 % of a bin, power within 0.01 dB."""
    assert len(found) == len(expected) > 4
    bin_width = SAMP_RATE / BINS
    for one, other in zip(found, expected):
        for name in ("label", "class_id", "sample_start", "sample_count", "model", "id"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("freq_lower_edge", "freq_upper_edge"):
            assert abs(getattr(one, name) + shift - getattr(other, name)) < EDGE_TOLERANCE * bin_width
        assert abs(one.power_dbfs - other.power_dbfs) < POWER_TOLERANCE
        assert (one.snr_db is None) == (other.snr_db is None)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)


@pytest.mark.parametrize("path", GRC_FILES, ids=lambda p: p.stem)
def test_every_flowgraph_compiles_and_has_a_description(compiled, path):
    assert (compiled / f"{path.stem}.py").is_file()
    text = path.with_suffix(".md").read_text()
    assert all(word in text for word in ("Input", "Expected output", "Run time"))


def test_the_script_finds_what_the_library_finds(recording, tmp_path):
    done = run(EXAMPLES / "segment_recording.py", recording, "--out", tmp_path, "--model", MODEL)
    frames = list(segment_recording(open_recording(recording), Session(MODEL)))
    expected = [band for frame in frames for band in frame.bands]
    assert_same_bands(bands_of(tmp_path / "scene.bands.jsonl"), expected)
    assert {"LTE", "Radar"} <= {band.label for band in expected}
    assert {band.freq_reference for band in expected} == {"rf"}
    assert f"{len(expected)} bands found, {len(expected)} tagged on the samples" in done.stdout
    annotations = json.loads((tmp_path / "scene.sigmf-meta").read_text())["annotations"]
    assert [a["core:label"] for a in annotations] == [band.label for band in expected]


def test_the_script_refuses_a_missing_recording(tmp_path):
    command = [sys.executable, EXAMPLES / "segment_recording.py", tmp_path / "none.sigmf-meta", "--model", MODEL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "none.sigmf-meta" in done.stderr


def test_the_compiled_flowgraph_finds_what_the_library_finds(compiled, recording, tmp_path):
    lines = tmp_path / "bands.jsonl"
    run(
        compiled / "recording_to_bands.py", "--recording", recording, "--samp-rate", SAMP_RATE,
        "--model", MODEL, "--bands-file", lines,
    )  # fmt: skip
    expected = [band for frame in segment_recording(open_recording(recording), Session(MODEL)) for band in frame.bands]
    assert_same_bands(bands_of(lines), expected)


def test_the_compiled_live_chain_ends_and_reports(compiled, recording):
    done = run(
        compiled / "live_chain.py", "--recording", recording, "--samp-rate", SAMP_RATE, "--model", MODEL,
        "--samples", 3 * SAMPLES,
    )  # fmt: skip
    assert "band_start" in done.stdout and "(event . progress)" in done.stdout


@pytest.mark.parametrize("name", ["soapy_to_bands", "uhd_to_bands"])
def test_the_compiled_flowgraphs_of_radios_start(compiled, name):
    options = run(compiled / f"{name}.py", "--help").stdout
    page = (EXAMPLES / f"{name}.md").read_text()
    for option in ("--device", "--samp-rate", "--center-freq", "--gain", "--model"):
        assert option in options and option in page


def test_two_receivers_have_bands_of_their_own(compiled, recording, tmp_path):
    run(
        compiled / "two_receivers.py", "--recording-a", recording.with_suffix(".sigmf-data"), "--recording-b",
        recording.with_suffix(".sigmf-data"), "--samp-rate", SAMP_RATE, "--model", MODEL, cwd=tmp_path,
    )  # fmt: skip
    first, second = (bands_of(tmp_path / f"receiver_{letter}.bands.jsonl") for letter in "ab")
    assert_same_bands(first, second, shift=100e6)


def test_the_radar_watch_keeps_radars_and_tells_of_each_track(compiled, recording, tmp_path):
    run(
        compiled / "radar_watch.py", "--recording", recording, "--folder",
        tmp_path / "radar", "--samp-rate", SAMP_RATE, "--model", MODEL, cwd=tmp_path,
    )  # fmt: skip
    tracks = [json.loads(line) for line in (tmp_path / "radar.tracks.jsonl").read_text().splitlines()]
    onsets = {t["label"] for t in tracks if t["event"] == "onset"}
    assert {"LTE", "Radar"} <= onsets == {t["label"] for t in tracks if t["event"] == "end"}
    metas = sorted((tmp_path / "radar").glob("*.sigmf-meta"))
    labels = [{a["core:label"] for a in json.loads(meta.read_text())["annotations"]} for meta in metas]
    assert labels and all("Radar" in found for found in labels)


def test_the_capture_is_all_that_was_heard_and_the_rows_that_the_model_saw(compiled, recording, tmp_path):
    length = 48_000 / 1e6  # s; the recording, and a part of it once more
    run(
        compiled / "training_capture.py", "--recording", recording.with_suffix(".sigmf-data"), "--folder",
        tmp_path / "capture", "--rows-file", tmp_path / "rows.f32", "--length", length,
        "--samp-rate", SAMP_RATE, "--model", MODEL,
    )  # fmt: skip
    heard = np.fromfile(recording.with_suffix(".sigmf-data"), np.int8).astype(np.float32).view(np.complex64) / 128
    count = int(length * SAMP_RATE)
    kept = [np.fromfile(path, np.complex64) for path in sorted((tmp_path / "capture").glob("*.sigmf-data"))]
    assert np.array_equal(np.concatenate(kept), np.resize(heard, count))
    geometry = Session(MODEL).contract.make_geometry(SAMP_RATE)
    rows = np.fromfile(tmp_path / "rows.f32", np.float32).reshape(-1, geometry.rows, 2, BINS)
    frame, _ = frame_rows(heard, geometry)
    assert len(rows) == -(-count // geometry.frame_samples)
    assert np.abs(rows[0].transpose(1, 0, 2) - frame).max() < ROW_TOLERANCE


def test_the_carrier_that_is_extracted_has_the_symbols_of_lte(compiled, tmp_path):
    demo, output = EXAMPLES / "data" / "demo.sigmf-meta", tmp_path / "prefix.f32"
    shipped = ROOT / "models" / "rf-segmenter.onnx"
    run(compiled / "extractor_to_demodulator.py", "--recording", demo, "--output", output, "--model", shipped)
    correlation = np.fromfile(output, np.float32)
    assert correlation.size == 614_400  # 40 ms at 15.36 MS/s
    slots = np.median(correlation[7680:-7680].reshape(-1, 7680), axis=0)
    peaks = [i for i in np.flatnonzero(slots > 0.9) if slots[i] == slots[max(0, i - 100) : i + 101].max()]
    steps = np.sort(np.diff([*peaks, peaks[0] + 7680]))
    assert len(steps) == 7 and np.abs(steps - [*[1024 + 72] * 6, 1024 + 80]).max() <= 3
