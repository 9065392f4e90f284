"""Graphs of ONNX models: operators between layers by hand, and whole networks beside the built-in ones."""

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx import TensorProto, helper

from tests.workloads.importers.onnx.onnx_models import NETWORKS, node, save, sizes, weight
from workloads.importers import ImportOptions, import_model
from workloads.network import load_network
from workloads.pruning import parse


def rows(tmp_path, nodes, inputs, weights, outputs=("y",), **options):
    """The graph of a model as (name, kind, inputs, shape)."""
    path = save(tmp_path / "m.onnx", nodes, inputs, weights, outputs)
    workload = import_model(path, ImportOptions(**options)).workload
    assert workload.notes == ()
    workload.graph.require_layers([layer.name for layer in workload.layers])
    return [(one.name, one.kind, one.inputs, one.shape) for one in workload.graph.nodes]


def between(tmp_path, nodes, weights=(), shape=(1, 4, 6, 6)):
    """What operators that read the map "x" and make "y" are, without the input."""
    return [(name, kind, shape) for name, kind, _, shape in chain(tmp_path, nodes, dict(weights), shape)[2:]]


def chain(tmp_path, nodes, weights, shape):
    first = node("Conv", "image w", "x", "c")
    held = {"w": weight(shape[1], 2, *[1] * (len(shape) - 2)), **weights}
    return rows(tmp_path, [first, *nodes], {"image": (shape[0], 2, *shape[2:])}, held)


