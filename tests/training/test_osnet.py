"""OS-Net: the published parameters and cost, MAR equal to unpooling, a graph equal to the module."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from rfseg.errors import GeometryError
from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.osnet import OSNet, keep_maxima

checks = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("network_checks.py"))))

KEYS = (93, "c66b95a28f987680788337ad31c65df893cb2d6433a5707642dfb9b698c4bdd2")  # of the published state dict
SHAPES = {
    "conv4_1.weight": (512, 256, 3, 3),
    "bn6_2.running_mean": (64,),
    "conv7_1.weight": (16, 64, 5, 5),
    "conv7_2.bias": (4,),
}
LOGIT_DIFFERENCE = 3e-5  # re the greatest; float32 sums in another order
MOVED_SHARE, MOVED_DIFFERENCE = 0.1, 0.1  # around a maximum that such sums moved: of all logits, re the greatest


def test_has_the_published_number_of_parameters():
    assert [checks.count_parameters(OSNet(classes)) for classes in (3, 4)] == [4_643_299, 4_643_700]


def test_state_dict_has_the_published_keys_and_shapes_in_order():
    network = OSNet(4)
    state = network.state_dict()
    assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES
    assert checks.digest_of_keys(network) == KEYS


def test_costs_what_the_published_network_costs():
    assert checks.count_gmac(OSNet) == pytest.approx(21.2, abs=0.05)


@pytest.mark.parametrize("levels", [1000, 3, 1], ids=["distinct", "with ties", "flat"])
def test_mar_keeps_what_unpooling_keeps_ties_included(levels):
    x = torch.randint(-1, levels, (2, 3, 16, 24), generator=torch.Generator().manual_seed(levels)).float().relu()
    x = x + (levels == 1)  # all ones
    pooled, index = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(keep_maxima(x, pooled), F.max_unpool2d(pooled, index, 2))


@pytest.mark.parametrize("levels", [1000, 3, 1], ids=["distinct", "with ties", "flat"])
def test_training_pools_as_inference_does_with_the_gradient_of_unpooling(levels):
    x = torch.randint(-1, levels, (2, 3, 16, 24), generator=torch.Generator().manual_seed(levels)).float().relu()
    x = (x + (levels == 1)).contiguous(memory_format=torch.channels_last).requires_grad_()
    factors = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    pooled, kept = OSNet(4).train()._pool(x)
    same, unpooled = OSNet(4).eval()._pool(x)
    assert torch.equal(pooled, same) and torch.equal(kept, unpooled)
    assert kept.is_contiguous(memory_format=torch.channels_last)
    published, index = F.max_pool2d(x, 2, return_indices=True)
    (expected,) = torch.autograd.grad((F.max_unpool2d(published, index, 2) * factors).sum(), x)
    (gradient,) = torch.autograd.grad((kept * factors).sum(), x)
    assert torch.equal(gradient, expected)


def test_the_last_stages_see_the_encoder_at_full_resolution():
    network = checks.make_ready(OSNet, 32, 32)
    features = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    # With nothing from the middle, logits still differ from pixel to pixel: what the skips carry
    torch.nn.init.zeros_(network.bn6_2.weight)
    torch.nn.init.zeros_(network.bn6_2.bias)
    with torch.no_grad():
        logits = network(features)
    assert (logits[..., 1:] - logits[..., :-1]).abs().mean() > 1e-3


def test_logits_have_the_size_of_the_frame():
    with torch.no_grad():
        assert OSNet(3).eval()(torch.randn(2, 3, 16, 40)).shape == (2, 3, 16, 40)


def test_frames_that_do_not_fit_are_refused():
    with pytest.raises(GeometryError, match="frame of 16 x 20 does not fit the network's stride of 8; pad it to 16 x 24"):
        OSNet()(torch.zeros(1, 3, 16, 20))
    with pytest.raises(GeometryError, match=r"features have shape \(1, 2, 16, 16\), expected \(N, 3, T, F\)"):
        OSNet()(torch.zeros(1, 2, 16, 16))
    with pytest.raises(GeometryError, match=r"features have shape \(3, 16, 16\), expected \(N, 3, T, F\)"):
        OSNet()(torch.zeros(3, 16, 16))


def test_every_parameter_gets_a_gradient():
    assert checks.parameters_without_gradient(OSNet, (16, 16)) == []


def test_learns_one_batch_by_heart():
    first, last, right = checks.overfit(OSNet, *checks.quarters(32), steps=25, rate=1e-3)
    assert last < 0.25 * first and right > 0.98


def test_the_graph_equals_the_module_for_any_number_of_frames_and_bins(tmp_path):
    network = checks.make_ready(OSNet, 32, 32)
    session = checks.export_logits(network, tmp_path / "network.onnx", rows=32)
    for frames, bins in ((1, 20), (3, 72)):
        differences = checks.logit_differences(network, session, frames, 32, bins)
        assert (differences > LOGIT_DIFFERENCE).mean() < MOVED_SHARE and differences.max() < MOVED_DIFFERENCE


def test_takes_rows_of_any_width_as_a_deployable_segmenter():
    rows = torch.randn(2, 2, 32, 44) - 90
    with torch.no_grad():
        mask, confidence = DeployableSegmenter(OSNet()).eval()(rows)
    assert mask.shape == confidence.shape == (2, 32, 44)
    assert mask.dtype == confidence.dtype == torch.uint8
