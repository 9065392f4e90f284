import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from tests.workloads.arrays.traces import CONV, Array, workload
from workloads.arrays.trace_file import load_traces, save_traces
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.graph import Graph


def saved(tmp_path, **changes):
    """A trace file of ordinary npz entries, some of them changed or (None) left out."""
    layers = [
        {"name": "fc", "in_channels": 9, "out_channels": 4, "input_size": [1, 1], "kernel_size": [1, 1], "stride": [1, 1],
         "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1, "batch": 1, "fully_connected": True,
         "output_density": 1.0, "weights": "mask", "activations": "values"}
    ]  # fmt: skip
    header = {"format": "prunesim-trace", "version": 1, "name": "mine", "layers": layers}
    header.update({key: value for key, value in changes.items() if key in (*header, "graph", "inputs")})
    header["layers"] = [{**layer, **changes.get("layer", {})} for layer in header["layers"]]
    entries = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "weights/0": np.packbits(np.ones(36, bool)),
        "activations/0": np.ones((1, 9, 1, 1), np.float16),
        **changes.get("entries", {}),
    }
    path = tmp_path / "trace.npz"
    np.savez(path, allow_pickle=True, **{key: value for key, value in entries.items() if value is not None})
    return path


GRAPH = [
    ["image", "input", [], [4, 5, 7]],
    ["conv", "layer", ["image"], [6, 2, 6]],
    ["clip", "input", [], [1, 3, 4, 4]],
    ["video", "layer", ["clip"], [2, 3, 2, 2]],
    ["unknown", "other", ["conv", "video"], [9]],
    ["fc", "layer", ["unknown"], [4]],
]


def header_of(path):
    with np.load(path) as file:
        return json.loads(file["header"].tobytes())


def test_a_graph_is_kept_by_version_2(tmp_path):
    path, again = tmp_path / "mine.npz", tmp_path / "again.npz"
    original = replace(workload(), graph=Graph.of_rows(GRAPH))
    save_traces(path, original)
    loaded = load_traces(path)
    assert loaded.graph == original.graph
    assert (header_of(path)["version"], header_of(path)["graph"]) == (2, GRAPH)
    save_traces(again, loaded)
    assert again.read_bytes() == path.read_bytes()
    save_traces(again, loaded.select("[cv]*"))
    assert load_traces(again).graph == original.graph
    assert [layer.name for layer in load_traces(again).layers] == ["conv", "video"]


def test_without_a_graph_a_file_stays_one_of_version_1(tmp_path):
    save_traces(tmp_path / "mine.npz", workload())
    assert header_of(tmp_path / "mine.npz")["version"] == 1
    assert "graph" not in header_of(tmp_path / "mine.npz")
    for version in (1, 2):
        assert load_traces(saved(tmp_path, version=version)).graph is None


def fault(path):
    with pytest.raises(InputError) as caught:
        load_traces(path).trace(0)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, np.float32, np.uint16])
def test_what_is_saved_is_loaded(tmp_path, dtype):
    original = workload(dtype)
    save_traces(tmp_path / "t.npz", original)
    loaded = load_workload(str(tmp_path / "t.npz"))
    assert (loaded.name, loaded.title, loaded.origin) == ("mine", "a title", "an origin")
    assert loaded.layers == original.layers
    for index in range(3):
        ours, theirs = original.trace(index), loaded.trace(index)
        assert theirs.weights.dtype == theirs.activations.dtype == np.dtype(dtype)
        assert np.array_equal(ours.weights, theirs.weights)
        assert np.array_equal(ours.activations, theirs.activations)
        assert theirs.output_density == 0.25


def test_pruned_and_drawn_workloads_are_saved_as_they_are_simulated(tmp_path):
    original = load_workload("alexnet@scnn", seed=5).select("conv[34]")
    save_traces(tmp_path / "t.npz", original)
    loaded = load_traces(tmp_path / "t.npz")
    assert [loaded.trace(i).digest for i in range(2)] == [original.trace(i).digest for i in range(2)]


def test_a_saved_selection_knows_whether_it_begins_with_the_networks_input(tmp_path):
    for layers, first in (("conv[34]", False), ("conv1", True)):
        save_traces(tmp_path / "t.npz", load_workload("alexnet@scnn").select(layers))
        assert load_traces(tmp_path / "t.npz").trace(0).input_in_dram == first
    assert load_traces(saved(tmp_path)).trace(0).input_in_dram, "files of older versions say nothing"
    assert not load_traces(saved(tmp_path, layer={"input_in_dram": False})).trace(0).input_in_dram
    wrong = fault(saved(tmp_path, layer={"input_in_dram": 1}))
    assert wrong == "layer 0: input_in_dram = 1, must be true or false"


