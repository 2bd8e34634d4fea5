"""The command line: what it prints and writes, and how it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import sigmf

from rfseg import __version__
from rfseg.atomic import remove_leftovers, replacing
from rfseg.bands.lines import band_from_json
from rfseg.cli import EXIT_BAD_INPUT, EXIT_INTERRUPTED, main, segment
from rfseg.errors import ContractError, RecordingError
from rfseg.inference import MODEL_PATH_VARIABLE, Session, find_model
from rfseg.pipeline import segment_recording
from rfseg.sigmf import open_recording

Write = Callable[..., Path]
SAMP_RATE = 15.36e6
FRAME = 307200  # samples of a 20 ms frame at 15.36 MS/s
ONE_MS = 15360
EDGE_HZ = 0.24e6  # the width of a bin


@pytest.fixture
def segment_file(threshold_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run ``rfseg segment`` on a file with the test model: exit code, standard output, standard error."""

    def run(path: Path, *options: str, model: Path = threshold_model) -> tuple[int, str, str]:
        code = main(["segment", str(path), "--model", str(model), "--out", str(tmp_path / "out"), *options])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def error_of(segment_file, tmp_path: Path):
    """Run ``rfseg segment`` on what must be refused, in one line and without results: that line."""

    def run(path: Path, *options: str, **model: Path) -> str:
        code, out, err = segment_file(path, *options, **model)
        assert (code, out) == (EXIT_BAD_INPUT, "")
        assert err.startswith("rfseg: error: ") and err.count("\n") == 1
        assert not list(tmp_path.glob("out/*"))
        return err

    return run


