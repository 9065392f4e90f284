"""The graph of an ONNX model: its layers, and the operators between them as the kinds that `workloads.graph` knows.

Constants, shapes and scales that a run measures are no nodes; casts, dropout and quantization pass a map on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workloads.graph import Graph, Kind, Map
from workloads.importers.graph_nodes import GraphNodes, NoGraphError, first_map, last_map, of_images
from workloads.importers.imported import FoundLayer, parts_of
from workloads.importers.onnx.graph import OnnxGraph
from workloads.importers.onnx.kinds import ALIKE, MEASURES, THROUGH, kind_of, reduces_positions
from workloads.importers.onnx.operators import RECURRENT, Operator
from workloads.layer import Layer
from workloads.wiring import input_map

_BIAS = 2  # the place of an operand that these add to their results
_BIASED = ("Conv", "ConvTranspose", "Gemm")


def graph_of(model: OnnxGraph, layers: Iterable[tuple[Operator, Sequence[FoundLayer]]], folded: Iterable[Any]) -> Graph:
    """The model's graph; `folded`: nodes whose scale a layer has taken in. Raises `NoGraphError`."""
    found = {id(one.node): (one, made) for one, made in layers}
    names = [one.layer.name for _, made in found.values() for one in made]
    return _Walk(model, found, {id(node) for node in folded}, GraphNodes(names)).graph()


