"""``rfseg evaluate`` on sets of a few frames whose figures are known, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.cli.table import format_table
from rfseg.contract import SignalClass
from rfseg.datasets.classes import STANDARD_CLASSES
from rfseg.datasets.items import Content, Item, SetDescription, level_rows
from rfseg.datasets.shardset import ShardSet
from rfseg.datasets.writing import write_set
from rfseg.errors import DatasetError, OptionError
from rfseg.evaluation import evaluate_set, format_evaluation, save_page
from rfseg.evaluation.page import make_page
from rfseg.geometry import Reduction, make_geometry
from rfseg.inference import Session

LTE, NR = 1, 2
GEOMETRY = make_geometry(15.36e6)  # 64 bins of 240 kHz, 256 rows
DESCRIPTION = SetDescription(
    name="tiny", content=Content.ROWS, samp_rate_range=(15.36e6, 15.36e6), frame_duration_range=(20e-3, 20e-3)
)
MakeSet = Callable[..., ShardSet]


def record(label: str, low: int, high: int, snr_db: float) -> dict[str, Any]:
    return {
        "label": label,
        "freq_lower_edge": GEOMETRY.edge_freq(low),
        "freq_upper_edge": GEOMETRY.edge_freq(high),
        "sample_start": 0,
        "sample_count": GEOMETRY.frame_samples,
        "snr_db": snr_db,
        "comment": "5 MHz, 15 kHz, downlink",
    }


def frame_of(class_id: int, low: int, high: int, **metadata: Any) -> Item:
    """Noise at -90 dBFS, and a carrier at -60 dBFS that the test model calls LTE whatever it is."""
    rows = np.full((2, 256, 64), -90.0, np.float32)
    rows[:, :, low:high] = -60.0
    mask = np.zeros((256, 64), np.uint8)
    mask[:, low:high] = class_id
    data, level = level_rows(rows)
    emitters = [record(STANDARD_CLASSES[class_id].label, low, high, 12.0 if class_id == LTE else 2.0)]
    facts = {"seed": class_id, "level_dbfs": level, "samp_rate": 15.36e6, "frame_duration": 20e-3, "emitters": emitters}
    return Item(data, mask, {key: value for key, value in (facts | metadata).items() if value is not None})


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """Write items as a set."""

    def make(*items: Item, description: SetDescription = DESCRIPTION) -> ShardSet:
        return write_set(tmp_path / "tiny", lambda seed: items[seed], len(items), description=description, per_shard=4)

    return make


@pytest.fixture
def session(threshold_model: Path) -> Session:
    return Session(threshold_model, threads=1)


def test_figures_of_two_frames(make_set: MakeSet, session: Session) -> None:
    # An LTE carrier that is found and an NR carrier that is called LTE, of 20 bins each, in frames of 256 x 64 pixels:
    # 2 * 44 * 256 = 22528 pixels of Noise, 5120 of LTE and 5120 of NR.
    facts = evaluate_set(session, make_set(frame_of(LTE, 10, 30), frame_of(NR, 40, 60))).to_json()
    assert (facts["model"], facts["frames"], facts["classes"]) == ("threshold", 2, ["Noise", "LTE", "NR", "Radar"])
    model = facts["systems"]["model"]
    assert model["pixels"]["confusion"] == [[22528, 0, 0, 0], [0, 5120, 0, 0], [0, 5120, 0, 0], [0, 0, 0, 0]]
    assert model["pixels"]["accuracy"] == pytest.approx(27648 / 32768)
    assert model["pixels"]["macro_accuracy"] == pytest.approx((1 + 1 + 0) / 3, abs=1e-6)
    assert model["pixels"]["mean_iou"] == pytest.approx((1 + 5120 / 10240 + 0) / 3, abs=1e-6)
    assert model["pixels"]["classes"]["Radar"] == {"iou": None, "precision": None, "recall": None, "f1": None}

    # Carrier pixels: all of the LTE carrier at 12 dB, none of the NR carrier at 2 dB.
    by_snr = {name: (group["pixels"], group["accuracy"]) for name, group in model["pixels"]["by_snr"].items()}
    assert by_snr == {"0 to 5 dB": (5120, 0.0), "10 to 20 dB": (5120, 1.0)}
    assert {n: g["accuracy"] for n, g in model["pixels"]["by_bandwidth"].items()} == {"LTE 5 MHz": 1.0, "NR 5 MHz": 0.0}
    by_frame_snr = {name: group["accuracy"] for name, group in model["pixels"]["by_frame_snr"].items()}
    assert by_frame_snr == {"0 to 5 dB": 44 / 64, "10 to 20 dB": 1.0, "at least 10 dB": 1.0}
    assert model["pixels"]["by_rate"]["15.36 MS/s"]["pixels"] == model["pixels"]["by_duration"]["20 ms"]["pixels"] == 32768

    found = {"found": 1, "detection": 1.0, "false_alarms_per_frame": 0.5}
    assert model["bands"]["classes"]["LTE"] == {"bands": 1, "iou_0.5": found, "iou_0.75": found}
    assert model["bands"]["classes"]["NR"]["iou_0.5"] == {"found": 0, "detection": 0.0, "false_alarms_per_frame": 0.0}
    assert model["bands"]["wrong_label"] == {"found": 2, "wrong": 1, "rate": 0.5}
    errors = model["bands"]["edge_error_khz"]  # edges sharper than a window shows them are told to half a bin
    assert errors["edges"] == 2 and 0 <= errors["median"] <= errors["p90"] <= 0.5 * GEOMETRY.bin_width / 1e3 + 1e-2
    assert (model["pulses"]["pulses"], model["pulses"]["false_rows_per_frame"]) == (0, 0.0)

    # Noise has confidence 230 / 255 and is right, signals have 204 / 255 = 0.8, and half of them are.
    gaps = 22528 * (1 - 230 / 255) + 10240 * (0.8 - 0.5)
    assert model["calibration"]["ece"] == pytest.approx(gaps / 32768, abs=1e-6)
    assert [w["item"] for w in facts["worst"]] == [1, 0] and facts["worst"][0]["accuracy"] == 44 / 64


def test_rejected_bands_are_counted_and_change_no_other_figure(make_set: MakeSet, session: Session) -> None:
    dataset = make_set(frame_of(LTE, 10, 30), frame_of(NR, 40, 60))  # the second is called LTE; both have 0.8
    plain = evaluate_set(session, dataset).to_json()
    session.contract = replace(session.contract, reject_below={"LTE": 0.85})
    strict = evaluate_set(session, dataset).to_json()
    none, all_of_one = {"bands": 1, "rejected": 0, "rate": 0.0}, {"bands": 1, "rejected": 1, "rate": 1.0}
    assert plain["systems"]["model"]["bands"].pop("rejected") == {"right": none, "false": none}
    assert strict["systems"]["model"]["bands"].pop("rejected") == {"right": all_of_one, "false": all_of_one}
    assert strict == plain


def test_text_and_page_say_how_many_bands_lost_their_name(make_set: MakeSet, session: Session) -> None:
    session.contract = replace(session.contract, reject_below={"LTE": 0.85})
    evaluation = evaluate_set(session, make_set(frame_of(LTE, 10, 30)))
    for text in (format_evaluation(evaluation.to_json(), lambda headings, rows: ""), make_page(evaluation)):
        assert "labelled Unknown: 100.0 % of 1 right bands and - % of 0 false ones" in text


def test_baselines_stand_beside_the_model(make_set: MakeSet, session: Session) -> None:
    systems = evaluate_set(session, make_set(frame_of(LTE, 10, 30), frame_of(NR, 40, 60))).to_json()["systems"]
    assert list(systems) == ["model", "energy_detector", "noise", "true_mask"]
    # 20 bins are 4.8 MHz: LTE has 4.515, NR 4.5 and 3.96, so both carriers are called LTE.
    assert systems["energy_detector"]["pixels"]["confusion"] == systems["model"]["pixels"]["confusion"]
    assert systems["noise"]["pixels"]["accuracy"] == 44 / 64
    assert systems["noise"]["pixels"]["mean_iou"] == pytest.approx(44 / 64 / 3, abs=1e-6)
    assert systems["noise"]["bands"]["classes"]["LTE"]["iou_0.5"]["detection"] == 0.0
    # What can be had at best: both bands, from the mask that is the truth.
    ceiling = systems["true_mask"]["bands"]
    assert [ceiling["classes"][label]["iou_0.75"]["detection"] for label in ("LTE", "NR")] == [1.0, 1.0]
    assert ceiling["wrong_label"]["rate"] == 0.0 and systems["true_mask"]["pixels"]["accuracy"] == 1.0
    assert systems["noise"]["calibration"] is systems["energy_detector"]["calibration"] is None


def test_a_limit_takes_the_first_frames(make_set: MakeSet, session: Session) -> None:
    dataset = make_set(frame_of(LTE, 10, 30), frame_of(NR, 40, 60))
    result = evaluate_set(session, dataset, limit=1)
    assert (result.frames, result.frames_of, result.systems["model"].total.accuracy_score) == (1, 2, 1.0)
    with pytest.raises(OptionError, match="limit=0 frames; give at least 1"):
        evaluate_set(session, dataset, limit=0)


def test_without_a_record_of_who_sends_there_are_pixels_only(make_set: MakeSet, session: Session) -> None:
    model = evaluate_set(session, make_set(frame_of(LTE, 10, 30, emitters=None))).to_json()["systems"]["model"]
    assert (model["bands"], model["pulses"], model["pixels"]["by_snr"]) == (None, None, {})
    assert model["pixels"]["accuracy"] == 1.0 and model["calibration"]["ece"] is not None


def test_the_first_mask_is_the_truth(make_set: MakeSet, session: Session) -> None:
    item = frame_of(LTE, 10, 30)
    both = np.stack([item.mask, np.full_like(item.mask, NR)])
    description = replace(DESCRIPTION, masks=("energy", "channel"))
    result = evaluate_set(session, make_set(Item(item.data, both, item.metadata), description=description))
    assert result.to_json()["set"]["mask"] == "energy"
    assert result.systems["model"].total.accuracy_score == 1.0


def test_classes_in_another_order_are_told_apart_by_their_labels(make_set: MakeSet, session: Session) -> None:
    noise, lte, _, radar = STANDARD_CLASSES
    item = frame_of(LTE, 10, 30)
    mask = np.where(item.mask == LTE, 2, 0).astype(np.uint8)
    description = replace(DESCRIPTION, classes=(noise, radar, lte))
    result = evaluate_set(session, make_set(Item(item.data, mask, item.metadata), description=description))
    assert result.systems["model"].total.counts[LTE, LTE] == 20 * 256
    assert result.systems["model"].total.accuracy_score == 1.0


@pytest.mark.parametrize(
    "classes, expected",
    [
        (
            (*STANDARD_CLASSES, SignalClass(label="Wi-Fi", kind="carrier")),
            r"the model 'threshold' does not know Wi-Fi \(its classes: Noise, LTE, NR, Radar\)",
        ),
        ((SignalClass(label="Radar", kind="background"),), "the model 'threshold' calls the background Noise"),
    ],
)
def test_classes_that_the_model_does_not_know_are_refused(
    make_set: MakeSet, session: Session, classes: tuple[SignalClass, ...], expected: str
) -> None:
    item = frame_of(LTE, 10, 30)
    blank = Item(item.data, np.zeros_like(item.mask), item.metadata)
    with pytest.raises(DatasetError, match=expected):
        evaluate_set(session, make_set(blank, description=replace(DESCRIPTION, classes=classes)))


@pytest.mark.parametrize(
    "metadata, expected",
    [
        ({"samp_rate": None}, "item 0 of .*tiny does not state samp_rate and frame_duration"),
        ({"samp_rate": 1e6}, "item 0 of .*tiny is nothing for this model: samp_rate=1e\\+06 Hz is outside"),
        ({"frame_duration": 0.1}, "item 0 of .*tiny is nothing for this model: frame_duration=0.1 s is outside"),
        ({"samp_rate": 61.44e6}, r"item 0 of .*tiny has rows \(2, 256, 64\), .* wants \(2, 256, 256\) at 6.144e\+07 Hz"),
    ],
)
def test_an_item_that_the_contract_does_not_cover_is_refused(
    make_set: MakeSet, session: Session, metadata: dict[str, Any], expected: str
) -> None:
    with pytest.raises(DatasetError, match=expected):
        evaluate_set(session, make_set(frame_of(LTE, 10, 30, **metadata)))


def test_sets_of_other_rows_are_refused(make_set: MakeSet, session: Session) -> None:
    item = frame_of(LTE, 10, 30)
    description = replace(DESCRIPTION, reductions=(Reduction.MEAN,))
    with pytest.raises(DatasetError, match="has the reductions mean, but the model 'threshold' needs max too"):
        evaluate_set(session, make_set(Item(item.data[:1], item.mask, item.metadata), description=description))


def picture_set(make_set: MakeSet) -> ShardSet:
    item = Item(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8), {})
    return make_set(item, description=replace(DESCRIPTION, content=Content.PICTURES, family="published"))


def test_pictures_are_refused_with_what_to_use_instead(make_set: MakeSet, session: Session) -> None:
    with pytest.raises(DatasetError, match="holds pictures, .* takes spectrogram rows .* a model that was trained on such"):
        evaluate_set(session, picture_set(make_set))


def test_rows_of_another_geometry_are_refused(make_set: MakeSet, session: Session) -> None:
    with pytest.raises(DatasetError, match="has the geometry 'published', but the model 'threshold' was made for 'rfseg'"):
        evaluate_set(session, make_set(frame_of(LTE, 10, 30), description=replace(DESCRIPTION, family="published")))


def test_the_report_is_one_file_with_its_pictures(make_set: MakeSet, session: Session, tmp_path: Path) -> None:
    items = [frame_of(LTE, 10, 12 + number) for number in range(14)]
    save_page(tmp_path / "report.html", evaluate_set(session, make_set(*items)))
    page = (tmp_path / "report.html").read_text("utf-8")
    pictures = re.findall(r'src="([^"]{0,30})', page)
    assert len(pictures) == 3 + 12  # pixels, detection, reliability; the worst frames
    assert all(p.startswith("data:image/png;base64,iVBORw") for p in pictures)  # the first bytes of a PNG
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)
    assert "<h2>The 12 worst frames</h2>" in page and "threshold on tiny" in page
    assert len(evaluate_set(session, make_set(*items), worst=13).worst) == 13


def test_frames_in_which_nobody_sends_have_a_report_too(make_set: MakeSet, session: Session, tmp_path: Path) -> None:
    rows = frame_of(LTE, 10, 30, emitters=[])
    result = evaluate_set(session, make_set(Item(rows.data, np.zeros_like(rows.mask), rows.metadata)))
    save_page(tmp_path / "report.html", result)
    facts = result.to_json()
    model = facts["systems"]["model"]
    assert (model["bands"]["bands"], model["bands"]["classes"]["LTE"]["iou_0.5"]["false_alarms_per_frame"]) == (0, 1.0)
    assert "everything Noise" in format_evaluation(facts, format_table)


def test_frames_of_unknown_truth_have_a_report_too(make_set: MakeSet, session: Session, tmp_path: Path) -> None:
    item = frame_of(LTE, 10, 30)
    result = evaluate_set(session, make_set(Item(item.data, np.full_like(item.mask, 255), item.metadata)))
    save_page(tmp_path / "report.html", result)
    facts = result.to_json()
    model = facts["systems"]["model"]
    assert (model["pixels"]["accuracy"], model["pixels"]["mean_iou"], model["calibration"]["ece"]) == (None, None, None)
    assert (model["bands"]["ignored"], facts["worst"]) == (1, [])
    assert "calibration" not in format_evaluation(facts, format_table)


def test_the_command_prints_tables_and_writes_files(
    make_set: MakeSet, threshold_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = make_set(frame_of(LTE, 10, 30), frame_of(NR, 40, 60))
    out = tmp_path / "figures"
    command = ["evaluate", str(threshold_model), "--on", str(dataset.folder), "--out", str(out), "--threads", "1"]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.startswith("threshold on 2 of 2 frames of tiny (mask occupied)\n")
    lines = [line.split() for line in text.splitlines()]
    assert ["threshold", "84.4", "66.7", "0.500", "1.000", "0.500", "0.000", "-"] in lines
    assert ["everything", "Noise", "68.8", "33.3", "0.229", "0.688", "0.000", "0.000", "-"] in lines
    assert ["LTE", "5", "MHz", "5120", "100.0", "0.0", "100.0"] in lines
    assert "calibration: ECE 16.12 %" in text
    assert text.endswith(f"figures: {out / 'evaluation.json'}\nreport: {out / 'report.html'}\n")
    written = json.loads((out / "evaluation.json").read_text("utf-8"))

    assert main(["evaluate", str(threshold_model), "--on", str(dataset.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == written
    assert main(["evaluate", str(threshold_model), "--on", str(dataset.folder), "--json", "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 1


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(
    make_set: MakeSet, threshold_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rfseg.cli.evaluate.evaluate_set", None)
    (tmp_path / "taken").touch()
    folder = make_set(frame_of(LTE, 10, 30)).folder
    assert main(["evaluate", str(threshold_model), "--on", str(folder), "--out", str(tmp_path / "taken")]) == 2
    assert "taken cannot be written: File exists; name another place (--out)" in capsys.readouterr().err


@pytest.mark.parametrize("model, said", [("none-such", "model 'none-such' is unknown"), (None, "holds pictures")])
def test_the_command_refuses_in_one_line(
    make_set: MakeSet, threshold_model: Path, capsys: pytest.CaptureFixture[str], model: str | None, said: str
) -> None:
    folder = picture_set(make_set).folder
    assert main(["evaluate", model or str(threshold_model), "--on", str(folder)]) == EXIT_BAD_INPUT
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("rfseg: error: ") and said in err and err.count("\n") == 1


def test_the_command_needs_a_set(threshold_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(threshold_model), "--on", str(tmp_path / "nothing")]) == EXIT_BAD_INPUT
    assert str(tmp_path / "nothing") in capsys.readouterr().err


def test_without_matplotlib_there_are_tables_but_no_report(
    make_set: MakeSet, threshold_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    command = ["evaluate", str(threshold_model), "--on", str(make_set(frame_of(LTE, 10, 30)).folder)]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--out", "figures"]) == EXIT_BAD_INPUT
    out, err = capsys.readouterr()
    assert out == "" and "need Matplotlib: pip install 'rfseg[picture]', or go without --out" in err
