"""`resized`: a graph whose layers have lost channels or filters, and its operators' maps with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workloads.graph import Graph, Map, Node
from workloads.layer import Layer
from workloads.wiring import fits, input_map

# Kinds whose map has the channels of the one map that they read.
SAME_CHANNELS = frozenset({"pool", "upsample", "activation", "normalise"})


def features_a_channel(before: Map, after: Map) -> int:
    """How many features in a row a reshape makes of each channel; 0 where channels do not stay together in order.

    Example: (512, 7, 7) flattened to (25088,) gives 49; (512, 7, 7) padded to (512, 9, 9) gives 1; any other map of as
    many values may be a transposed one, and gives 0.
    """
    values = math.prod(before)
    if math.prod(after[1:]) == 1:
        return values // before[0] if values == after[0] else 0
    return int(len(before) == len(after) and before[0] == after[0] and values != math.prod(after))


def resized(graph: Graph, layers: Mapping[str, Layer]) -> Graph | None:
    """The graph with these layers in place of those of their names, which had more channels or filters.

    A layer that reads fewer channels than its map has reads a cut of it, a reshape called `NAME.cut`. None: the layers
    do not fit one another any more.
    """
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        layer = layers.get(node.name)
        shapes = [nodes[name].shape for name in node.inputs]
        found = _operator(node, graph, shapes) if layer is None else _layer(node, layer, shapes[0], graph)
        if not found:
            return None
        nodes |= {one.name: one for one in found}
    return Graph(tuple(nodes.values()))


def _layer(node: Node, layer: Layer, held: Map, graph: Graph) -> list[Node]:
    """The layer, behind the cut that it reads if it needs one; nothing where it lacks channels."""
    shape, read = (layer.out_channels, *node.shape[1:]), input_map(layer)
    if fits(layer, held):
        return [Node(node.name, node.kind, node.inputs, shape)]
    if math.prod(read) > math.prod(held):
        return []
    cut = f"{node.name}.cut"
    while cut in graph.by_name:
        cut += "'"
    return [Node(cut, "reshape", node.inputs, read), Node(node.name, node.kind, (cut,), shape)]


def _operator(node: Node, graph: Graph, shapes: Sequence[Map]) -> list[Node]:
    shape = _shape(node, [graph.by_name[name].shape for name in node.inputs], shapes)
    return [Node(node.name, node.kind, node.inputs, shape)] if shape else []


def _shape(node: Node, before: Sequence[Map], now: Sequence[Map]) -> Map:
    """What an operator gives of what it reads now; nothing where it cannot read that."""
    if list(before) == list(now):
        return node.shape
    channels = [shape[0] for shape in now]
    if node.kind == "add":
        return (max(channels), *node.shape[1:]) if len({*channels} - {1}) <= 1 else ()
    if node.kind == "concat":
        return (sum(channels), *node.shape[1:])
    if node.kind in SAME_CHANNELS:
        return (channels[0], *node.shape[1:])
    repeats = features_a_channel(before[0], node.shape) if node.kind == "reshape" else 0
    return (channels[0] * repeats, *node.shape[1:]) if repeats else ()
