"""The 3-D machine's tiles by hand, every cause provoked, what it refuses."""

import itertools
import json
import math

import numpy as np
import pytest

from dataflows.machines.kgrc.kgrc import Kgrc, KgrcSpec
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import dense_trace
from tests.dataflows.machines.kgrc.cases import SQUARE, WIDE_PORTS, group_pruned, report
from workloads.layer import Layer
from workloads.trace import LayerTrace


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
    # Headings of the causes; what is said of energy below the tables speaks of memory, too.
    headings = [line.split() for line in shown.out.splitlines() if line.strip().startswith(("layer ", "cycles "))]
    assert any("port" in row for row in headings)
    assert not any("memory" in row for row in headings)
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
    ("settings", "message"),
    [
        ({"filters_per_tile": 30}, "filters_per_tile = 30, must be a multiple of the 8 group_filters"),
        ({"filters_parallel": 6}, "filters_parallel = 6, must be a multiple of the 4 row groups of a tile"),
        ({"channels_per_tile": 4}, "channels_per_tile = 4, must be a multiple of the 8 group_channels"),
        ({"rows_per_tile": 1 << 30, "depth_per_tile": 1 << 20}, "products a tile, must be at most 17592186044416"),
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
