"""The card of a model: everything that its contract says, as a page; figures come from ``rfseg evaluate --json``."""

from __future__ import annotations

import json
import platform
import re
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..contract import Contract, golden_rows, write_contract
from ..errors import DatasetError
from ..inference import Session
from .cardtext import format_card

__all__ = ["add_facts", "measure_speed", "read_evaluation", "write_card"]

SPEED = "speed"  # key among the metrics that is no set
_SPEED_BINS = (64, 128, 256)
_SPEED_RUNS = 15
_OWN_SECTION = re.compile(r"^## Weak points\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def read_evaluation(path: Path, contract: Contract) -> dict[str, Any]:
    """What a contract keeps of a file of ``rfseg evaluate``: name of the set to its figures.

    Raises
    ------
    DatasetError
        If the file cannot be read, is no evaluation, or one of another model.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        name = facts["model"]
        if name != contract.name:
            raise DatasetError(f"{path} measures the model {name!r}, not {contract.name!r}; run rfseg evaluate on this model")
        return {facts["set"]["name"]: _condense(facts)}
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}; rfseg evaluate --out writes it") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} is no evaluation: {error!r}; rfseg evaluate --out or --json writes one") from error


def add_facts(
    path: Path, contract: Contract, *, evaluations: Iterable[Path] = (), training: Mapping[str, str] | None = None, speed: bool = False
) -> Contract:
    """Write figures, notes on the training and times into a model's contract; the new contract.

    Parameters
    ----------
    evaluations : iterable of Path
        Files of ``rfseg evaluate``.
    training : mapping
        ``hardware``: what it was trained on; ``started``: from which weights; ``unfinished``: why it is not trained to the end.
    speed : bool
        Measure the times of this machine.

    Raises
    ------
    DatasetError
        If an evaluation is of no use.
    BackendUnavailableError
        If the ``onnx`` package is needed and not installed.
    """
    metrics = dict(contract.metrics)
    for evaluation in evaluations:
        metrics |= read_evaluation(evaluation, contract)
    if speed:
        metrics[SPEED] = measure_speed(Session(path, threads=1))
    changed = replace(contract, metrics=metrics, training={**contract.training, **(training or {})})
    if changed != contract:
        with replacing(path) as target:
            target.write_bytes(path.read_bytes())
            write_contract(target, changed)
    return changed


def write_card(path: Path, contract: Contract, *, size: int) -> None:
    """Write the card of a model; a section ``Weak points`` that the file has already is kept.

    Parameters
    ----------
    size : int
        Of the model file, bytes.
    """
    kept = _OWN_SECTION.search(path.read_text(encoding="utf-8")) if path.is_file() else None
    text = format_card(contract, size=size)
    with replacing(path) as target:
        target.write_text(text + (f"\n{kept[0].rstrip()}\n" if kept else ""), encoding="utf-8")


def measure_speed(session: Session) -> dict[str, Any]:
    """Median and least time of one frame by its bins, ms, in one thread of this machine."""
    times = {}
    for bins in _SPEED_BINS:
        rows = golden_rows(1, bins, channels=len(session.contract.reductions), rows=session.contract.rows)[None]
        spent = []
        for _ in range(_SPEED_RUNS + 1):
            begin = time.perf_counter()
            session.run(rows)
            spent.append(1e3 * (time.perf_counter() - begin))
        times[str(bins)] = {"median_ms": round(statistics.median(spent[1:]), 2), "least_ms": round(min(spent), 2)}
    return {"processor": _processor(), "threads": 1, "bins": times}


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _condense(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that a card shows."""
    model, energy = facts["systems"]["model"], facts["systems"].get("energy_detector")
    pixels = model["pixels"]
    kept = {
        "frames": facts["frames"],
        "accuracy": pixels["accuracy"],
        "mean_iou": pixels["mean_iou"],
        "iou": {label: figures["iou"] for label, figures in pixels["classes"].items()},
        "recall": {label: figures["recall"] for label, figures in pixels["classes"].items()},
        "by_frame_snr": _each(pixels, "by_frame_snr", "mean_iou"),
        "by_snr": _each(pixels, "by_snr", "accuracy"),
        "by_duration": _each(pixels, "by_duration", "mean_iou"),
    }
    if energy is not None:
        kept["energy_detector"] = {"accuracy": energy["pixels"]["accuracy"], "mean_iou": energy["pixels"]["mean_iou"]}
    if model["bands"] is not None:
        kept["bands"] = {
            label: {"bands": figures["bands"], **{k: figures["iou_0.5"][k] for k in ("detection", "false_alarms_per_frame")}}
            for label, figures in model["bands"]["classes"].items()
        }
        kept["wrong_label"] = model["bands"]["wrong_label"]["rate"]
        kept["edge_error_khz"] = model["bands"]["edge_error_khz"]["median"]
    if model["pulses"] is not None:
        kept["pulses"] = {key: model["pulses"][key] for key in ("pulses", "detection", "false_rows_per_frame")}
    if model["calibration"] is not None:
        kept["ece"] = model["calibration"]["ece"]
    return kept


def _each(pixels: Mapping[str, Any], group: str, figure: str) -> dict[str, float | None]:
    return {name: part[figure] for name, part in pixels.get(group, {}).items()}
