from simulator.terminal.graphs import graph_lines
from tests.simulator.reports.test_graph_rows import BLOCK
from workloads.graph import Graph, Node, chain


def test_a_block_as_text():
    assert list(graph_lines(BLOCK, "abcd")) == [
        "    ┌─ x  input   4",
        "    │  a  layer   4",
        "    │  b  layer   4",
        "  ┌─┼─ s  add     4  < b, x",
        "┌─┼─┼─ c  layer   4",
        "│ └─┼─ d  layer   4  < s",
        "└───┴─ j  concat  4  < c, d, x",
    ]


def test_a_chain_has_no_lanes_and_says_which_layers_are_left_out():
    graph = chain([("conv", (8, 4, 4)), ("fc", (10,))], (3, 8, 8))
    assert list(graph_lines(graph, ["fc"])) == [
        " input  input            3x8x8",
        " conv   layer, left out  8x4x4",
        " fc     layer            10",
    ]


def test_what_does_not_read_the_row_above_says_what_it_reads():
    graph = Graph((*chain([("a", (1,))], (1,)).nodes, Node("b", "layer", ("input",), (1,))))
    assert list(graph_lines(graph, "ab")) == [
        "┌─ input  input  1",
        "│  a      layer  1",
        "└─ b      layer  1  < input",
    ]
