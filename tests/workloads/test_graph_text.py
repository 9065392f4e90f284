import pytest

from workloads.errors import InputError
from workloads.graph import Node
from workloads.graph_text import parse_graph
from workloads.layer import Layer

LAYERS = (
    Layer.conv("conv1", in_channels=3, out_channels=8, input_size=(8, 8), kernel_size=3, padding=1),
    Layer.conv("conv2", in_channels=8, out_channels=8, input_size=(4, 4), kernel_size=1),
    Layer.dense("fc", in_features=128, out_features=10),
)
TEXT = """
# a remark
input
conv1
pool pool kernel=2
conv2
sum add < conv2 pool
flat reshape
fc
"""


def fault(text, layers=LAYERS):
    with pytest.raises(InputError) as caught:
        parse_graph(text, layers)
    return str(caught.value)


def test_a_text_becomes_nodes_with_computed_shapes():
    assert parse_graph(TEXT, LAYERS).nodes == (
        Node("input", "input", (), (3, 8, 8)),
        Node("conv1", "layer", ("input",), (8, 8, 8)),
        Node("pool", "pool", ("conv1",), (8, 4, 4)),
        Node("conv2", "layer", ("pool",), (8, 4, 4)),
        Node("sum", "add", ("conv2", "pool"), (8, 4, 4)),
        Node("flat", "reshape", ("sum",), (128,)),
        Node("fc", "layer", ("flat",), (10,)),
    )


def test_the_same_text_serves_another_size():
    layers = (
        Layer.conv("conv1", in_channels=3, out_channels=8, input_size=(16, 8), kernel_size=3, padding=1),
        Layer.conv("conv2", in_channels=8, out_channels=8, input_size=(8, 4), kernel_size=1),
        Layer.dense("fc", in_features=256, out_features=10),
    )
    assert [node.shape for node in parse_graph(TEXT, layers).nodes[2:6]] == [(8, 8, 4), (8, 8, 4), (8, 8, 4), (256,)]


def test_what_a_fully_connected_layer_reads_is_flattened_with_or_without_a_node():
    plain = parse_graph(TEXT.replace("flat reshape", ""), LAYERS)
    assert plain.by_name["fc"].inputs == ("sum",)
    one = Layer.conv("one", in_channels=10, out_channels=4, input_size=(1, 1), kernel_size=1)
    assert parse_graph(TEXT + "one", (*LAYERS, one)).by_name["one"].shape == (4, 1, 1)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("kernel=2", "kernel=3 stride=1", "layer 'conv2' reads 8x4x4, but 'pool' gives 8x6x6"),
        ("flat reshape", "flat pool", "layer 'fc' reads 128, but 'flat' gives 8x1x1"),
        ("< conv2 pool", "< conv2 poll", "node 'sum' reads 'poll', which does not stand before it: did you mean 'pool'?"),
        ("sum add", "pool add", "two nodes are called 'pool'"),
        ("conv2\n", "conv3\n", "node 'conv3': is no layer of the network, and has no kind"),
        ("conv2\n", "conv2 < pool conv1\n", "layer 'conv2' reads 2 nodes, must be 1: add or concat makes one of several"),
        ("sum add", "sum sum", "node 'sum': kind = 'sum': known: activation, add, concat, input, normalise, other, pool, reshape, upsample"),
        ("sum add", "sum layer", "node 'sum': kind = 'layer': known: activation, add, concat, input, normalise, other, pool, reshape, upsample"),
    ],
)  # fmt: skip
def test_what_does_not_hang_together(before, after, text):
    assert TEXT.count(before) >= 1
    assert fault(TEXT.replace(before, after, 1)) == text


def test_an_input_that_no_layer_reads_needs_a_shape():
    assert fault("input\nact activation < input\n") == (
        "node 'input': key 'shape' is missing: no layer reads it, from which it would follow"
    )