def test_a_residual_block_with_a_join_and_names_of_its_own(tmp_path):
    nodes = [
        node("Conv", "x a", "ca", "first", pads=[1] * 4),
        node("BatchNormalization", "ca s s s s", "na", "norm"),
        node("Relu", "na", "ra"),
        node("Conv", "ra b", "cb", "second"),
        node("Add", "cb x", "sum", "first"),
        node("Relu", "sum", "rs"),
        node("Concat", "rs ra", "j", axis=1),
        node("MaxPool", "j", "y", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    weights = {"a": weight(4, 4, 3, 3), "b": weight(4, 4, 1, 1), "s": np.ones(4, np.float32)}
    found = rows(tmp_path, nodes, {"x": (2, 4, 6, 6)}, weights)
    assert found == [
        ("x", "input", (), (4, 6, 6)),
        ("first", "layer", ("x",), (4, 6, 6)),
        ("norm", "normalise", ("first",), (4, 6, 6)),
        ("activation1", "activation", ("norm",), (4, 6, 6)),
        ("second", "layer", ("activation1",), (4, 6, 6)),
        ("first_2", "add", ("second", "x"), (4, 6, 6)),
        ("activation2", "activation", ("first_2",), (4, 6, 6)),
        ("concat1", "concat", ("activation2", "activation1"), (8, 6, 6)),
        ("pool1", "pool", ("concat1",), (8, 3, 3)),
    ]
    folded = rows(tmp_path, nodes, {"x": (2, 4, 6, 6)}, weights, fold_batch_norm=True)
    assert [row[:3] for row in folded[1:3]] == [("first", "layer", ("x",)), ("activation1", "activation", ("first",))]


@pytest.mark.parametrize(
    ("operators", "weights", "wanted"),
    [
        ([("GlobalAveragePool", "x", "y", {})], {}, [("pool", (4, 1, 1))]),
        ([("ReduceMean", "x", "y", {"axes": [2, 3], "keepdims": 0})], {}, [("pool", (4,))]),
        ([("ReduceMean", "x", "y", {"axes": [-1, -2]})], {}, [("pool", (4, 1, 1))]),
        ([("ReduceMean", "x", "y", {"axes": [1]})], {}, [("other", (1, 6, 6))]),
        ([("ReduceSum", "x ax", "y", {"keepdims": 0})], {"ax": sizes(2, 3)}, [("pool", (4,))]),
        ([("Resize", "x  k", "y", {})], {"k": np.array([1, 1, 2, 2], np.float32)}, [("upsample", (4, 12, 12))]),
        ([("Resize", "x  k", "y", {})], {"k": np.array([1, 1, 0.5, 0.5], np.float32)}, [("pool", (4, 3, 3))]),
        ([("Mul", "x s", "y", {})], {"s": np.ones((4, 1, 1), np.float32)}, [("normalise", (4, 6, 6))]),
        ([("Sigmoid", "x", "g", {}), ("Mul", "x g", "y", {})], {},
         [("activation", (4, 6, 6)), ("add", (4, 6, 6))]),
        ([("GlobalMaxPool", "x", "g", {}), ("Mul", "x g", "y", {})], {}, [("pool", (4, 1, 1)), ("add", (4, 6, 6))]),
        ([("Flatten", "x", "y", {})], {}, [("reshape", (144,))]),
        ([("Pad", "x p", "y", {})], {"p": sizes(0, 0, 1, 1, 0, 0, 1, 1)}, [("reshape", (4, 8, 8))]),
        ([("Slice", "x b e a", "y", {})], {"b": sizes(0), "e": sizes(3), "a": sizes(1)}, [("reshape", (3, 6, 6))]),
        ([("Slice", "x b e a s", "y", {})], {"b": sizes(9), "e": sizes(-9), "a": sizes(1), "s": sizes(-1)},
         [("other", (4, 6, 6))]),
        ([("Transpose", "x", "y", {"perm": [0, 2, 3, 1]})], {}, [("reshape", (6, 6, 4))]),
        ([("DepthToSpace", "x", "y", {"blocksize": 2})], {}, [("reshape", (1, 12, 12))]),
        ([("LRN", "x", "y", {"size": 3})], {}, [("other", (4, 6, 6))]),
        ([("Softmax", "x", "y", {"axis": 1})], {}, [("other", (4, 6, 6))]),
        ([("Concat", "x x", "y", {"axis": 2})], {}, [("other", (4, 12, 6))]),
        ([("Identity", "x", "i", {}), ("Cast", "i", "f", {"to": TensorProto.FLOAT16}),
          ("Cast", "f", "y", {"to": TensorProto.FLOAT})], {}, []),
        ([("QuantizeLinear", "x sc z", "q", {}), ("DequantizeLinear", "q sc z", "d", {}), ("Relu", "d", "y", {})],
         {"sc": np.float32(0.1), "z": np.uint8(0)}, [("activation", (4, 6, 6))]),
        ([("Shape", "x", "h", {}), ("Reshape", "x h", "y", {})], {}, [("reshape", (4, 6, 6))]),
    ],
)  # fmt: skip
def test_what_stands_between_layers(tmp_path, operators, weights, wanted):
    nodes = [helper.make_node(kind, inputs.split(" "), [output], **more) for kind, inputs, output, more in operators]
    assert [row[1:] for row in between(tmp_path, nodes, weights)] == wanted


def test_parts_of_a_split_are_nodes_of_their_own(tmp_path):
    nodes = [node("Split", "x", "p q", "cut", axis=1), node("Add", "p q", "y", "both")]
    found = chain(tmp_path, nodes, {}, (1, 4, 6, 6))
    assert found[2:] == [
        ("cut", "reshape", ("c",), (2, 6, 6)),
        ("cut_2", "reshape", ("c",), (2, 6, 6)),
        ("both", "add", ("cut", "cut_2"), (2, 6, 6)),
    ]


def test_a_product_over_positions_reads_channels_that_lie_last(tmp_path):
    """A map (4, 6, 6) turned into 36 rows of 4 features; activations and sums of rows stay maps of 4 channels."""
    nodes = [
        node("Reshape", "x s", "r", "rows"),
        node("Transpose", "r", "t", "turned", perm=[0, 2, 1]),
        node("MatMul", "t a", "m", "up"),
        node("Add", "m b", "mb", "bias"),
        node("Relu", "mb", "g", "relu"),
        node("MatMul", "g d", "n", "down"),
        node("Add", "n t", "o", "add"),
        node("LayerNormalization", "n l", "ln", "norm"),
        node("ReduceMean", "ln", "y", "mean", axes=[1], keepdims=0),
    ]
    weights = {
        "s": sizes(1, 4, 36), "a": weight(4, 8), "b": weight(8), "d": weight(8, 4), "l": np.ones(4, np.float32),
    }  # fmt: skip
    path = save(tmp_path / "m.onnx", [node("Conv", "image w", "x", "c"), *nodes], {"image": (1, 2, 6, 6)},
                {"w": weight(4, 2, 1, 1), **weights}, ("y", "o"))  # fmt: skip
    graph = import_model(path).workload.graph
    assert [(one.name, one.kind, one.inputs, one.shape) for one in graph.nodes][2:] == [
        ("rows", "reshape", ("c",), (4, 1, 36)),
        ("turned", "reshape", ("rows",), (36, 1, 4)),
        ("up_input", "reshape", ("turned",), (4, 1, 36)),
        ("up", "layer", ("up_input",), (8, 1, 36)),
        ("bias", "normalise", ("up",), (8, 1, 36)),
        ("relu", "activation", ("bias",), (8, 1, 36)),
        ("down", "layer", ("relu",), (4, 1, 36)),
        # One side of this sum has its channels last and the other first, which is read as the first one is.
        ("t_rows", "reshape", ("turned",), (4, 1, 36)),
        ("add", "add", ("down", "t_rows"), (4, 1, 36)),
        ("norm", "other", ("down",), (4, 1, 36)),
        ("mean", "pool", ("norm",), (4,)),
    ]


def test_several_inputs_and_results_that_are_read_as_well(tmp_path):
    nodes = [
        node("Conv", "p a", "c", "conv"),
        node("Add", "c q", "s", "sum"),
        node("Relu", "s", "y", "relu"),
        node("Conv", "y b", "z", "last"),
    ]
    weights = {"a": weight(4, 2, 1, 1), "b": weight(3, 4, 1, 1)}
    found = rows(tmp_path, nodes, {"p": (1, 2, 5, 5), "q": (1, 4, 5, 5)}, weights, ("z", "y"))
    assert found == [
        ("p", "input", (), (2, 5, 5)),
        ("q", "input", (), (4, 5, 5)),
        ("conv", "layer", ("p",), (4, 5, 5)),
        ("sum", "add", ("conv", "q"), (4, 5, 5)),
        ("relu", "activation", ("sum",), (4, 5, 5)),
        ("last", "layer", ("relu",), (3, 5, 5)),
        ("relu_result", "reshape", ("relu",), (4, 5, 5)),
    ]


def test_a_refused_layer_and_operators_of_other_domains_are_nodes_of_a_shape(tmp_path):
    nodes = [
        node("MatMul", "x t", "d", "stack"),
        node("Conv", "d b", "y", "last"),
    ]
    found = chain(tmp_path, nodes, {"t": weight(1, 4, 6, 5), "b": weight(5, 4, 1, 1)}, (1, 4, 6, 6))
    assert found[2:] == [("stack", "other", ("c",), (4, 6, 5)), ("last", "layer", ("stack",), (5, 6, 5))]


def test_a_bias_that_a_run_makes_is_a_sum(tmp_path):
    nodes = [
        node("Flatten", "x", "f", "flat"),
        node("Gemm", "f a", "g", "fc1", transB=1),
        node("Gemm", "f b g", "y", "fc2", transB=1),
    ]
    found = chain(tmp_path, nodes, {"a": weight(3, 144), "b": weight(3, 144)}, (1, 4, 6, 6))
    assert found[3:] == [
        ("fc1", "layer", ("flat",), (3,)),
        ("fc2", "layer", ("flat",), (3,)),
        ("fc2_add", "add", ("fc2", "fc1"), (3,)),
    ]


def test_zeros_around_a_map_that_a_layer_pads_itself_are_no_node(tmp_path):
    found = chain(
        tmp_path,
        [node("Pad", "x p", "o", "pad"), node("Conv", "o b", "y", "last")],
        {"p": sizes(0, 0, 1, 1, 0, 0, 1, 1), "b": weight(5, 4, 3, 3)},
        (1, 4, 6, 6),
    )
    assert found[2:] == [("last", "layer", ("c",), (5, 6, 6))]


def test_an_imported_network_is_pruned_along_its_graph(tmp_path):
    """A residual block of real weights: filters of the sum stay together, and the graph's maps follow."""
    nodes = [
        node("Conv", "x a", "ca", "a"),
        node("Conv", "x b", "cb", "b"),
        node("Add", "ca cb", "s", "sum"),
        node("GlobalAveragePool", "s", "g", "pool"),
        node("Flatten", "g", "f", "flat"),
        node("Gemm", "f d", "y", "fc", transB=1),
    ]
    large, small = np.ones((2, 3, 1, 1), np.float32), np.full((2, 3, 1, 1), 0.1, np.float32)
    weights = {"a": np.concatenate([large, small]), "b": np.concatenate([large, small]), "d": weight(6, 4)}
    network = import_model(save(tmp_path / "m.onnx", nodes, {"x": (1, 3, 5, 5)}, weights)).workload
    pruned = network.prune(parse("filter:density=0.5"))
    assert [(layer.in_channels, layer.out_channels) for layer in pruned.layers] == [(3, 2), (3, 2), (2, 3)]
    assert [one.shape for one in pruned.graph.nodes] == [(3, 5, 5), *[(2, 5, 5)] * 3, (2, 1, 1), (2,), (3,)]


def test_inputs_that_make_a_batch_change_nothing_between_layers(tmp_path):
    pytest.importorskip("onnxruntime")
    nodes = [node("Conv", "x a", "c", "first"), node("Relu", "c", "r", "relu"), node("Conv", "r b", "y", "last")]
    weights = {"a": weight(4, 2, 1, 1), "b": weight(3, 4, 1, 1)}
    path = save(tmp_path / "m.onnx", nodes, {"x": ("N", 2, 5, 5)}, weights)
    np.save(tmp_path / "one.npy", weight(1, 2, 5, 5))
    ran = import_model(path, ImportOptions(inputs=(tmp_path / "one.npy",) * 3)).workload
    assert [layer.batch for layer in ran.layers] == [3, 3]
    assert ran.graph == import_model(path).workload.graph
    assert [one.kind for one in ran.graph.nodes] == ["input", "layer", "activation", "layer"]


def test_a_size_that_nobody_knows_leaves_no_graph_and_a_note(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [node("Conv", "x w", "c", "conv"), node("NonZero", "z", "y", "where")],
        {"x": (1, 2, 5, 5), "z": (1, "any")},
        {"w": weight(4, 2, 1, 1)},
    )
    workload = import_model(path).workload
    assert workload.graph is None
    assert workload.notes == ("how its layers hang together is not known: the size of 'z' is not known",)


def skeleton(graph):
    """Layers, pools, sums and joins with what they read by way of anything else; numbers stand for names."""
    kept = [one for one in graph.nodes if one.kind not in ("activation", "normalise", "reshape")]
    numbers = {one.name: place for place, one in enumerate(kept)}

    def read(name):
        one = graph.by_name[name]
        return numbers[name] if name in numbers else read(one.inputs[0])

    # Which map of a sum comes first is a matter of taste; of a join it decides where channels lie.
    order = {"add": sorted}
    return [(one.kind, order.get(one.kind, list)([read(name) for name in one.inputs]), one.shape) for one in kept]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_hangs_together_as_the_built_in_one(tmp_path, name):
    ours = load_network(name).graph
    theirs = import_model(NETWORKS[name](tmp_path / "m.onnx")).workload.graph
    assert skeleton(theirs) == skeleton(ours)
