"""Layers and operators with the names of what they read become a `Graph`.

Shapes are computed, and it is checked that every node can read what it is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workloads.errors import InputError, nearest
from workloads.graph import Graph, Map, Node
from workloads.layer import Layer
from workloads.operators import Operator, written
from workloads.transposed import Transposed, TransposedPart

Part = Layer | Operator | tuple[TransposedPart, ...]  # a layer, an operator, or the layers of a transposed convolution


def name_of(part: Part) -> str:
    """The name of the map that it makes."""
    return part[0].whole.name if isinstance(part, tuple) else part.name


@dataclass(frozen=True)
class Wired:
    """A layer or an operator, and the names of the nodes that it reads; `where` it is told, for messages."""

    part: Part
    inputs: tuple[str, ...] = ()
    where: str = ""


def assemble(parts: Sequence[Wired]) -> Graph:
    """The graph of parts that stand in an order in which they can run.

    An input without a shape has that of the first layer that reads it. Raises `InputError` naming the node: what it
    reads does not stand before it, or does not fit it.
    """
    nodes: dict[str, Node] = {}
    for wired in parts:
        try:
            for node in _checked(wired, nodes, parts):
                if node.name in nodes:
                    raise InputError(f"two nodes are called '{node.name}'")  # noqa: TRY301
                nodes[node.name] = node
        except InputError as error:
            raise InputError(f"{wired.where}: {error}" if wired.where else str(error)) from None
    return Graph(tuple(nodes.values()))


def _checked(wired: Wired, nodes: Mapping[str, Node], parts: Sequence[Wired]) -> list[Node]:
    name = name_of(wired.part)
    for read in wired.inputs:
        if read not in nodes:
            raise InputError(f"node '{name}' reads '{read}', which does not stand before it: {nearest(read, nodes)}")
    shapes = [nodes[read].shape for read in wired.inputs]
    part = wired.part
    if not isinstance(part, tuple):
        return [_node(part, wired.inputs, shapes, parts)]
    _require_one(name, wired.inputs)
    _require_map(name, transposed_input(part[0].whole), wired.inputs[0], shapes[0])
    return transposed_nodes(part, wired.inputs[0])


def _node(part: Layer | Operator, inputs: tuple[str, ...], shapes: Sequence[Map], parts: Sequence[Wired]) -> Node:
    if isinstance(part, Layer):
        return Node(part.name, "layer", inputs, _layer_output(part, inputs, shapes))
    if part.kind == "input" and part.shape is None:
        return Node(part.name, part.kind, inputs, _read_shape(part.name, parts))
    return Node(part.name, part.kind, inputs, part.output(shapes) if inputs else part.shape or ())


def _layer_output(layer: Layer, inputs: Sequence[str], shapes: Sequence[Map]) -> Map:
    if layer.moving_weights:
        _check_sides(layer, inputs, shapes)
    else:
        _require_one(layer.name, inputs)
    _require_map(layer.name, input_map(layer), inputs[0], shapes[0], fits=fits(layer, shapes[0]))
    return output_map(layer)


def _require_one(name: str, inputs: Sequence[str]) -> None:
    if len(inputs) != 1:
        raise InputError(f"layer '{name}' reads {len(inputs)} nodes, must be 1: add or concat makes one of several")


def _require_map(name: str, wanted: Map, source: str, given: Map, *, fits: bool | None = None) -> None:
    if not (wanted == given if fits is None else fits):
        raise InputError(f"layer '{name}' reads {written(wanted)}, but '{source}' gives {written(given)}")


def _check_sides(layer: Layer, inputs: Sequence[str], shapes: Sequence[Map]) -> None:
    """A product of two activations reads its activations and its weights, these in any order of their values."""
    if len(inputs) != 2:
        raise InputError(
            f"layer '{layer.name}' reads {len(inputs)} nodes, must be 2: what it multiplies, activations first"
        )
    if math.prod(shapes[1]) != weight_values(layer):
        raise InputError(
            f"layer '{layer.name}' has {weight_values(layer)} weights, but '{inputs[1]}' gives {written(shapes[1])}"
        )


def transposed_input(whole: Transposed) -> Map:
    """The map that a transposed convolution reads, without the batch."""
    return (whole.in_channels, *whole.input_size)


def transposed_nodes(parts: Sequence[TransposedPart], source: str) -> list[Node]:
    """The convolutions of a transposed one, each behind what it reads of the map, and the map that they make.

    That map's node, the last one, has the transposed convolution's name.
    """
    whole, nodes = parts[0].whole, list[Node]()
    held, made = transposed_input(whole), (whole.out_channels, *whole.output_size)
    for part in parts:
        layer, shape, read = part.layer, input_map(part.layer), source
        if shape != held:
            # Zeros between values make a larger map; a phase reads a part of it.
            larger = part.form == "stretched" and all(new >= old for new, old in zip(shape, held, strict=True))
            read = f"{layer.name}_{'stretched' if larger else 'cut'}"
            nodes.append(Node(read, "upsample" if larger else "reshape", (source,), shape))
        nodes.append(Node(layer.name, "layer", (read,), output_map(layer)))
    if nodes[-1].name == whole.name:
        return nodes
    # Each phase makes the outputs that lie a stride apart.
    phases = tuple(node.name for node in nodes if node.kind == "layer")
    alone = len(phases) == 1 and nodes[-1].shape == made
    return [*nodes, Node(whole.name, "reshape" if alone else "other", phases, made)]


def weight_values(layer: Layer) -> int:
    """Weights of a product of two activations for one image."""
    return layer.with_batch(1).weight_count


def _read_shape(name: str, parts: Sequence[Wired]) -> Map:
    for wired in parts:
        if name in wired.inputs and not isinstance(wired.part, Operator):
            return input_map(wired.part) if isinstance(wired.part, Layer) else transposed_input(wired.part[0].whole)
    raise InputError(f"node '{name}': key 'shape' is missing: no layer reads it, from which it would follow")


def input_map(layer: Layer) -> Map:
    """The map that a layer reads, without the batch; (features,) where it is fully connected."""
    layer = layer.with_batch(1)  # images of a product of two activations are among its channels
    return (layer.in_channels,) if layer.fully_connected else (layer.in_channels, *layer.input_size)


def output_map(layer: Layer) -> Map:
    """The map that a layer makes, without the batch; (features,) where it is fully connected."""
    layer = layer.with_batch(1)
    return (layer.out_channels,) if layer.fully_connected else (layer.out_channels, *layer.output_size)


def fits(layer: Layer, shape: Map) -> bool:
    """Whether a layer can read a map: a fully connected one flattens it by itself, channel after channel."""
    return math.prod(shape) == layer.in_channels if layer.fully_connected else _full(layer, shape) == input_map(layer)


def _full(layer: Layer, shape: Map) -> Map:
    """Features as a map of one position, which a convolution of a 1x1 map reads."""
    return shape + (1,) * layer.axes if len(shape) == 1 else shape
