"""Channel and filter pruning along a graph: what leaves changes nothing that is computed, and what is kept is right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workloads.pruning.cases import Held
from tests.workloads.pruning.methods.channels.small_networks import convolve, image, networks, operate
from workloads.catalog import load_workload
from workloads.graph import Graph, Node
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.source import DrawnBatch, LayerSource
from workloads.workload import Workload


def units(workload, place):
    """Which channels and filters of a layer are alive, and what leaves it."""
    source = workload.sources[place]
    weights = getattr(source.weights, "weights", source.weights)
    weights = weights if hasattr(weights, "plan") else source.weights
    return weights.plan.layer_pruning(weights.place, workload.seed)


def everything(mask, size):
    return np.ones(size, bool) if mask is None else mask


def stays(mask, size, count, groups):
    """Places that stay where so many are left; in a group where fewer are alive the first dead ones, of zeros."""
    alive = everything(mask, size).reshape(groups, -1)
    chosen = [sorted([*np.flatnonzero(row), *np.flatnonzero(~row)][: count // groups]) for row in alive]
    return np.concatenate([np.array(row, int) + i * alive.shape[1] for i, row in enumerate(chosen)])


def groups_of(layer):
    return 1 if layer.groups == layer.in_channels == layer.out_channels else layer.groups


def features_of(channels, features):
    """Places of a flattened map's features, channel after channel."""
    return (channels[:, np.newaxis] * features + np.arange(features)).reshape(-1)


def whole_results(workload, weights):
    """Results of the network that nothing has left, with given weights."""
    graph, maps = workload.graph, {}
    layers = {layer.name: (place, layer) for place, layer in enumerate(workload.layers)}
    for node in graph.nodes:
        read = [maps[name] for name in node.inputs]
        if node.kind == "input":
            maps[node.name] = image(graph)
        elif node.kind == "layer":
            place, layer = layers[node.name]
            maps[node.name] = convolve(layer, weights[place], read[0]).reshape(node.shape)
        else:
            maps[node.name] = operate(node, read, node.shape)
    return {node.name: maps[node.name] for node in graph.nodes if not graph.readers(node.name)}


def small_results(whole, pruned):
    """Results of the pruned network along its own graph, each channel with its place in the whole one's map."""
    graph, maps, held = pruned.graph, {}, {}
    places = {layer.name: place for place, layer in enumerate(pruned.layers)}

    def cut(name, reader):
        """The channels of a map that a layer reads, found by their places."""
        layer, place = whole.layers[places[reader]], places[reader]
        left = pruned.layers[place].in_channels
        wanted = stays(units(pruned, place).channels, layer.in_channels, left, groups_of(layer))
        map_, channels = maps[name], held[name]
        if layer.fully_connected and map_.ndim > 1:
            map_, channels = map_.reshape(-1), features_of(channels, map_[0].size)
        at = {channel: i for i, channel in enumerate(channels.tolist())}
        return map_[[at[channel] for channel in wanted.tolist()]], wanted

    for node in graph.nodes:
        if node.kind == "input":
            maps[node.name], held[node.name] = image(graph), np.arange(node.shape[0])
        elif node.name.endswith(".cut"):
            maps[node.name], held[node.name] = cut(node.inputs[0], node.name.removesuffix(".cut"))
        elif node.kind == "layer":
            place = places[node.name]
            layer, before = pruned.layers[place], whole.layers[place]
            read, _ = cut(node.inputs[0], node.name)
            maps[node.name] = convolve(layer, pruned.sources[place].weight_array(pruned.seed), read).reshape(node.shape)
            mask = units(pruned, place).filters
            held[node.name] = stays(mask, before.out_channels, layer.out_channels, groups_of(before))
        else:
            read = [maps[name] for name in node.inputs]
            if node.kind == "add":
                same = [held[name] for name in node.inputs if len(held[name]) == node.shape[0]]
                assert all(np.array_equal(same[0], one) for one in same)
            offsets = np.cumsum([0, *(whole.graph.by_name[name].shape[0] for name in node.inputs)])
            maps[node.name] = operate(node, read, node.shape)
            if node.kind == "concat":
                held[node.name] = np.concatenate(
                    [held[name] + offset for name, offset in zip(node.inputs, offsets, strict=False)]
                )
            elif node.kind == "reshape":
                features = node.shape[0] // len(held[node.inputs[0]])
                held[node.name] = features_of(held[node.inputs[0]], features)
            else:
                # A map of one channel that goes to all has none of the sum's.
                held[node.name] = max((held[name] for name in node.inputs), key=len)
        assert maps[node.name].shape == node.shape, node
    return {node.name: (maps[node.name], held[node.name]) for node in graph.nodes if not graph.readers(node.name)}


