"""ONNX products of two activations (MatMul, Gemm, Einsum, quantized ones), and Einsum with constant weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import (
    FoundLayer,
    Made,
    less_zero_point,
    product_activations,
    product_layer,
)
from workloads.importers.moving_products import MovingProduct, Notation, split_runs
from workloads.importers.onnx.graph import OnnxGraph, label
from workloads.importers.onnx.operators import Operator

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """A graph and what running it on so many inputs gave, joined along the first axis; empty without a run."""

    graph: OnnxGraph
    tensors: dict[str, np.ndarray]
    count: int

    def shape(self, one: Operator, name: str) -> Shape:
        """A tensor's shape in one run. Raises `InputError` where it is not known."""
        shape = self._known(name)
        if shape is None:
            raise InputError(
                f"{self.graph.path}: {label(one.node)}: the size of its input '{name}' is not known: "
                f"{self.graph.unsettled}"
            )
        return shape

    def is_empty(self, one: Operator) -> bool:
        """Whether an operator has nothing to multiply, as a side of it has no elements."""
        sides = (one.activations, one.weights) if one.moving else (one.activations,)
        return any(0 in (self._known(name) or ()) for name in sides)

    def _known(self, name: str) -> Shape | None:
        held = self.tensors.get(name)
        return self.graph.shape(name) if held is None else (len(held) // self.count, *held.shape[1:])

    def values(self, name: str, zero: str | None) -> np.ndarray | None:
        """A tensor less its zero point, (runs, ...); None without a run."""
        held = self.tensors.get(name)
        if held is None:
            return None
        if zero is not None:
            # A zero point that is computed has been joined as well, and is one number in each run.
            point = self.tensors[zero].reshape(-1)[:1] if zero in self.tensors else self.graph.constant(zero)
            held = less_zero_point(held, point, axis=held.ndim - 1)
        return split_runs(held, self.count)


def moving_layer(run: Run, one: Operator, output_density: float) -> FoundLayer:
    """The layer of a product of two activations. Raises `InputError` naming the file."""
    names = (one.activations, one.activation_zero), (one.weights, one.weight_zero)
    shapes = [run.shape(one, name) for name, _ in names]
    sides = [run.values(name, zero) for name, zero in names]
    if one.notation is not None:
        product = MovingProduct.of(one.name, *one.notation.matrices(shapes[0], shapes[1]), run.graph.images)
        left, right = (
            None if side is None else one.notation.turned(side, which)
            for side, which in zip(sides, ("left", "right"), strict=True)
        )
    else:
        # Gemm may take either side transposed.
        turns = [one.attributes.get(key, 0) for key in ("transA", "transB")]
        shapes = [(*s[:-2], s[-1], s[-2]) if turn else s for s, turn in zip(shapes, turns, strict=True)]
        product = MovingProduct.of(one.name, shapes[0], shapes[1], run.graph.images)
        left, right = (
            np.swapaxes(side, -1, -2) if side is not None and turn else side
            for side, turn in zip(sides, turns, strict=True)
        )
    return product.found(left, right, output_density)


def einsum_layer(run: Run, one: Operator, notation: Notation, output_density: float) -> FoundLayer:
    """The layer of an Einsum whose right side is constant and has no axis of the left one beside it."""
    shapes = run.shape(one, one.activations), run.graph.constant(one.weights).shape
    (_, in_features), (_, out_features) = notation.matrices(*shapes)
    sizes = dict(zip(notation.left, shapes[0], strict=True))
    layer = product_layer(one.name, tuple(sizes[letter] for letter in notation.rows), in_features, out_features)

    def weights() -> np.ndarray:
        # (1, in, out) as (out, in).
        values = notation.turned(run.graph.constant(one.weights)[np.newaxis], "right")[0]
        return np.ascontiguousarray(values.T).reshape(layer.weight_shape)

    held = run.tensors.get(one.activations)
    if held is not None:
        held = product_activations(layer, notation.turned(held[np.newaxis], "left")[0])
    return FoundLayer(layer, Made(weights), held, output_density)
