"""Broken ONNX files and inputs that do not fit: one clear line each. And the memory that an import takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, load_model

from tests.workloads.importers.onnx.onnx_models import resnet, save
from workloads.arrays.trace_file import save_traces
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

CONV = helper.make_node("Conv", ["x", "w"], ["y"], name="c1")
WEIGHTS = np.ones((2, 3, 3, 3), np.float32)


@pytest.fixture
def model(tmp_path):
    def build(nodes=(CONV,), inputs=None, weights=None, **options):
        return save(
            tmp_path / "m.onnx",
            list(nodes),
            inputs or {"x": (1, 3, 8, 8)},
            {"w": WEIGHTS} if weights is None else weights,
            **options,
        )

    return build


def read_all(path, options):
    workload = import_model(path, options).workload
    for index in range(len(workload.layers)):
        workload.trace(index)


def fault(path, **options):
    with pytest.raises(InputError) as caught:
        read_all(path, ImportOptions(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(Path(path).parent) + "/", "")


def test_a_missing_file(tmp_path):
    assert fault(tmp_path / "m.onnx") == "m.onnx: no such file"


def test_a_folder(tmp_path):
    (tmp_path / "m.onnx").mkdir()
    assert fault(tmp_path / "m.onnx") == "m.onnx: is a directory, must be a file"


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file(model, share):
    path = model()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert fault(path) == "m.onnx: not an ONNX model, or truncated"


@pytest.mark.parametrize("data", [b"", b"hello world", b"\x00" * 64])
def test_no_onnx_at_all(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data)
    assert fault(tmp_path / "m.onnx").startswith("m.onnx: not an ONNX model, or truncated")


def test_missing_external_data(model, tmp_path):
    path = model(save_as_external_data=True, size_threshold=0, location="m.data")
    (tmp_path / "m.data").unlink()
    assert fault(path) == "m.onnx: weights 'w' lie in m.data, which is missing"


def test_short_external_data(model, tmp_path):
    path = model(save_as_external_data=True, size_threshold=0, location="m.data")
    (tmp_path / "m.data").write_bytes(b"1234")
    assert fault(path).startswith("m.onnx: weights 'w' in m.data: ")


def test_an_unknown_operator_set(model):
    assert fault(model(opset=999)).startswith("m.onnx: operator set 999; onnx ")


def test_a_cycle(model):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="add"), helper.make_node("Relu", ["a"], ["b"]), CONV]
    wanted = "m.onnx: Add 'add' reads 'b' before it is made: the graph has a cycle or is out of order"
    assert fault(model(nodes)) == wanted


def test_a_tensor_that_nothing_makes(model):
    nodes = [helper.make_node("Conv", ["x", "lost"], ["y"], name="c1")]
    assert fault(model(nodes)) == "m.onnx: Conv 'c1' reads 'lost' before it is made: nothing makes it"


def test_a_node_that_makes_nothing(model):
    path = model(nodes=[CONV, helper.make_node("Relu", ["y"], [], name="last")])
    assert fault(path) == "m.onnx: Relu 'last' makes no tensor"


def test_a_name_that_is_no_text(model):
    path = model(nodes=[CONV, helper.make_node("Relu", ["y"], ["z"], name="last")])
    path.write_bytes(path.read_bytes().replace(b"last", b"la\xff\xfe"))
    assert fault(path) == "m.onnx: not an ONNX model, or damaged: a name in it is no UTF-8"


def test_an_input_of_no_type(model):
    held = load_model(path := model())
    held.graph.input[0].type.tensor_type.elem_type = 0
    path.write_bytes(held.SerializeToString())
    assert fault(path) == "m.onnx: input 'x' is no tensor of a type that ONNX knows"


def test_weights_that_are_computed(model):
    path = model(inputs={"x": (1, 3, 8, 8), "w": (2, 3, 3, 3)}, weights={})
    assert fault(path) == (
        "m.onnx: holds no convolution, fully connected layer or product with constant weights; "
        "1 Conv (refused: its weights are computed, not constant)"
    )


def test_weights_that_are_not_finite(model):
    weights = WEIGHTS.copy()
    weights[0, 0, 0, 0] = np.nan
    assert fault(model(weights={"w": weights})) == "m.onnx: Conv 'c1': weights 'w' hold a value that is not finite"


@pytest.mark.parametrize(
    ("name", "value", "found"), [("group", 1.0, "FLOAT, must be INT"), ("auto_pad", 1, "INT, must be STRING")]
)
def test_an_attribute_of_another_type(model, name, value, found):
    path = model(nodes=[helper.make_node("Conv", ["x", "w"], ["y"], **{name: value})])
    assert fault(path) == f"m.onnx: Conv 'y': attribute '{name}' is {found}"


def test_shapes_that_do_not_fit(model):
    assert fault(model(inputs={"x": (1, 4, 8, 8)})) == (
        "m.onnx: Conv 'c1': weights take 3 x 1 (groups) channels, its input has 4"
    )
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")]
    assert fault(model(nodes, {"x": (2, 5)}, {"w": np.ones((6, 4), np.float32)})).startswith(
        "m.onnx: shapes do not fit together: (op_type:MatMul, node name: mm)"
    )
    assert fault(model(inputs={"x": (1, 3, 2, 2)})) == (
        "m.onnx: layer 'c1': kernel spans 3 but the padded input only 2"
    )


def test_dynamic_sizes_that_nobody_gave(model):
    path = model(inputs={"x": (1, 3, "rows", 8)})
    assert fault(path) == (
        "m.onnx: Conv 'c1': the size of its input 'x' is not known: "
        "give --size for the model's dynamic sizes (of x), or --input"
    )
    assert fault(path, sizes={"row": (8,)}) == "--size row: did you mean 'rows'?"
    assert fault(path, sizes={"x": (1, 3, 8)}) == "--size x: 3 sizes, the input has 4 axes"
    assert fault(path, sizes={"x": (1, 5, 8, 8)}) == "--size x: axis 1 is 5, the model fixes it to 3"
    assert fault(path, sizes={"rows": (8, 9)}) == "--size rows: must be one whole number"


def test_a_picture_of_the_wrong_size(model, tmp_path):
    from PIL import Image  # noqa: PLC0415

    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "p.png")
    picture = tmp_path / "p.png"
    assert fault(model(), inputs=(picture,)) == (
        "p.png: the picture is 6 x 5 (width x height), the model wants 8 x 8: resize or crop it first"
    )
    path = model(inputs={"x": (1, 3, "rows", "columns")})
    assert fault(path, inputs=(picture,), mean=(0.1, 0.2)) == "--mean: 2 values, must be 1 or 3 (one a channel)"
    assert fault(path, inputs=(picture,), std=(0.0,)) == "--std: must not be zero"
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert fault(path, inputs=(tmp_path / "bad.png",)).startswith("bad.png: not a picture: ")
    assert fault(path, inputs=(tmp_path / "none.png",)) == "none.png: no such file"


def test_arrays_that_do_not_fit(model, tmp_path):
    path = model(inputs={"x": (1, 3, 8, 8), "mask": (1, 1)}, nodes=[CONV, helper.make_node("Relu", ["mask"], ["m"])])
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    assert fault(path, inputs=(tmp_path / "a.npz",)) == "a.npz: holds no array 'mask', the model's input"
    assert fault(path, inputs=(tmp_path / "a.png",)) == (
        "a.png: the model has 2 inputs (x, mask), give an npz file with all of them"
    )
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 3, 8, 9), np.float32))
    assert fault(model(), inputs=(tmp_path / "a.npz",)) == (
        "a.npz: array for 'x' has shape (1, 3, 8, 9), the model wants 1 x 3 x 8 x 8"
    )
    path = model(
        inputs={"x": (TensorProto.UINT8, (1, 3, 8, 8))},
        nodes=[helper.make_node("ConvInteger", ["x", "w"], ["y"])],
        weights={"w": WEIGHTS.astype(np.uint8)},
    )
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 3, 8, 8), np.float32))
    assert fault(path, inputs=(tmp_path / "a.npz",)) == "a.npz: array for 'x' has type float32, the model wants uint8"


def test_an_operator_that_onnxruntime_does_not_know(model, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 8, 8), np.float32))
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Mystery", ["a"], ["y"], domain="my.own")]
    path = model(nodes)
    assert fault(path).startswith("m.onnx: ")
    assert fault(path, inputs=(tmp_path / "a.npy",)).startswith("m.onnx: ")


def test_nothing_to_simulate(model):
    path = model([helper.make_node("Relu", ["x"], ["y"])])
    assert fault(path) == "m.onnx: holds no convolution, fully connected layer or product with constant weights"


@pytest.mark.parametrize(("module", "options"), [("onnx", {}), ("onnxruntime", {"inputs": True})])
def test_a_missing_library_says_what_to_install(model, tmp_path, monkeypatch, module, options):
    path = model()
    np.save(tmp_path / "a.npy", np.zeros((1, 3, 8, 8), np.float32))
    monkeypatch.setitem(sys.modules, module, None)
    text = fault(path, inputs=(tmp_path / "a.npy",) if options else ())
    assert text.endswith(f"the Python package '{module}': pip install 'prunesim[onnx]'")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the high-water mark that Linux keeps")
def test_100_mb_import_below_1_gb(tmp_path):
    path = resnet(tmp_path / "m.onnx", (3, 4, 6, 3), bottleneck=True)
    assert path.stat().st_size > 100e6
    np.save(tmp_path / "x.npy", np.ones((1, 3, 224, 224), np.float32))
    code = (
        "import pathlib, re, sys; from workloads.importers import *; folder = pathlib.Path(sys.argv[1])\n"
        "w = import_model(folder / 'm.onnx', ImportOptions(inputs=(folder / 'x.npy',))).workload\n"
        "for i in range(len(w.layers)): w.trace(i).weight_nonzeros\n"
        # the high-water mark of this program alone: rusage's would include that of the process it was started from
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1]) * 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1e9


def test_an_imported_model_is_saved_and_loaded_unchanged(model, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((1, 3, 8, 8), np.float32))
    workload = import_model(model(), ImportOptions(inputs=(tmp_path / "a.npy",))).workload
    save_traces(tmp_path / "t.npz", workload)
    from workloads.arrays.trace_file import load_traces  # noqa: PLC0415

    assert load_traces(tmp_path / "t.npz").trace(0).digest == workload.trace(0).digest
