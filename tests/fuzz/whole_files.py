"""A whole file of every kind that is read, and what reads it; `test_readers` damages them."""

import contextlib
import io
import json

import numpy as np
import pytest

from dataflows.registry import create
from simulator.commands.main import main
from simulator.configuration import configure
from simulator.energy.own_tables import OwnTables
from simulator.plots.files import read_results, read_serving, read_timeline
from simulator.reports.files import read_reports
from simulator.search.run import Search
from simulator.serving.arrivals import read_arrivals
from simulator.studies.study_file import StudyTable
from simulator.validation.figures import FigureSet
from tests.validation.own_figures import OWN
from tests.validation.own_figures import STUDY as OWN_STUDY
from tests.workloads.importers.onnx.onnx_models import save
from workloads.arrays.trace_file import save_traces
from workloads.catalog import load_workload
from workloads.importers import ImportOptions, import_model
from workloads.pruning.methods.patterns.pattern_sets import read_patterns

NETWORK = b"""name = "n"
title = "t"
weight_density = 0.5
[[layers]]
name = "a"
in_channels = 2
out_channels = 2
input_size = [4, 4]
kernel_size = [3, 3]
stride = 1
padding = [[0, 1], [1, 0]]
dilation = 1
groups = 1
batch = 2
weight_pattern = {kind = "skewed"}
[[layers]]
name = "b"
type = "fc"
in_channels = 12
out_channels = 2
inputs = ["p"]
[[operators]]
name = "p"
kind = "pool"
inputs = ["a"]
kernel_size = [3, 2]
stride = 1
padding = [1, 0]
ceil = true
"""
STUDY = b"""title = "s"
machines = ["scnn"]
workloads = ["alexnet"]
seeds = [0, 1]
density = 0.5
set = {queue_depth = 4}
[[axes]]
batch = [1, 2]
[[points]]
prune = "unstructured:density=0.5"
"""
TOPOLOGY = b"Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides, Sparsity,\na,8,8,3,3,2,4,1,2:4,\nb,8,8,3,3,4,4,2,0.5,\n"
DENSITIES = b"name,C,H,W,K,R,S,stride,pad,w_density,x_density\na,2,8,8,4,3,3,1,1,0.5,0.25\nb,4,8,8,4,3,3,1,1,0.5,1\n"
PROBLEM = b"problem:\n  shape: {name: a, data-spaces: [{projection: [[[P, Wstride]]]}]}\n  instance: {R: 3, S: 3, P: 4, Q: 4, C: 2, K: 4, Wstride: 1, densities: {Weights: 0.5, Inputs: {distribution: hypergeometric, density: 0.25}}}\n"
LAYERS = b"""[{"name": "a", "C": 2, "H": 4, "W": 4, "K": 4, "R": 3, "S": 3, "stride": 1, "pad": [1, 1, 1, 1], "x_nnz": 9},
{"name": "b", "C": 4, "H": 4, "W": 4, "K": 2, "R": 1, "S": 1, "stride": 1, "pad": 0, "w_nnz": 5, "P": 4, "Q": 4}]
"""
OWN_TABLE = b"name,C,H,W,K,R,S,stride,pad,w_nnz,x_nnz\na,2,4,4,4,3,3,1,1/1/1/1,,9\nb,4,4,4,2,1,1,1,0,5,\n"
SEARCH = b"""machines = ["scnn"]
workloads = ["alexnet"]
layers = "conv[45]"
[search]
objectives = ["time_us"]
constraints = ["area.total_mm2 <= 40"]
points = 4
sampler = "random"
[search.ranges]
queue_depth = [0, 8]
pe_rows = {from = 2, to = 8, factor = 2}
"""
PRICES = b"""ERT:
  tables:
  - name: chip.multipliers[1..9]
    actions: [{name: multiply, energy: 1.5}, {name: leak, energy: 0.01}]
ART:
  tables: [{name: "kind:sram", area: 1000}]
"""
ARRIVALS = b"time_s,camera\n0,a\n0.01,b\n# a pause\n0.5,a\n"
SETTINGS = b'accelerator = "scnn"\nqueue_depth = 4\n[dram]\nkind = "ideal"\n'
PATTERNS = b"# of two\n010111000\n010110010\n"
SMTX = b"3, 4, 4\n0 2 2 4\n1 3 0 3\n"
MTX = b"%%MatrixMarket matrix coordinate real general\n3 4 4\n1 2 2\n1 4 1\n3 1 3\n3 4 4\n"


