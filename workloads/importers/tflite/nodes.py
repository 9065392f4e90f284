"""The graph of a TFLite model. TFLite keeps channels last; a node's map has them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from workloads.graph import Graph, Kind, Map
from workloads.importers.graph_nodes import GraphNodes, NoGraphError, last_map, of_images
from workloads.importers.imported import FoundLayer, parts_of
from workloads.importers.tflite.graph import TfliteGraph
from workloads.layer import Layer
from workloads.wiring import input_map

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
    """The layers of an operator, the tensors that they read (before zeros that a layer pads itself) and what they make.

    kind    "product" multiplies two activations, "transposed", "recurrent" and "svdf" have several layers
    turned  a product reads its first tensor the other way round; a recurrent one reads steps before images
    more    outputs of the directions after the first of a recurrent one
    """

    layers: Sequence[FoundLayer]
    sources: tuple[int, ...]
    output: int
    kind: Literal["layer", "product", "transposed", "recurrent", "svdf"] = "layer"
    turned: bool = False
    more: tuple[int, ...] = ()

    @property
    def layer(self) -> Layer:
        """The first of them."""
        return self.layers[0].layer


def graph_of(model: TfliteGraph, layers: Iterable[LayerTensors]) -> Graph:
    """The model's graph. Raises `NoGraphError`."""
    found = {one.output: one for one in layers}
    names = [layer.layer.name for one in found.values() for layer in one.layers]
    return _Walk(model, found, GraphNodes(names)).graph()


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
                self._layers(self.layers[outputs[0]], operator)
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
        shape = self._split(number)
        return (shape[-1], *shape[1:-1]) if len(shape) > 3 else last_map(shape)

    @cached_property
    def _images(self) -> int:
        shapes = [self.model.shapes[int(number)] for number in self.model.graph.InputsAsNumpy()]
        return shapes[0][0] if shapes and shapes[0] else 1

    def _split(self, number: int) -> tuple[int, ...]:
        return of_images(self._shape(number), self._images)

    def _layers(self, one: LayerTensors, operator: Any) -> None:
        makers = {
            "layer": self._layer,
            "product": self._product,
            "recurrent": self._recurrent,
            "svdf": self._svdf,
        }
        if one.kind == "transposed":
            name = self.nodes.transposed(parts_of(one.layers), self.made.get(one.sources[0]))
        else:
            name = makers[one.kind](one)
        label = one.layer.name
        for number in one.more:
            self.made[number] = self.nodes.shaped(name, self._map(number), f"{label}_more")
        name = self.nodes.shaped(name, self._map(one.output), f"{label}_output")
        place = 3 if one.kind == "transposed" else 2  # of what is added to the results
        added = one.kind in ("layer", "transposed") and operator.InputsLength() > place
        bias = int(operator.Inputs(place)) if added else -1
        if bias in self.made:
            name = self.nodes.operator("add", f"{label}_add", [name, self.made[bias]], self.nodes.shape(name))
        self.made[one.output] = name

    def _layer(self, one: LayerTensors) -> str:
        layer, source = one.layer, self.made.get(one.sources[0])
        if source is not None and layer.fully_connected:
            source = self.nodes.turned(source, f"{layer.name}_turned")
        return self.nodes.layer(layer, self._turned(one, source))

    def _turned(self, one: LayerTensors, source: str | None) -> str | None:
        """What a product reads, where it reads it the other way round."""
        if source is None or not one.turned or not self.nodes.same_values(source, one.layer):
            return source
        return self.nodes.operator("reshape", f"{one.layer.name}_input", [source], input_map(one.layer))

    def _product(self, one: LayerTensors) -> str:
        left, right = (self.made.get(number) for number in one.sources)
        return self.nodes.product(one.layer, self._turned(one, left), right)

    def _recurrent(self, one: LayerTensors) -> str:
        if one.turned and (self._shape(one.sources[0])[1], self._images) != (1, 1):
            raise NoGraphError(f"layer '{one.layer.name}' reads its steps before its images")
        layers = [found.layer for found in one.layers]
        return self.nodes.recurrent(layers, len(layers) // 2, self._turned(one, self.made.get(one.sources[0])), [])

    def _svdf(self, one: LayerTensors) -> str:
        features, time = (found.layer for found in one.layers)
        name = self.nodes.layer(features, self.made.get(one.sources[0]))
        # The memory holds what earlier steps made as well.
        memory = self.nodes.operator("other", f"{time.name}_memory", [name], input_map(time))
        return self.nodes.layer(time, memory)

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
        shapes, shape = [self._split(number) for number in read], self._split(output)
        kind = _KINDS.get(name, "other")
        # An operator that joins or parts the images of a batch gives maps of no one image. Axes are told for the shapes
        # in which heads and images are one.
        by_axis = kind == "concat" or name in _REDUCES
        split = any(self._split(number) != self._shape(number) for number in (*read, output))
        if any(one[:1] != shape[:1] for one in shapes) or (by_axis and split):
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
