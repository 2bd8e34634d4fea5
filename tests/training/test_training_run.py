"""Training runs at tiny size: resuming, several processes, Ctrl-C, refusals."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from rfseg.cli import main
from rfseg.errors import OptionError, SceneError
from rfseg.models.rf_segmenter import SSCA
from rfseg.training.checkpoint import LAST, read_checkpoint
from rfseg.training.recipe import load_training_recipe
from rfseg.training.run import Place, train
from rfseg.training.task import keep_scans_exact

TINY = """
base = "rfseg"
name = "tiny"
scenes = "tiny-scenes.toml"
[data]
pool = 12
first_scenes = 8
validation = 2
workers = 0
uses = 2.0
[batch]
columns = 256
half_share = 1.0
[stop]
minutes = 0.0
steps = 4
"""


def read_log(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def equal(first, second):
    """Whether two nested states hold the same bits."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


def run_command(*arguments, cwd, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "rfseg", "train", *arguments],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    """A recipe that is trained in seconds, and its file."""
    (tmp_path / "tiny-scenes.toml").write_text('name = "tiny"\nrates = [[15.36e6, 1.0]]\ndurations = [[1e-3, 1.0]]\n')
    (tmp_path / "tiny.toml").write_text(TINY)
    return load_training_recipe(tmp_path / "tiny.toml")


def test_a_resumed_run_equals_one_that_was_not_interrupted_to_the_bit(tiny, tmp_path):
    level = tiny.with_changes(schedule__warm_up=0.0, schedule__decay=0.0)  # the rate must not know where the run ends
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(level, whole)
    train(level.with_changes(stop__steps=3), parts)
    assert torch.load(parts / LAST, weights_only=True)["progress"]["drawn"] == 8 + 3 * 2
    train(level, parts)
    first, second = (torch.load(folder / LAST, weights_only=True) for folder in (whole, parts))
    for key in ("network", "average", "optimizer"):
        assert equal(first[key], second[key]), key
    assert [line["step"] for line in read_log(parts)] == ["3", "4"]
    assert read_log(whole)[-1]["mean_iou"] == read_log(parts)[-1]["mean_iou"]
    assert not equal(first["network"], first["average"])


