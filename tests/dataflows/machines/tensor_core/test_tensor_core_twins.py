"""Both tensor cores against their slow twins, bit for bit, over random small machines and layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.tensor_core.dstc import Dstc
from dataflows.machines.tensor_core.spec import DstcSpec, TensorCoreSpec
from dataflows.machines.tensor_core.tensor_core import TensorCore
from tests.dataflows.machines.tensor_core import dstc_twin, tensor_core_twin
from tests.dataflows.small_layers import small_layers, small_traces
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.trace import LayerTrace


@st.composite
def products(draw):
    """Fully connected layers, and products of two activations."""
    small = st.integers(1, 20)
    if draw(st.booleans()):
        layer = Layer.dense("fc", in_features=draw(small), out_features=draw(small), batch=draw(st.integers(1, 7)))
    else:
        layer = Layer.product("heads", heads=2, rows=draw(small), depth=draw(small), columns=draw(small))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    densities = draw(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 1.0])] * 2))
    return LayerTrace(
        layer, random.random(layer.weight_shape) < densities[0], random.random(layer.input_shape) < densities[1]
    )


@st.composite
def nm_traces(draw, kept, size):
    """Weights of which n of every m channels stay, and now and then one more."""
    layer = draw(small_layers())
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = parse(f"nm:n={kept},m={size}").keep(layer, np.ones(layer.weight_shape, bool), random)
    if draw(st.booleans()):
        weights = weights & (random.random(layer.weight_shape) < 0.7)
    if draw(st.booleans()):
        weights.reshape(-1)[random.integers(weights.size)] = True
    return LayerTrace(layer, weights, random.random(layer.input_shape) < 0.5)


@st.composite
def tensor_core_cases(draw):
    size = draw(st.integers(1, 5))
    kept = draw(st.integers(1, size))
    bits = draw(st.sampled_from([4, 8, 16, 32]))
    spec = TensorCoreSpec(
        cores=draw(st.integers(1, 7)),
        macs_per_core=draw(st.integers(1, 40)),
        step_filters=draw(st.integers(1, 4)),
        step_positions=draw(st.integers(1, 4)),
        step_depth=draw(st.integers(1, 5)),
        kept_of_group=kept,
        group_size=size,
        sparse=draw(st.sampled_from(["where_possible", "where_possible", "never"])),
        tile_filters=draw(st.integers(1, 6)),
        tile_positions=draw(st.integers(1, 9)),
        shared_bytes_per_cycle=draw(st.integers(1, 20)),
        tile_fill_cycles=draw(st.integers(0, 3)),
        value_bits=bits,
        l2_bytes=draw(st.sampled_from([64, 4096, 1 << 20])),
    )
    return spec, draw(small_traces() | products() | nm_traces(kept, size))


@st.composite
def dstc_cases(draw):
    spec = DstcSpec(
        cores=draw(st.integers(1, 7)),
        step_rows=draw(st.integers(1, 4)),
        step_columns=draw(st.integers(1, 4)),
        tile_rows=draw(st.integers(1, 9)),
        tile_columns=draw(st.integers(1, 9)),
        tile_depth=draw(st.integers(1, 6)),
        set_cycles=draw(st.integers(0, 3)),
        tile_fill_cycles=draw(st.integers(0, 3)),
        left=draw(st.sampled_from(["inputs", "weights"])),
        shared_bytes_per_cycle=draw(st.integers(1, 20)),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
        l2_bytes=draw(st.sampled_from([64, 4096, 1 << 20])),
    )
    return spec, draw(small_traces(many_groups=True) | products())


def equal(schedule, cycles, issued):
    np.testing.assert_array_equal(schedule.cycles, cycles[None])
    np.testing.assert_array_equal(schedule.issued, issued[None])
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(tensor_core_cases())
def test_tensor_core_equals_its_twin(case):
    spec, trace = case
    equal(TensorCore(spec).schedule(trace), *tensor_core_twin.twin(spec, trace.layer, trace.weights, trace.activations))


@pytest.mark.twin
@given(dstc_cases())
def test_dstc_equals_its_twin(case):
    spec, trace = case
    equal(Dstc(spec).schedule(trace), *dstc_twin.twin(spec, trace.layer, trace.weights, trace.activations))
