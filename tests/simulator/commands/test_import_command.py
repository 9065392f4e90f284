"""`prunesim import` and `prunesim run MODEL` through the entry point."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper

from tests.workloads.importers.onnx.onnx_models import save
from workloads.arrays.trace_file import load_traces


@pytest.fixture
def model(tmp_path):
    random = np.random.default_rng(3)
    weights = {"w": random.standard_normal((4, 3, 3, 3), np.float32), "m": random.standard_normal((5, 144), np.float32)}
    weights["w"][0] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="c1"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["f"]),
        helper.make_node("Gemm", ["f", "m"], ["y"], name="fc", transB=1),
    ]
    np.save(tmp_path / "x.npy", np.maximum(random.standard_normal((1, 3, 8, 8), np.float32), 0))
    return save(tmp_path / "net.onnx", nodes, {"x": ("n", 3, "rows", 8)}, weights)


def test_import_writes_a_trace_that_run_takes(cli, model, tmp_path):
    result = cli("import", model, "-o", tmp_path / "t.npz", "--input", tmp_path / "x.npy")
    assert (result.code, result.err) == (0, f"wrote {tmp_path}/t.npz: 2 layers\n")
    rows = [line.split() for line in result.out.splitlines()]
    assert rows[2][:4] == ["c1", "4x3x3x3", "1x3x8x8", "0.7500"]
    assert ["total", "4,608"] in rows  # 36 positions x 4 filters x 27 weights + 144 x 5
    assert ["Relu", "1", "no"] in [row[:3] for row in rows]
    workload = load_traces(tmp_path / "t.npz")
    x = np.load(tmp_path / "x.npy")
    assert workload.trace(0).activation_density == np.count_nonzero(x) / x.size
    assert workload.trace(0).output_density == workload.trace(1).activation_density
    done = cli("run", tmp_path / "t.npz", "--on", "scnn", "--check")
    assert (done.code, done.err) == (0, "outputs checked: 2 layers equal the reference convolution\n")


def test_a_model_runs_directly(cli, model, tmp_path):
    result = cli("run", model, "--on", "ideal")
    assert result.code == 2
    assert "the size of its input 'x' is not known" in result.err
    assert cli("import", model, "-o", tmp_path / "t.npz", "--size", "rows=8").code == 0


def test_weights_are_pruned_on_the_way(cli, model, tmp_path):
    arguments = ("import", model, "-o", tmp_path / "t.npz", "--size", "rows=8", "--prune", "unstructured:density=0.25")
    result = cli(*arguments)
    assert result.err.splitlines()[:2] == [
        "warning: no input was given: activations are taken as dense",
        "warning: activations stay those of the network before --prune",
    ]
    assert load_traces(tmp_path / "t.npz").trace(0).weight_nonzeros == 27


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--size", "rows"), "--size rows: must be NAME=SIZE or NAME=SIZE,SIZE,... with whole numbers of at least 1"),
        (
            ("--size", "rows=0"),
            "--size rows=0: must be NAME=SIZE or NAME=SIZE,SIZE,... with whole numbers of at least 1",
        ),
        (("--mean", "a,b"), "--mean a,b: must be numbers joined by commas"),
    ],
)
def test_options_that_cannot_be_read(cli, model, tmp_path, arguments, text):
    result = cli("import", model, "-o", tmp_path / "t.npz", *arguments)
    assert (result.code, result.err) == (2, f"prunesim: {text}\n")
    assert not (tmp_path / "t.npz").exists()


def test_outputs_that_cannot_be_written(cli, model, tmp_path):
    assert cli("import", model, "-o", model).err == f"prunesim: -o {model}: a trace file's name ends with .npz\n"
    assert cli("import", model, "-o", tmp_path / "none" / "t.npz").code == 2


def test_an_unknown_format(cli, tmp_path):
    path = tmp_path / "m.weights"
    result = cli("import", path, "-o", tmp_path / "t.npz")
    assert (result.code, result.err) == (2, f"prunesim: {path}: no such file\n")
    path.write_bytes(b"")
    result = cli("import", path, "-o", tmp_path / "t.npz")
    wanted = f"prunesim: {path}: not a format that can be imported; see 'prunesim import --help'\n"
    assert (result.code, result.err) == (2, wanted)


def test_samples_become_inputs_that_run_takes(cli, model, tmp_path):
    np.save(tmp_path / "x.npy", np.maximum(np.random.default_rng(4).standard_normal((4, 1, 3, 8, 8), np.float32), 0))
    result = cli("import", model, "-o", tmp_path / "t.npz", "--input", tmp_path / "x.npy", "--inputs", "3")
    assert (result.code, result.err) == (0, f"wrote {tmp_path}/t.npz: 2 layers, 3 inputs\n")
    workload = load_traces(tmp_path / "t.npz")
    assert workload.inputs == 3
    np.testing.assert_array_equal(workload.trace(0, 2).activations, np.load(tmp_path / "x.npy")[2])
    missing = cli("import", model, "-o", tmp_path / "u.npz", "--inputs", "3")
    assert (missing.code, missing.err) == (
        2, "prunesim: --inputs: counts the samples of --input, which is not given\n",
    )  # fmt: skip
    assert not (tmp_path / "u.npz").exists()