def test_a_checkpoint_is_read_with_its_recipe_and_progress(tiny, tmp_path):
    train(tiny.with_changes(stop__steps=1), tmp_path / "run")
    checkpoint = read_checkpoint(tmp_path / "run" / LAST)
    assert checkpoint.recipe == tiny.with_changes(stop__steps=1)
    assert not checkpoint.network.training and checkpoint.progress["precision"] == "32"
    assert {k: checkpoint.progress[k] for k in ("step", "images", "scenes", "seed")} == {
        "step": 1, "images": 4, "scenes": 8 + 2, "seed": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["name"] == "tiny"
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_two_processes_agree_and_see_scenes_of_their_own(tiny, tmp_path):
    process = run_command("tiny.toml", "--out", "run", "--devices", "2", "--steps", "2", cwd=tmp_path)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    assert "trained: 2 steps, 16 frames" in output and "step 2: loss" in errors
    state = torch.load(tmp_path / "run" / LAST, weights_only=True)
    assert state["progress"]["scenes"] == 2 * (8 + 4) and state["progress"]["ranks"] == 2
    assert not equal(state["network"], state["average"])


def test_ctrl_c_saves_and_the_same_command_goes_on(tiny, tmp_path):
    process = run_command("tiny.toml", "--out", "run", "--steps", "100000", cwd=tmp_path)
    events = tmp_path / "run" / "run.json"
    while not events.exists():  # written when the first step begins
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "rfseg: saved after" in errors and "the same command goes on" in errors
    step = torch.load(tmp_path / "run" / LAST, weights_only=True)["progress"]["step"]
    assert step >= 1
    outcome = train(tiny.with_changes(stop__steps=step + 1), tmp_path / "run")
    assert outcome.progress.step == step + 1


def test_another_recipe_in_the_same_folder_is_refused(tiny, tmp_path):
    train(tiny.with_changes(stop__steps=1), tmp_path / "run")
    with pytest.raises(OptionError, match=r"run holds a run with loss\.dice=0\.5, not 0\.25; name another folder with --out"):
        train(tiny.with_changes(loss__dice=0.25), tmp_path / "run")
    assert train(tiny.with_changes(stop__steps=1), tmp_path / "run").was_over


def test_a_folder_keeps_its_recipe_and_nothing_of_writers_that_were_killed(tiny, tmp_path, capsys):
    folder, other = tmp_path / "run", tmp_path / "other.toml"
    other.write_text((tmp_path / "tiny.toml").read_text().replace("uses = 2.0", "uses = 3.0"))
    command = ["train", str(tmp_path / "tiny.toml"), "--out", str(folder), "--steps"]
    assert main([*command, "1"]) == 0
    dead = subprocess.Popen(["true"])
    dead.wait()
    (folder / f".last.pt.{dead.pid}.part").touch()
    assert main(["train", str(other), "--out", str(folder), "--steps", "2"]) == 2
    assert "holds a run with data.uses=2.0, not 3.0" in capsys.readouterr().err
    assert (folder / "recipe.toml").read_text() == (tmp_path / "tiny.toml").read_text()
    assert main([*command, "2"]) == 0
    assert not list(folder.glob(".*.part"))
    assert main([*command, "3", "--set", "sets/mine"]) == 2
    error = capsys.readouterr().err
    assert "holds a run on fresh scenes, not on mine; give the same --set as before, or name another folder with --out" in error


def test_a_loss_that_is_no_number_ends_the_run(tiny, tmp_path):
    wild = tiny.with_changes(optimizer__kind="sgd", optimizer__rate=1e30, optimizer__clip_norm=0.0, optimizer__momentum=0.0)
    with pytest.raises(SceneError, match="the loss is no number any more at step 4; lower optimizer.rate"):
        train(wild, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "1", "--steps", "2"], "--minutes 1 and --steps 2 are both an end; give one"),
        (["--steps", "0"], "--steps 0 must be above 0"),
        (["--minutes", "inf"], "--minutes inf must be above 0 and finite"),
        (["--devices", "0"], "--devices 0 must be at least 1"),
        (["--accelerator", "tpu"], "--accelerator tpu is unknown; choose one of auto, cpu, gpu"),
        (["--precision", "8"], "--precision 8 is unknown; choose one of 32, bf16-mixed, 16-mixed"),
        (["--precision", "16-mixed", "--accelerator", "cpu"], "--precision 16-mixed needs a GPU"),
        (["--network", "u-net"], "network='u-net' is unknown"),
        (["--init", "nothing.pt", "--steps", "1"], "nothing.pt cannot be read"),
        (["--set", "nowhere"], "nowhere"),
    ],
)
def test_what_the_command_refuses(tiny, tmp_path, options, message, capsys):
    assert main(["train", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rfseg: error: ") and message in error


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tiny):
    with pytest.raises(OptionError, match="PyTorch sees no GPU here"):
        Place(accelerator="gpu")


def test_a_recipe_without_an_end(tiny, tmp_path):
    with pytest.raises(OptionError, match="does not say when to stop; give --minutes or --steps"):
        train(tiny.with_changes(stop__steps=0), tmp_path / "run")


def test_the_recipes_are_listed(capsys):
    assert main(["train"]) == 0
    output = capsys.readouterr().out
    assert "rfseg" in output and "published-os-net" in output


def test_mixed_precision_leaves_the_scans_exact(tiny, tmp_path, generator):
    network = SSCA(32)
    u = torch.randn(2, 32, 2, 32, generator=generator)
    exact = network.scan(u).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not torch.equal(network.scan(u).detach().float(), exact)
        keep_scans_exact(network)
        assert torch.equal(network.scan(u).detach(), exact)
    outcome = train(tiny.with_changes(stop__steps=1), tmp_path / "run", place=Place(accelerator="cpu", precision="bf16-mixed"))
    assert outcome.progress.step == 1
    assert all(torch.isfinite(v).all() for v in torch.load(tmp_path / "run" / LAST, weights_only=True)["network"].values())
