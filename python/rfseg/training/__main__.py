"""Command line: ``python -m rfseg.training train``; everything else is in ``rfseg``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from .old_recipe import TrainingRecipe


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rfseg.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train RF-Segmenter; resumes a folder that holds a checkpoint")
    train.add_argument("--out", type=Path, required=True, help="folder of the run")
    train.add_argument("--minutes", type=float, default=TrainingRecipe.minutes)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--processes", type=int, default=2, help="training processes, of one thread each")
    return parser


def main() -> None:
    """Run one command."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.command == "train":
        from .parallel import launch
        from .trainer import train

        launch(options.processes, train, options.out, TrainingRecipe(minutes=options.minutes, seed=options.seed))


if __name__ == "__main__":
    main()
