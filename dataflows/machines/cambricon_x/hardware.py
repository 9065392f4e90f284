"""What Cambricon-X is built of, and what its parts do in a layer.

Source: Zhang et al., MICRO 2016: step indexing adds up the steps of a word of synapses and lets each multiplier's
selector choose one of the window's neurons. NBin, NBout and the PEs' SBs are those of the spec.

What an output position costs a PE: each window is read out of NBin, whatever is kept of it; for every cycle it works
on the window the PE reads a word of steps (of which an empty window has an end mark), and where anything is kept a word
of synapses; every stored entry, fillers too, takes an addition of its step, a selection and a delivery.

Assumptions: a window is read for each PE anew, since PEs run apart, and once for all with `fetch = "shared"` (with
filters that a round's end cuts off a turn of the PEs taken for one turn); NBin gives words of as many neurons as a PE
has multipliers, from as many banks as a window has words; a PE's window is NBin's output, not a register of its own; a
PE adds up windows in a register and hands one sum a chunk to NBout, which has a bank a PE. Steps lie beside the
synapses in a memory of their own, in proportion to their bits. A decoder of another weight format is not counted.
"""

from __future__ import annotations

import math

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, multipliers, sum_registers
from dataflows.machines.cambricon_x.spec import CambriconXSpec
from dataflows.schedule import Cause, LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


def components(spec: CambriconXSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    pes, selected, bits = spec.pes, spec.multipliers_per_pe, spec.value_bits
    lanes, entry_bits = pes * selected, bits + spec.index_bits
    words = max(1, spec.sb_bytes * 8 // (selected * entry_bits))
    steps = Component("sb_steps", Kind.SRAM, pes, selected * max(1, spec.index_bits), words, purpose="sparsity")
    return (
        multipliers(lanes, bits),
        sum_registers("product_registers", lanes, bits),
        adders(lanes, bits),
        sum_registers("sum_registers", pes, bits),
        buffer("nbin", spec.nbin_bytes, selected * bits, banks=ceil_div(spec.window, selected)),
        buffer("nbout", spec.nbout_bytes, bits, banks=pes),
        Component("sb", Kind.SRAM, pes, selected * bits, words, purpose="storage"),
        steps,
        Component("neuron_bus", Kind.BUS, lanes, bits),
        Component("step_adders", Kind.ADDER, lanes, max(1, (spec.window - 1).bit_length()), purpose="sparsity"),
        Component("selectors", Kind.SELECTOR, lanes, bits, inputs=spec.window, purpose="sparsity"),
    )


def count(
    spec: CambriconXSpec,
    parts: tuple[Component, ...],
    layer: Layer,
    windows: np.ndarray,
    entries: int,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer.

    windows  int64 (windows,): inputs of each window of an output's list
    entries  stored weights of all filters, fillers included
    """
    counts = ActionCounts.of(parts)
    positions = layer.batch * math.prod(layer.output_size)
    add_products(counts, schedule, effectual_macs)
    busy, index = (int(schedule.cycles[..., cause].sum()) for cause in (Cause.BUSY, Cause.INDEX))
    counts.access("sb", reads=busy)
    counts.access("sb_steps", reads=busy + index)
    for component, action in (
        ("step_adders", Action.ADD), ("selectors", Action.SELECT), ("neuron_bus", Action.TRAVERSE)
    ):  # fmt: skip
        counts.add(component, action, entries * positions)
    counts.access("sum_registers", writes=busy)
    window_words = int(ceil_div(windows, spec.multipliers_per_pe).sum())
    counts.access("nbin", reads=window_words * _fetches(layer, spec) * positions)
    # Every step down the map stores its outputs with its last chunk.
    chunks = schedule.tiles // len(schedule.stores.tile)
    counts.access("nbout", reads=layer.output_count * chunks, writes=layer.output_count * chunks)
    _fill(counts, spec, schedule)
    return counts


def _fetches(layer: Layer, spec: CambriconXSpec) -> int:
    """How often the windows of an output position are read, for all filters together."""
    if spec.fetch == "asynchronous":
        return layer.out_channels
    # Of groups of six filters on PEs of four the turns 0-3, 4-7 and 8-11 meet one, two and one group.
    first = np.arange(0, layer.out_channels, spec.pes)
    last = np.minimum(first + spec.pes, layer.out_channels) - 1
    filters = layer.group_out_channels
    return int((last // filters - first // filters + 1).sum())


def _fill(counts: ActionCounts, spec: CambriconXSpec, schedule: LayerSchedule) -> None:
    """What comes over DRAM: neurons in words of NBin, entries in words of the SBs and their steps."""
    word_bits = counts.components["nbin"].bits
    counts.access("nbin", writes=ceil_div(8 * schedule.loads.bytes_of(Tensor.INPUT), word_bits))
    entry_bits = spec.multipliers_per_pe * (spec.value_bits + spec.index_bits)
    words = ceil_div(8 * schedule.loads.bytes_of(Tensor.WEIGHT), entry_bits)
    counts.access("sb", writes=words)
    counts.access("sb_steps", writes=words)
