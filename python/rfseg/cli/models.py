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

BENCHMARK = "rfseg-test"  # the frozen set whose figure tells models apart
_HEADINGS = (
    "Model", "Precision", "Classes", "Rates (MS/s)", "Frames (ms)", "Default (ms)", f"mIoU ({BENCHMARK})", "Size (MB)",
    "Licence", "File",
)  # fmt: skip


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
        figures = contract.metrics.get(BENCHMARK)
        score = figures.get("mean_iou") if isinstance(figures, dict) else None
        rows.append(
            (
                name,
                contract.precision,
                ", ".join(contract.labels),
                _range(*contract.samp_rate_range, 1e-6),
                _range(*contract.frame_duration_range, 1e3),
                f"{contract.default_frame_duration * 1e3:g}",
                "-" if score is None else f"{score:.3f}",
                f"{path.stat().st_size / 1e6:.1f}",
                contract.licence,
                str(path),
            )
        )
    if rows:
        print(format_table(_HEADINGS, rows))
    else:
        print(f"no models found; set {MODEL_PATH_VARIABLE} to a folder that holds .onnx files", file=sys.stderr)


def _range(low: float, high: float, factor: float) -> str:
    return f"{low * factor:g}" if low == high else f"{low * factor:g} to {high * factor:g}"
