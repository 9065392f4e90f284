"""Cambricon-X's schedules: `pytest benchmarks/bench_cambricon_x.py`. Each case asserts its limit and its result.

windows   one pass over the mask, from which all cycles follow
schedule  a layer's whole schedule, transfers included; limits are several times what two quiet cores need
"""

import numpy as np
import pytest

from benchmarks.measure import CONV3_2, CONV3_2_DENSITIES, best_seconds, random_trace
from dataflows.machines.cambricon_x.cambricon_x import CambriconX
from dataflows.machines.cambricon_x.index_windows import WindowCounts, window_edges
from workloads.layer import Layer

CONV5_2 = Layer.conv("conv5_2", in_channels=512, out_channels=512, input_size=(14, 14), kernel_size=3, padding=1)
FC6 = Layer.dense("fc6", in_features=25088, out_features=4096)
WINDOWS_LIMIT_SECONDS = {"conv3_2": 0.005, "conv5_2": 0.02, "fc6": 0.06}
SCHEDULE_LIMIT_SECONDS = {"conv3_2": 0.06, "conv5_2": 0.1, "fc6": 0.2}
TRACES = {layer.name: (layer, *densities) for layer, densities in (
    (CONV3_2, CONV3_2_DENSITIES), (CONV5_2, (0.29, 0.3)), (FC6, (0.04, 0.3)),
)}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_windows(benchmark, name):
    trace = random_trace(*TRACES[name])
    mask = trace.weight_mask.view(np.uint8).reshape(*trace.layer.weight_shape[:2], -1)
    edges = window_edges(*mask.shape[1:], 256, "kernel")
    rules = {"selected": 16, "index_bits": 8}
    counts = benchmark.pedantic(WindowCounts.of, (mask, edges), rules, rounds=5, warmup_rounds=1)
    assert counts.nonzeros.sum() == trace.weight_nonzeros
    benchmark.extra_info["weights_per_second"] = mask.size / benchmark.stats.stats.min
    assert benchmark.stats.stats.min < WINDOWS_LIMIT_SECONDS[name]


@pytest.mark.parametrize("name", TRACES)
def test_schedule(benchmark, name):
    trace = random_trace(*TRACES[name])
    schedule = benchmark.pedantic(CambriconX().schedule, (trace,), rounds=5, warmup_rounds=1)
    assert schedule.issued.sum() == schedule.expected_issued
    assert benchmark.stats.stats.min < SCHEDULE_LIMIT_SECONDS[name]


def test_time_grows_no_faster_than_the_weights():
    sizes, seconds = [], []
    for features in (2048, 4096, 8192):
        trace = random_trace(Layer.dense("fc", in_features=features, out_features=features), 0.1, 0.3)
        mask = trace.weight_mask.view(np.uint8)[..., 0]
        edges = window_edges(features, 1, 256, "kernel")
        sizes.append(mask.size)
        seconds.append(
            best_seconds(lambda mask=mask, edges=edges: WindowCounts.of(mask, edges, selected=16, index_bits=8))
        )
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    assert exponent <= 1.1
