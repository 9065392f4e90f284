"""What leaves the layers: against the same pruning with zeros in place, against a convolution, and counted by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import Held, conv, random_weights, workload
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.pruning.removal import depthwise
from workloads.source import LayerSource
from workloads.workload import Workload


def outputs(trace):
    """(K, P, Q) of the first image, one product after the other."""
    layer, weights, image = trace.layer, trace.weights.astype(np.int64), trace.activations[0].astype(np.int64)
    padded = np.pad(image, ((0, 0), *layer.padding))
    result = np.zeros((layer.out_channels, *layer.output_size), np.int64)
    for k, c, r, s, p, q in itertools.product(*map(range, (*weights.shape, *layer.output_size))):
        channel = k // layer.group_out_channels * layer.group_in_channels + c
        row, column = p * layer.stride[0] + r, q * layer.stride[1] + s
        result[k, p, q] += weights[k, c, r, s] * padded[channel, row, column]
    return result


def products(trace):
    """Products of two non-zeros."""
    return int(outputs(trace).sum()) if trace.weights.dtype == np.bool_ else None


GROUPED = [  # (channels, filters, kernel, groups) of layers that feed one another
    [(3, 8, 3, 1), (8, 8, 1, 1), (8, 4, 3, 1)],
    [(3, 8, 3, 1), (8, 8, 3, 8), (8, 6, 1, 1), (6, 6, 3, 6), (6, 4, 1, 1)],
    [(3, 8, 3, 1), (8, 12, 3, 2), (12, 8, 1, 2), (8, 4, 1, 1)],
    [(3, 6, 1, 1), (6, 6, 3, 3), (6, 12, 1, 2), (12, 4, 1, 4)],
    [(4, 8, 3, 2), (8, 8, 3, 8), (8, 8, 1, 4), (8, 16, 3, 8)],
]


def network(shapes, seed, *, flattened):
    layers = [
        conv(c, k, (kernel, kernel), groups, name=f"l{i}", size=4, padding=kernel // 2)
        for i, (c, k, kernel, groups) in enumerate(shapes)
    ]
    if flattened:
        layers.append(Layer.dense("fc", in_features=shapes[-1][1] * 4, out_features=6))
        layers.append(Layer.dense("last", in_features=6, out_features=3))
    rng = np.random.default_rng(seed)
    return Workload(
        "small",
        tuple(
            LayerSource(i, layer, Held(random_weights(layer, "mask", 0.7, seed + i)), Held(rng.random(layer.input_shape) < 0.6))
            for i, layer in enumerate(layers)
        ),
    )  # fmt: skip


@given(
    shapes=st.sampled_from(GROUPED),
    method=st.sampled_from(["channel", "filter"]),
    density=st.sampled_from([0.25, 0.5, 0.8, 1.0]),
    links=st.sampled_from(["auto", "none"]),
    flattened=st.booleans(),
    seed=st.integers(0, 100),
)
def test_what_stays_does_the_same_work_as_with_zeros_in_place(shapes, method, density, links, flattened, seed):
    whole = network(shapes, seed, flattened=flattened)
    text = f"{method}:density={density},links={links}"
    zeroed, shrunk = whole.prune(parse(f"{text},remove=zero")), whole.prune(parse(text))
    for index in range(len(whole.layers)):
        zeros, small = zeroed.trace(index), shrunk.trace(index)
        assert zeros.layer == whole.layers[index]
        found = outputs(zeros)
        assert products(small) == products(zeros) == found.sum()
        alive = found[found.any(axis=(1, 2))]
        left = outputs(small)
        assert np.array_equal(left[left.any(axis=(1, 2))], alive)
        assert small.weight_nonzeros == zeros.weight_nonzeros
        assert small.layer.dense_macs <= zeros.layer.dense_macs


def test_a_filter_takes_the_channel_that_it_writes_along():
    """VGG-16 at half of its filters, counted by hand: half the channels come and half the filters stay."""
    pruned = load_workload("vgg16").prune(parse("filter:density=0.5"))
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    maps = [224, 224, 112, 112, 56, 56, 56, 28, 28, 28, 14, 14, 14]
    channels = [3, *(width // 2 for width in widths[:-1])]
    macs = [9 * c * (k // 2) * side**2 for c, k, side in zip(channels, widths, maps, strict=True)]
    macs += [256 * 49 * 2048, 2048 * 2048, 2048 * 500]
    assert [layer.dense_macs for layer in pruned.layers] == macs
    assert pruned.notes == ()
    whole = load_workload("vgg16").trace(1).activations
    assert pruned.trace(1).activations.shape == (1, 32, 224, 224)
    assert pruned.trace(1).activation_nonzeros == pytest.approx(np.count_nonzero(whole) / 2, rel=0.02)


def test_channels_of_a_flattened_map_go_as_a_whole():
    pruned = load_workload("vgg16").prune(parse("channel:density=0.25,remove=zero")).select("fc6").trace(0)
    alive = pruned.weights[:, :, 0, 0].any(axis=0).reshape(512, 49)
    assert alive.all(axis=1).sum() == alive.any(axis=1).sum() == 128
    assert np.array_equal(pruned.activations[0, :, 0, 0].reshape(512, 49).any(axis=1), alive.any(axis=1))
    shrunk = load_workload("vgg16").prune(parse("channel:density=0.25"))
    assert [(la.in_channels, la.out_channels) for la in shrunk.layers[12:14]] == [(128, 128), (128 * 49, 1024)]


def test_channels_go_through_depthwise_layers():
    pruned = load_workload("mobilenet-v1").prune(parse("channel:density=0.5"))
    shapes = [(layer.in_channels, layer.out_channels, layer.groups) for layer in pruned.layers]
    assert shapes[:5] == [(3, 16, 1), (16, 16, 16), (16, 32, 1), (32, 32, 32), (32, 64, 1)]
    assert pruned.notes == load_workload("mobilenet-v1").notes
    dead = load_workload("mobilenet-v1").prune(parse("filter:density=0.5,remove=zero"))
    written = dead.trace(2).weights.any(axis=(1, 2, 3))
    assert np.array_equal(written, dead.trace(3).weights.any(axis=(1, 2, 3)))
    assert np.array_equal(written, dead.trace(3).activations[0].any(axis=(1, 2)))
    assert written.sum() == 32


def test_at_sums_of_a_list_a_layer_loses_its_own_and_a_note_says_what_stays():
    """ResNet-18 without its graph: conv2 of a block writes a sum, whose readers no list names."""
    listed = replace(load_workload("resnet18"), graph=None)
    pruned = listed.prune(parse("filter:density=0.5"))
    shapes = {layer.name: (layer.in_channels, layer.out_channels) for layer in pruned.layers}
    assert shapes["layer1_0.conv1"] == (64, 32)
    assert shapes["layer1_0.conv2"] == (32, 32)
    assert shapes["layer1_1.conv1"] == (64, 32)
    note = pruned.notes[-1]
    assert note.startswith("filter:density=0.5: layers still read what lost filters wrote, ")
    assert "conv1, layer1_0.conv2, layer1_1.conv2 and" in note
    read = listed.prune(parse("channel:density=0.5"))
    shapes = {layer.name: (layer.in_channels, layer.out_channels) for layer in read.layers}
    assert shapes["layer1_0.conv1"] == (32, 32)
    assert shapes["layer1_0.conv2"] == (32, 64)
    assert "filters that write removed channels stay" in read.notes[-1]


def test_unequal_groups_keep_zeros_in_place_and_a_note_says_so():
    """AlexNet: conv1 loses any of its filters, conv2 reads them in two groups."""
    listed = replace(load_workload("alexnet"), graph=None).prune(parse("filter:density=0.5"))
    shapes = [(layer.in_channels, layer.out_channels, layer.groups) for layer in listed.layers[:3]]
    assert shapes == [(3, 48, 1), (96, 128, 2), (128, 192, 1)]
    assert "zeros stay in place where groups would become unequal: conv2, conv4" in listed.notes[-1]
    # Along the graph the map between the two keeps its shape on both sides.
    pruned = load_workload("alexnet", seed=2).prune(parse("filter:density=0.5"))
    shapes = [(layer.in_channels, layer.out_channels, layer.groups) for layer in pruned.layers[:3]]
    assert shapes == [(3, 96, 1), (96, 128, 2), (128, 384, 1)]
    assert pruned.notes[-1].endswith(
        "zeros stay in place where groups would become unequal, or what reads a map is not known or not pruned: "
        "conv1, conv2, conv3 and 1 more"
    )
    for trace in (listed.trace(1), pruned.trace(1)):
        assert trace.activations[0].any(axis=(1, 2)).sum() == 48
    assert pruned.trace(0).weights.any(axis=(1, 2, 3)).sum() == 48
    assert pruned.sources[0].output_density == load_workload("alexnet").sources[0].output_density / 2


def test_filters_leave_a_grouped_layer_where_its_reader_has_as_many_groups():
    """The layer before does not matter: l1 has two groups as its reader l2, while l3 reads l2's two groups as one."""
    pruned = network(GROUPED[2], 0, flattened=False).prune(parse("channel:density=0.5"))
    shapes = [(layer.in_channels, layer.out_channels, layer.groups) for layer in pruned.layers]
    assert shapes == [(3, 4, 1), (4, 6, 2), (6, 8, 2), (4, 4, 1)]


