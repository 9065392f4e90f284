"""TFLite models: convolutions and fully connected layers with constant weights, BATCH_MATMUL, recurrent layers, SVDF.

Weights may be sparse-encoded, float16, or integers, of which the zero point is taken off. Zeros that a PAD operator
puts around a convolution's input become the layer's own padding. Layers are named by operator number and kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
    omitted_operators,
    product_activations,
    product_layer,
    workload_of,
)
from workloads.importers.importer import importer
from workloads.importers.tflite.capture import capture, inputs_of
from workloads.importers.tflite.graph import DAMAGE, TfliteGraph
from workloads.importers.tflite.moving import MovingFound
from workloads.importers.tflite.nodes import LayerTensors, graph_of
from workloads.importers.tflite.recurrent import RECURRENT_KINDS, RecurrentFound, RecurrentKind
from workloads.importers.tflite.svdf import SvdfFound
from workloads.importers.tflite.transposed import TransposedFound
from workloads.layer import Layer, Pads
from workloads.whole_numbers import ceil_div

_KINDS = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "dw", "CONV_3D": "conv3d", "FULLY_CONNECTED": "fc"}
_KINDS_OF_THEIR_OWN: dict[str, tuple[str, type[MovingFound | TransposedFound | SvdfFound] | RecurrentKind]] = {
    "BATCH_MATMUL": ("matmul", MovingFound),
    "TRANSPOSE_CONV": ("up", TransposedFound),
    "SVDF": ("svdf", SvdfFound),
    **{name: (name.rpartition("_")[2].lower(), kind) for name, kind in RECURRENT_KINDS.items()},
}
_NOT_CONSTANT = "its weights are computed, not constant"
_STABLEHLO = "an operator of StableHLO, which is not read"
_BODY = "its body holds products, and is not entered"
_REASONS = {
    "CONV_3D_TRANSPOSE": "a transposed convolution over three axes, which is not read from TFLite files",
    **dict.fromkeys(("STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL"), _STABLEHLO),
    **dict.fromkeys(("STABLEHLO_COMPOSITE", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_WHILE"), _STABLEHLO),
}
# Operators that act on each element of one tensor, so that what they give is what the layer's outputs become.
_ELEMENTWISE = frozenset(
    {"PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "ELU", "GELU"}
    | {"QUANTIZE", "DEQUANTIZE"}
)
_SAME = 0  # Padding.SAME


@importer("TensorFlow Lite", ".tflite")
def import_tflite(path: Path, options: ImportOptions) -> Imported:
    """The layers of a TFLite file in order. Raises `InputError` naming the file and the operator."""
    try:
        return _import(path, options)
    except InputError as error:
        # Errors of a missing library and of an option (--mean) name themselves; all others get the file's name.
        text = str(error)
        raise InputError(text if text.startswith((str(path), "TFLite", "-")) else f"{path}: {text}") from None
    except DAMAGE:
        raise InputError(f"{path}: not a TFLite model, or truncated") from None


def _import(path: Path, options: ImportOptions) -> Imported:
    graph = TfliteGraph(path)
    found: list[_AnyFound] = []
    seen: list[tuple[str, str]] = []
    for number, name, operator in graph.operators:
        # An operator whose output is a constant, such as DEQUANTIZE of weights, passes by both branches: it is no work
        # of a run.
        if name in _KINDS_OF_THEIR_OWN:
            label, kind = _KINDS_OF_THEIR_OWN[name]
            reason = kind.refusal(graph, operator)
            if reason:
                seen.append((name, reason))
            else:
                found.append(kind.of(graph, f"op{number:03}_{label}", operator, _end(graph, int(operator.Outputs(0)))))
        elif name in _KINDS and graph.stored(int(operator.Inputs(1))) >= 0:
            found.append(_found(graph, f"op{number:03}_{_KINDS[name]}", name, operator))
        elif graph.stored(int(operator.Outputs(0))) < 0:
            seen.append((graph.label(name, operator), _reason(graph, name, operator)))
    omitted = omitted_operators(seen)
    tensors: dict[int, np.ndarray] = {}
    inputs = runs = 1
    if options.inputs:
        feeds = read_feeds(options, inputs_of(graph), "NHWC")
        inputs, runs = feeds.inputs, len(feeds.samples)
        tensors = capture(graph, [number for one in found for number in one.tensors], feeds)
    layers, read = list[FoundLayer](), list[LayerTensors]()
    for one in found:
        densities = graph.shares(one.end, tensors, inputs)
        made = _layers(graph, one, tensors, runs, options)
        layers += [replace(layer, output_densities=densities) if layer.stored else layer for layer in made]
        read.append(_read(one, made))
    steps = (STEPS,) if any(isinstance(one, RecurrentFound) for one in found) else ()
    drawn = build(lambda: graph_of(graph, read), *DAMAGE)
    workload = workload_of(path.stem, layers, str(path), omitted, drawn, inputs)
    warnings = (*(() if options.inputs else (DENSE_INPUTS,)), *steps)
    return Imported(replace(workload, notes=(*workload.notes, *steps)), omitted, warnings)


def _reason(graph: TfliteGraph, name: str, operator: Any) -> str:
    """Why an operator that is no layer is refused, or empty."""
    if name == "CUSTOM":
        return "an operator of the model's own, which may hold products"
    products = {*_KINDS, *_KINDS_OF_THEIR_OWN, *_REASONS, "CUSTOM"}
    if products & graph.names_in_bodies(name, operator):
        return _BODY
    return _NOT_CONSTANT if name in _KINDS else _REASONS.get(name, "")


def _layers(
    graph: TfliteGraph, one: _AnyFound, tensors: dict[int, np.ndarray], runs: int, options: ImportOptions
) -> list[FoundLayer]:
    """The layers of an operator; most have one."""
    if isinstance(one, _Found):
        return [_with_tensors(graph, one, tensors)]
    if isinstance(one, TransposedFound):
        return one.found(graph, tensors, options.transposed)
    return one.found(graph, tensors, runs)


def _read(one: _AnyFound, made: list[FoundLayer]) -> LayerTensors:
    """What the graph has to know of an operator's layers."""
    if isinstance(one, MovingFound):
        moving = made[0].layer.moving_weights
        sources = one.sides if moving else one.sides[:1]
        return LayerTensors(made, sources, one.output, "product" if moving else "layer", turned=one.turned[0])
    if isinstance(one, TransposedFound):
        return LayerTensors(made, (one.source,), one.output, "transposed")
    if isinstance(one, RecurrentFound):
        more = tuple(way.states for way in one.ways[1:] if way.part is None)
        return LayerTensors(made, (one.source,), one.output, "recurrent", turned=one.steps_first, more=more)
    if isinstance(one, SvdfFound):
        return LayerTensors(made, (one.source,), one.output, "svdf")
    return LayerTensors(made, (one.source,), one.output)


