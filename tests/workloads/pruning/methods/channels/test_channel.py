from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.pruning.cases import cases, conv, energy, random_weights, workload
from tests.workloads.pruning.checks import assert_units
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.pruning import kept, parse
from workloads.pruning.methods.channels.channel import Channel
from workloads.pruning.methods.channels.links import plain_links
from workloads.source import SECOND_HALF


def chain(kind="float32", names=("a", "b", "c"), widths=(3, 6, 8, 4)):
    layers = [conv(c, k, name=name, padding=1) for name, c, k in zip(names, widths, widths[1:], strict=False)]
    return workload(*((layer, random_weights(layer, kind, 1, seed)) for seed, layer in enumerate(layers)))


def channels(weights):
    return weights.any(axis=(0, 2, 3))


def filters(weights):
    return weights.any(axis=(1, 2, 3))


@given(case=cases(), density=st.floats(0, 1))
def test_one_layer_keeps_whole_channels(case, density):
    layer, weights = case
    keep = Channel(density).keep(layer, weights, np.random.default_rng(0))
    count = max(round(density * layer.group_in_channels), 1) if density else 0
    for first in range(0, layer.out_channels, layer.group_out_channels):
        own = slice(first, first + layer.group_out_channels)
        units = [(slice(None), c) for c in range(layer.group_in_channels)]
        assert_units(weights[own], keep[own], units, count)


@pytest.mark.parametrize("kind", ["mask", "float32"])
def test_the_filters_that_write_removed_channels_go_too(kind):
    text = "channel:density=0.5,remove=zero"
    pruned = [chain(kind).prune(parse(text)).trace(index).weights for index in range(3)]
    assert [channels(own).sum() for own in pruned] == [3, 3, 4]
    assert np.array_equal(filters(pruned[0]), channels(pruned[1]))
    assert np.array_equal(filters(pruned[1]), channels(pruned[2]))
    assert filters(pruned[2]).all()
    if kind == "float32":
        own = chain(kind).trace(1).weights
        chosen = sorted(range(6), key=lambda c: -energy(own[:, c]))[:3]
        assert np.flatnonzero(channels(pruned[1])).tolist() == sorted(chosen)
    source = chain(kind).prune(parse(text)).sources[1]
    facts = {"channels": 3, "of_channels": 6, "filters": 4, "of_filters": 8}
    assert kept(source, 0).facts == {"channel": facts}
    assert kept(source, 0).storage_format == "block:filters=8,channels=1"


def test_without_links_only_reading_weights_go():
    pruned = [chain().prune(parse("channel:density=0.5,links=none")).trace(index).weights for index in range(3)]
    assert [channels(own).sum() for own in pruned] == [3, 3, 4]
    assert all(filters(own).all() for own in pruned)


@pytest.mark.parametrize("kind", ["mask", "float32"])
def test_shrunk_layers_are_the_pruned_ones_without_their_zeros(kind):
    zeroed, shrunk = (chain(kind).prune(parse(f"channel:density=0.5,remove={how}")) for how in ("zero", "shrink"))
    assert [(layer.in_channels, layer.out_channels) for layer in shrunk.layers] == [(3, 3), (3, 4), (4, 4)]
    for index in range(3):
        whole, small = zeroed.trace(index), shrunk.trace(index)
        alive = channels(whole.weights)
        assert np.array_equal(small.weights, whole.weights[filters(whole.weights)][:, alive])
        assert np.array_equal(small.activations, whole.activations[:, alive])
    facts = {"channels": 3, "of_channels": 3, "filters": 4, "of_filters": 4}
    assert kept(shrunk.sources[1], 0).facts["channel"] == facts
    assert kept(shrunk.sources[1], 0).storage_format == "dense"


def test_shrinking_fills_up_with_dead_channels():
    layers = [conv(3, 6, name="a", padding=1), conv(6, 4, name="b", padding=1)]
    weights = random_weights(layers[1], "mask", 1, 0)
    weights[:, 1:] = False
    network = workload((layers[0], random_weights(layers[0], "mask", 1, 1)), (layers[1], weights))
    shrunk = network.prune(parse("channel:density=0.5"))
    assert shrunk.trace(1).weights.shape == (4, 3, 3, 3)
    assert channels(shrunk.trace(1).weights).sum() == 1


def test_a_shrunk_layer_can_be_pruned_again():
    network = chain("mask").prune(parse("channel:density=0.5,remove=shrink+unstructured:density=0.5"))
    assert network.trace(1).weight_nonzeros == round(0.5 * 3 * 4 * 9)
    assert list(kept(network.sources[1], 0).facts) == ["channel", "unstructured"]
    assert network.sources[1].weights.step == 1


