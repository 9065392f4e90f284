"""Quantized ONNX models: the zero point is zero, and machines compute what onnxruntime computes."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper

from tests.workloads.importers.onnx.onnx_models import RANDOM, computed, imported, outputs_of, save, whole


def test_integer_convolutions_count_zero_points_as_zeros(tmp_path):
    x, w = RANDOM.integers(0, 256, (1, 3, 6, 6), np.uint8), RANDOM.integers(0, 256, (4, 3, 3, 3), np.uint8)
    x[x < 80], w[w < 120] = 128, 60
    nodes = [helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=[1, 1, 1, 1])]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        {"x": (TensorProto.UINT8, x.shape)},
        {"w": w, "xz": np.uint8(128), "wz": np.uint8(60)},
    )
    workload = imported(path, {"x": x}).workload
    trace = workload.trace(0)
    assert trace.weight_nonzeros == np.count_nonzero(w != 60)
    assert trace.activation_nonzeros == np.count_nonzero(x != 128)
    np.testing.assert_array_equal(computed(workload), outputs_of(path, {"x": x}))


def test_a_quantized_convolution_has_a_zero_point_for_each_filter(tmp_path):
    # Seven bits: without VNNI onnxruntime adds two products of unsigned by signed bytes in 16 bits, which saturate beyond.
    x, w = RANDOM.integers(0, 256, (1, 2, 6, 6), np.uint8), RANDOM.integers(-64, 64, (3, 2, 3, 3), np.int8)
    zeros = np.zeros(3, np.int8)
    weights = {"w": w, "xs": np.float32(0.5), "xz": np.uint8(7), "ws": np.array([0.5, 1, 2], np.float32), "wz": zeros,
               "ys": np.float32(128), "yz": np.uint8(100)}  # fmt: skip
    nodes = [helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, {"x": (TensorProto.UINT8, x.shape)}, weights)
    workload = imported(path, {"x": x}).workload
    trace, wanted = workload.trace(0), outputs_of(path, {"x": x})
    assert trace.activation_nonzeros == np.count_nonzero(x != 7)
    assert trace.output_density == np.count_nonzero(wanted != 100) / wanted.size
    scales = 0.5 * weights["ws"].reshape(1, 3, 1, 1) / 128
    exact = np.clip(computed(workload) * scales + 100, 0, 255)
    assert np.abs(exact - wanted).max() <= 0.5  # rounding to the nearest


def bytes_about(zero, *shape):
    """Random bytes, about a third of them at their zero point."""
    values = RANDOM.integers(0, 256, shape, np.uint8)
    return np.where(RANDOM.random(shape) < 0.3, np.uint8(zero), values)


@pytest.mark.parametrize("constant_side", ["right", "left"])
def test_each_side_of_an_integer_product_has_its_own_zero_point(tmp_path, constant_side):
    """The constant side is the weights, on whichever side it stands, and takes its zero point along."""
    right = constant_side == "right"
    x, w = bytes_about(128, *(5, 6) if right else (6, 5)), bytes_about(60, *(6, 4) if right else (4, 6))
    names = ["x", "w", "xz", "wz"] if right else ["w", "x", "wz", "xz"]
    weights = {"w": w, "xz": np.uint8(128), "wz": np.uint8(60)}
    node = helper.make_node("MatMulInteger", names, ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": (TensorProto.UINT8, x.shape)}, weights)
    workload, wanted = imported(path, {"x": x}).workload, outputs_of(path, {"x": x})
    trace = workload.trace(0)
    assert trace.weight_nonzeros == np.count_nonzero(w != 60)
    assert trace.activation_nonzeros == np.count_nonzero(x != 128)
    np.testing.assert_array_equal(computed(workload).reshape(5, 4), wanted if right else wanted.T)


def test_a_quantized_product_counts_the_zero_points_of_inputs_weights_and_outputs(tmp_path):
    x, w = bytes_about(128, 5, 6), bytes_about(60, 6, 4)
    weights = {"w": w, "xs": np.float32(0.5), "xz": np.uint8(128), "ws": np.float32(0.25), "wz": np.uint8(60),
               "ys": np.float32(64), "yz": np.uint8(100)}  # fmt: skip
    node = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
    path = save(tmp_path / "m.onnx", [node], {"x": (TensorProto.UINT8, x.shape)}, weights)
    workload, wanted = imported(path, {"x": x}).workload, outputs_of(path, {"x": x})
    trace = workload.trace(0)
    assert trace.weight_nonzeros == np.count_nonzero(w != 60)
    assert trace.activation_nonzeros == np.count_nonzero(x != 128)
    assert trace.output_density == np.count_nonzero(wanted != 100) / wanted.size
    exact = np.clip(computed(workload).reshape(5, 4) * (0.5 * 0.25 / 64) + 100, 0, 255)
    assert np.abs(exact - wanted).max() <= 0.5  # rounding to the nearest


def test_quantize_dequantize_pairs_keep_their_zeros(tmp_path):
    x, w = whole(1, 2, 5, 5), RANDOM.integers(-3, 4, (3, 2, 3, 3), np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "xz"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "xz"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["v"], axis=0),
        helper.make_node("Conv", ["d", "v"], ["y"]),
    ]
    weights = {
        "w": w,
        "s": np.float32(1),
        "xz": np.uint8(9),
        "ws": np.array([1, 2, 4], np.float32),
        "wz": np.array([0, 1, 2], np.int8),
    }
    path = save(tmp_path / "m.onnx", nodes, {"x": x.shape}, weights)
    workload = imported(path, {"x": x}).workload
    trace = workload.trace(0)
    assert trace.weight_nonzeros == np.count_nonzero(w != weights["wz"].reshape(3, 1, 1, 1))
    assert trace.activation_nonzeros == np.count_nonzero(x)
    np.testing.assert_array_equal(computed(workload), outputs_of(path, {"x": x}))
