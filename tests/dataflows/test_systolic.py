import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.reference import reference_convolution
from dataflows.schedule import Cause, Tensor
from dataflows.systolic import Systolic, SystolicSpec
from simulator.layer_simulation import check_capacities
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows import structured_twin
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.small_layers import assert_transfers_are_whole, bytes_loaded, position_bytes, small_layers
from tests.dataflows.systolic_twin import SystolicTwin
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace

INFINITE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}}


@st.composite
def specs(draw):
    return SystolicSpec(
        dataflow=draw(st.sampled_from(["weight", "output", "input"])),
        rows=draw(st.integers(1, 5)),
        columns=draw(st.integers(1, 4)),
        shadow_registers=draw(st.booleans()),
        accumulators_per_column=draw(st.integers(1, 9)),
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 40, 200, 4096])),
        output_buffer_bytes=draw(st.sampled_from([200, 500, 4096])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
    )


def strips(spec, layer):
    """Strips as the structured machine cuts them (they share the rule), and whether a block's inputs are too many."""
    return structured_twin.strips(
        SimpleNamespace(
            pixels_parallel=spec.block_positions,
            input_buffer_bytes=spec.input_buffer_bytes,
            value_bits=spec.value_bits,
        ),
        layer,
    )


@pytest.mark.twin
@given(specs(), small_layers())
def test_every_tile_equals_the_twin(spec, layer):
    schedule = Systolic(spec).schedule(dense_trace(layer))
    cycles, issued = SystolicTwin(spec, layer, strips(spec, layer)[0]).run()
    filter_blocks = -(-layer.group_out_channels // spec.block_filters)
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, filter_blocks))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, filter_blocks))
    assert schedule.expected_issued == issued.sum()


@given(specs(), small_layers())
def test_a_tile_loads_what_it_needs_and_buffers_hold_it(spec, layer):
    schedule = Systolic(spec).schedule(dense_trace(layer))
    check_capacities(schedule)
    assert_transfers_are_whole(layer, schedule, spec.value_bits)
    found, streams = strips(spec, layer)
    assert schedule.buffers[0].streamed == streams
    for tile, strip in enumerate(found):
        loaded = bytes_loaded(layer, schedule, tile)
        assert all(
            loaded[position_bytes(layer, spec.value_bits, at)].all() for at in structured_twin.inputs_of(layer, strip)
        )
    if spec.value_bits >= 8:
        weights = layer.weight_count * spec.value_bits // 8
        times, left = divmod(schedule.loads.bytes_of(Tensor.WEIGHT), weights)
        assert left == 0
        assert times in (1, layer.batch * len(found), layer.batch * sum(map(len, found)))


