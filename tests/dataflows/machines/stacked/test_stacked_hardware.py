"""The stacked machine's actions against a slow twin: lists entry by entry, and the vectors of every turn as a set."""

import math
from collections import Counter

import pytest
from hypothesis import given

from dataflows.machines.stacked.nested_levels import nested_codes
from dataflows.machines.stacked.stacked import Stacked
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.stacked import twin as stacked_twin
from tests.dataflows.machines.stacked.test_stacked import specs, traces
from tests.draws import quarter_of_cases


def lists_of(spec, trace):
    """The lists that each filter reads: places and levels."""
    layer = trace.layer
    if trace.weight_mask.all():  # stored dense
        return [[[(place, 1) for place in range(math.prod(layer.weight_shape[1:]))]]] * layer.out_channels
    codes = nested_codes(trace.weights, spec.densities, spec.running, len(spec.densities))
    return [stacked_twin.lists(spec, own)[0] for own in codes.reshape(layer.out_channels, -1).tolist()]


@pytest.mark.twin
@quarter_of_cases
@given(specs(), traces())
def test_counts_as_its_twin(spec, trace):
    layer = trace.layer
    found, schedule = counted(machine := Stacked(spec), trace)
    assert_products(found, trace, schedule)
    twin, filters = Counter(), lists_of(spec, trace)
    positions = math.prod(layer.output_size)
    for block in [min(spec.lanes, positions - p) for p in range(0, positions, spec.lanes)] * layer.batch:
        for first in range(0, layer.out_channels, spec.pes):
            sent = set()
            for k in range(first, min(first + spec.pes, layer.out_channels)):
                twin["output_buffer", "write"] += 1
                for number, entries in enumerate(filters[k]):
                    for place, level in entries:
                        twin["weight_buffer", "read"] += 1
                        twin["decoders", "compare"] += 1
                        if not stacked_twin.FILLER < level <= spec.running:
                            continue
                        sent.add((number, place, k // layer.group_out_channels))
                        for what in (
                            ("vector_bus", "traverse"), ("input_queues", "read"), ("input_queues", "write")
                        ):  # fmt: skip
                            twin[what] += 1
                        twin["adders", "add"] += block
                        twin["sum_registers", "write"] += block
            twin["input_buffer", "read"] += len(sent)
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["output_buffer", "read"] = words(machine, "output_buffer", schedule.stores.total_bytes)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})
