"""Every cause that arises between tiles, provoked alone; those inside a tile stand in test_scnn.py."""

import numpy as np

from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from simulator.network_simulation import MachineRun
from workloads.layer import Layer
from workloads.trace import LayerTrace

NO_WAIT = {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}
FULL_ARRAY = Layer.conv("full", in_channels=8, out_channels=64, input_size=(16, 16), kernel_size=1)


def stack(layer, activations=None, **settings):
    """The causes that took any cycle, on 8 x 8 PEs whose queues hold everything."""
    dram = settings.pop("dram", NO_WAIT)
    spec = ScnnSpec.model_validate({"weight_fifo_vectors": 10_000, "queue_depth": 10_000, "dram": dram, **settings})
    activations = np.ones(layer.input_shape, bool) if activations is None else activations
    report = MachineRun(Scnn(spec)).layer(LayerTrace(layer, np.ones(layer.weight_shape, bool), activations))
    assert sum(report.pe_cycle_stack.values()) == report.pes * report.cycles
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}


FAST_DRAIN = {"post_processing_entries_per_cycle": 10_000, "halo_entries_per_cycle": 10_000}


def test_nothing_but_work_and_the_last_drain():
    causes = stack(FULL_ARRAY, **FAST_DRAIN)
    # 8 groups x 8 channels x 1 activation vector x 2 weight vectors, then one cycle to drain the last group
    assert causes == {"busy": 64 * 128, "drain": 64}


def test_post_processing_longer_than_a_group_is_exposed():
    hidden = stack(FULL_ARRAY, post_processing_entries_per_cycle=2)
    assert hidden == {"busy": 64 * 128, "drain": 64 * 16}  # 16 cycles a group, as long as a group: only the last shows
    exposed = stack(FULL_ARRAY, post_processing_entries_per_cycle=1)
    assert exposed == {"busy": 64 * 128, "drain": 64 * (16 + 8 * 32 - 128)}  # one group, then eight drains in a row
    single_copy = stack(FULL_ARRAY, post_processing_entries_per_cycle=2, accumulator_copies=1)
    assert single_copy == {"busy": 64 * 128, "drain": 64 * 8 * 16}


def test_pes_wait_for_the_slowest_at_the_end_of_a_group():
    uneven = np.zeros(FULL_ARRAY.input_shape, bool)
    uneven[0, :, ::2, ::2] = True  # every PE has one activation of its four ...
    one_slow = uneven.copy()
    one_slow[0, 0, :2, :2] = True
    assert set(stack(FULL_ARRAY, uneven, **FAST_DRAIN)) == {"busy", "drain"}
    assert set(stack(FULL_ARRAY, one_slow, activations_per_vector=1, **FAST_DRAIN)) == {"busy", "drain", "imbalance"}


def test_pes_without_a_tile_are_unmapped():
    small = Layer.conv("small", in_channels=4, out_channels=8, input_size=(7, 7), kernel_size=1)
    causes = stack(small, **FAST_DRAIN)
    # Seven by seven PEs have a position; the others are without work while these compute and while they wait.
    assert causes == {"busy": 49 * 8, "unmapped": 15 * (8 + 1), "drain": 49}


def test_slow_memory_starves_the_array():
    dram = {"bandwidth_gbs": 0.5, "latency_ns": 0.0}
    assert set(stack(FULL_ARRAY, dram=dram, **FAST_DRAIN)) == {"busy", "drain", "memory"}


def test_results_wait_for_room_in_the_output_ram():
    # Each tile's 1024 results fill an output RAM of that size; the next tile starts once they are in DRAM.
    layer = Layer.conv("results", in_channels=4, out_channels=128, input_size=(64, 64), kernel_size=1)
    dram = {"bandwidth_gbs": 100.0, "latency_ns": 0.0}
    causes = stack(layer, output_channel_group=16, accumulator_banks=1024, oaram_bytes=2560, dram=dram, **FAST_DRAIN)
    assert set(causes) == {"busy", "drain", "memory", "buffer"}
    assert causes["memory"] > causes["busy"], "DRAM takes longer to write the results than the array to make them"
    assert causes["buffer"] < 0.05 * causes["memory"], "the drain unit has little to do before"
