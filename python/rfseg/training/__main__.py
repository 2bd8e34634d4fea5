"""Command line: ``python -m rfseg.training train|evaluate|parity|export``."""

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
    check = commands.add_parser("evaluate", help="figures of a checkpoint on held-out scenes")
    check.add_argument("--checkpoint", type=Path, required=True)
    check.add_argument("--scenes", type=int, default=400)
    check.add_argument("--out", type=Path, help="JSON file for the figures")
    parity = commands.add_parser("parity", help="share of pixels on which a model file equals its checkpoint")
    parity.add_argument("--checkpoint", type=Path, required=True)
    parity.add_argument("--model", type=Path, required=True)
    parity.add_argument("--scenes", type=int, default=60)
    export = commands.add_parser("export", help="write a model file with its contract")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True, help="ONNX file")
    export.add_argument("--metrics", type=Path, help="JSON file that evaluate wrote")
    return parser


def main() -> None:
    """Run one command."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.command == "train":
        from .parallel import launch
        from .trainer import train

        launch(options.processes, train, options.out, TrainingRecipe(minutes=options.minutes, seed=options.seed))
    elif options.command == "evaluate":
        from .report import evaluate_checkpoint

        print(evaluate_checkpoint(options.checkpoint, scenes=options.scenes, out=options.out))
    elif options.command == "parity":
        from .report import parity_score

        print(f"{parity_score(options.checkpoint, options.model, scenes=options.scenes):.6f}")
    else:
        from .export import export_checkpoint

        export_checkpoint(options.checkpoint, options.out, metrics=options.metrics)


if __name__ == "__main__":
    main()
