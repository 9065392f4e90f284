"""Products of two activations in graphs, under prunings, and of several inputs."""

from dataclasses import replace

import numpy as np
import pytest

from workloads import pruning
from workloads.arrays.trace_file import load_traces, save_traces
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.graph import Graph, Node
from workloads.layer import Layer
from workloads.operators import Operator
from workloads.source import Drawn, DrawnBatch, LayerSource, RepeatedProducts
from workloads.wiring import Wired, assemble
from workloads.workload import Workload

Q = Layer.conv("q", in_channels=8, out_channels=8, input_size=(1, 6), kernel_size=1)
K, MIX, OUT = (replace(Q, name=name) for name in ("k", "mix", "out"))
SCORES = Layer.product("scores", heads=2, rows=6, depth=4, columns=6)


def attention(batch=1) -> Workload:
    """Two layers, the product of what they make, and two layers that read one of them in a row."""
    layers = (Q, K, SCORES, MIX, OUT)
    nodes = [
        Node("x", "input", (), (8, 1, 6)),
        Node("q", "layer", ("x",), (8, 1, 6)),
        Node("k", "layer", ("x",), (8, 1, 6)),
        Node("scores", "layer", ("q", "k"), (12, 1, 6)),
        Node("mix", "layer", ("k",), (8, 1, 6)),
        Node("out", "layer", ("mix",), (8, 1, 6)),
    ]
    sources = tuple(LayerSource(i, layer, Drawn(1.0), DrawnBatch(1.0)) for i, layer in enumerate(layers))
    return Workload("attention", sources, graph=Graph(tuple(nodes))).with_batch(batch)


@pytest.mark.parametrize("method", ["channel", "filter"])
def test_channels_that_they_read_stay_and_others_leave(method):
    pruned = attention().prune(pruning.parse(f"{method}:density=0.5"))
    assert pruned.layers[2] == SCORES
    assert [layer.out_channels for layer in pruned.layers[:2]] == [8, 8]
    # What no product reads leaves as ever: `mix` loses what `out` does not read.
    assert (pruned.layers[3].out_channels, pruned.layers[4].in_channels) == (4, 4)
    assert pruned.graph is not None
    assert pruned.graph.by_name["scores"].inputs == ("q", "k")
    assert pruned.graph.by_name["mix"].shape == (4, 1, 6)
    # Of filters that go, those that a product reads stay in place as zeros.
    density = 0.5 if method == "filter" else 1.0
    assert [pruned.trace(i).weight_density for i in (0, 1)] == [density, density]
    assert pruned.notes[0].startswith(f"{method}:density=0.5: scores stay as they are")


def test_factors_hang_together_around_them():
    pruned = attention().prune(pruning.parse("lowrank:scheme=channel,ratio=2"))
    assert pruned.graph is not None
    assert [one.name for one in pruned.graph.layers] == [layer.name for layer in pruned.layers]
    assert pruned.graph.by_name["scores"].inputs == ("q.restore", "k.restore")


def test_each_input_has_weights_of_its_own():
    drawn = Workload("drawn", (LayerSource(0, SCORES, Drawn(0.5), DrawnBatch(0.5)),))
    assert drawn.inputs is None
    first, second = drawn.trace(0, 0), drawn.trace(0, 1)
    assert not np.array_equal(first.weights, second.weights)
    assert not np.array_equal(first.activations, second.activations)
    assert first.weight_nonzeros == second.weight_nonzeros
    assert drawn.at_input(1).trace(0).digest == second.digest


def test_a_trace_file_keeps_the_inputs_of_both_sides(tmp_path):
    whole = SCORES.with_batch(6)
    random = np.random.default_rng(0)
    weights, activations = (random.random(shape) < 0.5 for shape in (whole.weight_shape, whole.input_shape))
    sides = RepeatedProducts.of(whole, _Array(weights), _Array(activations))
    stored = Workload("stored", (LayerSource(0, SCORES.with_batch(2), *sides),))
    assert stored.inputs == 3
    save_traces(tmp_path / "t.npz", stored)
    for workload in (stored, load_traces(tmp_path / "t.npz")):
        assert workload.inputs == 3
        trace = workload.trace(0, 1)
        # Images 2 and 3: 12 filters and 8 channels each.
        np.testing.assert_array_equal(trace.weights, weights[24:48])
        np.testing.assert_array_equal(trace.activations, activations[:, 16:32])
        assert workload.with_batch(1).inputs == 6


class _Array:
    """Gives an array that it holds."""

    def __init__(self, held):
        self.held = held

    def array(self, shape, _stream):
        assert self.held.shape == shape
        return self.held


def test_shapes_are_those_of_one_image():
    nodes = assemble([Wired(layer, inputs) for layer, inputs in _parts(batch=3)]).nodes
    assert nodes[-1] == Node("scores", "layer", ("q", "k"), (12, 1, 6))


def _parts(batch=1, product=SCORES, inputs=("q", "k")):
    return [
        (Operator("x", "input"), ()),
        *((layer.with_batch(batch), ("x",)) for layer in (Q, K)),
        (product.with_batch(batch), inputs),
    ]


@pytest.mark.parametrize(
    ("product", "inputs", "line"),
    [
        (SCORES, ("q",), "layer 'scores' reads 1 nodes, must be 2: what it multiplies, activations first"),
        (
            Layer.product("scores", heads=2, rows=6, depth=4, columns=5), ("q", "k"),
            "layer 'scores' has 40 weights, but 'k' gives 8x1x6",
        ),
        (
            Layer.product("scores", heads=2, rows=6, depth=3, columns=8), ("q", "k"),
            "layer 'scores' reads 6x1x6, but 'q' gives 8x1x6",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(product, inputs, line):
    with pytest.raises(InputError) as caught:
        assemble([Wired(*part) for part in _parts(product=product, inputs=inputs)])
    assert str(caught.value) == line


def test_the_example_hangs_together():
    graph = load_workload("examples/encoder.toml").graph
    assert graph is not None
    assert [graph.sources(name) for name in graph.by_name["scores"].inputs] == [("qkv",), ("qkv",)]
    assert [graph.sources(name) for name in graph.by_name["context"].inputs] == [("scores",), ("qkv",)]
    assert graph.sources("expand") == ("project", "input")
    assert graph.sources("encoded") == ("shrink", "project", "input")


def test_a_product_that_names_nothing_leaves_a_list(tmp_path):
    text = """
[[layers]]
name = "q"
in_channels = 8
out_channels = 8
input_size = [1, 6]
kernel_size = 1
[[layers]]
name = "scores"
in_channels = 8
out_channels = 12
input_size = [1, 6]
kernel_size = 1
groups = 2
moving_weights = true
"""
    path = tmp_path / "n.toml"
    path.write_text(text)
    assert load_workload(str(path)).graph is None
    path.write_text(text + 'inputs = ["q", "q"]\n')
    workload = load_workload(str(path))
    assert workload.graph is not None
    assert workload.graph.by_name["scores"].inputs == ("q", "q")
    path.write_text(text + 'inputs = ["q"]\n')
    with pytest.raises(InputError, match=r"layers\[1\]: layer 'scores' reads 1 nodes, must be 2: what it multiplies"):
        load_workload(str(path))
