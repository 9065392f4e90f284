"""DCNN-opt: DCNN's cycles and actions, but for gated multipliers and compressed activations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.dcnn import Dcnn, DcnnSpec
from dataflows.machines.dcnn.dcnn_opt import DcnnOpt, DcnnOptSpec
from dataflows.registry import baseline_of, create
from dataflows.schedule import Tensor
from dataflows.truth.products import count_products
from simulator.network_simulation import MachineRun
from tests.dataflows.machines.dcnn.test_dcnn_actions import counted, specs
from tests.dataflows.small_layers import small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace


def stored_bits(values, run_bits, value_bits=16):
    """What the coder sends of one map, value by value: runs of zeros, placeholders, non-zeros; or the map itself."""
    entries = zeros = 0
    for value in values:
        if value:
            entries += 1 + zeros // 2**run_bits
            zeros = 0
        else:
            zeros += 1
    return min(entries * (value_bits + run_bits), len(values) * value_bits)


@pytest.mark.twin
@given(specs(), small_traces(), st.integers(1, 4), st.booleans())
def test_loads_what_the_coder_sends(spec, trace, run_bits, from_dram):
    trace = LayerTrace(trace.layer, trace.weight_mask, trace.activation_mask, 0.5, input_in_dram=from_dram)
    plain, opt = Dcnn(spec), DcnnOpt(DcnnOptSpec(**spec.model_dump(), zero_run_bits=run_bits))
    dense, schedule = plain.schedule(trace), opt.schedule(trace)
    np.testing.assert_array_equal(schedule.cycles, dense.cycles)
    np.testing.assert_array_equal(schedule.issued, dense.issued)
    layer = trace.layer
    maps = sum(math.ceil(stored_bits(image.reshape(-1), run_bits) / 8) for image in trace.activation_mask)
    as_they_are = layer.batch * math.ceil(layer.input_count // layer.batch * 2)
    times = dense.loads.bytes_of(Tensor.INPUT) // as_they_are
    assert schedule.loads.bytes_of(Tensor.INPUT) == times * maps
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == dense.loads.bytes_of(Tensor.WEIGHT)
    stores, of_dense = (found.stores.bytes_of(Tensor.OUTPUT) for found in (schedule, dense))
    # Half of the outputs in 16 + n bits; where a part of the map is a single value, or few, that is more than as it is.
    assert of_dense * (16 + run_bits) / 32 <= stores <= of_dense if of_dense else stores == 0


@given(specs(), small_traces())
def test_gates_the_products_that_dcnn_makes_with_zeros(spec, trace):
    opt = DcnnOpt(DcnnOptSpec(**spec.model_dump()))
    (_, plain), (_, gated) = counted(Dcnn(spec), trace), counted(opt, trace)
    products = count_products(trace)
    assert gated["multipliers", "multiply"] == plain["multipliers", "multiply"] == products.effectual_macs
    assert gated["multipliers", "gate"] == plain["multipliers", "multiply_zero"]
    assert ("multipliers", "multiply_zero") not in gated
    # Dense words fill the SRAM whatever came over the border.
    other = {"multipliers", "zero_run_coders"}
    for key in (key for key in plain if key[0] not in other and trace.activation_mask.any()):
        assert gated[key] == plain[key]


def test_a_hand_worked_map():
    """32 values of 16 bits, of which the first and the last are not zero: 2 entries and a placeholder of 20 bits.

    They are 60 bits, 8 bytes instead of 64; the coder makes 32 values of them again.
    """
    layer = Layer.conv("hand", in_channels=1, out_channels=1, input_size=(4, 8), kernel_size=1)
    activations = np.zeros(layer.input_shape, bool)
    activations.flat[[0, 31]] = True
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), activations, input_in_dram=True)
    schedule, did = counted(DcnnOpt(), trace)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 8
    assert did["zero_run_coders", "count"] == 32
    assert did["input_sram", "write"] == 2
    assert (did["multipliers", "multiply"], did["multipliers", "gate"]) == (2, 30)


def test_a_full_map_goes_as_it_is():
    layer = Layer.conv("full", in_channels=1, out_channels=1, input_size=(4, 8), kernel_size=1)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool), input_in_dram=True)
    assert DcnnOpt().schedule(trace).loads.bytes_of(Tensor.INPUT) == 64


def test_its_baseline_is_dcnn_of_its_size():
    opt = create("dcnn-opt", {"pe_rows": 4, "sram_bytes": 1 << 16})
    baseline = baseline_of(opt)
    assert baseline.name == "dcnn"
    assert isinstance(baseline.spec, DcnnSpec)
    assert (baseline.spec.pe_rows, baseline.spec.sram_bytes) == (4, 1 << 16)
    layer = Layer.conv("one", in_channels=16, out_channels=16, input_size=(8, 8), kernel_size=3, padding=1)
    half = np.arange(layer.input_count).reshape(layer.input_shape) % 2 == 0
    report = MachineRun(opt).layer(LayerTrace(layer, np.ones(layer.weight_shape, bool), half))
    assert report.speedup == 1.0


def test_stored_maps():
    machine = DcnnOpt()
    assert machine.stored_map_bytes(11, 3) == 8  # 3 x 20 bits
    assert machine.stored_map_bytes(11, 11) == 22  # not 28: as it is
