"""`Flow`: which channels of a network's maps are one and the same, followed from filter to reader through its graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workloads.graph import Graph, Map, Node
from workloads.layer import Layer
from workloads.pruning.removal import depthwise
from workloads.resizing import SAME_CHANNELS, features_a_channel
from workloads.wiring import input_map


@dataclass(frozen=True)
class Flow:
    """Channels by number: what a filter writes has a number, which pools and one-to-one operators hand on.

    A sum's channels have numbers of their own. Channels that are summed are of one class: they stay or go together.

    reads     of each layer: the channel that each of its input channels is, (C,); flattened ones repeat
    writes    of each layer: the channel that each filter writes, (K,)
    passing   whether a layer is depthwise and hands its channels on: `writes` is `reads`
    sums      (channels of the sum, channels of one of its maps), in the order in which they run
    classes   the class of each channel
    given     channels that no layer writes which can be pruned: the network's input, results of unknown operators
    unknown   channels that an operator reads of which only the shape is known; they cannot leave their map
    outside   channels that a layer reads which is not among those that are pruned
    results   channels of the network's results
    """

    reads: tuple[np.ndarray, ...]
    writes: tuple[np.ndarray, ...]
    passing: tuple[bool, ...]
    sums: tuple[tuple[np.ndarray, np.ndarray], ...]
    classes: np.ndarray
    given: np.ndarray
    unknown: np.ndarray
    outside: np.ndarray
    results: np.ndarray

    @classmethod
    def of(cls, graph: Graph, layers: Sequence[Layer]) -> Flow:
        """The flow of a network's channels; other layers of the graph than these stay as they are."""
        return _Walk({layer.name: layer for layer in layers}).flow(graph)

    def features(self) -> list[int]:
        """For each layer, how many of its input channels in a row are one channel: H·W of a flattened map, else 1."""
        return [_features(reads, layer_given=bool(self.given[reads].all())) for reads in self.reads]

    def links(self) -> list[int] | None:
        """As `links.plain_links` where each layer feeds the next one and nothing else does; else None."""
        if self.sums or self.unknown.any() or self.outside.any() or not self.given[self.reads[0]].all():
            return None
        # A map that is a result is read by nobody, so that each channel has one reader if the last layer's alone are.
        results = np.zeros(len(self.results), np.bool_)
        results[self.writes[-1]] = True
        links = [_linked(*pair) for pair in zip(self.writes, self.reads[1:], strict=False)]
        return [*links, 0] if all(links) and np.array_equal(results, self.results) else None

    def spread_back(self, needed: np.ndarray) -> np.ndarray:
        """Channels that are needed, and all those that they are sums of; bool by channel."""
        needed = needed.copy()
        for total, part in reversed(self.sums):
            np.logical_or.at(needed, part, needed[total])
        return needed


def _linked(writes: np.ndarray, reads: np.ndarray) -> int:
    """How many features of each channel that one layer writes the other reads, all in order; else 0."""
    features, rest = divmod(len(reads), len(writes))
    return 0 if rest or not np.array_equal(np.repeat(writes, features), reads) else features


def _features(reads: np.ndarray, *, layer_given: bool) -> int:
    if layer_given or len(reads) < 2:
        return 1
    # [4 4 4 5 5 5] are two channels of three features each; [4 4 5] are judged one by one.
    starts = np.flatnonzero(np.diff(reads, prepend=-1))
    lengths = np.diff(starts, append=len(reads))
    return int(lengths[0]) if (lengths == lengths[0]).all() else 1


