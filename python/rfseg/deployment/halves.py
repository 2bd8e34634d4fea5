"""Weights stored as float16: half the file, the same arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

__all__ = ["store_halves"]

_WEIGHT_DIMS = 4  # of convolutions; batch norms, biases and the selective scan have fewer and stay as they are
_WIDENED = ".fp32"  # ending of the value that a stored weight becomes


def store_halves(source: Path, target: Path) -> float:
    """Store the weights of convolutions as float16 and widen them again where they are read.

    ONNX Runtime widens them once, when it loads the file: the graph computes in float32 as before.  Initialisers keep
    their names and shapes.

    Returns
    -------
    float
        Largest change of a weight re the largest weight of its tensor.
    """
    model = onnx.load(str(source))
    graph = model.graph
    worst, widened = 0.0, {}
    for index, tensor in enumerate(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != _WEIGHT_DIMS:
            continue
        values = numpy_helper.to_array(tensor)
        halves = values.astype(np.float16)
        scale = float(np.abs(values).max())
        if not np.isfinite(halves).all() or scale == 0.0:
            continue
        worst = max(worst, float(np.abs(halves.astype(np.float32) - values).max()) / scale)
        graph.initializer[index].CopyFrom(numpy_helper.from_array(halves, tensor.name))
        widened[tensor.name] = tensor.name + _WIDENED
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = widened.get(name, name)
    casts = [onnx.helper.make_node("Cast", [n], [w], name=w, to=TensorProto.FLOAT) for n, w in widened.items()]
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(target))
    return worst
