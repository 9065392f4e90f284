"""`GraphNodes`: a model's operators become the nodes of a `Graph`, whatever library read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from workloads.errors import InputError
from workloads.graph import Graph, Kind, Map, Node
from workloads.layer import Layer
from workloads.names import LONGEST_NAME, plain_name
from workloads.transposed import TransposedPart
from workloads.wiring import fits, input_map, output_map, transposed_input, transposed_nodes

_NUMBER = 10  # characters that a name is held short of the longest, for a number behind it


class NoGraphError(Exception):
    """A model holds what no graph expresses; the text says what."""


def build(make: Callable[[], Graph], *damage: type[Exception]) -> tuple[Graph | None, tuple[str, ...]]:
    """A model's graph and no note; or, where it cannot be built, None and the note that says why.

    damage  what reading a broken file may raise besides
    """
    try:
        return make(), ()
    except (NoGraphError, InputError) as error:
        return None, (f"how its layers hang together is not known: {error}",)
    except damage:
        return None, ("how its layers hang together is not known: an operator of the file is damaged",)


def first_map(shape: Sequence[int]) -> Map:
    """A tensor's map where channels come first: (N, C, [D,] H, W), or a batch of single numbers or features."""
    # A tensor (N, C, L) is a map of one row, as 1-D convolutions are layers over one row.
    channels, *positions = shape[1:] or (1,)
    return (channels, 1, *positions) if len(positions) == 1 else (channels, *positions)


def last_map(shape: Sequence[int]) -> Map:
    """A tensor's map where channels come last, as matrix products have them: (N, ..., C) is (C, 1, positions)."""
    # (8, 196, 768) are 196 positions of 768 channels, and (8, 1, 768) are features as (8, 768) are.
    *positions, channels = shape[1:] or (1,)
    count = math.prod(positions)
    return (channels,) if count == 1 else (channels, 1, count)


