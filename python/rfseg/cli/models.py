"""``rfseg models``: which models there are."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import RfsegError
from ..inference import MODEL_PATH_VARIABLE, list_models
from ..modelfile import load_contract
from .table import format_table

__all__ = ["add_parser", "run"]

_HEADINGS = ("Model", "Classes", "Rates (MS/s)", "Frames (ms)", "Default (ms)", "Licence", "File")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "models",
        help="list the models that --model can name",
        description=f"List the models that --model can name. {MODEL_PATH_VARIABLE} names more folders to look in.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table of models; one that breaks its contract is listed with the reason."""
    rows = []
    for name, path in list_models().items():
        try:
            contract = load_contract(path)
        except RfsegError as error:
            print(f"rfseg: warning: {error}", file=sys.stderr)
            continue
        rates, durations = contract.samp_rate_range, contract.frame_duration_range
        rows.append(
            (
                name,
                ", ".join(contract.labels),
                f"{rates[0] / 1e6:g} to {rates[1] / 1e6:g}",
                f"{durations[0] * 1e3:g} to {durations[1] * 1e3:g}",
                f"{contract.default_frame_duration * 1e3:g}",
                contract.licence,
                str(path),
            )
        )
    if rows:
        print(format_table(_HEADINGS, rows))
    else:
        print(f"no models found; set {MODEL_PATH_VARIABLE} to a folder that holds .onnx files", file=sys.stderr)
