"""What Eyeriss and Eyeriss v2 have in common: a layer's rows on chains of PEs, in tiles of whole waves.

A tile is a pack of groups, an image and a strip of output rows; the images of a two-dimensional layer are rows of one
volume (`stacked_images`). In a tile the filters come round by round, in a round the passes, in a pass the waves of the
strip, whose sums wait in the buffer for the next pass. So weights are loaded once for a strip and its pass, and
activations, where a strip's do not stay in their buffer, come again for every block of filters whose sums have room.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.compiled import kernel
from dataflows.machines.eyeriss import hardware
from dataflows.machines.eyeriss.chain_steps import Chains, Counted, Ports, chain_steps
from dataflows.machines.eyeriss.expected_time import Aim, Estimate, search
from dataflows.machines.eyeriss.mapping import Limits, Rows, rows_read, stacked_images
from dataflows.machines.eyeriss.row_counts import filters_of_blocks
from dataflows.machines.eyeriss.row_strips import LaidOut, best_strips
from dataflows.machines.eyeriss.spec import RowStationarySpec
from dataflows.schedule import LayerSchedule, no_cycles
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, ceil_div


class RowStationary(Accelerator[RowStationarySpec]):
    """Machines whose PEs keep rows of weights. What they count of rows and weights they say themselves."""

    _laid_out: tuple[LayerTrace | None, LaidOut | None] = None, None
    """The trace that was laid out last, at hand for whoever counts its actions next."""

    @abstractmethod
    def limits(self) -> Limits:
        """What the array has room for."""

    @abstractmethod
    def ports(self) -> Ports:
        """What reaches its PEs in a cycle."""

    @abstractmethod
    def estimate(self) -> Estimate:
        """What the search takes its ports for."""

    @abstractmethod
    def counted(self, trace: LayerTrace, laid: LaidOut) -> Counted:
        """The rows and weights of a trace."""

    @abstractmethod
    def weight_bytes(self, counted: Counted, laid: LaidOut) -> np.ndarray:
        """Int64 (groups, filter blocks): stored bytes of each block of weights of a PE's filters."""

    def densities(self, trace: LayerTrace) -> tuple[float, float]:
        """Shares of weights and activations that are not zero, as far as the search knows."""
        del trace
        return 1.0, 1.0

    def lay_out(self, trace: LayerTrace) -> LaidOut:
        """How the layer is run; kept for whoever asks about the same trace next."""
        laid_out, laid = self._laid_out
        if laid is None or laid_out is not trace:
            laid = self._lay_out(trace.layer, *self.densities(trace))
            self._laid_out = trace, laid
        return laid

    def _lay_out(self, layer: Layer, weights: float, activations: float) -> LaidOut:
        spec, layer, ports = self.spec, stacked_images(layer), self.ports()
        aim = Aim(
            limits=self.limits(),
            ports=self.estimate(),
            rates=(ports.weights, ports.inputs, ports.sums),
            beside=bool(ports.beside),
            empty=ports.empty,
            skips=self.skips_zeros,
            weights=weights,
            activations=activations,
            bytes_per_cycle=spec.dram.planned_gbs * 1e9 / spec.clock_hz,
            held_bytes=self.held_weight_bytes(),
        )
        return best_strips(layer, search(replace(layer, name="any"), aim), aim)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, image and strip of waves, in this order."""
        self.require(trace.layer)
        limits, laid = self.limits(), self.lay_out(trace)
        counted = self.counted(trace, laid)
        plan = self._plan(counted, laid)
        traffic = StripTraffic(plan, self.spec.value_bits, self.held_weight_bytes(), indexed=False)
        # Weights that do not stay come once for a strip: its waves follow one another for each pass.
        traffic.streams_weights = False
        work, passed = self._work(counted, laid)
        schedule = strip_schedule(
            self.spec,
            work,
            traffic.transfers(limits.input_room // 8, (limits.sum_room or limits.input_room) // 8),
            pe_grid=(limits.rows, limits.columns),
            lanes_per_pe=limits.lanes,
            expected_issued=self.issued_products(trace),
        )
        return replace(schedule, counts=hardware.counts_of(laid, counted, passed))

    def held_weight_bytes(self) -> int:
        """Bytes of weights that all PEs together hold."""
        limits = self.limits()
        return bits_to_bytes(limits.rows * limits.columns * limits.weights * self.spec.value_bits)

    def _plan(self, counted: Counted, laid: LaidOut) -> StripPlan:
        """The tiles, with filters in blocks whose sums of a strip the buffer holds."""
        layer, way, packs = laid.layer, laid.way, laid.packs
        together = way.blocks * laid.joined
        by_block = self.weight_bytes(counted, laid)
        first = np.arange(0, by_block.shape[1], together)
        by_pack = np.add.reduceat(np.add.reduceat(by_block, first, axis=1), _first_groups(packs), axis=0)
        filters = packs.filters(together * way.filters if way.groups == 1 else layer.out_channels)
        return StripPlan(layer, by_pack.sum(axis=1), filters, laid.strips, packs, weight_bytes=by_pack)

    def _work(self, counted: Counted, laid: LaidOut) -> tuple[StripWork, np.ndarray]:
        """What PEs do, and how many words passed the ports (`chain_steps`)."""
        limits, way, shape = self.limits(), laid.way, Rows(laid.layer)
        tiles = laid.packs.count, laid.layer.batch, laid.strips.count
        pes = limits.rows * limits.columns
        cycles, issued = no_cycles(*tiles, pes), np.zeros((*tiles, pes), np.int64)
        chains = Chains(
            columns=limits.columns,
            sets=limits.rows // way.depth * limits.columns,
            depth=way.depth,
            rows=way.rows,
            blocks=way.blocks,
            groups=way.groups,
            channels=way.channels,
            taps=way.taps,
            tap_blocks=ceil_div(laid.layer.kernel_size[-1], way.taps),
            entries=shape.entries(way.channels, way.taps),
            group_blocks=ceil_div(laid.layer.group_out_channels, way.filters),
        )
        passed = chain_steps(chains, self.ports(), counted, boundaries(laid.strips.blocks), cycles, issued)
        flat = math.prod(tiles)
        work = StripWork(cycles.reshape(flat, pes, -1), issued.reshape(flat, pes), np.zeros(flat, np.int64))
        return work, passed

    def count(self, laid: LaidOut, rows: tuple[np.ndarray, np.ndarray], weights: np.ndarray, lanes: int) -> Counted:
        """Rows (`row_counts`) and weights of PEs that take `lanes` weights of an activation in a cycle."""
        layer, (taken, words) = laid.layer, rows
        cost = ceil_div(np.arange(laid.way.filters + 1), lanes)
        cost[0] = self.ports().empty
        return Counted(
            read=rows_read(layer),
            taken=taken.reshape(*taken.shape[:2], -1),
            words=words,
            weights=weights.reshape(*weights.shape[:3], -1),
            cost=cost,
            channels=layer.group_in_channels,
            kernel_taps=layer.kernel_size[-1],
            filters=filters_of_blocks(layer, laid.way),
            positions=layer.output_size[-1],
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec, self.limits(), self.ports())

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        laid = self.lay_out(trace)
        return hardware.count(self.parts, laid, trace, schedule, effectual_macs, skips=self.skips_zeros)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs filter block by filter block and entry by entry, as sums go down the chains."""
        laid = self.lay_out(LayerTrace(layer, weights, activations))
        stacked, way = laid.layer, laid.way
        padded = PaddedMap.of(stacked, stacked_input(layer, activations))
        kernels = np.ascontiguousarray(weights).reshape(
            layer.groups, layer.group_out_channels, layer.group_in_channels, -1, layer.kernel_size[-1]
        )
        outputs = np.zeros((stacked.batch, stacked.groups, stacked.group_out_channels, len(padded.windows)), np.int64)
        for group in range(layer.groups):
            own = padded.of_group(group)
            columns = np.ascontiguousarray(own.columns.reshape(kernels.shape[2:]))
            sizes = way.filters, way.channels, way.taps
            _chain_products(
                own.values, columns, own.windows, kernels[group], sizes, self.skips_zeros, outputs[:, group]
            )
        if stacked is layer:
            return outputs.reshape(layer.output_shape)
        return np.moveaxis(outputs.reshape(layer.out_channels, layer.batch, *layer.output_size), 0, 1)


