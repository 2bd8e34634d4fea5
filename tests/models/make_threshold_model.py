"""Build ``threshold.onnx``: a model of four thresholds, so that no test depends on trained weights.

A pixel is NR where the mean power exceeds -40 dBFS, else LTE where it exceeds -70 dBFS; it is Radar,
whatever else holds, where the maximum of its segments lies more than 15 dB above their mean.  What
remains is Noise.  :func:`threshold_mask` says the same in NumPy; the golden mask is made by it and
not by the graph.

Run from the repository root, with the ``onnx`` package installed::

    python tests/models/make_threshold_model.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rfseg.contract import ClassKind, Contract, SignalClass, golden_rows, make_golden

LTE_DBFS = -70.0
NR_DBFS = -40.0
RADAR_DB = 15.0  # maximum over mean
NOISE_CONFIDENCE, SIGNAL_CONFIDENCE = 230, 204  # of 255
GOLDEN_SEED, GOLDEN_BINS = 1, 64
NAME = "threshold"


def threshold_mask(rows: np.ndarray) -> np.ndarray:
    """Class ids, uint8 ``(T, F)``, of rows ``(2, T, F)`` in dBFS: the specification of the graph."""
    mean, peak = rows
    return np.select([peak - mean > RADAR_DB, mean > NR_DBFS, mean > LTE_DBFS], [3, 2, 1], 0).astype(np.uint8)


def make_contract() -> Contract:
    """What the model promises."""
    classes = (
        SignalClass(label="Noise", kind=ClassKind.BACKGROUND),
        SignalClass(label="LTE", kind=ClassKind.CARRIER),
        SignalClass(label="NR", kind=ClassKind.CARRIER),
        SignalClass(label="Radar", kind=ClassKind.PULSED),
    )
    return Contract(
        name=NAME,
        classes=classes,
        samp_rate_range=(15.36e6, 122.88e6),
        frame_duration_range=(1e-3, 40e-3),
        default_frame_duration=20e-3,
        licence="GPL-3.0-or-later",
        golden=make_golden(threshold_mask(golden_rows(GOLDEN_SEED, GOLDEN_BINS)), seed=GOLDEN_SEED),
    )


def make_graph(path: Path) -> None:
    """Write the ONNX graph, without a contract, to ``path``."""
    import onnx
    from onnx import TensorProto, helper

    def scalar(name: str, value: float, dtype: int) -> onnx.TensorProto:
        return helper.make_tensor(name, dtype, [], [value])

    thresholds = (("lte_dbfs", LTE_DBFS), ("nr_dbfs", NR_DBFS), ("radar_db", RADAR_DB))
    ids = (("noise_id", 0), ("lte_id", 1), ("nr_id", 2), ("radar_id", 3))
    confidences = (("noise_confidence", NOISE_CONFIDENCE), ("signal_confidence", SIGNAL_CONFIDENCE))
    constants = [scalar(n, v, TensorProto.FLOAT) for n, v in thresholds]
    constants += [scalar(n, v, TensorProto.UINT8) for n, v in ids + confidences]
    constants += [helper.make_tensor(n, TensorProto.INT64, [], [i]) for n, i in (("mean_index", 0), ("max_index", 1))]
    nodes = [
        helper.make_node("Gather", ["rows", "mean_index"], ["mean"], axis=1),  # (N, T, F)
        helper.make_node("Gather", ["rows", "max_index"], ["peak"], axis=1),  # (N, T, F)
        helper.make_node("Sub", ["peak", "mean"], ["excess"]),
        helper.make_node("Greater", ["excess", "radar_db"], ["is_radar"]),
        helper.make_node("Greater", ["mean", "nr_dbfs"], ["is_nr"]),
        helper.make_node("Greater", ["mean", "lte_dbfs"], ["is_carrier"]),
        helper.make_node("Where", ["is_carrier", "lte_id", "noise_id"], ["mask_lte"]),
        helper.make_node("Where", ["is_nr", "nr_id", "mask_lte"], ["mask_nr"]),
        helper.make_node("Where", ["is_radar", "radar_id", "mask_nr"], ["mask"]),
        helper.make_node("Or", ["is_carrier", "is_radar"], ["is_signal"]),
        helper.make_node("Where", ["is_signal", "signal_confidence", "noise_confidence"], ["confidence"]),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["N", 2, 256, "F"])],
        [
            helper.make_tensor_value_info(n, TensorProto.UINT8, ["N", 256, "F"])
            for n in ("mask", "confidence")
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def main() -> None:
    """Write ``threshold.onnx`` beside this file."""
    from rfseg.contract import write_contract

    path = Path(__file__).with_name(f"{NAME}.onnx")
    make_graph(path)
    write_contract(path, make_contract())


if __name__ == "__main__":
    main()
