"""How the layers of a network file hang together, from its keys `inputs` and its tables of operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workloads.errors import InputError, nearest
from workloads.graph import Graph, unlike
from workloads.operators import Operator
from workloads.wiring import Part, Wired, assemble, name_of


@dataclass(frozen=True)
class Told:
    """A layer or an operator with what its table says that it reads; `key` is the table's dotted key in the file."""

    key: str
    part: Part
    inputs: tuple[str, ...] | None

    @property
    def name(self) -> str:
        """That of the node."""
        return name_of(self.part)


def graph_of(layers: Sequence[Told], operators: Sequence[Told], faults: list[str]) -> Graph | None:
    """The graph, or None after adding faults; None without any where nothing is told and layers are no chain.

    A layer that names no inputs reads what operators have made of the layer before it when it runs, where no layer asks
    for that by name, else that layer; the first one reads the network's input, which is called `input`.
    """
    found = _names(layers, operators)
    if not found:
        try:
            return assemble(_ordered(layers, operators))
        except InputError as error:
            found = [str(error)]
    if operators or any(layer.inputs for layer in layers):
        faults += found
    return None


def _names(layers: Sequence[Told], operators: Sequence[Told]) -> list[str]:
    """Faults of names alone: those that stand twice, and inputs that are nobody's name."""
    parts = [*layers, *operators]
    counts = Counter(part.name for part in parts)
    twice = [f"two layers or operators are called '{name}'" for name, count in counts.items() if count > 1]
    known = {_input(parts), *counts}
    return twice + [
        f"{part.key}.inputs = {[*(part.inputs or ())]!r:.60}: nothing is called '{name}': {nearest(name, known)}"
        for part in parts
        for name in part.inputs or ()
        if name not in known
    ]


def _input(parts: Sequence[Told]) -> str:
    """The name of the network's input."""
    return unlike("input", [part.name for part in parts])


def _ordered(layers: Sequence[Told], operators: Sequence[Told]) -> list[Wired]:
    """Layers in their order, each operator as soon as all that it reads stands before it."""
    source = _input([*layers, *operators])
    placed = {source: Wired(Operator(source, "input"))}
    # A map that some layer asks for by name is a branch of its own.
    branches = {name for layer in layers for name in layer.inputs or ()}
    waiting = list(operators)
    before = source
    for layer in layers:
        waiting = _place(waiting, placed)
        inputs = layer.inputs or (_follower(layer, before, placed, branches),)
        for name in inputs:
            if name not in placed:
                raise InputError(f"{layer.key}.inputs: layer '{layer.name}' runs before '{name}', which it reads")
        placed[layer.name] = Wired(layer.part, inputs, layer.key)
        before = layer.name
    waiting = _place(waiting, placed)
    if waiting:
        raise InputError(f"{waiting[0].key}.inputs: '{waiting[0].name}' reads what is made of it")
    return _used(list(placed.values()), source)


def _used(parts: list[Wired], source: str) -> list[Wired]:
    """Without the network's input where nothing reads it, as the file has inputs of its own."""
    return parts if any(source in part.inputs for part in parts) else parts[1:]


def _place(waiting: Sequence[Told], placed: dict[str, Wired]) -> list[Told]:
    """Place every operator that can run; the others are given back."""
    left = list(waiting)
    while ready := [one for one in left if all(name in placed for name in one.inputs or ())]:
        for one in ready:
            placed[one.name] = Wired(one.part, one.inputs or (), one.key)
        left = [one for one in left if one.name not in placed]
    return left


def _follower(layer: Told, before: str, placed: Mapping[str, Wired], branches: Collection[str]) -> str:
    """What a layer reads that does not say it: what operators have made of the layer before, or that itself."""
    # Of conv1, a pooling, conv2, conv3 and their sum with the pooling, conv2 reads the pooling: when it runs, the sum
    # is still to come. What follows conv3 reads the sum.
    made = list(_made_of(before, placed))
    read = {name for part in made for name in placed[part].inputs}
    ends = [name for name in made if name not in read and name not in branches]
    if len(ends) > 1:
        raise InputError(
            f"{layer.key}: key 'inputs' is missing: {' and '.join(map(repr, ends))} are made of '{before}'"
        )
    return ends[0] if ends else before


def _made_of(name: str, placed: Mapping[str, Wired]) -> Iterator[str]:
    """The operators that read a node, by way of other operators."""
    reached = {name}
    # One pass is enough, since parts stand behind what they read.
    for part, wired in placed.items():
        if isinstance(wired.part, Operator) and not reached.isdisjoint(wired.inputs):
            reached.add(part)
            yield part
