"""ONNX models: convolutions, fully connected layers and products with constant weights; activations from a run.

Layers: Conv and ConvTranspose (1-D to 3-D), QLinearConv, ConvInteger, Gemm, MatMul, Einsum, QLinearMatMul,
MatMulInteger, LSTM, GRU, RNN. Quantized tensors keep
their integers less the zero point, so that 0 is the number 0. A 1-D convolution is a 2-D one over a single row.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.feeds import read_feeds
from workloads.importers.graph_nodes import build
from workloads.importers.imported import (
    DENSE_INPUTS,
    STEPS,
    FoundLayer,
    Imported,
    ImportOptions,
    Made,
    less_zero_point,
    omitted_operators,
    product_activations,
    product_layer,
    shares_by_input,
    workload_of,
)
from workloads.importers.importer import importer
from workloads.importers.onnx.bodies import enter_bodies
from workloads.importers.onnx.capture import capture
from workloads.importers.onnx.graph import OnnxGraph, label
from workloads.importers.onnx.moving import Run, einsum_layer, moving_layer
from workloads.importers.onnx.nodes import graph_of
from workloads.importers.onnx.operators import EMPTY, RECURRENT, Operator, find_operators, stored_output
from workloads.importers.onnx.recurrent import recurrent_layers
from workloads.importers.onnx.settling import settle_lengths, settle_shapes
from workloads.importers.onnx.transposed import transposed_parts
from workloads.layer import Layer, Pads
from workloads.whole_numbers import ceil_div


@importer("ONNX", ".onnx")
def import_onnx(path: Path, options: ImportOptions) -> Imported:
    """The layers of an ONNX file in order. Raises `InputError` naming the file and the node."""
    graph = OnnxGraph(path, options)
    feeds = read_feeds(options, graph.inputs, "NCHW") if options.inputs else None
    graph, taken = enter_bodies(graph, feeds)
    taken += settle_shapes(graph, feeds)
    settle_lengths(graph, feeds)
    operators, seen = find_operators(graph)
    # What is stored may be the output of a later ReLU, whose zeros are the ones that count.
    ends = {one.name: stored_output(graph, one.node) for one in operators}
    tensors: dict[str, np.ndarray] = {}
    inputs = runs = 1
    if feeds is not None:
        inputs, runs = feeds.inputs, len(feeds.samples)
        # Constants need no run; all other tensors that a layer reads or ends in are asked of one run together.
        names = [name for one in operators for name in [*one.tensors, ends[one.name]] if not graph.is_constant(name)]
        tensors = capture(graph, names, feeds)
    run = Run(graph, tensors, runs)
    # A second stage of a detector that found nothing reads maps without an image.
    empty = [one for one in operators if run.is_empty(one)]
    operators = [one for one in operators if one not in empty]
    omitted = omitted_operators([*seen, *((one.node.op_type, EMPTY) for one in empty)])
    found = [_layers(run, one, options, ends[one.name], inputs) for one in operators]
    steps = (STEPS,) if any(one.node.op_type in RECURRENT for one in operators) else ()
    warnings = (*(() if options.inputs else (DENSE_INPUTS,)), *taken, *steps)
    norms = [norm for one in operators if (norm := _batch_norm(graph, one))] if options.fold_batch_norm else []
    drawn = build(lambda: graph_of(graph, zip(operators, found, strict=True), norms))
    workload = workload_of(path.stem, itertools.chain.from_iterable(found), str(path), omitted, drawn, inputs)
    workload = replace(workload, files=graph.external_files(), notes=(*workload.notes, *taken, *steps))
    return Imported(workload, omitted, warnings)


def _layers(run: Run, one: Operator, options: ImportOptions, end: str, inputs: int) -> list[FoundLayer]:
    """The layers of an operator; most have one."""
    densities = _output_densities(run.graph, run.tensors, end, inputs)
    return [
        replace(layer, output_densities=densities) if layer.stored else layer
        for layer in _found(run, one, options, end)
    ]


def _found(run: Run, one: Operator, options: ImportOptions, end: str) -> list[FoundLayer]:
    density = _output_density(run.graph, run.tensors, end)
    if one.moving:
        return [moving_layer(run, one, density)]
    if one.node.op_type == "ConvTranspose":
        return transposed_parts(run, one, options.transposed, density)
    if one.node.op_type in RECURRENT:
        return recurrent_layers(run, one, density)
    return [_layer(run.graph, one, options, run.tensors, end)]


def _layer(
    graph: OnnxGraph, one: Operator, options: ImportOptions, tensors: dict[str, np.ndarray], end: str
) -> FoundLayer:
    if one.activations in tensors:
        # A run tells sizes that stay open in the file.
        graph.learn_shape(one.activations, tensors[one.activations].shape)
    shape = graph.shape(one.activations)
    if shape is None:
        raise InputError(
            f"{graph.path}: {label(one.node)}: the size of its input '{one.activations}' is not known: "
            f"{graph.unsettled}"
        )
    try:
        return (
            _product(graph, one, shape, tensors, end)
            if one.product
            else _conv(graph, one, options, shape, tensors, end)
        )
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(graph.path)) else f"{graph.path}: {text}") from None


def _conv(
    graph: OnnxGraph,
    one: Operator,
    options: ImportOptions,
    shape: tuple[int, ...],
    tensors: dict[str, np.ndarray],
    end: str,
) -> FoundLayer:
    weight_shape = graph.shape(one.weights)
    if weight_shape is None or len(weight_shape) != len(shape) or not 3 <= len(shape) <= 5:
        raise InputError(f"{label(one.node)}: input of shape {shape} with weights of shape {weight_shape}")
    layer = _conv_layer(one, shape, weight_shape)
    factor = _batch_norm_factor(graph, one) if options.fold_batch_norm else None

    def weights() -> np.ndarray:
        values = _weights(graph, one)
        if factor is not None:
            # 64 factors as (64, 1, 1, 1): one for each filter.
            values = values * factor.reshape(-1, *[1] * (values.ndim - 1))
        return values.reshape(layer.weight_shape)

    held = _activations(graph, one, tensors)
    activations = None if held is None else held.reshape(layer.input_shape)
    return FoundLayer(layer, Made(weights), activations, _output_density(graph, tensors, end))


def _conv_layer(one: Operator, shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> Layer:
    axes = len(shape) - 2
    kernel = weight_shape[2:]
    stride = tuple(one.attributes.get("strides", (1,) * axes))
    dilation = tuple(one.attributes.get("dilations", (1,) * axes))
    groups = one.attributes.get("group", 1)
    if weight_shape[1] * groups != shape[1]:
        raise InputError(
            f"{label(one.node)}: weights take {weight_shape[1]} x {groups} (groups) channels, its input has {shape[1]}"
        )
    size = shape[2:]
    around = one.around or ((0, 0),) * axes
    # A Pad operator's zeros come before the convolution's own padding, which is counted on the padded map; both are
    # zeros, so that the layer has their sum.
    padded = tuple(length + sum(pair) for length, pair in zip(size, around, strict=True))
    own = _pads(one.attributes, padded, kernel, stride, dilation)
    pads = tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(around, own, strict=True))
    # A row is put before the only axis: height 1, a kernel of height 1, no padding above or below.
    if axes == 1:
        size, kernel, stride, dilation, pads = (1, *size), (1, *kernel), (1, *stride), (1, *dilation), ((0, 0), *pads)
    return Layer(
        name=one.name,
        in_channels=shape[1],
        out_channels=weight_shape[0],
        input_size=size,
        kernel_size=kernel,
        stride=stride,
        padding=pads,
        dilation=dilation,
        groups=groups,
        batch=shape[0],
    )


def _pads(
    attributes: dict[str, Any], size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: Any
) -> Pads:
    """Padding (before, after) of each axis, from `pads` or `auto_pad` (ONNX operators, Conv)."""
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if auto == "VALID":
        return ((0, 0),) * len(size)
    if auto == "NOTSET":
        # ONNX lists all beginnings and then all ends: (1, 2, 3, 4) are 1 above and 3 below, 2 on the left and 4 on the
        # right.
        pads = tuple(attributes.get("pads", (0,) * 2 * len(size)))
        return tuple(zip(pads[: len(size)], pads[len(size) :], strict=True))
    pairs = []
    for length, taps, step, spread in zip(size, kernel, stride, dilation, strict=True):
        # As many outputs as strides fit: 7 rows at stride 2 give 4, which span 3 * 2 + 3 = 9 rows with 3 taps, so 2 are
        # missing. An odd one goes behind with SAME_UPPER, before with SAME_LOWER.
        total = max((ceil_div(length, step) - 1) * step + (taps - 1) * spread + 1 - length, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(pairs)


def _product(
    graph: OnnxGraph, one: Operator, shape: tuple[int, ...], tensors: dict[str, np.ndarray], end: str
) -> FoundLayer:
    if one.notation is not None:
        return einsum_layer(Run(graph, tensors, 1), one, one.notation, _output_density(graph, tensors, end))
    weight_shape = graph.shape(one.weights)
    if weight_shape is None or len(weight_shape) != 2:
        raise InputError(f"{label(one.node)}: weights have shape {weight_shape}, must be a matrix")
    # Gemm may take either side transposed; other products have no such attributes.
    turn_inputs, turn_weights = (one.attributes.get(key, 0) for key in ("transA", "transB"))
    rows, features = _rows(shape, turn_inputs)
    in_features, out_features = reversed(weight_shape) if turn_weights else weight_shape
    if features != in_features:
        raise InputError(f"{label(one.node)}: weights take {in_features} features, its input has {features}")
    layer = product_layer(one.name, rows, in_features, out_features)

    def weights() -> np.ndarray:
        values = _weights(graph, one)
        # A product's weights are (in, out), a layer's (out, in): they are turned unless the operator turns them itself.
        return np.ascontiguousarray(values if turn_weights else values.T).reshape(layer.weight_shape)

    held = _activations(graph, one, tensors)
    if held is not None:
        held = product_activations(layer, np.swapaxes(held, -1, -2) if turn_inputs else held)
    return FoundLayer(layer, Made(weights), held, _output_density(graph, tensors, end))


def _rows(shape: tuple[int, ...], turned: Any) -> tuple[tuple[int, ...], int]:
    """Axes of rows, and features, of a product's input."""
    if turned:
        shape = (*shape[:-2], shape[-1], shape[-2])
    return shape[:-1], shape[-1]


