"""Every reader against damaged files: a whole file with some bytes changed is read, or refused in one line each.

Run with `pytest -m nightly tests/fuzz`; HYPOTHESIS_PROFILE=ci or long asks for more inputs, PRUNESIM_FUZZ_SECONDS=240
for a campaign of that long a reader, whose counts `-s` shows: an hour for all of them.
"""

import io
import json
import os
import random
import time
import traceback
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.commands.main import main
from simulator.configuration import configure
from simulator.plots.files import read_results, read_timeline
from simulator.studies.study_file import StudyTable
from tests.workloads.importers.onnx.onnx_models import save
from workloads.arrays.trace_file import save_traces
from workloads.catalog import load_workload
from workloads.errors import PrunesimError
from workloads.importers import ImportOptions, import_model

pytestmark = pytest.mark.nightly

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
SMTX = b"3, 4, 4\n0 2 2 4\n1 3 0 3\n"
MTX = b"%%MatrixMarket matrix coordinate real general\n3 4 4\n1 2 2\n1 4 1\n3 1 3\n3 4 4\n"


def workload(path):
    load_workload(str(path)).trace(0)


def own_folder(path):
    """A table of layers beside an npz file with the weights of some of them."""
    np.savez(path.parent / "net.npz", **{"w:a": np.ones((4, 2, 3, 3), np.int8)})
    workload(path.parent)


def imported(path):
    import_model(path, ImportOptions(base=load_workload("alexnet"))).workload.trace(0)


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def trace_file(folder):
    (folder / "n.toml").write_bytes(NETWORK)
    save_traces(folder / "made.npz", load_workload(str(folder / "n.toml")))
    return (folder / "made.npz").read_bytes()


def onnx_file(folder):
    helper = pytest.importorskip("onnx").helper
    nodes = [helper.make_node("Relu", ["t"], ["w"]), helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])]
    return save(folder / "made.onnx", nodes, {"x": (1, 2, 4, 4)}, {"t": np.ones((2, 2, 3, 3), np.float32)}).read_bytes()


def safetensors_file(_):
    header = json.dumps(
        {"conv1.weight": {"dtype": "BF16", "shape": [64, 3, 11, 11], "data_offsets": [0, 46464]}}
    ).encode()
    return len(header).to_bytes(8, "little") + header + bytes(46464)


def report(folder):
    (folder / "n.toml").write_bytes(NETWORK)
    with pytest.raises(SystemExit):
        main(
            [
                "run",
                str(folder / "n.toml"),
                "--on",
                "ideal",
                "--json",
                str(folder / "r.json"),
                "--csv",
                str(folder / "r.csv"),
                "--timeline",
                str(folder / "t.json"),
            ]
        )
    return (folder / "r.json").read_bytes()


def after_report(name):
    return lambda folder: (report(folder), (folder / name).read_bytes())[1]


CSR = {
    "format": b"csr",
    "shape": np.array([3, 4]),
    "data": np.ones(4),
    "indices": np.array([1, 3, 0, 3]),
    "indptr": np.array([0, 2, 2, 4]),
}
READERS = {
    "network.toml": (lambda _: NETWORK, workload),
    "study.toml": (lambda _: STUDY, StudyTable.read),
    "scnn.toml": (
        lambda _: b'accelerator = "scnn"\nqueue_depth = 4\n[dram]\nkind = "ideal"\n',
        lambda path: configure("scnn", path),
    ),
    "trace.npz": (trace_file, workload),
    "csr.npz": (lambda _: npz(**CSR), workload),
    "w.smtx": (lambda _: SMTX, workload),
    "w.mtx": (lambda _: MTX, workload),
    "topology.csv": (lambda _: TOPOLOGY, workload),
    "densities.csv": (lambda _: DENSITIES, workload),
    "problem.yaml": (lambda _: PROBLEM, workload),
    "layers.json": (lambda _: LAYERS, own_folder),
    "m.onnx": (onnx_file, workload),
    "w.safetensors": (safetensors_file, imported),
    "report.json": (report, read_results),
    "rows.csv": (after_report("r.csv"), read_results),
    "timeline.json": (after_report("t.json"), read_timeline),
}
TOKENS = [b"\0", b"-", b"9" * 30, b"1e999", b"nan", b"[" * 200, b"\xff" * 8, b"{", b'"', b"\n", b"=", b","]
PIECES = st.binary(min_size=1, max_size=8) | st.sampled_from(TOKENS)
EDITS = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 12), PIECES | st.just(b"")), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    made = {}
    for name, (make, _) in READERS.items():
        made[name] = make(tmp_path_factory.mktemp("whole"))
    return made


def damaged(name, data, edits):
    """The file with some stretches replaced; entries of an archive are damaged inside, so that checksums hold."""
    if name.endswith(".npz") and edits[0][0] % 4:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = {one: archive.read(one) for one in archive.namelist()}
        chosen = sorted(held)[edits[0][0] % len(held)]
        held[chosen] = damaged("", held[chosen], edits)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for one, content in held.items():
                archive.writestr(one, content)
        return stream.getvalue()
    for place, length, piece in edits:
        at = place % (len(data) + 1)
        data = data[:at] + piece + data[at + length :]
    return data


def read_or_refused(name, path, data):
    """How many lines refuse the file, 0 where it is read; anything but an error of ours is a fault and is raised."""
    path.write_bytes(data)
    try:
        READERS[name][1](path)
    except PrunesimError as error:
        lines = str(error).splitlines()
        assert lines
        assert max(map(len, lines)) < 4000  # a list of all known keys is long
        return len(lines)
    return 0


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(name, whole_files, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / name
    if name != "w.safetensors":  # whose layers are not all there
        assert read_or_refused(name, path, whole_files[name]) == 0

    @settings(print_blob=True)
    @given(EDITS)
    def check(edits):
        read_or_refused(name, path, damaged(name, whole_files[name], edits))

    check()


def random_edits(chance):
    def piece():
        return chance.choice([b"", chance.randbytes(chance.randint(1, 8)), chance.choice(TOKENS)])

    return [(chance.randrange(1 << 30), chance.randint(0, 12), piece()) for _ in range(chance.randint(1, 4))]


@pytest.mark.parametrize("name", READERS)
def test_a_campaign_of_damages_finds_no_fault(name, whole_files, tmp_path_factory):
    """As above without shrinking, so that a second holds far more inputs; each fault's input is kept beside the test's."""
    folder, chance = (
        tmp_path_factory.mktemp("campaign"),
        random.Random(f"{name} {os.environ.get('PRUNESIM_FUZZ_SEED')}"),
    )
    faults, counts = Counter(), Counter()
    end = time.monotonic() + float(os.environ.get("PRUNESIM_FUZZ_SECONDS", "1"))
    while time.monotonic() < end:
        data = damaged(name, whole_files[name], random_edits(chance))
        try:
            counts["refused" if read_or_refused(name, folder / name, data) else "read"] += 1
        except Exception as error:  # noqa: BLE001 (every kind is a fault)
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} at {place.filename}:{place.lineno}: {str(error)[:200]}"
            if not faults[fault]:
                (folder / f"fault{len(faults)}-{name}").write_bytes(data)
            faults[fault] += 1
    print(f"{name}: {sum(counts.values())} inputs, {dict(counts)}, {len(faults)} faults; {folder}")  # noqa: T201
    assert not faults, "\n".join(f"{count}x {fault}" for fault, count in faults.items())