def test_whether_a_relu_wrote_an_input_is_kept(tmp_path):
    told = [
        replace(source, relu_input=relu) for source, relu in zip(workload().sources, (True, False, None), strict=True)
    ]
    save_traces(tmp_path / "t.npz", replace(workload(), sources=tuple(told)))
    assert [source.relu_input for source in load_traces(tmp_path / "t.npz").sources] == [True, False, None]
    wrong = fault(saved(tmp_path, layer={"relu_input": 1}))
    assert wrong == "layer 0: relu_input = 1, must be true or false"


def test_the_codebook_of_a_quantized_layer_is_kept_where_it_is_known(tmp_path):
    told = [
        replace(source, codebook_values=codes) for source, codes in zip(workload().sources, (256, None, 1), strict=True)
    ]
    save_traces(tmp_path / "t.npz", replace(workload(), sources=tuple(told)))
    loaded = load_traces(tmp_path / "t.npz")
    assert [loaded.trace(i).codebook_values for i in range(3)] == [256, None, 1]
    with np.load(tmp_path / "t.npz") as file:
        layers = json.loads(file["header"].tobytes())["layers"]
    assert ["codebook_values" in layer for layer in layers] == [True, False, True]
    for codes in (0, -1, 1.5, True, "16"):
        wrong = fault(saved(tmp_path, layer={"codebook_values": codes}))
        assert wrong == f"layer 0: codebook_values = {codes!r}, must be a whole number of at least 1"


def test_a_stored_batch_is_repeated_or_cut(tmp_path):
    save_traces(tmp_path / "t.npz", workload(layers=(CONV,)))
    stored = load_traces(tmp_path / "t.npz")
    two, three = stored.trace(0).activations, stored.with_batch(3).trace(0).activations
    assert np.array_equal(three, two[[0, 1, 0]])
    assert np.array_equal(stored.with_batch(1).trace(0).activations, two[:1])


def test_the_bytes_depend_on_the_traces_alone_and_no_other_file_is_left(tmp_path):
    save_traces(tmp_path / "a.npz", workload())
    save_traces(tmp_path / "b.npz", workload())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_numpy_opens_the_file_without_pickles(tmp_path):
    save_traces(tmp_path / "t.npz", workload())
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        header = json.loads(file["header"].tobytes())
        mask = np.unpackbits(file["weights/0"], count=CONV.weight_count).reshape(CONV.weight_shape)
    assert header["version"] == 1
    assert np.array_equal(mask, workload().trace(0).weights)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.npz"
    path.write_text("old")
    good = workload()
    bad = replace(good, sources=(*good.sources, replace(good.sources[0], weights=Array(np.ones(3)))))
    with pytest.raises(AssertionError):
        save_traces(path, bad)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "reason"), [("missing/t.npz", "no such folder: "), (".", "is a directory")])
def test_a_target_that_cannot_be_written_is_named(tmp_path, name, reason):
    with pytest.raises(InputError) as caught:
        save_traces(tmp_path / name, workload())
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be written: {reason}")


def test_the_ordinary_file_of_these_tests_is_whole(tmp_path):
    assert load_traces(saved(tmp_path)).trace(0).weight_nonzeros == 36


def test_a_missing_file_and_a_directory(tmp_path):
    assert fault(tmp_path / "missing.npz") == "no such file"
    (tmp_path / "folder.npz").mkdir()
    assert fault(tmp_path / "folder.npz") == "is a directory, must be a file"


