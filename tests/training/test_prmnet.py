"""PRMNet: the published parameters and cost, fusions as the table writes them, a graph equal to the module."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from rfseg.errors import GeometryError
from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.prmnet import PRMNet

checks = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("network_checks.py"))))

KEYS = (108, "cdaf0127921147eb72805cebf70fec769ab906b134e4a7eccf37bfa99fd232ad")  # of the published state dict, 3 classes
SHAPES = {
    "conv4.weight": (16, 3, 7, 7),
    "batchnorm2.running_var": (192,),
    "conv_layer1_1.weight": (128, 64, 5, 5),
    "conv_layer4_11.weight": (128, 128, 5, 5),
    "batchnorm_last2.weight": (16,),
    "conv_last3.bias": (3,),
}
UNUSED = ["batchnorm_last1.weight", "batchnorm_last1.bias", "batchnorm_last2.weight", "batchnorm_last2.bias"]
LOGIT_DIFFERENCE = 1e-5  # re the greatest; float32 sums in another order


@pytest.fixture(scope="module")
def network():
    return checks.make_ready(PRMNet, 16, 32)


def _written_out(net, features):
    """The forward pass line by line in the order of the table, each fusion from the values before it."""

    def layer(name, x):
        return F.relu(getattr(net, f"conv_layer{name}")(x))

    def pool(x, times=1):
        for _ in range(times):
            x = F.max_pool2d(x, 2, 2)
        return x

    def up(x, factor):
        return F.interpolate(x, scale_factor=factor, mode="bilinear")

    x0 = F.relu(net.batchnorm(torch.cat([conv(features) for conv in (net.conv1, net.conv2, net.conv3, net.conv4)], 1)))
    x1 = layer("1_2", layer("1_1", x0))
    x2 = pool(x1)
    x1, x2 = layer("2_5", layer("2_3", layer("2_1", x1))), layer("2_4", layer("2_2", x2))
    x1, x2, x3 = layer("3_2", x1) + up(x2, 2), layer("3_1", x2) + pool(x1), pool(x2) + pool(x1, 2)
    x1, x2, x3 = layer("3_6", layer("3_3", x1)), layer("3_7", layer("3_4", x2)), layer("3_8", layer("3_5", x3))
    x1, x2, x3, x4 = (
        layer("4_3", x1) + up(x2, 2) + up(x3, 4),
        layer("4_2", x2) + up(x3, 2) + pool(x1),
        layer("4_1", x3) + pool(x2) + pool(x1, 2),
        pool(x3) + pool(x2, 2) + pool(x1, 3),
    )
    x1, x2 = layer("4_8", layer("4_4", x1)), layer("4_9", layer("4_5", x2))
    x3, x4 = layer("4_10", layer("4_6", x3)), layer("4_11", layer("4_7", x4))
    x1, x2, x3, x4 = (
        layer("5_4", x1) + up(x2, 2) + up(x3, 4) + up(x4, 8),
        layer("5_3", x2) + up(x3, 2) + up(x4, 4) + pool(x1),
        layer("5_2", x3) + up(x4, 2) + pool(x2) + pool(x1, 2),
        layer("5_1", x4) + pool(x3) + pool(x2, 2) + pool(x1, 3),
    )
    x1, x2, x3, x4 = layer("5_5", x1), layer("5_6", x2), layer("5_7", x3), layer("5_8", x4)
    x1 = net.conv_out(layer("6", x1) + up(x2, 2) + up(x3, 4) + up(x4, 8))
    x = F.relu(net.batchnorm2(torch.cat([net.conv(x0), x1], 1)))
    return net.conv_last3(F.relu(net.conv_last2(F.relu(net.conv_last1(x)))))


def test_has_the_published_number_of_parameters():
    assert [checks.count_parameters(PRMNet(classes)) for classes in (3, 4)] == [14_495_203, 14_495_604]


def test_state_dict_has_the_published_keys_and_shapes_in_order():
    network = PRMNet(3)
    state = network.state_dict()
    assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES
    assert checks.digest_of_keys(network) == KEYS


def test_costs_what_the_published_network_costs():
    assert checks.count_gmac(PRMNet) == pytest.approx(466.4, abs=0.05)


def test_fusions_are_those_of_the_table(network):
    features = torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        logits, expected = network(features), _written_out(network, features)
    # The sums run in another order
    assert torch.allclose(logits, expected, rtol=0, atol=LOGIT_DIFFERENCE * float(expected.abs().max()))
    assert float((expected - expected.mean(dim=(2, 3), keepdim=True)).abs().max()) > 1e-3 * float(expected.abs().max())


def test_frames_that_do_not_fit_are_refused():
    with pytest.raises(GeometryError, match="frame of 12 x 16 does not fit the network's stride of 8; pad it to 16 x 16"):
        PRMNet()(torch.zeros(1, 3, 12, 16))


def test_every_parameter_in_use_gets_a_gradient():
    assert checks.parameters_without_gradient(PRMNet, (8, 8)) == UNUSED


def test_learns_one_batch_by_heart():
    first, last, right = checks.overfit(PRMNet, *checks.quarters(16), steps=16, rate=3e-4)
    assert last < 0.25 * first and right > 0.95


def test_the_graph_equals_the_module_for_any_number_of_frames_and_bins(network, tmp_path):
    session = checks.export_logits(network, tmp_path / "network.onnx", rows=16)
    for frames, bins in ((1, 16), (2, 40)):
        assert checks.logit_differences(network, session, frames, 16, bins).max() < LOGIT_DIFFERENCE


def test_takes_rows_of_any_width_as_a_deployable_segmenter(network):
    with torch.no_grad():
        mask, confidence = DeployableSegmenter(network).eval()(torch.randn(1, 2, 8, 40) - 90)
    assert mask.shape == confidence.shape == (1, 8, 40)
    assert mask.dtype == confidence.dtype == torch.uint8
