"""What the operators of ONNX are to a graph of maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.graph import Kind
from workloads.importers.onnx.graph import OnnxGraph

# They give the map that they read; Dropout does nothing outside training.
THROUGH = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike"}) | {
    "Identity",
    "Dropout",
}
MEASURES = frozenset({"Shape", "Size"})  # what they give depends on no value
_ACTIVATIONS = (
    *("Relu", "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Elu", "Selu"),
    *("Celu", "Tanh", "Softplus", "Softsign", "Mish", "Gelu", "Swish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg"),
    *("Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sin", "Cos"),
)
_SCALES = ("Add", "Sub", "Mul", "Div")  # with a constant: a scale or a shift
_SUMS = (*_SCALES, "Sum", "Max", "Min", "Mean", "Pow")
# Not channel by channel, but each gives a map of the shape that it reads, in the same order.
_WHOLE = ("LayerNormalization", "GroupNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "LRN", "Hardmax")
_NORMALISE = ("BatchNormalization", "InstanceNormalization")
ALIKE = frozenset({*_ACTIVATIONS, *_SUMS, *_WHOLE, *_NORMALISE})
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), "pool"),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"), "pool"),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"), "pool"),
    **dict.fromkeys(_SUMS, "add"),
    "Concat": "concat",
    **dict.fromkeys(("Upsample", "Resize"), "upsample"),
    **dict.fromkeys(_ACTIVATIONS, "activation"),
    **dict.fromkeys(_NORMALISE, "normalise"),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Pad", "Split", "Slice"), "reshape"),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), "reshape"),
}
_DOMAINS = ("", "ai.onnx")


def kind_of(model: OnnxGraph, node: Any, maps: int) -> Kind:
    """What a node is that reads so many maps, as far as the operator alone tells."""
    kind = _KINDS.get(node.op_type, "other") if node.domain in _DOMAINS else "other"
    if node.op_type in _SUMS and maps == 1:
        return "normalise" if node.op_type in _SCALES else "activation"
    if node.op_type == "Resize" and _smaller(model, node):
        return "pool"
    # A step of -1 turns an axis round, so that channels would no longer be where they were.
    if node.op_type == "Slice" and not _forward(model, node):
        return "other"
    # Transposed images of a batch are not one image's map any more.
    if node.op_type == "Transpose" and model.attributes(node).get("perm", (1,))[0] != 0:
        return "other"
    return kind


def _smaller(model: OnnxGraph, node: Any) -> bool:
    before, after = model.shape(node.input[0]), model.shape(node.output[0])
    return before is not None and after is not None and all(a <= b for a, b in zip(after, before, strict=True))


def _forward(model: OnnxGraph, node: Any) -> bool:
    if len(node.input) < 5 or not node.input[4]:
        return True
    return model.is_constant(node.input[4]) and bool(np.all(model.constant(node.input[4]) > 0))


def reduces_positions(model: OnnxGraph, node: Any, axes: int, *, rows: bool) -> bool:
    """Whether a reduction is over all positions of a map of so many axes and over nothing else.

    rows  channels come last
    """
    given = model.attributes(node).get("axes")
    if given is None and len(node.input) > 1 and node.input[1] and model.is_constant(node.input[1]):
        given = model.constant(node.input[1]).reshape(-1).tolist()
    positions = range(1, axes - 1) if rows else range(2, axes)
    return given is not None and {int(axis) % axes for axis in given} == set(positions)
