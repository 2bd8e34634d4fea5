"""Training runs at tiny size: every kind of data, resuming, several processes, starting weights, refusals."""

import csv
import json
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from rfseg.cli import main
from rfseg.datasets.writing import write_set
from rfseg.errors import DatasetError, OptionError, RecordingError, SceneError
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.synth.makers import Wishes, make_maker
from rfseg.synth.recipe import Recipe, load_recipe
from rfseg.training.checkpoint import BEST, LAST, read_checkpoint
from rfseg.training.initial import load_initial
from rfseg.training.optimizers import MuonWithAdamW, make_optimizer
from rfseg.training.recipe import TrainingRecipe, load_training_recipe
from rfseg.training.run import Place, train
from rfseg.training.samples import Draw, frame_features, make_batch, make_sample
from rfseg.training.sources import LiveSource, SetSource

SCENES = Recipe(name="tiny", rates=((15.36e6, 1.0),), durations=((1e-3, 1.0),))
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


@pytest.fixture
def tiny(tmp_path):
    """A recipe that is trained in seconds, and its file."""
    (tmp_path / "tiny-scenes.toml").write_text('name = "tiny"\nrates = [[15.36e6, 1.0]]\ndurations = [[1e-3, 1.0]]\n')
    (tmp_path / "tiny.toml").write_text(TINY)
    return load_training_recipe(tmp_path / "tiny.toml")


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


def make_set(folder, scenes, count):
    maker = make_maker(scenes, Wishes())
    write_set(folder, maker, count, description=maker.description, per_shard=4, processes=1, first_seed=scenes.first_seed)
    return folder


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
    other = tmp_path / "other"
    train(level.with_changes(seed=1), other)
    assert not equal(first["network"], torch.load(other / LAST, weights_only=True)["network"])


def test_a_checkpoint_is_read_with_its_recipe_and_progress(tiny, tmp_path):
    train(tiny.with_changes(stop__steps=1), tmp_path / "run")
    checkpoint = read_checkpoint(tmp_path / "run" / LAST)
    assert checkpoint.recipe == tiny.with_changes(stop__steps=1)
    assert not checkpoint.network.training
    assert {k: checkpoint.progress[k] for k in ("step", "images", "scenes", "seed")} == {
        "step": 1, "images": 4, "scenes": 8 + 2, "seed": 0,
    }  # fmt: skip
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["name"] == "tiny"
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_row_sets_are_trained_on_and_the_last_part_is_held_out(tiny, tmp_path):
    folder = make_set(tmp_path / "set", SCENES, 12)
    recipe = tiny.with_changes(data__validation_share=0.25, stop__steps=2)
    source = SetSource(recipe, [folder])
    assert source.epoch_items == 8 and len(source.held_out()) == 2  # 9 frames: two batches of 4, one frame left over
    seen = [source.draw(step) for step in range(4)]
    assert all(len(d.samples) == 4 and d.width == 64 for d in seen)
    source.close()
    outcome = train(recipe, tmp_path / "run", sets=[folder])
    assert (outcome.progress.images, outcome.progress.epoch) == (8, 1.0)


def test_picture_sets_and_the_best_epoch(tiny, tmp_path):
    folder = make_set(tmp_path / "set", load_recipe("protocol-cellular"), 6)
    recipe = load_training_recipe("published-deeplabv3-mobilenet-v3-large").with_changes(
        data__validation=1, data__validation_share=0.2, batch__frames=2, stop__epochs=1
    )
    outcome = train(recipe, tmp_path / "run", sets=[folder])
    assert outcome.progress.epoch == 1.0 and outcome.best_score >= 0
    best = read_checkpoint(tmp_path / "run" / BEST)
    assert best.recipe.classes == ("Noise", "NR", "LTE") and best.network.classifier[-1].out_channels == 3
    weights = torch.load(tmp_path / "run" / BEST, weights_only=True)["class_weights"]
    assert len(weights) == 3 and max(weights) > 1.0  # by median frequency


def test_pictures_of_a_protocol_are_made_while_training(tiny):
    recipe = load_training_recipe("published-os-net").with_changes(data__workers=0, data__first_scenes=8, batch__frames=2)
    source = LiveSource(recipe.with_changes(scenes=load_recipe("protocol-cellular-d2s"), classes=("LTE", "NR", "Noise")))
    features, masks = make_batch(source.draw(0), recipe.batch)
    assert features.shape == (2, 3, 128, 128) and 0 <= float(features.min()) and float(features.max()) <= 1
    assert set(masks.unique().tolist()) <= {0, 1, 2}
    assert (masks == 2).float().mean() > 0.3  # noise is last in this order