@pytest.mark.parametrize("kind", ["mask", "float32"])
def test_a_global_share_is_exact_and_takes_the_strongest(kind):
    network = chain(kind, widths=(3, 20, 30, 4))
    pruned = [network.prune(parse("channel:density=0.3,scope=global")).trace(index).weights for index in range(3)]
    alive = [channels(own) for own in pruned]
    assert alive[0].all()
    assert alive[1].sum() + alive[2].sum() == 15
    if kind == "float32":
        means = [np.square(network.trace(i).weights.astype(float)).mean(axis=(0, 2, 3)) for i in (1, 2)]
        threshold = sorted(np.concatenate(means), reverse=True)[14]
        for mean, own in zip(means, alive[1:], strict=True):
            assert np.array_equal(own, mean >= threshold)


@pytest.mark.parametrize("links", ["auto", "none"])
def test_channels_that_nothing_writes_any_more_hold_zeros(links):
    """With scope=global they stay in place; other channels, and those of layers that nothing links, hold what they held."""
    network = chain(widths=(3, 20, 30, 4))
    pruned = network.prune(parse(f"channel:density=0.3,scope=global,links={links}"))
    for index in (1, 2):
        alive = channels(pruned.trace(index).weights)
        before, after = network.trace(index).activations, pruned.trace(index).activations
        assert 0 < alive.sum() < len(alive)
        assert np.array_equal(after[:, alive], before[:, alive])
        assert after[:, ~alive].any() == (links == "none")


def test_a_layer_whose_writer_is_not_in_the_list_reads_what_it_read():
    network = chain(widths=(3, 20, 30, 4)).select("[bc]")
    pruned = network.prune(parse("channel:density=0.3,scope=global"))
    assert not channels(pruned.trace(0).weights).all()
    assert np.array_equal(pruned.trace(0).activations, network.trace(0).activations)


def test_a_depthwise_layer_has_no_channels_of_its_own_to_lose():
    """A quarter of the 8 + 8 channels of the layers that choose; the depthwise layer between keeps those of its reader."""
    layers = (conv(3, 8, name="a", padding=1), conv(8, 8, groups=8, name="dw", padding=1),
              conv(8, 8, name="b", padding=1), conv(8, 4, name="c", padding=1))  # fmt: skip
    whole = workload(*((layer, random_weights(layer, "float32", 1, seed)) for seed, layer in enumerate(layers)))
    pruned = whole.prune(parse("channel:density=0.25,scope=global"))
    read = [channels(pruned.trace(place).weights) for place in (2, 3)]
    assert sum(alive.sum() for alive in read) == 4
    assert np.array_equal(filters(pruned.trace(1).weights), read[0])


def test_a_global_share_leaves_every_layer_a_channel():
    network = chain(widths=(3, 8, 8, 4)).prune(parse("channel:density=0.01,scope=global"))
    assert [channels(network.trace(index).weights).sum() for index in (1, 2)] == [1, 1]
    mixed = [chain(kind).sources[i] for i, kind in enumerate(("mask", "mask", "float32"))]
    for source in parse("channel:density=0.5,scope=global").apply(tuple(mixed)):
        assert channels(source.weight_array(0)).any()


def test_values_beside_masks_compete_by_their_rank_on_one_scale_with_random_numbers():
    """A layer whose values are known and one of which only a mask is lose about the same share of 400 channels each."""
    layers = conv(4, 400, (1, 1), name="a"), conv(400, 400, (1, 1), name="b"), conv(400, 4, (1, 1), name="c")
    mixed = workload(
        *((la, random_weights(la, k, 1, 0)) for la, k in zip(layers, ("mask", "float32", "mask"), strict=True))
    )
    pruned = mixed.prune(parse("channel:density=0.25,scope=global"))
    alive = [channels(pruned.trace(index).weights).sum() for index in (1, 2)]
    assert sum(alive) == 200
    assert all(70 <= count <= 130 for count in alive)


@pytest.mark.parametrize("density", [0.5, 1.0])
def test_ranks_know_no_scale_and_even_the_lowest_counts_for_more_than_nothing(density):
    """Beside a layer known as a mask, weights a thousand times as large compete as before; nothing goes at density 1."""
    layers = [conv(c, k, name=name, padding=1) for name, c, k in zip("abc", (3, 6, 8), (6, 8, 4), strict=True)]
    masks = [random_weights(layer, "mask", 1, 0) for layer in layers]
    values = random_weights(layers[1], "float32", 1, 1)
    alive = []
    for scale in (1, 1000):
        mixed = workload((layers[0], masks[0]), (layers[1], scale * values), (layers[2], masks[2]))
        pruned = mixed.prune(parse(f"channel:density={density},scope=global"))
        alive.append([channels(pruned.trace(index).weights).tolist() for index in (1, 2)])
    assert alive[0] == alive[1]
    assert sum(map(sum, alive[0])) == density * (6 + 8)


