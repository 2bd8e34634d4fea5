"""Build ``picture.onnx``: a model of the family ``published`` without a network, so that no test depends on trained weights.

The level of a pixel, 0 to 255 between the frame's limits, decides: above 235 it is Radar, above 150 LTE, else Noise.
:func:`picture_mask` says the same in NumPy; the golden mask is made by it and not by the graph.

Run from the repository root, with the ``onnx`` package installed::

    python tests/models/make_picture_model.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rfseg.contract import ClassKind, Contract, SignalClass, golden_limits, golden_rows, make_golden
from rfseg.geometry import Reduction
from rfseg.published_geometry import PictureRule

LTE_LEVEL, RADAR_LEVEL = 150.0, 235.0
CONFIDENCE = 204  # of 255
SIZE = 64  # rows and bins
SAMP_RATE = 15.36e6  # Hz
FRAME_DURATION = 1e-3  # s
GOLDEN_SEED = 2
NAME = "picture"


def picture_mask(rows: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Class ids, uint8 ``(T, F)``, of rows ``(1, T, F)`` and limits ``(2,)`` in dB: the specification of the graph."""
    level = 255.0 * (rows[0] - limits[0]) / (limits[1] - limits[0])
    return np.select([level > RADAR_LEVEL, level > LTE_LEVEL], [3, 1], 0).astype(np.uint8)


def make_contract() -> Contract:
    """What the model promises."""
    classes = (
        SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
        SignalClass(label="LTE", kind=ClassKind.CARRIER),
        SignalClass(label="NR", kind=ClassKind.CARRIER),
        SignalClass(label="Radar", kind=ClassKind.PULSED),
    )
    rows = golden_rows(GOLDEN_SEED, SIZE, channels=1, rows=SIZE)
    return Contract(
        name=NAME,
        classes=classes,
        samp_rate_range=(SAMP_RATE, SAMP_RATE),
        frame_duration_range=(FRAME_DURATION, FRAME_DURATION),
        default_frame_duration=FRAME_DURATION,
        licence="GPL-3.0-or-later",
        golden=make_golden(picture_mask(rows, golden_limits(rows)), seed=GOLDEN_SEED),
        family="published",
        window="hann-symmetric",
        time_direction="reverse",
        rows=SIZE,
        reductions=(Reduction.FIRST,),
        published=PictureRule(class_order=("LTE", "NR", "Radar", "Noise")),
    )


def make_graph(path: Path) -> None:
    """Write the ONNX graph, without a contract, to ``path``."""
    import onnx
    from onnx import TensorProto, helper

    def constant(name: str, dtype: int, shape: list[int], values: list[float]) -> onnx.TensorProto:
        return helper.make_tensor(name, dtype, shape, values)

    constants = [
        constant("full", TensorProto.FLOAT, [], [255.0]),
        constant("lte_level", TensorProto.FLOAT, [], [LTE_LEVEL]),
        constant("radar_level", TensorProto.FLOAT, [], [RADAR_LEVEL]),
        *(constant(name, TensorProto.UINT8, [], [i]) for name, i in (("noise_id", 0), ("lte_id", 1), ("radar_id", 3))),
        constant("channel", TensorProto.INT64, [1], [1]),
        constant("to_pixel", TensorProto.INT64, [3], [-1, 1, 1]),
        *(constant(name, TensorProto.INT64, [], [i]) for name, i in (("low_index", 0), ("high_index", 1))),
        constant("certainty", TensorProto.UINT8, [], [CONFIDENCE]),
        constant("zero", TensorProto.UINT8, [], [0]),
    ]
    nodes = [
        helper.make_node("Squeeze", ["rows", "channel"], ["power"]),  # (N, T, F)
        helper.make_node("Gather", ["limits", "low_index"], ["lows"], axis=1),  # (N,)
        helper.make_node("Gather", ["limits", "high_index"], ["highs"], axis=1),
        helper.make_node("Reshape", ["lows", "to_pixel"], ["low"]),  # (N, 1, 1)
        helper.make_node("Reshape", ["highs", "to_pixel"], ["high"]),
        helper.make_node("Sub", ["high", "low"], ["span"]),
        helper.make_node("Sub", ["power", "low"], ["above"]),
        helper.make_node("Div", ["above", "span"], ["share"]),
        helper.make_node("Mul", ["share", "full"], ["level"]),
        helper.make_node("Greater", ["level", "lte_level"], ["is_lte"]),
        helper.make_node("Greater", ["level", "radar_level"], ["is_radar"]),
        helper.make_node("Where", ["is_lte", "lte_id", "noise_id"], ["carriers"]),
        helper.make_node("Where", ["is_radar", "radar_id", "carriers"], ["mask"]),
        helper.make_node("Mul", ["mask", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "certainty"], ["confidence"]),
    ]
    inputs = [
        helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 1, SIZE, SIZE]),
        helper.make_tensor_value_info("limits", TensorProto.FLOAT, ["N", 2]),
    ]
    outputs = [helper.make_tensor_value_info(n, TensorProto.UINT8, ["N", SIZE, SIZE]) for n in ("mask", "confidence")]
    graph = helper.make_graph(nodes, NAME, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def main() -> None:
    """Write ``picture.onnx`` beside this file."""
    from rfseg.contract import write_contract

    path = Path(__file__).with_name(f"{NAME}.onnx")
    make_graph(path)
    write_contract(path, make_contract())


if __name__ == "__main__":
    main()