class _Walk:
    """One pass over a graph's nodes; channels get their numbers in order."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self.layers = layers
        self.count = 0
        self.maps: dict[str, np.ndarray] = {}
        self.shapes: dict[str, Map] = {}
        self.reads: dict[str, np.ndarray] = {}
        self.writes: dict[str, np.ndarray] = {}
        self.sums: list[tuple[np.ndarray, np.ndarray]] = []
        self.given: set[int] = set()
        # Numbers marked for a reason; arrays once the walk is over and their number is known.
        self.marks: dict[str, list[np.ndarray]] = {"given": [], "unknown": [], "outside": [], "results": []}

    def flow(self, graph: Graph) -> Flow:
        """The whole graph's flow."""
        for node in graph.nodes:
            self.shapes[node.name] = node.shape
            self.maps[node.name] = self._node(node)
            if not graph.readers(node.name):
                self.marks["results"].append(self.maps[node.name])
        marks = {reason: self._marked(held) for reason, held in self.marks.items()}
        names = list(self.layers)
        return Flow(
            tuple(self.reads[name] for name in names),
            tuple(self.writes[name] for name in names),
            tuple(self.writes[name] is self.reads[name] for name in names),
            tuple(self.sums),
            _classes(self.count, self.sums),
            **marks,
        )

    def _marked(self, held: list[np.ndarray]) -> np.ndarray:
        mask = np.zeros(self.count, np.bool_)
        for channels in held:
            mask[channels] = True
        return mask

    def _fresh(self, count: int) -> np.ndarray:
        self.count += count
        return np.arange(self.count - count, self.count)

    def _given(self, count: int) -> np.ndarray:
        channels = self._fresh(count)
        self.marks["given"].append(channels)
        self.given.update(channels.tolist())
        return channels

    def _node(self, node: Node) -> np.ndarray:
        if node.kind == "layer":
            return self._layer(node)
        if node.kind == "add":
            return self._sum(node)
        maps = [self.maps[name] for name in node.inputs]
        if node.kind == "concat":
            return np.concatenate(maps)
        if repeats := self._repeats(node):
            return np.repeat(maps[0], repeats)
        self.marks["unknown"] += maps
        return self._given(node.shape[0])

    def _repeats(self, node: Node) -> int:
        """Features in a row that an operator of one map makes of each channel; 0: its channels are others."""
        if node.kind == "reshape":
            return features_a_channel(self.shapes[node.inputs[0]], node.shape)
        return int(node.kind in SAME_CHANNELS)

    def _layer(self, node: Node) -> np.ndarray:
        layer, source = self.layers.get(node.name), node.inputs[0]
        held = self.maps[source]
        if layer is None or len(node.inputs) > 1 or layer.out_channels != node.shape[0]:
            self.marks["outside"] += [self.maps[name] for name in node.inputs]
            if layer is None:
                return self._given(node.shape[0])
        # A fully connected layer may flatten a map by itself, channel after channel.
        flat = layer.fully_connected
        features = features_a_channel(self.shapes[source], input_map(layer)) if flat else 1
        read = np.repeat(held, features)
        if layer.in_channels != len(read):
            self.marks["unknown"].append(held)
            read = self._given(layer.in_channels)
        self.reads[node.name] = read
        # A depthwise layer that reads the network's input has channels of its own to lose; others hand on what comes.
        passes = depthwise(layer) and not self.given.issuperset(read.tolist())
        self.writes[node.name] = read if passes else self._fresh(layer.out_channels)
        return self.writes[node.name]

    def _sum(self, node: Node) -> np.ndarray:
        total = self._fresh(node.shape[0])
        for name in node.inputs:
            part = self.maps[name]
            if len(part) == len(total):
                self.sums.append((total, part))
            else:
                self.marks["unknown"].append(part)  # one channel that goes to all: no channel of the sum is it
        return total


def _classes(count: int, sums: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The class of each channel: the least number among those that sums bind together."""
    classes = np.arange(count)
    changed = True
    while changed:
        before = classes.copy()
        for total, part in sums:
            least = np.minimum(classes[total], classes[part])
            np.minimum.at(classes, classes[total], least)
            np.minimum.at(classes, classes[part], least)
            np.minimum.at(classes, total, least)
            np.minimum.at(classes, part, least)
        classes = classes[classes]
        changed = not np.array_equal(before, classes)
    return classes
