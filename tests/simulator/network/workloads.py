"""Small networks with a graph."""

from workloads.graph import Graph
from workloads.layer import Layer
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.workload import Workload


def network(graph: Graph | None, names=("a", "b", "c"), *, density=0.5, batch=1, kernel=3) -> Workload:
    """A workload of the graph's layers, kernels that keep the size of their map; without a graph a chain of 8x8."""
    shapes = {}
    if graph is None:
        shapes = dict.fromkeys(names, (4, (4, 8, 8)))
    else:
        for node in graph.layers:
            shapes[node.name] = (graph.by_name[node.inputs[0]].shape[0], node.shape)
    sources = tuple(
        LayerSource(
            index,
            Layer.conv(
                name, in_channels=c, out_channels=k, input_size=size, kernel_size=kernel, padding=kernel // 2,
                batch=batch,
            ),
            Drawn(density), DrawnBatch(density), output_density=density,
        )
        for index, (name, (c, (k, *size))) in enumerate(shapes.items())
    )  # fmt: skip
    return Workload("small", sources, graph=graph)
