"""Model files that are built to break a reader: one line that names the file, in bounded time and memory."""

import json
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tests.workloads.importers.onnx.onnx_models import save, whole
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model
from workloads.importers.torch.state_dict import _torch_array, widened

onnx = pytest.importorskip("onnx")
node = onnx.helper.make_node
NETWORK = '[[layers]]\nname = "a"\ntype = "fc"\nin_channels = 4\nout_channels = 2\n'


def fault(path, **options):
    with pytest.raises(InputError) as caught:
        import_model(path, ImportOptions(**options)).workload.trace(0)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


def product(tmp_path, nodes, weights, last):
    """A model whose one layer has weights (4, 2) that operators compute."""
    return save(tmp_path / "m.onnx", [*nodes, node("MatMul", ["x", last], ["y"])], {"x": (1, 4)}, weights)


def test_a_long_chain_of_constants_is_computed(tmp_path):
    weights = whole(4, 2)
    nodes = [node("Identity", [f"t{i}"], [f"t{i + 1}"]) for i in range(5000)]
    path = product(tmp_path, nodes, {"t0": weights}, "t5000")
    np.testing.assert_array_equal(import_model(path).workload.trace(0).weights.reshape(2, 4), weights.T)


def test_constants_that_use_each_other_twice_are_computed_once(tmp_path):
    nodes = [node("Max", [f"t{i}", f"t{i}"], [f"t{i + 1}"]) for i in range(80)]
    weights = whole(4, 2)
    path = product(tmp_path, nodes, {"t0": weights}, "t80")
    start = time.monotonic()
    np.testing.assert_array_equal(import_model(path).workload.trace(0).weights.reshape(2, 4), weights.T)
    assert time.monotonic() - start < 10


def test_a_constant_that_fills_the_memory_is_refused(tmp_path):
    nodes = [node("ConstantOfShape", ["s"], ["huge"]), node("Slice", ["huge", "from", "to"], ["w"])]
    weights = {"s": np.array([60_000, 60_000]), "from": np.array([0, 0]), "to": np.array([4, 2])}
    assert "ConstantOfShape 'huge': 6.706 GiB: an array may take at most 1 GiB" in fault(
        product(tmp_path, nodes, weights, "w")
    )


def test_an_operator_that_cannot_be_computed_is_named(tmp_path):
    nodes = [node("Reshape", ["t", "s"], ["w"])]
    weights = {"t": whole(3, 3), "s": np.array([4, 2])}
    line = fault(product(tmp_path, nodes, weights, "w"))
    assert "Reshape 'w' cannot be computed: " in line or "shapes do not fit together" in line


