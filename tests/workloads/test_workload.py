import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from workloads.catalog import available_workloads, load_workload
from workloads.errors import InputError
from workloads.graph import chain
from workloads.layer import Layer
from workloads.network import network_names
from workloads.pruning import parse
from workloads.source import Drawn, DrawnBatch, LayerSource, output_densities
from workloads.workload import Workload


def same(first, second):
    return np.array_equal(first.weights, second.weights) and np.array_equal(first.activations, second.activations)


def small(names=("a", "b", "c")):
    sources = tuple(
        LayerSource(
            i,
            Layer.conv(name, in_channels=4, out_channels=4, input_size=(6, 6), kernel_size=3),
            Drawn(0.5),
            DrawnBatch(0.4),
        )
        for i, name in enumerate(names)
    )
    return Workload("small", sources)


@pytest.mark.parametrize("name", [n for n in network_names() if "@" in n and not n.startswith("vgg16")])
def test_every_density_set_gives_exact_counts(name):
    workload = load_workload(name).select("*[!2-9]" if name.startswith("resnet50") else "*")
    for index, source in enumerate(workload.sources):
        if source.layer.fully_connected:
            continue
        trace = workload.trace(index)
        assert trace.weight_nonzeros == round(source.weights.density * source.layer.weight_count)
        assert trace.activation_nonzeros == round(source.activations.density * source.layer.input_count)


@pytest.mark.parametrize(
    ("pruning", "values"),
    [
        ("unstructured:density=0.2", 256),  # the weights that stay are what they were
        ("filter:density=0.5", 256),
        ("quantize:bits=4", None),  # new values
        ("lowrank:ratio=4", None),  # products of new weights stand for the old ones
    ],
)
def test_a_quantized_networks_codebook_outlives_prunings_that_keep_its_values(pruning, values):
    workload = load_workload("alexnet@deep-compression").select("conv3")
    assert workload.trace(0).codebook_values == 256
    pruned = workload.prune(parse(pruning))
    assert {pruned.trace(i).codebook_values for i in range(len(pruned.layers))} == {values}


def test_a_network_without_a_set_has_dense_weights_and_the_activations_that_were_measured():
    trace = load_workload("mobilenet-v1").select("conv5_dw").trace(0)
    assert trace.weight_density == 1.0
    assert trace.activation_density == pytest.approx(0.58874, abs=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "c3d", "r2plus1d-18", "yolov2"])
def test_a_network_that_was_not_measured_says_that_it_is_taken_as_dense(name):
    workload = load_workload(name)
    assert {source.activations.density for source in workload.sources} == {1.0}
    (note,) = workload.describe()["notes"]
    assert note.startswith(f"{name}: activations are dense")
    assert "sweep activation_density or activation_pattern, or write a network file" in note


def test_a_network_that_was_measured_says_nothing_unless_it_was_another():
    assert load_workload("vgg16").notes == load_workload("mobilenet-v2").notes == ()
    (note,) = load_workload("resnet50").notes
    assert "half width" in note


def test_a_density_of_activations_reaches_what_a_relu_wrote_and_nothing_else():
    workload = load_workload("mobilenet-v2")
    changed = workload.with_density(activations=0.5)
    for before, after in zip(workload.sources, changed.sources, strict=True):
        linear = after.layer.name.endswith(".expand") or after.layer.name in ("conv1", "conv_last")
        assert after.activations.density == (before.activations.density if linear else 0.5)
        if linear:
            assert after.activations.density > 0.9
    outputs = {source.layer.name: source.output_density for source in changed.sources}
    assert outputs["block3.expand"] == outputs["block3.dw"] == 0.5
    assert outputs["block3.project"] == workload.sources[12].activations.density
    (note,) = changed.notes
    assert note.startswith("activation_density = 0.5 does not reach conv1, block1.expand, block2.expand and 15 more: ")
    assert changed.trace(1).activation_density == 0.5
    leaky = load_workload("yolov2").with_density(0.5, 0.5)
    assert {(s.weights.density, s.activations.density, s.output_density) for s in leaky.sources} == {(0.5, 1.0, 1.0)}
    assert load_workload("c3d").with_density(activations=0.4).notes == (
        "activation_density = 0.4 does not reach conv1a: no ReLU wrote what they read (relu_input)",
    )


def test_the_same_seed_gives_the_same_masks_and_another_seed_others():
    first, again, other = (load_workload("alexnet@scnn", seed).trace(1) for seed in (3, 3, 4))
    assert same(first, again)
    assert not np.array_equal(first.weights, other.weights)
    assert not np.array_equal(first.activations, other.activations)


