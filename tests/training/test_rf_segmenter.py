"""RF-Segmenter: size, names and shapes of its parameters are those of the published network."""

import hashlib
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rfseg.models.rf_segmenter import RFSegmenter

checks = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("network_checks.py"))))

PARAMETERS_4_CLASSES = 1_248_972
PARAMETERS_3_CLASSES = 1_248_969
KEYS = 483
# SHA-256 of the lines "key<TAB>shape" of the published state dict in its order, shape as 4x3x2 or "scalar"
KEYS_SHA256 = "d75a92a4bf752cdfff4e010231f6fb49e814c4ddddef5567692f3c94b6447b6e"
# A few of them in clear, so that a mismatch is easy to place
SHAPES = {
    "conv_in.0.weight": (32, 3, 3, 3),
    "stage1.0.blocks.0.conv_in.2.weight": (64, 1, 3, 3),
    "stage2.0.blocks.1.fuse.mlp.1.weight": (24, 192, 1, 1),
    "stage3.1.xc_proj_weight": (2, 42, 32),
    "stage4.1.dtc_projs_weight": (2, 32, 16),
    "msaf.Up3.conv.0.weight": (160, 3, 4, 4),
    "msaf.smn.4.weight": (1536, 160, 1, 1),
    "ssca.Ac_logs": (64, 16),
    "up.conv.0.weight": (96, 1, 4, 4),
}


def test_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in RFSegmenter(4, head="published").parameters()) == PARAMETERS_4_CLASSES
    assert sum(p.numel() for p in RFSegmenter(3).parameters()) == PARAMETERS_3_CLASSES


def test_state_dict_has_the_published_keys_and_shapes_in_order():
    state = RFSegmenter(4, head="published").state_dict()
    assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES
    lines = [f"{key}\t{'x'.join(map(str, value.shape)) or 'scalar'}" for key, value in state.items()]
    assert len(lines) == KEYS
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == KEYS_SHA256


def test_logits_have_the_size_of_the_frame_and_only_the_published_head_clips_them():
    features = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    linear = RFSegmenter(4)
    published = RFSegmenter(4, head="published")
    published.load_state_dict(linear.state_dict())
    logits, clipped = linear(features), published(features)
    assert logits.shape == (2, 4, 64, 96)
    assert (logits < 0).any()
    assert torch.equal(clipped, logits.relu())


def test_every_parameter_gets_a_gradient():
    network = RFSegmenter(4)
    network(torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(2))).square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias in front of a batch norm has no effect, so its gradient is rounding only
    assert not dead


def test_learns_one_batch_by_heart():
    first, last, right = checks.overfit(RFSegmenter, *checks.quarters(64), steps=40, rate=3e-3)
    assert last < 0.25 * first and right > 0.98


def test_an_unknown_head_is_refused():
    with pytest.raises(ValueError, match="head='sigmoid' is unknown; choose 'linear' or 'published'"):
        RFSegmenter(head="sigmoid")
