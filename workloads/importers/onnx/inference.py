"""Shapes of an ONNX model's tensors as far as the file tells them. Built on onnx's shape inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.importers.imported import require
from workloads.importers.onnx.tensors import first_line

Sizes = tuple[int | None, ...]

_SMALL = 1 << 14  # elements; larger initializers are weights, which no shape depends on
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")  # of operators that are what their names say
# The runtime's own domain has these for integers of 16 bits, which the standard ones took in later.
_STANDARD_ELSEWHERE = {"com.microsoft": ("QuantizeLinear", "DequantizeLinear")}
# Operators of exporters for quantized networks: each value is rounded in its place (QONNX, Quant).
_ROUNDING = ("Quant", "IntQuant", "FloatQuant", "BipolarQuant", "Trunc")


def standard(node: Any) -> bool:
    """Whether an operator is one of ONNX, or the same under another domain."""
    return node.domain in DOMAINS or node.op_type in _STANDARD_ELSEWHERE.get(node.domain, ())


def tensor_type(value: Any) -> Any:
    """The type of a tensor, or of the tensors of a sequence."""
    kind = value.type
    return kind.sequence_type.elem_type.tensor_type if kind.HasField("sequence_type") else kind.tensor_type


def sizes_of(value: Any) -> Sizes:
    """A tensor's sizes, None for each that is open."""
    return tuple(one.dim_value if one.dim_value > 0 else None for one in tensor_type(value).shape.dim)


def inferred_shapes(model: Any) -> tuple[dict[str, Sizes], str]:
    """Shapes by tensor name, and why they contradict one another, or empty.

    From a copy of the model in which weights are inputs: their values decide no shape.
    """
    skeleton = _skeleton(model)
    graph, fault = skeleton.graph, ""
    inference = require("onnx", "onnx", "ONNX files").shape_inference
    try:
        graph = inference.infer_shapes(skeleton, strict_mode=True, data_prop=True).graph
    except Exception as error:  # noqa: BLE001 (onnx raises several unrelated types)
        fault = first_line(error).removeprefix("[ShapeInferenceError] ").removeprefix("Inference error(s): ")
    values = [*graph.value_info, *graph.output, *graph.input]
    shapes = {value.name: sizes_of(value) for value in values if value.type.tensor_type.HasField("shape")}
    # Shapes of initializers come last and win: they are what the file holds, not what was inferred.
    known = {one.name: one.dims for one in model.graph.initializer}
    known |= {one.values.name: one.dims for one in model.graph.sparse_initializer}
    return shapes | {name: tuple(dims) for name, dims in known.items()}, fault


def _skeleton(model: Any) -> Any:
    onnx, graph = require("onnx", "onnx", "ONNX files"), model.graph
    # Older versions of the format demand that initializers are inputs too, which the skeleton's are not.
    skeleton = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    skeleton.graph.name = "shapes"
    names = {tensor.name for tensor in graph.initializer}
    # Inference serializes its model, so that the copy goes without the weights; small initializers stay, as shapes may
    # be computed from them.
    skeleton.graph.input.extend(value for value in graph.input if value.name not in names)
    skeleton.graph.output.extend(graph.output)
    skeleton.graph.value_info.extend(graph.value_info)
    info = onnx.helper.make_tensor_value_info
    for tensor in graph.initializer:
        if int(np.prod(tensor.dims)) <= _SMALL and not tensor.external_data:
            skeleton.graph.initializer.append(tensor)
        else:
            skeleton.graph.input.append(info(tensor.name, tensor.data_type, tensor.dims))
    for tensor in graph.sparse_initializer:
        skeleton.graph.input.append(info(tensor.values.name, tensor.values.data_type, tensor.dims))
    skeleton.graph.node.extend(_known(onnx, node) for node in graph.node)
    return skeleton


def _known(onnx: Any, node: Any) -> Any:
    """An operator that inference knows, with the shapes of the node."""
    if node.domain in DOMAINS:
        return node
    if standard(node):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.domain = ""
        return copy
    if node.op_type in _ROUNDING and node.input and node.output:
        return onnx.helper.make_node("Identity", node.input[:1], node.output[:1])
    return node
