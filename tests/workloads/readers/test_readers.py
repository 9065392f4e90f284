import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.masks.synthetic import Uniform
from workloads.network import load_network
from workloads.readers import read_density_table, read_resnet50_dlmc, read_squeezenet_dc

DATA = SHARED / "data"
FOLDERS = {
    "squeezenet_dc": ("layers.json", 26),
    "mediapipe_pose": ("pose_detection_astronaut_layers.json", 73),
    "vgg16_hed": ("layers.json", 13),
    "resnet50_dlmc": ("resnet50_magnitude_pruning_0.8_layers.json", 54),
}


@needs_shared
@pytest.mark.parametrize(("folder", "table", "count"), [(name, *rest) for name, rest in FOLDERS.items()])
def test_every_layer_has_the_counts_of_the_table(folder, table, count):
    rows = json.loads((DATA / folder / table).read_text())
    workload = load_workload(str(DATA / folder))
    assert len(workload.layers) == len(rows) == count
    for index, row in enumerate(rows):
        trace = workload.trace(index)
        assert trace.weight_nonzeros == row["w_nnz"]
        assert "x_nnz" not in row or trace.activation_nonzeros == row["x_nnz"]


@needs_shared
@pytest.mark.parametrize("folder", FOLDERS)
def test_reference_networks_have_their_graph_with_names_of_their_own(folder):
    workload = load_workload(str(DATA / folder))
    assert workload.graph
    assert [node.name for node in workload.graph.layers] == [layer.name for layer in workload.layers]
    for layer in workload.layers:
        (read,) = workload.graph.by_name[layer.name].inputs
        assert workload.graph.by_name[read].shape == layer.input_shape[1:][: 1 if layer.fully_connected else 3]


@needs_shared
def test_an_npz_file_beside_its_table_is_recognised():
    by_file = load_workload(str(DATA / "vgg16_hed" / "vgg16_hed_magprune_masks_chelsea.npz"))
    assert by_file.trace(0).digest == load_workload(str(DATA / "vgg16_hed")).trace(0).digest


@needs_shared
def test_squeezenets_weights_are_codebook_values():
    trace = read_squeezenet_dc(DATA / "squeezenet_dc").trace(0)
    with np.load(DATA / "squeezenet_dc" / "squeezenet_dc_chelsea.npz") as file:
        assert np.array_equal(trace.weights, file["codebook:conv1"][file["code:conv1"]])
        assert np.array_equal(trace.activations[0], file["x:data"])


@needs_shared
def test_activations_of_dlmc_are_drawn():
    workload = read_resnet50_dlmc(DATA / "resnet50_dlmc", {"layer1_0.conv2": 0.3}, Uniform())
    assert workload.select("layer1_0.conv2").trace(0).activation_nonzeros == round(0.3 * 64 * 56 * 56)
    assert workload.trace(0).activation_density == 1.0


@needs_shared
@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((DATA / "density").glob("*.csv"))
        if path.name not in ("alexnet_sparseloop_table7.csv", "resnet50_dlmc_weight_density.csv")
    ],
    ids=lambda path: path.stem,
)
def test_density_tables_give_their_densities_and_macs(path):
    with path.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get("kind") != "transposed"]
    workload = load_workload(str(path))
    for layer, source, row in zip(workload.layers, workload.sources, rows, strict=True):
        assert layer.dense_macs == int(row["macs"])
        assert source.weights.density == float(row["w_density"])
        assert source.activations.density == float(row["x_density"])


def test_a_table_without_shapes_takes_those_of_a_network(tmp_path):
    path = tmp_path / "densities.csv"
    path.write_text("layer,x_density,w_density,out_density\nconv1,1,0.7,0.378\nconv3,0.275,0.35,0.303\n")
    workload = read_density_table(path, network="alexnet")
    known = {layer.name: layer for layer in load_network("alexnet").layers}
    assert workload.layers == (known["conv1"], known["conv3"])
    assert workload.trace(1).output_density == 0.303
    with pytest.raises(InputError) as caught:
        load_workload(str(path))
    assert str(caught.value) == f"{path}: column 'C' is missing"