@dataclass(frozen=True)
class _Found:
    """A layer, the tensors of its input, of its output and of what that becomes, and its weights."""

    layer: Layer
    source: int
    output: int
    end: int
    weights: Made

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return self.source, self.end


_AnyFound = _Found | MovingFound | TransposedFound | RecurrentFound | SvdfFound


def _found(graph: TfliteGraph, label: str, name: str, operator: Any) -> _Found:
    weights = int(operator.Inputs(1))
    build = _product if name == "FULLY_CONNECTED" else _conv
    source, layer = build(graph, label, name, operator)
    stored = graph.stored(weights)
    # Stored weights may stand before DENSIFY or DEQUANTIZE, which change their form and not their number.
    if math.prod(graph.shapes[stored]) != layer.weight_count:
        raise InputError(f"{label}: weights of shape {graph.shapes[stored]} do not fit its input")

    def make() -> np.ndarray:
        values = graph.constant(weights)
        turned = values.transpose(_TO_FILTERS_FIRST[name]) if name in _TO_FILTERS_FIRST else values
        return np.ascontiguousarray(turned).reshape(layer.weight_shape)

    output = int(operator.Outputs(0))
    return _Found(layer, source, output, _end(graph, output), Made(make))


def _end(graph: TfliteGraph, number: int) -> int:
    """The tensor that a layer's outputs become before several operators, or one of many inputs, read them."""
    outputs = set(map(int, graph.graph.OutputsAsNumpy()))
    while number not in outputs and len(graph.readers.get(number, ())) == 1:
        name, reader = graph.readers[number][0]
        if name not in _ELEMENTWISE:
            break
        number = int(reader.Outputs(0))
    return number


def _with_tensors(graph: TfliteGraph, one: _Found, tensors: dict[int, np.ndarray]) -> FoundLayer:
    if not tensors:
        return FoundLayer(one.layer, one.weights)
    read = graph.real(one.source, tensors[one.source])
    # Several inputs run one after the other and are joined: the batch grows by as much as the first axis did.
    # A model of batch 1 that ran on three pictures has inputs (3, ...), and its layers the batch 1 * 3 // 1.
    first = graph.shapes[one.source][0]
    layer = one.layer.with_batch(one.layer.batch * len(read) // first)
    product = layer.fully_connected or read.ndim < 4
    # TFLite keeps channels last, (N, [D,] H, W, C).
    held = product_activations(layer, read) if product else np.moveaxis(read, -1, 1)
    return FoundLayer(layer, one.weights, held, graph.share(one.end, tensors))


# From (K, R, S, C), (1, R, S, K) and (T, R, S, C, K).
_TO_FILTERS_FIRST = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "CONV_3D": (4, 3, 0, 1, 2)}