def _weights(graph: OnnxGraph, one: Operator) -> np.ndarray:
    values = graph.constant(one.weights)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{graph.path}: {label(one.node)}: weights '{one.weights}' hold a value that is not finite")
    if one.weight_zero is None:
        return values
    if not graph.is_constant(one.weight_zero):
        raise InputError(f"{graph.path}: {label(one.node)}: the weights' zero point is computed, not constant")
    axis = 1 if one.product and not one.attributes.get("transB", 0) else 0  # where output channels lie
    return less_zero_point(values, graph.constant(one.weight_zero), axis)


def _activations(graph: OnnxGraph, one: Operator, tensors: dict[str, np.ndarray]) -> np.ndarray | None:
    if one.activations not in tensors:
        return None
    if one.activation_zero is None:
        return tensors[one.activations]
    zero = tensors.get(one.activation_zero)
    return less_zero_point(tensors[one.activations], graph.constant(one.activation_zero) if zero is None else zero)


def _output_density(graph: OnnxGraph, tensors: dict[str, np.ndarray], end: str) -> float:
    """Share of non-zeros (or values off the zero point) in what the layer's outputs become; 1.0 without a run."""
    return next(iter(_output_densities(graph, tensors, end, 1)), 1.0)


def _output_densities(graph: OnnxGraph, tensors: dict[str, np.ndarray], end: str, inputs: int) -> tuple[float, ...]:
    """The same of each input; none without a run."""
    # A quantized output is stored as zero where it equals its zero point, which need not be the integer 0.
    return shares_by_input(tensors[end] != _output_zero(graph, end), inputs) if end in tensors else ()


