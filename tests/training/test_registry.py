"""Each name builds its network, in the form that trains best or the one that published checkpoints need."""

import pytest
import torch

from rfseg.errors import GeometryError, OptionError
from rfseg.models.deployable import WIDTH_MULTIPLE
from rfseg.models.registry import ARCHITECTURES, make_network


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_name_builds_a_network_of_its_stride(name):
    architecture = ARCHITECTURES[name]
    assert WIDTH_MULTIPLE % architecture.stride == 0  # so that padded widths fit
    with torch.no_grad():
        network = make_network(name, 2).eval()
        size = 2 * architecture.stride
        assert network(torch.zeros(2, 3, size, architecture.stride)).shape == (2, 2, size, architecture.stride)
        if name != "rf-segmenter" and architecture.stride > 1:
            with pytest.raises(GeometryError, match=f"does not fit the network's stride of {architecture.stride}"):
                network(torch.zeros(2, 3, size, architecture.stride + architecture.stride // 2))


def test_the_published_form_has_the_published_head_and_rates():
    forms = [make_network("rf-segmenter", published=flag).up.conv[2] for flag in (False, True)]
    assert [type(form) for form in forms] == [torch.nn.Identity, torch.nn.ReLU]
    for flag, rates in ((False, [3, 6, 9]), (True, [12, 24, 36])):
        pyramid = make_network("deeplabv3-mobilenet-v3-large", published=flag).classifier[0]
        assert [branch[0].dilation[0] for branch in pyramid.convs[1:4]] == rates


def test_an_unknown_name_is_refused():
    with pytest.raises(OptionError, match="network 'unet' is unknown; choose one of .*rf-segmenter, os-net, prmnet, rpmsn"):
        make_network("unet")
