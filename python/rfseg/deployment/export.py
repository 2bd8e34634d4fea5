"""From a checkpoint to a model file: graph, precision, temperature, thresholds of rejection, contract, self-test."""

from __future__ import annotations

import copy
import itertools
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..atomic import make_folder, replacing
from ..contract import Contract, SignalClass, golden_rows, make_golden, write_contract
from ..datasets.classes import STANDARD_CLASSES, STANDARD_LABELS
from ..errors import OptionError
from ..geometry import DEFAULT_FRAME_DURATION, FRAME_DURATION_RANGE, ROWS, SAMP_RATE_RANGE
from ..inference import Session
from ..models.deployable import DeployableSegmenter
from ..models.framesize import CHANNELS
from ..models.rf_segmenter import RFSegmenter
from ..models.rf_segmenter_inference import InferenceForm
from ..synth import Recipe, load_recipe
from ..training.checkpoint import Checkpoint, read_checkpoint
from ..training.recipe import Input
from .calibrate import (
    band_calibration_error,
    collect_bands,
    collect_pixels,
    count_rejections,
    cross_validate,
    fit_temperature,
    fit_thresholds,
)
from .graph import OPSET, write_graph
from .halves import store_halves
from .heldout import Purpose, held_out_scenes, noise_recipe, strange_recipe
from .parity import Parity, measure_parity
from .quantise import quantise_graph

__all__ = ["OPSET", "PRECISIONS", "ExportOptions", "Exported", "check_model_path", "export_checkpoint", "export_network", "network_facts"]

