"""The graph of an ONNX model: its layers, and the operators between them as the kinds that `workloads.graph` knows.

Constants, shapes and scales that a run measures are no nodes; casts, dropout and quantization pass a map on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workloads.graph import Graph, Kind, Map
from workloads.importers.graph_nodes import GraphNodes, NoGraphError, first_map, last_map
from workloads.importers.onnx.graph import OnnxGraph
from workloads.importers.onnx.kinds import ALIKE, MEASURES, THROUGH, kind_of, reduces_positions
from workloads.importers.onnx.operators import Operator
from workloads.layer import Layer

_BIAS = 2  # the place of an operand that Conv and Gemm add to their results


def graph_of(model: OnnxGraph, layers: Iterable[tuple[Operator, Layer]], folded: Iterable[Any]) -> Graph:
    """The model's graph; `folded`: nodes whose scale a layer has taken in. Raises `NoGraphError`."""
    found = {id(one.node): (one, layer) for one, layer in layers}
    names = [layer.name for _, layer in found.values()]
    return _Walk(model, found, {id(node) for node in folded}, GraphNodes(names)).graph()


@dataclass
class _Walk:
    """One pass over a model's nodes, which stand in order.

    made  the node of each tensor that depends on the model's inputs
    rows  tensors whose channels come last, as matrix products leave them: (N, ..., C)
    """

    model: OnnxGraph
    layers: Mapping[int, tuple[Operator, Layer]]
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
                self._layer(*self.layers[id(node)])
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
        return (last_map if rows else first_map)(self._shape(name))

    def _layer(self, one: Operator, layer: Layer) -> None:
        source = self.made.get(one.activations)
        positions = max(layer.input_size) > 1
        # A product reads features from the last axis. Where the map's channels lie elsewhere it is read in another
        # order, even if both axes happen to be of one length.
        turned = bool(one.attributes.get("transA", 0))
        if one.product and source and positions and (turned or one.activations not in self.rows):
            source = self.nodes.operator("reshape", f"{layer.name}_input", [source], layer.input_shape[1:])
        name = self.nodes.layer(layer, source)
        output = one.node.output[0]
        rows = one.product and not turned
        shape = self._map(output, rows=rows)
        if one.product and turned and positions:
            name = self.nodes.operator("reshape", f"{layer.name}_output", [name], shape)
        name = self.nodes.shaped(name, shape, f"{layer.name}_output")
        # Values that Conv or Gemm add to their results are a bias, unless a run makes them: then it is a sum of maps.
        bias = one.node.input[_BIAS] if one.node.op_type in ("Conv", "Gemm") and len(one.node.input) > _BIAS else ""
        if bias in self.made:
            name = self.nodes.operator("add", f"{layer.name}_add", [name, self.made[bias]], shape)
        self._note(output, name, rows=rows)

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
        sources = [self.made[name] for name in read]
        if kind == "reshape" and len(shape) == 1 and read[0] in self.rows:
            sources = [self.nodes.turned(sources[0], f"{node.name or output}_turned"), *sources[1:]]
        self._note(output, self.nodes.operator(kind, node.name, sources, shape), rows=rows)

    def _kind(self, node: Any, read: list[str], output: str) -> tuple[Kind, bool]:
        """What an operator is, and whether the channels of what it gives come last."""
        shapes = [self._shape(name) for name in read]
        shape = self._shape(output)
        last = [name in self.rows for name in read]
        kind = kind_of(self.model, node, len(read))
        # An operator that joins or parts the images of a batch gives maps of no one image.
        if any(one[:1] != shape[:1] for one in shapes):
            return "other", False
        if node.op_type in ALIKE:
            alike = all(last) or not any(last)
            return (kind if alike else "other"), all(last) and len(shape) == len(shapes[0])
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
