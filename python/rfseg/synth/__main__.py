"""Command line: ``python -m rfseg.synth demo|scene`` writes recordings with known truth."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .demo import CENTER_FREQ, DEFAULT_SEED, demo_scene
from .recording import write_recording
from .scene import Recipe, make_scene

_THREADS = 2  # sums in one order: another number of threads moves a few samples by their last bit


def main() -> None:
    """Write one recording."""
    parser = argparse.ArgumentParser(prog="python -m rfseg.synth", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text, seed in (
        ("demo", "LTE, NR and a radar at 30.72 MS/s, 40 ms", DEFAULT_SEED),
        ("scene", "a random scene of the training law", 0),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--out", type=Path, required=True, help="path without suffix")
        command.add_argument("--seed", type=int, default=seed)
        command.add_argument("--datatype", choices=("ci8", "ci16_le", "cf32_le"), default="ci8" if name == "demo" else "cf32_le")
    options = parser.parse_args()
    torch.set_num_threads(_THREADS)
    is_demo = options.command == "demo"
    scene = demo_scene(options.seed) if is_demo else make_scene(Recipe(), options.seed)
    write_recording(
        scene,
        options.out,
        datatype=options.datatype,
        description=f"Made by rfseg.synth {options.command}, seed {options.seed}",
        center_freq=CENTER_FREQ if is_demo else None,
    )


if __name__ == "__main__":
    main()