HEAD = "name,C,H,W,K,R,S,stride,pad,groups,P,Q,w_density,x_density\n"


def test_a_density_table_gives_layers_and_densities_and_names_the_rows_left_out(tmp_path):
    path = tmp_path / "table.csv"
    head = HEAD.replace("name,", "kind,name,")
    path.write_text(head + "conv,a,3,8,6,4,3,3,1,1,1,8,6,0.25,0.5\ntransposed,b,4,8,6,4,3,3,2,1,1,16,12,1,1\n")
    workload = load_workload(str(path))
    assert workload.layers == (
        Layer.conv("a", in_channels=3, out_channels=4, input_size=(8, 6), kernel_size=3, padding=1),
    )
    assert workload.trace(0).weight_nonzeros == 0.25 * 4 * 3 * 9
    assert workload.trace(0).activation_nonzeros == 0.5 * 3 * 8 * 6
    assert workload.title.endswith("1 transposed convolutions left out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table has no rows"),
        ("name,C\nconv,3\n", "column 'w_density' is missing"),
        (HEAD + "conv,3,8,8,4,3,3,1,1,1,8,8,1.2,1\n", "density = 1.2: must lie between 0 and 1"),
        (HEAD + "conv,3,8,8,4,3,3,1,1,1,8,8,1,much\n", "could not convert string to float: 'much'"),
        (HEAD + "conv,3,8,8,4,3,3,1,1,1,7,7,1,1\n", "layer 'conv': output is (8, 8), the table says (7, 7)"),
        (HEAD + "conv,3,8,8,4,3,3,0,1,1,8,8,1,1\n", "layer 'conv': stride = 0, must be a whole number of at least 1"),
        (HEAD + "conv,3,8\n", "column 'w_density' is missing"),
    ],
)
def test_a_broken_density_table_names_file_and_fault(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_workload(str(path))
    assert str(caught.value) == f"{path}: {message}"


def test_missing_and_binary_density_tables(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(InputError, match=r"table.csv: no such file$"):
        load_workload(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"table.csv: not a text file in UTF-8$"):
        load_workload(str(path))
    path = tmp_path / "folder.csv"
    path.mkdir()
    with pytest.raises(InputError, match=r"folder.csv: is a directory"):
        load_workload(str(path))


def folder(tmp_path: Path, rows, **entries) -> Path:
    np.savez(tmp_path / "net.npz", **entries)
    (tmp_path / "layers.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return tmp_path


ROW = {"name": "a", "C": 1, "H": 4, "W": 4, "K": 2, "R": 3, "S": 3, "stride": 1, "pad": 0, "groups": 1}
MASKS = {"wmask:a": np.packbits(np.ones(18, bool)), "xmask:a": np.packbits(np.ones(16, bool))}


def test_a_folder_of_ones_own_in_the_same_form_is_read(tmp_path):
    workload = load_workload(str(folder(tmp_path, [{**ROW, "pad": [0, 1, 1, 0]}], **MASKS)))
    assert workload.graph is None, "nothing is known of how such layers hang together"
    trace = workload.trace(0)
    assert trace.weight_nonzeros == 18
    assert trace.layer.padding == ((0, 1), (1, 0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("nonsense", "layers.json: not a table of layers: Expecting value: line 1 column 1 (char 0)"),
        ([{"name": "a"}], "layers.json: key 'H' is missing"),
        ([{**ROW, "groups": 2}], "layers.json: layer 'a': groups = 2 does not divide in_channels = 1"),
    ],
)
def test_a_broken_table_of_a_folder_is_named(tmp_path, rows, message):
    with pytest.raises(InputError) as caught:
        load_workload(str(folder(tmp_path, rows, **MASKS)))
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_broken_entry_of_a_folder_is_named(tmp_path):
    broken = folder(tmp_path, [ROW], **{**MASKS, "xmask:a": np.zeros(7, np.uint8)})
    with pytest.raises(InputError) as caught:
        load_workload(str(broken)).trace(0)
    assert str(caught.value) == f"{tmp_path}/net.npz: entry 'xmask:a' has shape (7,), must be (2,)"