@given(small_layers(), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(layer, spec, seed):
    random = np.random.default_rng(seed)
    weights, activations = random.integers(-7, 8, layer.weight_shape), random.integers(-7, 8, layer.input_shape)
    computed = Systolic(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


def product(positions, depth, filters):
    """A layer that is a product of (positions x depth) and (depth x filters)."""
    return Layer.conv("product", in_channels=depth, out_channels=filters, input_size=(1, positions), kernel_size=1)


def report(layer, **settings):
    return MachineRun(Systolic(SystolicSpec.model_validate(INFINITE | settings))).layer(dense_trace(layer))


@pytest.mark.parametrize(("side", "cycles"), [(1, 1), (2, 4), (4, 10), (8, 22)])
def test_textbook_counts_of_an_output_stationary_array(side, cycles):
    found = report(product(side, side, side), dataflow="output", rows=side, columns=side)
    assert found.cycles == cycles == 3 * side - 2


@pytest.mark.parametrize(("dataflow", "shape"), [("weight", (10, 4, 3)), ("input", (3, 4, 10))])
def test_textbook_counts_when_an_operand_stays(dataflow, shape):
    """4 rows shift in, then 10 values pass through 4 rows and 3 columns."""
    found = report(product(*shape), dataflow=dataflow, rows=4, columns=3)
    assert found.cycles == 4 + 10 + 4 + 3 - 2
    assert found.issued_macs == 10 * 4 * 3


def test_a_fold_by_hand():
    """2x2x2 on 2x2, output stationary: column 0 is busy in cycles 0 to 2, column 1 in 1 to 3; one lane in both ends."""
    spec = SystolicSpec(dataflow="output", rows=2, columns=2)
    schedule = Systolic(spec).schedule(dense_trace(product(2, 2, 2)))
    assert schedule.cycles[0][:, [Cause.FILL, Cause.BUSY, Cause.DRAIN]].tolist() == [[0, 3, 1], [1, 3, 0]]
    assert schedule.issued.tolist() == [[4, 4]]


def test_folds_by_hand():
    """5 positions, depth 5, 3 filters on 4 rows and 2 columns, weight stationary, 2 sums a column at a time: blocks of
    2, 2 and 1 positions; folds of 4 and 1 rows last 6 and 3 cycles, with 1 column 5 and 2; of 1 position one less."""
    spec = SystolicSpec(rows=4, columns=2, accumulators_per_column=4)
    schedule = Systolic(spec).schedule(dense_trace(product(5, 5, 3)))
    assert schedule.tiles == 1
    # The first fold waits for 4 rows; later first folds for 1 row more than the 3 cycles of the fold before, or 2 more
    # than 2, or 3 more than 1: the second filter block starts after a fold of 1 + 1 + 2 - 2 = 2 cycles.
    fill = schedule.cycles[:, :, Cause.FILL].tolist()
    assert fill == [[4 + 1 + 1 + 2 + 2 + 2, 4 + 1 + 1 + 6]]
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[5 + 2 + 5 + 2 + 4 + 1 + 19, 19]]
    assert schedule.cycles[:, :, Cause.DRAIN].tolist() == [[6, 0]]
    assert schedule.cycles[:, :, Cause.UNMAPPED].tolist() == [[0, 19 + 6]], "the third filter leaves column 1 idle"
    assert schedule.issued.tolist() == [[50, 25]]


def test_without_shadow_registers_every_fold_waits_for_its_operands():
    layer = product(10, 12, 4)
    hidden = report(layer, rows=4, columns=4)
    waiting = report(layer, rows=4, columns=4, shadow_registers=False)
    assert hidden.cycles == 4 + 3 * (10 + 4 + 4 - 2)
    assert waiting.cycles == hidden.cycles + 2 * 4


@pytest.mark.parametrize("dataflow", ["weight", "output", "input"])
def test_a_ragged_edge_leaves_columns_unmapped_and_lanes_empty(dataflow):
    found = report(product(5, 6, 7), dataflow=dataflow, rows=8, columns=8)
    columns = 5 if dataflow == "input" else 7
    assert found.pe_cycle_stack["unmapped"] == (8 - columns) * found.cycles
    assert found.fragmented_lanes > 0


def test_memory_alone_makes_the_array_wait():
    layer = product(64, 64, 64)
    fast = report(layer, rows=8, columns=8)
    slow = report(layer, rows=8, columns=8, dram={"bandwidth_gbs": 0.1, "latency_ns": 0.0})
    assert fast.pe_cycle_stack["memory"] == 0
    assert slow.pe_cycle_stack["memory"] > 0
    assert slow.pe_cycle_stack["busy"] == fast.pe_cycle_stack["busy"]


def test_last_positions_of_an_input_stationary_layer_leave_columns_waiting():
    found = report(product(6, 2, 3), dataflow="input", rows=2, columns=4)
    assert found.pe_cycle_stack["imbalance"] > 0  # two columns have nothing in the second block of positions


def test_images_of_a_fully_connected_layer_share_the_weights_in_the_array():
    one = Layer.dense("fc", in_features=64, out_features=32)
    cycles = [report(one.with_batch(batch), rows=8, columns=8).cycles for batch in (1, 16)]
    assert cycles[1] == cycles[0] + 15 * 8 * 4  # a cycle more for each fold and image


@pytest.mark.parametrize("dataflow", ["weight", "output", "input"])
@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_cycles_of_vgg16_are_the_sum_over_folds(dataflow, layer):
    spec = SystolicSpec(dataflow=dataflow)
    schedule = Systolic(spec).schedule(dense_trace(layer))
    positions = int(np.prod(layer.output_size))
    depth = layer.weight_count // layer.out_channels
    sides = {
        "output": (positions, layer.out_channels, depth, None),
        "weight": (depth, layer.out_channels, positions, 2048),
        "input": (depth, positions, layer.out_channels, 2048),
    }
    down, across, through, half = sides[dataflow]

    def pieces(size, step):
        return [min(step, size - start) for start in range(0, size, step)]

    folds = itertools.product(pieces(down, 128), pieces(across, 128), pieces(through, half or through))
    expected = sum(n + r + c - 2 for r, c, n in folds)
    loads = 0 if dataflow == "output" else schedule.cycles[:, 0, Cause.FILL].sum()
    busiest = schedule.cycles.sum(axis=2).max(axis=1).sum()
    assert busiest == expected + loads
    assert loads <= 128 * schedule.tiles
    assert schedule.tiles < 2000


def test_zeros_change_nothing():
    layer = product(9, 9, 9)
    empty = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    first, second = (Systolic().schedule(trace) for trace in (dense_trace(layer), empty))
    np.testing.assert_array_equal(first.cycles, second.cycles)
    assert first.loads.total_bytes == second.loads.total_bytes


def test_an_output_buffer_for_less_than_two_blocks_is_refused():
    with pytest.raises(ValueError, match="cannot hold two blocks of 2048 positions x 128 filters, 1048576 bytes"):
        SystolicSpec(output_buffer_bytes=1000)


def test_settings_of_the_accumulators_are_idle_when_outputs_stay():
    assert set(Systolic(SystolicSpec(dataflow="output")).idle_settings()) == {
        "shadow_registers",
        "accumulators_per_column",
    }
    assert Systolic().idle_settings() == {}