@settings(max_examples=300)
@given(
    networks(),
    st.sampled_from(["channel", "filter"]),
    st.sampled_from([0.0, 0.3, 0.5, 0.75]),
    st.sampled_from(["", ",sums=intersection", ",remove=zero", ",remove=zero,sums=intersection"]),
)
def test_what_leaves_a_network_changes_nothing_that_it_computes(network, method, density, options):
    """The network without what left it computes what the whole one does with zeros in its place."""
    pruned = network.prune(parse(f"{method}:density={density}{options}"))
    assert pruned.graph is not None
    masked = []
    for place, source in enumerate(network.sources):
        layer, kept = source.layer, units(pruned, place)
        weights = source.weight_array(0)
        # Where readers choose and needs are united, zeros in what they do not read are all that changes: filters that
        # go with them are those that nobody reads. Where filters are chosen, zeros in those.
        by_group = weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
        if method == "channel":
            channels = everything(kept.channels, layer.in_channels).reshape(layer.groups, 1, -1, 1)
            by_group = by_group * channels
        if method == "filter" or "intersection" in options:
            filters = everything(kept.filters, layer.out_channels).reshape(layer.groups, -1, 1, 1)
            by_group = by_group * filters
        masked.append(by_group.reshape(layer.weight_shape))
    wanted = whole_results(network, masked)
    found = small_results(network, pruned)
    for name, (values, places) in found.items():
        np.testing.assert_array_equal(values, wanted[name][places], err_msg=name)
        gone = np.setdiff1d(np.arange(len(wanted[name])), places)
        assert not wanted[name][gone].any()
        # Nobody chose to take anything from a result where readers choose.
        assert method == "filter" or not len(gone)


def wired(*parts, values=None):
    """A workload of (name, kind, inputs, shape) or (layer, inputs); `values`: rows of weights a layer, one a filter."""
    nodes, sources = [], []
    for part, *rest in parts:
        if isinstance(part, Layer):
            weights = np.ones(part.weight_shape, np.float32)
            for axis, scale in (values or {}).get(part.name, ()):
                shape = [-1 if one == axis else 1 for one in range(weights.ndim)]
                weights = weights * np.array(scale, np.float32).reshape(shape)
            sources.append(LayerSource(len(sources), part, Held(weights), DrawnBatch(1.0)))
            shape = (part.out_channels,) if part.fully_connected else (part.out_channels, *part.output_size)
            nodes.append(Node(part.name, "layer", rest[0], shape))
        else:
            nodes.append(Node(part, *rest))
    return Workload("wired", tuple(sources), graph=Graph(tuple(nodes)))


def point(name, channels, filters, groups=1):
    return Layer.conv(name, in_channels=channels, out_channels=filters, input_size=(2, 2), kernel_size=1, groups=groups)


def widths(workload):
    return [(layer.in_channels, layer.out_channels) for layer in workload.layers]


def shapes(workload):
    return {node.name: node.shape for node in workload.graph.nodes}


MAP = (4, 2, 2)
FIRST, SECOND = [1, 1, 0.1, 0.1], [0.1, 1, 1, 0.1]  # which filters or channels are the larger ones: 0 1 and 1 2


