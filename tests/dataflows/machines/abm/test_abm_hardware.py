"""ABM's actions against a slow twin: every addition at every position, then every value's products."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.abm import Abm
from dataflows.registry import create
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, counted, loads_of, words
from tests.dataflows.machines.abm.test_abm import pointwise, specs, traces
from tests.dataflows.machines.abm.twin import kernels
from tests.draws import quarter_of_cases


@pytest.mark.twin
@quarter_of_cases
@given(specs(), traces())
def test_counts_as_its_twin(spec, trace):
    layer = trace.layer
    found, schedule = counted(machine := Abm(spec), trace)
    twin, positions = Counter(), math.prod(layer.output_size)
    for nonzeros, values in kernels(spec, trace.weights, trace.codebook_values):
        for _image in range(layer.batch):
            for first in range(0, positions, spec.adders_per_core):
                block = min(spec.adders_per_core, positions - first)
                twin["output_buffer", "write"] += 1
                for _ in range(nonzeros):
                    twin["address_adders", "add"] += 1
                    twin["input_buffer", "read"] += 1
                    twin["weight_buffer", "read"] += 1
                    twin["adders", "add"] += block
                    twin["sum_registers", "write"] += block
                for _ in range(values):
                    for what in (
                        ("value_sums", "write"), ("value_multipliers", "multiply"), ("product_adders", "add"),
                        ("output_registers", "write"),
                    ):  # fmt: skip
                        twin[what] += block
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["output_buffer", "read"] = words(machine, "output_buffer", schedule.stores.total_bytes)
    assert_counts(found, twin)
    assert found["adders", "add"] == schedule.issued.sum()
    # No more products than its multipliers can make in the cycles of the schedule.
    slots = schedule.cycles.sum(axis=2).max(axis=1).sum() * spec.cores * spec.multipliers_per_core
    assert found["value_multipliers", "multiply"] <= slots


def test_two_values_are_two_products_a_position():
    trace = pointwise(np.array([[3, 3, 0, 5, 3]]), positions=4)
    found, _ = counted(create("abm"), trace)
    assert found["adders", "add"] == 4 * 4
    assert found["value_multipliers", "multiply"] == 2 * 4
    assert found["input_buffer", "read"] == 4
    yolo, _ = counted(create("sparse-yolo"), replace(trace))
    assert yolo["value_multipliers", "multiply"] == 2 * 4
