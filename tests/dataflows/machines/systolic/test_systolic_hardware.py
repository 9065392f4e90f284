"""The systolic array's actions against a slow twin: every value in every register that it goes through."""

import math
from collections import Counter

import pytest
from hypothesis import given

from dataflows.machines.systolic.hardware import WORD_BITS
from dataflows.machines.systolic.systolic import Systolic
from simulator.network_simulation import dense_trace
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.systolic.test_systolic import specs, strips
from tests.dataflows.machines.systolic.twin import SystolicTwin, packs_of
from tests.dataflows.small_layers import small_layers
from tests.draws import quarter_of_cases


def folds_of(spec, layer):
    """Groups of the rows and of the columns of every fold, and how many values pass."""
    own_strips = strips(spec, layer)[0]
    twin = SystolicTwin(spec, layer, own_strips)
    for pack in packs_of(spec, layer):
        filters = [group for group in pack for _ in range(layer.group_out_channels)]
        for _image in range(layer.batch):
            for strip in own_strips:
                for first in range(0, len(filters), spec.block_filters):
                    for positions in strip:
                        yield from twin.folds(len(positions), pack, filters[first : first + spec.block_filters])


def count_fold(spec, rows, columns, passing, twin, read):
    """One fold, cell by cell and value by value."""
    for i, row in enumerate(rows):
        for column in columns:
            for _ in range(passing):
                twin["operand_registers", "write"] += 2 if spec.dataflow == "output" else 1
                twin["sum_registers", "write"] += 1
                twin["adders", "add"] += row in (None, column) or column is None
            # What stays comes in, or sums go out, through the i registers on the way and its own.
            if spec.dataflow == "output":
                twin["sum_registers", "write"] += i + 1
            else:
                twin["stationary_registers", "write"] += i + 1 + spec.shadow_registers
    if spec.dataflow == "output":
        read["input"] += passing * len(rows)
        read["weight"] += passing * len(columns)
        return
    passes, stays = ("input", "weight") if spec.dataflow == "weight" else ("weight", "input")
    read[passes] += passing * len(rows)
    read[stays] += sum(row in (None, column) or column is None for row in rows for column in columns)
    for what in ("read", "write"):
        twin["accumulators", what] += passing * len(columns)


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_layers(many_groups=True))
def test_counts_as_its_twin(spec, layer):
    trace = dense_trace(layer)
    found, schedule = counted(machine := Systolic(spec), trace)
    assert_products(found, trace, schedule)
    twin, read = Counter(), Counter()
    for rows, columns, passing in folds_of(spec, layer):
        count_fold(spec, rows, columns, passing, twin, read)
    per_word = WORD_BITS // spec.value_bits
    for tensor in ("input", "weight"):
        twin[f"{tensor}_buffer", "read"] = math.ceil(read[tensor] / per_word)
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["output_buffer", "write"] = math.ceil(math.prod(layer.output_shape) / per_word)
    twin["output_buffer", "read"] = words(machine, "output_buffer", schedule.stores.total_bytes)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})
