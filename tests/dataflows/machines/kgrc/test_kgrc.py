"""The 3-D machine's laws on random layers, and its twin."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.kgrc.kgrc import Kgrc, KgrcSpec
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import dense_trace
from tests.dataflows.machines.kgrc.cases import INFINITE, simulated_cycles, specs
from tests.dataflows.machines.kgrc.twin import KgrcTwin
from tests.dataflows.small_layers import (
    assert_transfers_are_whole,
    bytes_loaded,
    packs,
    position_bytes,
    positions_read,
    small_layers,
    small_traces,
)
from workloads.network import load_network
from workloads.trace import LayerTrace


@pytest.mark.twin
@given(specs(), small_traces(many_groups=True))
def test_every_tile_equals_the_twin(spec, trace):
    schedule = Kgrc(spec).schedule(trace)
    cycles, issued, drains = KgrcTwin(spec, trace).run()
    np.testing.assert_array_equal(schedule.issued, issued)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.drain_cycles, drains)
    assert schedule.expected_issued == issued.sum()


@given(specs(), small_traces(many_groups=True))
def test_a_tile_loads_what_it_needs_and_buffers_hold_it(spec, trace):
    layer = trace.layer
    schedule = Kgrc(spec).schedule(trace)
    check_capacities(schedule)
    assert_transfers_are_whole(layer, schedule, spec.value_bits)
    sizes = (spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile)[3 - layer.axes :]
    outputs = np.indices(layer.output_size).reshape(layer.axes, -1).T
    keys = [tuple(int(at) // size for at, size in zip(output, sizes, strict=True)) for output in outputs]
    together = len(packs(layer, spec.groups, spec.channels_per_tile, spec.filters_per_tile)[0])
    for tile, box in enumerate(sorted(set(keys))):  # of the first group's first filters
        loaded = bytes_loaded(layer, schedule, tile)
        for output, key in zip(outputs, keys, strict=True):
            if key == box and schedule.issued[tile].any():
                reads = positions_read(layer, tuple(map(int, output)))
                assert all(loaded[position_bytes(layer, spec.value_bits, at, together)].all() for at in reads)
    per_tile = np.bincount(schedule.loads.tile, minlength=schedule.tiles) > 0
    assert not per_tile[~schedule.issued.any(axis=1)].any()


@given(small_traces(many_groups=True), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = Kgrc(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


@given(specs(), small_traces(many_groups=True), st.integers(0, 2**32 - 1))
def test_more_zeros_never_take_more_cycles(spec, trace, seed):
    spec = KgrcSpec.model_validate(spec.model_dump() | INFINITE)
    random, kept = np.random.default_rng(seed), trace.weight_mask
    before = simulated_cycles(spec, trace)
    for _ in range(3):
        kept = kept & (random.random(trace.layer.weight_shape) < 0.7)
        after = simulated_cycles(spec, LayerTrace(trace.layer, kept, trace.activations))
        assert after <= before
        before = after


RATES = ("channel_ports", "input_port_values", "weight_port_values", "output_port_values")


@given(specs(), small_traces(many_groups=True), st.sampled_from([1.0, 19.2, math.inf]))
def test_twice_a_rate_never_takes_more_cycles(spec, trace, bandwidth_gbs):
    """But for a burst a tile: one that is done earlier may send its results before the next tile's data."""
    settings = spec.model_dump() | {"dram": {"bandwidth_gbs": bandwidth_gbs}}
    before = simulated_cycles(KgrcSpec.model_validate(settings), trace)
    changes = [{key: 2 * settings[key]} for key in RATES]
    changes += [{"dram": {"bandwidth_gbs": 2 * bandwidth_gbs}}, {"buffers": {"banks": 128}}]
    burst = math.ceil(spec.dram.burst_bytes * spec.clock_hz / (bandwidth_gbs * 1e9))
    tiles = Kgrc(spec).schedule(trace).tiles
    for change in changes:
        assert simulated_cycles(KgrcSpec.model_validate(settings | change), trace) <= before + burst * tiles, change


@given(small_layers())
def test_the_dense_design_skips_nothing(layer):
    nothing = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    spec = KgrcSpec(design="dense")
    first, second = (Kgrc(spec).schedule(trace) for trace in (dense_trace(layer), nothing))
    np.testing.assert_array_equal(first.cycles, second.cycles)
    assert first.issued.sum() == layer.dense_macs


@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_layers_of_two_dimensions_run_as_volumes_of_depth_one(layer):
    schedule = Kgrc().schedule(dense_trace(layer))
    assert schedule.issued.sum() == layer.dense_macs
    assert schedule.tiles < 2000