def sum_of_two(**values):
    """Two layers whose sum a third one reads; the first is read by a fourth one as well."""
    return wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        (point("b", 3, 4), ("x",)),
        ("add", "add", ("a", "b"), MAP),
        (point("c", 4, 5), ("add",)),
        (point("d", 4, 5), ("a",)),
        values=values,
    )  # fmt: skip


@pytest.mark.parametrize(("sums", "stay"), [("union", [0, 1, 2]), ("intersection", [1])])
def test_filters_of_a_sum_stay_together(sums, stay):
    network = sum_of_two(a=[(0, FIRST)], b=[(0, SECOND)])
    pruned = network.prune(parse(f"filter:density=0.5,sums={sums}"))
    count = len(stay)
    # c and d choose two of their own five filters.
    assert widths(pruned) == [(3, count), (3, count), (count, 2), (count, 2)]
    assert shapes(pruned) == {
        "x": (3, 2, 2), **dict.fromkeys(("a", "b", "add"), (count, 2, 2)), **dict.fromkeys("cd", (2, 2, 2)),
    }  # fmt: skip
    for place in (0, 1):
        weights = network.trace(place).weights
        assert np.array_equal(pruned.trace(place).weights, weights[stay])
    assert pruned.trace(2).weights.shape == (2, count, 1, 1)
    assert pruned.notes == ()


def test_a_map_keeps_what_any_of_its_readers_needs():
    """c keeps the channels 0 1 of the sum, d 1 2 of a: a keeps 0 1 2, as does b, and each reads its own two."""
    network = sum_of_two(c=[(1, FIRST)], d=[(1, SECOND)])
    pruned = network.prune(parse("channel:density=0.5"))
    assert widths(pruned) == [(3, 3), (3, 3), (2, 5), (2, 5)]
    assert shapes(pruned)["c.cut"] == shapes(pruned)["d.cut"] == (2, 2, 2)
    assert pruned.graph.by_name["c"].inputs == ("c.cut",)
    assert pruned.graph.by_name["c.cut"].inputs == ("add",)
    assert pruned.graph.by_name["d.cut"].inputs == ("a",)
    assert pruned.trace(2).activations.shape == (1, 2, 2, 2)


def test_an_intersection_keeps_what_all_maps_of_a_sum_are_needed_for():
    """a is needed for 0 1 2, b for 0 1 alone: both keep 0 1, of which d reads 1, the one that is left of its two."""
    network = sum_of_two(c=[(1, FIRST)], d=[(1, SECOND)])
    pruned = network.prune(parse("channel:density=0.5,sums=intersection"))
    assert widths(pruned) == [(3, 2), (3, 2), (2, 5), (1, 5)]
    assert np.array_equal(pruned.trace(3).weights, network.trace(3).weights[:, [1]])
    assert "d.cut" in shapes(pruned)
    assert "c.cut" not in shapes(pruned)


def joined(**values):
    """Two layers side by side in one map, which is flattened and read."""
    return wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        (point("b", 3, 2), ("x",)),
        ("join", "concat", ("a", "b"), (6, 2, 2)),
        ("relu", "activation", ("join",), (6, 2, 2)),
        ("flat", "reshape", ("relu",), (24,)),
        (Layer.dense("fc", in_features=24, out_features=4), ("flat",)),
        values=values,
    )  # fmt: skip


def test_channels_of_a_join_are_counted_on():
    network = joined(a=[(0, FIRST)], b=[(0, [0.1, 1])])
    pruned = network.prune(parse("filter:density=0.5"))
    # 0 and 1 of a, and 1 of b, which is 5 of the join: four features each.
    assert widths(pruned) == [(3, 2), (3, 1), (12, 2)]
    assert shapes(pruned) == {
        "x": (3, 2, 2), "a": (2, 2, 2), "b": (1, 2, 2), "join": (3, 2, 2), "relu": (3, 2, 2), "flat": (12,), "fc": (2,),
    }  # fmt: skip
    features = [*range(8), *range(20, 24)]
    numbered = replace_weights(network, 2, np.arange(96.0).reshape(4, 24, 1, 1))
    left = numbered.prune(parse("filter:density=0.5")).trace(2).weights[..., 0, 0]
    assert np.array_equal(left, np.arange(96.0).reshape(4, 24)[2:][:, features])


