"""SCALE-Sim topology files as people write them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("text", ["1:4", "2:4", "3:4", "2:5", "1:100"])
@pytest.mark.parametrize("size", [(1, 1, 16), (3, 3, 4), (3, 3, 1), (5, 4, 3), (3, 2, 6)])
def test_groups_run_over_the_window_of_a_filter(tmp_path, size, text):
    # Of one channel, or of three, N of every M channels would be more than N of every M weights: up to all of them.
    kept, group = map(int, text.split(":"))
    down, across, channels = size
    path = tmp_path / "net.csv"
    path.write_text(CONV.replace("Strides,", "Strides, Sparsity,") + f"c,9,9,{down},{across},{channels},5,1,{text},\n")
    mask = load_workload(str(path)).trace(0).weight_mask
    for filter_mask in mask:
        window = [filter_mask[c, r, s] for r in range(down) for s in range(across) for c in range(channels)]
        for start in range(0, len(window), group):
            held = window[start : start + group]
            assert sum(held) == min(kept, len(held))


def test_as_many_weights_stay_as_scale_sim_stores(tmp_path):
    # AlexNet's first layer at 1:4: its SPARSE_REPORT has 34848 words of filters, and stores 9282, 546 of them metadata.
    path = tmp_path / "net.csv"
    path.write_text(CONV.replace("Strides,", "Strides, Sparsity,") + "c,224,224,11,11,3,96,4,1:4,\n")
    mask = load_workload(str(path)).trace(0).weight_mask
    assert (mask.size, mask.sum()) == (34848, 9282 - 546)


def test_groups_of_a_depthwise_convolution_run_over_one_channel(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(CONV.replace("Strides,", "Strides, Sparsity,") + "c_DP,9,9,3,3,8,2,1,1:3,\n")
    mask = load_workload(str(path)).trace(0).weight_mask
    assert mask.shape == (16, 1, 3, 3)
    assert (mask.sum(axis=(1, 3)) == 1).all()


@pytest.mark.parametrize("column", ["Sparsity Ratio,", "Pruning,", ",", ""])
@pytest.mark.parametrize(("header", "row"), [(CONV.strip(), "c,8,8,3,3,16,4,1,"), ("Layer, M, N, K,", "p, 7, 5, 16, ")])
def test_groups_under_any_header(tmp_path, header, row, column):
    path = tmp_path / "net.csv"
    path.write_text(f"{header} {column}\n{row}1:4,\n")
    imported = import_model(path)
    assert imported.workload.trace(0).weight_density == 0.25
    assert len(imported.warnings) == 1


def test_values_of_unknown_meaning_are_told(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(CONV.strip() + ", Eh, Runs on\nc,8,8,3,3,4,4,1,,36,gpu\nd,8,8,3,3,4,4,1, npu\n")
    assert import_model(path).warnings[-1] == (
        "values in columns of unknown meaning are passed over: '36' (line 2), 'gpu' (line 2), 'npu' (line 3)"
    )


def test_a_number_behind_the_strides_is_the_stride_across(tmp_path):
    # As SCALE-Sim read it before version 3.
    first, second = layers(tmp_path, CONV + "a,9,9,3,3,4,4,2,3\nb,9,9,3,3,4,4,1,1,\n")
    assert (first.stride, second.stride) == ((2, 3), (1, 1))


@pytest.mark.parametrize("size", [4, 7])
def test_one_stride_in_the_singular(tmp_path, size):
    (layer,) = layers(tmp_path, CONV.replace("Strides", "Stride") + f"a,{size},9,3,3,4,4,2,\n")
    assert layer.stride == (2, 2)
    assert layer.output_size == (math.ceil((size - 1) / 2), 4)


def test_columns_between_the_sizes_are_no_harm_under_usual_names(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(
        "Layer name, Layer Type, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
        "Stride H, Stride W, Cycles,\nc, conv, 9, 8, 3, 2, 4, 16, 2, 3, 77,\n"
    )
    imported = import_model(path)
    (layer,) = imported.workload.layers
    assert (layer.input_size, layer.weight_shape, layer.stride) == ((9, 8), (16, 4, 3, 2), (2, 3))
    assert imported.warnings[-1].endswith(": 'conv' (line 2), '77' (line 2)")


def test_a_layout_is_no_topology(tmp_path):
    header = "Layer name, IFMAP Height Intraline Factor, IFMAP Width Intraline Factor, Filter Height Interline Order,\n"
    assert fault(tmp_path, header + "c,4,8,1,\n") == (
        "net.csv: line 1: a SCALE-Sim layout, which says how data lie in memory: give the topology of the same layers"
    )


@pytest.mark.parametrize(
    ("header", "column", "place"),
    [
        ("L, IFMAP H, IFMAP W, Channels, Filter H, Filter W, Num Filters, Strides", "channels", "filter height"),
        ("L, Filter H, Filter W, IFMAP H, IFMAP W, Channels, Num Filters, Strides", "filter h", "ifmap height"),
        ("L, IFMAP H, IFMAP W, Filter H, Filter W, Num Filters, Channels, Strides", "num filters", "channels"),
        ("L, IFMAP H, IFMAP W, Filter H, Filter W, Channels, Strides, Filters", "strides", "num filter"),
        ("L, Ifmap width, Ifmap height, Filter H, Filter W, Channel, Filters, Stride", "ifmap width", "ifmap height"),
        ("L, IFMAP H, IFMAP W, Filter width, Filter height, Channel, Filters", "filter width", "filter height"),
    ],
)
def test_an_order_of_its_own_is_refused(tmp_path, header, column, place):
    text = fault(tmp_path, header + "\nc,8,8,3,3,4,4,1\n")
    assert text == f"net.csv: line 1: column '{column}' stands where SCALE-Sim reads: {place}"


def test_filters_may_be_output_channels(tmp_path):
    header = "L, IFMAP H, IFMAP W, Filter H, Filter W, Input channels, Output channels, Stride\n"
    (layer,) = layers(tmp_path, header + "c,8,8,3,3,4,16,1\n")
    assert layer.weight_shape == (16, 4, 3, 3)


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


SIZES = st.tuples(*[st.integers(1, 5)] * 4, st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
GROUPS = st.none() | st.integers(1, 6).flatmap(lambda m: st.tuples(st.integers(1, m), st.just(m)))
HEADERS = [
    CONV,
    CONV.replace("Strides,", "Strides, Sparsity,"),
    "Layer, IFMAP Width, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n",
    "Layer name,Ifmap height,ifmap width,filter height,filter width,channel,num filters,strides,,,\n",
]


@given(st.lists(st.tuples(SIZES, GROUPS), min_size=1, max_size=4), st.sampled_from(HEADERS), st.sampled_from(",\t"))
def test_products_and_kept_weights_are_those_of_scale_sim(tmp_path_factory, rows, header, separator):
    """Its own arithmetic, written out: outputs rounded up, the window of a filter in groups of M that keep N."""
    text, expected = header, []
    for number, ((taller, wider, down, across, channels, filters, stride), groups) in enumerate(rows):
        height, width = down + taller - 1, across + wider - 1
        cells = [f"c{number}", height, width, down, across, channels, filters, stride]
        text += ",".join(map(str, cells)) + (",{}:{},\n".format(*groups) if groups else ",\n")
        outputs = math.ceil((height - down + stride) / stride) * math.ceil((width - across + stride) / stride)
        window = down * across * channels
        n, m = groups or (1, 1)
        kept = sum(min(n, len(range(start, min(start + m, window)))) for start in range(0, window, m))
        expected.append((outputs * window * filters, kept * filters))
    path = tmp_path_factory.mktemp("random") / "net.csv"
    path.write_text(text.replace(",", separator))
    workload = load_workload(str(path))
    found = [(layer.dense_macs, workload.trace(i).weight_mask.sum()) for i, layer in enumerate(workload.layers)]
    assert found == expected
