"""SCALE-Sim topology files as people write them."""

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import import_model

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


def layers(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "net.csv"
    path.write_bytes(text.encode(encoding))
    return import_model(path).workload.layers


def fault(tmp_path, text):
    with pytest.raises(InputError) as caught:
        layers(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("comma", ["", ",", " ,\t"])
def test_a_convolution_in_every_spelling(tmp_path, ending, mark, comma):
    text = (
        mark
        + CONV
        + f"\n# by hand\n\tConv1 ,224 , 224,11, 11,3 ,96,4{comma}\nConv2_dw, 27,27,5,5,96,256,1,#dw\n\n,,,\n"
    )
    first, second = layers(tmp_path, text.replace("\n", ending))
    assert (first.name, first.weight_shape, first.input_shape) == ("Conv1", (96, 3, 11, 11), (1, 3, 224, 224))
    assert first.output_size == (55, 55)  # SCALE-Sim: ceil((224 - 11 + 4) / 4)
    assert (second.name, second.output_size, second.padding) == ("Conv2_dw", (23, 23), ((0, 0), (0, 0)))


@pytest.mark.parametrize("size", range(7, 16))
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_outputs_are_rounded_up_as_scale_sim_does(tmp_path, size, stride):
    (layer,) = layers(tmp_path, CONV + f"c,{size},9,3,2,4,8,{stride}\n")
    assert layer.output_size == (-(-(size - 3 + stride) // stride), -(-(9 - 2 + stride) // stride))


def test_a_matrix_product(tmp_path):
    (layer,) = layers(tmp_path, "Layer Name, M, N, K,\nTest 1, 256, 128, 64,")
    assert (layer.name, layer.dense_macs) == ("Test 1", 256 * 128 * 64)
    assert (layer.weight_shape, layer.input_shape) == ((128, 64, 1, 1), (1, 64, 1, 256))


def test_one_row_is_a_fully_connected_layer(tmp_path):
    (layer,) = layers(tmp_path, "Layer, M, N, K\nfc, 1, 10, 20\n")
    assert layer.fully_connected


def test_the_sparsity_column(tmp_path):
    rows = "a,8,8,3,3,16,4,1,2:4\nb,8,8,3,3,16,4,1,0.25,\nc,8,8,3,3,16,4,1\nd,8,8,3,3,16,4,1,1,\n"
    path = tmp_path / "net.csv"
    path.write_text(CONV.replace("Strides,", "Strides, Sparsity") + rows)
    workload = load_workload(str(path), seed=3)
    groups = workload.trace(0).weight_mask.reshape(4, 4, 4, 9).sum(axis=2)
    assert (groups == 2).all()
    assert [workload.trace(i).weight_density for i in range(4)] == [0.5, 0.25, 1, 1]
    assert np.array_equal(workload.trace(0).weight_mask, load_workload(str(path), seed=3).trace(0).weight_mask)
    assert not np.array_equal(workload.trace(0).weight_mask, load_workload(str(path), seed=4).trace(0).weight_mask)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("c,8,8,3,3,x,4,1", "net.csv: line 2: column 'channels' = 'x', must be a whole number of at least 1"),
        ("c,8,8,3,3,4", "net.csv: line 2: column 'num filter' = '', must be a whole number of at least 1"),
        ("c,8,8,3,3,4,4,0", "net.csv: line 2: column 'strides' = '0', must be a whole number of at least 1"),
        ("c,2,8,3,3,4,4,1", "net.csv: line 2: layer 'c': kernel spans 3 but the padded input only 2"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path, row, text):
    assert fault(tmp_path, CONV + row + "\n") == text


@pytest.mark.parametrize("sparsity", ["4:2", "a:b", "dense", "1.5"])
def test_a_sparsity_that_cannot_be(tmp_path, sparsity):
    text = fault(tmp_path, f"Layer, M, N, K, Sparsity\na, 2, 2, 2, {sparsity}\n")
    assert text == f"net.csv: line 2: column 'sparsity' = '{sparsity}', must be N:M with N at most M, or a density"


def test_a_table_without_rows(tmp_path):
    assert fault(tmp_path, CONV).startswith("net.csv: holds no convolution")
