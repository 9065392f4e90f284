"""Cnvlutin's actions against a slow twin: every brick fetched, every neuron sent, every sum written one at a time."""

import math
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.cnvlutin.cnvlutin import Cnvlutin
from dataflows.registry import create
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.cnvlutin.test_cnvlutin import fully_connected, specs
from tests.dataflows.machines.cnvlutin.twin import Machine, place_read
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def windows_of(spec, trace):
    """Of every window of every round: the machine, the pack's channels, the round's filters, image and output."""
    layer, dense = trace.layer, spec.first_layer == "dense" and trace.input_in_dram
    dense = dense or (layer.fully_connected and spec.fully_connected == "dense")
    machine = Machine(spec, layer, trace.activation_mask, dense=dense)
    for pack in machine.packs():
        each = layer.group_in_channels
        channels = [c for group in pack for c in range(group * each, (group + 1) * each)]
        filters = [group for group in pack for _ in range(layer.group_out_channels)]
        for first in range(0, len(filters), machine.filters):
            for image, *output in product(range(layer.batch), *map(range, layer.output_size)):
                yield machine, channels, filters[first : first + machine.filters], image, tuple(output)


def twin_of(spec, trace):
    twin, layer = Counter(), trace.layer
    for machine, channels, filters, image, output in windows_of(spec, trace):
        units = math.ceil(len(filters) / spec.filters_per_unit)
        lengths = []
        if machine.dense:
            for _tap, first in product(machine.taps, range(0, len(channels), spec.lanes)):
                twin["central_edram", "read"] += math.ceil(spec.lanes / spec.brick)
                sent = len(channels[first : first + spec.lanes])
                twin["neuron_bus", "traverse"] += sent * units
                twin["synapse_edram", "read"] += sent * units
                twin["sum_registers", "write"] += len(filters)
        else:
            for lane in machine.bricks(image, channels, output):
                lengths.append(sum(sum(brick) or spec.empty_brick_cycles for brick in lane))
                for _neuron in (neuron for brick in lane for neuron in brick if neuron):
                    twin["brick_buffers", "read"] += 1
                    for component in ("neuron_bus", "offset_bus"):
                        twin[component, "traverse"] += units
                    twin["synapse_edram", "read"] += units
            for tap, _first in product(machine.taps, range(0, len(channels), spec.brick)):
                if place_read(layer, output, tap) is not None:
                    twin["central_edram", "read"] += 1
                    twin["offset_edram", "read"] += 1
                    twin["brick_buffers", "write"] += spec.brick
            twin["sum_registers", "write"] += max(lengths) * len(filters)
    return twin


def outputs_leave(twin, machine, layer, schedule, brick):
    bricks = math.ceil(math.prod(layer.output_shape) / brick)
    twin["encoders", "compare"] = math.prod(layer.output_shape)
    twin["output_bus", "traverse"] = twin["offset_edram", "write"] = bricks
    twin["central_edram", "write"] = bricks + loads_of(machine, "central_edram", schedule, INPUT)
    twin["central_edram", "read"] += words(machine, "central_edram", schedule.stores.total_bytes)
    twin["synapse_edram", "write"] = loads_of(machine, "synapse_edram", schedule, WEIGHT)


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces(many_groups=True) | small_traces() | fully_connected(), st.booleans())
def test_actions_are_counted_as_the_twin_counts_them(spec, trace, input_in_dram):
    trace = replace(trace, input_in_dram=input_in_dram)
    found, schedule = counted(machine := Cnvlutin(spec), trace)
    assert_products(found, trace, schedule)
    twin = twin_of(spec, trace)
    outputs_leave(twin, machine, trace.layer, schedule, spec.brick)
    issued = int(schedule.issued.sum())
    twin["adders", "add"] = twin["product_registers", "write"] = issued
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


def test_a_layer_by_hand():
    """Two bricks, of three neurons and of none; 40 filters are three units; four windows."""
    layer = Layer.conv("hand", in_channels=32, out_channels=40, input_size=(2, 2), kernel_size=1)
    activations = np.zeros(layer.input_shape, bool)
    activations[:, [0, 7, 15]] = True
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), activations)
    found, _ = counted(create("cnvlutin"), trace)
    assert found["central_edram", "read"] == found["offset_edram", "read"] == 4 * 2
    assert found["brick_buffers", "write"] == 4 * 2 * 16
    assert found["brick_buffers", "read"] == 4 * 3
    assert found["synapse_edram", "read"] == found["neuron_bus", "traverse"] == 4 * 3 * 3
    assert found["sum_registers", "write"] == 4 * 3 * 40
    assert found["adders", "add"] == 4 * 3 * 40
    assert found["encoders", "compare"] == 4 * 40
    assert found["offset_edram", "write"] == 10
