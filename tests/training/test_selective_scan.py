"""The chunked scan against its specification."""

import pytest
import torch

from rfseg.models.selective_scan import MIN_DECAY, chunked_scan, sequential_scan

FORWARD_TOLERANCE = 1e-5  # float32 sums of a few hundred terms of order 1
GRADIENT_TOLERANCE = 1e-4


def _inputs(length: int, *, low: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    decay = low + (1 - low) * torch.rand(2, length, 3, 4, generator=generator)
    return decay.requires_grad_(), torch.randn(2, length, 3, 4, generator=generator).requires_grad_()


@pytest.mark.parametrize("length", [16, 96, 160, 256])
def test_equals_the_sequential_recurrence_forward(length):
    decay, drive = _inputs(length)
    assert torch.allclose(chunked_scan(decay, drive), sequential_scan(decay, drive), atol=FORWARD_TOLERANCE)


@pytest.mark.parametrize("low", [0.0, 0.95])
def test_gradients_equal_those_of_the_sequential_recurrence(low):
    weight = torch.randn(2, 96, 3, 4, generator=torch.Generator().manual_seed(0))
    gradients = []
    for scan in (chunked_scan, sequential_scan):
        decay, drive = _inputs(96, low=low)
        (scan(decay, drive) * weight).sum().backward()
        gradients.append((decay.grad, drive.grad))
    for fast, slow in zip(*gradients, strict=True):
        assert torch.allclose(fast, slow, rtol=GRADIENT_TOLERANCE, atol=GRADIENT_TOLERANCE)


def test_a_decay_of_zero_forgets_and_a_decay_of_one_remembers_everything():
    drive = torch.ones(1, 32, 1)
    assert torch.allclose(chunked_scan(torch.zeros(1, 32, 1), drive), drive, atol=MIN_DECAY * 10)
    assert torch.equal(chunked_scan(torch.ones(1, 32, 1), drive)[0, :, 0], torch.arange(1.0, 33.0))


def test_a_length_without_whole_chunks_is_refused():
    with pytest.raises(ValueError, match="a sequence of 20 steps has no whole number of chunks of 16"):
        chunked_scan(torch.ones(1, 20, 1), torch.ones(1, 20, 1))
