"""Without PyTorch (on a radio host) these tests are left out."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    torch.set_num_threads(1)  # threads that wait for each other crawl on a busy machine


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)
