"""DianNao's and DaDianNao's actions against slow twins: every vector, synapse and sum read one at a time."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.diannao.dadiannao import DaDianNao
from dataflows.machines.diannao.diannao import DianNao
from dataflows.registry import create
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.diannao.test_dadiannao import specs as dadiannao_specs
from tests.dataflows.machines.diannao.test_diannao import specs
from tests.dataflows.small_layers import packs, small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def steps(layer, groups, neurons, lanes):
    """Of every step: the group of each neuron's filter, and the group of each input of the vector."""
    for pack in packs(layer, groups, lanes, neurons):
        filters = [group for group in pack for _ in range(layer.group_out_channels)]
        channels = [group for group in pack for _ in range(layer.group_in_channels)]
        for first in range(0, len(filters), neurons):
            places = layer.batch, *layer.output_size, *layer.kernel_size
            for _ in product(*map(range, places)):
                for chunk in range(0, len(channels), lanes):
                    yield filters[first : first + neurons], channels[chunk : chunk + lanes]


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces(many_groups=True))
def test_diannao_counts_as_its_twin(spec, trace):
    found, schedule = counted(machine := DianNao(spec), trace)
    assert_products(found, trace, schedule)
    twin = Counter()
    for filters, vector in steps(trace.layer, spec.groups, spec.output_neurons, spec.inputs_per_neuron):
        twin["nbin", "read"] += 1
        twin["nbout", "read"] += 1
        twin["nbout", "write"] += 1
        for group in filters:
            twin["neuron_bus", "traverse"] += 1
            twin["sb", "read"] += 1
            twin["adders", "add"] += vector.count(group)
            twin["product_registers", "write"] += vector.count(group)
    twin["nfu3_multipliers", "multiply"] = twin["nfu3_adders", "add"] = math.prod(trace.layer.output_shape)
    twin["nbin", "write"] = loads_of(machine, "nbin", schedule, INPUT)
    twin["sb", "write"] = loads_of(machine, "sb", schedule, WEIGHT)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


@pytest.mark.twin
@quarter_of_cases
@given(dadiannao_specs(), small_traces(many_groups=True))
def test_dadiannao_counts_as_its_twin(spec, trace):
    layer = trace.layer
    found, schedule = counted(machine := DaDianNao(spec), trace)
    assert_products(found, trace, schedule)
    twin = Counter()
    for filters, vector in steps(layer, spec.groups, spec.neurons, spec.inputs_per_neuron):
        per_chip = spec.tiles * spec.neurons_per_tile
        twin["central_edram", "read"] += math.ceil(len(filters) / per_chip)
        twin["fat_tree", "traverse"] += math.ceil(len(filters) / spec.neurons_per_tile)
        for group in filters:
            twin["synapse_edram", "read"] += 1
            twin["sum_registers", "write"] += 1
            twin["adders", "add"] += vector.count(group)
            twin["product_registers", "write"] += vector.count(group)
    leaving = math.ceil(math.prod(layer.output_shape) / spec.inputs_per_neuron)
    twin["fat_tree", "traverse"] += leaving
    twin["central_edram", "write"] = leaving + loads_of(machine, "central_edram", schedule, INPUT)
    twin["central_edram", "read"] += words(machine, "central_edram", schedule.stores.total_bytes)
    twin["synapse_edram", "write"] = loads_of(machine, "synapse_edram", schedule, WEIGHT)
    if spec.chips > 1 and not schedule.loads.bytes_of(INPUT):
        twin["links", "traverse"] = math.prod(layer.input_shape) * (spec.chips - 1)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


def test_a_layer_by_hand():
    """20 channels are two vectors of 16 and 4; 18 filters are rounds of 16 and 2; four positions, one tap."""
    layer = Layer.conv("hand", in_channels=20, out_channels=18, input_size=(2, 2), kernel_size=1)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    found, _ = counted(create("diannao"), trace)
    assert found["nbin", "read"] == 2 * 4 * 2
    assert found["sb", "read"] == 2 * 4 * 18
    assert found["adders", "add"] == 20 * 4 * 18
    assert found["nfu3_adders", "add"] == 18 * 4
