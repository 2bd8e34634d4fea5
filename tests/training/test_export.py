"""The exported file equals the module it was made of, for any number of frames and bins."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from rfseg.cli import EXIT_BAD_INPUT, main
from rfseg.contract import Contract
from rfseg.errors import ContractError, OptionError
from rfseg.inference import Session
from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.synth import Recipe, make_scene
from rfseg.training.checkpoint import save_state
from rfseg.deployment.export import ExportOptions, export_checkpoint, export_network, network_facts
from rfseg.training.recipe import TrainingRecipe

PIXEL_AGREEMENT = 0.999  # float32 sums in another order flip pixels on the border of two classes
RECIPE = Recipe(rates=((15.36e6, 1.0), (20e6, 1.0), (30.72e6, 1.0)), durations=((1e-3, 1.0), (5e-3, 1.0)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    network = RFSegmenter()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            layer.momentum = None  # the plain mean over what it has seen
    with torch.no_grad():  # statistics of real frames, so that no class wins everywhere
        network.train()
        for seed in range(4):
            rows = torch.from_numpy(make_scene(RECIPE, seed).rows)[None]
            model = DeployableSegmenter(network)
            model.logits(torch.cat([rows, rows + torch.randn_like(rows)]))
    model = DeployableSegmenter(network).eval()
    model.temperature.fill_(0.8)
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    export_network(model, path, training={"steps": 0}, metrics={"miou": 0.1})
    return model, Session(path, threads=2)


def test_the_file_carries_its_contract(exported):
    _, session = exported
    contract = session.contract
    assert isinstance(contract, Contract)
    assert contract.labels == ("Noise", "LTE", "NR", "Radar")
    assert (contract.training, contract.metrics) == ({"steps": 0}, {"miou": 0.1})
    assert (contract.precision, contract.calibration, contract.reject_below) == ("fp32", {"temperature": 0.8}, {})


def test_every_entry_of_the_state_dict_is_in_the_file_under_its_name(exported):
    model, session = exported
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(session.path)).graph.initializer}
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(stored[name], value.numpy())
        assert stored[name].shape == tuple(value.shape)


def test_the_file_says_nothing_of_the_machine_that_made_it(exported):
    text = exported[1].path.read_bytes()
    assert b".py" not in text and b"stack_trace" not in text


@pytest.mark.parametrize("seed", range(5))
def test_masks_of_scenes_equal_those_of_torch(exported, seed):
    model, session = exported
    rows = make_scene(RECIPE, 100 + seed).rows[None]
    with torch.no_grad():
        mask, confidence = (t.numpy() for t in model(torch.from_numpy(rows)))
    fast_mask, fast_confidence = session.run(rows)
    assert (fast_mask == mask).mean() >= PIXEL_AGREEMENT
    assert np.abs(fast_confidence.astype(int) - confidence).max() <= 2
    assert len(np.unique(mask)) > 1


@pytest.mark.parametrize(("frames", "bins"), [(1, 64), (3, 72), (2, 136)])
def test_frames_and_bins_are_free(exported, frames, bins):
    _, session = exported
    rows = np.random.default_rng(0).normal(-90, 3, (frames, 2, 256, bins)).astype(np.float32)
    mask, confidence = session.run(rows)
    assert mask.shape == confidence.shape == (frames, 256, bins)


def test_constant_and_extreme_rows_give_a_mask(exported):
    _, session = exported
    for level in (-200.0, -150.0, 50.0, 200.0):
        mask, confidence = session.run(np.full((1, 2, 256, 64), level, np.float32))
        assert mask.max() < 4 and confidence.min() >= 63


def test_network_facts_of_rf_segmenter():
    assert network_facts("rf-segmenter", RFSegmenter()) == {"network": "rf-segmenter", "parameters": 1_248_972, "gmac": 0.518}


@pytest.mark.parametrize(
    "values, text",
    [
        ({"precision": "int4"}, "precision='int4' is unknown; choose one of fp32, fp16, int8"),
        ({"temperature": 0.0}, "temperature=0.0 must be 0.01 to 100; 1 changes nothing, auto fits it"),
        ({"scenes": -1}, "scenes=-1 must be at least 0"),
        ({"lost": 1.0}, "lost=1.0 and agreement=0.99 are shares; expected 0 to 1"),
        ({"precision": "int8", "scenes": 0}, "int8 takes its scales from scenes; give --scenes at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(values, text):
    with pytest.raises(OptionError, match=text):
        ExportOptions(**values)


def _checkpoint(path, **changes):
    record = {**TrainingRecipe().to_record(), **changes}
    weights = RFSegmenter(len(record["classes"])).state_dict()
    progress = {"step": 7, "images": 70, "scenes": 5, "minutes": 0.5, "seed": 0}
    save_state({"network": weights, "average": weights, "recipe": json.dumps(record), "progress": progress}, path)


def test_a_checkpoint_is_fitted_compared_and_calibrated(exported, tmp_path, monkeypatch, capsys):
    model, session = exported
    scenes = {"rates": [[15.36e6, 1.0]], "durations": [[1e-3, 1.0]]}
    record = TrainingRecipe(scenes=Recipe(**scenes)).to_record()
    weights = model.network.state_dict()
    progress = {"step": 7, "images": 70, "scenes": 5, "minutes": 0.5, "seed": 0}
    save_state({"network": weights, "average": weights, "recipe": json.dumps(record), "progress": progress}, tmp_path / "last.pt")
    # The graph of these weights is there already, and scenes of the law "ood" take long.
    monkeypatch.setattr("rfseg.deployment.export._write_rows_graph", lambda _, path: shutil.copy(session.path, path))
    monkeypatch.setattr("rfseg.deployment.export.strange_recipe", lambda: RECIPE)
    monkeypatch.chdir(tmp_path)
    out = Path("net.onnx")  # a bare name, which models have too
    assert main(["export", str(tmp_path / "last.pt"), "--out", str(out), "--scenes", "3", "--precision", "fp16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("temperature ") and "of 3 scenes: calibration error" in lines[0]
    assert lines[1] == f"{out}: rf-segmenter, fp16, {out.stat().st_size / 1e6:.1f} MB, self-test passed"
    assert lines[2].startswith("file and checkpoint: 9") or lines[2].startswith("file and checkpoint: 100.0000%")
    contract = Session(out, threads=1).contract
    assert (contract.name, contract.precision, contract.training["step"]) == ("net", "fp16", 7)
    assert contract.training["network"] == "rf-segmenter" and contract.training["recipe"]["scenes"]["rates"] == [[15.36e6, 1.0]]
    assert contract.calibration["softmax"]["scenes"] == 3
    rejected = contract.calibration["reject"]
    assert (rejected["strange_scenes"], rejected["noise_scenes"], rejected["lost"]) == (9, 3, 0.05)
    assert set(contract.reject_below) <= set(rejected["classes"]) <= {"LTE", "NR", "Radar"}


def test_a_checkpoint_of_pictures_is_refused(tmp_path):
    _checkpoint(tmp_path / "last.pt", input="pictures")
    with pytest.raises(OptionError, match="was trained on pictures of a published protocol"):
        export_checkpoint(tmp_path / "last.pt", tmp_path / "m.onnx")


def test_the_first_class_is_the_background(tmp_path):
    _checkpoint(tmp_path / "last.pt", classes=["LTE", "Noise", "NR", "Radar"])
    with pytest.raises(OptionError, match="has the classes LTE, Noise, NR, Radar; the first must be Noise"):
        export_checkpoint(tmp_path / "last.pt", tmp_path / "m.onnx")


def test_a_bad_temperature_and_a_missing_checkpoint_end_in_one_line(tmp_path, capsys):
    arguments = ["export", str(tmp_path / "none.pt"), "--out", str(tmp_path / "m.onnx")]
    assert main([*arguments, "--temperature", "warm"]) == EXIT_BAD_INPUT
    assert capsys.readouterr().err == "rfseg: error: --temperature 'warm' is no number; give one, such as 1.2, or auto\n"
    assert main(arguments) == EXIT_BAD_INPUT
    assert "none.pt cannot be read: No such file" in capsys.readouterr().err
    assert main([*arguments, "--out", "m.bin"]) == EXIT_BAD_INPUT
    assert "the model file 'm.bin' must end in .onnx, or rfseg does not find it" in capsys.readouterr().err


def test_a_file_that_fails_its_self_test_does_not_appear(tmp_path, monkeypatch):
    network = torch.nn.Conv2d(3, 4, 1)
    monkeypatch.setattr("rfseg.deployment.export._run_golden", lambda path: np.full((256, 128), 3, np.uint8))
    with torch.no_grad():
        network.weight.zero_(), network.bias.copy_(torch.tensor([1.0, 0, 0, 0]))
    with pytest.raises(ContractError, match="fails its self-test: 0.0% of the golden pixels agree"):
        export_network(DeployableSegmenter(network), tmp_path / "m.onnx", training={})
    assert not list(tmp_path.iterdir())
