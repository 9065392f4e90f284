"""A network's graph as rows, one a node, with lanes beside them for maps that are read further down.

For drawings as text and as a picture. A node that reads the row above needs no lane for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from workloads.graph import Graph, Node


@dataclass(frozen=True)
class GraphRow:
    """A node with the lanes beside it; lane 0 is the nearest to the nodes.

    above    whether it reads the row above
    begins   the lane that its own map takes, if a row further down than the next one reads it
    joins    lanes of maps that it reads, and for each whether it is the last one to read that
    passing  other lanes beside it
    """

    node: Node
    above: bool
    begins: int | None
    joins: Mapping[int, bool]
    passing: frozenset[int]

    @property
    def lanes(self) -> frozenset[int]:
        """All lanes beside the node."""
        own = () if self.begins is None else (self.begins,)
        return self.passing.union(self.joins, own)


def graph_rows(graph: Graph) -> list[GraphRow]:
    """The rows of a graph, in its order."""
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    last = {name: max((places[reader] for reader in graph.readers(name)), default=-1) for name in places}
    lanes: dict[str, int] = {}  # of maps that somebody further down reads
    rows = list[GraphRow]()
    for place, node in enumerate(graph.nodes):
        # In order of first appearance: what is read twice is one line.
        read = [name for name in dict.fromkeys(node.inputs) if name in lanes]
        joins = {lanes[name]: last[name] == place for name in read if places[name] < place - 1 or last[name] == place}
        passing = frozenset(lanes.values()) - joins.keys()
        begins = None
        if last[node.name] > place + 1:
            # A lane that ends here is free from the next row on.
            begins = next(lane for lane in count() if lane not in passing and lane not in joins)
        above = place > 0 and graph.nodes[place - 1].name in node.inputs
        rows.append(GraphRow(node, above, begins, joins, passing))
        for name in [name for name in read if last[name] == place]:
            del lanes[name]
        if begins is not None:
            lanes[node.name] = begins
    return rows