@dataclass
class _Walk:
    """One pass over a model's nodes, which stand in order.

    made  the node of each tensor that depends on the model's inputs
    rows  tensors whose channels come last, as matrix products leave them: (N, ..., C)
    """

    model: OnnxGraph
    layers: Mapping[int, tuple[Operator, Sequence[FoundLayer]]]
    folded: set[int]
    nodes: GraphNodes
    made: dict[str, str] = field(default_factory=dict[str, str])
    rows: set[str] = field(default_factory=set[str])

    def graph(self) -> Graph:
        """The graph, after all nodes."""
        for spec in self.model.inputs:
            self.made[spec.name] = self.nodes.input(spec.name, first_map(self._shape(spec.name)))
        for node in self.model.nodes:
            if id(node) in self.layers:
                self._layers(*self.layers[id(node)])
            elif not all(map(self.model.is_constant, node.output)):
                self._operator(node)
        results = [value.name for value in self.model.model.graph.output]
        return self.nodes.graph(self.made[name] for name in results if name in self.made)

    def _shape(self, name: str) -> tuple[int, ...]:
        # Tensors that were seen in a run have a batch of its inputs there; those between them have the file's.
        shape = self.model.shape_in_file(name) or self.model.shape(name)
        if shape is None:
            raise NoGraphError(f"the size of '{name}' is not known")
        return shape

    def _map(self, name: str, *, rows: bool = False) -> Map:
        return (last_map if rows else first_map)(self._split(name))

    def _split(self, name: str) -> tuple[int, ...]:
        return of_images(self._shape(name), self.model.images)

    def _layers(self, one: Operator, found: Sequence[FoundLayer]) -> None:
        if one.node.op_type in RECURRENT:
            self._recurrent(one, [made.layer for made in found])
        elif one.node.op_type == "ConvTranspose":
            name = self.nodes.transposed(parts_of(found), self.made.get(one.activations))
            self._added(one, self.nodes.shaped(name, self._map(one.node.output[0]), f"{one.name}_output"), rows=False)
        elif one.moving:
            self._moving(one, found[0].layer)
        else:
            self._layer(one, found[0].layer)

    def _recurrent(self, one: Operator, layers: Sequence[Layer]) -> None:
        """Inputs (steps, N, features), or N first; Y is (steps, directions, N, H), Y_h and Y_c lack the steps."""
        read, steps_first = self._shape(one.activations), not one.attributes.get("layout", 0)
        if steps_first and (read[1], self.model.images) != (1, 1):
            raise NoGraphError(f"layer '{one.name}' reads its steps before its images")
        source, shape = self.made.get(one.activations), input_map(layers[0])
        fits = source is not None and self.nodes.same_values(source, layers[0])
        if source and max(layers[0].input_size) > 1 and (steps_first or one.activations not in self.rows):
            source = self.nodes.operator("reshape" if fits else "other", f"{one.name}_input", [source], shape)
        ways = 2 if one.attributes.get("direction") == b"bidirectional" else 1
        states = [self.made.get(name) for name in one.node.input[5:7] if name]
        name = self.nodes.recurrent(layers, ways, source, states)
        for output in filter(None, one.node.output):
            # States of the last step are a part of those of all.
            self.made[output] = self.nodes.shaped(name, self._map(output), f"{output}_of_states")

    def _moving(self, one: Operator, layer: Layer) -> None:
        """A product of two activations: heads are an axis of their own."""
        turns = [bool(one.attributes.get(key, 0)) for key in ("transA", "transB")]
        source = self.made.get(one.activations)
        plain = one.activations in self.rows and not turns[0] and one.notation is None
        if source and max(layer.input_size) > 1 and not plain and self.nodes.same_values(source, layer):
            source = self.nodes.operator("reshape", f"{layer.name}_input", [source], input_map(layer))
        name = self.nodes.product(layer, source, self.made.get(one.weights))
        rows = one.notation is None and len(self._split(one.node.output[0])) == 3
        shape = self._map(one.node.output[0], rows=rows)
        self._added(one, self.nodes.shaped(name, shape, f"{layer.name}_output"), rows=rows)

    def _layer(self, one: Operator, layer: Layer) -> None:
        source = self.made.get(one.activations)
        positions = max(layer.input_size) > 1
        # A product reads features from the last axis. Where the map's channels lie elsewhere it is read in another
        # order, even if both axes happen to be of one length.
        turned = bool(one.attributes.get("transA", 0)) or one.notation is not None
        if one.product and source and positions and (turned or one.activations not in self.rows):
            source = self.nodes.operator("reshape", f"{layer.name}_input", [source], input_map(layer))
        name = self.nodes.layer(layer, source)
        output = one.node.output[0]
        rows = one.product and not turned
        shape = self._map(output, rows=rows)
        if one.product and turned and positions:
            name = self.nodes.operator("reshape", f"{layer.name}_output", [name], shape)
        self._added(one, self.nodes.shaped(name, shape, f"{layer.name}_output"), rows=rows)

    def _added(self, one: Operator, name: str, *, rows: bool) -> None:
        """Note a layer's results, and what is added to them."""
        # Values that Conv or Gemm add to their results are a bias, unless a run makes them: then it is a sum of maps.
        bias = one.node.input[_BIAS] if one.node.op_type in _BIASED and len(one.node.input) > _BIAS else ""
        if bias in self.made:
            name = self.nodes.operator("add", f"{one.name}_add", [name, self.made[bias]], self.nodes.shape(name))
        self._note(one.node.output[0], name, rows=rows)

    def _note(self, output: str, name: str, *, rows: bool) -> None:
        self.made[output] = name
        if rows and len(self._shape(output)) > 2:
            self.rows.add(output)

    def _operator(self, node: Any) -> None:
        read = [name for name in (*node.input, *_captured(node)) if name in self.made]
        outputs = [name for name in node.output if name and not self.model.is_constant(name)]
        if not read or node.op_type in MEASURES:
            return  # what it gives depends on shapes and scales alone
        first = node.input[0] if node.input else ""
        if first in self.made and (node.op_type in THROUGH or id(node) in self.folded):
            self._note(outputs[0], self.made[first], rows=first in self.rows)
            return
        for output in outputs:
            # Masks, indices and states that nobody reads are not made.
            if output is outputs[0] or self.model.consumers.get(output) or output in self.model.outputs:
                self._one(node, read, output)

    def _one(self, node: Any, read: list[str], output: str) -> None:
        kind, rows = self._kind(node, read, output)
        shape = self._map(output, rows=rows)
        sources = [self._read(name, rows=rows) for name in read]
        if kind == "reshape" and len(shape) == 1 and read[0] in self.rows:
            sources = [self.nodes.turned(sources[0], f"{node.name or output}_turned"), *sources[1:]]
        self._note(output, self.nodes.operator(kind, node.name, sources, shape), rows=rows)

    def _read(self, name: str, *, rows: bool) -> str:
        """The node of a tensor, with its channels last where they have to be."""
        source = self.made[name]
        if not rows or name in self.rows or len(self._shape(name)) < 3:
            return source
        return self.nodes.operator("reshape", f"{name}_rows", [source], self._map(name, rows=True))

    def _kind(self, node: Any, read: list[str], output: str) -> tuple[Kind, bool]:
        """What an operator is, and whether the channels of what it gives come last."""
        shapes, shape = [self._split(name) for name in read], self._split(output)
        last = [name in self.rows for name in read]
        kind = kind_of(self.model, node, len(read))
        # An operator that joins or parts the images of a batch gives maps of no one image. Axes are told for the shapes
        # in which heads and images are one.
        by_axis = kind == "concat" or node.op_type.startswith("Reduce")
        split = any(self._split(name) != self._shape(name) for name in (*read, output))
        if any(one[:1] != shape[:1] for one in shapes) or (by_axis and split):
            return "other", False
        if node.op_type in ALIKE:
            # Where one map has its channels last, they are read so of all, which costs a reshape.
            alike = len({len(one) for one in (*shapes, shape)}) == 1 or not any(last)
            return (kind if alike else "other"), any(last) and alike
        if kind == "concat":
            axis = self.model.attributes(node).get("axis", 1) % len(shape)
            whole = len(read) == len(node.input) and axis == (len(shape) - 1 if all(last) else 1)
            return (kind if whole and (all(last) or not any(last)) else "other"), all(last)
        if node.op_type.startswith("Reduce"):
            held = kind if reduces_positions(self.model, node, len(shapes[0]), rows=last[0]) else "other"
            return held, last[0] and held == "pool"
        return ("other" if any(last) and kind != "reshape" else kind), False


def _captured(node: Any) -> Iterator[str]:
    """Tensors that the graphs inside a node (If, Loop) read from outside."""
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from (value.name for value in inner.output)
            for one in inner.node:
                yield from one.input
                yield from _captured(one)