def test_names_never_matter_and_neither_do_layers_added_at_the_end():
    workload, renamed, longer = small(), small(("x", "y", "z")), small(("a", "b", "c", "d"))
    assert all(same(workload.trace(i), renamed.trace(i)) for i in range(3))
    assert all(same(workload.trace(i), longer.trace(i)) for i in range(3))
    assert not same(workload.trace(0), workload.trace(1))


def test_a_selection_keeps_the_traces_of_the_whole_network():
    whole = load_workload("alexnet@scnn")
    chosen = whole.select("conv[45]")
    assert [layer.name for layer in chosen.layers] == ["conv4", "conv5"]
    assert same(chosen.trace(1), whole.trace(5))
    with pytest.raises(InputError, match=r"^no layer of 'alexnet@scnn' matches 'conv44': did you mean 'conv4'\?$"):
        whole.select("conv44")


def test_the_first_layer_of_a_network_reads_its_input_from_dram_whatever_is_selected():
    whole = load_workload("alexnet")
    assert [whole.trace(i).input_in_dram for i in range(len(whole.layers))] == [True] + [False] * 7
    assert whole.select("conv[12]").trace(0).input_in_dram
    assert not whole.select("conv2").trace(0).input_in_dram
    assert not load_workload("googlenet@scnn").trace(0).input_in_dram, "an excerpt: inception modules alone"


def test_a_batch_of_drawn_activations_is_fresh_for_every_image():
    one, three = small(), small().with_batch(3)
    images = three.trace(1).activations
    assert images.shape == (3, 4, 6, 6)
    assert np.array_equal(images[:1], one.trace(1).activations)
    assert not np.array_equal(images[0], images[1])
    assert np.array_equal(images.sum((1, 2, 3)), [58] * 3)
    assert np.array_equal(three.trace(1).weights, one.trace(1).weights)


def test_a_batch_of_stored_activations_repeats_them():
    images = load_workload("blazepose", batch=3).select("op010_conv").trace(0).activations
    assert images.shape[0] == 3
    assert np.array_equal(images[0], images[1])
    with pytest.raises(InputError, match="batch = 0, must be a whole number of at least 1"):
        load_workload("blazepose", batch=0)


def test_pruning_is_exact_adds_up_and_leaves_activations_alone():
    workload = load_workload("alexnet").select("conv3")
    half, quarter = (workload.prune(parse(f"unstructured:density={d}")) for d in (0.5, 0.25))
    twice = half.prune(parse("unstructured:density=0.25"))
    assert half.trace(0).weight_density == 0.5
    assert quarter.trace(0).weight_density == twice.trace(0).weight_density == 0.25
    assert not np.any(twice.trace(0).weights & ~half.trace(0).weights)
    assert np.array_equal(half.trace(0).activations, workload.trace(0).activations)
    assert twice.describe()["prunings"] == ["unstructured:density=0.5", "unstructured:density=0.25"]


def test_output_densities_follow_the_chain():
    layers = [
        Layer.conv(str(i), in_channels=c, out_channels=k, input_size=(4, 4), kernel_size=1)
        for i, (c, k) in enumerate([(3, 8), (8, 4), (8, 8), (8, 2)])
    ]
    assert output_densities(layers, (1.0, 0.5, 0.4, 0.3), (None, None, 0.9, None)) == (0.5, 1.0, 0.9, 1.0)


def test_published_output_densities_come_first():
    workload = load_workload("vgg16@scnn")
    assert workload.sources[1].output_density == 0.774166185
    assert workload.sources[2].activations.density == 0.89668741


def test_every_listed_workload_can_be_loaded_and_sent_to_another_process():
    listed = available_workloads()
    assert listed[0].name == "blazepose"
    for entry in listed:
        workload = load_workload(entry.name)
        assert entry.layers == len(workload.layers)
        assert entry.description == workload.title
        assert entry.dense_macs == sum(layer.dense_macs for layer in workload.layers)
    moved = pickle.loads(pickle.dumps(load_workload("alexnet@scnn", seed=2).prune(parse("unstructured:density=0.1"))))
    assert moved.trace(3).weight_nonzeros == round(0.1 * 884_736)


def test_a_description_is_json_and_says_where_data_comes_from():
    description = load_workload("vgg16@deep-compression").describe()
    assert description["name"] == "vgg16@deep-compression"
    assert "Simonyan" in description["origin"]
    assert "1510.00149" in description["origin"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg61", "unknown workload 'vgg61': did you mean 'vgg16'? (or the path of a file)"),
        ("blazepos", "unknown workload 'blazepos': did you mean 'blazepose'? (or the path of a file)"),
        ("vgg16@scn", "unknown workload 'vgg16@scn': did you mean 'vgg16@scnn'? (or the path of a file)"),
        ("squeezenet1-0", "unknown workload 'squeezenet1-0': did you mean 'squeezenet1.0'? (or the path of a file)"),
    ],
)  # fmt: skip
def test_an_unknown_name_names_the_nearest(name, message):
    with pytest.raises(InputError) as caught:
        load_workload(name)
    assert str(caught.value) == message


