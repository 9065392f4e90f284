"""TFLite's BATCH_MATMUL: a product of two activations, or one with a constant side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import NO_MATRIX, FoundLayer, Made, product_activations, product_layer
from workloads.importers.moving_products import MovingProduct, Shape, split_runs
from workloads.importers.tflite.graph import TfliteGraph


@dataclass(frozen=True)
class MovingFound:
    """A BATCH_MATMUL: its name, the tensors of its sides, which are read turned, its results and their `end`."""

    name: str
    sides: tuple[int, int]
    turned: tuple[bool, bool]
    output: int
    end: int

    @classmethod
    def refusal(cls, graph: TfliteGraph, operator: Any) -> str:
        """Why an operator is left out: a constant side is anything but a matrix on the right; or empty."""
        left, right = (int(operator.Inputs(place)) for place in (0, 1))
        stack = graph.stored(right) >= 0 and len(graph.shapes[right]) != 2
        return NO_MATRIX if graph.stored(left) >= 0 or stack else ""

    @classmethod
    def of(cls, graph: TfliteGraph, name: str, operator: Any, end: int) -> Self:
        """From an operator whose outputs become the tensor `end`."""
        options = graph.options(operator, "BatchMatMulOptions")
        sides = int(operator.Inputs(0)), int(operator.Inputs(1))
        return cls(name, sides, (bool(options.AdjX()), bool(options.AdjY())), int(operator.Outputs(0)), end)

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return *self.sides, self.end

    def found(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], runs: int) -> list[FoundLayer]:
        """The layer with what so many runs gave, joined along the first axis; no tensors: without a run."""
        shapes = [self._shape(graph, place) for place in (0, 1)]
        if graph.stored(self.sides[1]) >= 0 and len(shapes[1]) == 2:
            return [self._constant(graph, tensors, shapes, runs)]
        images = int(graph.shapes[int(graph.graph.InputsAsNumpy()[0])][0]) if len(shapes[0]) > 2 else 1
        product = MovingProduct.of(self.name, shapes[0], shapes[1], max(images, 1))
        left, right = (self._side(graph, tensors, place, runs) for place in (0, 1))
        return [product.found(left, right, graph.share(self.end, tensors))]

    def _constant(
        self, graph: TfliteGraph, tensors: dict[int, np.ndarray], shapes: list[Shape], runs: int
    ) -> FoundLayer:
        rows, (in_features, out_features) = shapes[0][:-1], shapes[1]
        if shapes[0][-1] != in_features:
            raise InputError(f"{self.name}: weights take {in_features} features, its input has {shapes[0][-1]}")
        layer = product_layer(self.name, (rows[0] * max(runs, 1), *rows[1:]), in_features, out_features)

        def weights() -> np.ndarray:
            values = graph.constant(self.sides[1])
            return np.ascontiguousarray(values if self.turned[1] else values.T).reshape(layer.weight_shape)

        left = self._side(graph, tensors, 0, runs)
        held = None if left is None else product_activations(layer, left)
        return FoundLayer(layer, Made(weights), held, graph.share(self.end, tensors))

    def _shape(self, graph: TfliteGraph, place: int) -> Shape:
        shape = graph.shapes[self.sides[place]]
        if not all(size > 0 for size in shape):
            raise InputError(f"{self.name}: the size of its input is not known: {shape}")
        return (*shape[:-2], shape[-1], shape[-2]) if self.turned[place] else shape

    def _side(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], place: int, runs: int) -> np.ndarray | None:
        """A side as (runs, ..., M, K) or (runs, ..., K, N), less its zero point."""
        if not tensors:
            return None
        held = split_runs(graph.real(self.sides[place], tensors[self.sides[place]]), runs)
        return np.swapaxes(held, -1, -2) if self.turned[place] else held
