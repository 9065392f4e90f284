"""TFLite's recurrent operators as matrix products: of inputs and of hidden states, for each direction.

Steps are positions, as if all were known at once. Peepholes and gates work element by element and are no layer. An
operator of one step keeps its state in a variable, which is zero before a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made, product_activations, product_layer
from workloads.importers.tflite.graph import TfliteGraph

Places = tuple[int, ...]  # among an operator's inputs
_BASIC = 1  # LSTMKernelType.BASIC


@dataclass(frozen=True)
class Way:
    """A direction: its matrices of inputs and of hidden states, gate by gate, and the tensor of its states.

    part  of a tensor that holds the states of both directions: which half of the last axis
    """

    name: str
    matrices: tuple[Places, Places]
    states: int
    part: int | None = None


@dataclass(frozen=True)
class RecurrentKind:
    """A recurrent operator of the schema (schema.fbs and the kernels' descriptions of their inputs).

    ways         for each direction the places of its matrices
    options      the schema class of its options
    left_out     places of what takes no part here, and why an operator that has it is refused
    sequence     whether it goes over steps; else it does one
    """

    ways: tuple[tuple[Places, Places], ...]
    options: str
    left_out: tuple[tuple[int, str], ...] = ()
    sequence: bool = True

    def refusal(self, graph: TfliteGraph, operator: Any) -> str:
        """Why an operator is left out, or empty."""
        for place, reason in self.left_out:
            if _optional(operator, place) >= 0:
                return reason
        if self.options == "LSTMOptions" and graph.options(operator, self.options).KernelType() == _BASIC:
            return "an LSTM whose matrices are one, of inputs and states together"
        places = [place for way in self.ways for part in way for place in part]
        tensors = [number for place in places if (number := _optional(operator, place)) >= 0]
        return "" if all(graph.stored(one) >= 0 for one in tensors) else "its weights are computed, not constant"

    def of(self, graph: TfliteGraph, name: str, operator: Any, end: int) -> RecurrentFound:
        """From an operator whose outputs become the tensor `end`."""
        options = graph.options(operator, self.options)
        outputs = [int(number) for number in operator.OutputsAsNumpy()]
        merged = len(self.ways) > 1 and bool(options.MergeOutputs())
        ways = [
            Way(
                f"{name}.{direction}" if len(self.ways) > 1 else name,
                (_present(operator, inputs), _present(operator, states)),
                outputs[0 if merged else number],
                number if merged else None,
            )
            for number, ((inputs, states), direction) in enumerate(zip(self.ways, ("forward", "reverse"), strict=False))
        ]
        first = self.sequence and bool(options.TimeMajor())
        return RecurrentFound(name, int(operator.Inputs(0)), tuple(ways), end, first, self.sequence)


@dataclass(frozen=True)
class RecurrentFound:
    """A recurrent operator: tensors of its input, of its directions and of what its states become."""

    name: str
    source: int
    ways: tuple[Way, ...]
    end: int
    steps_first: bool
    sequence: bool

    @property
    def output(self) -> int:
        """The states of the first direction, or of both."""
        return self.ways[0].states

    @property
    def tensors(self) -> tuple[int, ...]:
        """What a run must give."""
        return self.source, self.end, *(way.states for way in self.ways)

    def found(self, graph: TfliteGraph, tensors: dict[int, np.ndarray], runs: int) -> list[FoundLayer]:
        """Its products with what so many runs gave, joined along the first axis; no tensors: without a run."""
        shape = graph.shapes[self.source]
        if len(shape) != 2 + self.sequence or min(shape) < 1:
            raise InputError(f"{self.name}: the size of its input is not known: {shape}")
        leading = shape[:-1] if self.sequence else (shape[0], 1)
        steps, images = leading if self.steps_first else reversed(leading)
        rows = (images * max(runs, 1), steps)
        inputs = self._sequence(graph, self.source, tensors, runs)
        layers: list[FoundLayer] = []
        for way in self.ways:
            states = self._read_states(graph, way, tensors, runs)
            for part, held, matrices in zip(("input", "recurrent"), (inputs, states), way.matrices, strict=True):
                shapes = [graph.shapes[number] for number in matrices]
                if {len(one) for one in shapes} != {2} or len({one[1] for one in shapes}) > 1:
                    raise InputError(f"{way.name}.{part}: weights of shapes {shapes}: gates must have the same columns")
                layer = product_layer(f"{way.name}.{part}", rows, shapes[0][1], sum(one[0] for one in shapes))
                weights = Made(partial(_joined, graph, matrices, layer.weight_shape))
                activations = None if held is None else product_activations(layer, held)
                last = part == "recurrent"
                # What the input matrices give is added to the other product before anything is stored.
                stored = graph.share(self.end, tensors) if last else 1.0
                relu = False if last else None
                layers.append(FoundLayer(layer, weights, activations, stored, relu_input=relu, stored=last))
        return layers

    def _read_states(
        self, graph: TfliteGraph, way: Way, tensors: dict[int, np.ndarray], runs: int
    ) -> np.ndarray | None:
        """The state that each step reads: that of the step before, where the first one is zero."""
        states = self._sequence(graph, way.states, tensors, runs)
        if states is None:
            return None
        if way.part is not None:
            width = graph.shapes[way.matrices[1][0]][1]
            states = states[..., way.part * width :][..., :width]
        zero = np.zeros_like(states[:, :1])
        if way is not self.ways[0]:  # in reverse the step before is the next one of the inputs
            return np.concatenate([states[:, 1:], zero], axis=1)
        return np.concatenate([zero, states[:, :-1]], axis=1)

    def _sequence(
        self, graph: TfliteGraph, number: int, tensors: dict[int, np.ndarray], runs: int
    ) -> np.ndarray | None:
        """A tensor of all steps as (images, steps, features), less its zero point."""
        if not tensors:
            return None
        held = graph.real(number, tensors[number])
        if not self.sequence:
            return held[:, np.newaxis]
        if not self.steps_first:
            return held
        apart = held.reshape(runs, -1, *held.shape[1:]).swapaxes(1, 2)
        return apart.reshape(-1, *apart.shape[2:])


def _joined(graph: TfliteGraph, matrices: Places, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices of all gates, one below the other."""
    return np.concatenate([graph.constant(number) for number in matrices]).reshape(shape)


def _present(operator: Any, places: Places) -> tuple[int, ...]:
    # The first gate of an LSTM is left out where input and forget gate are coupled.
    return tuple(number for place in places if (number := _optional(operator, place)) >= 0)


def _optional(operator: Any, place: int) -> int:
    """An input's tensor; -1 where it is left out."""
    return int(operator.Inputs(place)) if place < operator.InputsLength() else -1


_PROJECTION = "an LSTM with a projection, whose input never leaves the operator"
_AUXILIARY = "its second input goes through matrices of its own"
_LSTM = ((1, 2, 3, 4), (5, 6, 7, 8))
_RNN = ((1,), (2,))
RECURRENT_KINDS = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": RecurrentKind((_LSTM,), "UnidirectionalSequenceLSTMOptions", ((16, _PROJECTION),)),
    "BIDIRECTIONAL_SEQUENCE_LSTM": RecurrentKind(
        (_LSTM, ((18, 19, 20, 21), (22, 23, 24, 25))),
        "BidirectionalSequenceLSTMOptions",
        ((16, _PROJECTION), (33, _PROJECTION), (39, _AUXILIARY)),
    ),
    "LSTM": RecurrentKind((_LSTM,), "LSTMOptions", ((16, _PROJECTION),), sequence=False),
    "UNIDIRECTIONAL_SEQUENCE_RNN": RecurrentKind((_RNN,), "SequenceRNNOptions"),
    "BIDIRECTIONAL_SEQUENCE_RNN": RecurrentKind(
        (_RNN, ((5,), (6,))), "BidirectionalSequenceRNNOptions", ((9, _AUXILIARY),)
    ),
    "RNN": RecurrentKind((_RNN,), "RNNOptions", sequence=False),
}
