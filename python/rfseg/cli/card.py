"""``rfseg card``: the page that describes a model, and the figures that go into its file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..inference import find_model
from ..modelfile import load_contract
from .options import add_json

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "card",
        description="Write the page that describes a model, from its contract. With --evaluation, --speed and the notes, put"
        " those into the contract first, so that the file carries them.",
    )
    add = parser.add_argument
    add("model", help="name or path of a model")
    add("--out", type=Path, metavar="FILE.md", help="the page (default: beside the model)")
    add(
        "--evaluation", type=Path, action="append", default=[], metavar="FILE",
        help="evaluation.json of rfseg evaluate --out; may be repeated, once for each set",
    )  # fmt: skip
    add("--speed", action="store_true", help="measure the time of a frame on this machine")
    add("--hardware", metavar="TEXT", help="what it was trained on")
    add("--started", metavar="TEXT", help="the weights that the run started from; '' for fresh ones")
    add("--unfinished", metavar="WHY", help="why it is not trained to the end; stands in the first lines; '' takes it back")
    add_json(parser, instead_of="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write one card.

    Raises
    ------
    RfsegError
        If the model or an evaluation is of no use, or a file cannot be written.
    """
    from ..deployment.card import add_facts, write_card

    path = find_model(options.model)
    notes = {key: getattr(options, key) for key in ("hardware", "started", "unfinished") if getattr(options, key) is not None}
    contract = add_facts(
        path, load_contract(path), evaluations=options.evaluation, training=notes, speed=options.speed
    )
    page = options.out or path.with_suffix(".md")
    write_card(page, contract, size=path.stat().st_size)
    if options.json:
        print(json.dumps({"card": str(page), "model": str(path), "metrics": contract.metrics}, indent=2))
    else:
        print(f"card: {page}")