def test_zeros_in_place_are_zeros_of_the_outputs_too():
    layers = [conv(3, 8, padding=1, name="a"), conv(8, 4, padding=1, name="b")]
    small = workload(*((layer, random_weights(layer, "mask", 1, 0)) for layer in layers))
    zeroed, shrunk = (small.prune(parse(f"filter:density=0.25,remove={how}")) for how in ("zero", "shrink"))
    assert [source.output_density for source in zeroed.sources] == [0.25, 0.25]
    assert [source.output_density for source in shrunk.sources] == [1.0, 1.0]
    assert zeroed.trace(1).activation_density == 0.25
    assert shrunk.trace(1).activation_density == 1.0


def test_a_global_share_stays_in_place_and_a_note_says_so():
    pruned = load_workload("c3d").prune(parse("channel:density=0.5,scope=global"))
    assert pruned.layers == load_workload("c3d").layers
    assert "zeros stay in place, since how many channels a layer loses depends on its weights" in pruned.notes[-1]


def test_the_last_unit_stays_as_zeros():
    small = workload(
        *((la, random_weights(la, "mask", 1, 0)) for la in (conv(3, 8, name="a"), conv(8, 4, name="b", size=4)))
    )
    for text in ("filter:density=0", "channel:density=0"):
        pruned = small.prune(parse(text))
        assert pruned.layers[1].in_channels == 1
        assert pruned.trace(1).weight_nonzeros == 0


