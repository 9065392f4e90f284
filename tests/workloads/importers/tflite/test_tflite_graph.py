"""Graphs of TFLite models, whose maps have their channels last in the file and first in a node."""

import numpy as np
import pytest

pytest.importorskip("tflite")
from tests.workloads.importers.tflite.tflite_models import Operator, Tensor, constant, conv_options, save
from workloads.importers import import_model
from workloads.pruning import parse

RANDOM = np.random.default_rng(3)


def weights(*shape):
    return constant(RANDOM.standard_normal(shape).astype(np.float32))


def conv(inputs, output):
    return Operator("CONV_2D", inputs, [output], "Conv2DOptions", conv_options())


def graph_of(tmp_path, tensors, operators, **ends):
    workload = import_model(save(tmp_path / "m.tflite", tensors, operators, **ends)).workload
    assert workload.notes == ()
    return workload


def rows(workload):
    return [(one.name, one.kind, one.inputs, one.shape) for one in workload.graph.nodes]


def test_a_residual_block_with_a_join_and_a_classifier(tmp_path):
    tensors = [
        Tensor((1, 4, 6, 3)), weights(8, 1, 1, 3), Tensor((1, 4, 6, 8)), Tensor((1, 4, 6, 8)),  # 0 to 3
        weights(8, 1, 1, 8), Tensor((1, 4, 6, 8)), Tensor((1, 4, 6, 8)), Tensor((1, 4, 6, 16)),  # 4 to 7
        Tensor((1, 2, 3, 16)), constant(np.array([1, 2], np.int32)), Tensor((1, 16)), weights(5, 16), Tensor((1, 5)),
    ]  # fmt: skip
    operators = [
        conv([0, 1], 2),
        Operator("RELU", [2], [3]),
        conv([3, 4], 5),
        Operator("ADD", [5, 3], [6], "AddOptions", {}),
        Operator("CONCATENATION", [6, 3], [7], "ConcatenationOptions", {"Axis": 3}),
        Operator("MAX_POOL_2D", [7], [8]),
        Operator("MEAN", [8, 9], [10]),
        Operator("FULLY_CONNECTED", [10, 11], [12]),
    ]
    assert rows(graph_of(tmp_path, tensors, operators)) == [
        ("t0", "input", (), (3, 4, 6)),
        ("op000_conv", "layer", ("t0",), (8, 4, 6)),
        ("op001_relu", "activation", ("op000_conv",), (8, 4, 6)),
        ("op002_conv", "layer", ("op001_relu",), (8, 4, 6)),
        ("op003_add", "add", ("op002_conv", "op001_relu"), (8, 4, 6)),
        ("op004_concatenation", "concat", ("op003_add", "op001_relu"), (16, 4, 6)),
        ("op005_max_pool_2d", "pool", ("op004_concatenation",), (16, 2, 3)),
        ("op006_mean", "pool", ("op005_max_pool_2d",), (16,)),
        ("op007_fc", "layer", ("op006_mean",), (5,)),
    ]


def flattened(tmp_path, rows=2):
    tensors = [
        Tensor((1, rows, 2, 3)), weights(4, 1, 1, 3), Tensor((1, rows, 2, 4)), Tensor((1, rows * 8)),
        weights(5, rows * 8), Tensor((1, 5)),
    ]  # fmt: skip
    operators = [conv([0, 1], 2), Operator("RESHAPE", [2], [3]), Operator("FULLY_CONNECTED", [3, 4], [5])]
    return graph_of(tmp_path, tensors, operators)


def test_what_is_flattened_has_its_channels_last(tmp_path):
    """The four features of a position lie side by side, so that no channel's features are neighbours."""
    workload = flattened(tmp_path)
    assert rows(workload)[2:4] == [
        ("op001_reshape_turned", "reshape", ("op000_conv",), (2, 2, 4)),
        ("op001_reshape", "reshape", ("op001_reshape_turned",), (16,)),
    ]
    pruned = workload.prune(parse("channel:density=0.5"))
    assert [(layer.in_channels, layer.out_channels) for layer in pruned.layers] == [(3, 4), (8, 5)]


def test_a_fully_connected_layer_that_reads_a_map_flattens_it(tmp_path):
    tensors = [
        Tensor((1, 2, 2, 3)), weights(4, 1, 1, 3), Tensor((1, 2, 2, 4)), weights(5, 16), Tensor((1, 5)),
    ]  # fmt: skip
    found = rows(graph_of(tmp_path, tensors, [conv([0, 1], 2), Operator("FULLY_CONNECTED", [2, 3], [4])]))
    assert found[2:] == [
        ("op001_fc_turned", "reshape", ("op000_conv",), (2, 2, 4)),
        ("op001_fc", "layer", ("op001_fc_turned",), (5,)),
    ]


def test_upsampling_gates_quantization_and_what_is_refused(tmp_path):
    tensors = [
        Tensor((1, 4, 4, 3)), weights(8, 1, 1, 3), Tensor((1, 4, 4, 8)), constant(np.array([8, 8], np.int32)),
        Tensor((1, 8, 8, 8)), Tensor((1, 8, 8, 8), np.int8), Tensor((1, 8, 8, 8)),
        constant(np.array([1, 2], np.int32)), Tensor((1, 1, 1, 8)), Tensor((1, 8, 8, 8)),
        constant(np.array([1, 16, 16, 2], np.int32)), weights(2, 2, 2, 8), Tensor((1, 16, 16, 2)), Tensor((1, 16, 16, 2)),
        constant(np.ones(2, np.float32)), Tensor((1, 16, 16, 2)),
    ]  # fmt: skip
    operators = [
        conv([0, 1], 2),
        Operator("RESIZE_BILINEAR", [2, 3], [4]),
        Operator("QUANTIZE", [4], [5]),
        Operator("DEQUANTIZE", [5], [6]),
        Operator("MEAN", [6, 7], [8]),
        Operator("MUL", [6, 8], [9], "MulOptions", {}),
        Operator("TRANSPOSE_CONV", [10, 11, 9], [12], "TransposeConvOptions", {"StrideH": 2, "StrideW": 2}),
        Operator("SOFTMAX", [12], [13]),
        Operator("MUL", [13, 14], [15], "MulOptions", {}),
    ]
    assert rows(graph_of(tmp_path, tensors, operators))[2:] == [
        ("op001_resize_bilinear", "upsample", ("op000_conv",), (8, 8, 8)),
        ("op004_mean", "pool", ("op001_resize_bilinear",), (8, 1, 1)),
        ("op005_mul", "add", ("op001_resize_bilinear", "op004_mean"), (8, 8, 8)),
        ("op006_up_stretched", "upsample", ("op005_mul",), (8, 15, 15)),
        ("op006_up", "layer", ("op006_up_stretched",), (2, 16, 16)),
        ("op007_softmax", "other", ("op006_up",), (2, 16, 16)),
        ("op008_mul", "normalise", ("op007_softmax",), (2, 16, 16)),
    ]


def test_values_kept_between_runs_leave_no_graph(tmp_path):
    tensors = [Tensor((1, 4, 4, 3)), weights(8, 1, 1, 3), Tensor((1, 4, 4, 8)), Tensor((1,)), Tensor((1, 4, 4, 8))]
    operators = [conv([0, 1], 2), Operator("VAR_HANDLE", [], [3]), Operator("READ_VARIABLE", [3], [4])]
    workload = import_model(save(tmp_path / "m.tflite", tensors, operators, outputs=[2, 4])).workload
    assert workload.graph is None
    assert workload.notes == (
        "how its layers hang together is not known: operator op002 (READ_VARIABLE) keeps values between runs",
    )