PRECISIONS = ("fp32", "fp16", "int8")
_GOLDEN_SEED, _GOLDEN_BINS = 1, 128
_BINS_RANGE = (64, 512)  # of the geometry rule over its rates
_MOST_FRAMES = 256  # in a batch
_FRAME = 256  # rows and bins of the frame that operations are counted for
_SCALE_SCENES = 64  # for the scales of int8 no more are needed
_STRANGE_SCENES, _NOISE_SCENES = 3, 1  # of the reject rule, for each scene that is asked for

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How a checkpoint becomes a model file.

    Parameters
    ----------
    precision : str
        ``fp32``, ``fp16`` (weights of convolutions stored so) or ``int8``.
    temperature : float or None
        None: fitted on held-out scenes.
    scenes : int
        Held-out scenes for the temperature and as many for parity, three times as many like those of ``ood`` and as many
        again of other emitters alone for the thresholds of rejection; 0: nothing is fitted and nothing compared.
    lost : float
        Share of the right bands of a class that may lose their name; 0: no thresholds.
    agreement : float
        ``int8``: share of the pixels that should stay as they are in float32.
    name : str or None
        Of the model; None: that of the file.

    Raises
    ------
    OptionError
        If a value is out of its range.
    """

    precision: str = "fp32"
    temperature: float | None = None
    scenes: int = 100
    lost: float = 0.05
    agreement: float = 0.99
    name: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision={self.precision!r} is unknown; choose one of {', '.join(PRECISIONS)}")
        if self.temperature is not None and not 0.01 <= self.temperature <= 100:
            raise OptionError(f"temperature={self.temperature!r} must be 0.01 to 100; 1 changes nothing, auto fits it")
        if self.scenes < 0:
            raise OptionError(f"scenes={self.scenes!r} must be at least 0")
        if not 0 <= self.lost < 1 or not 0 < self.agreement <= 1:
            raise OptionError(f"lost={self.lost!r} and agreement={self.agreement!r} are shares; expected 0 to 1")
        if self.precision == "int8" and not self.scenes:
            raise OptionError("int8 takes its scales from scenes; give --scenes at least 1, or another precision")


@dataclass(kw_only=True)
class Exported:
    """What was written."""

    contract: Contract
    parity: Parity | None = None


def export_checkpoint(checkpoint: Path, path: Path, options: ExportOptions = ExportOptions(), *, say: Say = print) -> Exported:
    """Write the averaged network of a checkpoint as a model file that :class:`rfseg.inference.Session` accepts.

    Parameters
    ----------
    say : callable
        Told what was measured, line by line.

    Raises
    ------
    RecordingError
        If the checkpoint cannot be read or the file not be written.
    OptionError
        If the file is not named ``.onnx``, the network reads pictures, or its first class is not the background.
    """
    check_model_path(path)
    state = read_checkpoint(checkpoint)
    recipe = state.recipe
    if recipe.input is not Input.ROWS or not isinstance(recipe.scenes, Recipe):
        raise OptionError(
            f"{checkpoint} was trained on pictures of a published protocol, and rfseg export writes models of rows;"
            " use rfseg import-checkpoint"
        )
    if recipe.classes[0] != STANDARD_LABELS[0]:
        raise OptionError(f"{checkpoint} has the classes {', '.join(recipe.classes)}; the first must be {STANDARD_LABELS[0]}")
    make_folder(path.parent)
    model = DeployableSegmenter(state.network).eval()
    calibration = _fit_temperature(model, recipe.classes, recipe.scenes, options, say)
    exported = export_network(
        model,
        path,
        training=_training_facts(state),
        classes=recipe.signal_classes,
        calibration=calibration,
        options=options,
        scenes=recipe.scenes,
    )
    size = path.stat().st_size / 1e6
    say(f"{path}: {recipe.network}, {options.precision}, {size:.1f} MB, self-test passed")
    if options.scenes:
        exported.parity = measure_parity(
            model, Session(path, threads=1), held_out_scenes(Purpose.PARITY, options.scenes, recipe.scenes)
        )
        say(f"file and checkpoint: {exported.parity}")
        _fit_thresholds(path, exported, recipe.scenes, options, say)
    return exported


def export_network(
    model: DeployableSegmenter,
    path: Path,
    *,
    training: dict[str, Any],
    metrics: dict[str, Any] | None = None,
    classes: Sequence[SignalClass] = STANDARD_CLASSES,
    calibration: dict[str, Any] | None = None,
    options: ExportOptions = ExportOptions(),
    scenes: Recipe | None = None,
) -> Exported:
    """Write a model file with its contract and self-test; it appears complete or not at all.

    Parameters
    ----------
    training, metrics : dict
        Where the weights are from and what they reach; both end up in the contract.
    classes : sequence of SignalClass
        In the order of the network's outputs.
    scenes : Recipe or None
        Law of the scenes that ``int8`` takes its scales from.
    """
    make_folder(path.parent)
    facts = {"temperature": round(float(model.temperature), 4), **(calibration or {})}
    with replacing(path) as target, tempfile.TemporaryDirectory() as folder:
        plain = target if options.precision == "fp32" else Path(folder) / "plain.onnx"
        _write_rows_graph(model, plain)
        if options.precision == "fp16":
            facts["fp16"] = {"largest_change": float(f"{store_halves(plain, target):.2g}")}
        elif options.precision == "int8":
            integers = plain.with_name("integers.onnx")
            facts["int8"] = _quantise(plain, integers, scenes or load_recipe("standard"), options)
            store_halves(integers, target)  # those that integers would have harmed
        contract = Contract(
            name=options.name or path.stem,
            classes=tuple(classes),
            samp_rate_range=SAMP_RATE_RANGE,
            frame_duration_range=FRAME_DURATION_RANGE,
            default_frame_duration=DEFAULT_FRAME_DURATION,
            licence="GPL-3.0-or-later",
            golden=make_golden(_run_golden(target), seed=_GOLDEN_SEED),
            training=training,
            metrics=metrics or {},
            precision=options.precision,
            calibration=facts,
        )
        write_contract(target, contract)
        Session(target, threads=1)  # refuses a file that does not keep its contract
    return Exported(contract=contract)


def check_model_path(path: Path) -> None:
    """Refuse a name under which a model would not be found.

    Raises
    ------
    OptionError
        If it does not end in ``.onnx``.
    """
    if path.suffix != ".onnx":
        raise OptionError(f"the model file {str(path)!r} must end in .onnx, or rfseg does not find it")


def network_facts(name: str, network: nn.Module) -> dict[str, Any]:
    """Name, parameters, and billions of multiply-accumulates for a frame of 256 x 256 (convolutions and products)."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(network).to("meta").eval()(torch.empty(1, CHANNELS, _FRAME, _FRAME))
    return {
        "network": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "gmac": round(counter.get_total_flops() / 2e9, 3),
    }


def _write_rows_graph(model: DeployableSegmenter, path: Path) -> None:
    """The graph of rows to masks; frames and bins stay free, rows are fixed."""
    form = InferenceForm(model) if isinstance(model.network, RFSegmenter) else model
    frames, bins = torch.export.Dim("N", min=1, max=_MOST_FRAMES), torch.export.Dim("F", min=_BINS_RANGE[0], max=_BINS_RANGE[1])
    example = torch.randn(2, 2, ROWS, 100) * 5 - 90
    write_graph(form, path, inputs={"rows": example}, dynamic=({0: frames, 3: bins},))


