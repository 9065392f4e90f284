"""The stacked machine: the twin, a tile by hand, every cause provoked, and what each way to store levels moves."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflows.machines.stacked.nested_levels import nested_codes
from dataflows.machines.stacked.stacked import Stacked, StackedSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.stacked import twin as stacked_twin
from tests.dataflows.small_layers import assert_transfers_are_whole, small_traces
from workloads.catalog import load_workload
from workloads.formats import parse as parse_format
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.pruning.methods.nested import Nested, StackedStorage, separate_bits, stacked_bits
from workloads.trace import LayerTrace

LEVELS = ["0.5", "0.1/0.25/0.5", "0.2/0.9", "0.1/0.2/0.3/0.6/1.0"]


@st.composite
def specs(draw):
    levels = draw(st.sampled_from(LEVELS))
    pes, lanes, value_bits = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.sampled_from([8, 16]))
    return StackedSpec(
        levels=levels,
        level=draw(st.integers(0, levels.count("/") + 1)),
        storage=draw(st.sampled_from(["sectioned", "coded", "separate"])),
        loaded=draw(st.sampled_from(["running", "all"])),
        pes=pes,
        lanes=lanes,
        index_bits=draw(st.integers(1, 4)),
        decoded_entries=draw(st.integers(1, 5)),
        input_ports=draw(st.sampled_from([1, 2, 3, 8])),
        input_queue_depth=draw(st.sampled_from([1, 2, 4, 100])),
        value_bits=value_bits,
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 20, 100, 4096])),
        output_buffer_bytes=pes * lanes * value_bits // 4 + draw(st.sampled_from([1, 40, 4096])),
    )


@st.composite
def traces(draw):
    trace = draw(small_traces())
    assume(trace.layer.axes == 2)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.integers(-9, 10, trace.layer.weight_shape) * trace.weight_mask
    return LayerTrace(trace.layer, values, trace.activations) if draw(st.booleans()) else trace


@pytest.mark.twin
@given(specs(), traces())
def test_every_tile_equals_the_twin(spec, trace):
    layer, machine = trace.layer, Stacked(spec)
    schedule = machine.schedule(trace)
    filters = machine.stored_filters(trace.weights)
    plan = machine._plan(layer, filters)
    positions = list(range(math.prod(layer.output_size)))
    blocks = [positions[i : i + spec.lanes] for i in range(0, len(positions), spec.lanes)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    strips = [blocks[end - size : end] for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True)]
    if trace.weight_mask.all():  # stored dense
        read = [[[(place, 1) for place in range(math.prod(layer.weight_shape[1:]))]]] * layer.out_channels
        bits = [len(entries[0]) * spec.value_bits for entries in read]
    else:
        codes = (
            nested_codes(trace.weights, spec.densities, spec.running, len(spec.densities))
            .reshape(layer.out_channels, -1)
            .tolist()
        )
        read, loaded = zip(*(stacked_twin.lists(spec, own) for own in codes), strict=True)
        bits = [stacked_twin.bits(spec, own) for own in loaded]
    cycles, issued = stacked_twin.run(spec, layer, read, strips, plan.filters.tolist())
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, len(plan.filters)))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, len(plan.filters)))
    assert schedule.expected_issued == issued.sum()
    assert filters.bits.tolist() == bits
    check_capacities(schedule)
    # Stored weights are loaded once, for every strip, or for every block of positions.
    assert schedule.loads.bytes_of(Tensor.WEIGHT) in {
        int(plan.weight_bytes.sum()) * times for times in (1, layer.batch * len(strips), layer.batch * len(blocks))
    }
    assert_transfers_are_whole(layer, schedule, spec.value_bits)


@given(traces(), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = Stacked(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


@given(traces(), specs())
def test_levels_nest_around_the_one_that_runs(trace, spec):
    codes = nested_codes(trace.weights, spec.densities, spec.running, len(spec.densities))
    np.testing.assert_array_equal((codes > 0) & (codes <= spec.running), trace.weight_mask)
    sizes = [np.count_nonzero((codes > 0) & (codes <= level)) for level in range(1, len(spec.densities) + 1)]
    for level, (size, density) in enumerate(zip(sizes, spec.densities, strict=True), start=1):
        wanted, kept = round(density * codes.size), trace.weight_nonzeros
        assert size == (
            min(wanted, kept) if level < spec.running else kept if level == spec.running else max(wanted, kept)
        )


LAYER = Layer.conv("l", in_channels=64, out_channels=64, input_size=(14, 14), kernel_size=3, padding=1)


def nested_trace(level, levels="0.1/0.25/0.5", *, values=True):
    whole = (
        np.random.default_rng(5).standard_normal(LAYER.weight_shape) if values else np.ones(LAYER.weight_shape, bool)
    )
    pruned = parse(f"nested:levels={levels},level={level}").pruned(LAYER, whole, np.random.default_rng(6))
    return LayerTrace(LAYER, pruned, np.ones(LAYER.input_shape, bool)), whole


def test_levels_below_the_one_that_runs_are_those_of_the_pruning():
    for level in (1, 2, 3):
        trace, whole = nested_trace(level)
        codes = Nested(levels="0.1/0.25/0.5").level_codes(whole, np.random.default_rng(6))
        found = nested_codes(trace.weights, (0.1, 0.25, 0.5), level, 3)
        np.testing.assert_array_equal(np.where(found <= level, found, 0), np.where(codes <= level, codes, 0))


def weight_bytes(level, **settings):
    trace, _ = nested_trace(level)
    machine = create("stacked", {"level": level, "weight_buffer_bytes": 1 << 20} | settings)
    return machine.schedule(trace).loads.bytes_of(Tensor.WEIGHT)


def test_stored_bits_are_those_of_the_encodings():
    """At the largest level all codes are in the trace. The pruning counts one list through all filters, the machine one
    for each filter, which saves the fillers between them and rounds to bytes."""
    _, whole = nested_trace(3)
    codes = Nested(levels="0.1/0.25/0.5").level_codes(whole, np.random.default_rng(6))
    counted = StackedStorage.count(codes, parse_format("relative:index_bits=8"))
    for storage in ("separate", "coded", "sectioned"):
        found = weight_bytes(3, storage=storage, loaded="all")
        assert found == pytest.approx(getattr(counted, storage) / 8, rel=0.002)


def test_stacking_saves_a_third_of_the_memory_of_separate_levels():
    separate, coded, sectioned = (weight_bytes(3, storage=s, loaded="all") for s in ("separate", "coded", "sectioned"))
    densities = (0.1, 0.25, 0.5)
    assert coded / separate == pytest.approx(stacked_bits(densities, 16, 8) / separate_bits(densities, 16, 8), rel=0.01)
    assert sectioned / separate == pytest.approx(0.5 / 0.85, rel=0.01)
    assert 0.3 < 1 - coded / separate < 0.42


def test_a_mode_reads_the_first_sections_only():
    sectioned = [weight_bytes(level) for level in (1, 2, 3)]
    assert sectioned == sorted(sectioned)
    assert sectioned[0] / sectioned[2] == pytest.approx(0.1 / 0.5, rel=0.01)
    assert len({round(weight_bytes(level, storage="coded"), -3) for level in (1, 2, 3)}) == 1
    assert len({round(weight_bytes(level, loaded="all"), -3) for level in (1, 2, 3)}) == 1


@pytest.mark.parametrize("values", [True, False])
def test_products_are_those_of_the_level_and_coded_lists_cost_small_levels_cycles(values):
    cycles = {}
    for storage in ("sectioned", "coded", "separate"):
        for level, density in ((1, 0.1), (3, 0.5)):
            trace, _ = nested_trace(level, values=values)
            settings = {"level": level, "storage": storage, "dram": {"bandwidth_gbs": float("inf")}}
            report = MachineRun(create("stacked", settings)).layer(trace)
            assert report.issued_macs == round(density * LAYER.weight_count) * 14 * 14
            assert report.notes == ()
            cycles[storage, level] = report.cycles
    assert cycles["sectioned", 1] < 0.3 * cycles["sectioned", 3]
    # Without a bound on the vectors that are sent it would be more: sections wait for ports more than a whole list does.
    assert cycles["coded", 1] > 1.25 * cycles["sectioned", 1]
    assert cycles["separate", 1] == pytest.approx(cycles["sectioned", 1], rel=0.02)


def pointwise(weights, positions=4):
    """1x1 filters (K, C) at a row of positions, all activations non-zero."""
    weights = np.asarray(weights)
    layer = Layer.conv(
        "l", in_channels=weights.shape[1], out_channels=len(weights), input_size=(1, positions), kernel_size=1
    )
    return LayerTrace(layer, weights.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


SMALL = {"levels": "0.25/0.5", "pes": 1, "lanes": 4, "decoded_entries": 2, "index_bits": 8}


def stack(trace, **settings):
    """Cycles by cause, those that are not zero."""
    machine = create("stacked", {"dram": {"bandwidth_gbs": float("inf")}} | SMALL | settings)
    report = MachineRun(machine).layer(trace)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


def test_a_tile_by_hand():
    # Levels 0.25 and 0.5 of 16 weights: the four largest are 9, 8, 7, 6, in filter 0 all but one. Runs of up to 1 zero.
    weights = [[9, 0, 1, 8, 0, 7, 2, 0], [0, 0, 0, 0, 3, 0, 0, 6]]
    spec = StackedSpec(
        levels="0.25/0.5", storage="sectioned", pes=2, lanes=4, decoded_entries=2, index_bits=1, value_bits=8
    )
    schedule = Stacked(spec).schedule(pointwise(weights, positions=5))
    # Filter 0: 9 . 8 . 7 with a filler between 9 and 8 -> (9 F) (8 7); then 1 2 with a filler before 1 and two before 2:
    # (F 1) (F 2), since 3 zeros lie between. Filter 1: 6 behind three fillers (F F) (F 6); 3 behind two (F F) (3).
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [2 * 5, 2 * 2]
    assert schedule.cycles[0, :, Cause.INDEX].tolist() == [0, 2 * 2]
    assert schedule.issued[0].tolist() == [5 * 5, 5 * 2]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == math.ceil((4 + 4 + 4 + 3) * 9 / 8)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 8 * 5
    assert schedule.stores.total_bytes == 2 * 5


def test_busy_alone_and_fragmented_lanes():
    found, report = stack(pointwise([[9, 8, 7, 0]], positions=6))
    assert found == {"busy": 2 * 3}
    assert report.fragmented_lanes == 3 * 2


def test_index_alone_by_weights_of_larger_levels():
    trace = pointwise([[0, 0, 0, 0, 0, 0, 9, 8]])  # level 1; level 2 has two more somewhere
    assert stack(trace, level=1)[0] == {"busy": 2}
    found, _ = stack(trace, level=1, storage="coded", decoded_entries=1)
    assert found == {"busy": 2, "index": 2}


def test_index_alone_by_fillers():
    found, _ = stack(pointwise([[0] * 8 + [9] + [0] * 7]), level=2, levels="0.03125/0.0625", index_bits=1)
    assert found == {"busy": 1, "index": 2}  # four fillers, two at a time


ONE_LIST = {"levels": "0.5", "pes": 2}


def port_and_imbalance(weights, **settings):
    """Cycles of the PEs in wait of vectors and of each other, PE by PE."""
    schedule = Stacked(StackedSpec(**SMALL | ONE_LIST | settings)).schedule(pointwise(weights))
    return schedule.cycles[0][:, [Cause.BUSY, Cause.PORT, Cause.IMBALANCE]].tolist()


def test_a_turn_by_hand_that_waits_for_vectors():
    different = [[9, 0, 8, 0], [0, 7, 0, 6]]  # a vector a cycle: PE 0 has its own in cycles 0 and 2, PE 1 in 1 and 3
    assert port_and_imbalance(different, input_ports=1) == [[2, 1, 1], [2, 2, 0]]
    assert port_and_imbalance(different, input_ports=2) == [[2, 0, 0], [2, 0, 0]]
    assert port_and_imbalance([[9, 0, 8, 0]] * 2, input_ports=1) == [[2, 1 - 1, 0]] * 2  # a vector is sent to both


def test_a_turn_by_hand_that_waits_for_room_in_a_queue():
    apart = [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    # Room for one: PE 0's third is sent in cycle 2, and with it PE 1's first. Room for three: both in cycle 1.
    assert port_and_imbalance(apart, input_ports=2, input_queue_depth=1) == [[3, 0, 2], [3, 2, 0]]
    assert port_and_imbalance(apart, input_ports=2, input_queue_depth=3) == [[3, 0, 1], [3, 1, 0]]


def test_filters_of_a_group_share_vectors_and_others_do_not():
    shared = Layer.conv("l", in_channels=4, out_channels=4, input_size=(1, 4), kernel_size=1)
    apart = Layer.conv("l", in_channels=4, out_channels=4, input_size=(1, 4), kernel_size=1, groups=4)
    machine = Stacked(StackedSpec(**SMALL | {"pes": 4, "input_ports": 1}))
    for layer, port in ((shared, [0, 0, 0, 0]), (apart, [0, 1, 2, 3])):
        trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
        assert machine.schedule(trace).cycles[0, :, Cause.PORT].tolist() == port


def test_a_queue_longer_than_a_list_changes_nothing():
    trace = load_workload("examples/tiny.toml").trace(0)
    columns = math.prod(trace.layer.weight_shape[1:])
    found = [
        Stacked(StackedSpec(input_queue_depth=depth)).schedule(trace).cycles for depth in (columns, columns + 1, 65536)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@given(traces(), specs(), st.sampled_from(["input_ports", "input_queue_depth"]))
def test_more_ports_or_longer_queues_never_cost_a_cycle(trace, spec, setting):
    more = StackedSpec.model_validate(spec.model_dump() | {setting: getattr(spec, setting) + 1})
    few, many = (Stacked(each).schedule(trace).cycles.sum(axis=2) for each in (spec, more))
    assert (many <= few).all()


def test_imbalance_and_unmapped_alone():
    trace = pointwise([[9] * 5 + [0], [9, 8, 0, 0, 0, 0]])
    assert stack(trace, pes=2)[0] == {"busy": 7, "imbalance": 3}
    assert stack(trace, pes=3)[0] == {"busy": 7, "imbalance": 3, "unmapped": 5}


def test_memory_alone():
    found, report = stack(pointwise([[9, 8, 7, 0]]), dram={"bandwidth_gbs": 0.01})
    assert found["memory"] > 0.5 * report.cycles
    assert set(found) <= {"busy", "memory", "unmapped"}


def test_a_level_of_another_density_is_noted():
    _, report = stack(pointwise([[9, 8, 7, 0, 0, 0, 0, 0]]), level=1)
    assert report.notes == ("level 1 should keep 2 of 8 weights but has 3; the others nest with it",)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"levels": "0.5/0.1"}, "levels = 0.5/0.1: must be 1 to 16 rising densities above 0 and up to 1"),
        ({"level": 4}, "level = 4: must be at most 3"),
        (
            {"output_buffer_bytes": 1023},
            "output_buffer_bytes = 1023 cannot hold two blocks of outputs of every PE, 1024 bytes",
        ),
    ],
)
def test_settings_that_cannot_be(settings, text):
    with pytest.raises(ValidationError, match=text):
        StackedSpec(**settings)


def test_settings_without_effect():
    assert list(Stacked(StackedSpec(levels="0.5")).idle_settings()) == ["storage", "loaded"]
    assert list(Stacked(StackedSpec(storage="coded")).idle_settings()) == ["loaded"]
    assert Stacked().idle_settings() == {}


def test_volumes_are_refused():
    volume = Layer.conv("v", in_channels=1, out_channels=1, input_size=(2, 2, 2), kernel_size=1)
    assert "two-dimensional" in (Stacked().refusal(volume) or "")
