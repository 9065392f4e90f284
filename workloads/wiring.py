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


@dataclass(frozen=True)
class Wired:
    """A layer or an operator, and the names of the nodes that it reads; `where` it is told, for messages."""

    part: Layer | Operator
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
            nodes[wired.part.name] = _checked(wired, nodes, parts)
        except InputError as error:
            raise InputError(f"{wired.where}: {error}" if wired.where else str(error)) from None
    return Graph(tuple(nodes.values()))


def _checked(wired: Wired, nodes: Mapping[str, Node], parts: Sequence[Wired]) -> Node:
    name = wired.part.name
    if name in nodes:
        raise InputError(f"two nodes are called '{name}'")
    for read in wired.inputs:
        if read not in nodes:
            raise InputError(f"node '{name}' reads '{read}', which does not stand before it: {nearest(read, nodes)}")
    return _node(wired, [nodes[read].shape for read in wired.inputs], parts)


def _node(wired: Wired, shapes: Sequence[Map], parts: Sequence[Wired]) -> Node:
    part = wired.part
    if isinstance(part, Layer):
        return Node(part.name, "layer", wired.inputs, _layer_output(part, wired.inputs, shapes))
    if part.kind == "input" and part.shape is None:
        return Node(part.name, part.kind, wired.inputs, _read_shape(part.name, parts))
    return Node(part.name, part.kind, wired.inputs, part.output(shapes) if wired.inputs else part.shape or ())


def _layer_output(layer: Layer, inputs: Sequence[str], shapes: Sequence[Map]) -> Map:
    if layer.moving_weights:
        _check_sides(layer, inputs, shapes)
    elif len(inputs) != 1:
        raise InputError(
            f"layer '{layer.name}' reads {len(inputs)} nodes, must be 1: add or concat makes one of several"
        )
    if not fits(layer, shapes[0]):
        raise InputError(
            f"layer '{layer.name}' reads {written(input_map(layer))}, but '{inputs[0]}' gives {written(shapes[0])}"
        )
    return output_map(layer)


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


def weight_values(layer: Layer) -> int:
    """Weights of a product of two activations for one image."""
    return layer.with_batch(1).weight_count


def _read_shape(name: str, parts: Sequence[Wired]) -> Map:
    for wired in parts:
        if isinstance(wired.part, Layer) and name in wired.inputs:
            return input_map(wired.part)
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