def workload(path):
    found = load_workload(str(path))
    for index in range(len(found.layers)):
        found.trace(index)


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(*shape):
    stream = io.BytesIO()
    np.save(stream, np.arange(np.prod(shape), dtype=np.int16).reshape(shape) % 3)
    return stream.getvalue()


def in_folder(files, read=workload):
    """Reads the folder that a file lies in, with the other files that belong there."""

    def reads(path):
        for name, data in files.items():
            if name != path.name:
                (path.parent / name).write_bytes(data)
        read(path.parent)

    return reads


def imported(path):
    import_model(path, ImportOptions(base=load_workload("alexnet"))).workload.trace(0)


def fed(path):
    """An input of the ONNX model."""
    model = path.parent / "made.onnx"
    if not model.exists():
        onnx_file(path.parent)
    import_model(model, ImportOptions(inputs=(path,))).workload.trace(0)


def trace_file(folder):
    (folder / "n.toml").write_bytes(NETWORK)
    save_traces(folder / "made.npz", load_workload(str(folder / "n.toml")))
    return (folder / "made.npz").read_bytes()


def onnx_file(folder):
    helper = pytest.importorskip("onnx").helper
    nodes = [helper.make_node("Relu", ["t"], ["w"]), helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])]
    return save(folder / "made.onnx", nodes, {"x": (1, 3, 4, 4)}, {"t": np.ones((2, 3, 3, 3), np.float32)}).read_bytes()


