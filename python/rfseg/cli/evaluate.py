"""``rfseg evaluate``: what a model reaches on a set with known truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..atomic import make_folder, replacing
from ..datasets.shardset import ShardSet
from ..errors import BackendUnavailableError
from ..evaluation import WORST, evaluate_set, format_evaluation, save_page
from ..inference import Session
from ..picture import require_matplotlib
from .options import add_json, add_providers, add_threads, count
from .progress import watch
from .table import format_table

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "evaluate",
        description="Measure a model on a set with known truth: pixels, bands, radar pulses, calibration; beside it an energy"
        " detector, the answer that everything is noise and, on pictures, guesses that do not look at them.",
    )
    add = parser.add_argument
    add("model", help="name or path of a model")
    add("--on", type=Path, required=True, metavar="SET", help="folder of a sharded set of rows, or of pictures")
    add("--limit", type=count, metavar="N", help="only the first N frames")
    add("--out", type=Path, metavar="FOLDER", help="write evaluation.json and report.html with plots and the worst frames")
    add("--worst", type=count, default=WORST, metavar="N", help=f"frames that the report shows (default: {WORST})")
    add_json(parser, instead_of="the tables")
    add_threads(parser)
    add_providers(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure one model on one set.

    Raises
    ------
    RfsegError
        If the model or the set is of no use, the one does not cover the other, or the folder cannot be written.
    """
    if options.out is not None:
        _check_plots()
    dataset = ShardSet(options.on)
    session = Session(options.model, threads=options.threads, providers=options.providers)
    if options.out is not None:
        make_folder(options.out)  # not after minutes of work
    evaluation = evaluate_set(
        session, dataset, limit=options.limit, worst=options.worst, watch=lambda frames: watch(frames, "evaluate", "frame")
    )
    facts = evaluation.to_json()
    text = json.dumps(facts, indent=2, allow_nan=False)
    files = {}
    if options.out is not None:
        files = {"figures": options.out / "evaluation.json", "report": options.out / "report.html"}
        with replacing(files["figures"]) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        save_page(files["report"], evaluation)
    if options.json:
        print(text)
        return
    print(format_evaluation(facts, lambda headings, rows: format_table(headings, rows, right_from=1)))
    if files:
        print("\n".join(["", *(f"{kind}: {path}" for kind, path in files.items())]))


def _check_plots() -> None:
    try:
        require_matplotlib()
    except BackendUnavailableError as error:
        raise BackendUnavailableError(
            "the report has plots, which need Matplotlib: pip install 'rfseg[picture]', or go without --out"
        ) from error