@pytest.mark.parametrize(
    ("name", "linked"),
    [
        ("vgg16", {"conv1_1", "conv5_2", "conv5_3", "fc6", "fc7"}),
        ("alexnet", {"conv1", "conv2", "conv5", "fc7"}),
        ("mobilenet-v1", {"conv1", "conv2_dw", "conv14_pw"}),
        ("mobilenet-v2", {"block1.expand", "block1.dw", "block0.dw"}),
        ("resnet18", {"layer1_0.conv1", "layer4_1.conv1"}),
        ("googlenet", {"inception_3a.3x3_reduce", "inception_5b.5x5_reduce"}),
        ("c3d", {"conv1a", "conv5a"}),
        ("r2plus1d-18", {"layer1_0.conv1.spatial"}),
    ],
)
def test_plain_links_are_found(name, linked):
    network = load_workload(name)
    found = {layer.name for layer, link in zip(network.layers, plain_links(network.sources), strict=True) if link}
    assert linked <= found


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("vgg16", {"fc8"}),  # the end
        ("resnet18", {"conv1", "layer1_0.conv2", "layer2_0.conv2", "layer2_0.downsample", "layer2_1.conv2"}),
        ("resnet50", {"layer1_0.conv3", "layer1_1.conv3", "layer1_0.downsample"}),
        ("googlenet", {"inception_3a.1x1", "inception_3a.3x3", "inception_3a.5x5", "inception_3a.pool_proj"}),
        ("squeezenet1.1", {"fire2.squeeze1x1", "fire2.expand1x1", "fire2.expand3x3"}),
        ("mobilenet-v2", {"conv1", "block1.project", "block16.project"}),
        ("yolov2", {"conv1", "conv19"}),
    ],
)
def test_branches_sums_and_joins_are_no_plain_links(name, apart):
    network = load_workload(name)
    found = {layer.name for layer, link in zip(network.layers, plain_links(network.sources), strict=True) if link}
    assert not found & apart


@pytest.mark.parametrize(
    ("size", "link"), [((6, 6), 1), ((3, 3), 1), ((7, 7), 0), ((7, 6), 0), ((6, 7), 0), ((3, 7), 0)]
)
def test_a_layer_is_fed_by_a_map_that_is_at_least_as_large_on_every_axis(size, link):
    """Pooling makes maps smaller and nothing makes them larger."""
    after = Layer.conv("b", in_channels=4, out_channels=2, input_size=size, kernel_size=3)
    layers = (conv(3, 4, name="a", padding=1), after)
    assert plain_links(workload(*((la, np.ones(la.weight_shape, bool)) for la in layers)).sources) == [link, 0]


@pytest.mark.parametrize(("features", "link"), [(4 * 36, 36), (4 * 9, 9), (4 * 37, 0), (4 * 36 + 1, 0), (4, 1)])
def test_a_flattened_map_has_at_most_its_positions_as_features_of_a_channel(features, link):
    layers = (conv(3, 4, name="a", padding=1, batch=2), Layer.dense("b", in_features=features, out_features=2, batch=2))
    assert plain_links(workload(*((la, np.ones(la.weight_shape, bool)) for la in layers)).sources) == [link, 0]


@pytest.mark.parametrize(
    ("first", "second", "link"),
    [(4, 5, 1), (5, 4, 0), (4, 6, 0), (4, 4, 0), (4, 4 + SECOND_HALF, 1), (4 + SECOND_HALF, 4, 0),
     (4 + SECOND_HALF, 5, 1), (5, 4 + SECOND_HALF, 0)],
)  # fmt: skip
def test_layers_are_linked_in_the_networks_order_alone(first, second, link):
    """The second factor of a layer follows the first one, and the next layer follows both."""
    layers = conv(4, 4, name="a", padding=1), conv(4, 4, name="b", padding=1)
    whole = workload(*((layer, np.ones(layer.weight_shape, bool)) for layer in layers)).sources
    placed = [replace(source, index=index) for source, index in zip(whole, (first, second), strict=True)]
    assert plain_links(placed) == [link, 0]


def test_a_selection_is_linked_only_where_layers_follow_one_another():
    network = load_workload("vgg16").select("conv*_1")
    assert not any(plain_links(network.sources))


def test_factors_of_a_layer_are_linked_and_so_are_the_layers_around_them():
    network = load_workload("vgg16").select("conv3*").prune(parse("lowrank:ratio=3"))
    assert plain_links(network.sources) == [True] * 5 + [False]
    shrunk = network.prune(parse("channel:density=0.5,remove=shrink"))
    names = [(layer.name, layer.in_channels, layer.out_channels) for layer in shrunk.layers[2:4]]
    rank = network.layers[2].out_channels
    assert names == [("conv3_2.vertical", 128, rank // 2), ("conv3_2.horizontal", rank // 2, 128)]
    residual = load_workload("resnet18").select("layer1_0*").prune(parse("lowrank:ratio=2"))
    assert plain_links(residual.sources) == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channel:density=0.5,links=all", "links = 'all': must be one of auto, none"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == f"pruning 'channel': {message}"
