"""Machines, traces and kernels for the pattern machine's tests."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from dataflows.machines.pattern.pattern import PatternMachine, PatternSpec
from dataflows.registry import create
from simulator.network_simulation import MachineRun
from tests.dataflows.small_layers import small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    rows, pixels, value_bits = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.sampled_from([8, 16]))
    return PatternSpec(
        arrays=draw(st.integers(1, 3)),
        kernels_parallel=rows,
        pixels_parallel=pixels,
        patterns=draw(st.sampled_from([0, 1, 2, 8])),
        reconfigurable=draw(st.booleans()),
        reordered_rows=draw(st.booleans()),
        switch_cycles=draw(st.integers(0, 3)),
        fill_cycles=draw(st.integers(0, 2)),
        value_bits=value_bits,
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 20, 100, 4096])),
        output_buffer_bytes=rows * pixels * value_bits // 4 + draw(st.sampled_from([1, 40, 4096])),
    )


@st.composite
def traces(draw):
    trace = draw(small_traces())
    assume(trace.layer.axes == 2)
    if draw(st.booleans()):
        return trace
    patterns = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((2, *trace.layer.kernel_size)) < 0.5
    chosen = np.random.default_rng(1).integers(0, 2, trace.layer.weight_shape[:2])
    return LayerTrace(trace.layer, trace.weights & patterns[chosen], trace.activations)


def tile_cycles(trace, spec):
    """Cycles of each tile, int64 (tiles,)."""
    return PatternMachine(spec).schedule(trace).cycles.sum(axis=2).max(axis=1)


def roomy(spec, **changes):
    """The machine with buffers in which every small layer is one block of filters, whatever its zeros."""
    return spec.model_copy(update=dict.fromkeys(("weight_buffer_bytes", "output_buffer_bytes"), 1 << 20) | changes)


PCONV = np.array([[int(x) for x in text] for text in ("010111000", "010110010", "000111010", "010011010")], bool)


SMALL = {"arrays": 1, "kernels_parallel": 2, "pixels_parallel": 4, "fill_cycles": 0, "switch_cycles": 0}


def kernels(rows, columns=6, stride=1):
    """A layer of 3x3 filters (K, C, 9) over one row of output positions, all activations non-zero."""
    weights = np.asarray(rows, bool)
    layer = Layer.conv(
        "l",
        in_channels=weights.shape[1],
        out_channels=len(weights),
        input_size=(3, columns),
        kernel_size=3,
        stride=stride,
    )
    return LayerTrace(layer, weights.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


def stack(trace, **settings):
    """Cycles by cause, those that are not zero."""
    machine = create("pattern", {"dram": {"bandwidth_gbs": float("inf")}} | SMALL | settings)
    report = MachineRun(machine).layer(trace)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report
