"""DCNN's counted actions against a walk through its description, and its books."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.dcnn import Dcnn, DcnnSpec
from dataflows.schedule import Tensor
from dataflows.truth.products import count_products
from simulator.network_simulation import dense_trace
from tests.dataflows.machines.dcnn.actions_twin import ActionsTwin
from tests.dataflows.small_layers import small_traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace

OF_BYTES = {("input_sram", "write"), ("output_sram", "read")}


@st.composite
def specs(draw):
    return DcnnSpec(
        pe_rows=draw(st.integers(1, 3)),
        pe_columns=draw(st.integers(1, 3)),
        multipliers_per_pe=draw(st.integers(1, 5)),
        output_channel_group=draw(st.sampled_from([1, 2, 3, 12])),
        sram_bytes=draw(st.sampled_from([128, 512, 1 << 20])),
    )


def counted(machine, trace):
    schedule = machine.schedule(trace)
    counts = machine.actions(trace, schedule, count_products(trace).effectual_macs)
    return schedule, {(name, action.value): n for (name, action), n in counts.counts.items()}


@pytest.mark.twin
@quarter_of_cases
@given(specs(), small_traces())
def test_equal_to_the_twin(spec, trace):
    _, did = counted(Dcnn(spec), trace)
    found = {key: n for key, n in did.items() if key not in OF_BYTES and key[0] != "multipliers" and n}
    assert found == {key: n for key, n in ActionsTwin(spec, trace.layer).count().items() if n}


@given(specs(), small_traces())
def test_books(spec, trace):
    schedule, did = counted(Dcnn(spec), trace)
    issued, lanes = int(schedule.issued.sum()), spec.multipliers_per_pe
    assert did["multipliers", "multiply"] == count_products(trace).effectual_macs
    assert did["multipliers", "multiply"] + did["multipliers", "multiply_zero"] == issued == trace.layer.dense_macs
    # A product is added once, in a tree or to a partial sum; a partial sum is written once a dot product.
    assert did.get(("adder_trees", "add"), 0) + did["accumulator_adders", "add"] == issued
    assert did["accumulators", "write"] == did["accumulator_adders", "add"] == did["weight_buffer", "read"]
    assert did["accumulators", "read"] == did["accumulators", "write"] + trace.layer.output_count
    word = 2 * lanes
    assert did["input_sram", "write"] == -(-schedule.loads.bytes_of(Tensor.INPUT) // word)
    assert did["output_sram", "read"] == -(-schedule.stores.bytes_of(Tensor.OUTPUT) // word)


@given(specs(), small_traces())
def test_zeros_change_what_is_multiplied_and_nothing_else(spec, trace):
    full = dense_trace(trace.layer, input_in_dram=trace.input_in_dram)
    (_, did), (_, of_full) = (counted(Dcnn(spec), one) for one in (trace, full))
    assert {key for key in did if did[key] != of_full[key]} <= {
        ("multipliers", "multiply"),
        ("multipliers", "multiply_zero"),
    }
    assert did["multipliers", "multiply"] <= of_full["multipliers", "multiply"]


def test_a_hand_worked_layer():
    """5 channels under a row of 2 taps, 2 filters, on one PE of 4 lanes; the map has 3 positions, 2 outputs.

    A position is 2 vectors, of 4 channels and 1: 2 outputs x 2 filters x 2 taps x 2 vectors are 16 dot products of 40
    products. Each of the 3 positions is read as 2 vectors, once for both filters.
    """
    layer = Layer.conv("hand", in_channels=5, out_channels=2, input_size=(1, 3), kernel_size=(1, 2))
    machine = Dcnn(DcnnSpec(pe_rows=1, pe_columns=1, multipliers_per_pe=4))
    trace = dense_trace(layer)
    masks = trace.weight_mask.copy(), trace.activation_mask
    masks[0][0] = False
    _, did = counted(machine, LayerTrace(layer, *masks))
    assert did == {
        ("multipliers", "multiply"): 20,
        ("multipliers", "multiply_zero"): 20,
        ("adder_trees", "add"): 24,
        ("accumulator_adders", "add"): 16,
        ("accumulators", "read"): 16 + 4,
        ("accumulators", "write"): 16,
        ("post_processing", "compare"): 4,
        ("input_sram", "read"): 6,
        ("input_sram", "write"): 0,
        ("output_sram", "read"): 0,
        ("output_sram", "write"): 1,
        ("input_registers", "read"): 0,
        ("input_registers", "write"): 6,
        ("input_broadcast", "traverse"): 0,
        ("weight_buffer", "read"): 16,
        ("weight_buffer", "write"): 8,
        ("weight_broadcast", "traverse"): 8,
    }
