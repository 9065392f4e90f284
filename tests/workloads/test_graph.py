import json
import pickle

import pytest

from workloads.errors import InputError
from workloads.graph import Graph, Node, chain

NODES = (
    Node("x", "input", (), (8, 4, 4)),
    Node("conv1", "layer", ("x",), (8, 4, 4)),
    Node("conv2", "layer", ("conv1",), (8, 4, 4)),
    Node("add", "add", ("conv2", "x"), (8, 4, 4)),
    Node("relu", "activation", ("add",), (8, 4, 4)),
    Node("conv3", "layer", ("relu",), (16, 2, 2)),
    Node("flat", "reshape", ("conv3",), (64,)),
    Node("fc", "layer", ("flat",), (10,)),
)
BLOCK = Graph(NODES)


def fault(make):
    with pytest.raises(InputError) as caught:
        make()
    return str(caught.value)


def test_a_block_with_a_residual():
    assert [node.name for node in BLOCK.layers] == ["conv1", "conv2", "conv3", "fc"]
    assert BLOCK.readers("x") == ("conv1", "add")
    assert BLOCK.readers("fc") == ()
    assert BLOCK.sources("conv3") == ("conv2", "x")
    assert BLOCK.sources("x") == ()
    assert BLOCK.users("x") == ("conv1", "conv3")
    assert BLOCK.users("conv2") == ("conv3",)
    assert BLOCK.users("add") == ("conv3",)
    assert BLOCK.by_name["flat"].values == 64


def test_a_node_that_is_read_twice_by_one_is_listed_once():
    square = Graph((*NODES[:2], Node("square", "add", ("conv1", "conv1"), (8, 4, 4))))
    assert square.readers("conv1") == ("square",)
    assert square.sources("square") == ("conv1",)


