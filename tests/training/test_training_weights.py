"""Optimisers, weights to start from, and checkpoints that are none."""

import contextlib
import json
import os
import pickle
import random
import resource

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from rfseg.errors import OptionError, RecordingError
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.training.checkpoint import LAST, load_state, read_checkpoint, save_state
from rfseg.training.initial import load_initial
from rfseg.training.optimizers import MuonWithAdamW, make_optimizer
from rfseg.training.recipe import TrainingRecipe
from rfseg.training.run import train


def equal(first, second):
    """Whether two nested states hold the same bits."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return first == second


@pytest.mark.parametrize("kind", ["muon", "adamw", "adam", "sgd"])
def test_every_optimiser_lowers_the_loss_of_a_batch(kind, generator):
    torch.manual_seed(0)
    network = RFSegmenter()
    rate = {"sgd": 0.1}.get(kind, 4e-3)
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
    assert losses[-1] < 0.9 * losses[0]
    names = {"muon": MuonWithAdamW, "adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    assert type(optimizer) is names[kind]


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


def test_weights_to_start_from_come_in_every_form(tmp_path, caplog):
    torch.manual_seed(3)
    network = RFSegmenter()
    state = network.state_dict()
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "model_state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "wrapped.pt")
    tensors = [
        numpy_helper.from_array(v.numpy(), f"network.{k}") for k, v in state.items() if v.is_floating_point()
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
    integers = numpy_helper.from_array(np.zeros((2, 3), np.int8), "conv_in.0.weight")
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [integers])), tmp_path / "integers.onnx")
    for name, message in (
        ("none.pt", "holds no weights by name"),
        ("other.pt", "it is of another network: see --network"),
        ("bad.onnx", "is no ONNX file"),
        ("missing.pt", "cannot be read"),
        ("missing.onnx", "cannot be read"),
        ("integers.onnx", r"has integers for weights \(int8\), which no training can begin with"),
    ):
        with pytest.raises(RecordingError, match=message):
            load_initial(RFSegmenter(), tmp_path / name)


def test_checkpoints_that_are_none(tmp_path):
    torch.save({"network": {}}, tmp_path / "a.pt")
    torch.save(torch.zeros(2), tmp_path / "b.pt")
    (tmp_path / "c.pt").write_bytes(b"PK nonsense")
    torch.save({"network": {}, "average": {}, "recipe": os.system}, tmp_path / "d.pt")
    torch.save({"network": {}, "average": {}, "recipe": "{}"}, tmp_path / "e.pt")
    torch.save({"network": {}, "average": {}, "recipe": json.dumps(TrainingRecipe().to_record())}, tmp_path / "f.pt")
    for name, message in (
        ("a.pt", "is no checkpoint of rfseg train: it lacks average, recipe"),
        ("b.pt", "holds a Tensor, expected a dict of weights"),
        ("c.pt", "holds more than weights, or is damaged|is damaged or no file"),
        ("d.pt", "holds more than weights, or is damaged; nothing of it was run. Copy it again, or name last.pt"),
        ("e.pt", "has no readable recipe"),
        ("f.pt", "does not hold the network rf-segmenter that its recipe names"),
        ("g.pt", "cannot be read: No such file"),
    ):
        with pytest.raises(RecordingError, match=message):
            read_checkpoint(tmp_path / name)


def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path):
    rng, path = random.Random(0), tmp_path / "a.pt"
    wholes = []
    for is_zip in (True, False):
        torch.save({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, path, _use_new_zipfile_serialization=is_zip)
        wholes.append(path.read_bytes())
    for text in (b'base = "rfseg"\nname = "tiny"\n[data]\n', b"", b"\x08\xff", pickle.dumps([1, 2])):
        path.write_bytes(text)
        with pytest.raises(RecordingError, match=r"a\.pt (is damaged|holds)"):
            load_state(path)
    for turn in range(200):
        spoilt = bytearray(wholes[turn % 2])
        for _ in range(rng.randint(1, 6)):
            spoilt[rng.randrange(min(len(spoilt), 600))] = rng.randrange(256)
        path.write_bytes(spoilt)
        with contextlib.suppress(RecordingError):
            load_state(path)


def test_a_checkpoint_that_finds_no_room_leaves_the_earlier_one(tmp_path):
    save_state({"weight": torch.ones(2)}, tmp_path / LAST)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(RecordingError, match=r"last\.pt cannot be written: File too large; name another place \(--out\)"):
            save_state({"weight": torch.zeros(300_000)}, tmp_path / LAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.iterdir()] == [LAST] and load_state(tmp_path / LAST)["weight"].tolist() == [1, 1]


def test_a_checkpoint_of_the_earlier_trainer_is_read_but_not_resumed(tmp_path):
    network = RFSegmenter().state_dict()
    law = {"minutes": 3.0, "peak_rate": 0.003, "columns": 768, "class_weights": [1, 1.5, 1.5, 3], "dice_weight": 0.5}
    record = law | {"error_weight": 0.5, "scenes": {"radar_share": 0.45}}
    state = {"network": network, "average": network, "recipe": json.dumps(record)}
    torch.save(state | {"step": 7, "elapsed": 90.0, "images": 70, "seed": 10, "next_seed": 42}, tmp_path / LAST)
    checkpoint = read_checkpoint(tmp_path / LAST)
    assert checkpoint.progress == {"step": 7, "images": 70, "scenes": 32, "minutes": 1.5, "seed": 10, "precision": "32"}
    assert "followed an earlier law" in checkpoint.recipe.description
    with pytest.raises(OptionError, match="cannot resume; name another folder with --out and start from its weights with --init"):
        train(checkpoint.recipe, tmp_path)