def _product(graph: TfliteGraph, label: str, name: str, operator: Any) -> tuple[int, Layer]:
    del name
    out_features, in_features = graph.shapes[int(operator.Inputs(1))]
    shape = _known(graph, label, int(operator.Inputs(0)))
    # An input (1, 7, 7, 512) to weights of 25,088 features is read flat, as one row.
    rows = shape[:-1] if shape and shape[-1] == in_features else (math.prod(shape) // in_features,)
    if math.prod(rows) * in_features != math.prod(shape):
        raise InputError(f"{label}: weights take {in_features} features, its input has shape {shape}")
    return int(operator.Inputs(0)), product_layer(label, rows, in_features, out_features)


def _known(graph: TfliteGraph, label: str, number: int) -> tuple[int, ...]:
    shape = graph.shapes[number]
    if not all(size > 0 for size in shape):
        raise InputError(f"{label}: the size of its input is not known: {shape}")
    return shape


@dataclass(frozen=True)
class _Window:
    """How a convolution's kernel moves: per axis, and whether the ends are padded."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    same: bool


def _window(graph: TfliteGraph, label: str, name: str, operator: Any) -> _Window:
    kinds = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "CONV_3D": "Conv3DOptions"}
    chosen = graph.options(operator, kinds[name])
    stride = (chosen.StrideH(), chosen.StrideW())
    dilation = (chosen.DilationHFactor(), chosen.DilationWFactor())
    # The options hold the depth apart; spatial axes are depth first here.
    if name == "CONV_3D":
        stride, dilation = (chosen.StrideD(), *stride), (chosen.DilationDFactor(), *dilation)
    # Before SAME is counted with them.
    if min(*stride, *dilation) < 1:
        raise InputError(f"{label}: strides {stride} and dilation {dilation}: each must be at least 1")
    return _Window(stride, dilation, chosen.Padding() == _SAME)


def _conv(graph: TfliteGraph, label: str, name: str, operator: Any) -> tuple[int, Layer]:
    window = _window(graph, label, name, operator)
    source, around = _unpadded(graph, int(operator.Inputs(0)))
    shape = _known(graph, label, source)
    weights = graph.shapes[int(operator.Inputs(1))]
    if len(shape) != len(weights):
        raise InputError(f"{label}: input of shape {shape} with weights of shape {weights}")
    # Weights (K, R, S, C), (1, R, S, K) and (T, R, S, C, K); depth is C/G, which is 1 where each channel has filters of
    # its own.
    filters, kernel, depth = {
        "CONV_2D": (weights[0], weights[1:-1], weights[-1]),
        "DEPTHWISE_CONV_2D": (weights[-1], weights[1:-1], 1),
        "CONV_3D": (weights[-1], weights[:-2], weights[-2]),
    }[name]
    if shape[-1] % depth:
        raise InputError(f"{label}: weights take {depth} channels, its input has {shape[-1]}")
    # SAME is counted on the map that the PAD operator leaves; the layer then has both paddings.
    padded = tuple(size + sum(pair) for size, pair in zip(shape[1:-1], around, strict=True))
    own = _same_pads(padded, kernel, window) if window.same else ((0, 0),) * len(kernel)
    layer = Layer(
        name=label,
        in_channels=shape[-1],
        out_channels=filters,
        input_size=shape[1:-1],
        kernel_size=kernel,
        stride=window.stride,
        padding=tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(around, own, strict=True)),
        dilation=window.dilation,
        groups=shape[-1] // depth,
        batch=shape[0],
    )
    return source, layer


def _same_pads(size: tuple[int, ...], kernel: tuple[int, ...], window: _Window) -> Pads:
    """TensorFlow's SAME: as many outputs as strides fit, the odd zero behind."""
    totals = [
        # 7 rows at stride 2 give 4 outputs, which span 3 * 2 + 3 = 9 rows with 3 taps: 2 are missing.
        max((ceil_div(length, step) - 1) * step + (taps - 1) * spread + 1 - length, 0)
        for length, taps, step, spread in zip(size, kernel, window.stride, window.dilation, strict=True)
    ]
    return tuple((total // 2, total - total // 2) for total in totals)


def _unpadded(graph: TfliteGraph, number: int) -> tuple[int, Pads]:
    """The tensor before a PAD operator that surrounds maps with zeros, and its padding per axis; else the tensor."""
    none = ((0, 0),) * (len(graph.shapes[number]) - 2)
    name, operator = graph.producers.get(number, ("", None))
    if name != "PAD" or operator is None or graph.stored(int(operator.Inputs(1))) < 0:
        return number, none
    pairs = [tuple(map(int, pair)) for pair in graph.constant(int(operator.Inputs(1)))]
    # Zeros around batch or channels are no padding of a map.
    if pairs[0] != (0, 0) or pairs[-1] != (0, 0):
        return number, none
    return int(operator.Inputs(0)), tuple((pair[0], pair[1]) for pair in pairs[1:-1])
