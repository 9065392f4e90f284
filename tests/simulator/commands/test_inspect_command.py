"""`prunesim inspect` through the entry point."""

import json

import pytest

LAYERS = ("--layers", "layer1_0*")


def test_a_table_and_what_machines_can_skip(cli):
    result = cli("inspect", "resnet18", *LAYERS, "--prune", "nm:n=2,m=4", "--on", "ideal,dcnn,cambricon-x")
    assert (result.code, result.err) == (0, "")
    rows = [line.split() for line in result.out.splitlines()]
    (row,) = [row for row in rows if row[:1] == ["layer1_0.conv1"]]
    assert row[1:5] == ["64x64x3x3", "0.5000", "1.0000", "2:4"]
    (machine,) = [row for row in rows if row[:1] == ["cambricon-x"]]
    assert machine == ["cambricon-x", "2", "115,605,504", "50.0%", "2.00"]
    assert ["dcnn", "2", "231,211,008", "100.0%", "1.00"] in rows


def test_json_holds_the_same(cli):
    result = cli("inspect", "resnet18", *LAYERS, "--prune", "unstructured:density=0.25", "--on", "ideal", "--json", "-")
    data = json.loads(result.out)
    layer = data["layers"][0]
    assert layer["weight_density"] == 0.25
    assert layer["structure"]["found"] == "unstructured"
    assert layer["issued_macs"]["ideal"] == layer["effectual_macs"]
    assert data["total"]["effectual_macs"] == sum(row["effectual_macs"] for row in data["layers"])
    assert 0 < layer["stored_share"] < 0.5


def test_a_machine_that_cannot_run_a_layer_counts_the_others(cli):
    data = json.loads(cli("inspect", "alexnet", "--layers", "*[58]", "--on", "eie", "--json", "-").out)
    assert [row["issued_macs"]["eie"] is None for row in data["layers"]] == [True, False]
    assert data["total"]["machines"]["eie"]["layers"] == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--on", "scn"), "unknown accelerator 'scn': did you mean 'scnn'?"),
        (("--json", "/nowhere/x.json"), "no such folder"),
        (("--layers", "nothing"), "no layer of 'resnet18' matches 'nothing'"),
    ],
)
def test_bad_input_is_one_line(cli, arguments, text):
    result = cli("inspect", "resnet18", *arguments)
    assert result.code == 2
    assert text in result.err
    assert result.err.count("\n") == 1


def test_the_graph_is_drawn_instead(cli):
    result = cli("inspect", "resnet18", *LAYERS, "--graph", "--prune", "lowrank:ratio=2")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["input", "input", "3x224x224"]
    assert lines[3] == "  ┌─ maxpool                    pool             64x56x56"
    assert lines[4].split()[1:] == ["layer1_0.conv1.vertical", "layer", "48x56x56"]
    assert (
        lines[8] == "┌─┴─ layer1_0.add               add              64x56x56    < layer1_0.conv2.horizontal, maxpool"
    )
    assert lines[-1].split() == ["fc", "layer,", "left", "out", "1000"]


def test_the_graph_as_json(cli):
    data = json.loads(cli("inspect", "alexnet", "--graph", "--json", "-").out)
    assert data["workload"]["graph"][2] == ["pool1", "pool", ["conv1"], [96, 27, 27]]


def test_what_has_no_graph_says_so(cli):
    result = cli("inspect", "fc@eie", "--graph")
    assert (result.code, result.out) == (2, "")
    assert "workload 'fc@eie' has no graph: nothing is known but the order of its layers" in result.err


def test_weights_that_are_activations_are_marked(cli):
    result = cli("inspect", "examples/encoder.toml", "--on", "scnn,ideal")
    rows = [line.split() for line in result.out.splitlines()]
    (row,) = [row for row in rows if row[:1] == ["scores"]]
    assert row[1:5] == ["591x64x1x1", "moving", "1.0000", "1.0000"]
    # 4 x 192² products a token in the projections, 8 x 192² in the perceptron, and 2 x 197² x 192 in attention.
    constant = 197 * 12 * 192 * 192
    (ideal,), (scnn,) = ([row for row in rows if row[:1] == [name]] for name in ("ideal", "scnn"))
    assert ideal[1:3] == ["6", f"{constant + 2 * 197 * 197 * 192:,}"]
    assert scnn[1:3] == ["4", f"{constant:,}"]
    data = json.loads(cli("inspect", "examples/encoder.toml", "--on", "none", "--json", "-").out)
    assert [layer["moving_weights"] for layer in data["layers"]] == [False, True, True, False, False, False]
