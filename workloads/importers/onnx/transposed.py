"""ONNX ConvTranspose as ordinary convolutions (`workloads.transposed`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, transposed_layers
from workloads.importers.onnx.graph import label
from workloads.importers.onnx.moving import Run
from workloads.importers.onnx.operators import Operator
from workloads.layer import Axes, Pads
from workloads.transposed import Form, Transposed


def transposed_parts(run: Run, one: Operator, form: Form, output_density: float) -> list[FoundLayer]:
    """The convolutions of a ConvTranspose. Raises `InputError` naming the file and the node."""
    graph, joined = run.graph, run.tensors.get(one.activations)
    shape = run.shape(one, one.activations)
    weight_shape = graph.shape(one.weights)
    if weight_shape is None or len(weight_shape) != len(shape) or not 3 <= len(shape) <= 5:
        raise InputError(f"{graph.path}: {label(one.node)}: input of shape {shape} with weights of {weight_shape}")
    if weight_shape[0] != shape[1]:
        raise InputError(
            f"{graph.path}: {label(one.node)}: weights take {weight_shape[0]} channels, its input has {shape[1]}"
        )
    batch = shape[0] if joined is None else len(joined)

    def weights() -> np.ndarray:
        values = graph.constant(one.weights)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(
                f"{graph.path}: {label(one.node)}: weights '{one.weights}' hold a value that is not finite"
            )
        return values

    try:
        whole = _transposed(one, batch, shape[1:], weight_shape)
        return transposed_layers(whole, form, weights, joined, output_density)
    except InputError as error:
        raise InputError(f"{graph.path}: {error}") from None


def _transposed(one: Operator, batch: int, shape: Axes, weight_shape: Axes) -> Transposed:
    size, kernel, axes = shape[1:], weight_shape[2:], len(shape) - 1
    given = one.attributes
    stride, dilation = (tuple(given.get(key, (1,) * axes)) for key in ("strides", "dilations"))
    more = tuple(given.get("output_padding", (0,) * axes))
    groups = given.get("group", 1)
    pads = _pads(given, size, kernel, stride, dilation, more)
    row = axes == 1  # a row is put before the only axis
    return Transposed(
        one.name,
        shape[0],
        weight_shape[1] * groups,
        (1,) * row + size,
        (1,) * row + kernel,
        (1,) * row + stride,
        ((0, 0),) * row + pads,
        (0,) * row + more,
        (1,) * row + dilation,
        groups,
        batch,
    )


def _pads(given: dict[str, Any], size: Axes, kernel: Axes, stride: Axes, dilation: Axes, more: Axes) -> Pads:
    """What is taken off the outputs, (before, after) of each axis (ONNX operators, ConvTranspose)."""
    auto = given.get("auto_pad", b"NOTSET").decode()
    wanted = given.get("output_shape")
    if wanted is None and auto.startswith("SAME"):
        wanted = [length * step for length, step in zip(size, stride, strict=True)]
    if wanted is None:
        flat = tuple(given.get("pads", (0,) * 2 * len(size))) if auto == "NOTSET" else (0,) * 2 * len(size)
        return tuple(zip(flat[: len(size)], flat[len(size) :], strict=True))
    pairs: list[tuple[int, int]] = []
    # An output shape may name batch and channels, too.
    ends = wanted[-len(size) :]
    for length, taps, step, spread, extra, out in zip(size, kernel, stride, dilation, more, ends, strict=True):
        # 4 inputs at stride 2 with 3 taps reach 9 outputs; of 8 that are wanted one is taken off.
        total = (length - 1) * step + (taps - 1) * spread + 1 + extra - out
        less, rest = total // 2, total - total // 2
        pairs.append((less, rest) if auto == "SAME_UPPER" else (rest, less))
    return tuple(pairs)
