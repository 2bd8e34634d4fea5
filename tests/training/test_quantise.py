"""Precisions of the weights: what is stored, what is computed, and that the masks stay."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from rfseg.errors import OptionError
from rfseg.inference import Session
from rfseg.models.deployable import DeployableSegmenter
from rfseg.synth import Recipe
from rfseg.deployment.export import ExportOptions, export_network
from rfseg.deployment.quantise import quantise_graph

SCENES = Recipe(rates=((15.36e6, 1.0),), durations=((1e-3, 1.0),))


class Levels(nn.Module):
    """Tells four classes by the level of a pixel; the long way round, through convolutions and a batch norm."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Conv2d(8, 4, 1)
        self.up = nn.ConvTranspose2d(4, 4, 2, stride=2)
        with torch.no_grad():
            for layer in (self.first, self.last, self.up):
                layer.weight.zero_(), layer.bias.zero_()
            self.first.weight[:, 0, 1, 1] = torch.linspace(0.5, 1.5, 8)
            self.norm.running_mean.copy_(torch.linspace(0, 0.3, 8))
            self.last.weight[:, :, 0, 0] = torch.linspace(-1, 1, 4)[:, None] / 8
            self.last.bias.copy_(torch.tensor([0.3, 0.15, -0.15, -0.6]))
            for index in range(4):
                self.up.weight[index, index] = 4.0

    def forward(self, features):
        return self.up(nn.functional.avg_pool2d(self.last(self.norm(self.first(features)).relu()), 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    model = DeployableSegmenter(Levels()).eval()
    for precision in ("fp32", "fp16", "int8"):
        options = ExportOptions(precision=precision, scenes=3, agreement=0.9)
        export_network(model, folder / f"{precision}.onnx", training={}, options=options, scenes=SCENES)
    return folder


def _rows():
    rng = np.random.default_rng(4)
    rows = rng.normal(-90, 2, (2, 2, 256, 72)).astype(np.float32)
    for index in range(1, 4):
        rows[..., 15 * index : 15 * index + 10] += 12 * index
    return rows


def test_masks_stay_and_the_contract_names_the_precision(files):
    reference = Session(files / "fp32.onnx", threads=1)
    mask, confidence = reference.run(_rows())
    assert set(np.unique(mask)) == {0, 1, 2, 3}
    for precision, least in (("fp16", 0.998), ("int8", 0.97)):
        session = Session(files / f"{precision}.onnx", threads=1)
        other, doubt = session.run(_rows())
        assert session.contract.precision == precision
        assert (other == mask).mean() >= least
        assert np.abs(doubt.astype(int) - confidence)[other == mask].mean() < 4


def test_halves_keep_names_and_leave_all_but_weights_alone(files):
    tensors = {t.name: t for t in onnx.load(str(files / "fp16.onnx")).graph.initializer}
    originals = {t.name: t for t in onnx.load(str(files / "fp32.onnx")).graph.initializer}
    assert set(tensors) == set(originals)
    halves = {name for name, tensor in tensors.items() if tensor.data_type == TensorProto.FLOAT16}
    assert halves == {"network.first.weight", "network.last.weight", "network.up.weight"}
    for name in set(tensors) - halves:
        assert tensors[name].SerializeToString() == originals[name].SerializeToString()
    stored = numpy_helper.to_array(tensors["network.first.weight"]).astype(np.float32)
    np.testing.assert_allclose(stored, numpy_helper.to_array(originals["network.first.weight"]), rtol=1e-3)


def test_integers_are_where_convolutions_are_and_nowhere_else(files):
    session = Session(files / "int8.onnx", threads=1)
    model = onnx.load(str(files / "int8.onnx"))
    feeders = {out: node for node in model.graph.node for out in node.output}
    kinds = {n.op_type: feeders[n.input[1]].op_type for n in model.graph.node if n.op_type == "Conv"}
    assert kinds == {"Conv": "DequantizeLinear"}
    (up,) = (n for n in model.graph.node if n.op_type == "ConvTranspose")
    weights = {t.name: t.data_type for t in model.graph.initializer}
    assert feeders[up.input[1]].op_type == "Cast" and weights[feeders[up.input[1]].input[0]] == TensorProto.FLOAT16
    facts = session.contract.calibration["int8"]
    assert (facts["scenes"], facts["layers"], facts["in_fp32"]) == (3, 2, [])
    assert facts["first_seed"] == 1_200_000_000 and facts["agreement"] >= 0.9


def test_layers_that_change_too_much_stay_in_float32(files, tmp_path):
    frames = [rows[None] for rows in _rows()]
    made = quantise_graph(files / "fp32.onnx", tmp_path / "q.onnx", frames, agreement=1.0)
    assert len(made.excluded) == 1 and made.excluded[0] in ("network.first.weight", "network.last.weight")
    everything = quantise_graph(files / "fp32.onnx", tmp_path / "all.onnx", frames, agreement=0.5)
    assert everything.excluded == [] and everything.agreement < made.agreement


def test_integers_need_frames(files, tmp_path):
    with pytest.raises(OptionError, match="int8 needs frames to take its scales from; give --scenes at least 1"):
        quantise_graph(files / "fp32.onnx", tmp_path / "q.onnx", [])