def _run_golden(path: Path) -> np.ndarray:
    """The mask that the file itself gives of the self-test's rows, uint8 ``(T, F)``."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["mask"], {"rows": golden_rows(_GOLDEN_SEED, _GOLDEN_BINS)[None]})[0][0]


def _quantise(plain: Path, target: Path, scenes: Recipe, options: ExportOptions) -> dict[str, Any]:
    """Write the integer form; what the contract says of it."""
    count = min(options.scenes, _SCALE_SCENES)
    frames = [scene.rows[None] for scene in held_out_scenes(Purpose.SCALES, count, scenes)]
    made = quantise_graph(plain, target, frames, agreement=options.agreement)
    return {
        "scenes": count,
        "first_seed": int(Purpose.SCALES),
        "layers": made.layers,
        "in_fp32": made.excluded,
        "agreement": round(made.agreement, 5),
    }


def _fit_temperature(
    model: DeployableSegmenter, labels: Sequence[str], scenes: Recipe, options: ExportOptions, say: Say
) -> dict[str, Any]:
    """Set the temperature of the model; what the contract says of it."""
    if options.temperature is not None or not options.scenes:
        model.temperature.fill_(1.0 if options.temperature is None else options.temperature)
        return {}
    pixels = collect_pixels(model, held_out_scenes(Purpose.TEMPERATURE, options.scenes, scenes), labels)
    temperature = fit_temperature(pixels)
    before, after = pixels.calibration_error(1.0), pixels.calibration_error(temperature)
    model.temperature.fill_(temperature)
    say(
        f"temperature {temperature:.3f} from {len(pixels.truth)} pixels of {options.scenes} scenes: calibration error"
        f" {before:.2%} before, {after:.2%} after; log loss {pixels.loss(1.0):.4f} and {pixels.loss(temperature):.4f}"
    )
    facts = {"scenes": options.scenes, "first_seed": int(Purpose.TEMPERATURE)}
    return {"softmax": {**facts, "ece_before": round(before, 5), "ece_after": round(after, 5)}}


def _fit_thresholds(path: Path, exported: Exported, scenes: Recipe, options: ExportOptions, say: Say) -> None:
    """Find the thresholds of rejection of a file and write them into its contract."""
    if not options.lost:
        return
    count = options.scenes
    strange = held_out_scenes(Purpose.REJECT_STRANGE, _STRANGE_SCENES * count, strange_recipe())
    alone = held_out_scenes(Purpose.REJECT_NOISE, _NOISE_SCENES * count, noise_recipe(scenes))
    bands = collect_bands(Session(path, threads=1), itertools.chain(strange, alone))
    thresholds = fit_thresholds(bands, lost=options.lost)
    error, figures = band_calibration_error(bands), cross_validate(bands, lost=options.lost)
    for label, counts in (figures or count_rejections(bands, {})).items():
        below = f"below {thresholds[label]:.3f}" if label in thresholds else "no threshold"
        say(f"{label}: {below}; {counts} (thresholds of one half of the scenes on the other)")
    if error is not None:
        say(f"confidence of bands: {error:.2%} off the share that is right, on the mean")
    facts = {
        "strange_scenes": _STRANGE_SCENES * count,
        "noise_scenes": _NOISE_SCENES * count,
        "first_seeds": [int(Purpose.REJECT_STRANGE), int(Purpose.REJECT_NOISE)],
        "lost": options.lost,
        "band_ece": None if error is None else round(error, 5),
        "classes": {label: asdict(counts) for label, counts in figures.items()},
    }
    calibration = {**exported.contract.calibration, "reject": facts}
    exported.contract = replace(exported.contract, reject_below=thresholds, calibration=calibration)
    with replacing(path) as target:
        target.write_bytes(path.read_bytes())
        write_contract(target, exported.contract)


def _training_facts(state: Checkpoint) -> dict[str, Any]:
    """Where the weights are from."""
    return {
        **network_facts(state.recipe.network, state.network),
        **state.progress,
        "recipe": state.recipe.to_record(),
        "commit": _commit(),
    }


def _commit() -> str:
    """Commit of the source tree, or "unknown" outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
