import csv

import pytest

from tests.shared_data import SHARED, needs_shared
from workloads.errors import InputError
from workloads.network import load_network, network_names

TABLES = {
    "alexnet": "alexnet_grouped",
    "c3d": "c3d",
    "googlenet": "googlenet",
    "mobilenet-v1": "mobilenet_v1",
    "mobilenet-v2": "mobilenet_v2",
    "r2plus1d-18": "r2plus1d_18",
    "resnet18": "resnet18",
    "resnet50": "resnet50_v1_5",
    "squeezenet1.0": "squeezenet1_0",
    "squeezenet1.1": "squeezenet1_1",
    "vgg16": "vgg16",
}


def rows(*path):
    with SHARED.joinpath(*path).open(newline="") as stream:
        return list(csv.DictReader(stream))


def convolutions(name):
    return [layer for layer in load_network(name).layers if not layer.fully_connected]


@pytest.mark.parametrize(
    ("name", "macs", "count"),
    [
        ("alexnet", 665_784_864, 5),
        ("vgg16", 15_346_630_656, 13),
        ("resnet50", 4_087_136_256, 53),
        ("mobilenet-v1", 567_716_352, 27),
        ("googlenet", 1_581_647_872, 57),
    ],
)
def test_published_convolution_macs(name, macs, count):
    assert sum(layer.dense_macs for layer in convolutions(name)) == macs
    assert len(convolutions(name)) == count


def test_every_network_without_a_set_is_checked():
    own_test = {"yolov2"}  # has no reference table
    assert {name for name in network_names() if "@" not in name} == set(TABLES) | own_test


@needs_shared
@pytest.mark.parametrize(("name", "table"), TABLES.items())
def test_every_layer_is_that_of_the_reference_table(name, table):
    reference = rows("data", "shapes", f"{table}.csv")
    network = load_network(name)
    assert [layer.name for layer in network.layers] == [row["name"] for row in reference]
    for layer, row in zip(network.layers, reference, strict=True):
        maps = (int(row["P"]), int(row["Q"]))
        output = (int(row["Do"]), *maps) if "Do" in row and layer.axes == 3 else maps
        assert (layer.in_channels, layer.out_channels, layer.groups) == tuple(int(row[k]) for k in ("C", "K", "groups"))
        assert layer.output_size == output
        assert layer.kernel_size[-2:] == (int(row["R"]), int(row["S"]))
        assert layer.stride[-2:] == (int(row["stride"]),) * 2
        assert layer.padding[-1] == (int(row["pad"]),) * 2
        assert layer.dense_macs == int(row["macs"])
        assert layer.weight_count == int(row["weights"])
        assert layer.fully_connected == (row["type"] == "fc")


@needs_shared
def test_scnn_sets_are_the_authors_layers_and_densities():
    reference = rows("models", "scnn_layer_densities.csv")
    ours = [
        (layer, densities)
        for name in ("alexnet@scnn", "vgg16@scnn", "googlenet@scnn")
        for layer, densities in zip(load_network(name).layers, load_network(name).densities, strict=True)
    ]
    for (layer, densities), row in zip(ours, reference, strict=True):
        assert row["layer"].replace("-", ".").endswith(layer.name)
        assert layer.dense_macs == int(row["dense_macs"])
        assert layer.weight_count == int(row["weight_elems"])
        assert layer.output_count == int(row["out_elems"])
        assert layer.input_count == int(row["in_elems_no_pad"]) * layer.groups
        expected = (float(row[f"density_{tensor}"]) for tensor in ("weight", "input", "output"))
        assert (densities.weights, densities.activations, densities.outputs) == tuple(expected)


def test_conv1_of_alexnet_at_scnn_is_in_its_space_to_depth_form():
    layer = load_network("alexnet@scnn").layers[0]
    assert (layer.in_channels, layer.kernel_size, layer.input_size, layer.output_size) == (
        48,
        (3, 3),
        (57,) * 2,
        (57,) * 2,
    )
    assert [layer.groups for layer in load_network("alexnet@scnn").layers] == [1, 1, 1, 1, 2, 2]


@needs_shared
@pytest.mark.parametrize(("name", "table"), [("alexnet", "AlexNet"), ("vgg16", "VGG-16")])
def test_deep_compression_sets_hold_the_published_weight_densities(name, table):
    published = {
        row["layer"]: float(row["weight_density_pct"]) / 100
        for row in rows("models", "deep_compression_density.csv")
        if row["network"] == table
    }
    measured = {
        row["layer"]: float(row["input_density_unpadded"])
        for row in rows("models", "activation_density.csv")
        if row["network"] == table and row["model"].startswith("dense")
    }
    network = load_network(f"{name}@deep-compression")
    for layer, densities in zip(network.layers, network.densities, strict=True):
        assert densities.weights == pytest.approx(published[layer.name])
        if not layer.fully_connected:
            assert densities.activations == measured[layer.name]


