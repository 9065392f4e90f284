"""SCALE-Sim topology files as people write them."""

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import import_model

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"


WHOLE = "must be a whole number of at least 1"


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
        (
            "c,8,8,3,3,x,4,1",
            f"net.csv: line 2: column 'channels' = 'x', {WHOLE}: a template, put numbers in place of its letters",
        ),
        ("c,1,1,1,,1 2,2,1", "net.csv: line 2: column 'filter width' = '', must be a whole number of at least 1"),
        ("c,8,8", "net.csv: line 2: column 'k' = '', must be a whole number of at least 1"),
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


@pytest.mark.parametrize(
    "header",
    [
        "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,",
        "Layer name,Ifmap height,ifmap width,filter height,filter width,channel,num filters,strides,batch size,",
        "Layer name\t IFMAP Height\t IFMAP Width\t Filter Height\t Filter Width\t Channels\t Num Filter\t Strides\t ",
    ],
)
def test_headers_in_other_words_stand_for_the_same(tmp_path, header):
    row = "Conv1_1,700,161,20,5,1,32,2,\n"
    (layer,) = layers(tmp_path, header + "\n" + (row.replace(",", "\t") if "\t" in header else row))
    assert (layer.weight_shape, layer.input_size, layer.stride) == ((32, 1, 20, 5), (700, 161), (2, 2))
    assert layer.output_size == (341, 79)


def test_two_strides_behind_another_header(tmp_path):
    header = (
        "Layer, IFMAP H, IFMAP W, Filter H, Filter W, Channels, Num Filter, Stride height, Stride width, Sparsity\n"
    )
    path = tmp_path / "net.csv"
    path.write_text(header + "c, 9, 9, 3, 3, 4, 8, 2, 3, 0.5\n")
    workload = load_workload(str(path))
    assert workload.layers[0].stride == (2, 3)
    assert workload.trace(0).weight_density == 0.5


@pytest.mark.parametrize("header", ["L, M, N, K", "Layer, M, N, K,", "Name\tM\tN\tK"])
def test_headers_of_products(tmp_path, header):
    row = "a, 196, 192, 384" if "\t" not in header else "a\t196\t192\t384"
    (layer,) = layers(tmp_path, f"{header}\n{row}\n")
    assert layer.dense_macs == 196 * 192 * 384
    assert layer.in_channels == 384


def test_products_in_a_table_of_convolutions(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(CONV + "Conv1,8,8,3,3,4,16,1,\nGemm1,196,192,384,,,,,\nGemm2,10,20,30\n")
    imported = import_model(path)
    assert [layer.dense_macs for layer in imported.workload.layers] == [36 * 9 * 4 * 16, 196 * 192 * 384, 10 * 20 * 30]
    assert imported.warnings[-1] == "lines 3, 4 hold three sizes: a matrix product's M, N and K"


def test_headings_between_rows_are_passed_over(tmp_path):
    found = layers(
        tmp_path,
        CONV + ",,,,,,,,\nAlphaGoZero,\nConv,19,19,3,3,17,256,1,\n\nTransformer,,,,,,,,\nFFN,1,1,1,1,512,2048,1,\n",
    )
    assert [layer.name for layer in found] == ["Conv", "FFN"]


def test_a_batch_and_names_that_repeat(tmp_path):
    header = CONV.replace("Strides,", "Strides, Batch Size,")
    one, two = layers(tmp_path, header + "a,8,8,1,1,4,16,1,1,\na,8,8,1,1,4,16,1,3,\n")
    assert (one.batch, two.batch) == (1, 3)
    assert one.name == two.name == "a"


def test_a_depthwise_name_has_filters_for_each_channel(tmp_path):
    (layer,) = layers(tmp_path, CONV + "Conv2_DP,10,10,3,3,32,2,1,\n")
    assert (layer.groups, layer.out_channels) == (32, 64)
    # SCALE-Sim makes 32 layers of one channel and two filters.
    assert layer.dense_macs == 32 * 8 * 8 * 9 * 2
