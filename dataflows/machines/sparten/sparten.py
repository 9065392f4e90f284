"""SparTen: every compute unit joins the bit masks of an input chunk and of a filter's chunk, a match a cycle.

Source: Gondimalla et al., "SparTen: A Sparse Tensor Accelerator for Convolutional Neural Networks", MICRO 2019. Both
operands are SparseMaps, a bit mask of 128 positions with the packed non-zero values. A unit ANDs the masks of two
chunks, a priority encoder takes one match a cycle, and prefix sums of the masks say where its two values lie. An input
chunk is broadcast to all units of a cluster, whose filters differ; clusters have output positions of their own.

A unit with two filters takes a chunk of one after that of the other. Filters of different density would leave units
waiting, since all of them need the next chunk: greedy balancing gives every unit a dense and a sparse filter, once for
the layer (GB-S) or for every chunk (GB-H), where a permutation network carries sums to the units of their filters.
`balanced_rounds` has the rules.

What the machine is taken to do where the paper is silent, or is known from memory alone:

- A unit spends a cycle on a chunk of a filter with no match (index), and the units of a cluster meet at every chunk
  that is broadcast (imbalance). Units that hold no filter in a round are unmapped.
- A chunk has channels of one kernel position; kernel positions in the padding are never broadcast.
- Filters that a round of two a unit lacks count as the sparsest, so that the densest filters are alone. GB-H pairs the
  filters of a round of GB-S anew.
- Output positions of a tile are dealt out to the clusters in turn. Where they are fewer, as in fully connected layers,
  several clusters share the rounds of a position. Groups of a convolution follow one another.
- Clusters run apart and meet at a tile's end, a strip of positions whose inputs fit a buffer that all share; nothing
  stays on the chip between layers. Pipelines, broadcasts and collecting outputs take no cycles of their own.

`skips` makes the one-sided relatives, which join the mask of one operand with all positions of the other, and the dense
one; what is not skipped is not stored as a SparseMap either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.sparten import hardware
from dataflows.machines.sparten.balanced_rounds import BalancedRounds, chunk_weights
from dataflows.machines.sparten.cluster_work import ClusterWork
from dataflows.machines.sparten.hardware import Passes, sent_chunks
from dataflows.machines.sparten.inner_join import JOIN_CAUSES
from dataflows.machines.sparten.join_products import multiply_joined
from dataflows.machines.sparten.sparse_chunks import ChunkCut
from dataflows.machines.sparten.sparse_maps import strip_plan, strips_of, transfers
from dataflows.machines.sparten.spec import SpartenSpec
from dataflows.schedule import Cause, LayerSchedule, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.matrix_product import product_layer
from dataflows.tiling.packed_maps import stored_bits
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.truth.products import count_meetings, count_products, positions_inside
from workloads.layer import Layer
from workloads.trace import LayerTrace


class Sparten(Accelerator[SpartenSpec]):
    """The machine; a PE is a compute unit. Its dense baseline is its relative that skips nothing."""

    name = "sparten"
    display = "SparTen"
    title = "SparTen: inner joins of bit masks, filters balanced by density (MICRO 2019)"
    Spec = SpartenSpec
    baseline_name = "sparten"
    needs_constant_weights = (
        "its filters are sorted by density and stored as SparseMaps before the run, and nothing on the chip sorts "
        "another layer's results"
    )
    scaling = Scaling(
        factors=("clusters", "units"),
        growing=("clusters",),
        buffers=THREE_BUFFERS,
        reason="clusters are added, as between its two configurations",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """The same units without joins; the dense machine is its own baseline."""
        return self.spec.model_dump() | {"skips": "neither"}

    def idle_settings(self) -> dict[str, str]:
        """What the chosen balancing, and chunks in which something always matches, leave without effect."""
        spec, idle = self.spec, dict[str, str]()
        if not spec.sparse_weights:
            idle["balancing"] = "zero weights are not skipped, so that all filters take equally long"
        if spec.balanced != "gb-h":
            idle["permute_share"] = "sums are permuted only where balancing is 'gb-h' and weights are skipped"
        if spec.skips == "neither":
            idle["barrier"] = "nothing is skipped, so that no unit waits for another"
        return idle

    def issued_products(self, trace: LayerTrace) -> int:
        """Those inside the map whose operands are not among the zeros that it skips."""
        layer = trace.layer
        if self.spec.skips == "both":
            return count_products(trace).effectual_macs
        if self.spec.skips == "inputs":
            return count_meetings(trace) * layer.group_out_channels
        if self.spec.skips == "weights":
            return count_products(trace).weight_macs
        return int(positions_inside(layer).sum()) * layer.group_in_channels * layer.out_channels * layer.batch

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """A bit for each value and the non-zeros, where maps are SparseMaps."""
        bits = stored_bits(values, np.array(nonzeros), self.spec.value_bits, sparse=self.spec.sparse_inputs)
        return bits_to_bytes(int(bits))

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each group, image and strip of positions, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, product_layer(trace.layer)
        activations = _as_product(layer, trace.activation_mask)
        cut = self._cut(layer)
        packed, weights = self._filters(layer, cut, trace.weight_mask)
        rounds = BalancedRounds.of(weights, spec.units, spec.balanced)
        plan = strip_plan(spec, layer, rounds.filters, self._weight_bytes(layer, rounds, weights))
        cycles = no_cycles(plan.tiles, spec.clusters * spec.units)
        words = rounds.words(packed) if packed is not None else None
        did = ClusterWork(spec, plan, cut, rounds, words).cycles(activations)
        for place, cause in enumerate(JOIN_CAUSES):
            cycles[..., cause] = did[..., place].reshape(cycles.shape[:2])
        return strip_schedule(
            spec,
            StripWork(cycles, cycles[..., Cause.BUSY].copy(), np.zeros(plan.tiles, np.int64)),
            transfers(spec, plan, trace, activations),
            pe_grid=(spec.clusters, spec.units),
            lanes_per_pe=1,
            expected_issued=self.issued_products(trace),
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        spec, layer = self.spec, product_layer(trace.layer)
        cut, strips = self._cut(layer), strips_of(spec, layer)
        shape = layer.groups, layer.group_out_channels, 1
        rounds = BalancedRounds.of(np.zeros(shape, np.int64), spec.units, "none" if spec.balanced == "none" else "gb-s")
        inside = int(positions_inside(layer).sum()) * layer.in_channels * layer.batch
        passes = Passes(
            windows=sent_chunks(layer, cut) * layer.batch * layer.groups,
            values=count_meetings(trace) if spec.sparse_inputs else inside,
            rounds=len(rounds.filters),
            holders=int(rounds.mapped[0].sum()),
            turns=layer.batch * int(np.minimum(strips.pixels, spec.clusters).sum()),
            kept=trace.weight_nonzeros if spec.sparse_weights else layer.weight_count,
        )
        return hardware.count(spec, self.parts, layer, cut, passes, schedule, effectual_macs)

    def _cut(self, layer: Layer) -> ChunkCut:
        taps = layer.weight_count // layer.out_channels // layer.group_in_channels
        return ChunkCut(taps, layer.group_in_channels, self.spec.chunk, self.spec.chunks_of)

    def _filters(self, layer: Layer, cut: ChunkCut, mask: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Filters as words (G, K/G, chunks, words), None where their zeros are not skipped, and what chunks keep.

        The second int64 (G, K/G, chunks).
        """
        shape = layer.groups, layer.group_out_channels
        if not self.spec.sparse_weights:
            return None, np.zeros((*shape, 1), np.int64)
        packed = cut.pack(mask.reshape(layer.out_channels, layer.group_in_channels, -1))
        return packed.reshape(*shape, *packed.shape[1:]), chunk_weights(packed).reshape(*shape, -1)

    def _weight_bytes(self, layer: Layer, rounds: BalancedRounds, weights: np.ndarray) -> np.ndarray:
        """Int64 (G, rounds): bytes of the filters of each round, each filter in whole bytes."""
        spec, elements = self.spec, layer.weight_count // layer.out_channels
        bits = stored_bits(elements, weights.sum(axis=2), spec.value_bits, sparse=spec.sparse_weights)
        held = rounds.held[:, :, 0].reshape(layer.groups, rounds.held.shape[1], -1)
        own = np.take_along_axis(bits_to_bytes(bits)[:, None], np.maximum(held, 0), axis=2)
        return np.where(held >= 0, own, 0).sum(axis=2)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs position by position, round by round, chunk by chunk, from the matches of the packed masks alone."""
        self.require(layer)
        whole = product_layer(layer)
        cut = self._cut(whole)
        packed, kept = self._filters(whole, cut, weights != 0)
        rounds = BalancedRounds.of(kept, self.spec.units, self.spec.balanced)
        outputs = multiply_joined(self.spec, whole, cut, packed, rounds, weights, _as_product(whole, activations))
        return outputs if whole is layer else outputs.reshape(layer.out_channels, -1).T.reshape(layer.output_shape)


def _as_product(layer: Layer, activations: np.ndarray) -> np.ndarray:
    """Activations (N, C, ...) of a layer, or of the images that are its positions (`product_layer`)."""
    if activations.shape == layer.input_shape:
        return activations
    return np.ascontiguousarray(activations.reshape(len(activations), -1).T).reshape(layer.input_shape)
