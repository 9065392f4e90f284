from simulator.reports.graph_rows import graph_rows
from workloads.catalog import load_workload
from workloads.graph import Graph, Node
from workloads.network import load_network, network_names


def node(name, kind, *inputs):
    return Node(name, kind, inputs, (4,))


BLOCK = Graph(
    (
        node("x", "input"),
        node("a", "layer", "x"),
        node("b", "layer", "a"),
        node("s", "add", "b", "x"),
        node("c", "layer", "s"),
        node("d", "layer", "s"),
        node("j", "concat", "c", "d", "x"),
    )
)


def test_lanes_of_a_block():
    rows = {row.node.name: row for row in graph_rows(BLOCK)}
    assert {name: row.begins for name, row in rows.items()} == {
        "x": 0,
        "a": None,
        "b": None,
        "s": 1,
        "c": 2,
        "d": None,
        "j": None,
    }
    assert [row.above for row in rows.values()] == [False, True, True, True, True, False, True]
    assert {name: dict(row.joins) for name, row in rows.items() if row.joins} == {
        "s": {0: False},
        "d": {1: True},
        "j": {0: True, 2: True},
    }
    assert rows["c"].passing == {0, 1}
    assert rows["d"].lanes == {0, 1, 2}


def test_a_map_that_is_read_by_the_next_row_alone_has_no_lane():
    for name in ("vgg16", "alexnet", "mobilenet-v1"):
        assert all(not row.lanes for row in graph_rows(load_network(name).graph))


def test_every_joint_of_every_network_is_drawn_once():
    graphs = [load_network(name).graph for name in network_names()]
    for graph in (*filter(None, graphs), load_workload("blazepose").graph):
        drawn, lanes = set(), {}
        for before, row in zip([None, *graph.nodes], graph_rows(graph), strict=False):
            if row.above:
                drawn.add((before.name, row.node.name))
            for lane, last in row.joins.items():
                drawn.add((lanes[lane], row.node.name))
                if last:
                    del lanes[lane]
            if row.begins is not None:
                assert row.begins not in lanes, "two maps on one lane"
                lanes[row.begins] = row.node.name
        assert not lanes, "a lane without an end"
        assert drawn == {(read, node.name) for node in graph.nodes for read in node.inputs}