@pytest.mark.parametrize(
    ("places", "line"), [([0, 8], "outside"), ([0, -1], "outside"), ([3, 3], "twice"), ([1 << 40, 0], "outside")]
)
def test_sparse_weights_outside_their_shape_are_refused(tmp_path, places, line):
    path = product(tmp_path, [], {"w": np.zeros((4, 2), np.float32)}, "w")
    model = onnx.load(path)
    del model.graph.initializer[:]
    values = onnx.numpy_helper.from_array(np.ones(2, np.float32), "w")
    model.graph.sparse_initializer.append(
        onnx.helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(np.array(places), "i"), [4, 2])
    )
    onnx.save(model, path)
    assert line in fault(path)


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_narrow_floats_of_safetensors_keep_their_values(tmp_path, kind):
    safetensors, narrow = pytest.importorskip("safetensors"), pytest.importorskip("ml_dtypes")
    values = np.array([[0, 1.5, -2, 0.25], [448 if "e4m3" in kind else 512, 0, 2.0**-6, -0.0]]).astype(
        getattr(narrow, kind)
    )
    name = {"bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}[kind]
    header = json.dumps({"a.weight": {"dtype": name, "shape": [2, 4], "data_offsets": [0, values.nbytes]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    (tmp_path / "n.toml").write_text(NETWORK)
    trace = import_model(
        tmp_path / "w.safetensors", ImportOptions(base=load_workload(str(tmp_path / "n.toml")))
    ).workload.trace(0)
    assert safetensors
    np.testing.assert_array_equal(trace.weights.reshape(2, 4), values.astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "layout"),
    [("bfloat16", (8, 7, 127, False)), ("float8_e4m3fn", (4, 3, 7, True)), ("float8_e5m2", (5, 2, 15, False))],
)
def test_every_pattern_of_a_narrow_float(kind, layout):
    narrow = pytest.importorskip("ml_dtypes")
    dtype = np.dtype(getattr(narrow, kind))
    bits = np.arange(1 << 8 * dtype.itemsize).astype(np.uint16 if dtype.itemsize == 2 else np.uint8)
    np.testing.assert_array_equal(widened(bits, *layout), bits.view(dtype).astype(np.float32))


class Tensor(SimpleNamespace):
    """As much of a torch tensor as is asked."""

    def to_dense(self):
        return Tensor(**vars(self) | {"layout": "torch.strided"})

    def dequantize(self):
        return Tensor(**vars(self) | {"is_quantized": False})

    def is_floating_point(self):
        return True

    def float(self):
        return self

    def numpy(self):
        assert str(self.layout) == "torch.strided"
        assert not self.is_quantized
        return np.ones(2)


def test_torch_tensors_that_numpy_lacks():
    plain = {"is_meta": False, "is_quantized": False, "layout": "torch.strided"}
    for changes in ({}, {"layout": "torch.sparse_coo"}, {"layout": "torch.sparse_csr"}, {"is_quantized": True}):
        np.testing.assert_array_equal(_torch_array(Tensor(**plain | changes)), np.ones(2))
    with pytest.raises(ValueError, match="'meta': it has a shape, but no values"):
        _torch_array(Tensor(**plain | {"is_meta": True}))


def conv(tmp_path, size=4):
    return save(
        tmp_path / "m.onnx", [node("Conv", ["x", "w"], ["y"])], {"x": (1, 1, size, size)}, {"w": whole(2, 1, 3, 3)}
    )


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_picture_bomb_is_refused(tmp_path, side):
    image = pytest.importorskip("PIL.Image")
    image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert fault(conv(tmp_path), inputs=(tmp_path / "bomb.png",)).endswith(
        "bomb.png: the picture has more than 89,478,485 pixels"
    )


def test_a_broken_picture_and_a_device_are_refused(tmp_path):
    pytest.importorskip("PIL.Image")
    path = conv(tmp_path)
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    assert "half.png: not a picture: " in fault(path, inputs=(tmp_path / "half.png",))
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert "zero.png: is a device, must be a file" in fault(path, inputs=(tmp_path / "zero.png",))


def test_an_array_whose_header_claims_too_much_is_refused(tmp_path):
    path = conv(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 4, 4), np.float32))
    data = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(data.replace(b"(1, 1, 4, 4)", b"(1, 1, 4, 4 "))
    assert "x.npy" in fault(path, inputs=(tmp_path / "x.npy",))
    with (tmp_path / "y.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f8", "fortran_order": False, "shape": (1, 1, 1 << 16, 1 << 14)}
        )
    assert fault(path, inputs=(tmp_path / "y.npy",)).endswith(
        "8 GiB: an array may take at most 1 GiB in memory (PRUNESIM_LIMITS raises it)"
    )


@pytest.mark.parametrize("key", ["weight_file", "activation_file"])
def test_tensors_in_devices_and_pipes_are_refused(tmp_path, key):
    os.mkfifo(tmp_path / "pipe.npy")
    for name, kind in (("/dev/zero", "device"), ("pipe.npy", "pipe"), (".", "directory")):
        (tmp_path / "n.toml").write_text(NETWORK + f'{key} = "{name}"\n')
        with pytest.raises(InputError, match=f"is a {kind}, must be a file"):
            load_workload(str(tmp_path / "n.toml"))
    (tmp_path / "n.toml").write_text(NETWORK + f'{key} = "a\\u0000b.npy"\n')
    with pytest.raises(InputError, match="embedded null"):
        load_workload(str(tmp_path / "n.toml"))


def test_devices_and_pipes_are_no_workloads(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    for path in ("/dev/zero", tmp_path / "pipe.npz"):
        with pytest.raises(InputError, match="must be a file"):
            load_workload(str(path))


def test_deep_yaml_is_one_line(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "p.yaml").write_text("problem: " + "[" * 50_000)
    assert fault(tmp_path / "p.yaml") == "p.yaml: is nested more than 100 levels deep"
