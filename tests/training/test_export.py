"""The exported file equals the module it was made of, for any number of frames and bins."""

import numpy as np
import pytest
import torch

from rfseg.contract import Contract
from rfseg.inference import Session
from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.synth import Recipe, make_scene
from rfseg.training.export import export_network

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
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    export_network(model, path, training={"steps": 0}, metrics={"miou": 0.1})
    return model, Session(path, threads=2)


def test_the_file_carries_its_contract(exported):
    _, session = exported
    contract = session.contract
    assert isinstance(contract, Contract)
    assert contract.labels == ("Noise", "LTE", "NR", "Radar")
    assert (contract.training, contract.metrics) == ({"steps": 0}, {"miou": 0.1})


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
