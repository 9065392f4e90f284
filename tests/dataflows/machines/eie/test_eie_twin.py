"""EIE's whole schedule against the slow twin, bit for bit, over random small machines and layers."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflows.machines.eie.vector_tiles
from dataflows.machines.eie.eie import Eie, EieSpec
from dataflows.schedule import CAUSES, Cause, Tensor
from tests.dataflows.machines.eie import twin as eie_twin
from tests.dataflows.small_layers import DENSITIES
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def pointwise_layers(draw):
    axes, groups = draw(st.sampled_from([2, 2, 3])), draw(st.sampled_from([1, 1, 2]))
    shape = {
        "in_channels": groups * draw(st.integers(1, 16)),
        "out_channels": groups * draw(st.integers(1, 14) | st.integers(15, 36)),
        "groups": groups,
        "batch": draw(st.sampled_from([1, 1, 2])),
    }
    small = st.integers(1, 3)
    return Layer.conv(
        "random",
        input_size=tuple(draw(small) for _ in range(axes)) if draw(st.booleans()) else (1,) * axes,
        kernel_size=1,
        stride=tuple(draw(small) for _ in range(axes)),
        padding=tuple((draw(st.integers(0, 1)), draw(st.integers(0, 1))) for _ in range(axes)),
        **shape,
    )


@st.composite
def specs(draw):
    return EieSpec(
        pes=draw(st.integers(1, 5) | st.integers(15, 34)),
        run_bits=draw(st.integers(0, 3)),
        queue_depth=draw(st.integers(1, 4)),
        accumulators_per_pe=draw(st.integers(1, 4)),
        arithmetic_cycles=draw(st.integers(0, 4)),
        value_bits=draw(st.sampled_from([8, 16])),
        sram_port_bits=draw(st.sampled_from([8, 64])),
        weight_sram_bytes=draw(st.sampled_from([4, 1024])),
        activation_sram_bytes=draw(st.sampled_from([1, 1024])),
        pointer_sram_bytes=draw(st.sampled_from([8, 1024])),
        weights_resident=draw(st.sampled_from(["fitting", "always", "never"])),
    )


@st.composite
def traces(draw):
    layer = draw(pointwise_layers())
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = random.random(layer.weight_shape) < draw(DENSITIES)
    if draw(st.booleans()):  # uneven rows, so that some PEs fall behind and fill their queues
        weights &= random.random(layer.weight_shape) < random.random((layer.out_channels, *[1] * (layer.axes + 1)))
    return LayerTrace(layer, weights, random.random(layer.input_shape) < draw(DENSITIES))


@pytest.mark.twin
@given(specs(), traces(), st.sampled_from([1, 4, 1024]))
def test_the_schedule_is_what_the_twin_does(spec, trace, tiles_about):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataflows.machines.eie.vector_tiles, "TILES_ABOUT", tiles_about)
        schedule = Eie(spec).schedule(trace)
        joined = Eie(spec)._tiles(trace.layer).joined
    layer, positions = trace.layer, math.prod(trace.layer.output_size)
    per_image = -(-positions // joined)
    cycles = np.zeros((schedule.tiles, spec.pes, CAUSES), np.int64)
    for vector, did in enumerate(eie_twin.run(spec, layer, trace.weight_mask, trace.activation_mask)):
        tile = vector // positions * per_image + vector % positions // joined
        for pe, causes in enumerate(did):
            for cause, count in causes.items():
                cycles[tile, pe, cause] += count
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, cycles[..., Cause.BUSY])
    assert schedule.expected_issued == cycles[..., Cause.BUSY].sum()
    assert_traffic(spec, trace, schedule, joined)


def assert_traffic(spec, trace, schedule, joined):
    layer, word = trace.layer, spec.value_bits // 8
    every = list(eie_twin.units(layer, spec))
    outputs = list(product(*map(range, layer.output_size)))
    parts = [outputs[i : i + joined] for i in range(0, len(outputs), joined)]
    reads = [sum(eie_twin.position_read(layer, output) is not None for output in part) for part in parts]
    vectors = len(every) * layer.batch
    inputs = np.tile(reads, vectors) * layer.group_in_channels * word
    results = [
        (end - first) * len(part) * word for _, first, end in every for _ in range(layer.batch) for part in parts
    ]
    on_chip = (layer.input_count + layer.output_count) // layer.batch * word <= spec.pes * spec.activation_sram_bytes
    np.testing.assert_array_equal(moved(schedule.loads, Tensor.INPUT, schedule.tiles), 0 if on_chip else inputs)
    np.testing.assert_array_equal(moved(schedule.stores, Tensor.OUTPUT, schedule.tiles), 0 if on_chip else results)

    weights = np.zeros((len(every), layer.batch, len(parts)), np.int64)
    entries, pointer_bytes = [], 2 * (layer.group_in_channels + 1)
    for _, first, end in every:
        rows = trace.weight_mask[first:end].reshape(end - first, -1)
        stored = [
            sum(len(eie_twin.stored(column, spec.run_bits)) for column in rows[pe :: spec.pes].T)
            for pe in range(min(spec.pes, end - first))
        ]
        entries.append([-(-n * (4 + spec.run_bits) // 8) for n in stored])
    most = max(sum(unit[pe] for unit in entries if pe < len(unit)) for pe in range(spec.pes))
    there = {"always": (True, True), "never": (False, False)}.get(
        spec.weights_resident,
        (most <= spec.weight_sram_bytes, len(every) * pointer_bytes <= spec.pointer_sram_bytes),
    )
    for unit, sizes in enumerate(entries):
        size = (0 if there[0] else sum(sizes)) + (0 if there[1] else pointer_bytes * len(sizes))
        if max(sizes) <= spec.weight_sram_bytes and pointer_bytes <= spec.pointer_sram_bytes:
            weights[unit, 0, 0] = size
        else:
            weights[unit] = [size * len(part) for part in parts]
    np.testing.assert_array_equal(moved(schedule.loads, Tensor.WEIGHT, schedule.tiles), weights.reshape(-1))


def moved(runs, tensor, tiles):
    rows = runs.tensor == tensor
    return np.bincount(runs.tile[rows], runs.size_bytes[rows], tiles)
