"""The networks in PyTorch eager that rfseg bench compares with."""

from __future__ import annotations

import sys
from pathlib import Path

from rfseg.bench.eager_client import EagerNetwork, find_torch_python


def test_this_interpreter_has_pytorch_and_runs_a_network() -> None:
    assert find_torch_python(Path(sys.executable)) == sys.executable
    with EagerNetwork(sys.executable, "os-net", classes=4, rows=256) as network:
        times = [network.run(threads=1, batch=batch, bins=64) for batch in (1, 2)]
    assert all(0 < seconds < 60 for seconds in times)