def test_no_zip_file_and_a_truncated_one(tmp_path):
    path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert fault(path) == "not an npz file, or truncated"
    path.write_bytes(b"")
    assert fault(path) == "not an npz file, or truncated"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "trace version 3, this prunesim reads versions 1 and 2"),
        ({"version": "2"}, "trace version '2', this prunesim reads versions 1 and 2"),
        ({"graph": []}, "entry 'header': version 1 has no graph"),
        ({"version": 2, "graph": 5}, "entry 'header': graph: must be a list of nodes"),
        (
            {"version": 2, "graph": [["fc", "layer", "x", [4]]]},
            "entry 'header': graph: node 0: must be [name, kind, [inputs], [sizes]]",
        ),
        (
            {"version": 2, "graph": [["x", "input", [], [9]], ["fd", "layer", ["x"], [4]]]},
            "entry 'header': graph: layer 'fc' is not in the graph: did you mean 'fd'?",
        ),
        ({"inputs": 2}, "entry 'header': version 1 has no inputs"),
        ({"version": 2, "inputs": 0}, "entry 'header': inputs = 0, must be a whole number of at least 1"),
        ({"version": 2, "inputs": True}, "entry 'header': inputs = True, must be a whole number of at least 1"),
        ({"version": 2, "inputs": 3}, "entry 'activations/0' has shape (1, 9, 1, 1), must be (3, 9, 1, 1)"),
        (
            {"layer": {"image_output_densities": [0.5, 0.5]}},
            "layer 0: image_output_densities = [0.5, 0.5], must be 1 numbers between 0 and 1",
        ),
        (
            {"layer": {"image_output_densities": [1.5]}},
            "layer 0: image_output_densities = [1.5], must be 1 numbers between 0 and 1",
        ),
        ({"format": "other"}, "not a prunesim trace: its format is not 'prunesim-trace'"),
        ({"layers": []}, "the trace holds no layers"),
        ({"name": None}, "entry 'header' lacks the network's name or its layers"),
        ({"entries": {"header": None}}, "not a prunesim trace: entry 'header' is missing"),
        (
            {"entries": {"header": np.zeros(3, np.uint8)}},
            "entry 'header': not JSON: Expecting value: line 1 column 1 (char 0)",
        ),
        (
            {"entries": {"header": np.zeros((2, 2), np.uint8)}},
            "entry 'header' has shape (2, 2), must be at most (67108864,)",
        ),
        ({"entries": {"header": np.zeros(3)}}, "entry 'header' has type float64, must be uint8"),
        (
            {"entries": {"header": np.array([{}], object)}},
            "entry 'header' holds pickled objects, which are never loaded",
        ),
        (
            {"entries": {"weights/0": np.array([{}], object)}},
            "entry 'weights/0' holds pickled objects, which are never loaded",
        ),
        ({"entries": {"weights/0": None}}, "entry 'weights/0' is missing"),
        ({"entries": {"weights/0": np.zeros(4, np.uint8)}}, "entry 'weights/0' has shape (4,), must be (5,)"),
        ({"entries": {"weights/0": np.zeros(5)}}, "entry 'weights/0' has type float64, must be uint8"),
        ({"entries": {"activations/0": np.ones(9)}}, "entry 'activations/0' has shape (9,), must be (1, 9, 1, 1)"),
        (
            {"entries": {"activations/0": np.full((1, 9, 1, 1), "a")}},
            "entry 'activations/0' has type <U1, must be numbers or a mask",
        ),
        ({"layer": {"stride": [0, 1]}}, "layer 0: layer 'fc': stride = 0, must be a whole number of at least 1"),
        ({"layer": {"padding": 3}}, "layer 0: 'int' object is not iterable"),
        ({"layer": {"weights": "both"}}, "layer 0: weights = 'both', must be 'mask' or 'values'"),
        ({"layer": {"output_density": 2}}, "layer 0: output_density = 2.0, must lie between 0 and 1"),
        ({"layer": {"in_channels": 10**9}}, "entry 'weights/0' has shape (5,), must be (500000000,)"),
    ],
)
def test_a_broken_file_names_itself_and_the_fault(tmp_path, changes, message):
    assert fault(saved(tmp_path, **changes)) == message


def test_a_missing_key_of_a_layer(tmp_path):
    path = saved(tmp_path)
    header = {"format": "prunesim-trace", "version": 1, "name": "mine", "layers": [{"name": "fc"}]}
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    assert fault(path) == "layer 0: key 'in_channels' is missing"


def test_values_that_are_not_finite(tmp_path):
    path = saved(tmp_path, entries={"activations/0": np.full((1, 9, 1, 1), np.inf)})
    with pytest.raises(InputError, match="layer 'fc': activations hold a value that is not finite"):
        load_traces(path).trace(0)


def test_damaged_data_and_entries_that_are_no_arrays(tmp_path):
    path = saved(tmp_path)
    data = bytearray(path.read_bytes())
    place = data.index(b"\xff\xff\xff\xff\xf0")  # the mask's 36 bits
    data[place] = 0
    path.write_bytes(bytes(data))
    assert fault(path) == "entry 'weights/0' is damaged: Bad CRC-32 for file 'weights/0.npy'"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", "no array")
    assert fault(path).startswith("entry 'header' is damaged: ")


def test_an_entry_shorter_than_it_says(tmp_path):
    path = saved(tmp_path, entries={"weights/0": None})
    with zipfile.ZipFile(path, "a") as archive, archive.open("weights/0.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (5,)})
        stream.write(b"\xff\xff")
    assert fault(path) == "entry 'weights/0' does not hold exactly 5 bytes of data"
