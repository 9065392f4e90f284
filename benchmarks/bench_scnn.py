"""SCNN's exact schedule: effectual products a second, with the result beside each time so that speed cannot cheat.

A schedule's time holds everything from masks to cycles: lists of non-zeros, queues, FIFO, traffic and the closed form.
The layer is that of VGG-16 conv3_2 with uniform masks of densities 0.3 (weights) and 0.4 (activations).
"""

import numpy as np
import pytest

from benchmarks.measure import CONV3_2, dense_seconds, random_trace
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from workloads.layer import Layer
from workloads.trace import LayerTrace

RESIDENT = {"iaram_bytes": 10**8, "oaram_bytes": 10**8}
BOUNDLESS = {**RESIDENT, "weight_fifo_vectors": 10**9, "zero_run_bits": 12}


def conv3_2() -> LayerTrace:
    random = np.random.default_rng(0)
    activations = random.random((1, 256, 56, 56)) < 0.4
    return LayerTrace(CONV3_2, random.random(CONV3_2.weight_shape) < 0.3, activations)


@pytest.mark.parametrize(
    ("settings", "cycles", "least_gigaproducts"),
    [
        pytest.param({}, 257_359, 5, id="published machine"),
        pytest.param(RESIDENT, 255_974, 5, id="large activation RAMs"),
        pytest.param({**BOUNDLESS, "queue_depth": 8}, 255_208, 5, id="no FIFO, no placeholders, queues of 8"),
        pytest.param({**BOUNDLESS, "queue_depth": 0}, 491_781, 2, id="no queues"),
        pytest.param({**RESIDENT, "bank_hash": "mix"}, 257_938, 0.3, id="generic: mixed hash"),
        pytest.param({**RESIDENT, "accumulator_banks": 64}, 255_941, 0.3, id="generic: 64 banks"),
    ],
)
def test_conv3_2(benchmark, settings, cycles, least_gigaproducts):
    trace, machine = conv3_2(), Scnn(ScnnSpec(**settings))
    schedule = benchmark.pedantic(machine.schedule, (trace,), rounds=10, warmup_rounds=2)
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == cycles
    assert schedule.issued.sum() == schedule.expected_issued == 221_646_807
    seconds = benchmark.stats.stats.min
    benchmark.extra_info["gigaproducts_per_second"] = 221_646_807 / seconds / 1e9
    benchmark.extra_info["of_dense_numpy"] = seconds / dense_seconds(CONV3_2, 3)
    assert 221_646_807 / seconds > least_gigaproducts * 1e9


SMALL = {
    "pointwise": Layer.conv("pointwise", in_channels=192, out_channels=64, input_size=(28, 28), kernel_size=1),
    "depthwise": Layer.conv(
        "depthwise", in_channels=256, out_channels=256, input_size=(28, 28), kernel_size=3, padding=1, groups=256
    ),
    "late": Layer.conv("late", in_channels=832, out_channels=48, input_size=(7, 7), kernel_size=1),
    "fully connected": Layer.dense("fully connected", in_features=4096, out_features=1000),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_layers_are_not_all_overhead(benchmark, name):
    trace = random_trace(SMALL[name], 0.4, 0.4)
    schedule = benchmark.pedantic(Scnn().schedule, (trace,), rounds=20, warmup_rounds=2)
    assert schedule.issued.sum() == schedule.expected_issued
    assert benchmark.stats.stats.min < 0.03


@pytest.mark.parametrize("channels", [64, 128, 256, 512])
def test_growth_with_channels(benchmark, channels):
    """Read the times of this group against channels squared: the cost is linear in vector steps."""
    layer = Layer.conv(
        "growth", in_channels=channels, out_channels=channels, input_size=(28, 28), kernel_size=3, padding=1
    )
    trace = random_trace(layer, 0.3, 0.4)
    schedule = benchmark.pedantic(Scnn(ScnnSpec(**RESIDENT)).schedule, (trace,), rounds=5, warmup_rounds=1)
    benchmark.extra_info["products"] = int(schedule.issued.sum())
    assert schedule.issued.sum() == schedule.expected_issued
