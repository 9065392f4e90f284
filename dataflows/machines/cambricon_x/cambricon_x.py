"""Cambricon-X: every PE picks, out of a window of dense inputs, the neurons that its kept weights need.

Source: Zhang et al., "Cambricon-X: An Accelerator for Sparse Neural Networks", MICRO 2016. NBin holds dense input
neurons. Each PE works on output neurons of its own with its own compressed synapses (SB); its indexing module selects,
by step index, up to as many neurons a cycle as the PE has multipliers out of a window. Zeros in NBin are not skipped.

The rules of a window stand in `index_windows`, the blocks of positions that NBin holds in `neuron_blocks`, the rounds
of filters and what they move in `filter_rounds`.

What the machine is taken to do where the paper is silent:

- A window may span kernel positions (`window_spans`): nothing published decides it. If it did not, layers of up to 16
  input channels would gain nothing over DianNao. A window without any kept weight takes a cycle either way.
- Filter k runs on PE k mod PEs. A PE runs its filters one after the other and meets the others when NBin is reloaded.
  The cost of an output position depends on weights alone, so the wait of a block is that of a position times the
  block's positions, and a schedule's tile may stand for all blocks of several rows without changing a cycle of any PE.
- Padded positions lie in NBin as zeros and take multiplier slots: issued = non-zero weights x P x Q x N.
- NBin and NBout work in halves, one of which is filled or written out while the other is used.
- Filters go in rounds. A round whose weights fit the SBs loads them once; otherwise the weights of a chunk of the input
  list are loaded once for the positions whose partial sums NBout holds, or, if a chunk's do not fit either, streamed
  for every block. `loop_order` decides between one round of all filters and rounds that fit.
- Input neurons lie in DRAM channels innermost; the end of a window costs no storage in a weight stream.

`fetch = "shared"` is the simpler machine that accelerator-aware pruning is for (Kang, IEEE TCSVT 2020): one fetch of
`window` neurons serves all PEs, and the next follows when the slowest has selected what it needs. Masks with as many
weights in every fetch never stall it; the waits of others are imbalance inside a tile. With convolution groups a fetch
brings the window of every group in flight.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.threads import run_slices
from dataflows.machines.cambricon_x import hardware
from dataflows.machines.cambricon_x.filter_rounds import FilterRounds
from dataflows.machines.cambricon_x.index_windows import (
    KeptWeights,
    ListedNeurons,
    Portion,
    WindowCounts,
    multiply_block,
    window_edges,
)
from dataflows.machines.cambricon_x.neuron_blocks import NeuronBlocks
from dataflows.machines.cambricon_x.spec import CambriconXSpec
from dataflows.schedule import BufferUse, Cause, LayerSchedule, Tensor, no_cycles
from dataflows.sizing import Scaling
from dataflows.tiling.stored_weights import NATIVE, FormattedWeights, spread, value_bits_of
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class CambriconX(Accelerator[CambriconXSpec]):
    """The Cambricon-X machine."""

    name = "cambricon-x"
    display = "Cambricon-X"
    title = "Cambricon-X: indexing modules select the inputs of kept weights from a window (MICRO 2016)"
    Spec = CambriconXSpec
    baseline_name = "diannao"
    needs_constant_weights = (
        "its weights are compressed and indexed before the run, and nothing on the chip indexes another layer's results"
    )
    scaling = Scaling(
        factors=("pes", "multipliers_per_pe"),
        growing=("pes",),
        buffers={"nbin_bytes": "", "nbout_bytes": "", "sb_bytes": "pes"},
        reason="PEs are added, each with its indexing module and SB (assumption)",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """DianNao with as many multipliers."""
        return {"output_neurons": self.spec.pes, "inputs_per_neuron": self.spec.multipliers_per_pe}

    def least_weight_bits(self) -> int:
        """A value of the format in which DRAM holds weights."""
        return value_bits_of(self.spec.weight_format, self.spec.value_bits)

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused."""
        if layer.axes != 2:
            return "its window and address generator step over two-dimensional maps, the layer has three axes"
        return super().refusal(layer)

    def issued_products(self, trace: LayerTrace) -> int:
        """Every non-zero weight at every output position, padding included."""
        return trace.weight_nonzeros * trace.layer.batch * math.prod(trace.layer.output_size)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """Tiles: round of filters, image, rows of output positions, chunk of the input list, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, trace.layer
        counts = self.count(layer, trace.weight_mask)
        stored_bits, decoded = self._formatted(trace.weight_mask, counts)
        window_cycles = counts.busy + counts.index + decoded
        work = self.arrange(layer, stored_bits, window_cycles)
        cycles = no_cycles(work.tiles, spec.pes)
        cycles[..., Cause.BUSY] = work.per_tile(counts.busy)
        cycles[..., Cause.INDEX] = work.per_tile(counts.index + decoded)
        if spec.fetch == "shared":
            cycles[..., Cause.IMBALANCE] = work.waits_per_tile(window_cycles)
        loads, stores, compulsory_bytes = work.transfers()
        return LayerSchedule(
            pe_grid=(1, spec.pes),
            lanes_per_pe=spec.multipliers_per_pe,
            cycles=cycles,
            issued=work.per_tile(counts.nonzeros),
            drain_cycles=np.zeros(work.tiles, np.int64),
            accumulator_copies=2,
            loads=loads,
            stores=stores,
            buffers=(
                BufferUse("nbin", Tensor.INPUT, spec.nbin_bytes, streamed=True),
                BufferUse("sb", Tensor.WEIGHT, spec.sb_bytes * spec.pes, streamed=True),
                BufferUse("nbout", Tensor.OUTPUT, spec.nbout_bytes, streamed=True),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=self.issued_products(trace),
            compulsory_bytes=compulsory_bytes,
            notes=work.notes(),
            operands_in_step=True,
            outputs_as_made=True,
        )

    def count(self, layer: Layer, mask: np.ndarray) -> WindowCounts:
        """What the windows of a mask cost; bool (K, C/G, R, S)."""
        spec = self.spec
        taps = mask.view(np.uint8).reshape(*layer.weight_shape[:2], -1)
        edges = self.window_edges(layer)
        return WindowCounts.of(taps, edges, selected=spec.multipliers_per_pe, index_bits=spec.index_bits)

    def window_edges(self, layer: Layer) -> np.ndarray:
        """Int64 (windows + 1,): where the windows of an output's input list begin."""
        taps = math.prod(layer.kernel_size)
        return window_edges(layer.group_in_channels, taps, self.spec.window, self.spec.window_spans)

    def step_bits(self, counts: WindowCounts) -> np.ndarray:
        """Int64 (K, windows): bits of the weights of each window as the machine's own steps."""
        return counts.entries.astype(np.int64) * (self.spec.value_bits + self.spec.index_bits)

    def _formatted(self, mask: np.ndarray, counts: WindowCounts) -> tuple[np.ndarray, np.ndarray]:
        """Bits of each filter's windows as DRAM and the SBs hold them, and cycles that its PE waits for the decoder.

        A format stores each filter on its own; its bits and waits are spread over the windows by their weights.
        """
        if self.spec.weight_format == NATIVE:
            return self.step_bits(counts), np.zeros_like(counts.busy)
        stored = FormattedWeights.of(self.spec.weight_format, mask, np.arange(len(mask) + 1))
        own = (counts.busy + counts.index).sum(axis=1)
        waits = np.maximum(stored.decode_cycles - own, 0)
        return spread(stored.size_bytes * 8, counts.nonzeros), spread(waits, counts.nonzeros)

    def arrange(self, layer: Layer, stored_bits: np.ndarray, window_cycles: np.ndarray) -> FilterRounds:
        """The way that takes the least time, among those that `loop_order` and the buffers allow.

        Time is the longest of computing, with PEs that meet at the end of each round's chunk, behind the first weights
        that no work can hide, of moving all bytes at the memory's peak, and of filling NBin or the SBs by their ports.
        Of equal ways the one that moves fewer bytes, then of longer chunks, then of more filters. Where moving takes
        longest, ways that leave parts of NBin unused are tried, too: blocks as large as they can be do not always cut a
        map into the fewest bytes.

        stored_bits, window_cycles  int64 (K, windows)
        """
        spec = self.spec
        shared, bytes_per_cycle = spec.fetch == "shared", spec.dram.planned_gbs * 1e9 / spec.clock_hz

        def cost(way: FilterRounds) -> tuple[float, int, int, int]:
            loaded = sum(way.loaded_bytes)
            # All bytes share the memory's peak; a buffer's own go through its port, which may be slower.
            moving = (loaded + way.stored_output_bytes) / bytes_per_cycle
            filling = max(way.loaded_bytes) / min(bytes_per_cycle, spec.buffers.bytes_per_cycle)
            cycles = way.chunk_cycles(window_cycles, shared=shared)
            first = way.first_weight_bytes / bytes_per_cycle - cycles[0, 0] * way.first_positions
            computing = way.all_positions * int(cycles.sum()) + max(0, first)
            return max(computing, moving, filling), loaded, -way.chunk_windows, -way.filters

        best = min(self._ways(layer, stored_bits, spec.held_neurons), key=cost)
        if cost(best)[0] > best.all_positions * int(best.chunk_cycles(window_cycles, shared=shared).sum()):
            parts = [held for held in (spec.held_neurons // 2, spec.held_neurons // 4) if held >= spec.window]
            best = min([best, *(way for held in parts for way in self._ways(layer, stored_bits, held))], key=cost)
        return best

    def _ways(self, layer: Layer, stored_bits: np.ndarray, held_neurons: int) -> list[FilterRounds]:
        """All ways to run a layer with so much of half of NBin."""
        spec, edges, windows = self.spec, self.window_edges(layer), stored_bits.shape[1]
        groups = _groups_in_flight(layer, spec.pes, held_neurons)
        orders = ("inputs_outer", "weights_outer") if spec.loop_order == "auto" else (spec.loop_order,)
        ways = []
        for chunk_windows in self._chunk_choices(layer, edges):
            chunked = chunk_windows < windows
            for filters in {
                self._round_filters(layer, stored_bits, groups, order, chunked=chunked) for order in orders
            }:
                sums = spec.held_sums // filters
                blocks = NeuronBlocks.of(layer, edges, chunk_windows, groups, held_neurons, sums)
                if blocks is not None:
                    sizes = (spec.pes, spec.sb_bytes, spec.value_bits)
                    ways.append(FilterRounds(blocks, stored_bits, chunk_windows, filters, *sizes))
        return ways

    def _chunk_choices(self, layer: Layer, edges: np.ndarray) -> list[int]:
        """Windows of a chunk, longest first: the whole list, then what half of NBin holds, cut into equal parts.

        Shorter chunks make room for wider blocks and may fit the SBs; a single position has no use for them.
        """
        windows, widest = len(edges) - 1, int(np.diff(edges).max())
        longest = min(windows, self.spec.held_neurons // widest)
        if math.prod(layer.output_size) == 1:
            return [windows, longest]
        parts = {ceil_div(windows, count) for count in range(1, windows + 1)}
        return sorted((size for size in parts if size in (windows, 1) or size <= longest), reverse=True)

    def _round_filters(self, layer: Layer, stored_bits: np.ndarray, groups: int, order: str, *, chunked: bool) -> int:
        """Filters of a round: whole turns of the PEs, or all filters of the groups in flight."""
        spec, every = self.spec, groups * layer.group_out_channels
        turns = ceil_div(every, spec.pes)
        if order == "weights_outer":
            fullest_bits = int(stored_bits.sum(axis=1).max())
            # Whole turns, as many as the SB of a PE holds of the fullest filter; one turn runs even where it does not
            # fit.
            turns = min(turns, max(1, spec.sb_bytes * 8 // max(1, fullest_bits)))
        if chunked:
            turns = min(turns, spec.held_sums // spec.pes)
        return min(every, turns * spec.pes)

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        windows = np.diff(self.window_edges(trace.layer))
        entries = trace.weight_nonzeros
        if windows.max() > 1 << self.spec.index_bits:  # else a step spans a window, and there are no fillers
            entries = int(self.count(trace.layer, trace.weight_mask).entries.sum())
        return hardware.count(self.spec, self.parts, trace.layer, windows, entries, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs round by round, block by block, PE by PE, filter by filter, window by window.

        A shared fetch interleaves the PEs otherwise but changes no PE's own order.
        """
        self.require(layer)
        spec, neurons = self.spec, ListedNeurons.of(layer, activations)
        kept = KeptWeights.of(weights, self.window_edges(layer))
        counts = self.count(layer, weights != 0)
        work = self.arrange(layer, self.step_bits(counts), counts.busy + counts.index)
        rounds, windows = work.rounds, kept.start.shape[1] - 1
        chunks = [(low, min(low + work.chunk_windows, windows)) for low in range(0, windows, work.chunk_windows)]
        outputs = np.zeros(layer.output_shape, np.int64)

        def run(task: int) -> None:
            number, image = divmod(task, layer.batch)
            filters = int(rounds.first[number]), int(rounds.end[number])
            for strip in work.blocks.strip_blocks():
                for chunk, block in itertools.product(chunks, strip):
                    portion = Portion(image, filters, chunk, block)
                    multiply_block(kept, neurons, portion, spec.pes, spec.multipliers_per_pe, outputs)

        run_slices(run, range(rounds.count * layer.batch))
        return outputs


def _groups_in_flight(layer: Layer, pes: int, held_neurons: int) -> int:
    """Convolution groups whose filters run together: enough to give every PE as many filters, as far as NBin holds."""
    # Groups of 24 filters on 16 PEs: two of them are 48 filters, three for each PE, where one leaves half of the PEs
    # with one filter less than the others.
    even = math.lcm(layer.group_out_channels, pes) // layer.group_out_channels
    inputs = math.prod(layer.weight_shape[1:])
    return max(1, min(even, layer.groups, held_neurons // inputs))
