"""Where the maps of a network lie: who has stored what a node gives, in what order, and how much of it.

Only the network's inputs, its layers and poolings that run by themselves store maps; they are the *holders* here. All
other operators are done on the way, so that a node's values lie with the holders that its operands lead back to. A sum
lies with the last of its holders, which adds the others to its own results (docs/network.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from workloads.graph import ONE_TO_ONE, Graph, Node

Pooling = Literal["leaving", "memory"]


@dataclass(frozen=True)
class Held:
    """Where the values of a node lie: the holders' names, and whether a single one stores them in the node's order."""

    by: tuple[str, ...]
    in_order: bool = False


class HeldMaps:
    """The maps of a graph, node by node.

    held      by the name of any node
    stored    by holder, the values that it stores of one image: its own, fewer where they are pooled before they
              leave, more where they are spread over a larger sum
    operands  by holder, whose maps it adds to its own

    A layer whose results are needed twice, by themselves and in a sum, stores them once, as the sum.
    """

    def __init__(self, graph: Graph, pooling: Pooling) -> None:
        self._graph = graph
        self._pooling = pooling
        self._place = {node.name: place for place, node in enumerate(graph.nodes)}
        self.held: dict[str, Held] = {}
        self.stored: dict[str, Fraction] = {}
        self.operands: dict[str, tuple[str, ...]] = {}
        for node in graph.nodes:
            self.held[node.name] = self._held(node)

    def holders_read(self, node: Node) -> Held:
        """Where the inputs of a node lie."""
        parts = [self.held[name] for name in node.inputs]
        by = tuple(dict.fromkeys(holder for part in parts for holder in part.by))
        return Held(by, in_order=len(node.inputs) == 1 and parts[0].in_order)

    def _held(self, node: Node) -> Held:
        if node.kind in ("input", "layer") or (node.kind == "pool" and not self._absorbed(node)):
            return self._own(node)
        read = self.holders_read(node)
        if node.kind == "pool":
            self._pool(node, read)
            return read
        if node.kind == "add":
            return self._sum(node)
        keeps = node.kind in ONE_TO_ONE and all(_same_order(self._graph.by_name[name], node) for name in node.inputs)
        return Held(read.by, in_order=read.in_order and keeps)

    def _own(self, node: Node) -> Held:
        self.stored[node.name] = Fraction(node.values)
        self.operands[node.name] = ()
        return Held((node.name,), in_order=True)

    def _absorbed(self, pool: Node) -> bool:
        """Whether a pooling is done while the results leave that it reads."""
        if self._pooling == "memory":
            return False
        waiting = [pool]
        while waiting:
            node = waiting.pop()
            for name in node.inputs:
                before = self._graph.by_name[name]
                # Who else reads the map on its way needs it as it was.
                if self._graph.readers(name) != (node.name,):
                    return False
                if before.kind in ONE_TO_ONE | {"concat"}:
                    waiting.append(before)
                elif before.kind != "layer":
                    return False
        return True

    def _pool(self, pool: Node, read: Held) -> None:
        """Let the layers that make a map store it pooled."""
        # 64 and 192 channels of 28x28 that are joined and pooled to 14x14 store a quarter each. A map that is padded
        # before it is pooled has stored no padding, so that what is stored counts, and not what the pooling reads.
        every = sum((self.stored[name] for name in read.by), Fraction())
        for name in read.by:
            self.stored[name] *= pool.values / every

    def _sum(self, node: Node) -> Held:
        """Let the last of a sum's holders add the others."""
        read = self.holders_read(node)
        last = max(read.by, key=lambda name: (self._graph.by_name[name].kind != "input", self._place[name]))
        others = tuple(name for name in read.by if name != last)
        self.operands[last] = tuple(dict.fromkeys((*self.operands[last], *others)))
        own = [part for part in (self.held[name] for name in node.inputs) if last in part.by]
        # A gate of one value a channel that runs last stores the whole map that it is multiplied with.
        self.stored[last] = max(self.stored[last], Fraction(node.values))
        return Held((last,), in_order=all(part.in_order for part in own))


def _same_order(before: Node, node: Node) -> bool:
    """Whether values stay in their order: of a reshape where it flattens, pads or does nothing (by its shape)."""
    if node.kind != "reshape" or node.shape in (before.shape, (before.values,)):
        return True
    # Padded: as many axes and channels, and no axis shorter. A shuffle of channels has more axes on its way.
    alike = len(node.shape) == len(before.shape) and node.shape[0] == before.shape[0]
    return alike and all(size >= old for size, old in zip(node.shape, before.shape, strict=True))