def test_a_carrier_is_found_printed_and_written(segment_file, make_carrier, write_recording, tmp_path: Path) -> None:
    code, out, err = segment_file(write_recording(make_carrier(2 * FRAME)))
    assert (code, err) == (0, "")
    headline, headings, _, row, *_ = out.splitlines()
    assert headline == "scene: 40 ms at 15.36 MS/s, 2400 MHz, cf32_le; threshold, 2 x 20 ms"
    cells = dict(zip([h.strip() for h in headings.split("  ") if h.strip()], row.split()))
    assert cells["Label"] == "LTE"
    assert float(cells["Lower (MHz)"]) == pytest.approx(2402.0, abs=EDGE_HZ / 1e6)
    assert float(cells["Upper (MHz)"]) == pytest.approx(2405.0, abs=EDGE_HZ / 1e6)
    assert (cells["First (ms)"], cells["Last (ms)"], cells["Frames"], cells["Bands"]) == ("0.000", "40.000", "2", "2")
    assert cells["Confidence"] == "0.80"  # the test model says 204 of 255
    names = {"scene.sigmf-meta", "scene.sigmf-data", "scene.bands.jsonl", "scene.png"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names


def test_the_files_hold_what_the_pipeline_finds(
    segment_file, make_carrier, write_recording, threshold_model: Path, tmp_path: Path
) -> None:
    path = write_recording(make_carrier(FRAME + 5000))
    segment_file(path)
    expected = [b for r in segment_recording(open_recording(path), Session(threshold_model)) for b in r.bands]
    assert len(expected) == 2
    lines = (tmp_path / "out" / "scene.bands.jsonl").read_text("utf-8").splitlines()
    assert [band_from_json(line) for line in lines] == expected
    written = sigmf.fromfile(tmp_path / "out" / "scene.sigmf-meta")
    written.validate()
    assert [a["core:sample_start"] for a in written.get_annotations()] == [b.sample_start for b in expected]


def test_doubtful_bands_are_unknown_and_name_their_guess(segment_file, make_carrier, write_recording, tmp_path: Path) -> None:
    code, out, _ = segment_file(write_recording(make_carrier(FRAME)), "--reject", "0.9", "--json", "--no-picture")
    (band,) = json.loads(out)["bands"]
    assert (code, band["label"], band["guess"], band["class_id"]) == (0, "Unknown", "LTE", 1)
    (line,) = (tmp_path / "out" / "scene.bands.jsonl").read_text().splitlines()
    assert (json.loads(line)["label"], json.loads(line)["guess"]) == ("Unknown", "LTE")
    (annotation,) = json.loads((tmp_path / "out" / "scene.sigmf-meta").read_text())["annotations"]
    assert (annotation["core:label"], annotation["rfseg:guess"]) == ("Unknown", "LTE")
    code, out, _ = segment_file(write_recording(make_carrier(FRAME)), "--reject", "0.8", "--json", "--no-picture")
    assert json.loads(out)["bands"][0]["label"] == "LTE"


def test_json_is_all_that_is_printed(segment_file, make_carrier, write_recording, tmp_path: Path) -> None:
    code, out, err = segment_file(write_recording(make_carrier(FRAME)), "--json", "--no-picture")
    assert (code, err) == (0, "")
    report = json.loads(out)
    (band,) = report["bands"]
    assert (band["label"], band["freq_reference"], band["frames"]) == ("LTE", "rf", 1)
    assert band["power_dbfs"] == pytest.approx(-60 + 10 * np.log10(3e6 / 0.24e6), abs=3)  # 12.5 bins; the window widens
    assert (report["frames"], report["non_finite"], report["warnings"]) == (1, 0, [])
    assert sorted(report["files"]) == ["annotations", "bands"]
    assert all(Path(file).is_file() for file in report["files"].values())
    assert not (tmp_path / "out" / "scene.png").exists()


def test_without_out_the_results_are_in_a_folder_here(
    write_recording, threshold_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_recording(np.zeros(ONE_MS, np.complex64))
    assert main(["segment", str(path), "--model", str(threshold_model), "--no-picture"]) == 0
    assert "no bands found" in capsys.readouterr().out
    assert (tmp_path / "rfseg-out" / "scene.bands.jsonl").read_text() == ""


def test_raw_iq_is_segmented_at_baseband(segment_file, make_carrier, tmp_path: Path) -> None:
    components = (make_carrier(ONE_MS).view(np.float32) * 32767).astype("<i2")
    (tmp_path / "capture.sc16").write_bytes(components.tobytes())
    _, out, _ = segment_file(tmp_path / "capture.sc16", "--samp-rate", "15.36e6", "--datatype", "sc16", "--json")
    (band,) = json.loads(out)["bands"]
    assert band["freq_reference"] == "baseband"
    assert band["freq_lower_edge"] == pytest.approx(2e6, abs=EDGE_HZ)
    code, out, _ = segment_file(
        tmp_path / "capture.sc16", "--samp-rate", "15.36e6", "--datatype", "int16", "--center-freq", "1e9"
    )
    assert code == 0 and "1002." in out


def test_a_retune_ends_a_frame_and_moves_the_band(segment_file, make_carrier, write_recording) -> None:
    captures = [{"core:sample_start": 0, "core:frequency": 1e9}, {"core:sample_start": 5000, "core:frequency": 2e9}]
    path = write_recording(make_carrier(FRAME), captures=captures)
    _, out, _ = segment_file(path, "--json")
    report = json.loads(out)
    assert [round(b["freq_lower_edge"] / 1e9) for b in report["bands"]] == [1, 2]
    assert [b["sample_start"] for b in report["bands"]] == [0, 5000]
    _, out, _ = segment_file(path, "--json", "--settling", "1e-3")
    assert [b["sample_start"] for b in json.loads(out)["bands"]] == [0, 5000 + ONE_MS]


@pytest.mark.parametrize(("samples", "duration"), [(FRAME // 2, 10e-3), (ONE_MS, 1e-3), (100, 1e-3), (1, 1e-3)])
def test_a_short_file_is_segmented_with_a_shorter_frame(
    samples: int, duration: float, segment_file, make_carrier, write_recording
) -> None:
    code, out, err = segment_file(write_recording(make_carrier(max(2, samples))[:samples]), "--json")
    report = json.loads(out)
    shortest = f"rfseg: warning: {samples} samples are less than the shortest frame of 1 ms; too little to find anything in\n"
    assert (code, err) == (0, shortest if samples < ONE_MS else "")
    assert (report["frames"], report["frame_duration"]) == (1, pytest.approx(duration))


def test_the_duration_of_a_frame_can_be_chosen(segment_file, make_carrier, write_recording) -> None:
    _, out, _ = segment_file(write_recording(make_carrier(FRAME)), "--json", "--frame-ms", "5", "--threads", "1")
    assert json.loads(out)["frames"] == 4


def test_samples_that_are_not_finite_are_counted_and_reported(segment_file, make_carrier, write_recording) -> None:
    samples = make_carrier(ONE_MS)
    samples[[10, 20, 30]] = [np.nan, np.inf, 1j * np.nan]
    code, out, err = segment_file(write_recording(samples), "--json")
    warning = "3 of 15360 samples are NaN or infinite and were read as 0; check the recorder or the datatype"
    assert (code, err) == (0, f"rfseg: warning: {warning}\n")
    report = json.loads(out)
    assert (report["non_finite"], report["warnings"]) == (3, [warning])
    assert [b["label"] for b in report["bands"]] == ["LTE"]


def test_changed_data_is_reported(segment_file, make_carrier, write_recording) -> None:
    samples = make_carrier(ONE_MS)
    stated = hashlib.sha512(b"other data").hexdigest()
    code, _, err = segment_file(write_recording(samples, sha512=stated))
    assert code == 0
    assert err.startswith("rfseg: warning: the SHA-512 of ") and "was changed or cut" in err


def test_memory_does_not_grow_with_the_file(segment_file, tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        path = tmp_path / f"{frames}.cs8"
        path.write_bytes(np.random.default_rng(1).integers(-1, 2, 2 * 76800 * frames, np.int8).tobytes())
        tracemalloc.start()
        try:
            options = ("--samp-rate", "15.36e6", "--datatype", "ci8", "--frame-ms", "5", "--no-picture")
            assert segment_file(path, *options)[0] == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # imports what is imported once
    assert peak(24) < 1.2 * peak(8)


@pytest.mark.parametrize("name", [b"a$b$c_{", b"\xff\xfe", "東京".encode()])
def test_any_file_name_will_do(name: bytes, segment_file, make_carrier, write_recording, tmp_path: Path) -> None:
    path = write_recording(make_carrier(ONE_MS), os.fsdecode(name))
    code, out, err = segment_file(path)
    assert (code, err) == (0, "")
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


# ---- what is refused


def test_a_missing_file_is_refused(error_of, tmp_path: Path) -> None:
    assert "gone.sigmf-meta' does not exist; give a .sigmf-meta file" in error_of(tmp_path / "gone.sigmf-meta")


def test_an_odd_byte_count_is_refused(error_of, make_carrier, write_recording, tmp_path: Path) -> None:
    path = write_recording(make_carrier(ONE_MS))
    data = tmp_path / "scene.sigmf-data"
    data.write_bytes(data.read_bytes()[:-3])
    assert "not a multiple of the 8 of one cf32_le sample" in error_of(path)


def test_a_truncated_file_is_refused(error_of, make_carrier, write_recording) -> None:
    captures = [{"core:sample_start": 0}, {"core:sample_start": FRAME}]
    assert "is truncated: it holds 15360 samples" in error_of(write_recording(make_carrier(ONE_MS), captures=captures))


def test_an_empty_file_is_refused(error_of, write_recording) -> None:
    assert "holds no samples; record it again" in error_of(write_recording(np.zeros(0, np.complex64)))


def test_an_unknown_datatype_is_refused(error_of, make_carrier, write_recording, tmp_path: Path) -> None:
    assert "datatype 'cf16_le' of" in error_of(write_recording(make_carrier(ONE_MS), datatype="cf16_le"))
    raw = tmp_path / "scene.sigmf-data"
    raw.with_suffix(".sigmf-meta").unlink()
    error = error_of(raw, "--samp-rate", "20e6", "--datatype", "float")
    assert "datatype 'float'" in error and "expected cf32" in error


def test_raw_iq_of_unknown_rate_is_refused(error_of, tmp_path: Path) -> None:
    (tmp_path / "a.iq").write_bytes(bytes(80))
    assert "give both, such as --samp-rate 30.72e6 --datatype ci16_le" in error_of(tmp_path / "a.iq")
    assert "give both" in error_of(tmp_path / "a.iq", "--samp-rate", "20e6")


@pytest.mark.parametrize(
    ("samp_rate", "advice"),
    [(2e6, "resample by 8 to 16e6 Hz (scipy.signal.resample_poly"), (245.76e6, "decimate by 2 to 122.88e6 Hz")],
)
def test_a_rate_outside_the_models_range_is_refused(samp_rate, advice, error_of, make_carrier, write_recording) -> None:
    error = error_of(write_recording(make_carrier(ONE_MS), sample_rate=samp_rate))
    assert f"samp_rate={samp_rate:g} Hz is outside the 15.36e6 to 122.88e6 Hz of model 'threshold'" in error
    assert advice in error and "AD936x" in error


def test_a_model_of_pictures_segments_a_recording(
    segment_file, make_carrier, write_recording, picture_model: Path, tmp_path: Path
) -> None:
    code, out, err = segment_file(write_recording(make_carrier(5 * ONE_MS)), "--json", model=picture_model)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["model"], report["frames"], report["frame_duration"]) == ("picture", 5, 1e-3)
    (lte,) = [band for band in report["bands"] if band["label"] == "LTE"]
    assert lte["freq_lower_edge"] == pytest.approx(2.4e9 + 2e6, abs=EDGE_HZ)
    assert lte["freq_upper_edge"] == pytest.approx(2.4e9 + 5e6, abs=EDGE_HZ)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"scene.sigmf-meta", "scene.bands.jsonl", "scene.png"}


def test_a_rate_that_a_model_of_pictures_was_not_made_for_is_refused(
    error_of, make_carrier, write_recording, picture_model: Path
) -> None:
    error = error_of(write_recording(make_carrier(ONE_MS), sample_rate=20e6), model=picture_model)
    assert "samp_rate=2e+07 Hz is not the 15.36e6 Hz of model 'picture'; resample to 15.36e6 Hz first" in error
    assert "resample_poly(x, 96, 125)" in error


def test_a_frame_outside_the_models_range_is_refused(error_of, make_carrier, write_recording) -> None:
    error = error_of(write_recording(make_carrier(ONE_MS)), "--frame-ms", "50")
    assert "frame_duration=0.05 s is outside the 0.001 to 0.04 s of model 'threshold'; choose one inside" in error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"rfseg_contract", b"other_contract", "carries no contract (metadata entry 'rfseg_contract')"),
        (b'["mean", "max"]', b'["mean"       ]', "its contract promises tensor(float) [None, 1, 256, None]"),
        (b'"mask_name": "mask"', b'"mask_name": "mosk"', "lacks the outputs ['mosk'] that its contract promises"),
        (b'"version": 1,', b'"version": 9,', "has version 9, this rfseg reads 1; use a matching release"),
        (b'"seed": 1}', b'"seed": 2}', "fails its self-test: "),
    ],
)
def test_a_model_that_breaks_its_contract_is_refused(
    old: bytes, new: bytes, message: str, error_of, make_carrier, write_recording, threshold_model: Path, tmp_path: Path
) -> None:
    content = threshold_model.read_bytes()
    assert content.count(old) == 1
    (tmp_path / "bad.onnx").write_bytes(content.replace(old, new))
    assert message in error_of(write_recording(make_carrier(ONE_MS)), model=tmp_path / "bad.onnx")


@pytest.mark.parametrize("size", [0, 10, 800])
def test_a_corrupt_model_is_refused(
    size: int, error_of, make_carrier, write_recording, threshold_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.onnx").write_bytes(threshold_model.read_bytes()[:size])
    error = error_of(write_recording(make_carrier(ONE_MS)), model=tmp_path / "cut.onnx")
    assert "cut.onnx" in error and ("give a whole .onnx file exported by rfseg" in error or "carries no contract" in error)


def test_a_missing_model_is_refused(error_of, make_carrier, write_recording, tmp_path: Path) -> None:
    path = write_recording(make_carrier(ONE_MS))
    assert "does not exist; give an existing .onnx file or a model's name" in error_of(path, model=tmp_path / "no.onnx")
    assert "model 'no-such-model' is unknown; known: " in error_of(path, model=Path("no-such-model"))
    assert "is a folder; give a .onnx file, or set RFSEG_MODEL_PATH to the folder" in error_of(path, model=tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(error_of, make_carrier, write_recording, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    error = error_of(write_recording(make_carrier(ONE_MS)), "--out", str(tmp_path / "file"))
    assert "file cannot be written: File exists; name another place (--out)" in error


def test_a_disk_that_fills_up_is_refused_and_nothing_half_written_stays(
    segment_file, make_carrier, write_recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segment, "band_to_json", full)
    code, out, err = segment_file(write_recording(make_carrier(ONE_MS)))
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert "scene.bands.jsonl cannot be written: No space left on device; make room or name another place (--out)" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_may_not_be_entered_is_named_in_one_line(
    segment_file, write_recording, make_carrier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "out" / "scene.sigmf-data"

    def forbidden(path: Path) -> bool:  # what the system answers to anybody but root, whom the tests may run as
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_symlink", forbidden)
    code, out, err = segment_file(write_recording(make_carrier(ONE_MS)))
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert err == f"rfseg: error: {link}: Permission denied; check who may read and write it, or name another\n"


def test_what_keeps_a_file_from_being_written_is_said_though_nothing_can_be_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", forbidden)
    with pytest.raises(RecordingError, match="a.json cannot be written: Read-only file system; name another place"):
        with replacing(tmp_path / "a.json"):
            raise OSError(30, "Read-only file system")


def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stays = {f".a.json.{os.getpid()}.part", ".a.json.part", "a.json"}
    for name in stays | {f".a.json.{gone.pid}.part"}:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == stays


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samp-rate", "fast"], "--samp-rate: 'fast' is no number; give one such as 2.5 or 61.44e6"),
        (["--samp-rate", "-1"], "--samp-rate: '-1' is not above 0"),
        (["--settling", "-1"], "--settling: '-1' is below 0"),
        (["--frame-ms", "0"], "--frame-ms: '0' is not above 0"),
        (["--center-freq", "nan"], "--center-freq: 'nan' is no number"),
        (["--threads", "-2"], "--threads: '-2' is no count; give an integer of at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["segment", "a.iq", *options])
    assert message in capsys.readouterr().err


def test_without_matplotlib_the_way_out_is_named(
    segment_file, make_carrier, write_recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recording(make_carrier(ONE_MS))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = segment_file(path)
    assert code == EXIT_BAD_INPUT and "--no-picture" in err
    assert segment_file(path, "--no-picture")[0] == 0


# ---- the program


def test_an_interrupted_run_leaves_no_half_files(
    segment_file, make_carrier, write_recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segment, "band_to_json", interrupt)
    code, out, err = segment_file(write_recording(make_carrier(ONE_MS)))
    assert (code, out, err) == (EXIT_INTERRUPTED, "", "rfseg: interrupted\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_models_are_listed_and_broken_ones_reported(
    threshold_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "broken.onnx").write_bytes(threshold_model.read_bytes().replace(b"rfseg_contract", b"other_contract"))
    monkeypatch.setenv(MODEL_PATH_VARIABLE, os.pathsep.join([str(tmp_path), "/no/such/folder", str(threshold_model.parent)]))
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    (row,) = [line for line in out.splitlines() if line.startswith("threshold ")]
    assert "Noise, LTE, NR, Radar" in row and "15.36 to 122.88" in row and "1 to 40" in row
    assert "broken.onnx carries no contract" in err
    absent = f"{MODEL_PATH_VARIABLE} names /no/such/folder, which is no folder"
    assert f"rfseg: warning: {absent}; correct it" in err
    with pytest.raises(ContractError, match=f"model 'mine' is unknown; known: .*{absent}"):
        find_model("mine")


def test_no_models_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("rfseg.cli.models.list_models", dict)
    assert main(["models"]) == 0
    assert f"set {MODEL_PATH_VARIABLE} to a folder" in capsys.readouterr().err


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_the_module_runs_as_a_program() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "rfseg", "--version"], capture_output=True, text=True, check=True, env=_environment()
    )
    assert run.stdout == f"rfseg {__version__}\n"


def test_a_reader_that_leaves_early_is_no_error(make_carrier, write_recording, threshold_model, tmp_path: Path) -> None:
    path = write_recording(make_carrier(ONE_MS))
    options = ["--model", str(threshold_model), "--out", str(tmp_path / "out"), "--json", "--no-picture"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "rfseg", "segment", str(path), *options],
            stdout=writer, stderr=subprocess.PIPE, text=True, env=_environment(),
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")