def test_a_depthwise_layer_keeps_the_channels_that_are_read_and_their_filters():
    """The last layer decides: its channels 1, 4 and 5 are the largest, so that they alone are written and pass through."""
    layers = [
        conv(3, 6, name="a", padding=1),
        conv(6, 6, groups=6, name="dw", padding=1),
        conv(6, 4, name="b", padding=1),
    ]
    weights = [np.arange(1, 1 + layer.weight_count, dtype=np.float32).reshape(layer.weight_shape) for layer in layers]
    weights[2][:, [0, 2, 3]] = 0.5
    small = workload(*zip(layers, weights, strict=True))
    pruned, zeroed = (small.prune(parse(f"channel:density=0.5,remove={how}")) for how in ("shrink", "zero"))
    stays = [1, 4, 5]
    assert [(la.in_channels, la.out_channels, la.groups) for la in pruned.layers] == [(3, 3, 1), (3, 3, 3), (3, 4, 1)]
    traces = [pruned.trace(place) for place in range(3)]
    assert np.array_equal(traces[0].weights, weights[0][stays])
    assert np.array_equal(traces[1].weights, weights[1][stays])
    assert np.array_equal(traces[2].weights, weights[2][:, stays])
    assert np.flatnonzero(zeroed.trace(1).weights.any(axis=(1, 2, 3))).tolist() == stays
    for place in (1, 2):
        assert np.array_equal(traces[place].activations, small.trace(place).activations[:, stays])
        assert np.flatnonzero(zeroed.trace(place).activations.any(axis=(0, 2, 3))).tolist() == stays


def test_only_a_group_for_each_of_several_channels_is_depthwise():
    shapes = {(6, 6, 6): True, (1, 1, 1): False, (6, 6, 3): False, (6, 12, 6): False, (6, 6, 1): False}
    assert {shape: depthwise(conv(*shape[:2], groups=shape[2])) for shape in shapes} == shapes
