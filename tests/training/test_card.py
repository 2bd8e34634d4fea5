"""``rfseg card`` and ``rfseg models``: figures go into the file, and the page says what the file says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.modelfile import load_contract
from rfseg.deployment.card import write_card
from rfseg.deployment.cardtext import _in_order, format_card

MODEL = Path(__file__).resolve().parents[1] / "models" / "threshold.onnx"
LABELS = ("Noise", "LTE", "NR", "Radar")


def _evaluation(**changes) -> dict:
    """What rfseg evaluate writes, with made-up figures."""
    each = {label: {"iou": 0.5 + 0.1 * i, "precision": 0.9, "recall": 0.6, "f1": 0.7} for i, label in enumerate(LABELS)}
    pixels = {"pixels": 10, "accuracy": 0.9, "macro_accuracy": 0.8, "mean_iou": 0.65, "classes": each, "confusion": []}
    groups = {"by_snr": {"0 to 5 dB": {**pixels, "accuracy": 0.4}}, "by_frame_snr": {}, "by_duration": {"20 ms": pixels}}
    found = {"found": 3, "detection": 0.75, "false_alarms_per_frame": 0.125}
    model = {
        "pixels": pixels | groups,
        "bands": {
            "classes": {"LTE": {"bands": 4, "iou_0.5": found, "iou_0.75": found}},
            "wrong_label": {"rate": 0.1},
            "edge_error_khz": {"median": 42.0},
        },
        "pulses": {"pulses": 7, "detection": 0.5, "false_rows_per_frame": 1.5},
        "calibration": {"ece": 0.0123},
    }
    energy = {**model, "pixels": {**pixels, "accuracy": 0.7, "mean_iou": 0.25}}
    facts = {"model": "threshold", "set": {"name": "rfseg-test"}, "frames": 8, "systems": {"model": model, "energy_detector": energy}}
    return facts | changes


@pytest.fixture
def contract():
    return load_contract(MODEL)


def test_a_page_says_what_the_contract_says(contract):
    training = {
        "network": "rf-segmenter", "parameters": 1248972, "gmac": 0.5, "scenes": 100, "images": 900, "step": 30, "minutes": 50.0,
        "commit": "abc", "recipe": {"name": "rfseg", "seed": 3, "scenes": {"name": "standard"}, "stop": {"minutes": 50.0}},
    }  # fmt: skip
    calibration = {
        "temperature": 1.25,
        "softmax": {"scenes": 40, "first_seed": 11, "ece_before": 0.08, "ece_after": 0.01},
        "int8": {"scenes": 9, "first_seed": 12, "layers": 82, "in_fp32": ["a.weight"], "agreement": 0.985},
        "reject": {
            "strange_scenes": 30, "noise_scenes": 10, "lost": 0.05, "band_ece": 0.07,
            "classes": {"LTE": {"right": 20, "right_kept": 19, "false": 4, "false_rejected": 3}},
        },
    }  # fmt: skip
    changed = replace(contract, training=training, calibration=calibration, precision="int8", reject_below={"LTE": 0.625})
    text = format_card(changed, size=1_500_000)
    for part in (
        "# threshold\n\nLabels every pixel of a spectrogram as Noise, LTE, NR or Radar, at 15.36 to 122.88 MS/s, in frames of 1 to 40 ms.",
        "| Network | rf-segmenter, 1 248 972 parameters, 0.5 GMAC for a frame of 256 x 256 |",
        "| File | 1.5 MB, int8 (convolutions; all else in fp32) |",
        "100 made-up scenes of the law `standard`",
        "30 steps; 50 minutes on hardware that nobody noted. Seed 3, code of commit abc.",
        "rfseg train rfseg --network rf-segmenter --seed 3 --minutes 50 --out runs/threshold",
        "rfseg export runs/threshold/last.pt --out models/threshold.onnx --precision int8 --lost 0.05",
        "calibration error 8.0 % before, 1.0 % after",
        "1 of 82 convolutions stay in fp32; 98.5 % of the pixels are as in fp32",
        "labelled Unknown: LTE 0.625.",
        "| LTE | 20 | 95.0 % | 4 | 75.0 % |",
        "Not measured yet",
    ):
        assert part in text
    assert "Not trained to the end" not in text and "--precision bf16" not in text
    mixed = format_card(replace(changed, training={**training, "precision": "bf16-mixed"}), size=1)
    assert "--minutes 50 --precision bf16-mixed --out runs/threshold" in mixed


def test_an_unfinished_network_says_so_first(contract):
    short = {"minutes": 20.0, "recipe": {"stop": {"minutes": 100.0}}}
    text = format_card(replace(contract, training=short), size=1)
    assert text.splitlines()[2].startswith("**Not trained to the end**: 20 of the 100 minutes of its recipe.")
    told = format_card(replace(contract, training={"unfinished": "no GPU was at hand"}), size=1)
    assert told.splitlines()[2].startswith("**Not trained to the end**: no GPU was at hand.")


def test_figures_go_into_the_file_and_onto_the_page(tmp_path, monkeypatch, capsys):
    model = Path(shutil.copy(MODEL, tmp_path))
    (tmp_path / "evaluation.json").write_text(json.dumps(_evaluation()))
    page = tmp_path / "threshold.md"
    page.write_text("# old\n\n## Weak points\n- It confuses things.\n\n## Else\ngone\n")
    options = ["--evaluation", str(tmp_path / "evaluation.json"), "--hardware", "an abacus", "--speed"]
    assert main(["card", str(model), *options]) == 0
    metrics = load_contract(model).metrics
    assert metrics["rfseg-test"]["mean_iou"] == 0.65 and metrics["rfseg-test"]["energy_detector"]["mean_iou"] == 0.25
    assert set(metrics["speed"]["bins"]) == {"64", "128", "256"}
    assert load_contract(model).training["hardware"] == "an abacus"
    text = page.read_text()
    for part in (
        "8 frames: pixel accuracy 90.0 % (energy detector 70.0 %, mIoU 0.250).",
        "| IoU | 0.500 | 0.600 | 0.700 | 0.800 | **0.650** |",
        "Right carrier pixels by SNR: 0 to 5 dB 40.0 %.",
        "| LTE | 4 | 75.0 % | 0.125 |",
        "Wrong label on 10.0 % of the bands that are in the right place; edges 42 kHz off in the median.",
        "Radar pulses: 50.0 % of 7 found, 1.500 false rows a frame.",
        "Expected calibration error 1.2 %.",
        "## Weak points\n- It confuses things.\n",
    ):
        assert part in text
    assert "# old" not in text and "gone" not in text
    monkeypatch.setenv("RFSEG_MODEL_PATH", str(tmp_path))
    capsys.readouterr()
    assert main(["models"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("threshold ")]
    assert row.split()[1] == "fp32" and " 0.650 " in row


def test_a_page_needs_no_onnx_package_and_can_lie_elsewhere(tmp_path, contract):
    write_card(tmp_path / "a.md", contract, size=100)
    assert (tmp_path / "a.md").read_text() == format_card(contract, size=100)


@pytest.mark.parametrize(
    "text, reason",
    [
        (json.dumps(_evaluation(model="other")), "measures the model 'other', not 'threshold'; run rfseg evaluate on this model"),
        ("{}", "is no evaluation: KeyError('model'); rfseg evaluate --out or --json writes one"),
        ("{", "is no evaluation: "),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_evaluation_of_the_model_is_refused(text, reason, tmp_path, capsys):
    file = tmp_path / "evaluation.json"
    if text is not None:
        file.write_text(text)
    model = shutil.copy(MODEL, tmp_path)
    assert main(["card", str(model), "--evaluation", str(file)]) == EXIT_BAD_INPUT
    assert reason in capsys.readouterr().err


def test_groups_stand_in_the_order_of_their_numbers():
    names = ["below -5 dB", "-5 to 0 dB", "0 to 5 dB", "5 to 10 dB", "10 to 20 dB", "above 30 dB", "at least 10 dB"]
    assert [name for name, _ in _in_order({name: 0 for name in sorted(names)})] == names
    assert [name for name, _ in _in_order({"10 ms": 0, "2.5 ms": 0, "20 ms": 0})] == ["2.5 ms", "10 ms", "20 ms"]
