"""The graph of a TFLite model. TFLite keeps channels last; a node's map has them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workloads.graph import Graph, Kind, Map
from workloads.importers.graph_nodes import GraphNodes, NoGraphError, last_map
from workloads.importers.tflite.graph import TfliteGraph
from workloads.layer import Layer

_THROUGH = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST", "DENSIFY"})
_MEASURES = frozenset({"SHAPE", "RANK"})
_SCALES = frozenset({"ADD", "SUB", "MUL", "DIV"})
_SUMS = _SCALES | {"ADD_N", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE"}
_REDUCES = frozenset({"MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"})
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D", *_REDUCES), "pool"),
    **dict.fromkeys(_SUMS, "add"),
    "CONCATENATION": "concat",
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), "upsample"),
    **dict.fromkeys(
        ("PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "HARD_SWISH"), "activation"
    ),
    **dict.fromkeys(("LOGISTIC", "TANH", "ELU", "GELU", "ABS", "NEG", "EXP", "LOG", "SQRT", "RSQRT"), "activation"),
    **dict.fromkeys(("SQUARE", "FLOOR", "CEIL", "ROUND", "SIGN"), "activation"),
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SPLIT", "SPLIT_V"), "reshape"),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD", "SLICE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), "reshape"),
}


@dataclass(frozen=True)
class LayerTensors:
    """A layer, the tensor that it reads (before zeros that it pads itself) and the one that it makes."""

    layer: Layer
    source: int
    output: int


def graph_of(model: TfliteGraph, layers: Iterable[LayerTensors]) -> Graph:
    """The model's graph. Raises `NoGraphError`."""
    found = {one.output: one for one in layers}
    return _Walk(model, found, GraphNodes(one.layer.name for one in found.values())).graph()


@dataclass
class _Walk:
    """One pass over a model's operators, which stand in order; `made`: the node of each tensor that inputs decide."""

    model: TfliteGraph
    layers: Mapping[int, LayerTensors]
    nodes: GraphNodes
    made: dict[int, str] = field(default_factory=dict[int, str])

    def graph(self) -> Graph:
        """The graph, after all operators."""
        for number in map(int, self.model.graph.InputsAsNumpy()):
            self.made[number] = self.nodes.input(self.model.tensor_name(number), self._map(number))
        for place, name, operator in self.model.operators:
            # Variables carry values from one operator to another that no tensor shows.
            if "VARIABLE" in name or "HASHTABLE" in name:
                raise NoGraphError(f"operator op{place:03} ({name}) keeps values between runs")
            outputs = [int(number) for number in operator.OutputsAsNumpy()]
            if outputs and outputs[0] in self.layers:
                self._layer(self.layers[outputs[0]], operator)
            else:
                self._operator(place, name, operator, outputs)
        results = map(int, self.model.graph.OutputsAsNumpy())
        return self.nodes.graph(self.made[number] for number in results if number in self.made)

    def _shape(self, number: int) -> tuple[int, ...]:
        shape = self.model.shapes[number]
        if not all(size > 0 for size in shape):
            raise NoGraphError(f"the size of '{self.model.tensor_name(number)}' is not known")
        return shape

    def _map(self, number: int) -> Map:
        shape = self._shape(number)
        return (shape[-1], *shape[1:-1]) if len(shape) > 3 else last_map(shape)

    def _layer(self, one: LayerTensors, operator: Any) -> None:
        layer, source = one.layer, self.made.get(one.source)
        if source is not None and layer.fully_connected:
            source = self.nodes.turned(source, f"{layer.name}_turned")
        name = self.nodes.layer(layer, source)
        name = self.nodes.shaped(name, self._map(one.output), f"{layer.name}_output")
        bias = int(operator.Inputs(2)) if operator.InputsLength() > 2 else -1
        if bias in self.made:
            name = self.nodes.operator("add", f"{layer.name}_add", [name, self.made[bias]], self.nodes.shape(name))
        self.made[one.output] = name

    def _operator(self, place: int, name: str, operator: Any, outputs: Sequence[int]) -> None:
        inputs = [int(number) for number in operator.InputsAsNumpy()] if operator.InputsLength() else []
        read = [number for number in inputs if number in self.made]
        if not read or name in _MEASURES:
            return  # a constant, or what depends on shapes alone
        if name in _THROUGH:
            self.made[outputs[0]] = self.made[read[0]]
            return
        for output in outputs:
            kind = self._kind(name, operator, read, output)
            sources = [self.made[number] for number in read]
            shape = self._map(output)
            label = f"op{place:03}_{name.lower()}"
            # What is flattened lies there with its channels last.
            if kind == "reshape" and len(shape) == 1:
                sources = [self.nodes.turned(sources[0], f"{label}_turned"), *sources[1:]]
            self.made[output] = self.nodes.operator(kind, label, sources, shape)

    def _kind(self, name: str, operator: Any, read: Sequence[int], output: int) -> Kind:
        shapes, shape = [self._shape(number) for number in read], self._shape(output)
        kind = _KINDS.get(name, "other")
        # An operator that joins or parts the images of a batch gives maps of no one image.
        if any(one[:1] != shape[:1] for one in shapes):
            return "other"
        if name in _SUMS and len(read) == 1:
            kind = "normalise" if name in _SCALES else "activation"
        if name in _SUMS and any(len(one) != len(shape) for one in shapes):
            return "other"
        if kind == "concat":
            axis = self.model.options(operator, "ConcatenationOptions").Axis() % len(shape)
            return kind if axis == len(shape) - 1 and len(read) == operator.InputsLength() else "other"
        if name in _REDUCES:
            return kind if self._reduces_positions(operator, len(shapes[0])) else "other"
        if kind == "upsample" and all(a <= b for a, b in zip(shape, shapes[0], strict=True)):
            return "pool"
        return kind

    def _reduces_positions(self, operator: Any, axes: int) -> bool:
        """Whether a reduction is over all positions of a map and nothing else."""
        given = int(operator.Inputs(1))
        if self.model.stored(given) < 0:
            return False
        return {int(axis) % axes for axis in self.model.constant(given).reshape(-1)} == set(range(1, axes - 1))
