"""What the parts of both tensor cores do, counted again by walking every tile, and their books."""

import math
from collections import Counter
from itertools import product

import pytest
from hypothesis import given

from dataflows.machines.tensor_core.dstc import Dstc
from dataflows.machines.tensor_core.tensor_core import TensorCore
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.tensor_core.dstc_twin import flattened, lowered
from tests.dataflows.machines.tensor_core.tensor_core_twin import index_bits, is_sparse, runs, slots_kept
from tests.dataflows.machines.tensor_core.test_tensor_core_twins import dstc_cases, tensor_core_cases
from tests.draws import quarter_of_cases


def carried(did, spec, bits):
    """The operands of a tile, on their way from the L2 through shared memory to the registers of a core."""
    sectors, shared = math.ceil(bits / 256), math.ceil(bits / (8 * spec.shared_bytes_per_cycle))
    did["l2", "read"] += sectors
    did["shared_memory", "write"] += shared
    did["shared_memory", "read"] += shared
    did["registers", "write"] += math.ceil(bits / 32)


def tensor_core_walk(spec, trace):
    layer, did = trace.layer, Counter()
    sparse = is_sparse(spec, layer, trace.weights)
    every = runs(spec, layer)
    weights = sum(map(len, every))
    stored = slots_kept(spec, layer) if sparse else weights
    wide = spec.kept_of_group if sparse else spec.group_size
    bits = spec.value_bits + (index_bits(spec.group_size) if sparse else 0)
    positions = layer.batch * math.prod(layer.output_size)
    for _group, first, second in product(
        range(layer.groups),
        range(0, positions, spec.tile_positions),
        range(0, layer.group_out_channels, spec.tile_filters),
    ):
        p, f = min(spec.tile_positions, positions - first), min(spec.tile_filters, layer.group_out_channels - second)
        carried(did, spec, f * stored * bits + p * weights * spec.value_bits)
        for _step in product(
            range(0, f, spec.step_filters),
            range(0, p, spec.step_positions),
            range(0, wide * len(every), spec.step_depth),
        ):
            did["registers", "read"] += math.ceil(spec.step_filters * spec.step_depth * bits / 32)
            depth = math.ceil(spec.step_depth * spec.group_size / spec.kept_of_group) if sparse else spec.step_depth
            did["registers", "read"] += math.ceil(spec.step_positions * depth * spec.value_bits / 32)
            did["registers", "read"] += spec.step_filters * spec.step_positions
            did["registers", "write"] += spec.step_filters * spec.step_positions
        did["registers", "read"] += f * p
        did["adders", "add"] += f * p * stored
        did["selectors", "select"] += f * p * stored if sparse else 0
    return did


def dstc_walk(spec, trace):
    layer, did = trace.layer, Counter()
    p, f = (spec.tile_rows, spec.tile_columns) if spec.left == "inputs" else (spec.tile_columns, spec.tile_rows)
    for group in range(layer.groups):
        windows, kernels = lowered(layer, trace.activations, group), flattened(layer, trace.weights, group)
        for first, second in product(range(0, len(windows), p), range(0, len(kernels), f)):
            inputs, weights = windows[first : first + p], kernels[second : second + f]
            bits = 0
            for chunk in range(0, len(inputs[0]), spec.tile_depth):
                places = range(chunk, min(chunk + spec.tile_depth, len(inputs[0])))
                if not all(any(vector[k] for vector in side for k in places) for side in (inputs, weights)):
                    continue
                for k in places:
                    did["nonzero_counters", "count"] += 2
                    for one, other in product(inputs, weights):
                        did["bitmap_products", "compare"] += 1
                        if one[k] and other[k]:
                            for key in (("adders", "add"), ("scatter", "traverse")):
                                did[key] += 1
                            for action in ("read", "write"):
                                did["accumulation_buffer", action] += 1
                    bits += sum(1 + spec.value_bits * vector[k] for vector in (*inputs, *weights))
            did["registers", "read"] += math.ceil(bits / 32)
            did["accumulation_buffer", "read"] += len(inputs) * len(weights)
            carried(did, spec, bits)
    return did


def assert_equal(machine, trace, walked):
    found, schedule = counted(machine, trace)
    assert_products(found, trace, schedule)
    outputs = words(machine, "l2", schedule.stores.total_bytes)
    walked["l2", "read"] += outputs
    walked["l2", "write"] += outputs + sum(loads_of(machine, "l2", schedule, tensor) for tensor in (INPUT, WEIGHT))
    rest = Counter({key: times for key, times in found.items() if key[0] != "multipliers"})
    assert_counts(rest, walked)


@pytest.mark.twin
@quarter_of_cases
@given(tensor_core_cases())
def test_tensor_core_equals_the_walk(case):
    spec, trace = case
    assert_equal(TensorCore(spec), trace, tensor_core_walk(spec, trace))


@pytest.mark.twin
@quarter_of_cases
@given(dstc_cases())
def test_dstc_equals_the_walk(case):
    spec, trace = case
    assert_equal(Dstc(spec), trace, dstc_walk(spec, trace))
