"""TCL's actions against a slow twin: every row of a window read, sent and kept, every executed row of a filter."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.tcl.tcl import Tcl
from dataflows.registry import create
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.tcl.test_tcl import fully_connected, specs
from tests.dataflows.machines.tcl.twin import filter_rows, packs, reach, schedule_set
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def rounds_of(spec, layer, weights):
    """Of every round: the rows of each tile's filters."""
    every = packs(spec, layer)
    width = len(every[0]) * layer.group_in_channels
    for pack in every:
        rows = [
            filter_rows(spec, layer, weights, group * layer.group_out_channels + k, place, width)
            for place, group in enumerate(pack)
            for k in range(layer.group_out_channels)
        ]
        together = spec.tiles * spec.filters_per_tile
        for first in range(0, len(rows), together):
            own = rows[first : first + together]
            yield [own[i : i + spec.filters_per_tile] for i in range(0, len(own), spec.filters_per_tile)]


def twin_of(spec, layer, weights):
    twin = Counter()
    for sets in rounds_of(spec, layer, weights):
        scheduled = [schedule_set(spec, np.array(own)) for own in sets]
        for _window in product(range(layer.batch), *map(range, layer.output_size)):
            for _row in sets[0][0]:
                twin["central_edram", "read"] += 1
                for _tile in sets:
                    twin["fat_tree", "traverse"] += 1
                    twin["activation_rows", "write"] += spec.lanes
            for rows in scheduled:
                for row in rows:
                    for filters_row in row:
                        for component in ("weight_edram", "selection_edram"):
                            twin[component, "read"] += 1
                        twin["sum_registers", "write"] += 1
                        for slot in filters_row:
                            twin["selectors", "select"] += int(slot)
                            twin["activation_rows", "read"] += int(slot)
    return twin


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces(many_groups=True) | small_traces() | fully_connected())
def test_actions_are_counted_as_the_twin_counts_them(spec, trace):
    layer = trace.layer
    found, schedule = counted(machine := Tcl(spec), trace)
    assert_products(found, trace, schedule)
    twin = twin_of(spec, layer, trace.weight_mask)
    leaving = math.ceil(math.prod(layer.output_shape) / spec.lanes)
    twin["fat_tree", "traverse"] += leaving
    twin["central_edram", "write"] = leaving + loads_of(machine, "central_edram", schedule, INPUT)
    twin["central_edram", "read"] += words(machine, "central_edram", schedule.stores.total_bytes)
    slot_bits = spec.value_bits + len(reach(spec)).bit_length()
    filled = math.ceil(8 * schedule.loads.bytes_of(WEIGHT) / (spec.lanes * slot_bits))
    twin["weight_edram", "write"] = twin["selection_edram", "write"] = filled
    twin["adders", "add"] = twin["product_registers", "write"] = int(schedule.issued.sum())
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})


def test_a_layer_by_hand():
    """32 channels are two rows, of which the second fills the first; 20 filters are two tiles; four windows."""
    layer = Layer.conv("hand", in_channels=32, out_channels=20, input_size=(2, 2), kernel_size=1)
    weights = np.zeros(layer.weight_shape, bool)
    weights[:, ::2] = True
    found, schedule = counted(create("tcl"), LayerTrace(layer, weights, np.ones(layer.input_shape, bool)))
    assert schedule.cycles[..., 0].sum() == 4 * 2
    assert found["weight_edram", "read"] == found["sum_registers", "write"] == 4 * 20
    assert found["selectors", "select"] == found["activation_rows", "read"] == 4 * 20 * 16
    assert found["central_edram", "read"] == 4 * 2
    assert found["activation_rows", "write"] == 4 * 2 * 2 * 16
    assert found["fat_tree", "traverse"] == 4 * 2 * 2 + 5
