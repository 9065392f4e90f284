"""`Role`: what each layer of a network has to do beside its own work, so that the next ones find their inputs.

Roles are for what runs, in order: the layers, and between them the poolings that no layer does on the way. They follow
from the graph alone; without one each layer is taken to read the one before it, as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from simulator.engine.network_layers import Read
from simulator.network.held_maps import HeldMaps, Pooling
from workloads.graph import Graph, Node

NO_GRAPH = "how the layers hang together is not known: each is taken to read the one before it, as a whole"


@dataclass(frozen=True)
class Role:
    """One of those that run; others are named by their places among all that run.

    layer           its place among the layers that run; None: a pooling by itself
    reads           whose results its inputs are made of
    operands        whose results are added to its own before they leave
    outside_read, outside_operands   values (of one image) that a pooling reads, or anybody adds, of maps that nobody
                    here makes
    input_in_dram   whether its input lies in DRAM, whatever the chip keeps: it is not just what the one before made
    leaves          whether its results must go to DRAM, whatever the chip keeps: not only the next layer reads them
    made, stored    values (of one image) of its results, and what is left of them once they are stored
    """

    name: str
    layer: int | None
    reads: tuple[Read, ...] = ()
    operands: tuple[int, ...] = ()
    outside_read: int = 0
    outside_operands: int = 0
    input_in_dram: bool = False
    leaves: bool = False
    made: int = 1
    stored: Fraction = Fraction(1)

    @property
    def stored_share(self) -> Fraction:
        """Values stored over values made."""
        return self.stored / self.made


def roles_of_chain(layers: Sequence[tuple[int, str]], moving: Collection[str] = ()) -> tuple[Role, ...]:
    """Roles where no graph is known: (place in the whole network, name) of the layers that run, in order.

    moving  names of products of two activations
    """
    roles = list[Role]()
    for place, (index, name) in enumerate(layers):
        follows = place > 0 and layers[place - 1][0] == index - 1
        following = "" if place + 1 == len(layers) else layers[place + 1][1]
        followed = place + 1 == len(layers) or layers[place + 1][0] == index + 1
        reads = (Read(place - 1),) if follows else ()
        # Weights are read from DRAM, where they have to be if a layer made them: nothing stays on the chip for them.
        passed_on, passes = follows and name not in moving, followed and following not in moving
        # The network's first layer says itself where its input lies (`LayerTrace.input_in_dram`).
        roles.append(Role(name, place, reads, input_in_dram=index > 0 and not passed_on, leaves=not passes))
    return tuple(roles)


def roles_of_graph(graph: Graph, names: Sequence[str], pooling: Pooling) -> tuple[Role, ...]:
    """Roles of the named layers in a graph, in its order, and of the poolings between them that run by themselves.

    A layer of the graph that is not named has been run before: its results lie in DRAM.
    """
    return tuple(_Roles(graph, names, HeldMaps(graph, pooling)).roles())


class _Roles:
    def __init__(self, graph: Graph, names: Sequence[str], maps: HeldMaps) -> None:
        self._graph = graph
        self._maps = maps
        self._layers = {name: place for place, name in enumerate(names)}
        self._running = [node for node in graph.nodes if self._runs(node)]
        self._place = {node.name: place for place, node in enumerate(self._running)}
        self._reads = [maps.holders_read(node) for node in self._running]
        self._needed_later = self._kept_waiting()

    def _runs(self, node: Node) -> bool:
        if node.kind == "layer":
            return node.name in self._layers
        if node.kind != "pool" or self._maps.held[node.name].by != (node.name,):
            return False
        # A pooling runs where layers here need it, or where it ends the network behind one of them. One whose map
        # was made by what does not run has been made with it.
        users, sources = self._graph.users(node.name), self._graph.sources(node.name)
        made_here = any(name in self._layers or self._graph.by_name[name].kind == "input" for name in sources)
        return made_here and (not users or any(name in self._layers for name in users))

    def roles(self) -> Iterator[Role]:
        for place, node in enumerate(self._running):
            held, maps = self._reads[place], self._maps
            inside, outside = self._split(held.by)
            operands, outside_operands = self._split(maps.operands[node.name])
            in_order = held.in_order and len(inside) == 1 and not outside
            yield Role(
                name=node.name,
                layer=self._layers.get(node.name),
                reads=tuple(Read(one, in_order) for one in inside),
                operands=operands,
                outside_read=0 if node.kind == "layer" else self._values(outside),
                outside_operands=self._values(outside_operands),
                input_in_dram=not self._begins(node) and not self._passed_on(place),
                leaves=self._leaves(place),
                # A pooling makes its map of what it reads; what share of that it is decides its bytes.
                made=node.values if node.kind == "layer" else self._values(held.by),
                stored=maps.stored[node.name],
            )

    def _split(self, holders: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The places of those that run, and the names of the others."""
        inside = tuple(self._place[name] for name in holders if name in self._place)
        return inside, tuple(name for name in holders if name not in self._place)

    def _values(self, holders: Sequence[str]) -> int:
        return int(sum(self._maps.stored[name] for name in holders))

    def _begins(self, node: Node) -> bool:
        """Whether it is the network's first layer, which says itself where its input lies."""
        return node == self._graph.layers[0]

    def _passed_on(self, place: int) -> bool:
        """Whether a layer reads just what the layer before it made, so that it may find it on the chip.

        A product of two activations does not, even of two parts of one map: its weights come from DRAM.
        """
        pair = self._running[max(place - 1, 0) : place + 1]
        return (
            len(pair[-1].inputs) == 1
            and [node.kind for node in pair] == ["layer", "layer"]
            and self._reads[place].by == (pair[0].name,)
        )

    def _leaves(self, place: int) -> bool:
        following = place + 1
        if following == len(self._running):
            return False
        return place in self._needed_later or not self._passed_on(following)

    def _kept_waiting(self) -> set[int]:
        """The places whose results somebody needs who cannot find them on the chip."""
        waiting = set[int]()
        for place, node in enumerate(self._running):
            # Adding is done while results leave, which needs the other map in DRAM.
            waiting.update(self._split(self._maps.operands[node.name])[0])
            waiting.update(made for made in self._split(self._reads[place].by)[0] if made < place - 1)
        return waiting
