"""Scenes that several tests look at."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _two_threads():
    torch.set_num_threads(2)


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)
