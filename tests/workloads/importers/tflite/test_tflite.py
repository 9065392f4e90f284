"""TFLite models: sparse encodings, integer quantization, shapes; product networks of MediaPipe where they are there."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite")
from tests.shared_data import SHARED, needs_shared
from tests.workloads.importers.tflite.tflite_models import INT4, Operator, Tensor, constant, conv_options, encode, save
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

RANDOM = np.random.default_rng(11)


def whole(*shape, density=0.4, dtype=np.float32):
    return ((RANDOM.random(shape) < density) * RANDOM.integers(1, 9, shape)).astype(dtype)


def conv(path, weights, shape=(1, 9, 8, 6), kind="Conv2D", code="CONV_2D", more=(), **options):
    tensors = [Tensor(shape), weights, Tensor((1, 1, 1, weights.shape[0]))]
    operator = Operator(code, [0, 1], [2], f"{kind}Options", conv_options(**options))
    return save(path / "m.tflite", [*tensors, *more], [operator], outputs=[2])


def fault(path):
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


def read(path):
    workload = import_model(path).workload
    return [workload.trace(i) for i in range(len(workload.layers))]


def test_a_convolution(tmp_path):
    w = whole(5, 3, 2, 6)
    (trace,) = read(conv(tmp_path, constant(w), stride=(2, 1), dilation=(1, 2)))
    assert (trace.layer.name, trace.layer.stride, trace.layer.dilation) == ("op000_conv", (2, 1), (1, 2))
    assert trace.layer.output_size == (5, 8)  # SAME: as many outputs as strides fit
    assert trace.layer.padding == ((1, 1), (1, 1))
    np.testing.assert_array_equal(trace.weights, w.transpose(0, 3, 1, 2))
    assert trace.weight_density == np.count_nonzero(w) / w.size


def test_weights_of_four_bits_lie_two_in_a_byte_the_first_in_the_low_half(tmp_path):
    """Every value from -8 to 7, and an odd number of them, so that the last byte is half empty."""
    w = np.append(np.arange(-8, 8), [5, -1, 3, -8, 7]).astype(np.int8).reshape(7, 1, 1, 3)
    low, high = (np.append(w, 0).reshape(-1, 2) & 15).astype(np.uint8).T
    packed = Tensor(w.shape, data=low | high << 4, type_code=INT4)
    (trace,) = read(conv(tmp_path, packed, shape=(1, 4, 4, 3)))
    np.testing.assert_array_equal(trace.weights, w.transpose(0, 3, 1, 2))


def test_valid_padding_and_groups(tmp_path):
    (trace,) = read(conv(tmp_path, constant(whole(4, 3, 3, 3)), padding=1))
    assert (trace.layer.output_size, trace.layer.groups) == ((7, 6), 2)


def test_a_depthwise_convolution(tmp_path):
    w = whole(1, 3, 3, 12)
    (trace,) = read(conv(tmp_path, constant(w), kind="DepthwiseConv2D", code="DEPTHWISE_CONV_2D", DepthMultiplier=2))
    assert (trace.layer.name, trace.layer.groups, trace.layer.out_channels) == ("op000_dw", 6, 12)
    np.testing.assert_array_equal(trace.weights[:, 0], w[0].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("shape", "rows"), [((2, 6), (2, 1)), ((1, 5, 6), (1, 5)), ((1, 2, 3), (1, 1)), ((3, 1, 2, 3), (3, 1))]
)
def test_a_fully_connected_layer(tmp_path, shape, rows):
    w = whole(4, 6)
    path = save(
        tmp_path / "m.tflite",
        [Tensor(shape), constant(w), Tensor((1, 4))],
        [Operator("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions")],
    )
    (trace,) = read(path)
    assert (trace.layer.batch, int(np.prod(trace.layer.input_size))) == rows
    np.testing.assert_array_equal(trace.weights.reshape(4, 6), w)


def test_integers_count_their_zero_point_as_zero(tmp_path):
    w = whole(3, 3, 3, 6, dtype=np.int8)
    (trace,) = read(conv(tmp_path, constant(w, zero_points=(5,))))
    assert trace.weight_nonzeros == np.count_nonzero(w != 5)
    (trace,) = read(conv(tmp_path, constant(w, zero_points=(0, 2, 3))))
    assert trace.weight_nonzeros == np.count_nonzero(w != np.array([0, 2, 3]).reshape(3, 1, 1, 1))


ENCODINGS = [
    ((0, 1, 2, 3), (False, False, False, True), (), ()),
    ((0, 1, 2, 3), (False, True, False, True), (), ()),
    ((3, 0, 2, 1), (True, False, True, True), (), ()),
    ((0, 1, 2, 3, 4, 5), (False, False, False, True, False, False), (0, 3), (2, 4)),
    ((3, 1, 0, 2, 4), (True, False, True, False, False), (3,), (4,)),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_sparse_encoded_weights(tmp_path, encoding, dtype):
    w = whole(4, 3, 2, 8, density=0.15, dtype=dtype)
    w[2] = 0  # one filter has nothing to store, whatever was drawn
    values, sparsity = encode(w, *encoding)
    assert values.size < w.size
    stored = Tensor(w.shape, dtype, values, sparsity=sparsity)
    tensors = [Tensor((1, 9, 8, 8)), Tensor(w.shape, dtype), Tensor((1, 9, 8, 4)), stored]
    operators = [Operator("DENSIFY", [3], [1]), Operator("CONV_2D", [0, 1], [2], "Conv2DOptions", conv_options())]
    (trace,) = read(save(tmp_path / "m.tflite", tensors, operators, outputs=[2]))
    np.testing.assert_array_equal(trace.weights, w.transpose(0, 3, 1, 2))


def test_zeros_put_around_the_input_are_padding(tmp_path):
    pads = np.array([[0, 0], [0, 1], [1, 2], [0, 0]], np.int32)
    tensors = [
        Tensor((1, 8, 8, 2)),
        constant(pads),
        Tensor((1, 9, 11, 2)),
        constant(whole(3, 3, 3, 2)),
        Tensor((1, 7, 9, 3)),
    ]
    operators = [
        Operator("PAD", [0, 1], [2]),
        Operator("CONV_2D", [2, 3], [4], "Conv2DOptions", conv_options(padding=1)),
    ]
    (trace,) = read(save(tmp_path / "m.tflite", tensors, operators))
    assert (trace.layer.input_size, trace.layer.padding, trace.layer.output_size) == ((8, 8), ((0, 1), (1, 2)), (7, 9))


def test_what_is_not_simulated_is_listed(tmp_path):
    tensors = [
        Tensor((1, 8, 8, 2)),
        constant(whole(3, 3, 3, 2)),
        Tensor((1, 8, 8, 3)),
        Tensor((1, 8, 8, 3)),
        Tensor((3, 3, 3, 2)),
    ]
    operators = [
        Operator("CONV_2D", [0, 1], [2], "Conv2DOptions", conv_options()), Operator("RELU", [2], [3]),
        Operator("CONV_3D_TRANSPOSE", [3, 1, 2], [3]), Operator("CONV_2D", [3, 4], [2], "Conv2DOptions", conv_options()),
    ]  # fmt: skip
    omitted = import_model(save(tmp_path / "m.tflite", tensors, operators)).omitted
    assert [(one.operator, one.refused) for one in omitted] == [
        ("RELU", False),
        ("CONV_3D_TRANSPOSE", True),
        ("CONV_2D", True),
    ]
    assert omitted[2].reason == "refused: its weights are computed, not constant"


def test_broken_files(tmp_path):
    path = conv(tmp_path, constant(whole(5, 3, 2, 6)))
    data = path.read_bytes()
    assert fault(tmp_path / "none.tflite") == "none.tflite: no such file"
    path.write_bytes(b"no model")
    assert fault(path) == "m.tflite: not a TFLite model, or truncated"
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        assert fault(path).startswith("m.tflite: ")
    w = whole(5, 3, 2, 6)
    w[0] = np.nan
    assert fault(conv(tmp_path, constant(w))) == "m.tflite: tensor 1 holds a value that is not finite"
    assert (
        fault(conv(tmp_path, constant(whole(5, 3, 2, 4))))
        == "m.tflite: op000_conv: weights take 4 channels, its input has 6"
    )
    assert fault(conv(tmp_path, constant(whole(5, 3, 2, 6)), shape=(1, -1, 8, 6))).startswith(
        "m.tflite: op000_conv: the size of its input is not known"
    )
    assert fault(conv(tmp_path, constant(whole(5, 3, 2, 6)), stride=(1, 0))) == (
        "m.tflite: op000_conv: strides (1, 0) and dilation (1, 1): each must be at least 1"
    )


@pytest.mark.parametrize("points", [2, 7])
def test_zero_points_of_another_number_than_the_filters(tmp_path, points):
    """Seven of one filter would make seven filters of it."""
    w = constant(whole(1, 3, 2, 6, dtype=np.int8), zero_points=tuple(range(points)))
    assert fault(conv(tmp_path, w)) == "m.tflite: tensor 1 is damaged or truncated"


def test_zero_points_beyond_the_end_of_the_file(tmp_path):
    path = conv(tmp_path, constant(whole(5, 3, 2, 6, dtype=np.int8), zero_points=(0, 11, 222, 3333, 44444)))
    data, points = path.read_bytes(), np.array([0, 11, 222, 3333, 44444]).tobytes()
    at = data.index((5).to_bytes(4, "little") + points)
    path.write_bytes(data[:at] + (1 << 20).to_bytes(4, "little") + points + data[at + 44 :])
    assert fault(path) == "m.tflite: tensor 1 is damaged or truncated"


def test_a_missing_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite", None)
    assert (
        fault(tmp_path / "m.tflite") == "TFLite files need the Python package 'tflite': pip install 'prunesim[tflite]'"
    )


def test_activations_of_a_quantized_model(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    x, w = RANDOM.integers(-20, 20, (1, 9, 8, 6), np.int8), RANDOM.integers(-5, 6, (4, 3, 2, 6), np.int8)
    tensors = [
        Tensor(x.shape, np.int8, zero_points=(3,)), constant(w, zero_points=(0,)),
        constant(np.zeros(4, np.int32), zero_points=(0,)), Tensor((1, 9, 8, 4), np.int8, zero_points=(-7,)),
    ]  # fmt: skip
    path = save(tmp_path / "m.tflite", tensors, [Operator("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", conv_options())])
    np.save(tmp_path / "x.npy", x)
    trace = import_model(path, ImportOptions(inputs=(tmp_path / "x.npy",))).workload.trace(0)
    np.testing.assert_array_equal(trace.activations, x.transpose(0, 3, 1, 2).astype(np.int16) - 3)
    runner = interpreter.Interpreter(str(path))
    runner.allocate_tensors()
    runner.set_tensor(0, x)
    runner.invoke()
    wanted = runner.get_tensor(3)
    assert trace.output_density == np.count_nonzero(wanted != -7) / wanted.size
    from dataflows.truth.convolution import reference_convolution  # noqa: PLC0415

    sums = reference_convolution(trace.layer, trace.weights.astype(np.int64), trace.activations.astype(np.int64))
    np.testing.assert_array_equal(np.clip(sums - 7, -128, 127), wanted.transpose(0, 3, 1, 2))


def test_samples_are_inputs_each_as_an_import_of_it_alone(tmp_path):
    pytest.importorskip("ai_edge_litert.interpreter")
    x, w = RANDOM.integers(-20, 20, (3, 9, 8, 6), np.int8), RANDOM.integers(-5, 6, (4, 3, 2, 6), np.int8)
    tensors = [
        Tensor((1, 9, 8, 6), np.int8, zero_points=(3,)), constant(w, zero_points=(0,)),
        constant(np.zeros(4, np.int32), zero_points=(0,)), Tensor((1, 9, 8, 4), np.int8, zero_points=(-7,)),
    ]  # fmt: skip
    path = save(tmp_path / "m.tflite", tensors, [Operator("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", conv_options())])
    np.save(tmp_path / "x.npy", x)
    many = import_model(path, ImportOptions(inputs=(tmp_path / "x.npy",))).workload
    assert (many.inputs, many.layers[0].batch) == (3, 1)
    for number in range(3):
        np.save(tmp_path / "one.npy", x[number])
        alone = import_model(path, ImportOptions(inputs=(tmp_path / "one.npy",))).workload
        assert many.trace(0, number).digest == alone.trace(0).digest


@needs_shared
def test_the_product_network_of_mediapipe():
    found = importlib.util.find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        pytest.skip("mediapipe 0.10.14 is not installed")
    path = Path(found.submodule_search_locations[0]) / "modules" / "pose_detection" / "pose_detection.tflite"
    workload, ours = import_model(path).workload, load_workload("blazepose")
    assert workload.layers == ours.layers
    rows = json.loads((SHARED / "data" / "mediapipe_pose" / "pose_detection_astronaut_layers.json").read_text())
    with np.load(SHARED / "data" / "mediapipe_pose" / "pose_detection_astronaut.npz") as data:
        for index, row in enumerate(rows):
            trace = workload.trace(index)
            assert trace.weight_nonzeros == row["w_nnz"]
            np.testing.assert_array_equal(trace.weights, data[f"w:{row['name']}"])
