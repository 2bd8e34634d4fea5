"""``rfseg models``: which models there are."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..contract import Contract
from ..errors import RfsegError
from ..inference import MODEL_PATH_VARIABLE, absent_folders, list_models
from ..modelfile import load_contract
from .options import add_json
from .table import format_table

__all__ = ["add_parser", "run"]

BENCHMARK = "rfseg-test"  # the frozen set whose figures tell models apart
SPEED_BINS = "256"  # of the frame whose time is shown
_HEADINGS = (
    "Model", "Precision", "Classes", "Rates (MS/s)", "Frames (ms)", "Accuracy (%)", "mIoU", "Frame (ms)", "Size (MB)",
    "Licence", "File",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "models",
        description="List the models that --model can name: what they are for, what they reach and how long they take."
        f" {MODEL_PATH_VARIABLE} names more folders to look in.",
    )
    parser.add_argument("--speed", action="store_true", help="measure the time of a frame on this machine, in one thread")
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print what models there are; one that breaks its contract is named with the reason."""
    for folder in absent_folders():
        print(f"rfseg: warning: {MODEL_PATH_VARIABLE} names {folder}, which is no folder; correct it", file=sys.stderr)
    facts = []
    for name, path in list_models().items():
        try:
            facts.append(_facts(name, path, is_measured=options.speed))
        except RfsegError as error:
            print(f"rfseg: warning: {error}", file=sys.stderr)
    if options.json:
        print(json.dumps(facts, indent=2, allow_nan=False))
        return
    if not facts:
        print(f"no models found; set {MODEL_PATH_VARIABLE} to a folder that holds .onnx files", file=sys.stderr)
        return
    print(format_table(_HEADINGS, [_cells(entry) for entry in facts]))
    places = sorted({entry["speed"]["processor"] for entry in facts if entry["speed"]})
    machine = f"on {' and '.join(places)}" if places else "which no file states; --speed measures it"
    print(f"\nAccuracy and mIoU: on {BENCHMARK}. Frame (ms): time of a frame of {SPEED_BINS} bins in one thread, {machine}.")


def _facts(name: str, path: Path, *, is_measured: bool) -> dict[str, Any]:
    contract = load_contract(path)
    figures = contract.metrics.get(BENCHMARK)
    figures = figures if isinstance(figures, dict) else {}
    return {
        "model": name,
        "file": str(path),
        "size": path.stat().st_size,
        "family": contract.family,
        "precision": contract.precision,
        "classes": list(contract.labels),
        "samp_rate_range": list(contract.samp_rate_range),
        "frame_duration_range": list(contract.frame_duration_range),
        "default_frame_duration": contract.default_frame_duration,
        "accuracy": figures.get("accuracy"),
        "mean_iou": figures.get("mean_iou"),
        "speed": _measure(path) if is_measured else _stated_speed(contract),
        "licence": contract.licence,
    }


def _measure(path: Path) -> dict[str, Any]:
    from ..bench.inference import time_frame  # takes the backend

    return time_frame(path, bins=int(SPEED_BINS))


def _stated_speed(contract: Contract) -> dict[str, Any] | None:
    """What ``rfseg card --speed`` wrote into the file."""
    speed = contract.metrics.get("speed")
    times = speed.get("bins", {}).get(SPEED_BINS) if isinstance(speed, dict) else None
    if not isinstance(times, dict):
        return None
    return {"median_ms": times.get("median_ms"), "processor": speed.get("processor", "another machine")}


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    speed = entry["speed"]
    return (
        entry["model"],
        entry["precision"],
        ", ".join(entry["classes"]),
        _range(*entry["samp_rate_range"], 1e-6),
        _range(*entry["frame_duration_range"], 1e3),
        "-" if entry["accuracy"] is None else f"{100 * entry['accuracy']:.1f}",
        "-" if entry["mean_iou"] is None else f"{entry['mean_iou']:.3f}",
        "-" if speed is None else f"{speed['median_ms']:.1f}",
        f"{entry['size'] / 1e6:.1f}",
        entry["licence"],
        entry["file"],
    )


def _range(low: float, high: float, factor: float) -> str:
    return f"{low * factor:g}" if low == high else f"{low * factor:g} to {high * factor:g}"
