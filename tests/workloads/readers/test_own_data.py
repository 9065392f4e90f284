"""A user's own network as an npz file with a table of its layers."""

import json

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError

RANDOM = np.random.default_rng(17)
ROWS = [
    {"name": "a", "C": 3, "H": 6, "W": 5, "K": 4, "R": 3, "S": 3, "stride": 1, "pad": 1},
    {"name": "b", "C": 4, "H": 6, "W": 5, "K": 2, "R": 1, "S": 1, "stride": 1, "pad": 0},
]
VIDEO = {
    "name": "v",
    "C": 2,
    "D": 4,
    "H": 6,
    "W": 5,
    "K": 3,
    "T": 3,
    "R": 3,
    "S": 3,
    "stride": 1,
    "pad": [1, 1, 1, 1, 1, 1],
}


def whole(*shape):
    return RANDOM.integers(0, 3, shape).astype(np.int8)


def folder(tmp_path, rows, entries, table="layers.json"):
    np.savez(tmp_path / "net.npz", **entries)
    (tmp_path / table).write_text(json.dumps(rows))
    return str(tmp_path)


def fault(path):
    with pytest.raises(InputError) as caught:
        load_workload(path)
    return str(caught.value).replace(f"{path}/", "")


@pytest.mark.parametrize("table", ["layers.json", "net_layers.json"])
def test_values_and_masks_are_read_by_what_the_entries_say(tmp_path, table):
    kept = RANDOM.random((2, 4, 1, 1)) < 0.5
    entries = {"w:a": whole(4, 3, 3, 3), "x:a": whole(3, 6, 5), "wmask:b": np.packbits(kept)}
    entries["xmask:b"] = np.packbits(RANDOM.random((4, 6, 5)) < 0.3)
    path = folder(tmp_path, ROWS, entries, table)
    for workload in (load_workload(path), load_workload(f"{path}/net.npz")):
        assert (workload.name, workload.title, workload.notes) == ("net", "data of net.npz", ())
        first, second = workload.trace(0), workload.trace(1)
        np.testing.assert_array_equal(first.weights, entries["w:a"])
        np.testing.assert_array_equal(first.activations[0], entries["x:a"])
        np.testing.assert_array_equal(second.weight_mask, kept)
        assert second.activation_nonzeros == int(np.unpackbits(entries["xmask:b"]).sum())


def test_codes_with_a_table_of_values_and_an_input_named_in_the_row(tmp_path):
    values = np.array([0, 0.5, -2], np.float32)
    codes = RANDOM.integers(0, 3, (4, 3, 3, 3)).astype(np.uint8)
    rows = [{**ROWS[0], "input": "picture"}, {**ROWS[1], "input": "x:7"}]
    entries = {"code:a": codes, "codebook:a": values, "w:b": whole(2, 4, 1, 1), "x:picture": whole(3, 6, 5)}
    path = folder(tmp_path, rows, entries | {"x:7": whole(4, 6, 5)})
    np.testing.assert_array_equal(load_workload(path).trace(0).weights, values[codes])
    path = folder(tmp_path, rows, entries | {"x:7": whole(4, 6, 5), "codebook:a": values[:2]})
    with pytest.raises(InputError, match="entry 'code:a' must hold numbers from 0 to 1"):
        load_workload(path).trace(0)


def test_a_network_with_depth(tmp_path):
    """Entries of the kinds that a named project has as well, without its layers."""
    entries = {"w:v": whole(3, 2, 3, 3, 3), "x:v": whole(2, 4, 6, 5)}
    workload = load_workload(folder(tmp_path, [VIDEO], entries))
    assert workload.layers[0].output_size == (4, 6, 5)
    np.testing.assert_array_equal(workload.trace(0).weights, entries["w:v"])


def test_the_kinds_of_a_named_project_do_not_make_it_that_project(tmp_path):
    entries = {"w:a": whole(4, 3, 3, 3), "x:a": whole(3, 6, 5), "w:b": whole(2, 4, 1, 1)}
    entries["xmask:b"] = np.packbits(np.ones((4, 6, 5), bool))
    assert load_workload(folder(tmp_path, ROWS, entries)).title == "data of net.npz"


def test_counts_of_the_table_stand_for_what_the_file_lacks_and_that_is_said(tmp_path):
    rows = [{**ROWS[0], "x_nnz": 30}, {**ROWS[1], "w_nnz": 3}]
    workload = load_workload(folder(tmp_path, rows, {"wmask:a": np.packbits(np.ones(108, bool))}))
    assert workload.trace(0).activation_nonzeros == 30
    assert workload.trace(1).weight_nonzeros == 3
    assert workload.trace(1).activation_density == 1
    assert workload.notes == (
        "weights of b are drawn, with the counts of the table: the file does not hold them",
        "activations of a are drawn, with the counts of the table: the file does not hold them",
        "activations of b are taken as dense: neither the file nor its table has them",
    )


