"""ABM-SpConv: the twin, a tile by hand, every cause provoked, values and codes, outputs value by value."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflows.machines.abm import Abm, AbmSpec, SparseYoloSpec, expected_distinct, group_by_value
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.abm import twin as abm_twin
from tests.dataflows.small_layers import assert_transfers_are_whole, small_traces
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    cores, adders = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    return AbmSpec(
        cores=cores,
        adders_per_core=adders,
        multipliers_per_core=draw(st.integers(1, 4)),
        codebook_values=draw(st.sampled_from([1, 3, 255])),
        mask_codebook_values=draw(st.sampled_from([1, 2, 7, 16])),
        encoded_weight_bits=draw(st.sampled_from([5, 16])),
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 20, 100, 4096])),
        output_buffer_bytes=2 * cores * adders + draw(st.sampled_from([0, 40, 4096])),
    )


@st.composite
def traces(draw):
    given = draw(small_traces())
    if draw(st.booleans()):
        return replace(given, codebook_values=draw(st.sampled_from([None, 1, 5, 300])))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn = random.choice(np.array([-2.5, -1.0, 0.5, 3.0]), given.layer.weight_shape)
    return LayerTrace(given.layer, drawn * given.weight_mask, given.activations)


def pointwise(weights, positions=4):
    """1x1 filters (K, C) at a row of positions, all activations non-zero."""
    weights = np.asarray(weights)
    layer = Layer.conv(
        "l", in_channels=weights.shape[1], out_channels=len(weights), input_size=(1, positions), kernel_size=1
    )
    return LayerTrace(layer, weights.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


QUANTIZED = replace(pointwise(np.ones((3, 12), bool)), codebook_values=5)  # of three kernels, the multipliers decide


@pytest.mark.twin
@given(specs(), traces())
@example(AbmSpec(cores=2, adders_per_core=3, multipliers_per_core=1), QUANTIZED)
def test_every_tile_equals_the_twin(spec, trace):
    layer, machine = trace.layer, Abm(spec)
    schedule = machine.schedule(trace)
    nonzeros = np.count_nonzero(trace.weight_mask.reshape(layer.out_channels, -1), axis=1)
    plan = machine._plan(replace(layer, groups=1), nonzeros)
    positions = list(range(math.prod(layer.output_size)))
    blocks = [positions[i : i + spec.adders_per_core] for i in range(0, len(positions), spec.adders_per_core)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    strips = [blocks[end - size : end] for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True)]
    cycles, issued = abm_twin.run(spec, trace, strips, plan.filters.tolist())
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, len(plan.filters)))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, len(plan.filters)))
    assert schedule.expected_issued == issued.sum()
    check_capacities(schedule)
    # Encoded non-zeros are loaded once, for every strip, or for every block of positions.
    loads = schedule.loads.bytes_of(Tensor.WEIGHT)
    assert plan.weight_bytes.sum() >= trace.weight_nonzeros * spec.encoded_weight_bits / 8
    assert loads in {
        int(plan.weight_bytes.sum()) * times for times in (1, layer.batch * len(strips), layer.batch * len(blocks))
    }
    assert_transfers_are_whole(layer, schedule, spec.value_bits)


@given(small_traces(), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = Abm(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


@given(st.lists(st.sampled_from([0, 0, -3, 1, 4]), min_size=1, max_size=30))
def test_groups_are_the_values_of_a_filter(weights):
    values, ends, order = group_by_value(np.array(weights))
    groups = np.split(order, ends)[:-1]
    assert values.tolist() == sorted({weight for weight in weights if weight})
    for value, places in zip(values, groups, strict=True):
        assert places.tolist() == [i for i, weight in enumerate(weights) if weight == value]


def stack(given, **settings):
    """Cycles by cause, those that are not zero."""
    machine = create("abm", {"dram": {"bandwidth_gbs": float("inf")}, **settings})
    report = MachineRun(machine).layer(given)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


SMALL = {"cores": 1, "adders_per_core": 4, "multipliers_per_core": 2}


def test_a_tile_by_hand():
    # Two cores, four adders and two multipliers each; five positions are blocks of four and one.
    # Core 0: filter 0 (four non-zeros, two values): max(4, 4) + max(4, 1); filter 2 (one): max(1, 2) + max(1, 1).
    # Core 1: filter 1 (three, all different): max(3, 6) + max(3, 2).
    given = pointwise([[7, 7, 5, 5], [1, 2, 0, 3], [0, 0, 9, 0]], positions=5)
    spec = AbmSpec(cores=2, adders_per_core=4, multipliers_per_core=2)
    schedule = Abm(spec).schedule(given)
    assert schedule.tiles == 1
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [4 + 4 + 2 + 1, 6 + 3]
    assert schedule.cycles[0, :, Cause.IMBALANCE].tolist() == [0, 2]
    assert schedule.cycles.sum() == 11 + 11  # no other cause
    assert schedule.issued[0].tolist() == [25, 15]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == 8 * 2
    assert schedule.loads.bytes_of(Tensor.INPUT) == 4 * 5
    assert schedule.stores.total_bytes == 3 * 5


def test_additions_alone():
    found, report = stack(pointwise([[2] * 6]), **SMALL)
    assert found == {"busy": 6}
    assert (report.issued_macs, report.fragmented_lanes) == (24, 0)


def test_multiplications_of_distinct_values_hold_the_adders():
    found, report = stack(pointwise([[1, 2, 3, 4, 5, 6]]), **SMALL)
    assert found == {"busy": 12}  # 24 products, two a cycle
    assert report.fragmented_lanes == 6 * 4  # the adders have nothing to do in half of them


def test_imbalance_alone():
    found, report = stack(pointwise([[1] * 6, [1] * 2 + [0] * 4]), **SMALL | {"cores": 2})
    assert found == {"busy": 8, "imbalance": 4}
    assert report.load_imbalance == 6 / 4


def test_unmapped_alone():
    found, _ = stack(pointwise([[1] * 6]), **SMALL | {"cores": 3})
    assert found == {"busy": 6, "unmapped": 12}


def test_fragmented_lanes_alone():
    found, report = stack(pointwise([[1] * 6], positions=5), **SMALL)
    assert found == {"busy": 12}
    assert report.fragmented_lanes == 6 * 3


def test_memory_alone():
    found, _ = stack(pointwise([[1] * 6]), **SMALL | {"dram": {"bandwidth_gbs": 0.1, "latency_ns": 0.0}})
    assert found.pop("memory") > 0
    assert found == {"busy": 6}


def test_zero_activations_and_padding_are_added_like_others():
    layer = Layer.conv("padded", in_channels=2, out_channels=1, input_size=(3, 3), kernel_size=3, padding=1)
    zeros = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    assert Abm().schedule(zeros).issued.sum() == 18 * 9


def test_kernels_of_different_groups_run_side_by_side():
    layer = Layer.conv("depthwise", in_channels=6, out_channels=6, input_size=(4, 4), kernel_size=3, groups=6)
    given = LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    found, _ = stack(given, cores=6, adders_per_core=4, multipliers_per_core=4)
    assert found == {"busy": 6 * 9}


def test_a_mask_has_as_many_values_as_draws_from_a_codebook_give():
    mask = np.ones((1, 12), bool)
    # Additions: 12. Of 1, 8 and 16 values, 12 draws find 1, 8 (1 - (7/8)^12) = 6.4 and 16 (1 - (15/16)^12) = 8.6.
    for values, cycles in ((1, 12), (8, 6 * 2), (16, 9 * 2), (10**6, 12 * 2)):
        found, _ = stack(pointwise(mask), **SMALL, mask_codebook_values=values, codebook_values=10**6)
        assert found == {"busy": cycles}  # multiplications: values x 4 positions / 2
    found, _ = stack(pointwise(mask), **SMALL, mask_codebook_values=16, codebook_values=8)
    assert found == {"busy": 12}


def test_a_mask_of_a_quantized_network_has_values_of_its_own_codebook():
    given = pointwise(np.ones((1, 12), bool))
    for values, cycles in ((1, 12), (16, 9 * 2), (10**6, 12 * 2)):  # as above
        found, _ = stack(replace(given, codebook_values=values), **SMALL, mask_codebook_values=2, codebook_values=10**6)
        assert found == {"busy": cycles}
    found, _ = stack(replace(given, codebook_values=10**6), **SMALL, codebook_values=8)
    assert found == {"busy": 12}, "never more than the machine's codes"
    by_value = replace(pointwise(np.arange(1.0, 13)[None]), codebook_values=1)
    assert stack(by_value, **SMALL)[0] == {"busy": 12 * 2}, "values are counted where they are known"


def test_the_dense_baseline_has_the_codebook_of_the_pruned_layer():
    machine = MachineRun(create("abm", {"dram": {"bandwidth_gbs": float("inf")}, **SMALL}))
    for values, cycles in ((1, 12), (10**6, 12 * 2), (None, 9 * 2)):  # one machine: each has a baseline of its own
        given = replace(pointwise(np.ones((1, 12), bool)), codebook_values=values)
        report = machine.layer(given)
        assert report.cycles == report.dense_cycles
        assert report.pe_cycle_stack["busy"] == cycles


def test_a_set_of_deep_compression_takes_more_values_than_the_machine_assumes():
    layer = load_workload("vgg16@deep-compression").select("conv1_1").trace(0)
    kernels = np.count_nonzero(layer.weights.reshape(64, -1), axis=1)
    products = sum(round(255 * (1 - (1 - 1 / 255) ** int(n))) for n in kernels)  # 256 values, up to 255 codes
    distinct, _ = Abm()._distinct(layer, kernels)
    assert distinct.sum() == products
    assert products > Abm()._distinct(replace(layer, codebook_values=None), kernels)[0].sum()


def test_cycles_of_a_mask_follow_its_density():
    layer = Layer.conv("l", in_channels=256, out_channels=96, input_size=(20, 20), kernel_size=3, padding=1)
    random = np.random.default_rng(1).random(layer.weight_shape)
    activations = np.ones(layer.input_shape, bool)
    cycles = [stack(LayerTrace(layer, random < density, activations))[1].cycles for density in (0.4, 0.1)]
    assert cycles[0] / cycles[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(("draws", "values", "found"), [(0, 5, 0), (1, 5, 1), (2, 2, 2), (100, 3, 3), (10, 1, 1)])
def test_expected_distinct_values(draws, values, found):
    assert expected_distinct(np.array([draws]), values).tolist() == [found]


def test_more_values_than_codes_are_noted():
    schedule = Abm(AbmSpec(codebook_values=2)).schedule(pointwise([[1.0, 2.0, 3.0]]))
    assert schedule.notes == ("a kernel has up to 3 distinct weights, taken as quantized to 2",)


def test_filters_come_in_blocks_that_fit_half_of_the_weight_buffer():
    given = pointwise(np.ones((12, 10), bool))  # 20 bytes a filter
    for room, filters in ((240, [12]), (239, [4, 4, 4]), (159, [2] * 6), (1, [2] * 6)):
        plan = Abm(AbmSpec(cores=2, weight_buffer_bytes=room))._plan(given.layer, np.full(12, 10))
        assert plan.filters.tolist() == filters


def test_sparse_yolo_is_the_same_machine_at_its_published_clock():
    spec = SparseYoloSpec()
    assert spec.clock_hz == 211_000_000
    given = pointwise([[1, 1, 2, 0]] * 3)
    same = AbmSpec.model_validate(spec.model_dump())
    np.testing.assert_array_equal(create("sparse-yolo").schedule(given).cycles, Abm(same).schedule(given).cycles)


def test_an_output_buffer_for_less_than_two_blocks_is_refused():
    with pytest.raises(
        ValidationError, match="output_buffer_bytes = 100 cannot hold two blocks of outputs of every core, 1920 bytes"
    ):
        AbmSpec(output_buffer_bytes=100)
