"""Transposed layers of network files: one draw, whatever the form."""

import pytest

from dataflows.truth.products import count_products
from workloads.catalog import load_workload
from workloads.errors import InputError

FILE = """
[[layers]]
name = "before"
in_channels = 3
out_channels = 6
input_size = [6, 6]
kernel_size = 3
[[layers]]
name = "up"
type = "transposed"
in_channels = 6
out_channels = 8
input_size = [4, 4]
kernel_size = [3, 2]
stride = 2
padding = [[1, 0], [0, 1]]
output_padding = [1, 0]
groups = 2
weight_density = 0.5
activation_density = 0.25
activation_pattern = "clustered"
"""


def load(path, text, **change):
    (path / "n.toml").write_text(text + "".join(f"{key} = {value}\n" for key, value in change.items()))
    return load_workload(str(path / "n.toml"), seed=3)


def test_both_forms_have_one_draw(tmp_path):
    one, phases = (load(tmp_path, FILE, form=f"'{form}'") for form in ("stretched", "phases"))
    assert [layer.name for layer in one.layers] == ["before", "up"]
    assert one.layers[1].input_size == (7, 7)
    assert one.trace(1).activation_nonzeros == 0.25 * 6 * 16
    assert one.trace(1).weight_nonzeros == 0.5 * 8 * 3 * 6
    assert [layer.name for layer in phases.layers] == ["before", *(f"up.phase{i}_{j}" for i in (0, 1) for j in (0, 1))]
    parts = range(1, 5)
    assert sum(phases.trace(i).weight_nonzeros for i in parts) == one.trace(1).weight_nonzeros
    products = [sum(count_products(w.trace(i)).effectual_macs for i in range(1, len(w.layers))) for w in (one, phases)]
    assert products[0] == products[1] > 0
    assert sum(phases.layers[i].dense_macs for i in parts) < one.layers[1].dense_macs
    # The default is one convolution.
    assert load(tmp_path, FILE).layers == one.layers


def test_parts_store_one_map_for_the_layer_that_follows_the_last(tmp_path):
    square = FILE.replace("out_channels = 8", "out_channels = 6")
    after = "[[layers]]\nname = 'a'\nin_channels = 6\nout_channels = 2\ninput_size = [8, 8]\nkernel_size = 1\n"
    workload = load(
        tmp_path, square.replace('[[layers]]\nname = "up', "[[layers]]\nform = 'phases'\nname = \"up") + after
    )
    assert [source.output_density for source in workload.sources[1:5]] == [1.0] * 4


def test_another_density_spares_the_inserted_zeros(tmp_path):
    workload = load(tmp_path, FILE).with_density(1.0, 0.5).with_batch(2)
    assert workload.trace(1).activation_nonzeros == 2 * 0.5 * 6 * 16
    assert workload.trace(1).weight_density == 1.0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"form": "'wide'"}, "layers[1].form = 'wide': must be 'stretched' or 'phases'"),
        ({"weight_file": "'w.npy'"}, "layers[1]: a transposed layer takes no files; import the model instead"),
        ({"dilation": "[1, 1, 1]"}, "layers[1]: layer 'up': dilation = (1, 1, 1), must have 2 values"),
    ],
)
def test_faults_are_named(tmp_path, change, line):
    with pytest.raises(InputError) as caught:
        load(tmp_path, FILE.replace("weight_density = 0.5\n", ""), **change)
    assert str(caught.value) == f"{tmp_path / 'n.toml'}: {line}"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "[1, 0]\ngroups",
            "[2, 0]\ngroups",
            "layers[1]: layer 'up': output_padding = 2, must be at least 0 and smaller",
        ),
        ("[3, 2]", "[3, 2, 1]", "layers[1]: layer 'up': kernel_size and output_padding must have 2 values"),
        ('"transposed"', '"turned"', "layers[1].type = 'turned': must be 'conv', 'fc' or 'transposed'"),
    ],
)
def test_wrong_values_are_named(tmp_path, old, new, line):
    with pytest.raises(InputError) as caught:
        load(tmp_path, FILE.replace(old, new))
    assert line in str(caught.value)


READS = """
[[layers]]
name = "after"
in_channels = 8
out_channels = 2
input_size = [9, 7]
kernel_size = 1
"""


def test_what_follows_reads_the_whole_map_in_either_form(tmp_path):
    last = FILE.rindex("[[layers]]")
    for form in ("stretched", "phases"):
        graph = load(tmp_path, f"{FILE}form = '{form}'\n{READS}").graph
        assert graph is not None
        assert graph.by_name["after"].inputs == ("up",)
        assert graph.by_name["up"].shape == (8, 9, 7)
        wanted = ("up",) if form == "stretched" else tuple(f"up.phase{i}_{j}" for i in (0, 1) for j in (0, 1))
        assert graph.sources("after") == wanted
        assert all(graph.sources(name) == ("before",) for name in wanted)
        # A transposed layer may stand first: the network's input has the map before zeros are put into it.
        graph = load(tmp_path, f"{FILE[last:]}form = '{form}'\n{READS}").graph
        assert graph is not None
        assert (graph.nodes[0].name, graph.nodes[0].shape) == ("input", (6, 4, 4))


def test_parts_of_the_map_are_cut_where_phases_read_less(tmp_path):
    workload = load(
        tmp_path,
        FILE.replace("input_size = [6, 6]", "input_size = [5, 6]").replace("[4, 4]", "[3, 4]"),
        form="'phases'",
    )
    graph = workload.graph
    assert graph is not None
    for layer in workload.layers[1:]:
        (read,) = graph.by_name[layer.name].inputs
        assert graph.by_name[read].shape == (6, *layer.input_size)
        assert read == ("before" if layer.input_size == (3, 4) else f"{layer.name}_cut")
    assert [one.kind for one in graph.nodes].count("reshape") == 2


def test_a_map_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path, FILE.replace("input_size = [4, 4]", "input_size = [4, 3]"), inputs='["before"]')
    assert str(caught.value) == (f"{tmp_path / 'n.toml'}: layers[1]: layer 'up' reads 6x4x3, but 'before' gives 6x4x4")