@pytest.mark.parametrize("named", ["", "/net.npz"])
def test_a_file_with_inputs_alone_beside_a_table_that_counts_all_weights(tmp_path, named):
    inputs = {"x:a": whole(3, 6, 5), "x:b": whole(4, 6, 5)}
    rows = [{**ROWS[0], "w_nnz": 30}, {**ROWS[1], "w_nnz": 3}]
    workload = load_workload(folder(tmp_path, rows, inputs) + named)
    assert [workload.trace(i).weight_nonzeros for i in range(2)] == [30, 3]
    for index, array in enumerate(inputs.values()):
        np.testing.assert_array_equal(workload.trace(index).activations[0], array)
    assert workload.inputs == 1


def test_a_folder_of_several_files_with_inputs_alone(tmp_path):
    path = folder(tmp_path, ROWS, {"x:a": whole(3, 6, 5)})
    np.savez(tmp_path / "more.npz", **{"x:a": whole(3, 6, 5)})
    named = "holds more.npz, net.npz, with activations alone: must hold one npz file with weights as well"
    assert fault(path) == f"{path}: {named}"


def test_a_table_as_csv(tmp_path):
    np.savez(tmp_path / "net.npz", **{"w:a": whole(4, 3, 3, 3)})
    (tmp_path / "layers.csv").write_text(
        "name, C, H, W, K, R, S, stride, pad, groups, x_nnz\na, 3, 6, 5, 4, 3, 3, 1, 1/1/1/1,, 45\n"
    )
    trace = load_workload(str(tmp_path)).trace(0)
    assert trace.layer.padding == ((1, 1), (1, 1))
    assert trace.activation_nonzeros == 45


@pytest.mark.parametrize(
    ("entries", "rows", "text"),
    [
        (
            {"w:a": whole(4, 3, 3, 3)},
            ROWS,
            "net.npz: layer 'b': no entry 'w:b', 'wmask:b' or 'code:b', and no 'w_nnz' in its row",
        ),
        (
            {"w:a": whole(4, 3, 3, 3)},
            [{**ROWS[0], "input": "data"}],
            "net.npz: layer 'a': no entry 'x:data' or 'xmask:data', the input in its row",
        ),
        ({"w:a": whole(4, 3, 3, 3)}, [{"name": "a", "C": 3}], "layers.json: key 'H' is missing"),
        ({"w:a": whole(4, 3, 3, 3)}, ["a"], "layers.json: must be a list of rows, one a layer, and hold one at least"),
    ],
)
def test_what_is_missing_is_named(tmp_path, entries, rows, text):
    assert fault(folder(tmp_path, rows, entries)) == text


def test_a_folder_without_a_table(tmp_path):
    np.savez(tmp_path / "net.npz", **{"w:a": whole(4, 3, 3, 3)})
    assert fault(str(tmp_path)) == f"{tmp_path}: no layers.json beside net.npz, nor net_layers.json (or .csv)"


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("C", "2.5", "layer 'b': C = 2.5, must be a whole number"),
        ("H", "true", "layer 'b': H = True, must be a whole number"),
        ("K", "1e999", "layer 'b': K = inf, must be a whole number"),
        ("stride", '"one"', "layer 'b': stride = 'one', must be a whole number"),
        ("groups", "[1]", "layer 'b': groups = [1], must be a whole number"),
        ("x_nnz", "NaN", "layer 'b': x_nnz = nan, must be a whole number"),
        ("x_nnz", "-1", "layer 'b': x_nnz = -1, must be at least 0 and at most 120"),
        ("x_nnz", "121", "layer 'b': x_nnz = 121, must be at least 0 and at most 120"),
        ("pad", "[1, 1, 1]", "pad = [1, 1, 1], must be a number, or one for each side"),
        ("pad", "1.5", "pad = 1.5, must be a number, or one for each side"),
        ("C", "9" * 400, "a whole number of about 402 digits is too large: at most 9223372036854775807"),
        ("C", "[" * 100_000, "not a table of layers: it is nested too deeply"),
        ("C", "[" * 200 + "]" * 200, "is nested more than 100 levels deep"),
    ],
)
def test_a_number_that_cannot_be_is_named(tmp_path, column, value, text):
    path = folder(tmp_path, [ROWS[0], ROWS[1] | {column: "HERE"}], {"w:a": whole(4, 3, 3, 3), "w:b": whole(2, 4, 1, 1)})
    table = tmp_path / "layers.json"
    table.write_text(table.read_text().replace('"HERE"', value))
    assert fault(path) == f"layers.json: {text}"


@pytest.mark.parametrize("rows", ["[]", "{}", "null", "[null]", "[[1]]", "5"])
def test_a_table_of_no_layers(tmp_path, rows):
    path = folder(tmp_path, [], {"w:a": whole(4, 3, 3, 3)})
    (tmp_path / "layers.json").write_text(rows)
    assert fault(path) == "layers.json: must be a list of rows, one a layer, and hold one at least"


def test_whole_numbers_with_a_point_are_whole(tmp_path):
    path = folder(tmp_path, [ROWS[0] | {"C": 3.0, "stride": 1.0}], {"w:a": whole(4, 3, 3, 3)})
    assert load_workload(path).layers[0].in_channels == 3