def stacked_input(layer: Layer, activations: np.ndarray) -> np.ndarray:
    """Activations (N, C, [D,] H, W) of a layer as those of `stacked_images`."""
    if layer.axes == 3 or layer.batch == 1:
        return activations
    return np.ascontiguousarray(np.moveaxis(activations, 0, 1))[None]


def _first_groups(packs: GroupPacks) -> np.ndarray:
    return np.arange(0, packs.layer.groups, packs.together)


@kernel
def _chain_products(
    values: np.ndarray,
    columns: np.ndarray,
    windows: np.ndarray,
    weights: np.ndarray,
    sizes: tuple[int, int, int],
    skips: bool,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, K/G, positions) of a group from its map (N, size) and weights (K/G, C/G, [T·]R, S).

    columns  (C/G, [T·]R, S): how far a weight reads from its window's first value
    sizes    filters, channels and taps of a PE's block
    skips    whether products with a zero are left out
    """
    filters, channels, taps = sizes
    for image in range(values.shape[0]):
        for first in range(0, weights.shape[0], filters):
            for channel in range(0, weights.shape[1], channels):
                for row in range(weights.shape[2]):
                    for tap in range(0, weights.shape[3], taps):
                        for c in range(channel, min(channel + channels, weights.shape[1])):
                            for s in range(tap, min(tap + taps, weights.shape[3])):
                                block = weights[first : first + filters, c, row, s]
                                into = outputs[image, first : first + filters]
                                _column_products(values[image], windows, columns[c, row, s], block, skips, into)


@kernel
def _column_products(
    values: np.ndarray, windows: np.ndarray, reach: int, weights: np.ndarray, skips: bool, outputs: np.ndarray
) -> None:
    """Add to outputs (filters, positions) the products of a weight column (filters,) with a row's activations."""
    for position in range(windows.size):
        value = values[windows[position] + reach]
        if skips and value == 0:
            continue
        for k in range(weights.size):
            if not skips or weights[k] != 0:
                outputs[k, position] += weights[k] * value
