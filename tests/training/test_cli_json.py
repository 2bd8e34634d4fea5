"""What the commands that need PyTorch print for scripts: one JSON value on standard output and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from rfseg.cli import EXIT_DONE, EXIT_INTERRUPTED, main
from rfseg.modelfile import load_contract
from rfseg.synth.recipe import list_recipes
from rfseg.training.recipe import list_training_recipes

MODEL = Path(__file__).parents[1] / "models" / "threshold.onnx"


def test_recipes_are_listed(capsys):
    for command, names in (("synth", list_recipes()), ("train", list_training_recipes())):
        assert main([command, "--json"]) == EXIT_DONE
        listed = json.loads(capsys.readouterr().out)
        assert [entry["recipe"] for entry in listed] == list(names)
        assert all(entry["description"] for entry in listed)


@pytest.mark.parametrize(("was_interrupted", "code"), [(False, EXIT_DONE), (True, EXIT_INTERRUPTED)])
def test_a_run_says_where_it_stands(was_interrupted, code, tmp_path, monkeypatch, capsys):
    progress = SimpleNamespace(step=12, images=96, minutes=0.25)
    outcome = SimpleNamespace(progress=progress, was_interrupted=was_interrupted, was_over=False, best_score=0.5)
    monkeypatch.setattr("rfseg.training.run.train", lambda *_, **__: outcome)
    assert main(["train", "rfseg", "--steps", "12", "--out", str(tmp_path), "--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(tmp_path),
        "checkpoint": str(tmp_path / "last.pt"),
        "best": str(tmp_path / "best.pt"),
        "best_mean_iou": 0.5,
        "steps": 12,
        "frames": 96,
        "minutes": 0.25,
        "interrupted": was_interrupted,
        "over_already": False,
    }


def test_an_export_tells_of_its_model_and_of_what_it_does_on_standard_error(tmp_path, monkeypatch, capsys):
    def export(checkpoint, path, settings, *, say):
        say("temperature 1.1")
        shutil.copy(MODEL, path)

    monkeypatch.setattr("rfseg.deployment.export.export_checkpoint", export)
    out = tmp_path / "new.onnx"
    assert main(["export", "last.pt", "--out", str(out), "--json"]) == EXIT_DONE
    printed = capsys.readouterr()
    facts, contract = json.loads(printed.out), load_contract(MODEL)
    assert printed.err == "temperature 1.1\n"
    assert (facts["model"], facts["size"], facts["name"]) == (str(out), MODEL.stat().st_size, contract.name)
    assert (facts["classes"], facts["precision"]) == (list(contract.labels), contract.precision)


def test_a_card_tells_of_its_page(tmp_path, capsys):
    model = Path(shutil.copy(MODEL, tmp_path))
    assert main(["card", str(model), "--json"]) == EXIT_DONE
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"card": str(model.with_suffix(".md")), "model": str(model), "metrics": load_contract(model).metrics}
    assert model.with_suffix(".md").is_file()
