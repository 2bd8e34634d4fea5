"""What mixed precision and the layout of frames give a training step on this processor, per network, in turns.

python tests/bench/mixed_precision.py [NETWORK...]
"""

from __future__ import annotations

import sys
import time

import torch
from torch import nn

from rfseg.models.registry import ARCHITECTURES, make_network

FRAMES, ROWS, BINS, TURNS = 2, 128, 256, 3
FORMS = {
    "float32": (False, torch.contiguous_format),
    "float32, channels last": (False, torch.channels_last),
    "bfloat16": (True, torch.contiguous_format),
    "bfloat16, channels last": (True, torch.channels_last),
}


def step_seconds(network: nn.Module, *, is_mixed: bool, layout: torch.memory_format) -> float:
    """Processor time of forward and backward for a frame of 128 x 256."""
    features = torch.randn(FRAMES, 3, ROWS, BINS).contiguous(memory_format=layout)
    truth = torch.zeros(FRAMES, ROWS, BINS, dtype=torch.long)
    began = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
        logits = network(features)
    nn.functional.cross_entropy(logits.float(), truth).backward()
    return (time.process_time() - began) / FRAMES


def main(names: list[str]) -> None:
    """Print the least time of each form, and its ratio to float32."""
    torch.set_num_threads(1)
    for name in names or [n for n in ARCHITECTURES if n != "rpmsn"]:
        network = make_network(name, 4).train()
        spent: dict[str, list[float]] = {form: [] for form in FORMS}
        for _ in range(TURNS):
            for form, (is_mixed, layout) in FORMS.items():
                spent[form].append(step_seconds(network, is_mixed=is_mixed, layout=layout))
        first = min(spent["float32"])
        for form, seconds in spent.items():
            print(f"{name:32}{form:26}{min(seconds):8.3f} s a frame {min(seconds) / first:6.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
