"""TFLite's UNIDIRECTIONAL_SEQUENCE_LSTM as two matrix products, of inputs and of hidden states.

Steps are positions, as if all were known at once. Peepholes and gates work element by element and are no layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made, product_activations, product_layer
from workloads.importers.tflite.graph import TfliteGraph

# Places among the inputs (schema.fbs): matrices of the gates input, forget, cell, output; the first is left out where
# input and forget gate are coupled.
_INPUT_MATRICES, _RECURRENT_MATRICES, _PROJECTION = range(1, 5), range(5, 9), 16


@dataclass(frozen=True)
class LstmFound:
    """An LSTM over a sequence: tensors of its input, its hidden states and its matrices."""

    name: str
    source: int
    states: int
    end: int
    matrices: tuple[tuple[int, ...], tuple[int, ...]]
    steps_first: bool

    @classmethod
    def refusal(cls, graph: TfliteGraph, operator: Any) -> str:
        """Why an operator is left out, or empty."""
        if _optional(operator, _PROJECTION) >= 0:
            return "an LSTM with a projection, whose input never leaves the operator"
        places = [_optional(operator, place) for place in (*_INPUT_MATRICES, *_RECURRENT_MATRICES)]
        constant = all(graph.stored(place) >= 0 for place in places if place >= 0)
        return "" if constant else "its weights are computed, not constant"

    @classmethod
    def of(cls, graph: TfliteGraph, name: str, operator: Any, end: int) -> Self:
        """From an operator whose outputs become the tensor `end`."""
        options = graph.options(operator, "UnidirectionalSequenceLSTMOptions")
        matrices = tuple(
            tuple(number for place in places if (number := _optional(operator, place)) >= 0)
            for places in (_INPUT_MATRICES, _RECURRENT_MATRICES)
        )
        ends = int(operator.Inputs(0)), int(operator.Outputs(0)), end
        return cls(name, *ends, (matrices[0], matrices[1]), bool(options.TimeMajor()))

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return self.source, self.states, self.end

    def found(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], runs: int) -> list[FoundLayer]:
        """Its products with what so many runs gave, joined along the first axis; no tensors: without a run."""
        shape = graph.shapes[self.source]
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"{self.name}: the size of its input is not known: {shape}")
        steps, images = shape[:2] if self.steps_first else (shape[1], shape[0])
        rows = (images * max(runs, 1), steps)
        inputs, states = (self._sequence(graph, number, tensors, runs) for number in (self.source, self.states))
        if states is not None:
            # Step t reads the state after step t - 1; the first one is zero.
            states = np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)
        layers: list[FoundLayer] = []
        for part, held, matrices in zip(("input", "recurrent"), (inputs, states), self.matrices, strict=True):
            shapes = [graph.shapes[number] for number in matrices]
            layer = product_layer(f"{self.name}.{part}", rows, shapes[0][1], sum(one[0] for one in shapes))

            def weights(
                matrices: tuple[int, ...] = matrices, shape: tuple[int, ...] = layer.weight_shape
            ) -> np.ndarray:
                return np.concatenate([graph.constant(number) for number in matrices]).reshape(shape)

            activations = None if held is None else product_activations(layer, held)
            stored = graph.share(self.end, tensors) if part == "recurrent" else 1.0
            relu = False if part == "recurrent" else None
            layers.append(
                FoundLayer(layer, Made(weights), activations, stored, relu_input=relu, stored=part == "recurrent")
            )
        return layers

    def _sequence(
        self, graph: TfliteGraph, number: int, tensors: dict[int, np.ndarray], runs: int
    ) -> np.ndarray | None:
        """A tensor of all steps as (images, steps, features), less its zero point."""
        if not tensors:
            return None
        held = graph.real(number, tensors[number])
        if not self.steps_first:
            return held
        apart = held.reshape(runs, -1, *held.shape[1:]).swapaxes(1, 2)
        return apart.reshape(-1, *apart.shape[2:])


def _optional(operator: Any, place: int) -> int:
    """An input's tensor; -1 where it is left out."""
    return int(operator.Inputs(place)) if place < operator.InputsLength() else -1
