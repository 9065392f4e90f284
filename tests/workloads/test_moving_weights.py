"""Products of two activations among a network's layers: what reaches their weights, and what does not."""

from dataclasses import replace

import numpy as np
import pytest

from workloads import pruning
from workloads.arrays.trace_file import load_traces, save_traces
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.source import Drawn, DrawnBatch, LayerSource
from workloads.trace import LayerTrace
from workloads.workload import Workload

PROJECT = Layer.conv("project", in_channels=8, out_channels=8, input_size=(1, 6), kernel_size=1)
SCORES = Layer.product("scores", heads=2, rows=6, depth=4, columns=6)
MIXED = Layer.product("mixed", heads=2, rows=6, depth=6, columns=4)
FILE = """
weight_density = 0.5
activation_density = 0.25
[[layers]]
name = "scores"
in_channels = 8
out_channels = 12
input_size = [1, 6]
kernel_size = 1
groups = 2
moving_weights = true
"""


def attention(**changes) -> Workload:
    layers = (PROJECT, SCORES, MIXED, replace(PROJECT, name="out"))
    sources = (LayerSource(i, layer, Drawn(1.0), DrawnBatch(1.0)) for i, layer in enumerate(layers))
    return Workload("attention", tuple(replace(s, **changes) if s.moving_weights else s for s in sources))


def test_prunings_leave_them_alone_and_say_so():
    pruned = attention().prune(pruning.parse("unstructured:density=0.25"))
    assert [pruned.trace(i).weight_density for i in range(4)] == [0.25, 1.0, 1.0, 0.25]
    assert [layer.name for layer in pruned.layers] == ["project", "scores", "mixed", "out"]
    assert pruned.notes == (
        "unstructured:density=0.25: scores, mixed stay as they are: both of their sides are activations, not weights",
    )


def test_a_pruning_over_the_whole_network_does_not_count_them():
    pruned = attention().prune(pruning.parse("unstructured:density=0.5,scope=global"))
    kept = [pruned.trace(i).weight_nonzeros for i in range(4)]
    assert kept[0] + kept[3] == PROJECT.weight_count
    assert kept[1:3] == [SCORES.weight_count, MIXED.weight_count]


def test_factors_of_their_neighbours_keep_the_order():
    pruned = attention().prune(pruning.parse("lowrank:scheme=channel,ratio=4"))
    names = ["project.reduce", "project.restore", "scores", "mixed", "out.reduce", "out.restore"]
    assert [layer.name for layer in pruned.layers] == names


def test_layers_that_they_stand_between_are_not_linked():
    # Half of the inputs of `out` would leave `project` if nothing stood between them.
    pruned = attention().prune(pruning.parse("channel:density=0.5"))
    assert [layer.out_channels for layer in pruned.layers] == [8, 12, 8, 8]


def test_a_network_of_them_alone_has_nothing_to_prune():
    alone = attention().select("scores").prune(pruning.parse("channel:density=0.5"))
    assert alone.trace(0).weight_density == 1.0
    assert alone.notes[0].endswith("scores stay as they are: both of their sides are activations, not weights")


def test_densities_reach_them_only_where_a_relu_wrote_them():
    plain = attention().with_density(0.5, 0.25)
    assert plain.trace(1).weight_density == plain.trace(1).activation_density == 1.0
    assert "weight_density = 0.5 does not reach scores, mixed: both of their sides" in plain.notes[0]
    assert "activation_density = 0.25 does not reach project, scores, mixed" in plain.notes[1]
    relu = attention(relu_input=True).with_density(0.5, 0.25)
    assert relu.trace(1).weight_density == relu.trace(1).activation_density == 0.25
    assert relu.trace(0).weight_density == 0.5


def test_a_trace_file_keeps_them_and_repeats_their_images(tmp_path):
    random = np.random.default_rng(0)
    layer = SCORES.with_batch(2)
    masks = (random.random(shape) < 0.5 for shape in (layer.weight_shape, layer.input_shape))
    trace = LayerTrace(layer, *masks, input_in_dram=True)
    save_traces(tmp_path / "t.npz", Workload("t", (_Held.source(trace),)))
    loaded = load_traces(tmp_path / "t.npz")
    assert loaded.layers == (layer,)
    assert loaded.trace(0).digest == trace.digest
    three = loaded.with_batch(3).trace(0)
    one = loaded.with_batch(1).trace(0)
    np.testing.assert_array_equal(three.weights, np.concatenate([trace.weights, trace.weights[:12]]))
    np.testing.assert_array_equal(three.activations, np.concatenate([trace.activations, trace.activations[:, :8]], 1))
    np.testing.assert_array_equal(one.weights, trace.weights[:12])


class _Held:
    """Gives an array that it holds."""

    def __init__(self, held):
        self.held = held

    def array(self, shape, _stream):
        assert self.held.shape == shape
        return self.held

    @classmethod
    def source(cls, trace):
        return LayerSource(0, trace.layer, cls(trace.weights), cls(trace.activations))


def test_a_digest_knows_them_from_constant_weights():
    masks = np.ones(SCORES.weight_shape, bool), np.ones(SCORES.input_shape, bool)
    moving, constant = LayerTrace(SCORES, *masks), LayerTrace(replace(SCORES, moving_images=0), *masks)
    assert moving.moving_weights
    assert moving.digest != constant.digest


def test_a_network_file_has_them(tmp_path):
    path = tmp_path / "n.toml"
    path.write_text(FILE + "batch = 3\n")
    workload = load_workload(str(path))
    assert workload.layers == (SCORES.with_batch(3),)
    # Neither common density reaches them: no ReLU wrote what they read.
    assert workload.trace(0).weight_density == workload.trace(0).activation_density == 1.0
    assert workload.notes == (
        "activation_density = 0.25 does not reach scores: no ReLU wrote what they read (relu_input)",
        "densities of both activations of scores are assumed, not measured",
    )
    path.write_text(FILE + "relu_input = true\n")
    assert load_workload(str(path)).trace(0).weight_density == 0.25
    path.write_text(FILE + "weight_density = 0.75\nactivation_density = 0.5\n")
    assert load_workload(str(path)).trace(0).weight_density == 0.75
    path.write_text(FILE.replace("kernel_size = 1", "kernel_size = 1\nstride = 2"))
    with pytest.raises(InputError, match=r"layers\[0\]: layer 'scores': a product of two activations"):
        load_workload(str(path))


def test_a_network_file_takes_both_sides_from_files(tmp_path):
    random = np.random.default_rng(0)
    weights, activations = random.random((12, 4, 1, 1)) < 0.5, random.random((8, 1, 6)) < 0.5
    np.savez(tmp_path / "s.npz", w=weights, a=activations)
    keys = 'weight_file = "s.npz"\nweight_entry = "w"\nactivation_file = "s.npz"\nactivation_entry = "a"\n'
    (tmp_path / "n.toml").write_text(FILE + keys)
    workload = load_workload(str(tmp_path / "n.toml"))
    assert workload.notes == ()
    two = workload.with_batch(2).trace(0)
    np.testing.assert_array_equal(two.weights, np.concatenate([weights, weights]))
    np.testing.assert_array_equal(two.activations[0], np.concatenate([activations, activations]))