def _output_zero(graph: OnnxGraph, end: str) -> Any:
    node = graph.producers[end]
    # Where each operator's inputs hold the zero point of its output; others have none, so that 0 is the number 0.
    place = {"QLinearConv": 7, "QLinearMatMul": 7, "QuantizeLinear": 2}.get(node.op_type, len(node.input))
    zero = node.input[place] if place < len(node.input) else ""
    return graph.constant(zero) if zero and graph.is_constant(zero) else 0


def _batch_norm(graph: OnnxGraph, one: Operator) -> Any:
    """The batch normalization that alone reads a convolution's outputs, and has constants; else None."""
    # A second reader, or the model's user, sees outputs without the scale, so that it cannot be moved into the weights.
    readers = graph.consumers[one.node.output[0]]
    if one.node.op_type != "Conv" or one.node.output[0] in graph.outputs or len(readers) != 1:
        return None
    (norm,) = readers
    constant = norm.op_type == "BatchNormalization" and all(graph.is_constant(name) for name in norm.input[1:])
    return norm if constant else None


def _batch_norm_factor(graph: OnnxGraph, one: Operator) -> np.ndarray | None:
    """Factor scale / sqrt(variance + epsilon) of each filter, where a batch normalization can be folded."""
    norm = _batch_norm(graph, one)
    if norm is None:
        return None
    # BatchNormalization reads X, scale, B, mean and variance. Mean and B shift outputs and leave the weights as they
    # are.
    scale, variance = graph.constant(norm.input[1]), graph.constant(norm.input[4])
    return scale / np.sqrt(variance + graph.attributes(norm).get("epsilon", 1e-5))
