import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.kgrc.kgrc import Kgrc, KgrcSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.engine.layer_simulation import LayerSimulation
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.machines.kgrc.twin import KgrcTwin
from tests.dataflows.small_layers import (
    assert_transfers_are_whole,
    bytes_loaded,
    packs,
    position_bytes,
    positions_read,
    small_layers,
    small_traces,
)
from workloads.layer import Layer
from workloads.network import load_network
from workloads.pruning.methods.kernel_groups.group_ratios import load_ratios
from workloads.trace import LayerTrace

INFINITE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}}
WIDE_PORTS = dict.fromkeys(("channel_ports", "input_port_values", "weight_port_values", "output_port_values"), 1 << 30)


@st.composite
def specs(draw):
    row_groups, group_filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return KgrcSpec(
        design=draw(st.sampled_from(["sparse", "sparse", "dense"])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
        filters_per_tile=row_groups * group_filters,
        channels_per_tile=draw(st.sampled_from([2, 4])),
        depth_per_tile=draw(st.integers(1, 2)),
        rows_per_tile=draw(st.integers(1, 4)),
        columns_per_tile=draw(st.integers(1, 4)),
        positions_per_tile=draw(st.integers(1, 5)),
        groups=draw(st.sampled_from(["packed", "packed", "alone"])),
        filters_parallel=row_groups * draw(st.integers(1, 3)),
        pixels_parallel=draw(st.integers(1, 3)),
        positions_parallel=draw(st.integers(1, 3)),
        group_filters=group_filters,
        group_channels=draw(st.integers(1, 2)),
        channel_ports=draw(st.sampled_from([1, 2, 4, 64])),
        input_port_values=draw(st.sampled_from([1, 2, 8, 64])),
        weight_port_values=draw(st.sampled_from([1, 2, 64])),
        output_port_values=draw(st.sampled_from([1, 3, 8])),
        start_cycles=draw(st.integers(0, 3)),
        row_list_cycles=draw(st.integers(0, 5)),
    )


@pytest.mark.twin
@given(specs(), small_traces(many_groups=True))
def test_every_tile_equals_the_twin(spec, trace):
    schedule = Kgrc(spec).schedule(trace)
    cycles, issued, drains = KgrcTwin(spec, trace).run()
    np.testing.assert_array_equal(schedule.issued, issued)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.drain_cycles, drains)
    assert schedule.expected_issued == issued.sum()


def test_the_last_pack_loads_only_the_groups_it_has():
    # Three groups of one channel and one filter: packs of two and of one. A value each cycle comes in, and a step's
    # inputs take as long as its channels, so no tile waits: neither the two pairs of the first nor the pair of the last.
    spec = KgrcSpec(
        design="dense", value_bits=4, filters_per_tile=2, channels_per_tile=2, depth_per_tile=1, rows_per_tile=1,
        columns_per_tile=1, positions_per_tile=1, filters_parallel=1, pixels_parallel=1, positions_parallel=1,
        group_filters=2, group_channels=1, channel_ports=1, input_port_values=1, weight_port_values=1,
        output_port_values=1, start_cycles=0, row_list_cycles=0,
    )  # fmt: skip
    layer = Layer.conv("grouped", in_channels=3, out_channels=3, input_size=(1, 1), kernel_size=1, groups=3)
    cycles = Kgrc(spec).schedule(dense_trace(layer)).cycles
    assert cycles[:, 0, Cause.BUSY].tolist() == [2, 1]
    assert cycles[:, 0, Cause.FILL].tolist() == [2, 1]
    assert cycles.sum() == 6


