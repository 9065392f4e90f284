"""Random small networks of whole numbers, and what they compute: a forward pass written apart from the package."""

import numpy as np
from hypothesis import strategies as st

from tests.workloads.pruning.cases import Held
from workloads.graph import Graph, Node
from workloads.layer import Layer
from workloads.source import DrawnBatch, LayerSource
from workloads.workload import Workload

MOST = 12


class Builder:
    """Nodes and layers one after the other."""

    def __init__(self, draw):
        self.draw, self.nodes, self.layers = draw, [], []

    def node(self, kind, inputs, shape, name=""):
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(Node(name, kind, tuple(node.name for node in inputs), shape))

    def pick(self, fitting=None):
        found = [node for node in self.nodes if fitting is None or fitting(node)]
        # The latest nodes more often, so that networks become deep.
        return self.draw(st.sampled_from(found[-4:] + found)) if found else None

    def layer(self, layer, read):
        self.layers.append(layer)
        shape = (layer.out_channels,) if layer.fully_connected else (layer.out_channels, *layer.output_size)
        self.node("layer", [read], shape, layer.name)

    def conv(self):
        read = self.pick(lambda node: len(node.shape) == 3)
        channels = read.shape[0]
        # A sum needs maps of one shape: filters are often as many as somewhere before.
        filters = self.draw(st.sampled_from([2, 4, *{node.shape[0] for node in self.nodes if node.shape[0] <= MOST}]))
        groups = self.draw(st.sampled_from([1, 1, *([2, 2] if channels % 2 == filters % 2 == 0 else [])]))
        if self.draw(st.integers(0, 3)) == 0:
            filters = groups = channels
        kernel = self.draw(st.sampled_from([1, 3]))
        self.layer(
            Layer.conv(
                f"conv{len(self.nodes)}", in_channels=channels, out_channels=filters, input_size=read.shape[1:],
                kernel_size=kernel, padding=kernel // 2, groups=groups,
            ),
            read,
        )  # fmt: skip

    def dense(self):
        read = self.pick()
        features = int(np.prod(read.shape))
        # A fully connected layer may flatten a map by itself.
        if len(read.shape) > 1 and self.draw(st.booleans()):
            self.node("reshape", [read], (features,))
            read = self.nodes[-1]
        outputs = self.draw(st.sampled_from([3, 4]))
        self.layer(Layer.dense(f"fc{len(self.nodes)}", in_features=features, out_features=outputs), read)

    def same(self, kind):
        read = self.pick()
        self.node(kind, [read], read.shape)

    def resize(self, kind):
        sizes = {"pool": (2, 4), "upsample": (1, 2)}[kind]
        read = self.pick(lambda node: len(node.shape) == 3 and node.shape[1] in sizes)
        if read is not None:
            rows = read.shape[1] // 2 if kind == "pool" else read.shape[1] * 2
            self.node(kind, [read], (read.shape[0], rows, rows))

    def whole_pool(self):
        read = self.pick(lambda node: len(node.shape) == 3)
        self.node("pool", [read], (read.shape[0], 1, 1))

    def sum(self):
        first = self.pick(lambda node: len(node.shape) == 3)
        channels = first.shape[0]
        gates = {first.shape, (channels, 1, 1), (1, *first.shape[1:])}
        second = self.pick(lambda node: node.shape in gates)
        self.node("add", [first, second], first.shape)

    def join(self):
        first = self.pick(lambda node: node.shape[0] <= MOST)
        second = self.pick(lambda node: node.shape[1:] == first.shape[1:] and node.shape[0] <= MOST)
        if second is not None:
            self.node("concat", [first, second], (first.shape[0] + second.shape[0], *first.shape[1:]))

    def step(self):
        chosen = self.draw(st.integers(0, 15))
        if chosen < 6:
            self.conv()
        elif chosen < 9:
            self.sum()
        elif chosen < 11:
            self.join()
        else:
            (
                lambda: self.same("activation"),
                lambda: self.resize("pool"),
                lambda: self.resize("upsample"),
                self.whole_pool,
                self.dense if self.draw(st.booleans()) else lambda: self.same("other"),
            )[chosen - 11]()


@st.composite
def networks(draw):
    """A workload of up to 30 nodes with at least a layer, its weights whole numbers."""
    b = Builder(draw)
    b.node("input", [], (draw(st.sampled_from([2, 3, 4])), 4, 4), "x")
    b.conv()
    for _ in range(draw(st.integers(3, 14))):
        b.step()
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    sources = tuple(
        LayerSource(place, layer, Held(random.integers(-3, 4, layer.weight_shape)), DrawnBatch(1.0))
        for place, layer in enumerate(b.layers)
    )
    return Workload("small", sources, graph=Graph(tuple(b.nodes)))


def image(graph, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, graph.nodes[0].shape)


def convolve(layer, weights, map_):
    """A layer's outputs, one kernel position after the other."""
    if layer.fully_connected:
        return weights.reshape(layer.weight_shape[:2]) @ map_.reshape(-1)
    padded = np.pad(map_.reshape(layer.in_channels, *layer.input_size), ((0, 0), *layer.padding))
    by_group = padded.reshape(layer.groups, -1, *padded.shape[1:])
    rows, columns = layer.output_size
    result = np.zeros((layer.groups, layer.group_out_channels, rows, columns), np.int64)
    kernels = weights.reshape(layer.groups, layer.group_out_channels, -1, *layer.kernel_size)
    for r in range(layer.kernel_size[0]):
        for s in range(layer.kernel_size[1]):
            window = by_group[:, :, r : r + rows, s : s + columns]
            result += np.einsum("gkc,gcpq->gkpq", kernels[..., r, s], window)
    return result.reshape(layer.out_channels, rows, columns)


def operate(node, maps, shape):
    """What an operator makes of maps; `shape` is its output's where channels may have gone."""
    first = maps[0]
    if node.kind == "pool":
        factor = first.shape[1] // shape[1]
        split = first.reshape(len(first), shape[1], factor, shape[2], first.shape[2] // shape[2])
        return split.max((2, 4)) if factor == 2 else split.sum((2, 4))
    # A gate of one position or channel scales the map; maps of one shape are added.
    sums = {True: lambda: maps[0] + maps[-1], False: lambda: maps[0] * maps[-1]}
    rules = {
        "activation": lambda: np.maximum(first, 0),
        "other": lambda: first[::-1],
        "reshape": lambda: first.reshape(shape),
        "concat": lambda: np.concatenate(maps),
        "add": sums[maps[-1].shape == first.shape],
        "upsample": lambda: first.repeat(2, 1).repeat(2, 2),
    }
    return rules[node.kind]()
