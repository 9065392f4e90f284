"""TFLite's SVDF: features of each step, and of each filter a product over those of the last steps.

Source: Nakkiran et al., Compressing Deep Neural Networks using a Rank-Constrained Topology (2015), and schema.fbs. The
filters' values of the last steps lie in a variable, which is zero before a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made, product_layer
from workloads.importers.tflite.graph import TfliteGraph
from workloads.layer import Layer


@dataclass(frozen=True)
class SvdfFound:
    """An SVDF: tensors of its input, its weights over features and over time, its memory and its output."""

    name: str
    source: int
    features: int
    time: int
    memory: int
    output: int
    end: int

    @classmethod
    def refusal(cls, graph: TfliteGraph, operator: Any) -> str:
        """Why an operator is left out, or empty."""
        constant = all(graph.stored(int(operator.Inputs(place))) >= 0 for place in (1, 2))
        return "" if constant else "its weights are computed, not constant"

    @classmethod
    def of(cls, graph: TfliteGraph, name: str, operator: Any, end: int) -> Self:
        """From an operator whose outputs become the tensor `end`."""
        del graph
        source, features, time, _, memory = (int(number) for number in operator.InputsAsNumpy()[:5])
        return cls(name, source, features, time, memory, int(operator.Outputs(0)), end)

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return self.source, self.memory, self.end

    def found(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], runs: int) -> list[FoundLayer]:
        """Both products with what the runs gave; no tensors: without a run."""
        shape = graph.shapes[self.source]
        if len(shape) != 2 or min(shape) < 1:
            raise InputError(f"{self.name}: the size of its input is not known: {shape}")
        filters, steps = graph.shapes[self.time]
        images = shape[0] * max(runs, 1)
        first = product_layer(f"{self.name}.features", (images,), shape[1], filters)
        # Each filter has its own values and weights, and one result.
        second = Layer.conv(
            f"{self.name}.time",
            in_channels=filters,
            out_channels=filters,
            input_size=(1, steps),
            kernel_size=(1, steps),
            groups=filters,
            batch=images,
        )
        # A run leaves in the memory what its last step read there.
        inputs, memory = (
            graph.real(number, tensors[number]).reshape(layer.input_shape) if tensors else None
            for number, layer in ((self.source, first), (self.memory, second))
        )
        return [
            FoundLayer(first, self._weights(graph, self.features, first), inputs),
            FoundLayer(second, self._weights(graph, self.time, second), memory, graph.share(self.end, tensors)),
        ]

    @staticmethod
    def _weights(graph: TfliteGraph, number: int, layer: Layer) -> Made:
        return Made(lambda: graph.constant(number).reshape(layer.weight_shape))
