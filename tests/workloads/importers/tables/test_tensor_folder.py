"""Folders of wgt-*.npy and act-*.npy."""

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import import_model

RANDOM = np.random.default_rng(2)


def tensor(*shape):
    return (RANDOM.random(shape) < 0.4) * RANDOM.integers(1, 9, shape).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "net"
    path.mkdir()
    for name, array in {
        "wgt-conv2": tensor(4, 3, 3, 3), "act-conv2-0": tensor(2, 6, 8, 8), "act-conv2-1": tensor(1, 6, 8, 8),
        "wgt-conv10-a": tensor(5, 4, 1, 1), "act-conv10-a": tensor(3, 4, 4, 4), "wgt-fc": tensor(7, 80),
        "act-fc": tensor(3, 5, 4, 4),
    }.items():  # fmt: skip
        np.save(path / f"{name}.npy", array)
    return path


def fault(path):
    with pytest.raises(InputError) as caught:
        import_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path}", "net")


def test_a_table_gives_order_stride_and_padding(folder):
    (folder / "model.csv").write_text("conv2,conv,2,1\nconv10/a,conv,1,0\nfc,fc,1,0\n")
    workload = load_workload(str(folder))
    assert [layer.name for layer in workload.layers] == ["conv2", "conv10/a", "fc"]
    first = workload.trace(0)
    assert (first.layer.stride, first.layer.padding, first.layer.groups, first.layer.batch) == (
        (2, 2),
        ((1, 1), (1, 1)),
        2,
        3,
    )
    np.testing.assert_array_equal(first.weights, np.load(folder / "wgt-conv2.npy"))
    joined = np.concatenate([np.load(folder / f"act-conv2-{i}.npy") for i in (0, 1)])
    np.testing.assert_array_equal(first.activations, joined)
    last = workload.trace(2)
    assert last.layer.fully_connected
    np.testing.assert_array_equal(last.activations.ravel(), np.load(folder / "act-fc.npy").ravel())


def test_batches_are_joined_by_number(tmp_path):
    """Batch 10 comes after batch 9, though its name comes before that of batch 2."""
    np.save(tmp_path / "wgt-fc.npy", np.ones((2, 3), np.int16))
    for number in range(12):
        np.save(tmp_path / f"act-fc-{number}.npy", np.full((1, 3), number, np.int16))
    activations = import_model(tmp_path).workload.trace(0).activations
    assert activations[:, 0, 0, 0].tolist() == list(range(12))


def test_without_a_table_names_give_the_order(folder):
    imported = import_model(folder)
    assert [layer.name for layer in imported.workload.layers] == ["conv2", "conv10-a", "fc"]
    assert imported.warnings == (f"{folder}: no model.csv: stride 1 and no padding are assumed",)


def test_folders_that_cannot_be_used(folder):
    table = folder / "model.csv"
    table.write_text("conv2,conv,two,1\n")
    assert fault(folder) == "net/model.csv: line 1: must be layer, conv or fc, stride, padding"
    table.write_text("conv2,lstm,1,1\n")
    assert fault(folder) == "net/model.csv: layer 'conv2' is of type 'lstm': only conv and fc are simulated"
    table.write_text("conv3,conv,1,1\n")
    assert fault(folder) == "net/wgt-conv3.npy: no such file"
    table.write_text("conv2,conv,1,1\n")
    (folder / "act-conv2-0.npy").unlink()
    (folder / "act-conv2-1.npy").unlink()
    assert fault(folder) == "net: act-conv2.npy is missing, which tells the layer's input size"
    np.save(folder / "act-conv2.npy", tensor(1, 5, 8, 8))
    assert fault(folder) == "net: layer 'conv2': activations (1, 5, 8, 8) do not fit weights (4, 3, 3, 3)"
    table.write_text("fc,fc,1,0\n")
    np.save(folder / "act-fc.npy", tensor(3, 79))
    assert fault(folder) == "net: act-fc: shape (3, 79), must be (3, 80, 1, 1)"
