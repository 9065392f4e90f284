import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.systolic.systolic import Systolic, SystolicSpec
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.structured import twin as structured_twin
from tests.dataflows.machines.systolic.twin import BackToBackTwin, SystolicTwin, packs_of
from tests.dataflows.small_layers import assert_transfers_are_whole, bytes_loaded, position_bytes, small_layers
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
        fold_overlap=draw(st.sampled_from(["none", "back_to_back"])),
        groups=draw(st.sampled_from(["packed", "alone"])),
        accumulators_per_column=draw(st.integers(1, 9)),
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 300, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 40, 200, 4096])),
        output_buffer_bytes=draw(st.sampled_from([200, 500, 4096])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
    )


def map_stays(spec, shape):
    room = min(spec.input_buffer_bytes, spec.output_buffer_bytes)
    return -(-int(np.prod(shape)) * spec.value_bits // 8) <= room


def strips(spec, layer):
    """Strips as the structured machine cuts them (they share the rule), and whether a block's inputs are too many."""
    buffer_bytes = 1 << 40 if map_stays(spec, layer.input_shape) else spec.input_buffer_bytes
    return structured_twin.strips(
        SimpleNamespace(
            pixels_parallel=spec.block_positions, input_buffer_bytes=buffer_bytes, value_bits=spec.value_bits
        ),
        layer,
        len(packs_of(spec, layer)[0]),
    )


@pytest.mark.twin
@given(specs(), small_layers(many_groups=True))
def test_every_tile_equals_the_twin(spec, layer):
    spec = spec.model_copy(update={"fold_overlap": "none"})
    schedule = Systolic(spec).schedule(dense_trace(layer))
    cycles, issued = SystolicTwin(spec, layer, strips(spec, layer)[0]).run()
    together = len(packs_of(spec, layer)[0])
    filter_blocks = -(-together * layer.group_out_channels // spec.block_filters)
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, filter_blocks))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, filter_blocks))
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(specs(), small_layers(many_groups=True))
def test_folds_back_to_back_equal_the_twin(spec, layer):
    operands_wait = spec.dataflow != "output" and not spec.shadow_registers
    spec = spec.model_copy(update={"fold_overlap": "back_to_back"})
    schedule = Systolic(spec).schedule(dense_trace(layer))
    if operands_wait:
        one_by_one = Systolic(spec.model_copy(update={"fold_overlap": "none"})).schedule(dense_trace(layer))
        np.testing.assert_array_equal(schedule.cycles, one_by_one.cycles)
        return
    cycles, issued = BackToBackTwin(spec, layer, strips(spec, layer)[0]).run()
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == cycles
    np.testing.assert_array_equal(schedule.issued.sum(axis=0), issued)
    busy = schedule.cycles[:, :, Cause.BUSY]
    assert (busy <= schedule.issued).all()
    assert (schedule.issued <= busy * spec.rows).all()


@given(specs(), small_layers(many_groups=True))
def test_a_tile_loads_what_it_needs_and_buffers_hold_it(spec, layer):
    schedule = Systolic(spec).schedule(dense_trace(layer))
    check_capacities(schedule)
    inputs_stay, outputs_stay = (map_stays(spec, shape) for shape in (layer.input_shape, layer.output_shape))
    assert schedule.spills == (not (inputs_stay and outputs_stay))
    if outputs_stay:
        assert schedule.stores.total_bytes == 0
    else:
        assert_transfers_are_whole(layer, schedule, spec.value_bits)
    found, streams = strips(spec, layer)
    assert schedule.buffers[0].streamed == streams
    if inputs_stay:
        assert schedule.loads.bytes_of(Tensor.INPUT) == 0
        own = replace(dense_trace(layer), input_in_dram=True)
        assert Systolic(spec).schedule(own).loads.bytes_of(Tensor.INPUT) >= layer.input_count * spec.value_bits // 8
    together = len(packs_of(spec, layer)[0])
    for tile, strip in enumerate([] if inputs_stay else found):
        loaded = bytes_loaded(layer, schedule, tile)
        assert all(
            loaded[position_bytes(layer, spec.value_bits, at, together)].all()
            for at in structured_twin.inputs_of(layer, strip)
        )
    if spec.value_bits >= 8:
        weights = layer.weight_count * spec.value_bits // 8
        times, left = divmod(schedule.loads.bytes_of(Tensor.WEIGHT), weights)
        assert left == 0
        assert times in (1, layer.batch * len(found), layer.batch * sum(map(len, found)))


@given(small_layers(many_groups=True), specs(), st.integers(0, 2**32 - 1))
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
    spec = SystolicSpec(rows=4, columns=2, accumulators_per_column=4, fold_overlap="none")
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
    hidden = report(layer, rows=4, columns=4, fold_overlap="none")
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
    cycles = [report(one.with_batch(batch), rows=8, columns=8, fold_overlap="none").cycles for batch in (1, 16)]
    assert cycles[1] == cycles[0] + 15 * 8 * 4  # a cycle more for each fold and image


