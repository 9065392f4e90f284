"""Speed of EIE and ABM-SpConv: `pytest benchmarks/bench_eie_abm.py`. Each case asserts its limit and its result.

Limits are about three times what two cores at about 2.5 GHz need, so that only a real slowdown breaks them.
"""

import numpy as np
import pytest

from benchmarks.measure import best_seconds, random_trace
from dataflows.machines.eie.csc_columns import ColumnEntries
from dataflows.machines.eie.eie import Eie
from dataflows.registry import create
from dataflows.truth.products import count_products
from workloads.layer import Layer
from workloads.network import load_network

COUNT_LIMIT_SECONDS = 0.15
SCHEDULE_LIMIT_SECONDS = 0.4
EXECUTE_LIMIT_PRODUCTS_PER_SECOND = 3e7

LAYERS = {(name, layer.name): layer for name in ("vgg16", "resnet50", "yolov2") for layer in load_network(name).layers}
FC6 = LAYERS["vgg16", "fc6"]


def test_count_entries_of_fc6(benchmark):
    mask = random_trace(FC6, 0.04, 0.18).weight_mask.reshape(FC6.out_channels, -1)
    entries = benchmark.pedantic(ColumnEntries.of, (mask, 64, 4), rounds=5, warmup_rounds=1)
    assert entries.entries.sum() - entries.fillers.sum() == np.count_nonzero(mask)
    assert benchmark.stats.stats.min < COUNT_LIMIT_SECONDS


@pytest.mark.parametrize("layer", [FC6, LAYERS["resnet50", "layer1_0.conv3"]], ids=lambda layer: layer.name)
def test_eie_schedule(benchmark, layer):
    trace = random_trace(layer, 0.1, 0.3)
    schedule = benchmark.pedantic(Eie().schedule, (trace,), rounds=3, warmup_rounds=1)
    assert schedule.issued.sum() == count_products(trace).effectual_macs
    assert schedule.tiles <= 2 * 1024
    assert benchmark.stats.stats.min < SCHEDULE_LIMIT_SECONDS


@pytest.mark.parametrize(
    "layer", [LAYERS["yolov2", "conv1"], LAYERS["yolov2", "conv22"], FC6], ids=lambda layer: layer.name
)
def test_abm_schedule(benchmark, layer):
    trace = random_trace(layer, 0.15, 0.5)
    schedule = benchmark.pedantic(create("sparse-yolo").schedule, (trace,), rounds=3, warmup_rounds=1)
    assert schedule.issued.sum() == trace.weight_nonzeros * np.prod(layer.output_size)
    assert schedule.tiles < 2000
    assert benchmark.stats.stats.min < SCHEDULE_LIMIT_SECONDS


@pytest.mark.parametrize("name", ["eie", "abm"])
def test_execute(name):
    layer = Layer.conv("l", in_channels=256, out_channels=256, input_size=(28, 28), kernel_size=1)
    trace, random = random_trace(layer, 0.3, 0.5), np.random.default_rng(0)
    weights = random.integers(1, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(1, 8, layer.input_shape) * trace.activation_mask
    seconds = best_seconds(lambda: create(name).execute(layer, weights, activations), 3)
    assert layer.dense_macs / seconds > EXECUTE_LIMIT_PRODUCTS_PER_SECOND
