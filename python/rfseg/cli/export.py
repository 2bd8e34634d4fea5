"""``rfseg export``: from a checkpoint of ``rfseg train`` to a model file."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..modelfile import load_contract
from .options import add_json, training_packages

__all__ = ["add_parser", "run"]

_NEEDED = ("torch", "onnx", "onnxscript", "onnx_ir", "tomli")


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "export",
        description="Make a model file of a checkpoint of rfseg train. Fits the temperature of the confidence on held-out"
        " scenes, compares the file with the checkpoint pixel by pixel, and finds the confidences below which bands lose"
        " their name.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="last.pt or best.pt of a run")
    add("--out", type=Path, required=True, metavar="MODEL.onnx", help="the model file")
    add("--precision", choices=["fp32", "fp16", "int8"], default="fp32", help="of the weights (default: %(default)s)")
    add("--temperature", default="auto", metavar="T", help="of the softmax, or auto to fit it (default: %(default)s)")
    add("--scenes", type=int, default=100, metavar="N", help="held-out scenes for each step; 0 for none (default: %(default)s)")
    add(
        "--lost", type=float, default=0.05, metavar="SHARE",
        help="of the right bands of a class that may lose their name; 0 for no thresholds (default: %(default)s)",
    )  # fmt: skip
    add(
        "--agreement", type=float, default=0.99, metavar="SHARE",
        help="int8: of the pixels that should stay as in fp32 (default: %(default)s)",
    )  # fmt: skip
    add("--name", help="of the model (default: that of the file)")
    add_json(parser, instead_of="text; what is done meanwhile is on standard error")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Export one checkpoint.

    Raises
    ------
    RfsegError
        If a package is missing, the checkpoint or an option is of no use, or the model cannot be written.
    """
    temperature = None if options.temperature == "auto" else _temperature(options.temperature)
    with training_packages("export", *_NEEDED):
        from ..deployment.export import ExportOptions, export_checkpoint

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    settings = ExportOptions(
        precision=options.precision,
        temperature=temperature,
        scenes=options.scenes,
        lost=options.lost,
        agreement=options.agreement,
        name=options.name,
    )
    out = sys.stderr if options.json else sys.stdout
    export_checkpoint(options.checkpoint, options.out, settings, say=lambda line: print(line, file=out, flush=True))
    if options.json:
        print(json.dumps(_facts(options.out), indent=2))


def _facts(path: Path) -> dict[str, Any]:
    contract = load_contract(path)
    return {
        "model": str(path),
        "size": path.stat().st_size,
        "name": contract.name,
        "precision": contract.precision,
        "classes": list(contract.labels),
        "calibration": contract.calibration,
        "reject_below": contract.reject_below,
        "training": contract.training,
    }


def _temperature(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"--temperature {text!r} is no number; give one, such as 1.2, or auto") from None