def safetensors_file(_):
    header = json.dumps(
        {"conv1.weight": {"dtype": "BF16", "shape": [64, 3, 11, 11], "data_offsets": [0, 46464]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + bytes(46464)


def tflite_file(folder):
    """A model of several kinds of operators, with quantized weights."""
    pytest.importorskip("tflite")
    from tests.workloads.importers.tflite import tflite_models as tfl  # noqa: PLC0415 (needs tflite)

    hidden = [tfl.constant(np.ones((4, width), np.float32)) for width in (3, 3, 3, 3, 4, 4, 4, 4)]
    tensors = [
        tfl.Tensor((1, 9, 8, 6)),
        tfl.constant(np.ones((5, 3, 2, 6), np.int8), zero_points=(0, 1, 0, 1, 0)),
        tfl.Tensor((1, 9, 8, 5)),
        tfl.constant(np.array([1, 18, 16, 4], np.int32)),
        tfl.constant(np.ones((4, 2, 2, 5), np.float32)),
        tfl.Tensor((1, 18, 16, 4)),
        tfl.constant(np.ones((3, 4), np.float16)),
        tfl.Tensor((1, 18 * 16, 3)),
        *hidden,
        *(tfl.constant(np.zeros(4, np.float32)) for _ in range(4)),
        *(tfl.Tensor((1, 4), variable=True) for _ in range(2)),
        tfl.Tensor((1, 18 * 16, 4)),
        tfl.Tensor((1,)),
    ]
    states = [*range(8, 16), -1, -1, -1, *range(16, 20), -1, -1, 20, 21]
    operators = [
        tfl.Operator("CONV_2D", [0, 1], [2], "Conv2DOptions", tfl.conv_options()),
        tfl.Operator("TRANSPOSE_CONV", [3, 4, 2], [5], "TransposeConvOptions", {"StrideH": 2, "StrideW": 2}),
        tfl.Operator("FULLY_CONNECTED", [5, 6], [7], "FullyConnectedOptions"),
        tfl.Operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [7, *states], [22], "UnidirectionalSequenceLSTMOptions"),
        tfl.Operator("CUSTOM", [22], [23], custom="mine"),
    ]
    return tfl.save(folder / "made.tflite", tensors, operators).read_bytes()


def state_dict_file(folder):
    torch = pytest.importorskip("torch")
    torch.save({"conv1.weight": torch.ones(64, 3, 11, 11)}, folder / "made.pt")
    return (folder / "made.pt").read_bytes()


def picture_file(_):
    stream = io.BytesIO()
    pytest.importorskip("PIL.Image").new("RGB", (4, 4), (255, 0, 10)).save(stream, "PNG")
    return stream.getvalue()


def result_of(name, *arguments):
    """A maker of the file `name` that a command writes, called in its folder."""

    def make(folder):
        (folder / "n.toml").write_bytes(NETWORK)
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), pytest.raises(SystemExit) as stop:
            main([*arguments, name])
        assert stop.value.code == 0
        return (folder / name).read_bytes()

    return make


RUN = ("run", "n.toml", "--on", "ideal")
CSR = {
    "format": b"csr",
    "shape": np.array([3, 4]),
    "data": np.ones(4),
    "indices": np.array([1, 3, 0, 3]),
    "indptr": np.array([0, 2, 2, 4]),
}
OWN_ARRAYS = npz(
    **{
        "wmask:a": np.packbits(np.arange(72) % 2 == 0),
        "code:b": np.arange(8, dtype=np.int8).reshape(2, 4, 1, 1) % 3,
        "codebook:b": np.array([0.0, 0.5, 1.0]),
        "x:a": np.ones((2, 4, 4), np.int8),
    }
)
TENSORS = {
    "model.csv": b"a,conv,1,1\nb,fc,1,0\n",
    "wgt-a.npy": npy(4, 2, 3, 3),
    "act-a.npy": npy(1, 2, 4, 4),
    "wgt-b.npy": npy(3, 64),
    "act-b.npy": npy(1, 4, 4, 4),
}
# By the name of the file: what makes it in a folder, what reads it.
READERS = {
    "network.toml": (lambda _: NETWORK, workload),
    "study.toml": (lambda _: STUDY, StudyTable.read),
    "search.toml": (lambda _: SEARCH, Search.read),
    "scnn.toml": (lambda _: SETTINGS, lambda path: configure("scnn", path)),
    "figures.toml": (
        lambda _: OWN.format(published=0.25).encode(),
        in_folder({"fc7.toml": OWN_STUDY.encode()}, FigureSet.read),
    ),
    "prices.yaml": (lambda _: PRICES, lambda path: OwnTables.read(str(path), create("scnn"))),
    "arrivals.csv": (lambda _: ARRIVALS, lambda path: read_arrivals(path, 10**9)),
    "patterns.txt": (lambda _: PATTERNS, lambda path: read_patterns("prune", str(path))),
    "trace.npz": (trace_file, workload),
    "csr.npz": (lambda _: npz(**CSR), workload),
    "w.smtx": (lambda _: SMTX, workload),
    "w.mtx": (lambda _: MTX, workload),
    "topology.csv": (lambda _: TOPOLOGY, workload),
    "densities.csv": (lambda _: DENSITIES, workload),
    "problem.yaml": (lambda _: PROBLEM, workload),
    "layers.json": (lambda _: LAYERS, in_folder({"net.npz": OWN_ARRAYS})),
    "layers.csv": (lambda _: OWN_TABLE, in_folder({"net.npz": OWN_ARRAYS})),
    "net.npz": (lambda _: OWN_ARRAYS, in_folder({"layers.json": LAYERS})),
    **{
        name: (lambda _, name=name: TENSORS[name], in_folder(TENSORS))
        for name in ("model.csv", "wgt-a.npy", "act-b.npy")
    },
    "m.onnx": (onnx_file, workload),
    "m.tflite": (tflite_file, workload),
    "w.safetensors": (safetensors_file, imported),
    "w.pt": (state_dict_file, imported),
    "feed.npz": (lambda _: npz(x=np.ones((1, 3, 4, 4), np.float32)), fed),
    "feed.npy": (lambda _: npy(1, 3, 4, 4), fed),
    "picture.png": (picture_file, fed),
    "report.json": (result_of("r.json", *RUN, "--json"), read_results),
    "old.json": (result_of("r.json", *RUN, "--json"), read_reports),
    "rows.csv": (result_of("r.csv", *RUN, "--csv"), read_results),
    "timeline.json": (result_of("t.json", *RUN, "--timeline"), read_timeline),
    "served.json": (
        result_of("s.json", "serve", "n.toml", "--on", "ideal", "--rate", "1000", "--images", "10", "--json"),
        read_serving,
    ),
}