@needs_shared
@pytest.mark.parametrize(("name", "table"), [("alexnet", "AlexNet"), ("vgg16", "VGG-16")])
def test_deep_compression_sets_hold_the_published_codebooks(name, table):
    published = {
        row["layer"]: 2 ** int(row["weight_bits_PQ"])
        for row in rows("models", "deep_compression_density.csv")
        if row["network"] == table and row["layer"] != "Total"
    }
    network = load_network(f"{name}@deep-compression")
    ours = dict(zip((layer.name for layer in network.layers), network.codebooks, strict=True))
    assert ours == published


def test_which_sets_know_their_codebooks():
    for name in network_names():
        network = load_network(name)
        quantized = name.endswith("@deep-compression")
        for layer, codes in zip(network.layers, network.codebooks, strict=True):
            assert codes == ((32 if layer.fully_connected else 256) if quantized else None)


@needs_shared
@pytest.mark.parametrize(
    ("name", "path", "column", "pick"),
    [
        ("alexnet", "activation_density", "input_density_unpadded", ("network", "AlexNet")),
        ("vgg16", "activation_density", "input_density_unpadded", ("network", "VGG-16")),
        ("squeezenet1.1", "activation_density_googlenet_squeezenet", "input_density", ("network", "SqueezeNet1.1")),
    ],
)
def test_networks_hold_the_measured_activation_densities(name, path, column, pick):
    table = [row for row in rows("models", f"{path}.csv") if row[pick[0]] == pick[1]]
    measured = [float(row[column]) for row in table if row.get("model", "dense").startswith("dense")]
    assert [d.activations for d in load_network(name).densities] == measured


@needs_shared
def test_googlenet_holds_the_measured_activation_densities():
    table = [
        row for row in rows("models", "activation_density_googlenet_squeezenet.csv") if row["network"] == "GoogLeNet"
    ]
    measured = sorted((int(row["C"]), int(row["K"]), int(row["R"]), float(row["input_density"])) for row in table)
    network = load_network("googlenet")
    ours = zip(network.layers, network.densities, strict=True)
    assert sorted((la.in_channels, la.out_channels, la.kernel_size[0], d.activations) for la, d in ours) == measured


@needs_shared
@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mobilenet-v1", "mobilenet_v1_0.75_192_quant_chelsea"),
        ("mobilenet-v2", "mobilenet_v2_1.0_224_quant_chelsea"),
    ],
)
def test_mobilenets_hold_the_measured_activation_densities(name, table):
    measured = [float(row["x_density"]) for row in rows("data", "density", f"{table}.csv")]
    assert [d.activations for d in load_network(name).densities] == measured


def test_which_layers_read_what_a_relu_wrote():
    for name in network_names():
        network = load_network(name)
        linear = [la.name for la, relu in zip(network.layers, network.relu_inputs, strict=True) if not relu]
        if name == "yolov2":
            assert len(linear) == len(network.layers)
        elif name == "mobilenet-v2":
            assert linear == ["conv1", *(f"block{i}.expand" for i in range(1, 17)), "conv_last"]
        else:
            assert linear == ([] if network.excerpt else [network.layers[0].name])


@needs_shared
def test_str_sets_hold_the_published_budgets():
    table = rows("models", "resnet50_str_budgets.csv")
    names = [name for name in network_names() if "@str-" in name]
    assert len(names) == 4
    for name in names:
        column = f"density_at_overall_sparsity_{name.partition('-')[2]}"
        network = load_network(name)
        kept = sum(d.weights * layer.weight_count for layer, d in zip(network.layers, network.densities, strict=True))
        total = sum(layer.weight_count for layer in network.layers)
        assert 100 * (1 - kept / total) == pytest.approx(float(name.partition("-")[2]), abs=0.05)
        assert sorted(d.weights for d in network.densities) == sorted(float(row[column]) for row in table)


@pytest.mark.parametrize("name", network_names())
def test_every_network_names_its_sources(name):
    network = load_network(name)
    assert network.title
    assert network.sources
    assert network.dense_macs == sum(layer.dense_macs for layer in network.layers)


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(InputError) as caught:
        load_network("resnet52")
    assert str(caught.value) == "unknown network 'resnet52': did you mean 'resnet50'?"
