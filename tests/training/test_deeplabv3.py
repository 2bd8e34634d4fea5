"""DeepLabV3: the published parameters, cost, strides and rates on both backbones; on MobileNetV3 it learns and exports."""

import runpy
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rfseg.errors import GeometryError, OptionError
from rfseg.models.deeplabv3 import PUBLISHED_RATES, SPECTROGRAM_RATES, DeepLabV3
from rfseg.models.deployable import DeployableSegmenter

checks = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("network_checks.py"))))

BACKBONES = ("mobilenet_v3_large", "resnet50")
STRIDE = {"mobilenet_v3_large": 16, "resnet50": 8}
WIDTH = {"mobilenet_v3_large": 960, "resnet50": 2048}
PARAMETERS = {"mobilenet_v3_large": (11_020_851, 11_021_108), "resnet50": (39_634_243, 39_634_500)}  # 3 and 4 classes
PARTS = {"mobilenet_v3_large": (2_971_952, 8_049_156), "resnet50": (23_508_032, 16_126_468)}  # backbone, head of 4
GMAC = {"mobilenet_v3_large": 2.46, "resnet50": 40.9}
KEYS = {  # of the published state dicts
    "mobilenet_v3_large": (352, "18841585a240fc722b415b1449ef824fefd88a8ff412eadd82b425f5efa86da6"),
    "resnet50": (362, "dfbc90a01a22c73ae49a4689489fb3e4fd58b8fe9055038fd506446dc1c60e73"),
}
SHAPES = {
    "mobilenet_v3_large": {
        "backbone.1.block.0.0.weight": (16, 1, 3, 3),
        "backbone.11.block.2.fc1.weight": (120, 480, 1, 1),
        "backbone.16.0.weight": (960, 160, 1, 1),
        "classifier.0.convs.4.1.weight": (256, 960, 1, 1),
        "classifier.4.bias": (4,),
    },
    "resnet50": {
        "backbone.layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "backbone.layer4.2.conv3.weight": (2048, 512, 1, 1),
        "classifier.0.convs.3.0.weight": (256, 2048, 3, 3),
        "classifier.0.project.0.weight": (256, 1280, 1, 1),
    },
}
LOGIT_DIFFERENCE = 5e-5  # re the greatest; float32 sums in another order

each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


@each_backbone
def test_has_the_published_number_of_parameters(backbone):
    networks = [DeepLabV3(classes, backbone=backbone) for classes in (3, 4)]
    assert tuple(map(checks.count_parameters, networks)) == PARAMETERS[backbone]
    parts = networks[1].backbone, networks[1].classifier
    assert tuple(map(checks.count_parameters, parts)) == PARTS[backbone]


@each_backbone
def test_state_dict_has_the_published_keys_and_shapes_in_order(backbone):
    network = DeepLabV3(4, backbone=backbone)
    state = network.state_dict()
    assert {key: tuple(state[key].shape) for key in SHAPES[backbone]} == SHAPES[backbone]
    assert checks.digest_of_keys(network) == KEYS[backbone]


@each_backbone
def test_costs_what_the_published_network_costs(backbone):
    assert checks.count_gmac(partial(DeepLabV3, backbone=backbone)) == pytest.approx(GMAC[backbone], rel=2e-3)


@each_backbone
def test_the_backbone_has_its_stride_and_width(backbone):
    with torch.device("meta"):
        network, frame = DeepLabV3(backbone=backbone), torch.empty(2, 3, 64, 96)
        cells = network.backbone(frame)
    stride = STRIDE[backbone]
    assert network.stride == stride
    assert cells.shape == (2, WIDTH[backbone], 64 // stride, 96 // stride)
    with torch.no_grad():
        assert network(frame).shape == (2, 4, 64, 96)


def test_dilations_of_the_backbones_are_those_of_their_output_strides():
    with torch.device("meta"):
        mobile, residual = (DeepLabV3(backbone=name).backbone for name in BACKBONES)
    depthwise = [m for m in mobile.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    assert [m.dilation[0] for m in depthwise] == 12 * [1] + 3 * [2]
    assert [m.stride[0] for m in depthwise] == [1, 2, 1, 2, 1, 1, 2] + 8 * [1]
    assert [block.conv2.dilation[0] for block in residual.layer3] == [1, 2, 2, 2, 2, 2]
    assert [block.conv2.dilation[0] for block in residual.layer4] == [2, 4, 4]


def test_published_rates_reach_past_the_map_of_a_frame_and_those_for_spectrograms_do_not():
    pyramid = {rates: DeepLabV3(rates=rates).classifier[0].eval() for rates in (PUBLISHED_RATES, SPECTROGRAM_RATES)}
    cells = torch.randn(1, 960, 16, 16, generator=torch.Generator().manual_seed(6))
    live = {}
    for rates, module in pyramid.items():
        assert [branch[0].dilation for branch in module.convs[1:4]] == [(rate, rate) for rate in rates]
        for branch in module.convs[1:4]:
            weight = branch[0].weight
            branch[0](cells).square().sum().backward()
            live[branch[0].dilation[0]] = int((weight.grad.abs().sum(dim=(0, 1)) > 0).sum())
    assert live == {12: 9, 24: 1, 36: 1, 3: 9, 6: 9, 9: 9}  # taps of nine that ever see a pixel


def test_an_unknown_backbone_is_refused():
    with pytest.raises(OptionError, match="backbone='vgg' is unknown; choose one of 'mobilenet_v3_large', 'resnet50'"):
        DeepLabV3(backbone="vgg")


@each_backbone
def test_frames_that_do_not_fit_are_refused(backbone):
    stride = STRIDE[backbone]
    fits = {16: 32, 8: 24}[stride]
    text = f"frame of {stride} x 20 does not fit the network's stride of {stride}; pad it to {stride} x {fits}"
    with pytest.raises(GeometryError, match=text):
        DeepLabV3(backbone=backbone)(torch.zeros(2, 3, stride, 20))


@each_backbone
def test_every_parameter_gets_a_gradient(backbone):
    assert checks.parameters_without_gradient(partial(DeepLabV3, backbone=backbone), (32, 32)) == []


def test_learns_one_batch_by_heart():
    first, last, right = checks.overfit(DeepLabV3, *checks.quarters(64), steps=8, rate=1e-3)
    assert last < 0.4 * first and right > 0.9  # logits are bilinear between cells, and the dropout stays on


def test_the_graph_equals_the_module_for_any_number_of_frames_and_bins(tmp_path):
    network = checks.make_ready(DeepLabV3, 32, 64)
    session = checks.export_logits(network, tmp_path / "network.onnx", rows=32)
    for frames, bins in ((1, 20), (3, 72)):
        assert checks.logit_differences(network, session, frames, 32, bins).max() < LOGIT_DIFFERENCE


@each_backbone
def test_takes_rows_of_any_width_as_a_deployable_segmenter(backbone):
    with torch.no_grad():
        mask, confidence = DeployableSegmenter(DeepLabV3(backbone=backbone)).eval()(torch.randn(2, 2, 32, 44) - 90)
    assert mask.shape == confidence.shape == (2, 32, 44)
    assert mask.dtype == confidence.dtype == torch.uint8