def replace_weights(network, place, weights):
    sources = list(network.sources)
    sources[place] = LayerSource(place, sources[place].layer, Held(weights), DrawnBatch(1.0))
    return Workload("wired", tuple(sources), graph=network.graph)


def test_channels_of_a_join_go_with_their_filters():
    scale = np.repeat([0.1, 1, 1, 0.1, 1, 0.1], 4)
    pruned = joined(fc=[(1, scale)]).prune(parse("channel:density=0.5"))
    assert widths(pruned) == [(3, 2), (3, 1), (12, 4)]
    assert [node.name for node in pruned.graph.nodes if node.name.endswith(".cut")] == []


def test_what_an_unknown_operator_reads_stays():
    network = wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        ("soft", "other", ("a",), MAP),
        (point("b", 4, 5), ("soft",)),
        values={"a": [(0, FIRST)], "b": [(1, FIRST)]},
    )
    chosen = network.prune(parse("filter:density=0.5"))
    assert widths(chosen) == [(3, 4), (4, 2)]
    assert chosen.notes == (
        "filter:density=0.5: zeros stay in place where groups would become unequal, or what reads a map is not known or not pruned: a",
    )
    assert chosen.trace(0).weights.any(axis=(1, 2, 3)).tolist() == [True, True, False, False]
    # A reader loses what it does not read, and no filter goes for it.
    read = network.prune(parse("channel:density=0.5"))
    assert widths(read) == [(3, 4), (2, 5)]
    assert shapes(read)["b.cut"] == (2, 2, 2)


def test_results_keep_what_no_reader_chose_them_for():
    """The sum is a result: b and a keep all filters though c reads half of a."""
    network = wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        (point("b", 3, 4), ("x",)),
        (point("c", 4, 5), ("a",)),
        ("add", "add", ("a", "b"), MAP),
        values={"c": [(1, FIRST)]},
    )
    assert widths(network.prune(parse("channel:density=0.5"))) == [(3, 4), (3, 4), (2, 5)]
    assert widths(network.prune(parse("filter:density=0.5")))[:2] == [(3, 2), (3, 2)]


def test_an_intersection_takes_nothing_from_what_is_not_followed():
    """c needs the channels 0 1 of the sum alone, but a is a result of the network as well, by way of softmax."""
    network = wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        (point("b", 3, 4), ("x",)),
        ("soft", "other", ("a",), MAP),
        ("add", "add", ("a", "b"), MAP),
        (point("c", 4, 5), ("add",)),
        values={"c": [(1, FIRST)]},
    )
    assert widths(network.prune(parse("channel:density=0.5,sums=intersection"))) == [(3, 4), (3, 4), (2, 5)]


def test_groups_that_would_become_unequal_keep_zeros_on_both_sides_of_the_map():
    network = wired(
        ("x", "input", (), (3, 2, 2)),
        (point("a", 3, 4), ("x",)),
        (point("b", 4, 4, groups=2), ("a",)),
        values={"a": [(0, [1, 1, 1, 0.1])]},
    )
    pruned = network.prune(parse("filter:density=0.75"))
    assert widths(pruned) == [(3, 4), (4, 4)]
    assert pruned.trace(1).activations.any(axis=(0, 2, 3)).tolist() == [True, True, True, False]
    # Where as many go from each group they leave: 1 of 0 1 and 2 of 2 3.
    even = replace_weights(network, 0, np.array([1, 2, 2, 1.0]).reshape(4, 1, 1, 1) * np.ones((4, 3, 1, 1)))
    assert widths(even.prune(parse("filter:density=0.5"))) == [(3, 2), (2, 2)]


def test_a_map_that_the_network_is_given_stays():
    """A sum with the network's input keeps all its channels, whatever the layer would lose."""
    network = wired(
        ("x", "input", (), MAP),
        (point("a", 4, 4), ("x",)),
        ("add", "add", ("x", "a"), MAP),
        (point("b", 4, 6), ("add",)),
    )
    for sums in ("union", "intersection"):
        assert widths(network.prune(parse(f"filter:density=0.5,sums={sums}"))) == [(4, 4), (4, 3)]


