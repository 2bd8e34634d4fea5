"""Losses: what PyTorch's own computes, what has a gradient and what has none."""

import pytest
import torch
import torch.nn.functional as F

from rfseg.models.registry import ARCHITECTURES, make_network
from rfseg.training.laws import ErrorForm, LossLaw, Softmax
from rfseg.training.losses import SegmentationLoss, median_frequency_weights

UNKNOWN = 255


@pytest.fixture
def batch(generator):
    logits = torch.randn(2, 4, 16, 32, generator=generator)
    masks = torch.randint(0, 4, (2, 16, 32), generator=generator)
    masks[:, 12:] = UNKNOWN
    return logits.requires_grad_(), masks


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (1.0, 1.5, 1.5, 3.0)])
def test_cross_entropy_is_that_of_pytorch(batch, weights, smoothing):
    logits, masks = batch
    loss = SegmentationLoss(LossLaw(smoothing=smoothing), weights)(logits, masks)
    scale = None if weights is None else torch.tensor(weights)
    expected = F.cross_entropy(logits, masks, weight=scale, ignore_index=UNKNOWN, label_smoothing=smoothing)
    assert torch.allclose(loss, expected, rtol=1e-5)


def test_a_double_softmax_puts_a_floor_under_the_loss():
    """Scores of 0 to 1 into a cross entropy: at best log(e + 3) - 1 = 0.744 for four classes."""
    masks = torch.randint(0, 4, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    right = 50.0 * F.one_hot(masks, 4).permute(0, 3, 1, 2).float()
    assert float(SegmentationLoss(LossLaw(softmax=Softmax.DOUBLE))(right, masks)) == pytest.approx(0.7437, abs=1e-4)
    assert float(SegmentationLoss(LossLaw())(right, masks)) < 1e-6


def test_published_refinement_is_the_share_of_wrong_pixels_and_has_no_gradient(batch):
    logits, masks = batch
    plain, refined = (
        SegmentationLoss(LossLaw(error=weight, error_form=ErrorForm.PUBLISHED))(logits, masks) for weight in (0.0, 1.0)
    )
    known = masks != UNKNOWN
    assert float((refined - plain).detach()) == pytest.approx(float((logits.argmax(1) != masks)[known].float().mean()), rel=1e-4)
    (without,) = torch.autograd.grad(plain, logits)
    (with_it,) = torch.autograd.grad(refined, logits)
    assert torch.equal(with_it, without)


@pytest.mark.parametrize("form", [ErrorForm.SOFT, ErrorForm.WRONG_PIXELS])
def test_refinement_with_a_gradient_raises_the_true_class(batch, form):
    logits, masks = batch
    law = LossLaw(cross_entropy=0.0, error=1.0, error_form=form)
    (gradient,) = torch.autograd.grad(SegmentationLoss(law)(logits, masks), logits)
    known = masks != UNKNOWN
    true = gradient.gather(1, torch.where(known, masks, 0).unsqueeze(1)).squeeze(1)
    assert (true[known] <= 0).all() and (true[known] < 0).any()
    assert (gradient.permute(0, 2, 3, 1)[~known] == 0).all()


def test_soft_refinement_fades_where_the_network_is_right_and_is_bounded_where_it_is_surely_wrong():
    masks = torch.zeros(1, 1, 3, dtype=torch.int64)
    logits = torch.tensor([10.0, 0.0, -20.0]).view(1, 1, 1, 3) * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    logits.requires_grad_()
    law = LossLaw(cross_entropy=0.0, error=1.0)
    SegmentationLoss(law)(logits, masks).backward()
    right, unsure, wrong = logits.grad[0, 0, 0].abs().tolist()
    assert unsure == pytest.approx(2 * 0.5 * 0.25 / 3, rel=1e-5)  # 2 (1 - p) p (1 - p) over three pixels
    assert right < 1e-3 * unsure and wrong < 1e-3 * unsure


def test_unknown_pixels_do_not_count(batch):
    logits, masks = batch
    loss = SegmentationLoss(LossLaw(dice=0.5, error=0.5), (1.0, 1.5, 1.5, 3.0))
    moved = logits.detach().clone()
    moved[:, :, 12:] += 7.0 * torch.randn(2, 4, 4, 32, generator=torch.Generator().manual_seed(5))
    assert torch.allclose(loss(moved, masks), loss(logits, masks))


def test_nothing_known_is_a_loss_of_zero_with_a_gradient_of_zero():
    logits = torch.zeros(1, 4, 8, 8, requires_grad=True)
    loss = SegmentationLoss(LossLaw(dice=0.5, error=0.5))(logits, torch.full((1, 8, 8), UNKNOWN))
    loss.backward()
    assert float(loss.detach()) == 0.0 and float(logits.grad.abs().sum()) == 0.0


def test_everything_right_is_a_loss_of_nearly_zero(generator):
    masks = torch.randint(0, 4, (1, 32, 32), generator=generator)
    right = 30.0 * F.one_hot(masks, 4).permute(0, 3, 1, 2).float()
    assert float(SegmentationLoss(LossLaw(dice=0.5, error=0.5))(right, masks)) < 1e-4


@pytest.mark.parametrize("name", ["rf-segmenter", "os-net", "deeplabv3-mobilenet-v3-large"])
def test_every_network_learns_by_the_refinement_alone(name, generator):
    assert name in ARCHITECTURES
    torch.manual_seed(0)
    network = make_network(name)
    features = torch.randn(2, 3, 32, 32, generator=generator)
    masks = torch.randint(0, 4, (2, 32, 32), generator=generator)
    SegmentationLoss(LossLaw(cross_entropy=0.0, error=1.0))(network(features), masks).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    assert sum(float(p.grad.abs().sum()) for p in network.parameters()) > 0


def test_median_frequency_weights():
    assert median_frequency_weights(torch.tensor([600, 200, 100])) == pytest.approx((1 / 3, 1.0, 2.0))
