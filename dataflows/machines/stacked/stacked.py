"""A multi-mode accelerator that runs one level of a nested network from a single stored copy.

Source: Moon et al. on network stacking, IEEE JETCAS 2019. The weights of a small network lie inside those of the next
larger one. All are stored once, level by level, with a multi-level index, and a mode reads only the first levels;
published are up to 33 % less memory and up to 1.94 times less energy in a case study. A trace holds the weights of the
level that runs (pruning `nested` with the same levels and level). How the copy is stored is a setting:

    sectioned   each level's additional weights are a list of their own; a mode reads the first lists
    coded       one list of all levels, a level code beside each entry; a mode reads all of it and passes over the rest
    separate    no stacking: a list for every level, holding all that it keeps

The array is a plain weight-skipping one, since the paper's is not in our sources: filter k runs on PE k mod PEs, a PE
takes a weight a cycle and multiplies it with a block of output positions, a lane each. A decoder before each PE looks
at a few stored entries at a time and hands over one weight of the level a cycle; entries without any (fillers, weights
of larger levels) take a cycle (index). Zero activations are not skipped.

Every weight needs another vector of inputs. The input memory sends `input_ports` vectors a cycle, each to all PEs whose
filters need it, which hold a few in a queue (`vector_broadcast`); waiting for one is `port`. The filters that run
together start and end a block of positions together, so that waiting for the slowest is imbalance inside a tile.

- Where the other levels' weights lie is not in a trace: see `nested_levels`.
- A layer without zeros is stored dense, with neither index nor levels.
- A grouped convolution is to this machine a sparse one over all channels.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.hardware.kept_of import KeptOf
from dataflows.kernels.add_by_value import add_by_value
from dataflows.kernels.threads import run_slices
from dataflows.machines.stacked import hardware
from dataflows.machines.stacked.nested_levels import nested_codes, stored_entries
from dataflows.machines.stacked.spec import StackedSpec
from dataflows.machines.stacked.stored_filters import StoredFilters
from dataflows.machines.stacked.vector_broadcast import NO_VECTOR, NO_WEIGHT, PRODUCT, BroadcastRules, play_turns
from dataflows.schedule import CAUSES, Cause, LayerSchedule, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.filter_blocks import cut_layer
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.pruning.choosing import share
from workloads.trace import LayerTrace
from workloads.whole_numbers import starts


class Stacked(Accelerator[StackedSpec]):
    """The stacked machine; its dense baseline is itself on the dense layer."""

    name = "stacked"
    title = "network stacking: one stored copy of nested networks, a mode reads the first levels (JETCAS 2019)"
    Spec = StackedSpec
    needs_constant_weights = (
        "its weights are listed level by level before the run, and another layer's results have neither "
        "levels nor lists"
    )
    scaling = Scaling(
        factors=("pes", "lanes"),
        growing=("pes",),
        buffers=THREE_BUFFERS,
        reason="PEs are added (assumption)",
    )

    _kept: KeptOf[StoredFilters] = KeptOf()

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused."""
        if layer.axes != 2:
            return "its networks are of two-dimensional convolutions, the layer has three axes"
        return super().refusal(layer)

    def idle_settings(self) -> dict[str, str]:
        """A single level has nothing to share."""
        if len(self.spec.densities) == 1:
            return dict.fromkeys(("storage", "loaded"), "there is one level only")
        if self.spec.storage == "coded":
            return {"loaded": "a coded list is loaded whole, whichever level runs"}
        return {}

    def issued_products(self, trace: LayerTrace) -> int:
        """Every non-zero weight at every output position, padding included."""
        return trace.weight_nonzeros * trace.layer.batch * math.prod(trace.layer.output_size)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image and strip of positions, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, trace.layer
        filters = self.stored_filters(trace.weights)
        self._kept = KeptOf(trace.weights, filters)
        plan = self._plan(layer, filters)
        traffic = StripTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False)
        moved = traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes)
        return strip_schedule(
            spec,
            self._work(plan, filters, layer.group_out_channels),
            replace(moved, notes=(*moved.notes, *self._density_note(trace))),
            pe_grid=(spec.pes, 1),
            lanes_per_pe=spec.lanes,
            expected_issued=self.issued_products(trace),
        )

    def _work(self, plan: StripPlan, filters: StoredFilters, group_filters: int) -> StripWork:
        """Cycles and products: every block of positions takes what its filters' turns take."""
        turns = self._turns(filters, group_filters)
        # Blocks of filters are whole turns: each begins at a turn of its own.
        # On 16 PEs blocks of 32 and 8 filters begin with the turns 0 and 2.
        per_block = np.add.reduceat(turns, starts(plan.filters) // self.spec.pes)
        blocks, pixels = (each[:, None, None] for each in (plan.strips.blocks, plan.strips.pixels))
        cycles = np.broadcast_to(per_block * blocks[..., None], (*plan.block_shape, self.spec.pes, CAUSES))
        return StripWork.of_filter_blocks(cycles, per_block[..., Cause.BUSY] * pixels)

    def stored_filters(self, weights: np.ndarray) -> StoredFilters:
        """What each filter of weights (K, C/G, [T,] R, S), values or a mask, takes."""
        spec, running, last = self.spec, self.spec.running, len(self.spec.densities)
        flat = weights.reshape(len(weights), -1)
        if np.count_nonzero(flat) == flat.size:
            return StoredFilters(
                # All filters are the same one.
                np.broadcast_to(np.uint8(1), flat.shape),
                [(1, 1)],
                np.full(len(flat), flat.shape[1] * spec.value_bits),
                np.full(len(flat), flat.shape[1]),
            )
        lists = {  # of the whole copy: first and last level of each
            "sectioned": [(level, level) for level in range(1, last + 1)],
            "coded": [(1, last)],
            "separate": [(1, level) for level in range(1, last + 1)],
        }[spec.storage]
        # Of three levels the second reads the lists 1 and 2 where they are sectioned, the one list where it is coded,
        # and its own where they are separate.
        read = {"sectioned": lists[:running], "coded": lists, "separate": lists[running - 1 : running]}[spec.storage]
        loaded = lists if spec.loaded == "all" else read
        # Levels that no list tells apart need no codes of their own: in one list of all, those up to the running one.
        lowest = 1 if len(loaded) > 1 else running
        codes = nested_codes(flat, spec.densities, running, loaded[-1][1], lowest)
        # Codes of three levels take two bits; of a single level there is nothing to tell.
        code_bits = (last - 1).bit_length() if spec.storage == "coded" else 0
        entries = stored_entries(codes, loaded, spec.index_bits)
        bits = entries * (spec.value_bits + spec.index_bits + code_bits)
        return StoredFilters(codes, read, bits, entries, all_read=read == loaded)

    def _turns(self, filters: StoredFilters, group_filters: int) -> np.ndarray:
        """Int64 (turns, PEs, CAUSES): what a filter on each PE takes for a block of positions, until all are done."""
        spec = self.spec
        rules = BroadcastRules(
            group_filters=group_filters,
            step_limit=1 << spec.index_bits,
            decoded=spec.decoded_entries,
            ports=spec.input_ports,
            depth=spec.input_queue_depth,
        )
        own = play_turns(filters.codes, filters.lists, spec.running, spec.pes, rules)
        cycles = no_cycles(*own.shape[:2])
        for doing, cause in ((PRODUCT, Cause.BUSY), (NO_WEIGHT, Cause.INDEX), (NO_VECTOR, Cause.PORT)):
            cycles[..., cause] = own[..., doing]
        taken = own.sum(axis=2)
        # Of three PEs of which two take 5 and 3 cycles and one has no filter in this turn, the second waits for 2
        # cycles and the third is unmapped for 5.
        waits = taken.max(axis=1, keepdims=True) - taken
        cycles[..., Cause.IMBALANCE] = np.where(taken > 0, waits, 0)
        cycles[..., Cause.UNMAPPED] = np.where(taken > 0, 0, waits)
        return cycles

    def _plan(self, layer: Layer, filters: StoredFilters) -> StripPlan:
        """The tiles."""
        spec = self.spec
        return cut_layer(
            layer,
            filters.bits,
            turn=spec.pes,
            pixels=spec.lanes,
            value_bits=spec.value_bits,
            input_bytes=spec.input_buffer_bytes,
            weight_bytes=spec.weight_buffer_bytes,
        )

    def _density_note(self, trace: LayerTrace) -> tuple[str, ...]:
        spec, size = self.spec, trace.layer.weight_count
        expected = share(spec.densities[spec.running - 1], size)
        # A layer without zeros was not pruned, to no level at all.
        if trace.weight_nonzeros in (expected, size):
            return ()
        kept = trace.weight_nonzeros
        return (
            f"level {spec.running} should keep {expected} of {size} weights but has {kept}; the others nest with it",
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        filters = self._kept.of(trace.weights) or self.stored_filters(trace.weights)
        return hardware.count(self.spec, self.parts, trace.layer, filters, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs filter by filter, block of positions by block, weight by weight, in the order of the stored lists."""
        self.require(layer)
        spec, padded = self.spec, PaddedMap.of(layer, activations)
        codes = nested_codes(weights, spec.densities, spec.running, spec.running).reshape(len(weights), -1)
        values = weights.reshape(len(weights), -1)
        outputs = np.zeros((layer.out_channels, layer.batch, len(padded.windows)), np.int64)

        def run(k: int) -> None:
            places = np.flatnonzero(values[k])
            if spec.storage == "sectioned":
                # Level by level, as the lists are read one after the other, and within a level in
                # the order of the columns.
                places = places[np.argsort(codes[k, places], kind="stable")]
            own = padded.values[:, k // layer.group_out_channels]
            each = np.arange(1, len(places) + 1)  # every weight is a group of its own
            add_by_value(own, padded.windows, values[k, places], each, padded.columns[places], spec.lanes, outputs[k])

        run_slices(run, range(layer.out_channels))
        return outputs.swapaxes(0, 1).reshape(layer.output_shape)
