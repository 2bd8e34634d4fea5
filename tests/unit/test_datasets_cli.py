"""``rfseg dataset``: what it prints and writes, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
from PIL import Image

from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.datasets.shardset import ShardSet

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``rfseg dataset`` in an empty folder: exit code, standard output, standard error."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["dataset", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def error_of(run: Run) -> Callable[..., str]:
    """Run what must be refused in one line, without output: that line."""

    def error_of(*arguments: object) -> str:
        code, out, err = run(*arguments)
        assert (code, out) == (EXIT_BAD_INPUT, "")
        assert err.startswith("rfseg: error: ") and err.count("\n") == 1
        return err

    return error_of


def mask_of(number: int) -> np.ndarray:
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 4 : 8 + number] = 1 + number % 2
    mask[number] = 3
    return mask


@pytest.fixture
def radar_set(tmp_path: Path) -> Path:
    """A set of the RF-Segmenter layout: six pairs to train, two to validate."""
    root = tmp_path / "radarcomm"
    for split, numbers in (("train", range(6)), ("val", range(6, 8))):
        for kind in ("input", "label"):
            (root / split / kind).mkdir(parents=True)
        for number in numbers:
            tail = f"{number:05d}_radar_5G_0_snr_5.png"
            picture = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture[::-1]).save(root / split / "input" / f"data_{tail}")
            labels = np.array([0, 80, 160, 255], np.uint8)[mask_of(number)[::-1]]
            Image.fromarray(labels).save(root / split / "label" / f"label_{tail}")
    return root


def test_inspect_prints_splits_balance_and_pictures(run: Run, radar_set: Path) -> None:
    code, out, err = run("inspect", radar_set)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{radar_set}: rf-segmenter, radar, LTE and NR of the RF-Segmenter authors")
    radar = 100 * sum((mask_of(n) == 3).mean() for n in range(6)) / 6
    assert lines[3].split()[:6] == ["train", "6", "0", "32", "x", "32"]
    assert lines[3].split()[-2:] == [f"{radar:.2f}", "0.00"]
    assert "worst colour: 0 of 12 levels" in out
    assert "note: labels are 32 x 32, published were 256 x 256" in out
    for split in ("train", "val"):
        picture = Path(f"rfseg-out/radarcomm-{split}.samples.png")
        assert f"samples of {split}: {picture}" in lines
        assert len(Image.open(picture).convert("RGB").getcolors(1 << 20)) > 500


def test_inspect_prints_json(run: Run, radar_set: Path) -> None:
    (radar_set / "val" / "label" / "label_00007_radar_5G_0_snr_5.png").unlink()
    code, out, _ = run("inspect", radar_set, "--json", "--no-picture", "--skip-bad")
    report = json.loads(out)
    assert (code, report["format"], report["classes"]) == (0, "rf-segmenter", ["Noise", "LTE", "NR", "Radar"])
    assert {name: split["count"] for name, split in report["splits"].items()} == {"train": 6, "val": 1}
    assert report["splits"]["val"]["class_balance"]["Radar"] == pytest.approx(1 / 32)
    assert [Path(p["file"]).name for p in report["problems"]] == ["data_00007_radar_5G_0_snr_5.png"]
    assert report["pictures"] == {}


def test_inspect_looks_at_as_many_pairs_as_asked(run: Run, radar_set: Path) -> None:
    reports = [run("inspect", radar_set, "--json", "--no-picture", "--pairs", "2", "--split", "train")[1] for _ in "12"]
    assert reports[0] == reports[1]
    assert {name: split["count"] for name, split in json.loads(reports[0])["splits"].items()} == {"train": 2}


def test_bad_input_is_one_line_that_names_file_and_value(error_of, radar_set: Path, tmp_path: Path) -> None:
    label = radar_set / "train" / "label" / "label_00003_radar_5G_0_snr_5.png"
    whole = label.read_bytes()
    label.write_bytes(whole[:70])
    assert f"{label} is truncated: it ends at byte 70" in error_of("inspect", radar_set)
    label.write_bytes(whole)
    pixels = np.array(Image.open(label))
    pixels[0, 0] = 120
    Image.fromarray(pixels).save(label)
    assert f"{label} has the colour (120, 120, 120) at row 0, column 0" in error_of("inspect", radar_set)
    assert "--skip-bad" in error_of("import", radar_set, "--out", tmp_path / "set")
    assert not (tmp_path / "set").exists()
    Image.new("L", (16, 16)).save(label)
    assert f"{label} is 16 x 16 pixels, but most of the set's labels are 32 x 32" in error_of("inspect", radar_set)
    label.unlink()
    assert "data_00003_radar_5G_0_snr_5.png has no label of key" in error_of("inspect", radar_set)
    (tmp_path / "empty").mkdir()
    assert "empty is empty; unpack a dataset into it" in error_of("inspect", tmp_path / "empty")
    inner = error_of("inspect", radar_set / "train")
    assert "no known dataset but input/, label/; looked for train/input/*.png with train/label/*.png (osnet" in inner


def test_a_wider_tolerance_takes_blurred_labels(run: Run, radar_set: Path) -> None:
    label = radar_set / "train" / "label" / "label_00003_radar_5G_0_snr_5.png"
    Image.fromarray(np.clip(np.array(Image.open(label)), 20, 255)).save(label)
    code, out, _ = run("inspect", radar_set, "--no-picture", "--tolerance", "20")
    assert code == 0 and "worst colour: 20 of 20 levels" in out


def test_import_writes_a_set_for_each_split_that_inspect_and_verify_read(
    run: Run, error_of, radar_set: Path, tmp_path: Path
) -> None:
    (radar_set / "train" / "input" / "data_00002_radar_5G_0_snr_5.png").write_bytes(b"")
    out_folder = tmp_path / "sets"
    code, out, _ = run("import", radar_set, "--out", out_folder, "--per-shard", "2", "--skip-bad")
    assert code == 0
    assert f"{out_folder / 'train'}: 5 items in 3 shards" in out
    assert "data_00002_radar_5G_0_snr_5.png" in out
    train = ShardSet(out_folder / "train")
    assert [item.metadata["draw"] for item in train] == [0, 1, 3, 4, 5]
    assert np.array_equal(train[2].mask, mask_of(3))
    assert np.array_equal(train[2].data, np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    assert train[0].metadata["snr_db"] == 30.0 and train[0].metadata["samp_rate"] == 61.44e6
    assert train.description.masks == ("channel",)
    assert "rfseg-set" in run("inspect", out_folder, "--no-picture")[1]
    assert "val: 2 items in 1 shards are what was written" in run("verify", out_folder)[1]
    shard = out_folder / "train" / "shard-00001.npz"
    shard.write_bytes(shard.read_bytes()[:-1])
    code, out, err = run("verify", out_folder)
    assert code == EXIT_BAD_INPUT and f"{shard} has " in out
    assert "1 of 3 shards" in err and "run the command that wrote the set again" in err
    run("import", radar_set, "--out", out_folder, "--per-shard", "2", "--skip-bad")
    assert run("verify", out_folder)[0] == 0
    assert "is itself a set" in error_of("import", radar_set, "--out", out_folder / "train", "--skip-bad")


def note(label: str, start: int, count: int) -> dict[str, Any]:
    return {"core:sample_start": start, "core:sample_count": count, "core:label": label}


def test_from_sigmf_makes_a_set_of_other_classes(run: Run, error_of, write_recording, tmp_path: Path) -> None:
    notes = [note("Wi-Fi", 0, 20000), note("DME", 100, 50), note("hum", 0, 30720)]
    write_recording(np.ones(30720, np.complex64), annotations=notes)
    classes = ["--classes", "Nothing,Wi-Fi,DME:pulsed", "--map", "hum=Nothing"]
    options = [*classes, "--unlabelled", "ignore", "--frame-ms", "1"]
    code, out, err = run("from-sigmf", tmp_path, "--out", tmp_path / "set", *options)
    assert (code, err) == (0, "")
    assert f"{tmp_path / 'set'}: 2 frames of 1 recordings in 1 shards" in out
    written = ShardSet(tmp_path / "set")
    assert [(c.label, c.kind.value) for c in written.description.classes] == [
        ("Nothing", "background"), ("Wi-Fi", "carrier"), ("DME", "pulsed"),
    ]  # fmt: skip
    assert np.unique(written[0].mask).tolist() == [1, 2]  # the DME pulse lies over the Wi-Fi
    assert "the label 'hum', expected one of Noise, Wi-Fi, DME" in error_of(
        "from-sigmf", tmp_path, "--out", tmp_path / "x", "--classes", "Noise,Wi-Fi,DME"
    )


def test_from_sigmf_leaves_out_what_is_bad_if_asked(run: Run, error_of, write_recording, tmp_path: Path) -> None:
    write_recording(np.ones(30720, np.complex64), "good", annotations=[note("LTE", 0, 30720)])
    path = write_recording(np.ones(30720, np.complex64), "bad", annotations=[note("LTE", 0, 30721)])
    line = error_of("from-sigmf", tmp_path, "--out", tmp_path / "set")
    assert f"annotation 0 of {path} has core:sample_start=0, core:sample_count=30721" in line
    code, out, _ = run("from-sigmf", tmp_path, "--out", tmp_path / "set", "--skip-bad")
    assert code == 0
    assert "1 problems; what they are of is left out:" in out and str(path) in out
    assert len(ShardSet(tmp_path / "set")) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--classes", "Noise"], "must be labels that differ, one background first"),
        (["--classes", "Noise,LTE,LTE"], "must be labels that differ"),
        (["--classes", "Noise,LTE:round"], "kind 'round', expected one of background, carrier, pulsed"),
        (["--map", "LTE"], "is no mapping; give LABEL=CLASS"),
        (["--frame-ms", "0"], "'0' is not above 0"),
        (["--per-shard", "0"], "'0' is no count; give an integer of at least 1"),
    ],
)
def test_options_of_no_use_are_refused(
    options: list[str], text: str, run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        run("from-sigmf", tmp_path, "--out", tmp_path / "set", *options)
    assert text in capsys.readouterr().err


def test_torch_and_pillow_are_not_imported_before_they_are_needed() -> None:
    code = "import sys, rfseg.cli.dataset; print([m for m in ('torch', 'lightning', 'PIL') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_without_pillow_the_remedy_is_told(error_of, radar_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "reading pictures needs Pillow: pip install 'rfseg[data]'" in error_of("inspect", radar_set, "--no-picture")


def test_sets_that_were_made_and_verified_are_told_as_json(run: Run, radar_set: Path, tmp_path: Path) -> None:
    code, out, err = run("import", radar_set, "--out", tmp_path / "sets", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    made = [{"folder": str(tmp_path / "sets" / name), "items": items, "shards": 1} for name, items in (("train", 6), ("val", 2))]
    assert facts["sets"] == made and facts["format"] == "rf-segmenter"
    code, out, err = run("verify", tmp_path / "sets", "--json")
    assert (code, err, json.loads(out)) == (0, "", made)
    (shard,) = (tmp_path / "sets" / "val").glob("*.npz")
    shard.write_bytes(b"damaged")
    code, out, err = run("verify", tmp_path / "sets", "--json")
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert err.count(str(shard.name)) >= 1 and "1 of 1 shards" in err
