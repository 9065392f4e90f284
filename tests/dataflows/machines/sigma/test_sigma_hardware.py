"""SIGMA's actions against a slow twin: value by value into the multipliers, and vector by vector past them."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.sigma.hardware import WORD_BITS
from dataflows.machines.sigma.sigma import Sigma, SigmaSpec
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.sigma.test_sigma_twin import products, specs
from tests.dataflows.machines.sigma.twin import inputs_of, weights_of
from tests.dataflows.machines.sigma.twin import loads_of as stationary_loads
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def folds_of(spec, layer, weights, activations):
    """Loads (group, elements) by fold, and both operands by group: (stationary, streamed)."""
    folds, operands = [], []
    for group in range(layer.groups):
        both = weights_of(layer, weights, group), inputs_of(layer, activations, group)
        stays, moves = both if spec.stationary == "weights" else both[::-1]
        operands.append((stays, moves))
        for number, load in enumerate(stationary_loads(spec, group, stays, moves)):
            if not folds or len(folds[-1]) == spec.pes or (spec.groups == "alone" and not number):
                folds.append([])
            folds[-1].append(load)
    return folds, operands


def twin_of(spec, layer, weights, activations):
    """Actions but for what DRAM moves, and bits that leave the SRAMs of what stays, of what is streamed, and of sums."""
    twin, bits = Counter(), Counter()
    folds, operands = folds_of(spec, layer, weights, activations)
    bits["stays"] += sum(len(row) for stays, _ in operands for row in stays)
    begun = set()
    for loads in folds:
        for group in dict.fromkeys(group for group, _ in loads):
            own = [elements for other, elements in loads if other == group]
            rows = {(group, row) for elements in own for row, _ in elements}
            for elements in own:
                for name in (
                    ("stationary_registers", "write"), ("pe_network", "traverse"), ("benes_networks", "traverse"),
                    ("bitmap_counters", "count"),
                ):  # fmt: skip
                    twin[name] += len(elements)
                bits["stays"] += len(elements) * spec.value_bits
            for vector in operands[group][1]:
                bits["streams"] += len(vector)
                for _ in {j for elements in own for _, j in elements if vector[j]}:
                    bits["streams"] += spec.value_bits
                    twin["bitmap_counters", "count"] += 1
                    twin["pe_network", "traverse"] += len(own)
                for _, j in (element for elements in own for element in elements):
                    twin["bitmap_gates", "compare"] += 1
                    if vector[j]:
                        for name in (
                            ("multipliers", "multiply"), ("product_registers", "write"), ("adders", "add"),
                            ("sum_registers", "write"), ("benes_networks", "traverse"), ("source_tables", "write"),
                            ("source_tables", "read"),
                        ):  # fmt: skip
                            twin[name] += 1
                bits["sums written"] += len(rows) * 2 * spec.value_bits
                bits["sums read"] += len(rows & begun) * 2 * spec.value_bits
            begun |= rows
    return twin, bits


def expected(machine, schedule, twin, bits):
    """The twin with the words of its SRAMs, and what DRAM moves."""
    names = ("weight_buffer", "input_buffer")
    for name, key in zip(
        names if machine.spec.stationary == "weights" else names[::-1], ("stays", "streams"), strict=True
    ):
        twin[name, "read"] += math.ceil(bits[key] / WORD_BITS)
    twin["output_buffer", "write"] += math.ceil(bits["sums written"] / WORD_BITS)
    twin["output_buffer", "read"] += math.ceil(bits["sums read"] / WORD_BITS)
    twin["output_buffer", "read"] += words(machine, "output_buffer", schedule.stores.total_bytes)
    for name, tensor in (("input_buffer", INPUT), ("weight_buffer", WEIGHT)):
        twin[name, "write"] += loads_of(machine, name, schedule, tensor)
    return twin


@pytest.mark.twin
@quarter_of_cases
@given(small_traces(many_groups=True) | products(), specs())
def test_counts_as_its_twin(trace, spec):
    found, schedule = counted(machine := Sigma(spec), trace)
    assert_products(found, trace, schedule)
    twin, bits = twin_of(spec, trace.layer, trace.weight_mask, trace.activation_mask)
    assert_counts(found, expected(machine, schedule, twin, bits))


def test_two_folds_by_hand():
    """Two filters of three weights on one Flex-DPE of four multipliers, two vectors (inputs 1 1 1 and 1 0 0).

    The second filter's first weight lies in fold 0, its others in fold 1. Fold 0 wants the columns 0, 1 and 2, fold 1
    the last two: of the vectors 3 + 1 and 2 + 0 values leave the SRAM. Products: 4 + 2, and 2 + 0.
    """
    layer = Layer.dense("l", in_features=3, out_features=2, batch=2)
    activations = np.array([[1, 1, 1], [1, 0, 0]], bool).reshape(layer.input_shape)
    spec = SigmaSpec(pes=1, multipliers_per_pe=4, stationary="weights")
    found, _ = counted(Sigma(spec), LayerTrace(layer, np.ones(layer.weight_shape, bool), activations))
    assert found["stationary_registers", "write"] == 6
    assert found["multipliers", "multiply"] == 8
    assert found["pe_network", "traverse"] == 6 + 6
    assert found["benes_networks", "traverse"] == 6 + 8
    assert found["bitmap_gates", "compare"] == 6 * 2
    assert found["bitmap_counters", "count"] == 6 + 6
    # Three parts of rows times two vectors of 32 bits are 192 bits; one of them was begun before.
    assert (found["output_buffer", "write"], found["output_buffer", "read"]) == (1, 1)