def test_back_to_back_a_fold_takes_as_long_as_its_values_and_no_less_than_its_operands():
    """8 x 4 folds of 8 rows and columns. One image: a fold lasts the 8 cycles in which the next one's weights come; 16
    images: 16 cycles. The first weights come before, the last wave needs 8 + 8 - 2 cycles more."""
    one = Layer.dense("fc", in_features=64, out_features=32)
    assert report(one, rows=8, columns=8).cycles == 8 + 31 * 8 + 1 + 14
    assert report(one.with_batch(16), rows=8, columns=8).cycles == 8 + 32 * 16 + 14


def test_sums_that_stay_leave_before_the_next_are_done():
    """8 positions x 3 deep x 12 filters on 4 x 4, output stationary: 6 folds of 3 values, which wait for 4 sums."""
    assert report(product(8, 3, 12), dataflow="output", rows=4, columns=4).cycles == 3 + 5 * 4 + 6


def test_a_larger_fold_before_a_small_one_ends_last():
    """5 deep, 4 filters, one position on 4 x 4: the second fold (1 row) enters a cycle after the first (4 rows), in cycle
    5, and its wave has left 3 cycles after its only value, in cycle 9; the first's in cycle 4 + 1 + 4 + 4 - 2."""
    found = report(product(1, 5, 4), rows=4, columns=4)
    assert found.cycles == 11


def test_a_tile_counts_only_its_own_rows_as_busy():
    """Two groups of depth 2, one filter, one position on 2 x 1: a value enters in cycle 2 and one in cycle 4, after the
    second row of weights. The first one's second product, in cycle 3, finds the second tile waiting."""
    layer = Layer.conv("two", in_channels=2, out_channels=2, input_size=(1, 2), kernel_size=(1, 2), groups=2)
    schedule = Systolic(SystolicSpec(rows=2, columns=1)).schedule(dense_trace(layer))
    assert schedule.cycles[:, 0][:, [Cause.FILL, Cause.BUSY]].tolist() == [[2, 1], [1, 2]]
    assert schedule.issued.tolist() == [[2], [2]]


def test_groups_lie_on_the_diagonal_by_hand():
    """Five groups of 1 channel x 2 kernel positions and 1 filter, 3 output positions, on 6 x 4: packs of 3 and 2.

    6 rows are shifted in; column j waits j cycles for its wave and 2 j more for its own rows, multiplies 3 values in 2
    rows, and waits for the rows and columns behind: 3 + 6 + 3 - 2 cycles, and 3 + 4 + 2 - 2 of the second pack, whose 4
    rows have come by then."""
    layer = Layer.conv("grouped", in_channels=5, out_channels=5, input_size=(1, 4), kernel_size=(1, 2), groups=5)
    spec = SystolicSpec(rows=6, columns=4, fold_overlap="none")
    schedule = Systolic(spec).schedule(dense_trace(layer))
    assert schedule.issued.tolist() == [[6, 6, 6, 0], [6, 6, 0, 0]]
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[4, 4, 4, 0], [4, 4, 0, 0]]
    assert schedule.cycles[:, :, Cause.FILL].tolist() == [[6, 9, 12, 0], [0, 3, 0, 0]]
    assert schedule.cycles[:, :, Cause.DRAIN].tolist() == [[6, 3, 0, 0], [3, 0, 0, 0]]
    assert report(layer, rows=6, columns=4).cycles == 6 + 3 + 1 + 3 + 4, "the second pack's weights come a cycle late"
    assert Systolic(spec.model_copy(update={"groups": "alone"})).schedule(dense_trace(layer)).tiles == 5


def test_maps_that_fit_both_buffers_stay():
    layer = Layer.conv("kept", in_channels=4, out_channels=4, input_size=(10, 10), kernel_size=3, padding=1)
    for size, moved in ((800, 0), (799, 800)):
        spec = SystolicSpec(rows=4, columns=4, accumulators_per_column=20, input_buffer_bytes=size)
        schedule = Systolic(spec).schedule(dense_trace(layer))
        assert schedule.loads.bytes_of(Tensor.INPUT) == moved
        assert schedule.stores.total_bytes == moved
        assert schedule.spills == bool(moved)


@pytest.mark.parametrize("dataflow", ["weight", "output", "input"])
@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_cycles_of_vgg16_are_the_sum_over_folds(dataflow, layer):
    spec = SystolicSpec(dataflow=dataflow, fold_overlap="none")
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
    accumulators = {"shadow_registers", "accumulators_per_column"}
    assert set(Systolic(SystolicSpec(dataflow="output")).idle_settings()) == accumulators | {"groups"}
    assert Systolic().idle_settings() == {}


def test_settings_without_effect_where_operands_pass_or_come_late_are_named():
    assert set(Systolic(SystolicSpec(dataflow="input")).idle_settings()) == {"groups"}
    assert set(Systolic(SystolicSpec(shadow_registers=False)).idle_settings()) == {"fold_overlap"}
