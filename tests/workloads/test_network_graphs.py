"""Graphs of the built-in networks against their tables: shapes, and densities that were measured map by map."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from tests.shared_data import SHARED, needs_shared
from workloads.network import load_network, network_names

WITHOUT = {"alexnet@scnn", "fc@eie", "gemm@sigma"}  # layers in forms of their own, and layers of several networks
NETWORKS = [name for name in network_names() if name not in WITHOUT]


def graph_of(name):
    graph = load_network(name).graph
    assert graph is not None
    return graph


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_reads_a_map_of_its_shape(name):
    network, graph = load_network(name), graph_of(name)
    assert [node.name for node in graph.layers] == [layer.name for layer in network.layers]
    for layer, node in zip(network.layers, graph.layers, strict=True):
        (read,) = node.inputs
        expected = (layer.in_channels,) if layer.fully_connected else layer.input_shape[1:]
        assert graph.by_name[read].shape == expected, (layer.name, read)
        assert graph.by_name[node.name].shape == (
            (layer.out_channels,) if layer.fully_connected else layer.output_shape[1:]
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_node_is_read_but_the_result(name):
    graph = graph_of(name)
    ends = [node.name for node in graph.nodes if not graph.readers(node.name)]
    assert ends == [graph.nodes[-1].name]
    assert [node.name for node in graph.nodes if node.kind == "input"] == ["input"]


def test_which_have_no_graph():
    assert {name for name in network_names() if load_network(name).graph is None} == WITHOUT


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("alexnet", {"pool": 3, "reshape": 1}),
        ("vgg16", {"pool": 5, "reshape": 1}),
        ("c3d", {"pool": 5, "reshape": 1}),
        ("resnet18", {"pool": 2, "add": 8, "reshape": 1}),
        ("resnet50", {"pool": 2, "add": 16, "reshape": 1}),
        ("r2plus1d-18", {"pool": 1, "add": 8, "reshape": 1}),
        ("mobilenet-v1", {"pool": 1, "reshape": 1}),
        ("mobilenet-v2", {"pool": 1, "add": 10, "reshape": 1}),
        ("squeezenet1.0", {"pool": 4, "concat": 8}),
        ("squeezenet1.1", {"pool": 4, "concat": 8}),
        ("googlenet", {"pool": 14, "concat": 9, "reshape": 1}),
        ("yolov2", {"pool": 5, "concat": 1, "reshape": 1}),
    ],
)
def test_how_many_operators_the_papers_count(name, kinds):
    counted = Counter(node.kind for node in graph_of(name).nodes)
    assert {kind: count for kind, count in counted.items() if kind not in ("layer", "input")} == kinds


@pytest.mark.parametrize(
    ("name", "layer", "sources"),
    [
        ("resnet50", "layer1_0.downsample", ("conv1",)),
        ("resnet50", "layer1_1.conv1", ("layer1_0.conv3", "layer1_0.downsample")),
        ("resnet50", "layer1_2.conv1", ("layer1_1.conv3", "layer1_0.conv3", "layer1_0.downsample")),
        ("resnet18", "layer1_1.conv1", ("layer1_0.conv2", "conv1")),
        ("r2plus1d-18", "layer2_0.downsample", ("layer1_1.conv2.temporal", "layer1_0.conv2.temporal", "stem_temporal")),
        ("mobilenet-v2", "block1.expand", ("block0.project",)),
        ("mobilenet-v2", "block3.expand", ("block2.project", "block1.project")),
        ("mobilenet-v2", "conv_last", ("block16.project",)),
        ("squeezenet1.0", "fire3.squeeze1x1", ("fire2.expand1x1", "fire2.expand3x3")),
        ("yolov2", "conv21", ("conv13",)),
        ("yolov2", "conv14", ("conv13",)),
        ("yolov2", "conv22", ("conv21", "conv20")),
        ("googlenet", "inception_3a.pool_proj", ("conv2_3x3",)),
        ("googlenet", "inception_3a.5x5", ("inception_3a.5x5_reduce",)),
    ],
)
def test_whose_values_a_layer_reads(name, layer, sources):
    assert graph_of(name).sources(layer) == sources


def read_map(graph, layer):
    """The name of the map that a layer reads, flattened or not."""
    (read,) = graph.by_name[layer].inputs
    return graph.by_name[read].inputs[0] if graph.by_name[read].kind == "reshape" else read


MEASURED = ["alexnet", "vgg16", "vgg16@scnn", "googlenet", "googlenet@scnn", "squeezenet1.1"]


@pytest.mark.parametrize("name", [*MEASURED, "resnet50", "squeezenet1.0", "mobilenet-v1", "mobilenet-v2"])
def test_layers_that_read_one_map_were_measured_alike(name):
    network, graph = load_network(name), graph_of(name)
    seen = {}
    for layer, densities in zip(network.layers, network.densities, strict=True):
        read = read_map(graph, layer.name)
        assert seen.setdefault(read, densities.activations) == densities.activations, layer.name


@pytest.mark.parametrize("name", MEASURED)
def test_a_map_is_as_dense_as_the_layers_that_make_it_say(name):
    # The tables hold measured densities of inputs and of outputs before pooling: joins average them over channels, and
    # a maximum of several values is 0 less often than each. GoogLeNet's last pool, an average, does likewise.
    network, graph = load_network(name), graph_of(name)
    outputs = {layer.name: d.outputs for layer, d in zip(network.layers, network.densities, strict=True)}
    density = {}
    pooled = set()
    for node in graph.nodes:
        if node.kind == "layer":
            density[node.name] = outputs[node.name]
        elif node.kind == "concat":
            parts = [graph.by_name[read] for read in node.inputs]
            density[node.name] = sum(part.shape[0] * density[part.name] for part in parts) / node.shape[0]
        elif node.inputs and node.inputs[0] in density:
            density[node.name] = density[node.inputs[0]]
            if node.kind == "pool" or node.inputs[0] in pooled:
                pooled.add(node.name)
    checked = 0
    for layer, densities in zip(network.layers, network.densities, strict=True):
        (read,) = graph.by_name[layer.name].inputs
        if read not in density:
            continue  # the network's input
        checked += 1
        if read in pooled:
            assert densities.activations > density[read], layer.name
        else:
            assert densities.activations == pytest.approx(density[read], abs=2e-3), layer.name
    assert checked >= len(network.layers) - 4


def test_blocks_of_mobilenet_v2_are_summed_where_they_keep_their_shape():
    network, graph = load_network("mobilenet-v2"), graph_of("mobilenet-v2")
    layers = {layer.name: layer for layer in network.layers}
    summed = {node.name.removesuffix(".add") for node in graph.nodes if node.kind == "add"}
    for block in range(1, 17):
        first, last = layers[f"block{block}.expand"], layers[f"block{block}.project"]
        keeps = first.in_channels == last.out_channels and first.input_size == last.output_size
        assert (f"block{block}" in summed) == keeps


def test_a_chain_without_branches_reads_in_order():
    for name in ("alexnet", "vgg16", "c3d", "mobilenet-v1"):
        graph = graph_of(name)
        names = [node.name for node in graph.layers]
        assert all(graph.sources(after) == (before,) for before, after in pairwise(names))


@needs_shared
def test_recorded_blobs_of_squeezenet_are_the_maps_that_its_graph_names():
    # Layers of the reference data that name one blob as their input read one node, and others another.
    rows = json.loads((SHARED / "data" / "squeezenet_dc" / "layers.json").read_text())
    graph = graph_of("squeezenet1.0")
    blobs = {}
    for ours, row in zip(graph.layers, rows, strict=True):
        assert blobs.setdefault(row["input"], ours.inputs) == ours.inputs
    assert len(set(blobs.values())) == len(blobs)
