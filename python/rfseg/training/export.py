"""From a checkpoint to a model file: graph, contract, golden vector."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..contract import Contract, golden_rows, make_golden, write_contract
from ..datasets.classes import STANDARD_CLASSES
from ..geometry import DEFAULT_FRAME_DURATION, FRAME_DURATION_RANGE, ROWS, SAMP_RATE_RANGE
from ..models.deployable import DeployableSegmenter
from .trainer import load_network

__all__ = ["export_checkpoint", "export_network", "write_graph"]

OPSET = 18
_GOLDEN_SEED, _GOLDEN_BINS = 1, 128
_BINS_RANGE = (64, 512)  # of the geometry rule over its rates


def write_graph(model: nn.Module, path: Path) -> None:
    """Write the deployable module as ONNX; frames and bins stay dynamic, rows are fixed."""
    example = torch.randn(2, 2, ROWS, 100) * 5 - 90
    frames, bins = torch.export.Dim("N", min=1, max=256), torch.export.Dim("F", min=_BINS_RANGE[0], max=_BINS_RANGE[1])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        model.eval(),
        (example,),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: frames, 3: bins},),
        input_names=["rows"],
        output_names=["mask", "confidence"],
        verbose=False,
    )
    _strip(program.model.graph)
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path), external_data=False)


def _strip(graph: Iterable[Any]) -> None:
    """Drop the exporter's notes on every node: stack traces, with the paths of the exporting machine."""
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None


def export_network(model: DeployableSegmenter, path: Path, *, training: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Write a model file that :class:`rfseg.inference.Session` accepts.

    Parameters
    ----------
    training, metrics : dict
        Where the weights are from and what they reach; both end up in the contract.
    """
    write_graph(model, path)
    rows = golden_rows(_GOLDEN_SEED, _GOLDEN_BINS)
    with torch.no_grad():
        mask = model(torch.from_numpy(rows)[None])[0][0].numpy()
    contract = Contract(
        name=path.stem,
        classes=STANDARD_CLASSES,
        samp_rate_range=SAMP_RATE_RANGE,
        frame_duration_range=FRAME_DURATION_RANGE,
        default_frame_duration=DEFAULT_FRAME_DURATION,
        licence="GPL-3.0-or-later",
        golden=make_golden(np.ascontiguousarray(mask), seed=_GOLDEN_SEED),
        training=training,
        metrics=metrics,
    )
    write_contract(path, contract)


def export_checkpoint(checkpoint: Path, path: Path, *, metrics: Path | None = None) -> None:
    """Export the averaged network of a checkpoint; ``metrics`` is what ``evaluate`` wrote."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    facts = json.loads(metrics.read_text()) if metrics else {}
    model = DeployableSegmenter(load_network(checkpoint), temperature=facts.get("temperature", 1.0))
    training = {
        "commit": _commit(),
        "data_seed": state["seed"],
        "recipe": json.loads(state["recipe"]),
        "minutes": round(state["elapsed"] / 60, 1),
        "steps": state["step"],
        "images": state["images"],
        "scenes": state["next_seed"] - state["seed"],
    }
    export_network(model, path, training=training, metrics=facts.get("summary", {}))


def _commit() -> str:
    """Commit of the source tree, or "unknown" outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
