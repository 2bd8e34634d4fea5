"""DeepLabV3 on ResNet-50 learns, and exports to a graph equal to the module; its structure: test_deeplabv3.py."""

import runpy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from rfseg.models.deeplabv3 import DeepLabV3

checks = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("network_checks.py"))))

make = partial(DeepLabV3, backbone="resnet50")
LOGIT_DIFFERENCE = 5e-4  # re the greatest; float32 through fifty layers: PyTorch's own are 1e-4 from float64's


def test_learns_one_batch_by_heart():
    first, last, right = checks.overfit(make, *checks.quarters(32), steps=8, rate=1e-3)
    assert last < 0.4 * first and right > 0.9  # logits are bilinear between cells, and the dropout stays on


def test_the_graph_equals_the_module_for_any_number_of_frames_and_bins(tmp_path):
    network = checks.make_ready(make, 32, 64)
    session = checks.export_logits(network, tmp_path / "network.onnx", rows=32)
    for frames, bins in ((1, 20), (3, 72)):
        assert checks.logit_differences(network, session, frames, 32, bins).max() < LOGIT_DIFFERENCE
