"""Machines, layers and pruned traces for the 3-D machine's tests."""

import numpy as np
from hypothesis import strategies as st

from dataflows.machines.kgrc.kgrc import Kgrc, KgrcSpec
from simulator.network_simulation import MachineRun
from workloads.layer import Layer
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


def simulated_cycles(spec, trace):
    machine = MachineRun(Kgrc(spec))
    return machine.layer(trace).cycles


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