def test_a_directory_and_a_negative_seed_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        load_workload(str(tmp_path))
    assert str(caught.value) == f"{tmp_path}: is a directory, must be a file or a folder of reference data"
    with pytest.raises(InputError, match="seed = -1: must be a whole number of at least 0"):
        load_workload(seed=-1)


def test_a_tensor_that_cannot_fit_is_refused_before_it_is_made():
    source = small().sources[0]
    huge = replace(source, layer=Layer.dense("fc", in_features=10**6, out_features=10**6))
    with pytest.raises(InputError) as caught:
        huge.trace(0)
    assert (
        str(caught.value) == "layer 'fc': 1000000000000 weights: 931.3 GiB: an array may take at most 1 GiB in memory "
        "(PRUNESIM_LIMITS raises it)"
    )


def test_a_density_outside_0_to_1_is_refused():
    with pytest.raises(InputError, match=r"^density = 1.2: must lie between 0 and 1$"):
        Drawn(1.2)


def test_importing_workloads_needs_numpy_only():
    code = (
        "import workloads.catalog, workloads.arrays.trace_file, workloads.pruning, workloads.readers, workloads.masks.synthetic, sys;"
        "workloads.catalog.load_workload().trace(0); workloads.catalog.available_workloads();"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numba", "simpy", "matplotlib", "pandas", "torch", "pydantic", "rich", "click"}
    assert not heavy & {name.partition(".")[0] for name in loaded}


def test_the_default_workload_is_the_shipped_one():
    assert load_workload().name == "blazepose"


GRAPH = chain([(name, (4, 4, 4)) for name in "abc"], (4, 6, 6))


def test_a_selection_keeps_the_graph_of_the_whole_network():
    workload = replace(small(), graph=GRAPH)
    assert workload.select("[ac]").graph == GRAPH
    assert workload.with_batch(3).with_density(0.1, 0.2).prune(parse("unstructured:density=0.5")).graph == GRAPH


def test_a_graph_without_one_of_the_layers_is_refused():
    for names, text in (
        ("abd", "layer 'd' is not in the graph: known: a, b, c"),
        ("acb", "layer 'b' comes after 'c', but not in the graph"),
        ("abb", "layer 'b' comes after 'b', but not in the graph"),
    ):
        with pytest.raises(InputError) as caught:
            replace(small(names), graph=GRAPH)
        assert str(caught.value) == text
    assert small("abb").graph is None


@pytest.mark.parametrize("method", ["lowrank:ratio=2", "lowrank:ratio=2+unstructured:density=0.5", "lowrank:ratio=2,scheme=channel+lowrank:ratio=1.1,scheme=channel"])  # fmt: skip
def test_factors_stand_in_the_graph_for_their_layer(method):
    whole = load_workload("resnet18")
    for workload in (whole, whole.select("layer2*")):
        pruned = workload.prune(parse(method))
        assert pruned.graph
        pruned.graph.require_layers([layer.name for layer in pruned.layers])
        for layer in pruned.layers:
            assert pruned.graph.by_name[layer.name].shape == layer.output_shape[1:][: 1 if layer.fully_connected else 3]
    last = [layer.name for layer in pruned.layers if layer.name.startswith("layer2_1.conv2")][-1]
    assert pruned.graph.by_name["layer2_1.add"].inputs == (last, "layer2_0.add")
    chained = [layer.name for layer in pruned.layers if layer.name.startswith("layer2_1.conv2")]
    assert len(chained) > 1
    for before, after in pairwise(chained):
        assert pruned.graph.by_name[after].inputs == (before,)


def test_prunings_in_a_row_replace_layers_in_the_graph_of_those_before():
    workload = replace(small(), graph=GRAPH)
    pruning = parse("unstructured:density=0.5+lowrank:ratio=1")
    left = pruning.outcome(workload.sources, workload.graph, workload.seed)
    assert left.graph is not None
    assert [node.name for node in left.graph.layers] == [
        f"{name}.{part}" for name in "abc" for part in ("vertical", "horizontal")
    ]
    assert left.sources == pruning.apply(workload.sources) == workload.prune(pruning).sources
    assert pruning.outcome(workload.sources, None, 0).graph is None


def test_the_graph_is_described_in_json_types():
    described = replace(small(), graph=GRAPH).describe()
    assert described["graph"] == [
        ["input", "input", [], [4, 6, 6]],
        ["a", "layer", ["input"], [4, 4, 4]],
        ["b", "layer", ["a"], [4, 4, 4]],
        ["c", "layer", ["b"], [4, 4, 4]],
    ]
    assert "graph" not in small().describe()
