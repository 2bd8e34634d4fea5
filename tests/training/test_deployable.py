"""Rows in, mask and confidence out: any level, any width, never a NaN."""

import pytest
import torch

from rfseg.models.deployable import DeployableSegmenter, pad_width, reference_features
from rfseg.models.rf_segmenter import RFSegmenter


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return DeployableSegmenter(RFSegmenter()).eval()


def _rows(bins: int, frames: int = 1, level: float = -90.0) -> torch.Tensor:
    noise = torch.randn(frames, 2, 256, bins, generator=torch.Generator().manual_seed(bins))
    rows = level + noise
    rows[:, 1] = rows[:, 0] + noise[:, 1].abs()
    rows[:, :, :, bins // 4 : bins // 2] += 20
    return rows


@pytest.mark.parametrize("bins", [64, 80, 104])
def test_mask_and_confidence_have_the_shape_of_the_rows_for_any_number_of_bins(model, bins):
    with torch.no_grad():
        mask, confidence = model(_rows(bins, frames=2))
    assert mask.shape == confidence.shape == (2, 256, bins)
    assert mask.dtype == confidence.dtype == torch.uint8
    assert mask.max() < 4
    assert confidence.min() >= 63  # the best of four classes has a probability of at least 1/4


def test_the_level_of_the_input_does_not_matter(model):
    with torch.no_grad():
        low, high = model(_rows(64, level=-150.0))[0], model(_rows(64, level=50.0))[0]
    assert (low == high).float().mean() > 0.999  # float32 at 150 dB resolves 2e-5 dB


@pytest.mark.parametrize("level", [-200.0, -150.0, 0.0, 50.0, 200.0])
def test_constant_rows_give_finite_features_and_logits(model, level):
    rows = torch.full((1, 2, 256, 64), level)
    assert torch.isfinite(reference_features(rows)).all()
    with torch.no_grad():
        assert torch.isfinite(model.logits(rows)).all()


def test_features_are_relative_to_a_low_quantile_of_the_bins():
    rows = torch.full((1, 2, 256, 64), -80.0)
    rows[:, 1] = -74.0
    rows[:, :, :, 32:] += 20.0  # half of the bins hold a carrier
    features = reference_features(rows)
    assert torch.allclose(features[0, 0, 0, [0, 40]], torch.tensor([0.0, 1.0]))  # 20 dB are one unit
    assert torch.allclose(features[0, 1, 0, [0, 40]], torch.tensor([0.3, 1.3]))
    assert torch.allclose(features[0, 2], torch.tensor(0.6))  # 10 dB are one unit


def test_a_moved_reference_moves_the_levels_and_not_the_crest():
    rows = _rows(64)
    plain, moved = reference_features(rows), reference_features(rows, -5.0)
    inside = (plain[:, 0].abs() < 0.7)
    assert torch.allclose((moved - plain)[:, 0][inside], torch.tensor(0.25), atol=1e-4)
    assert torch.equal(moved[:, 2], plain[:, 2])


def test_padding_repeats_the_last_bin_up_to_a_multiple_of_32():
    features = torch.arange(40.0).expand(1, 1, 1, 40)
    padded = pad_width(features)
    assert padded.shape[-1] == 64
    assert torch.equal(padded[0, 0, 0, 40:], torch.full((24,), 39.0))
    assert pad_width(padded) is not None and pad_width(padded).shape[-1] == 64


def test_temperature_changes_the_confidence_only(model):
    hot = DeployableSegmenter(model.network, temperature=3.0).eval()
    with torch.no_grad():
        mask, confidence = model(_rows(64))
        same, lower = hot(_rows(64))
    assert torch.equal(mask, same)
    assert lower.float().mean() < confidence.float().mean()