def test_operators_that_part_and_meet_a_hundred_times_are_looked_through_once():
    nodes = [NODES[0], NODES[1]]
    for place in range(100):
        parts = [Node(f"{side}{place}", "activation", (nodes[-1].name,), (8, 4, 4)) for side in "ab"]
        nodes += [*parts, Node(f"sum{place}", "add", (f"a{place}", f"b{place}", "x"), (8, 4, 4))]
    graph = Graph((*nodes, Node("last", "layer", ("sum99",), (8, 4, 4))))
    assert graph.sources("last") == ("conv1", "x")
    assert graph.users("conv1") == ("last",)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (("", "layer", ("x",), (1,)), "node '': name must be a non-empty text"),
        (("a", "pooling", ("x",), (1,)), "node 'a': kind = 'pooling', must be one of input, layer, pool, add, concat, upsample, activation, normalise, reshape, other"),
        (("a", ["pool"], ("x",), (1,)), "node 'a': kind = ['pool'], must be one of input, layer, pool, add, concat, upsample, activation, normalise, reshape, other"),
        (("a", "pool", ("x",), ()), "node 'a': shape = (), must be whole numbers of at least 1"),
        (("a", "pool", ("x",), (4, 0)), "node 'a': shape = (4, 0), must be whole numbers of at least 1"),
        (("a", "pool", ("x",), (4, True)), "node 'a': shape = (4, True), must be whole numbers of at least 1"),
        (("a", "pool", (), (4,)), "node 'a': pool reads 0 nodes"),
        (("a", "input", ("x",), (4,)), "node 'a': input reads 1 nodes"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_be(node, text):
    assert fault(lambda: Node(*node)) == text


def test_names_and_order_of_nodes():
    again = (*NODES, Node("add", "add", ("x",), (8, 4, 4)))
    assert fault(lambda: Graph(again)) == "two nodes are called 'add'"
    assert fault(lambda: Graph(NODES[1:])) == "node 'conv1' reads 'x', which does not stand before it"
    itself = (*NODES, Node("loop", "add", ("x", "loop"), (8, 4, 4)))
    assert fault(lambda: Graph(itself)) == "node 'loop' reads 'loop', which does not stand before it"


def test_layers_of_a_workload():
    BLOCK.require_layers([])
    BLOCK.require_layers(["conv1", "fc"])
    assert (
        fault(lambda: BLOCK.require_layers(["conv1", "conv4"]))
        == "layer 'conv4' is not in the graph: did you mean 'conv3'?"
    )
    assert fault(lambda: BLOCK.require_layers(["add"])).startswith("layer 'add' is not in the graph")
    assert (
        fault(lambda: BLOCK.require_layers(["conv2", "conv1"]))
        == "layer 'conv1' comes after 'conv2', but not in the graph"
    )
    assert (
        fault(lambda: BLOCK.require_layers(["conv1", "conv1"]))
        == "layer 'conv1' comes after 'conv1', but not in the graph"
    )


def test_a_layer_becomes_a_chain():
    parts = [Node("conv2.vertical", "layer", ("?",), (3, 4, 4)), Node("conv2.horizontal", "layer", ("?",), (8, 4, 4))]
    factored = BLOCK.with_layers({"conv2": parts})
    assert [node.name for node in factored.layers] == ["conv1", "conv2.vertical", "conv2.horizontal", "conv3", "fc"]
    assert factored.by_name["conv2.vertical"].inputs == ("conv1",)
    assert factored.by_name["conv2.horizontal"].inputs == ("conv2.vertical",)
    assert factored.by_name["add"].inputs == ("conv2.horizontal", "x")
    assert BLOCK.with_layers({}) == BLOCK


def test_nodes_get_other_names():
    renamed = BLOCK.renamed({"x": "image", "conv2": "block/conv2"})
    assert renamed.by_name["add"].inputs == ("block/conv2", "image")
    assert [node.shape for node in renamed.nodes] == [node.shape for node in NODES]
    assert fault(lambda: BLOCK.renamed({"x": "add"})) == "two nodes are called 'add'"


def test_a_chain_has_an_input_that_no_layer_is_called():
    graph = chain([("input", (4, 2, 2)), ("b", (5,))], (3, 2, 2))
    assert [(node.name, node.kind, node.inputs, node.shape) for node in graph.nodes] == [
        ("input'", "input", (), (3, 2, 2)),
        ("input", "layer", ("input'",), (4, 2, 2)),
        ("b", "layer", ("input",), (5,)),
    ]


def test_rows_give_the_graph_again():
    rows = json.loads(json.dumps(BLOCK.rows()))
    assert rows[3] == ["add", "add", ["conv2", "x"], [8, 4, 4]]
    assert Graph.of_rows(rows) == BLOCK
    assert pickle.loads(pickle.dumps(BLOCK)) == BLOCK


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ({}, "must be a list of nodes"),
        ([["x", "input", []]], "node 0: must be [name, kind, [inputs], [sizes]]"),
        ([["x", "input", [], [1]], 5], "node 1: must be [name, kind, [inputs], [sizes]]"),
        ([["x", "input", "", [1]]], "node 0: must be [name, kind, [inputs], [sizes]]"),
        ([["x", "input", [], 1]], "node 0: must be [name, kind, [inputs], [sizes]]"),
        ([["x", "layer", [[]], [1]]], "node 0: must be [name, kind, [inputs], [sizes]]"),
        ([["x", {}, [], [1]]], "node 0: node 'x': kind = {}, must be one of input, layer, pool, add, concat, upsample, activation, normalise, reshape, other"),
        ([["x", "input", [], [1.5]]], "node 0: node 'x': shape = (1.5,), must be whole numbers of at least 1"),
        ([["x", "layer", ["y"], [1]]], "node 'x' reads 'y', which does not stand before it"),
    ],
)  # fmt: skip
def test_rows_that_are_no_graph(rows, text):
    assert fault(lambda: Graph.of_rows(rows)) == text
