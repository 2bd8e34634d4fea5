"""The form that goes into model files computes what the module of the published names computes."""

import pytest
import torch
from torch import nn

from rfseg.models.deployable import DeployableSegmenter
from rfseg.models.rf_segmenter import RFSegmenter
from rfseg.models.rf_segmenter_inference import InferenceForm, _decide, _pad_width, _place, _softplus

LOGIT_TOLERANCE = 1  # of 255: the confidence, where sums are in another order
PIXEL_AGREEMENT = 0.9995  # the rest are ties


@pytest.fixture(scope="module", params=[(4, "linear"), (3, "published"), (6, "linear")])
def model(request):
    classes, head = request.param
    torch.manual_seed(classes)
    network = RFSegmenter(classes, head=head).eval()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):  # statistics and gains like those of a trained network
                layer.running_mean.normal_(0, 0.2), layer.running_var.uniform_(0.3, 2)
                layer.weight.uniform_(0.5, 2), layer.bias.normal_(0, 0.3)
    return DeployableSegmenter(network, temperature=0.7).eval()


@pytest.mark.parametrize(("frames", "bins"), [(1, 64), (2, 72)])
def test_masks_and_confidences_are_those_of_the_module(model, frames, bins):
    rows = torch.randn(frames, 2, 256, bins, generator=torch.Generator().manual_seed(bins)) * 8 - 90
    with torch.no_grad():
        mask, confidence = model(rows)
        fast_mask, fast_confidence = InferenceForm(model)(rows)
    assert fast_mask.dtype == fast_confidence.dtype == torch.uint8 and len(mask.unique()) > 1
    assert (fast_mask == mask).float().mean() >= PIXEL_AGREEMENT
    assert (fast_confidence.int() - confidence.int()).abs().max() <= LOGIT_TOLERANCE


def test_the_state_dict_is_the_same(model):
    state, form = model.state_dict(), InferenceForm(model).state_dict()
    assert set(state) == set(form) and all(torch.equal(state[name], form[name]) for name in state)


def test_equal_logits_fall_to_the_first_class():
    logits = torch.tensor([1.0, 3.0, 3.0, 2.0]).view(1, 4, 1, 1, 1)
    mask, confidence = _decide(logits)
    assert mask.item() == 1
    assert confidence.item() == round(255 / (2 + torch.tensor([-1.0, -2.0]).exp().sum().item()))


def test_pixels_go_where_a_transposed_convolution_puts_them():
    pixels = torch.arange(2 * 16 * 3 * 5, dtype=torch.uint8).view(2, 16, 3, 5)
    assert torch.equal(_place(pixels), nn.functional.pixel_shuffle(pixels, 4)[:, 0])


@pytest.mark.parametrize("width", [64, 65, 95, 96])
def test_the_last_bin_is_repeated_to_a_multiple_of_32(width):
    padded = _pad_width(torch.arange(float(width)).view(1, 1, 1, width)).flatten()
    assert len(padded) % 32 == 0 and len(padded) - width < 32
    assert torch.equal(padded, torch.arange(float(len(padded))).clamp(max=width - 1))


def test_the_logistic_sum_is_exact_at_both_ends():
    x = torch.cat([torch.linspace(-30, 30, 601), torch.tensor([-100.0, -17.0, 0.0, 100.0])])
    exact = nn.functional.softplus(x.double(), threshold=1e9)
    error = (_softplus(x).double() - exact).abs() / exact
    assert error[exact > 6e-8].max() < 1e-6 and _softplus(x)[exact <= 6e-8].max() <= 6e-8


def test_another_network_is_refused():
    with pytest.raises(TypeError, match="the network is a Conv2d, expected an RFSegmenter"):
        InferenceForm(DeployableSegmenter(nn.Conv2d(3, 4, 1)))
