"""Folders of reference data with several photographs, in the form of each reader that knows activations."""

import json

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError

RANDOM = np.random.default_rng(6)
ROW = {"R": 3, "S": 3, "stride": 1, "pad": 1}
# Two layers in a row, of which the second reads what the first stores.
ROWS = [
    {"name": "a", "input": "image", "C": 3, "H": 5, "W": 7, "K": 4, **ROW},
    {"name": "b", "input": "a", "C": 4, "H": 5, "W": 7, "K": 2, **ROW},
]
# A table without inputs: entries have the names of the layers that read them.
PLAIN = [{key: value for key, value in row.items() if key != "input"} for row in ROWS]
SHAPES = {"image": (3, 5, 7), "a": (4, 5, 7)}


def image(name, density):
    return RANDOM.random(SHAPES[name]) < density


def squeezenet(folder):
    """Its own photograph by value, as its reader wants it."""
    entries = {}
    for row in ROWS:
        entries[f"code:{row['name']}"] = RANDOM.integers(0, 4, (row["K"], row["C"], 3, 3)).astype(np.uint8)
        entries[f"codebook:{row['name']}"] = np.arange(256, dtype=np.float32)
    own = {name: image(name, 0.5) * np.float16(2) for name in SHAPES}
    np.savez(folder / "net_cat.npz", **entries, **{f"x:{name}": array for name, array in own.items()})
    return own


def vgg16(folder):
    """Its own photograph as masks, under the names of the layers."""
    own = {"a": image("image", 0.5), "b": image("a", 0.5)}
    weights = {f"wmask:{row['name']}": np.packbits(np.ones(row["K"] * row["C"] * 9, bool)) for row in ROWS}
    np.savez(folder / "net_cat.npz", **weights, **{f"xmask:{name}": np.packbits(array) for name, array in own.items()})
    return own


@pytest.mark.parametrize("network", [squeezenet, vgg16])
@pytest.mark.parametrize("packed", [True, False])
def test_every_photograph_of_a_folder_is_an_input(tmp_path, network, packed):
    own = network(tmp_path)
    rows = PLAIN if network is vgg16 else ROWS
    counted = [{**row, "x_nnz": int(np.count_nonzero(array))} for row, array in zip(rows, own.values(), strict=True)]
    (tmp_path / "layers.json").write_text(json.dumps(counted))
    alone = load_workload(str(tmp_path))
    others = {}
    for name, density in (("net_dog.npz", 0.9), ("net_ant.npz", 0.1)):
        others[name] = {entry: image(blob, density) for entry, blob in zip(own, SHAPES, strict=True)}
        entries = {
            f"xmask:{entry}" if packed else f"x:{entry}": np.packbits(array) if packed else array.astype(np.int8)
            for entry, array in others[name].items()
        }
        np.savez(tmp_path / name, **entries)
    workload = load_workload(str(tmp_path))
    assert (alone.inputs, workload.inputs) == (1, 3)
    pictures = [own, others["net_ant.npz"], others["net_dog.npz"]]  # the network's own, then by name
    for place in range(2):
        assert workload.trace(place).digest == alone.trace(place).digest
        for number, picture in enumerate(pictures):
            mask = list(picture.values())[place] != 0
            np.testing.assert_array_equal(workload.trace(place, number).activation_mask[0], mask)
        stored = [workload.trace(0, number).output_density for number in range(3)]
        assert stored == [np.count_nonzero(list(picture.values())[1]) / 140 for picture in pictures]
    assert load_workload(str(tmp_path / "net_cat.npz")).inputs == 1
    pair = workload.with_batch(2)
    masks = [list(picture.values())[1] != 0 for picture in (pictures[2], pictures[0])]
    np.testing.assert_array_equal(pair.trace(1, 1).activation_mask, masks)


def test_a_photograph_that_lacks_a_layers_input(tmp_path):
    own = vgg16(tmp_path)
    (tmp_path / "layers.json").write_text(json.dumps(PLAIN))
    np.savez(tmp_path / "net_dog.npz", **{"xmask:a": np.packbits(own["a"])})
    with pytest.raises(InputError) as fault:
        load_workload(str(tmp_path))
    assert str(fault.value) == f"{tmp_path}/net_dog.npz: entry 'xmask:b' is missing"
    np.savez(tmp_path / "net_dog.npz", **{"xmask:a": np.packbits(own["a"]), "xmask:b": np.packbits(own["a"])})
    with pytest.raises(InputError) as fault:
        load_workload(str(tmp_path))
    assert str(fault.value) == f"{tmp_path}/net_dog.npz: entry 'xmask:b' has shape (14,), must be (18,)"


def test_two_networks_in_a_folder_are_refused(tmp_path):
    vgg16(tmp_path)
    (tmp_path / "layers.json").write_text(json.dumps(PLAIN))
    (tmp_path / "other.npz").write_bytes((tmp_path / "net_cat.npz").read_bytes())
    with pytest.raises(InputError) as fault:
        load_workload(str(tmp_path))
    assert str(fault.value) == (
        f"{tmp_path}: holds net_cat.npz, other.npz: must hold one npz file, others with activations alone"
    )
