"""EIE's actions against a slow twin: columns laid out in words, read for every activation that is broadcast."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.eie.eie import Eie
from dataflows.registry import create
from dataflows.schedule import Cause
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.eie.test_eie_twin import specs, traces
from tests.dataflows.machines.eie.twin import position_read, run, stored, units
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace


def memory(spec, matrix, columns):
    """Of one PE's rows: for each column, its entries and the set of words in which they lie."""
    per_word, at, found = max(1, spec.sram_port_bits // (spec.code_bits + spec.run_bits)), 0, []
    for j in range(columns):
        entries = stored([row[j] for row in matrix], spec.run_bits)
        found.append((entries, {place // per_word for place in range(at, at + len(entries))}))
        at += len(entries)
    return found


def twin_of(spec, layer, weights, activations):
    twin, channels = Counter(), layer.group_in_channels
    for group, first, end in units(layer, spec):
        matrix = [[bool(w) for w in weights[k].reshape(-1)] for k in range(first, end)]
        pes = [memory(spec, matrix[pe :: spec.pes], channels) for pe in range(min(spec.pes, len(matrix)))]
        for image, output in product(range(layer.batch), product(*map(range, layer.output_size))):
            place = position_read(layer, output)
            if channels > spec.pes * spec.accumulators_per_pe:
                twin["activation_sram", "read"] += math.ceil(channels * spec.value_bits / spec.sram_port_bits)
            for j in range(channels):
                twin["nonzero_detection", "compare"] += 1
                if place is None or not activations[image, group * channels + j][place]:
                    continue
                twin["activation_files", "read"] += 1
                for columns in pes:
                    entries, lie_in = columns[j]
                    twin["broadcast", "traverse"] += 1
                    twin["activation_queue", "read"] += 1
                    twin["activation_queue", "write"] += 1
                    twin["pointer_sram", "read"] += 2
                    twin["weight_sram", "read"] += len(lie_in)
                    twin["row_adders", "add"] += len(entries)
                    for name in (
                        ("adders", "add"), ("codebook", "read"), ("activation_files", "read"),
                        ("activation_files", "write"), ("multipliers", "multiply"),
                    ):  # fmt: skip
                        twin[name] += entries.count("real")
    return twin


@pytest.mark.twin
@quarter_of_cases
@given(specs(), traces())
def test_counts_as_its_twin(spec, trace):
    found, schedule = counted(machine := Eie(spec), trace)
    assert_products(found, trace, schedule)
    twin = twin_of(spec, trace.layer, trace.weights, trace.activations)
    runs = run(spec, trace.layer, trace.weights, trace.activations)
    written = sum(did.get(Cause.DRAIN, 0) for pes in runs for did in pes)
    twin["activation_sram", "write"] = written + loads_of(machine, "activation_sram", schedule, INPUT)
    twin["activation_sram", "read"] += words(machine, "activation_sram", schedule.stores.total_bytes)
    twin["weight_sram", "write"] = loads_of(machine, "weight_sram", schedule, WEIGHT)
    assert_counts(found, twin)


def test_a_column_that_begins_amid_a_word_reads_it_again():
    """Six and five entries of one PE, eight a word: the second column lies in words 0 and 1."""
    layer = Layer.conv("hand", in_channels=2, out_channels=8, input_size=(1, 1), kernel_size=1)
    mask = np.zeros(layer.weight_shape, bool)
    mask[:6, 0], mask[:5, 1] = True, True
    found, _ = counted(create("eie", {"pes": 1}), LayerTrace(layer, mask, np.ones(layer.input_shape, bool)))
    assert found["weight_sram", "read"] == 1 + 2
    assert found["pointer_sram", "read"] == 4
    assert found["row_adders", "add"] == found["multipliers", "multiply"] == 11