def test_links_none_leaves_no_graph_and_says_so():
    pruned = sum_of_two().prune(parse("filter:density=0.5,links=none"))
    assert widths(pruned) == [(3, 2), (3, 2), (4, 2), (4, 2)]
    assert pruned.graph is None
    assert pruned.notes == (
        "filter:density=0.5,links=none: layers do not fit one another any more, so that no graph is left of them",
    )


def test_selected_layers_are_pruned_as_part_of_their_network():
    """b is not there to choose: the sum keeps its channels. d reads a, and c the sum."""
    network = sum_of_two(a=[(0, FIRST)]).select("[acd]")
    assert widths(network.prune(parse("filter:density=0.5"))) == [(3, 4), (4, 2), (4, 2)]


def test_a_global_share_is_followed_with_zeros_in_place():
    network = sum_of_two(c=[(1, FIRST)], d=[(1, [0.1, 1, 1, 0.2])])
    pruned = network.prune(parse("channel:density=0.5,scope=global"))
    assert pruned.layers == network.layers
    # Of eight channels the four of mean square 1 stay: 0 1 of c and 1 2 of d.
    assert [trace.weights.any(axis=(1, 2, 3)).tolist() for trace in map(pruned.trace, (0, 1))] == [
        [True] * 3 + [False]
    ] * 2
    # What c does not read, d may: its activations are zeros only where nothing is written.
    assert pruned.trace(2).activations.any(axis=(0, 2, 3)).tolist() == [True] * 3 + [False]


def test_what_stays_is_decided_for_the_seed_that_the_network_had():
    """How many channels stay at a sum depends on which; another seed later changes masks and no shape."""
    pruned = load_workload("resnet18", seed=3).prune(parse("filter:density=0.5"))
    assert widths(pruned) == widths(load_workload("resnet18", seed=3).prune(parse("filter:density=0.5")))
    trace = Workload("later", pruned.sources, seed=4).trace(1)
    assert trace.weights.any(axis=(1, 2, 3)).all()
    assert trace.weights.shape == pruned.layers[1].weight_shape


def test_prunings_in_a_row_follow_the_graph_that_is_left():
    network = sum_of_two(a=[(0, FIRST)], b=[(0, FIRST)])
    once = network.prune(parse("filter:density=0.5"))
    twice = network.prune(parse("filter:density=0.5+filter:density=0.5"))
    assert widths(once) == [(3, 2), (3, 2), (2, 2), (2, 2)]
    assert widths(twice) == [(3, 1), (3, 1), (1, 1), (1, 1)]
    assert twice.graph == once.prune(parse("filter:density=0.5")).graph
    assert shapes(twice)["add"] == (1, 2, 2)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "mobilenet-v2", "squeezenet1.1", "yolov2", "r2plus1d-18"])
@pytest.mark.parametrize("method", ["channel", "filter"])
def test_built_in_networks_are_followed_from_end_to_end(name, method):
    """Layers fit one another along the graph; nothing stays as zeros but what YOLOv2 reads in another order."""
    network = load_workload(name)
    pruned = network.prune(parse(f"{method}:density=0.5"))
    assert pruned.graph is not None
    added = pruned.notes[len(network.notes) :]
    assert [note.rpartition(": ")[2] for note in added] == (
        ["conv21"] if (name, method) == ("yolov2", "filter") else []
    )
    listed = Workload("list", network.sources).prune(parse(f"{method}:density=0.5"))
    before, alone, after = (sum(layer.dense_macs for layer in one.layers) for one in (network, listed, pruned))
    assert after < before
    # Filters go with channels that nobody reads, on top of what each layer loses by itself.
    assert method == "filter" or after < alone
    for source in pruned.sources[:4]:
        assert source.weight_array(0).shape == source.layer.weight_shape
