"""``rfseg import-checkpoint``: from a checkpoint of a network that reads pictures to a model file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..published_geometry import Extremes
from .options import add_json, positive, training_packages

__all__ = ["add_parser", "run"]


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "import-checkpoint",
        description="Make a model file of what the published code of a network saved: a state dict, a dict that has one, a"
        " Lightning checkpoint or a TorchScript archive; or of a checkpoint of rfseg train on pictures. Nothing in the file is"
        " run. The model is used by rfseg segment, rfseg evaluate, rfseg live and the blocks.",
    )
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as best_model_state.pt, OSNet.pt, PRMNet_proposed.pth or a .ckpt of Lightning")
    add(
        "--network", metavar="NAME",
        help="rf-segmenter, os-net, prmnet, rpmsn, deeplabv3-mobilenet-v3-large or deeplabv3-resnet50; only a checkpoint of"
        " rfseg train names its own",
    )  # fmt: skip
    add("--out", type=Path, required=True, metavar="MODEL.onnx", help="the model file")
    add("--classes", metavar="LIST", help="labels in the order of the outputs, with commas (default: as published)")
    add("--name", help="of the model (default: that of the file)")
    add("--frame-ms", type=positive, metavar="T", help="duration of a frame, ms (default: 2.857 with radar, 40 without)")
    add("--samp-rate", type=positive, default=61.44e6, metavar="HZ", help="complex samples per second (default: 61.44e6)")
    add("--size", type=int, default=256, metavar="N", help="rows and bins of a picture (default: %(default)s)")
    add(
        "--extremes", choices=[e.value for e in Extremes], default=Extremes.ALL.value,
        help="what a frame's minimum and maximum are taken from; all is the published one (default: %(default)s)",
    )  # fmt: skip
    add("--licence", metavar="SPDX", help="of the weights (default: NOASSERTION, or that of rfseg for its own)")
    add("--temperature", type=float, default=1.0, metavar="T", help="divides the logits; above 1, confidences are lower")
    add_json(parser, instead_of="text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Import one checkpoint.

    Raises
    ------
    RfsegError
        If PyTorch is missing, the checkpoint or an option is of no use, or the model cannot be written.
    """
    with training_packages("import-checkpoint", "torch", "tomli"):
        from ..deployment import importing, publications

    imported = importing.import_checkpoint(
        options.checkpoint,
        options.network,
        options.out,
        options=importing.ImportOptions(
            classes=None if options.classes is None else publications.parse_classes(options.classes),
            name=options.name,
            frame_duration=None if options.frame_ms is None else options.frame_ms * 1e-3,
            samp_rate=options.samp_rate,
            size=options.size,
            extremes=Extremes(options.extremes),
            licence=options.licence,
            temperature=options.temperature,
        ),
    )
    contract = imported.contract
    facts = {
        "model": str(options.out),
        "name": contract.name,
        "network": imported.network,
        "form": imported.form,
        "outputs": list(contract.published.class_order),
        "classes": list(contract.labels),
        "samp_rate": contract.samp_rate_range[0],
        "frame_duration": contract.default_frame_duration,
        "size": contract.rows,
        "notes": imported.notes,
    }
    print(json.dumps(facts, indent=2) if options.json else _format(facts, options))


def _format(facts: dict[str, Any], options: argparse.Namespace) -> str:
    size = facts["size"]
    return "\n".join(
        [
            f"{options.checkpoint}: {facts['form']} of {facts['network']}, outputs {', '.join(facts['outputs'])}",
            f"{facts['model']}: classes {', '.join(facts['classes'])}; {facts['frame_duration'] * 1e3:.4g} ms at"
            f" {facts['samp_rate'] / 1e6:g} MS/s as {size} x {size} pixels; self-test passed",
            *(f"note: {note}" for note in facts["notes"]),
        ]
    )
