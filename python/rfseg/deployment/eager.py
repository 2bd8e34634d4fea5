"""The program ``python -m rfseg.deployment.eager NETWORK``: runs a network in PyTorch eager, one inference for each line it reads."""

from __future__ import annotations

import json
import sys
import time

import torch

from ..contract import golden_rows
from ..models.deployable import DeployableSegmenter
from ..models.registry import make_network

__all__ = ["main"]


def main() -> None:
    """Answer each line, a JSON object with ``threads``, ``batch`` and ``bins``, by the seconds of one inference."""
    task = json.loads(sys.argv[1])
    torch.manual_seed(0)
    model = DeployableSegmenter(make_network(task["network"], task["classes"])).eval()
    inputs: dict[tuple[int, int], torch.Tensor] = {}
    with torch.inference_mode():
        for line in sys.stdin:
            wanted = json.loads(line)
            torch.set_num_threads(wanted["threads"])
            shape = wanted["batch"], wanted["bins"]
            if shape not in inputs:
                frames = [golden_rows(seed, shape[1], channels=2, rows=task["rows"]) for seed in range(shape[0])]
                inputs[shape] = torch.stack([torch.from_numpy(frame) for frame in frames])
            begin = time.perf_counter()
            model(inputs[shape])
            print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
