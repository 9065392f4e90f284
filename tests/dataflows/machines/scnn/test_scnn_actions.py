"""SCNN's counted actions against a walk through its description, its books, and a hand-worked layer."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.hardware.components import Kind
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Tensor
from dataflows.truth.products import count_products
from tests.dataflows.machines.scnn.actions_twin import planar_actions, sliced_actions
from tests.dataflows.machines.scnn.cases import layers, specs, tight_specs, traces
from tests.draws import quarter_of_cases
from workloads.layer import Layer
from workloads.trace import LayerTrace

# What follows from bytes and densities, not from steps.
OF_BYTES = {("iaram", "write"), ("oaram", "read"), ("oaram", "write")}
OF_OUTPUTS = {"post_processing", "zero_run_coders"}


def counted(spec, trace):
    machine = Scnn(spec)
    schedule = machine.schedule(trace)
    return schedule, machine.actions(trace, schedule, count_products(trace).effectual_macs)


def times(counts):
    return {(name, action.value): n for (name, action), n in counts.counts.items()}


def assume_runs(spec, trace):
    assume(Scnn(spec).refusal(trace.layer) is None)


def assert_equal_to_twin(spec, trace, twin):
    assume_runs(spec, trace)
    _, counts = counted(spec, trace)
    skipped = OF_OUTPUTS | {"multipliers"}
    found = {key: n for key, n in times(counts).items() if key not in OF_BYTES and key[0] not in skipped and n}
    assert found == {key: n for key, n in twin(spec, trace).items() if n}


@pytest.mark.twin
@quarter_of_cases
@given(st.data())
def test_planar_layers(data):
    layer = data.draw(layers())
    assume(max(layer.input_size) > 1 or max(layer.kernel_size) > 1)
    spec = data.draw(tight_specs() if data.draw(st.integers(0, 3)) == 3 else specs())
    assert_equal_to_twin(spec, data.draw(traces(layer)), planar_actions)


@pytest.mark.twin
@quarter_of_cases
@given(st.data())
def test_fully_connected_layers(data):
    layer = data.draw(layers(one_position=True))
    assert_equal_to_twin(data.draw(specs()), data.draw(traces(layer)), sliced_actions)


@given(st.data())
def test_books(data):
    trace = data.draw(traces(data.draw(layers(one_position=data.draw(st.booleans())))))
    spec = data.draw(specs())
    assume_runs(spec, trace)
    schedule, counts = counted(spec, trace)
    did, issued = times(counts), int(schedule.issued.sum())
    assert did["multipliers", "multiply"] + did["multipliers", "multiply_zero"] == issued
    if spec.skip == "both":
        assert did["multipliers", "multiply_zero"] == 0
    # Accumulators are written by every product, and by what halos bring.
    assert did["accumulators", "write"] == issued + did["halo_links", "traverse"]
    assert did["scatter_crossbar", "traverse"] == did["coordinate_adders", "add"] == issued
    assert did["accumulator_adders", "add"] == did["accumulators", "write"]
    # A vector of F weights meets one of I activations in every step.
    assert issued <= did["weight_fifo", "read"] * spec.weights_per_vector * spec.activations_per_vector
    word = spec.activations_per_vector * spec.activation_bits
    for key, size in ((("iaram", "write"), schedule.loads.bytes_of(Tensor.INPUT)),
                      (("oaram", "read"), schedule.stores.bytes_of(Tensor.OUTPUT))):  # fmt: skip
        assert (did[key] - 1) * word < 8 * size <= did[key] * word or size == did[key] == 0
    stored = spec.rams.output_entries(trace.layer.output_count, trace.output_density)
    assert did["oaram", "write"] == -(-int(stored) // spec.activations_per_vector)


@given(st.data())
def test_fewer_nonzeros_never_mean_more_products_on_their_way(data):
    trace = data.draw(traces(data.draw(layers())))
    kept = np.random.default_rng(data.draw(st.integers(0, 99))).random(trace.layer.weight_shape) < 0.5
    spec = data.draw(specs())
    assume_runs(spec, trace)
    fewer = LayerTrace(trace.layer, trace.weight_mask & kept, trace.activation_mask, trace.output_density)
    more_did, fewer_did = (times(counted(spec, one)[1]) for one in (trace, fewer))
    for key in (("multipliers", "multiply"), ("scatter_crossbar", "traverse"), ("accumulators", "write")):
        assert fewer_did[key] <= more_did[key]


def test_a_hand_worked_layer():
    """A row of 3 activations under 2 taps on one PE of 2 x 2 multipliers; the middle activation is zero.

    The list has 2 entries, one vector; 3 filters x 2 taps are 6 weights, 3 vectors of 2: 3 steps, 12 products, of which
    those of the last activation with the second tap, and so on, fall outside the map, into the halo of one column.
    """
    layer = Layer.conv("hand", in_channels=1, out_channels=3, input_size=(1, 3), kernel_size=(1, 2))
    spec = ScnnSpec(pe_rows=1, pe_columns=1, weights_per_vector=2, activations_per_vector=2, output_channel_group=4)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.array([1, 0, 1], bool).reshape(1, 1, 1, 3), 0.5)
    did = times(counted(spec, trace)[1])
    assert did == {
        ("multipliers", "multiply"): 12,
        ("multipliers", "multiply_zero"): 0,
        ("coordinate_adders", "add"): 12,
        ("zero_run_decoders", "add"): 3 * 2 + 1 * 2,
        ("scatter_crossbar", "traverse"): 12,
        ("bank_queues", "read"): 12,
        ("bank_queues", "write"): 12,
        # 3 filters of 4 sums leave, of which 1 each is the halo's, and is added elsewhere.
        ("accumulator_adders", "add"): 12 + 3,
        ("accumulators", "read"): 12 + 12 + 3,
        ("accumulators", "write"): 12 + 3,
        ("halo_links", "traverse"): 3,
        # 3 filters have 2 outputs each, half of which are not zero.
        ("post_processing", "compare"): 6,
        ("zero_run_coders", "count"): 6,
        ("activation_registers", "read"): 0,
        ("activation_registers", "write"): 1,
        ("activation_broadcast", "traverse"): 0,
        ("iaram", "read"): 1,
        ("iaram", "write"): 0,
        ("oaram", "read"): 0,
        ("oaram", "write"): 2,
        ("weight_fifo", "read"): 3,
        ("weight_fifo", "write"): 3,
        ("weight_broadcast", "traverse"): 3,
    }


def test_components_are_those_of_table_ii():
    """64 PEs of 16 multipliers, 10 KB of IARAM and of OARAM, 500 bytes of FIFO, 32 banks of 32 sums of 24 bits, twice."""
    parts = {part.name: part for part in Scnn().components()}
    assert parts["multipliers"].count == 1024
    assert [parts[name].bank_bytes for name in ("iaram", "oaram", "weight_fifo")] == [10240, 10240, 500]
    sums = parts["accumulators"]
    assert (sums.count, sums.banks, sums.bank_words, sums.bits) == (128, 32, 32, 24)
    assert (parts["scatter_crossbar"].inputs, parts["scatter_crossbar"].outputs) == (16, 32)
    assert parts["scatter_crossbar"].bits == 24 + 5
    assert [part.name for part in Scnn().components() if part.kind is Kind.MULTIPLIER] == ["multipliers"]