def of_images(shape: tuple[int, ...], images: int) -> tuple[int, ...]:
    """A tensor's shape with the images apart from what was joined with them along the first axis, heads mostly."""
    # Of 8 images, (24, 197, 64) are 3 heads of each: (8, 3, 197, 64).
    joined = bool(shape) and images > 0 and shape[0] > images and shape[0] % images == 0
    return (images, shape[0] // images, *shape[1:]) if joined else shape


class GraphNodes:
    """Nodes in the order in which a model runs them.

    layers  names of the layers, which no operator may take
    """

    def __init__(self, layers: Iterable[str]) -> None:
        self._taken = set(layers)
        self._nodes: dict[str, Node] = {}

    def shape(self, name: str) -> Map:
        """What a node gives."""
        return self._nodes[name].shape

    def input(self, name: str, shape: Map) -> str:
        """An input of the model; the node's name."""
        return self._add(self._unused(name or "input"), "input", (), shape)

    def layer(self, layer: Layer, source: str | None) -> str:
        """A layer that reads a node, which is reshaped to what it reads; the node's name, which is the layer's."""
        if source is None:
            raise NoGraphError(f"layer '{layer.name}' reads what no operator makes of the model's inputs")
        if not fits(layer, self.shape(source)):
            source = self.shaped(source, input_map(layer), f"{layer.name}_input")
        return self._add(layer.name, "layer", (source,), output_map(layer))

    def same_values(self, source: str, layer: Layer) -> bool:
        """Whether a node gives as many values as a layer reads."""
        return math.prod(self.shape(source)) == math.prod(input_map(layer))

    def product(self, layer: Layer, left: str | None, right: str | None) -> str:
        """A product of two activations, which reads two nodes; the layer's name."""
        if left is None or right is None:
            raise NoGraphError(f"layer '{layer.name}' reads what no operator makes of the model's inputs")
        left = self.shaped(left, input_map(layer), f"{layer.name}_input")
        one = layer.with_batch(1)
        if math.prod(self.shape(right)) != one.weight_count:
            # A head that is lent to others, for one.
            shape = (one.in_channels, 1, one.group_out_channels)
            right = self.operator("other", f"{layer.name}_weights", [right], shape)
        return self._add(layer.name, "layer", (left, right), output_map(layer))

    def transposed(self, parts: Sequence[TransposedPart], source: str | None) -> str:
        """The convolutions of a transposed one, which read parts of one map; the node of the map that they make."""
        whole = parts[0].whole
        if source is None:
            raise NoGraphError(f"layer '{whole.name}' reads what no operator makes of the model's inputs")
        source = self.shaped(source, transposed_input(whole), f"{whole.name}_input")
        for node in transposed_nodes(parts, source):
            source = self._add(node.name, node.kind, node.inputs, node.shape)
        return source

    def recurrent(self, cells: Sequence[Layer], ways: int, source: str | None, states: Sequence[str | None]) -> str:
        """The products of a recurrent operator as a chain; the node of the hidden states of the last ones.

        cells   input before recurrent, for each direction (`ways`) and then for each of those that read them
        states  what was given as the first states
        """
        if source is None:
            raise NoGraphError(f"layer '{cells[0].name}' reads what no operator makes of the model's inputs")
        given = [one for one in states if one is not None]
        pairs = list(zip(cells[::2], cells[1::2], strict=True))
        for first in range(0, len(pairs), ways):
            made = [self._cell(*pair, source, given) for pair in pairs[first : first + ways]]
            positions = self.shape(made[0])[1:]
            shape = (sum(self.shape(one)[0] for one in made), *positions)
            source = made[0] if len(made) == 1 else self.operator("concat", f"{pairs[first][0].name}_ways", made, shape)
        return source

    def _cell(self, read: Layer, recurrent: Layer, source: str, given: Sequence[str]) -> str:
        gates = self.layer(read, source)
        # Gates make states, which the other product reads, step by step: in a graph without circles it follows the
        # product of the inputs of all steps.
        before = self.operator("other", f"{recurrent.name}_states", [gates, *given], input_map(recurrent))
        name = self.layer(recurrent, before)
        return self.operator("other", f"{recurrent.name}_output", [gates, name], input_map(recurrent))

    def operator(self, kind: Kind, name: str, inputs: Sequence[str], shape: Map) -> str:
        """An operator, whose kind holds as far as shapes bear it out; without a name it gets its kind and a number."""
        if not inputs:
            raise NoGraphError(f"operator '{name or kind}' reads none of the model's inputs")
        held = fitting(kind, [self.shape(one) for one in inputs], shape)
        return self._add(self._unused(name) if name else self._numbered(held), held, tuple(inputs), shape)

    def shaped(self, source: str, shape: Map, name: str) -> str:
        """A node whose map has that shape: the source itself, or a reshape of it."""
        if self.shape(source) == shape:
            return source
        # Positions that a layer takes for images of a batch are no part of one image's map.
        kind: Kind = "reshape" if math.prod(self.shape(source)) == math.prod(shape) else "other"
        return self.operator(kind, name, [source], shape)

    def turned(self, source: str, name: str) -> str:
        """A map with its channels behind its positions, as files hold it that keep channels last."""
        # Values of (C, H, W) lie there as (H, W, C), so that flattening them puts a position's channels side by side.
        channels, *positions = self.shape(source)
        if math.prod(positions) == 1:
            return source
        return self.operator("reshape", name, [source], (*positions, channels))

    def graph(self, results: Iterable[str]) -> Graph:
        """The graph of what the layers and the model's results need."""
        results = list(dict.fromkeys(results))
        needed = set(results) | {name for name, node in self._nodes.items() if node.kind == "layer"}
        for name, node in reversed(self._nodes.items()):
            if name in needed:
                needed.update(node.inputs)
        read = {name for one in needed for name in self._nodes[one].inputs}
        # A graph's results are the nodes that nobody reads. One that is read gets a reader that hands it on.
        for name in results:
            if name in read:
                needed.add(self.operator("reshape", f"{name}_result", [name], self.shape(name)))
        return Graph(tuple(node for name, node in self._nodes.items() if name in needed))

    def _add(self, name: str, kind: Kind, inputs: tuple[str, ...], shape: Map) -> str:
        self._taken.add(name)
        self._nodes[name] = Node(name, kind, inputs, shape)
        return name

    def _unused(self, name: str) -> str:
        plain = chosen = plain_name(name, LONGEST_NAME - _NUMBER)
        copies = 1
        while chosen in self._taken:
            copies += 1
            chosen = f"{plain}_{copies}"
        return chosen

    def _numbered(self, kind: str) -> str:
        number = 1
        while f"{kind}{number}" in self._taken:
            number += 1
        return f"{kind}{number}"


def fitting(kind: Kind, inputs: Sequence[Map], output: Map) -> Kind:
    """The kind where the shapes bear it out, else "other".

    Example: adding (64, 7, 7) and (64, 1, 1) is an "add" of (64, 7, 7); concatenating 64 and 32 channels that give
    80 is none that a graph knows.
    """
    return kind if _fits(kind, inputs, output) else "other"


def _fits(kind: Kind, inputs: Sequence[Map], output: Map) -> bool:
    if kind == "add":
        return all(len(one) == len(output) and _spreads(one, output) for one in inputs)
    if kind == "concat":
        return sum(one[0] for one in inputs) == output[0] and all(one[1:] == output[1:] for one in inputs)
    return kind == "other" or (len(inputs) == 1 and _fits_one(kind, inputs[0], output))


def _fits_one(kind: Kind, read: Map, output: Map) -> bool:
    if kind in ("activation", "normalise"):
        return read == output
    same = read[0] == output[0]
    if kind == "pool":
        return same and len(output) in (1, len(read))
    if kind == "upsample":
        return same and len(read) == len(output) and _spreads(output, read, larger=True)
    return True


def _spreads(one: Map, other: Map, *, larger: bool = False) -> bool:
    """Whether each size is 1 or the other's; with `larger`: at least the other's."""
    return all(a >= b if larger else a in (1, b) for a, b in zip(one, other, strict=True))