@pytest.mark.parametrize("kind", ["muon", "adamw", "adam", "sgd"])
def test_every_optimiser_lowers_the_loss_of_a_batch(kind, generator):
    torch.manual_seed(0)
    network = RFSegmenter()
    rate = {"sgd": 0.05}.get(kind, 2e-3)
    optimizer = make_optimizer(network, TrainingRecipe().with_changes(optimizer__kind=kind, optimizer__rate=rate).optimizer)
    features, masks = torch.randn(2, 3, 64, 64, generator=generator), torch.zeros(2, 64, 64, dtype=torch.int64)
    masks[:, 32:] = 3
    features[:, :, 32:] += 1.0
    losses = []
    for _ in range(8):
        loss = torch.nn.functional.cross_entropy(network(features), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_muon_moves_the_dense_convolutions_and_is_restored(generator):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.BatchNorm2d(16), torch.nn.Conv2d(16, 16, 3, groups=16))
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = MuonWithAdamW(network, TrainingRecipe().optimizer)
    network(torch.randn(2, 3, 9, 9, generator=generator)).square().mean().backward()
    optimizer.step()
    assert not any(torch.equal(b, p) for b, p in zip(before, network.parameters()) if p.ndim == 4)
    change = (network[0].weight - before[0]).detach().flatten(1)
    assert torch.linalg.matrix_rank(change, rtol=0.1) == 16  # all directions at one pace
    again = MuonWithAdamW(network, TrainingRecipe().optimizer)
    again.load_state_dict(optimizer.state_dict())
    assert equal(again.state_dict(), optimizer.state_dict())


def test_bins_that_pad_a_frame_are_not_learnt():
    scenes = Recipe(rates=((20e6, 1.0),), durations=((1e-3, 1.0),))  # 80 bins, padded to 96
    recipe = TrainingRecipe(scenes=scenes).with_changes(data__workers=0, data__first_scenes=8, batch__half_share=1.0)
    draw = LiveSource(recipe).draw(0)
    features, masks = make_batch(draw, recipe.batch)
    assert features.shape == (8, 3, 128, 96) and torch.isfinite(features).all()
    assert ((masks == 255).all(dim=1).sum(dim=1) >= 16).all()


def test_without_variation_a_batch_is_what_a_network_sees_in_use():
    law = TrainingRecipe().with_changes(
        batch__flip_frequency=0.0, batch__flip_time=0.0, batch__reference_share=0.0, batch__cut_share=0.0
    ).batch  # fmt: skip
    item = make_maker(SCENES, Wishes())(3)
    sample = make_sample(item, np.arange(256, dtype=np.uint8))
    draw = Draw(samples=[sample, sample], width=64, is_halved=False, rng=np.random.default_rng(0))
    features, masks = make_batch(draw, law)
    assert torch.equal(features[0], frame_features([sample])[0])
    assert np.array_equal(masks[0].numpy(), item.mask[0])


def run_command(*arguments, cwd, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "rfseg", "train", *arguments],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_two_processes_agree_and_see_scenes_of_their_own(tiny, tmp_path):
    process = run_command("tiny.toml", "--out", "run", "--devices", "2", "--steps", "2", cwd=tmp_path)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "trained: 2 steps, 16 frames" in output and "step 2: loss" in errors
    state = torch.load(tmp_path / "run" / LAST, weights_only=True)
    assert state["progress"]["scenes"] == 2 * (8 + 4) and state["progress"]["ranks"] == 2
    # one process with the gradients of both averaged: the same steps as theirs
    assert all(torch.isfinite(v).all() for v in state["network"].values())
    alone = tmp_path / "alone"
    train(tiny.with_changes(stop__steps=2), alone)
    assert not equal(state["network"], torch.load(alone / LAST, weights_only=True)["network"])


def test_ctrl_c_saves_and_the_same_command_goes_on(tiny, tmp_path):
    process = run_command("tiny.toml", "--out", "run", "--steps", "100000", cwd=tmp_path)
    events = tmp_path / "run" / "run.json"
    while not events.exists():  # written when the first step begins
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "rfseg: saved after" in errors and "the same command goes on" in errors
    step = torch.load(tmp_path / "run" / LAST, weights_only=True)["progress"]["step"]
    assert step >= 1
    outcome = train(tiny.with_changes(stop__steps=step + 1), tmp_path / "run")
    assert outcome.progress.step == step + 1


def test_weights_to_start_from_come_in_every_form(tmp_path, caplog):
    torch.manual_seed(3)
    network = RFSegmenter()
    state = network.state_dict()
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "model_state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "wrapped.pt")
    tensors = [
        helper.make_tensor(f"network.{k}", TensorProto.FLOAT, v.shape, v.flatten().tolist())
        for k, v in state.items() if v.is_floating_point()
    ]  # fmt: skip
    graph = helper.make_graph([], "g", [], [], initializer=tensors)
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    for name in ("plain.pt", "wrapped.pt", "model.onnx"):
        other = RFSegmenter()
        assert load_initial(other, tmp_path / name) == [] and not caplog.records
        assert all(torch.equal(other.state_dict()[k], v) for k, v in state.items())
    del state["conv_in.1.weight"]
    torch.save(state, tmp_path / "less.pt")
    assert load_initial(RFSegmenter(), tmp_path / "less.pt") == ["conv_in.1.weight"]
    assert "lacks 1 of the" in caplog.text and "which start at random: conv_in.1.weight" in caplog.text


