import json
from collections import Counter

import numpy as np

from tests.shared_data import SHARED, needs_shared
from workloads.catalog import SHIPPED, load_workload
from workloads.source import Stream

FOLDER = SHARED / "data" / "mediapipe_pose"


def test_the_shipped_network_is_small_and_carries_its_licence():
    path = SHIPPED["blazepose"]
    assert path.stat().st_size < 2_000_000
    assert "MediaPipe" in path.with_suffix(".NOTICE").read_text()
    assert "Apache License" in path.with_suffix(".LICENSE").read_text()


def test_38_pointwise_convolutions_hold_a_quarter_of_their_weights():
    workload = load_workload("blazepose")
    densities = [workload.trace(i).weight_density for i in range(len(workload.layers))]
    assert len(densities) == 73
    assert sum(abs(density - 0.25) < 1e-5 for density in densities) == 38
    assert sum(layer.dense_macs for layer in workload.layers) == 429_859_360


def test_inputs_without_any_zero_are_those_that_no_relu_wrote():
    workload = load_workload("blazepose")
    dense = [workload.trace(i).activation_density == 1.0 for i in range(73)]
    assert dense == [not source.reads_relu for source in workload.sources]
    assert sum(dense) == 25
    assert [s.layer.name for s in workload.sources if not s.reads_relu][:3] == [
        "op003_conv",
        "op014_conv",
        "op026_conv",
    ]


def test_its_graph_has_the_sums_and_six_outputs():
    workload = load_workload("blazepose")
    graph = workload.graph
    kinds = Counter(node.kind for node in graph.nodes)
    assert kinds == {"input": 1, "layer": 73, "add": 15, "upsample": 2, "reshape": 3}
    for layer in workload.layers:
        (read,) = graph.by_name[layer.name].inputs
        assert graph.by_name[read].shape == layer.input_shape[1:]
    assert [node.name for node in graph.nodes if not graph.readers(node.name)] == [
        "op250_conv", "op257_conv", "op265_conv", "op272_conv", "op280_conv", "op288_conv",
    ]  # fmt: skip
    assert graph.sources("op204_conv") == ("op198_dw",)
    assert graph.sources("op208_dw") == ("op204_conv", "op147_conv")


@needs_shared
def test_its_graph_reads_the_tensors_and_the_operators_that_the_reference_names():
    rows = json.loads((FOLDER / "pose_detection_astronaut_layers.json").read_text())
    graph, tensors = load_workload("blazepose").graph, {}
    kinds = {"RESIZE_BILINEAR": "upsample", "ADD": "add", "DEPTH_TO_SPACE": "reshape", "input": "input"}
    for row in rows:
        (read,) = graph.by_name[row["name"]].inputs
        assert tensors.setdefault(row["input"], read) == read
        assert graph.by_name[read].kind == kinds.get(row["producer"], "layer")
        if graph.by_name[read].kind == "layer":
            assert read.endswith("_dw" if row["producer"] == "DEPTHWISE_CONV_2D" else "_conv")
    assert len(set(tensors.values())) == len(tensors)


@needs_shared
def test_what_its_graph_moves_into_windows_is_zero_where_the_enlarged_map_is():
    # Layers read one map twice: enlarged (op204), and with channels moved into windows (op277). Between four positions
    # without a value the enlarged map has none.
    values = load_workload(str(FOLDER))
    names = [layer.name for layer in values.layers]
    large, moved = (values.trace(names.index(name)).activations[0] != 0 for name in ("op204_conv", "op277_dw"))
    # Channel dy, dx, c of a position is channel c of the window's place (dy, dx).
    map_ = moved.reshape(288, 7, 2, 7, 2).transpose(2, 4, 0, 1, 3).reshape(1152, 7, 7)
    near = np.pad(map_, ((0, 0), (1, 1), (1, 1)))
    near = np.logical_or.reduce([near[:, y : y + 7, x : x + 7] for y in range(3) for x in range(3)])
    assert not (large & ~near.repeat(2, axis=1).repeat(2, axis=2)).any()
    assert 1 - near.mean() > 0.2, "there are zeros to look at"


@needs_shared
def test_counts_and_shapes_are_those_of_the_reference():
    rows = json.loads((FOLDER / "pose_detection_astronaut_layers.json").read_text())
    workload = load_workload("blazepose")
    for index, row in enumerate(rows):
        trace = workload.trace(index)
        assert trace.layer.name == row["name"]
        assert trace.layer.output_size == (row["P"], row["Q"])
        assert trace.weight_nonzeros == row["w_nnz"]
        assert trace.activation_nonzeros == row["x_nnz"]


@needs_shared
def test_masks_are_those_of_the_reference_values():
    shipped, values = load_workload("blazepose"), load_workload(str(FOLDER))
    for index in (0, 1, 2, 16, 60):
        ours, theirs = shipped.trace(index), values.trace(index)
        assert ours.weights.dtype == np.bool_
        assert theirs.weights.dtype == np.float16
        assert ours.digest == theirs.digest


@needs_shared
def test_building_it_again_gives_the_same_bytes(tmp_path):
    from benchmarks.build_blazepose import build  # noqa: PLC0415 (only where the reference data is)

    build(FOLDER, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == SHIPPED["blazepose"].read_bytes()


def test_the_stream_of_a_layer_depends_on_seed_and_place():
    draws = {Stream(seed, key).rng().integers(2**62) for seed in (0, 1) for key in ((0, 0), (0, 1), (1, 0))}
    assert len(draws) == 6
