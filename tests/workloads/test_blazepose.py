import json

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
