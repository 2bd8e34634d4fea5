"""Static integers: convolutions in int8 between quantise and dequantise nodes, scales from scenes, all else in float32.

Transposed convolutions, the selective scan, gates, softmax and scaling are computed in float32.  Weights have 7 bits, one scale
for each output channel: processors without VNNI add products of 8 bits in 16 and saturate.  Batch norms are folded into
the convolutions first, so such a file runs and cannot be the start of a training.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from ..errors import OptionError

__all__ = ["Quantisation", "quantise_graph"]

_OPERATORS = ["Conv"]
_CHECK_FRAMES = 8  # of the calibration frames, on which agreement with float32 is looked at
_MOST_EXCLUDED = 0.5  # of the layers; a file with fewer integers is not worth its loss

Ranges = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """What was quantised.

    Parameters
    ----------
    layers : int
        Convolutions in the graph.
    agreement : float
        Share of the pixels of the check frames that are as in float32.
    excluded : list of str
        Weights of the convolutions left in float32, the most harmful first.
    """

    layers: int
    agreement: float
    excluded: list[str] = field(default_factory=list)


class _Frames(CalibrationDataReader):
    """Frames one by one, as the calibrator asks for them."""

    def __init__(self, name: str, frames: Sequence[np.ndarray]) -> None:
        self._feeds = iter([{name: frame} for frame in frames])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def quantise_graph(source: Path, target: Path, frames: Sequence[np.ndarray], *, agreement: float = 0.99) -> Quantisation:
    """Write the integer form of a float32 graph.

    Where all convolutions in int8 change more pixels than allowed, the first, which reads the features, stays in float32; where
    that is not enough, each is tried by itself, and those that change the most stay: 1, 2, 4 ... of them, up to half, until
    few enough pixels change.

    Parameters
    ----------
    frames : sequence of float32 ``(1, C, T, F)``
        Rows in dB that the scales are taken from.
    agreement : float
        Share of the pixels that should stay as they are.

    Raises
    ------
    OptionError
        If there are no frames.
    """
    if not frames:
        raise OptionError("int8 needs frames to take its scales from; give --scenes at least 1")
    with tempfile.TemporaryDirectory() as folder:
        job = _Job(source, Path(folder), frames)
        best, excluded = job.agreement([]), []
        for choice in job.choices():
            if best >= agreement:
                break
            share = job.agreement(choice)
            if share > best:
                best, excluded = share, choice
        job.write(target, excluded)
        weights = {node.name: node.input[1] for node in onnx.load(str(source)).graph.node if node.op_type in _OPERATORS}
        return Quantisation(layers=len(job.layers), agreement=best, excluded=[weights.get(n, n) for n in excluded])


class _Job:
    """One graph on its way to integers."""

    def __init__(self, source: Path, folder: Path, frames: Sequence[np.ndarray]) -> None:
        self._folded, self._trial = folder / "folded.onnx", folder / "trial.onnx"
        _fold(source, self._folded)
        model = onnx.load(str(self._folded))
        self._input = model.graph.input[0].name
        self.layers = [n.name for n in model.graph.node if n.op_type in _OPERATORS]
        calibrator = create_calibrator(
            self._folded, _OPERATORS, str(folder / "augmented.onnx"), CalibrationMethod.MinMax, providers=["CPUExecutionProvider"]
        )
        calibrator.collect_data(_Frames(self._input, frames))
        self._ranges = calibrator.compute_data()
        self._frames = list(frames[:_CHECK_FRAMES])
        self._masks = self._run(self._folded)

    def choices(self) -> Iterator[list[str]]:
        """What to leave in float32, the cheapest to find out first."""
        most = int(len(self.layers) * _MOST_EXCLUDED)
        if most:
            yield self.layers[:1]
            ranked = self._rank()
            yield from (ranked[: 2**power] for power in range(most.bit_length()))

    def _rank(self) -> list[str]:
        """Layers by the pixels that change when only they are integers, the most first."""
        harm = {layer: 1.0 - self.agreement([other for other in self.layers if other != layer]) for layer in self.layers}
        return sorted(self.layers, key=lambda layer: -harm[layer])

    def agreement(self, excluded: Sequence[str]) -> float:
        """Share of the pixels of the check frames that stay as they are."""
        self.write(self._trial, excluded)
        equal = [(a == b).mean() for a, b in zip(self._run(self._trial), self._masks, strict=True)]
        return float(np.mean(equal))

    def write(self, target: Path, excluded: Sequence[str]) -> None:
        """Write the graph with all layers but those excluded as integers."""
        quantiser = QDQQuantizer(
            onnx.load(str(self._folded)), True, True, QuantType.QInt8, QuantType.QUInt8, self._ranges,
            [], list(excluded), _OPERATORS, {"WeightSymmetric": True},
        )  # fmt: skip
        if len(set(excluded)) == len(self.layers):
            raise OptionError("every convolution is left out of int8; use fp16 or fp32")
        quantiser.quantize_model()
        quantiser.model.save_model_to_file(str(target), False)

    def _run(self, path: Path) -> list[np.ndarray]:
        session = onnxruntime.InferenceSession(str(path), _options(), providers=["CPUExecutionProvider"])
        name = session.get_outputs()[0].name
        return [session.run([name], {self._input: frame})[0] for frame in self._frames]


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    return options


def _fold(source: Path, target: Path) -> None:
    """Batch norms into convolutions, and whatever else ONNX Runtime simplifies on any processor alike."""
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
