"""A module as an ONNX graph in which every parameter keeps its name and its value.

The exporter's own optimiser folds batch norms into convolutions, under the convolutions' names, and whatever else
follows from parameters alone.  Here only what follows from constants of the code is folded: ONNX Runtime does the rest
when it loads the file, at the same speed in the end, and the file can be the start of a new training.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from onnx_ir.passes import common as passes
from onnxscript.optimizer import fold_constants
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules import common as rules
from torch import nn

__all__ = ["OPSET", "write_graph"]

OPSET = 18
_ROUNDS = 2  # folding makes room for rewriting, and the other way round
_RULES = (
    rules.cast_cast_rule,
    rules.materialize_reshape_shape_rule,
    rules.no_op_cast_rule,
    rules.no_op_expand_rule,
    rules.no_op_transpose_rule,
    rules.reshape_reshape_rule,
    rules.slice_split_rule,
    rules.squeeze_reshape_1d_rule,
    rules.transpose_transpose_rule,
    rules.unsqueeze_unsqueeze_rule,
)
_CLEANUPS = (
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    passes.CommonSubexpressionEliminationPass(),
    passes.OutputFixPass(),
    passes.NameFixPass(),
)


def write_graph(
    model: nn.Module,
    path: Path,
    *,
    inputs: dict[str, torch.Tensor],
    dynamic: tuple[dict[int, Any], ...],
    outputs: tuple[str, ...] = ("mask", "confidence"),
) -> None:
    """Write a module as ONNX; its initialisers are the entries of the state dict, all of them, under their names.

    Parameters
    ----------
    inputs : dict
        Example of each input by its name, in the order of ``forward``.
    dynamic : tuple of dict
        For each input the axes whose size is free, as ``torch.export.Dim``.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # of the exporter's own code
        program = torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=dynamic,
            input_names=list(inputs),
            output_names=list(outputs),
            optimize=False,
            verbose=False,
        )
    graph = program.model.graph
    state = model.state_dict()
    _simplify(program.model, parameters=set(state))
    _strip(program.model)
    _complete(graph, state)
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path), external_data=False)


def _simplify(model: ir.Model, *, parameters: set[str]) -> None:
    """Fold what follows from constants, and take out what does nothing; parameters stay as they are."""

    def may_fold(node: ir.Node) -> bool | None:
        return False if any(v is not None and v.name in parameters for v in node.inputs) else None

    for _ in range(_ROUNDS):
        fold_constants(model, onnx_shape_inference=True, should_fold=may_fold)
        rewrite(model, _RULES)
        passes.RemoveUnusedNodesPass()(model)
    for cleanup in _CLEANUPS:
        cleanup(model)


def _strip(model: ir.Model) -> None:
    """Drop the exporter's notes: stack traces, with the paths of the exporting machine."""
    graph: Iterable[Any] = model.graph
    for node in graph:
        node.metadata_props.clear()
        node.doc_string = None
    for value in (*model.graph.initializers.values(), *model.graph.inputs, *model.graph.outputs):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()


def _complete(graph: ir.Graph, state: dict[str, torch.Tensor]) -> None:
    """Add the entries of the state dict that no node reads, such as counters of batches."""
    for name, value in state.items():
        if name not in graph.initializers:
            tensor = ir.tensor(value.detach().cpu().numpy(), name=name)
            graph.register_initializer(ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor))
