"""Scenes per second of a recipe: ``bench_synth.py [RECIPE] [--scenes N] [--processes P] [--rounds R] [--device D]``.

Each round makes the same scenes; the spread between rounds is the machine's.  Needs PyTorch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial

from rfseg.datasets.workers import run_in_processes
from rfseg.synth import load_recipe, make_scenes


def make_chunk(chunk: int, *, recipe: str, size: int, device: str) -> int:
    """Make the scenes of one chunk, rows and masks, and drop them; how many."""
    import torch

    torch.set_num_threads(1)
    seeds = range(chunk * size, (chunk + 1) * size)
    batch = len(seeds) if device != "cpu" else 1
    law = load_recipe(recipe)
    for first in range(0, len(seeds), batch):
        make_scenes(law, seeds[first : first + batch], device=device, keep_iq=False)
    return size


def main() -> None:
    """Print a line per round, then median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="standard")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    job = partial(make_chunk, recipe=options.recipe, size=options.chunk, device=options.device)
    chunks = list(range(-(-options.scenes // options.chunk)))
    rates = []
    for number in range(options.rounds):
        results = run_in_processes(job, chunks, options.processes)
        next(results)  # the processes have started and loaded everything
        start, total = time.perf_counter(), -options.chunk * (options.processes - 1)  # what the others had begun
        for made in results:
            total += made
        rates.append(total / (time.perf_counter() - start))
        print(f"round {number}: {rates[-1]:.1f} scenes/s")
    print(f"{options.recipe}, {options.processes} processes of one thread, {options.device}: median "
          f"{statistics.median(rates):.1f} scenes/s, {min(rates):.1f} to {max(rates):.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
