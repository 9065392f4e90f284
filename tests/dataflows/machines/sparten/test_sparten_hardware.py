"""SparTen's actions against a slow twin: every chunk that is broadcast, to every unit, and every join one by one."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.sparten.sparse_maps import strips_of
from dataflows.machines.sparten.sparten import Sparten
from dataflows.machines.sparten.spec import SpartenSpec
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.sparten.cases import specs
from tests.dataflows.machines.sparten.twin import Machine
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def tree_adders(elements):
    """Adders of a prefix sum: every level has one for each pair of elements."""
    levels = 0
    while 1 << levels < elements:
        levels += 1
    return max(1, math.ceil(elements / 2) * levels)


def skipped(spec):
    """Whether zero inputs and zero weights are."""
    return spec.skips in ("both", "inputs"), spec.skips in ("both", "weights")


def mask_words(spec, machine):
    return math.ceil(max(map(len, machine.chunks)) / spec.value_bits)


def enter_filters(twin, spec, machine, group, parts):
    """All filters of a group come once for every part of a tile's positions."""
    _, weights = skipped(spec)
    filters = [k for one in machine.rounds(group) for unit in one for k in unit]
    for k, chunk in product(filters * parts, machine.chunks):
        values = machine.kept(k, chunk) if weights else len(chunk)
        twin["filter_chunks", "write"] += values
        twin["weight_buffer", "read"] += values + mask_words(spec, machine) * weights
        twin["masks", "write"] += weights


def broadcast(twin, spec, machine, held, inside):
    """A chunk goes to every unit that holds a filter, and is joined with each of its filters."""
    inputs, weights = skipped(spec)
    values = sum(kept for _, _, kept in inside) if inputs else len(inside)
    sent = values + mask_words(spec, machine) * inputs
    twin["input_buffer", "read"] += sent
    for _unit in filter(None, held):
        twin["input_bus", "traverse"] += sent
        twin["input_chunks", "write"] += values
        twin["masks", "write"] += inputs
    for k in [k for unit in held for k in unit]:
        found = machine.matches(k, inside)
        for what in (
            ("adders", "add"),
            ("sum_registers", "write"),
            ("input_chunks", "read"),
            ("filter_chunks", "read"),
        ):
            twin[what] += found
        twin["masks", "read"] += inputs + weights
        twin["prefix_sums", "add"] += (inputs + weights) * tree_adders(spec.chunk)
        twin["permute_network", "traverse"] += machine.balancing == "gb-h"
        if inputs or weights:
            twin["mask_joins", "compare"] += 1
            twin["priority_encoders", "select"] += found


def twin_of(spec, trace):
    twin, layer = Counter(), trace.layer
    machine = Machine(spec, layer, trace.weight_mask, trace.activation_mask)
    positions = list(product(*map(range, layer.output_size)))
    for group, image in product(range(layer.groups), range(layer.batch)):
        for pixels in strips_of(spec, layer).pixels.tolist():
            enter_filters(twin, spec, machine, group, min(pixels, spec.clusters))
        for output, one, chunk in product(positions, machine.rounds(group), machine.chunks):
            if inside := machine.inside(image, group, output, chunk):
                broadcast(twin, spec, machine, machine.held(one, chunk), inside)
    twin["output_buffer", "write"] = layer.output_count
    return twin


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces())
def test_counts_as_its_twin(spec, trace):
    found, schedule = counted(machine := Sparten(spec), trace)
    assert_products(found, trace, schedule)
    twin = twin_of(spec, trace)
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["output_buffer", "read"] = words(machine, "output_buffer", schedule.stores.total_bytes)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


def test_two_filters_of_a_unit_share_a_broadcast():
    """One window of 6 channels in chunks of 4 and 2; three filters on two units, of which one is alone."""
    layer = Layer.conv("hand", in_channels=6, out_channels=3, input_size=(1, 1), kernel_size=1)
    spec = SpartenSpec(clusters=1, units=2, chunk=4, value_bits=8, balancing="gb-h")
    weights, inputs = np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool)
    inputs[0, 4] = False
    found, _ = counted(Sparten(spec), LayerTrace(layer, weights, inputs))
    # Five values, and a word for each of two masks, to two units.
    assert found["input_bus", "traverse"] == 2 * (5 + 2)
    assert found["input_buffer", "read"] == 5 + 2
    assert found["mask_joins", "compare"] == found["permute_network", "traverse"] == 3 * 2
    # Two masks of four elements, each summed up by two levels of two adders.
    assert found["prefix_sums", "add"] == 6 * 2 * 4
    assert found["priority_encoders", "select"] == found["multipliers", "multiply"] == 3 * 5