def test_weights_that_are_of_no_use(tmp_path):
    torch.save({"a": 1}, tmp_path / "none.pt")
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pt")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\xff\xff no protobuf")
    for name, message in (
        ("none.pt", "holds no weights by name"),
        ("other.pt", "it is of another network: see --network"),
        ("bad.onnx", "is no ONNX file"),
        ("missing.pt", "cannot be read"),
        ("missing.onnx", "cannot be read"),
    ):
        with pytest.raises(RecordingError, match=message):
            load_initial(RFSegmenter(), tmp_path / name)


def test_checkpoints_that_are_none(tmp_path):
    torch.save({"network": {}}, tmp_path / "a.pt")
    torch.save(torch.zeros(2), tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"PK nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"network": {}, "average": {}, "recipe": os.system}, tmp_path / "d.pt")
    torch.save({"network": {}, "average": {}, "recipe": "{}"}, tmp_path / "e.pt")
    torch.save({"network": {}, "average": {}, "recipe": json.dumps(TrainingRecipe().to_record())}, tmp_path / "f.pt")
    for name, message in (
        ("a.pt", "is no checkpoint of rfseg train: it lacks average, recipe"),
        ("b.pt", "holds a Tensor, expected a dict of weights"),
        ("c.pt", "holds more than weights, or is damaged|is damaged or no file"),
        ("d.pt", "holds more than weights, or is damaged: .*; nothing of it was run"),
        ("e.pt", "has no readable recipe"),
        ("f.pt", "does not hold the network rf-segmenter that its recipe names"),
        ("g.pt", "cannot be read: No such file"),
    ):
        with pytest.raises(RecordingError, match=message):
            read_checkpoint(tmp_path / name)


def test_a_checkpoint_of_the_earlier_trainer_is_read_but_not_resumed(tmp_path, tiny):
    network = RFSegmenter().state_dict()
    law = {"minutes": 3.0, "peak_rate": 0.003, "columns": 768, "class_weights": [1, 1.5, 1.5, 3], "dice_weight": 0.5}
    record = law | {"error_weight": 0.5, "scenes": {"radar_share": 0.45}}
    state = {"network": network, "average": network, "recipe": json.dumps(record)}
    torch.save(state | {"step": 7, "elapsed": 90.0, "images": 70, "seed": 10, "next_seed": 42}, tmp_path / LAST)
    checkpoint = read_checkpoint(tmp_path / LAST)
    assert checkpoint.progress == {"step": 7, "images": 70, "scenes": 32, "minutes": 1.5, "seed": 10}
    assert "followed an earlier law" in checkpoint.recipe.description
    with pytest.raises(OptionError, match="cannot resume; name another folder with --out and start from its weights with --init"):
        train(checkpoint.recipe, tmp_path)


def test_another_recipe_in_the_same_folder_is_refused(tiny, tmp_path):
    train(tiny.with_changes(stop__steps=1), tmp_path / "run")
    with pytest.raises(OptionError, match=r"run holds a run with loss\.dice=0\.5, not 0\.25; name another folder with --out"):
        train(tiny.with_changes(loss__dice=0.25), tmp_path / "run")
    assert train(tiny.with_changes(stop__steps=1), tmp_path / "run").was_over


def test_sets_that_do_not_fit(tiny, tmp_path):
    rows = make_set(tmp_path / "rows", SCENES, 4)
    pictures = tiny.with_changes(input="pictures", scenes=load_recipe("protocol-radar"))
    three = tiny.with_changes(classes=("Noise", "LTE", "NR"), loss__class_weights=())
    for recipe, message in (
        (pictures, "rows holds rows, but input = \"pictures\""),
        (tiny.with_changes(data__mask="energy"), "has no mask 'energy', only occupied; change data.mask"),
        (three, "holds Radar, which is not among the recipe's classes Noise, LTE, NR"),
        (tiny.with_changes(data__validation_share=0.75), "hold too few frames"),
    ):
        with pytest.raises(DatasetError, match=message):
            SetSource(recipe, [rows])


def test_a_loss_that_is_no_number_ends_the_run(tiny, tmp_path):
    wild = tiny.with_changes(optimizer__kind="sgd", optimizer__rate=1e30, optimizer__clip_norm=0.0, optimizer__momentum=0.0)
    with pytest.raises(SceneError, match="the loss is no number any more at step 4; lower optimizer.rate"):
        train(wild, tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--minutes", "1", "--steps", "2"], "--minutes 1 and --steps 2 are both an end; give one"),
        (["--steps", "0"], "--steps 0 must be above 0"),
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
