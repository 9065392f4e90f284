"""Small graphs by hand."""

from workloads.graph import Graph, Node


def graph(*lines: str) -> Graph:
    """Nodes as "name kind inputs shape", inputs by comma (- for none), shape by x: "pool1 pool conv1 8x4x4"."""
    nodes = []
    for line in lines:
        name, kind, inputs, shape = line.split()
        reads = () if inputs == "-" else tuple(inputs.split(","))
        nodes.append(Node(name, kind, reads, tuple(int(size) for size in shape.split("x"))))
    return Graph(tuple(nodes))


CHAIN = graph("x input - 3x8x8", "a layer x 4x8x8", "relu activation a 4x8x8", "b layer relu 5x8x8", "c layer b 6x8x8")
POOLED = graph("x input - 3x8x8", "a layer x 4x8x8", "relu activation a 4x8x8", "p pool relu 4x4x4", "b layer p 5x4x4")
BLOCK = graph(
    "x input - 3x8x8",
    "stem layer x 4x8x8",
    "a layer stem 2x8x8",
    "b layer a 4x8x8",
    "sum add b,stem 4x8x8",
    "relu activation sum 4x8x8",
    "c layer relu 2x8x8",
)
