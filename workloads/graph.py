"""`Graph`: how the layers of a network hang together, with the operators between them.

A node is the network's input, a layer, or an operator that is no layer (pooling, a sum, a join). Its output is one map.
Nodes stand in an order in which they can run, and layers among them in the order of the workload. What a graph says is
shape and order alone; weights and activations stay with the layers (`LayerSource`).

Example: a block of ResNet is

    x      input                                  the block's map
    conv1  layer    reads x
    conv2  layer    reads conv1
    add    add      reads conv2, x
    relu   activation   reads add

`readers("x")` are conv1 and add; conv1 of the next block has the `sources` conv2 and x, by way of add and relu.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

from workloads.errors import InputError, nearest
from workloads.names import require_name

Kind = Literal[
    "input",  # the network's own input: it reads nothing
    "layer",  # a layer of the workload, of the same name
    "pool",  # a smaller map of the same channels, averaged or maximal over windows
    "add",  # sums, differences and products of maps value by value; a map of one position goes to all of them
    "concat",  # channels one behind the other
    "upsample",  # a larger map of the same channels
    "activation",  # value by value: ReLU and its like
    "normalise",  # a scale and a shift for each channel that no layer has taken in
    "reshape",  # the same values in another order or shape: flattened, transposed, padded, split, cut
    "other",  # an operator of which only its shape is known
]
KINDS: tuple[str, ...] = get_args(Kind)
ONE_TO_ONE: frozenset[str] = frozenset({"activation", "normalise", "reshape"})  # they move and add no values
Map = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One node; `shape` is its output's without the batch: (C, [D,] H, W), or (features,).

    inputs  names of the nodes that it reads, in the operator's order
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    shape: Map

    def __post_init__(self) -> None:
        require_name("node", self.name)
        if self.kind not in KINDS:
            raise InputError(f"node '{self.name}': kind = {self.kind!r:.60}, must be one of {', '.join(KINDS)}")
        if not self.shape or not all(type(size) is int and size > 0 for size in self.shape):
            raise InputError(f"node '{self.name}': shape = {self.shape!r:.60}, must be whole numbers of at least 1")
        if bool(self.inputs) == (self.kind == "input"):
            raise InputError(f"node '{self.name}': {self.kind} reads {len(self.inputs)} nodes")

    @property
    def values(self) -> int:
        """Values of the output, of one image."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Graph:
    """The nodes of a network.

    Raises `InputError` when a name stands twice, or a node reads one that does not stand before it.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            for name in node.inputs:
                if name not in seen:
                    raise InputError(f"node '{node.name}' reads '{name}', which does not stand before it")
            if node.name in seen:
                raise InputError(f"two nodes are called '{node.name}'")
            seen.add(node.name)

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def layers(self) -> tuple[Node, ...]:
        """The layers, in the order of the workload."""
        return tuple(node for node in self.nodes if node.kind == "layer")

    def require_layers(self, names: Sequence[str]) -> None:
        """Raise `InputError` unless these are layers of the graph, each once, in its order; others may lie between."""
        places = {node.name: place for place, node in enumerate(self.layers)}
        last = None
        for name in names:
            if name not in places:
                raise InputError(f"layer '{name}' is not in the graph: {nearest(name, places)}")
            # A name that comes twice stands behind itself.
            if last is not None and places[name] <= places[last]:
                raise InputError(f"layer '{name}' comes after '{last}', but not in the graph")
            last = name

    def rows(self) -> list[list[Any]]:
        """The nodes as [name, kind, inputs, shape], in JSON types."""
        return [[node.name, node.kind, list(node.inputs), list(node.shape)] for node in self.nodes]

    @classmethod
    def of_rows(cls, rows: object) -> Self:
        """The graph of `rows`. Raises `InputError` naming the row."""
        if not isinstance(rows, list):
            raise InputError("must be a list of nodes")
        return cls(tuple(_node(place, row) for place, row in enumerate(rows)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    @cached_property
    def _readers(self) -> Mapping[str, tuple[str, ...]]:
        readers: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers[name].append(node.name)
        return {name: tuple(found) for name, found in readers.items()}

    def readers(self, name: str) -> tuple[str, ...]:
        """The nodes that read a node's output, in order; none of the network's results are read."""
        return self._readers[name]

    def sources(self, name: str) -> tuple[str, ...]:
        """The layers, or the network's input, whose values a node reads, by way of operators; in order."""
        seen: dict[str, Node] = {}
        waiting = list(reversed(self.by_name[name].inputs))
        while waiting:
            node = self.by_name[waiting.pop()]
            # Looked through once: operators that part and meet again k times have 2^k ways between them.
            if node.name not in seen and node.kind not in ("layer", "input"):
                waiting += reversed(node.inputs)
            seen.setdefault(node.name, node)
        return tuple(name for name, node in seen.items() if node.kind in ("layer", "input"))

    def users(self, name: str) -> tuple[str, ...]:
        """The layers that read a node's values, by way of operators; in order."""
        reached, users = {name}, list[str]()
        # One pass is enough, since readers stand behind what they read.
        for node in self.nodes:
            if reached.isdisjoint(node.inputs):
                continue
            if node.kind == "layer":
                users.append(node.name)
            else:
                reached.add(node.name)
        return tuple(users)

    def renamed(self, names: Mapping[str, str]) -> Self:
        """The same graph with other names for some nodes."""

        def new(name: str) -> str:
            return names.get(name, name)

        return type(self)(
            tuple(Node(new(node.name), node.kind, tuple(map(new, node.inputs)), node.shape) for node in self.nodes)
        )

    def with_layers(self, parts: Mapping[str, Sequence[Node]]) -> Self:
        """The same graph with some layers replaced by chains of layers; what read a layer reads the last of its chain.

        parts  by the layer's name its chain, whose `inputs` are not looked at: each layer reads the one before it, the
               first what the replaced layer read
        """
        return type(self)(tuple(self._replaced(parts)))

    def _replaced(self, parts: Mapping[str, Sequence[Node]]) -> Iterator[Node]:
        last = {name: chain[-1].name for name, chain in parts.items()}
        for node in self.nodes:
            inputs = tuple(last.get(name, name) for name in node.inputs)
            for part in parts.get(node.name, (node,)):
                yield Node(part.name, part.kind, inputs, part.shape)
                inputs = (part.name,)


def _node(place: int, row: Any) -> Node:
    """The node of a row that may hold anything."""
    try:
        name, kind, inputs, shape = row
        return Node(name, kind, _texts(inputs), tuple(shape))
    except (TypeError, ValueError) as error:
        # An `InputError` is a ValueError with a text of its own.
        text = str(error) if isinstance(error, InputError) else "must be [name, kind, [inputs], [sizes]]"
        raise InputError(f"node {place}: {text}") from None


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise TypeError
    return tuple(values)


def chain(layers: Sequence[tuple[str, Map]], input_shape: Map) -> Graph:
    """A graph in which each layer reads the one before it; (name, output shape) for each of them."""
    nodes = [Node(unlike("input", [name for name, _ in layers]), "input", (), input_shape)]
    for name, shape in layers:
        nodes.append(Node(name, "layer", (nodes[-1].name,), shape))
    return Graph(tuple(nodes))


def unlike(name: str, taken: Sequence[str]) -> str:
    """A name that nobody has."""
    while name in taken:
        name += "'"
    return name