@given(specs(), small_traces(many_groups=True))
def test_a_tile_loads_what_it_needs_and_buffers_hold_it(spec, trace):
    layer = trace.layer
    schedule = Kgrc(spec).schedule(trace)
    check_capacities(schedule)
    assert_transfers_are_whole(layer, schedule, spec.value_bits)
    sizes = (spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile)[3 - layer.axes :]
    outputs = np.indices(layer.output_size).reshape(layer.axes, -1).T
    keys = [tuple(int(at) // size for at, size in zip(output, sizes, strict=True)) for output in outputs]
    together = len(packs(layer, spec.groups, spec.channels_per_tile, spec.filters_per_tile)[0])
    for tile, box in enumerate(sorted(set(keys))):  # of the first group's first filters
        loaded = bytes_loaded(layer, schedule, tile)
        for output, key in zip(outputs, keys, strict=True):
            if key == box and schedule.issued[tile].any():
                reads = positions_read(layer, tuple(map(int, output)))
                assert all(loaded[position_bytes(layer, spec.value_bits, at, together)].all() for at in reads)
    per_tile = np.bincount(schedule.loads.tile, minlength=schedule.tiles) > 0
    assert not per_tile[~schedule.issued.any(axis=1)].any()


@given(small_traces(many_groups=True), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = Kgrc(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


def simulated_cycles(spec, trace):
    machine = MachineRun(Kgrc(spec))
    return machine.layer(trace).cycles


@given(specs(), small_traces(many_groups=True), st.integers(0, 2**32 - 1))
def test_more_zeros_never_take_more_cycles(spec, trace, seed):
    spec = KgrcSpec.model_validate(spec.model_dump() | INFINITE)
    random, kept = np.random.default_rng(seed), trace.weight_mask
    before = simulated_cycles(spec, trace)
    for _ in range(3):
        kept = kept & (random.random(trace.layer.weight_shape) < 0.7)
        after = simulated_cycles(spec, LayerTrace(trace.layer, kept, trace.activations))
        assert after <= before
        before = after


RATES = ("channel_ports", "input_port_values", "weight_port_values", "output_port_values")


@given(specs(), small_traces(many_groups=True), st.sampled_from([1.0, 19.2, math.inf]))
def test_twice_a_rate_never_takes_more_cycles(spec, trace, bandwidth_gbs):
    """But for a burst a tile: one that is done earlier may send its results before the next tile's data."""
    settings = spec.model_dump() | {"dram": {"bandwidth_gbs": bandwidth_gbs}}
    before = simulated_cycles(KgrcSpec.model_validate(settings), trace)
    changes = [{key: 2 * settings[key]} for key in RATES]
    changes += [{"dram": {"bandwidth_gbs": 2 * bandwidth_gbs}}, {"buffers": {"banks": 128}}]
    burst = math.ceil(spec.dram.burst_bytes * spec.clock_hz / (bandwidth_gbs * 1e9))
    tiles = Kgrc(spec).schedule(trace).tiles
    for change in changes:
        assert simulated_cycles(KgrcSpec.model_validate(settings | change), trace) <= before + burst * tiles, change


@given(small_layers())
def test_the_dense_design_skips_nothing(layer):
    nothing = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    spec = KgrcSpec(design="dense")
    first, second = (Kgrc(spec).schedule(trace) for trace in (dense_trace(layer), nothing))
    np.testing.assert_array_equal(first.cycles, second.cycles)
    assert first.issued.sum() == layer.dense_macs


def group_pruned(layer, rows, positions, seed=0):
    """A mask of which every 8x8 kernel group keeps so many rows, and positions of every 9."""
    random, mask = np.random.default_rng(seed), np.ones(layer.weight_shape, bool)
    flat = mask.reshape(layer.out_channels, layer.group_in_channels, -1)
    for k in range(0, layer.out_channels, 8):
        for c in range(0, layer.group_in_channels, 8):
            flat[k + random.permutation(8)[rows:], c : c + 8] = False
            for start in range(0, flat.shape[2], 9):
                for tap in start + random.permutation(9)[positions:]:
                    flat[k : k + 8, c : c + 8, tap] = False
    return LayerTrace(layer, mask, np.ones(layer.input_shape, bool))


def report(trace, **settings):
    return MachineRun(Kgrc(KgrcSpec.model_validate(INFINITE | settings))).layer(trace)


def volume(name, channels, filters, size):
    return Layer.conv(name, in_channels=channels, out_channels=filters, input_size=size, kernel_size=3, padding=1)


# C = 16, K = 64, 3x3, 14x14: two tiles of 32 filters, two steps of 8 channels, one chunk of 9 positions.
SQUARE = Layer.conv("square", in_channels=16, out_channels=64, input_size=(14, 14), kernel_size=3, padding=1)


@pytest.mark.parametrize(("rows", "positions"), [(8, 9), (4, 9), (8, 3), (4, 3), (4, 6), (2, 1)])
def test_published_equations(rows, positions):
    outputs = window = 14 * 14  # padding is not loaded
    load_inputs = 8 // 4 * math.ceil(window / 8)
    load_weights = 32 * rows // 8 * 8 // 4 * math.ceil(positions / 8)
    compute = math.ceil(outputs / 4) * math.ceil(positions / 3) * math.ceil(rows / (16 / 4))
    store = 32 // 4 * math.ceil(outputs / 8)
    tile = max(load_inputs, load_weights, compute)
    expected = 2 * max(2 * tile + compute, store) + store
    found = report(group_pruned(SQUARE, rows, positions), start_cycles=0, row_list_cycles=0)
    # Where stores are the longest, the first tile need not wait for one before it, which the equation leaves out.
    assert found.cycles == expected - max(0, store - 2 * tile - compute)


def test_a_tile_by_hand():
    """Two row groups of 2 filters that keep 1 row, the second 1 of 3 positions; 4 outputs by 2 a cycle."""
    layer = Layer.conv("hand", in_channels=2, out_channels=4, input_size=(1, 6), kernel_size=(1, 3))
    weights = np.ones(layer.weight_shape, bool)
    weights[[0, 2]] = False
    weights[3, :, :, 1:] = False
    spec = KgrcSpec(
        filters_per_tile=4, filters_parallel=2, group_filters=2, group_channels=2, channels_per_tile=2,
        pixels_parallel=2, positions_parallel=2, positions_per_tile=9, channel_ports=1, input_port_values=1,
        weight_port_values=1, output_port_values=1, start_cycles=3, row_list_cycles=2,
    )  # fmt: skip
    schedule = Kgrc(spec).schedule(LayerTrace(layer, weights, np.ones(layer.input_shape, bool)))
    causes = [Cause.INDEX, Cause.BUSY, Cause.IMBALANCE, Cause.PORT, Cause.FILL]
    # Group 0: 2 vectors x 1 row x ceil(3/2) positions; group 1: 2 x 1 x 1. Weights: 2 channels x (3 + 1) = 8 cycles;
    # inputs 2 channels x 6 positions = 12. The step lasts 12, of which 3 start, 2 wait for lists and 4 compute. Without
    # lists of rows it would last 16, the cycles of all weights at kept positions.
    assert schedule.cycles[0][:, causes].tolist() == [[2, 4, 0, 3, 3 + 4], [2, 2, 2, 3, 3 + 4]]
    assert schedule.issued.tolist() == [[1 * 3 * 2 * 4, 1 * 1 * 2 * 4]]
    assert schedule.drain_cycles.tolist() == [4 * 4]
    # 8 weights of 16 bits, 1 + 1 row indices of 1 bit, 3 + 1 position indices of 4 bits.
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == math.ceil((8 * 16 + 2 + 16) / 8)
    assert schedule.loads.bytes_of(Tensor.INPUT) == layer.input_count * 2


@pytest.mark.parametrize("design", ["sparse", "dense"])
def test_groups_share_a_tile_by_hand(design):
    """Six groups of 1 channel and 1 filter, TN = TM = 4: packs of 4 and 2, 9 positions of 4 outputs, an output a cycle.

    Row groups of 2 filters: two in the first tile, one in the second. Weights are loaded by the pair of a filter and its
    channel: 4 x 9 through one port, as long as the 9 x 4 cycles that compute; DRAM holds no zeros of other groups."""
    layer = Layer.conv("grouped", in_channels=6, out_channels=6, input_size=(4, 4), kernel_size=3, groups=6)
    settings = dict.fromkeys(("channel_ports", "input_port_values", "weight_port_values", "output_port_values"), 1)
    spec = KgrcSpec(
        design=design, filters_per_tile=4, filters_parallel=4, group_filters=2, group_channels=4, channels_per_tile=4,
        pixels_parallel=1, positions_parallel=1, positions_per_tile=9, start_cycles=0, row_list_cycles=0,
        **settings | {"input_port_values": 16},
    )  # fmt: skip
    schedule = Kgrc(spec).schedule(dense_trace(layer))
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[36, 36], [36, 0]]
    assert schedule.cycles[:, :, Cause.PORT].tolist() == [[0, 0], [0, 0]]
    assert schedule.issued.tolist() == [[2 * 36, 2 * 36], [2 * 36, 0]]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == layer.weight_count * 2
    assert schedule.stores.total_bytes == layer.output_count * 2
    alone = Kgrc(spec.model_copy(update={"groups": "alone"})).schedule(dense_trace(layer))
    assert alone.cycles[:, :, Cause.BUSY].tolist() == [[36, 0]] * 6


def causes_of(found):
    return {cause for cause, cycles in found.pe_cycle_stack.items() if cycles}


def test_wide_ports_leave_only_the_first_load_and_the_last_store():
    found = report(group_pruned(SQUARE, 8, 9), **WIDE_PORTS)
    assert causes_of(found) == {"busy", "fill", "drain"}
    assert found.pe_cycle_stack["drain"] == 4  # a cycle on each PE
    assert found.fragmented_lanes == 0
    assert found.load_imbalance == 1


def test_a_narrow_port_makes_the_array_wait_for_the_port():
    found = report(group_pruned(SQUARE, 8, 9), **WIDE_PORTS | {"input_port_values": 1, "channel_ports": 1})
    assert found.pe_cycle_stack["port"] > 0
    assert found.pe_cycle_stack["memory"] == 0


def test_waits_for_ports_show_in_the_table_the_report_and_the_timeline(cli, tmp_path):
    files = {"--json": tmp_path / "report.json", "--timeline": tmp_path / "timeline.json"}
    settings = ("dram.bandwidth_gbs=inf", "channel_ports=1", "input_port_values=1")
    options = [item for text in settings for item in ("--set", text)]
    shown = cli("run", "examples/tiny.toml", "--on", "kgrc", *options, *itertools.chain(*files.items()))
    assert shown.code == 0
    assert " port " in shown.out
    assert " memory " not in shown.out
    stack = json.loads(files["--json"].read_text())["total"]["pe_cycle_stack"]
    assert (stack["port"] > 0, stack["memory"]) == (True, 0)
    events = json.loads(files["--timeline"].read_text())["traceEvents"]
    drawn = sum(event["args"]["pe_cycles"] for event in events if event.get("name") == "port")
    assert drawn == stack["port"]


def test_a_narrow_output_port_holds_the_array():
    found = report(
        group_pruned(SQUARE, 1, 1), **WIDE_PORTS | {"output_port_values": 1, "start_cycles": 0, "row_list_cycles": 0}
    )
    assert found.pe_cycle_stack["drain"] > found.pe_cycle_stack["busy"]


@pytest.mark.parametrize(("rows", "positions", "lists"), [(8, 9, 0), (4, 9, 48), (8, 3, 0), (4, 3, 48)])
def test_a_step_starts_and_where_rows_are_dropped_waits_for_their_list(rows, positions, lists):
    """Two tiles of two steps on four PEs; what a layer does not drop has no list, neither on the way nor in time."""
    trace = group_pruned(SQUARE, rows, positions)
    free = report(trace, **WIDE_PORTS, row_list_cycles=0, start_cycles=0)
    listed = report(trace, **WIDE_PORTS, row_list_cycles=48, start_cycles=0)
    started = report(trace, **WIDE_PORTS, row_list_cycles=0, start_cycles=20)
    assert listed.cycles - free.cycles == 2 * 2 * lists
    assert listed.pe_cycle_stack["index"] == 4 * (listed.cycles - free.cycles)
    assert started.cycles - free.cycles == 2 * 2 * 20
    assert started.pe_cycle_stack["fill"] - free.pe_cycle_stack["fill"] == 4 * (started.cycles - free.cycles)
    loaded = Kgrc().schedule(trace).loads.bytes_of(Tensor.WEIGHT)
    groups, kept = 64 // 8 * 16 // 8, rows * positions * 8
    bits = kept * 16 + (3 * rows if rows < 8 else 0) + (4 * positions if positions < 9 else 0)
    assert loaded == groups * bits // 8


def test_a_layer_runs_in_the_mode_with_the_fewest_cycles():
    """Seven of eight rows take as many passes as all: their list would only cost."""
    whole, trace = (report(group_pruned(SQUARE, rows, 9), **WIDE_PORTS) for rows in (8, 7))
    assert trace.cycles == whole.cycles
    assert trace.pe_cycle_stack["index"] == 0
    assert trace.issued_macs == whole.issued_macs
    zeros = SQUARE.weight_count // 8
    assert trace.notes == (
        f"{zeros} of {8 * zeros} weights are zero but share a kept row and a kept position of their group",
    )
    free = report(group_pruned(SQUARE, 7, 9), **WIDE_PORTS, row_list_cycles=0)
    assert free.issued_macs == whole.issued_macs * 7 // 8


@pytest.mark.parametrize("bits", [8, 16])
def test_a_group_that_keeps_less_never_takes_more_cycles(bits):
    """Every number of rows by every number of positions, with the default DRAM;"""
    cycles = np.array(
        [
            [
                MachineRun(create("kgrc", {"value_bits": bits})).layer(group_pruned(SQUARE, r, p)).cycles
                for p in range(1, 10)
            ]
            for r in range(1, 9)
        ]
    )
    assert (np.diff(cycles, axis=0) >= 0).all()
    assert (np.diff(cycles, axis=1) >= 0).all()
    assert cycles[3, 2] < 0.7 * cycles[-1, -1]


def test_strided_pointwise_layers_load_only_the_rows_that_they_read():
    layer = Layer.conv("down", in_channels=8, out_channels=32, input_size=(8, 27, 27), kernel_size=1, stride=(2, 2, 2))
    schedule = Kgrc().schedule(dense_trace(layer))
    assert schedule.tiles == 1
    assert schedule.loads.bytes_of(Tensor.INPUT) == 4 * 14 * 27 * 8 * 2


def test_uneven_groups_wait_for_one_another_and_balanced_ones_do_not():
    even = report(group_pruned(SQUARE, 4, 9), **WIDE_PORTS)
    uneven = group_pruned(SQUARE, 4, 9).weight_mask.copy()
    uneven[:8] = True
    found = report(LayerTrace(SQUARE, uneven, np.ones(SQUARE.input_shape, bool)), **WIDE_PORTS)
    assert even.pe_cycle_stack["imbalance"] == 0
    assert found.pe_cycle_stack["imbalance"] > 0
    assert found.load_imbalance > even.load_imbalance


def test_few_filters_leave_row_groups_unmapped():
    layer = Layer.conv("few", in_channels=8, out_channels=8, input_size=(4, 4), kernel_size=3, padding=1)
    found = report(dense_trace(layer), **WIDE_PORTS)
    causes = found.pe_cycle_stack
    assert causes["unmapped"] == 3 * found.cycles, "whatever the others do or wait for"


def test_scattered_zeros_are_kept_with_their_groups():
    scattered = np.random.default_rng(0).random(SQUARE.weight_shape) < 0.3
    found = report(LayerTrace(SQUARE, scattered, np.ones(SQUARE.input_shape, bool)))
    assert found.issued_macs == SQUARE.dense_macs
    zeros = scattered.size - scattered.sum()
    assert found.notes == (
        f"{zeros} of {scattered.size} weights are zero but share a kept row and a kept position of their group",
    )
    assert report(group_pruned(SQUARE, 4, 3)).notes == ()


def test_the_baseline_is_the_dense_design():
    found = report(group_pruned(SQUARE, 4, 3))
    assert found.dense_cycles == report(group_pruned(SQUARE, 4, 3), design="dense").cycles
    assert report(group_pruned(SQUARE, 4, 3), rows_per_tile=7, **WIDE_PORTS).dense_cycles == (
        report(group_pruned(SQUARE, 4, 3), design="dense", rows_per_tile=7, **WIDE_PORTS).cycles
    )
    assert report(group_pruned(SQUARE, 4, 3), design="dense", filters_per_tile=8, filters_parallel=8).speedup == 1


@pytest.mark.parametrize(
    ("design", "bits", "multipliers"),
    [
        ("dense", 16, 1792),
        ("sparse", 16, 1536),
        ("dense", 8, 3072),
        ("sparse", 8, 3072),
        ("dense", 4, 6144),
        ("sparse", 4, 6144),
    ],
)
def test_designs_of_table_v(design, bits, multipliers):
    spec = create("kgrc", {"design": design, "value_bits": bits}).spec
    assert Kgrc(spec).schedule(dense_trace(SQUARE)).multipliers == multipliers
    assert KgrcSpec.model_validate(spec.model_dump()) == spec
    assert spec.input_port_values == 128 // bits
    assert spec.channel_ports == 64 // bits
    assert KgrcSpec(design=design, value_bits=bits, pixels_parallel=5).pixels_parallel == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters_per_tile": 30}, "filters_per_tile = 30, must be a multiple of the 8 group_filters"),
        ({"filters_parallel": 6}, "filters_parallel = 6, must be a multiple of the 4 row groups of a tile"),
        ({"channels_per_tile": 4}, "channels_per_tile = 4, must be a multiple of the 8 group_channels"),
        ({"design": "both"}, "design"),
        ({"design": ["dense"]}, "design"),
        ({"value_bits": [8]}, "value_bits"),
        ({"value_bits": 5}, "value_bits"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        KgrcSpec.model_validate(settings)


def test_channel_groups_are_idle_in_the_dense_design():
    assert list(Kgrc(KgrcSpec(design="dense")).idle_settings()) == ["group_channels", "row_list_cycles"]
    assert Kgrc().idle_settings() == {}


@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_layers_of_two_dimensions_run_as_volumes_of_depth_one(layer):
    schedule = Kgrc().schedule(dense_trace(layer))
    assert schedule.issued.sum() == layer.dense_macs
    assert schedule.tiles < 2000


# Latency of C3D's convolutions in ms (Sun et al., TCAD 2024, Table IV), and the deviation of the model: of the
# equations as they are published, and with the starts of steps.
LATENCIES = [
    ("dense", 16, 177.44, -0.010, 0.000),
    ("dense", 8, 104.80, -0.012, -0.002),
    ("KGR", 16, 118.45, -0.086, -0.005),
    ("KGC", 16, 104.67, -0.045, -0.010),
    ("KGRC", 16, 77.43, -0.132, -0.009),
    ("KGR", 8, 64.04, -0.153, -0.003),
    ("KGC", 8, 54.07, -0.074, -0.006),
    ("KGRC", 8, 43.10, -0.218, 0.004),
]


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["shipped", "equations"])
@pytest.mark.parametrize(("pruning", "bits", "published_ms", "of_equations", "with_starts"), LATENCIES)
def test_latency_of_c3d(pruning, bits, published_ms, of_equations, with_starts, alone):
    settings = {"design": "dense" if pruning == "dense" else "sparse", "value_bits": bits}
    spec = KgrcSpec.model_validate(settings | INFINITE | ({"start_cycles": 0, "row_list_cycles": 0} if alone else {}))
    deviation = of_equations if alone else with_starts
    cycles = 0
    layers = {layer.name: layer for layer in load_network("c3d").layers}
    for name, ratios in load_ratios("c3d").items():
        rows = 8 / ratios["kgr"] if pruning in {"KGR", "KGRC"} else 8
        positions = 9 / ratios["kgc"] if pruning in {"KGC", "KGRC"} else 9
        schedule = Kgrc(spec).schedule(group_pruned(layers[name], round(rows), round(positions)))
        cycles += LayerSimulation(schedule, spec.dram, spec.clock_hz).run().cycles
    assert cycles / spec.clock_hz * 1000 / published_ms - 1 == pytest.approx(deviation, abs=0.001)
