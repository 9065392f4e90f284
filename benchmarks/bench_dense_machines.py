"""Speed of the machines without irregular work: `pytest benchmarks/bench_dense_machines.py`; limits are asserted.

schedule  every layer of VGG-16 (fc6 has 103 M weights), one third of the columns kept
union     kept columns of fc6's mask, against merely reading it
growth    time of the union over masks of 1.6 M to 13 M elements (one level of cache); exponent of the fit
execute   products a second of the functional runs
"""

import math

import numpy as np
import pytest

from benchmarks.measure import best_seconds
from dataflows.machines.structured import kept_columns
from dataflows.registry import create
from dataflows.truth.convolution import reference_convolution
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div

VGG16 = load_network("vgg16").layers
SCHEDULE_LIMIT_SECONDS = 0.15
UNION_LIMIT_OF_READING = 5.0
GROWTH_LIMIT = 1.1
EXECUTE_LIMIT_PRODUCTS_PER_SECOND = 0.1e9


def shaped_trace(layer):
    random = np.random.default_rng(0)
    weights = np.empty(layer.weight_shape, np.bool_)
    weights[:] = random.random(layer.weight_shape[1:]) < 1 / 3
    return LayerTrace(layer, weights, np.ones(layer.input_shape, np.bool_))


def least_cycles(name, layer, kept):
    """The published rules, without index, drain and fill."""
    positions, taps = math.prod(layer.output_size), math.prod(layer.kernel_size)
    if name == "structured":
        return ceil_div(layer.out_channels, 64) * ceil_div(positions, 21) * kept
    return positions * taps * ceil_div(layer.in_channels, 16) * ceil_div(layer.out_channels, 16)


@pytest.mark.parametrize("layer", VGG16, ids=lambda layer: layer.name)
@pytest.mark.parametrize("name", ["structured", "diannao"])
def test_schedule(benchmark, name, layer):
    trace, machine = shaped_trace(layer), create(name)
    schedule = benchmark.pedantic(machine.schedule, (trace,), rounds=3, warmup_rounds=1)
    kept = int(np.count_nonzero(trace.weights[0]))
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() >= least_cycles(name, layer, kept)
    assert benchmark.stats.stats.min < SCHEDULE_LIMIT_SECONDS


def test_union(benchmark):
    mask = shaped_trace(VGG16[-3]).weights
    kept = benchmark.pedantic(kept_columns, (mask, 1), rounds=5, warmup_rounds=1)
    assert kept.sum() == np.count_nonzero(mask[0])
    reading = best_seconds(lambda: mask.reshape(-1).view(np.uint64).sum())
    assert benchmark.stats.stats.min < UNION_LIMIT_OF_READING * reading


def test_growth():
    sizes, seconds = (64, 128, 256, 512), []
    for filters in sizes:
        mask = np.zeros((filters, 25088), np.bool_)
        mask[:, ::3] = True
        seconds.append(best_seconds(lambda mask=mask: kept_columns(mask, 1)))
    assert np.polyfit(np.log(sizes), np.log(seconds), 1)[0] < GROWTH_LIMIT


@pytest.mark.parametrize("name", ["structured", "diannao"])
def test_execute(benchmark, name):
    layer = Layer.conv("c", in_channels=64, out_channels=64, input_size=(28, 28), kernel_size=3, padding=1)
    random = np.random.default_rng(0)
    weights, activations = random.integers(-7, 8, layer.weight_shape), random.integers(-7, 8, layer.input_shape)
    outputs = benchmark.pedantic(create(name).execute, (layer, weights, activations), rounds=3, warmup_rounds=1)
    np.testing.assert_array_equal(outputs, reference_convolution(layer, weights, activations))
    assert layer.dense_macs / benchmark.stats.stats.min > EXECUTE_LIMIT_PRODUCTS_PER_SECOND
