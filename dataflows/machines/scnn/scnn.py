"""SCNN: planar tiles that stay where they are, Cartesian products of compressed vectors, banked accumulators.

Source: Parashar et al., "SCNN: An Accelerator for Compressed-sparse Convolutional Neural Networks", ISCA 2017. Each PE
keeps a planar tile of the input. For each group of output channels and each (virtual) input channel it multiplies every
vector of I activations with every vector of F weights, and scatters the F x I products over the banks of its
accumulators. Weights are broadcast through a FIFO in every PE, in which a channel's block stays until it is done.

The rules of a step, a stall and a wait stand in `bank_queues`, the tiling in `planar`, the lists in `nonzero_lists`,
what fits on the chip in `planar_storage`, and fully connected layers in `output_slices`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.accelerator import Accelerator
from dataflows.machines.scnn.activation_rams import (
    ActivationRams,
    Placement,
    Traffic,
    group_sizes,
    place,
    planar_traffic,
    sliced_traffic,
)
from dataflows.machines.scnn.bank_queues import QueueRules, cycles_and_issued
from dataflows.machines.scnn.fully_connected import SlicedWork, sliced_outputs
from dataflows.machines.scnn.issued_products import issued_products
from dataflows.machines.scnn.nonzero_lists import ListRules, as_bytes
from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.planar_outputs import planar_outputs
from dataflows.machines.scnn.tile_work import StoredActivations, StoredWeights, tile_work
from dataflows.schedule import BufferUse, LayerSchedule, Tensor
from dataflows.sizing import Scaling
from dataflows.specs import AcceleratorSpec, Count, DramSpec, Size
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.stored_weights import (
    NATIVE,
    FormattedWeights,
    WeightFormat,
    filter_by_filter,
    value_bits_of,
    wait_for_decoder,
)
from workloads.layer import Layer
from workloads.trace import LayerTrace


class ScnnSpec(AcceleratorSpec):
    """Parameters of SCNN; defaults are the published machine (Parashar et al., ISCA 2017) unless marked assumption."""

    pe_rows: Count = Field(8, description="rows of PEs (Table II: 64 PEs)")
    pe_columns: Count = Field(8, description="columns of PEs (Table II: 64 PEs)")
    weights_per_vector: Count = Field(4, description="F, weights of a vector (Table II: 4 x 4 multipliers in a PE)")
    activations_per_vector: Count = Field(4, description="I, activations of a vector (Table II)")
    accumulator_banks: Count = Field(32, description="banks of a PE's accumulators (section on the PE: 2 x F x I)")
    accumulator_entries: Count = Field(
        1024, description="partial sums of one accumulator copy (32 banks of 32 entries)"
    )
    accumulator_copies: Count = Field(
        2, description="copies, so that one drains while the next fills (section on the PE)"
    )
    queue_depth: Size = Field(8, description="products that wait before each bank; 0: a step lasts until the fullest "
                              "bank is done (assumption; third-party models use 0, 4, 5 and 8)")  # fmt: skip
    bank_hash: Literal["linear", "mix"] = Field(
        "linear", description="linear: address mod banks; mix: a bit mix of k, y and x (assumption; not published)"
    )
    output_channel_group: Count = Field(8, description="Kc, output channels accumulated together (from the capacity "
                                        "of the accumulators; fewer where a layer needs it)")  # fmt: skip
    zero_run_bits: int = Field(4, ge=0, le=16, description="bits of the zero-run field of a stored value (Table II)")
    weight_fifo_vectors: Count = Field(50, description="F-wide vectors that a PE's weight FIFO holds (Table II: 50 "
                                       "entries, 500 bytes)")  # fmt: skip
    iaram_bytes: Count = Field(10240, description="input activation RAM of a PE, bytes (Table II)")
    oaram_bytes: Count = Field(10240, description="output activation RAM of a PE, bytes (Table II)")
    post_processing_entries_per_cycle: Count = Field(
        4, description="partial sums that a PE's post-processing takes a cycle (assumption: one I-wide vector)"
    )
    halo_entries_per_cycle: Count = Field(
        4, description="halo sums that a PE sends to neighbours a cycle (assumption: one I-wide vector)"
    )
    skip: Literal["both", "weights", "activations"] = Field(
        "both", description="whose zeros are skipped; weights and activations alone are the paper's SCNN-SparseW and "
        "SCNN-SparseA; the other side is stored densely"
    )  # fmt: skip
    weight_format: WeightFormat = Field(
        NATIVE, description="storage of weights in DRAM: native (zero runs, decoded as fast as vectors are taken), or "
        "another format, e.g. csc, with that format's bits and decoder; the PEs get the same vectors"
    )  # fmt: skip
    weight_layout: Literal["tiles", "filters"] = Field(
        "tiles", description="order of weights in DRAM: tiles (packed for this machine, group by group) or filters (as "
        "a file holds them, filter by filter; a tile then gathers kernels); fully connected layers read whole filters"
    )  # fmt: skip
    dram: DramSpec = DramSpec(bandwidth_gbs=50.0)  # type: ignore[call-arg]

    @property
    def pes(self) -> int:
        """PEs of the array."""
        return self.pe_rows * self.pe_columns

    @property
    def weight_bits(self) -> int:
        """Bits of a stored weight: with its zero-run field, which dense weights do not need."""
        return self.value_bits + (0 if self.skip == "activations" else self.zero_run_bits)

    @property
    def activation_bits(self) -> int:
        """Bits of a stored activation, input or output, likewise."""
        return self.value_bits + (0 if self.skip == "weights" else self.zero_run_bits)

    @model_validator(mode="after")
    def _outputs_of_a_tile_fit(self) -> Self:
        needed = -(-self.accumulator_entries * self.activation_bits // 8)
        if needed > self.oaram_bytes:
            raise ValueError(
                f"oaram_bytes = {self.oaram_bytes} cannot hold the {self.accumulator_entries} results of one "
                f"accumulator copy, {needed} bytes"
            )
        return self


class Scnn(Accelerator[ScnnSpec]):
    """The SCNN machine, and with `skip` its two one-sided relatives."""

    name = "scnn"
    title = "SCNN: planar tiles, Cartesian products of compressed vectors, banked accumulators (ISCA 2017)"
    Spec = ScnnSpec
    baseline_name = "dcnn"
    scaling = Scaling(
        factors=("pe_rows", "pe_columns", "weights_per_vector", "activations_per_vector"),
        growing=("pe_rows", "pe_columns"),
        buffers={"iaram_bytes": "pes", "oaram_bytes": "pes"},
        reason="PEs of F x I multipliers are added (assumption)",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """DCNN of the same array."""
        spec = self.spec
        return {
            "pe_rows": spec.pe_rows,
            "pe_columns": spec.pe_columns,
            "multipliers_per_pe": spec.weights_per_vector * spec.activations_per_vector,
        }

    def least_weight_bits(self) -> int:
        """A value of the format in which DRAM holds weights."""
        return value_bits_of(self.spec.weight_format, self.spec.value_bits)

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused, and kernels so large that the accumulators cannot hold one output channel's region."""
        if layer.axes != 2:
            return "its planar tiles and accumulators have two spatial axes, the layer has three"
        if not _is_sliced(layer) and self._plan(layer) is None:
            return (
                f"one position's products reach more outputs than the {self.spec.accumulator_entries} accumulator "
                "entries of a PE hold"
            )
        return None

    def _plan(self, layer: Layer) -> PlanarMap | None:
        spec = self.spec
        return _plan(layer, (spec.pe_rows, spec.pe_columns), spec.output_channel_group, spec.accumulator_entries)

    @property
    def _rams(self) -> ActivationRams:
        return ActivationRams(
            self.spec.iaram_bytes, self.spec.oaram_bytes, self.spec.activation_bits, stores_zeros=self._keeps[1]
        )

    @property
    def _rules(self) -> QueueRules:
        spec = self.spec
        return QueueRules(
            weights_per_vector=spec.weights_per_vector,
            activations_per_vector=spec.activations_per_vector,
            banks=spec.accumulator_banks,
            mixed_hash=spec.bank_hash == "mix",
            depth=spec.queue_depth,
            fifo_vectors=spec.weight_fifo_vectors,
        )

    @property
    def _keeps(self) -> tuple[bool, bool]:
        """Whether zeros of the weights, and of the activations, are stored and multiplied."""
        return self.spec.skip == "activations", self.spec.skip == "weights"

    @property
    def _weight_rules(self) -> ListRules:
        return ListRules(1 << self.spec.zero_run_bits, self._keeps[0])

    @property
    def _activation_rules(self) -> ListRules:
        return ListRules(1 << self.spec.zero_run_bits, self._keeps[1])

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image, sub-tile and group of output channels, in this order."""
        self.require(trace.layer)
        return self._sliced(trace) if _is_sliced(trace.layer) else self._planar(trace)

    def _stored_weights(self, layer: Layer, mask: np.ndarray, plan: PlanarMap) -> StoredWeights:
        taps = mask.reshape(*mask.shape[:2], -1)
        return StoredWeights.of(taps, plan, layer.groups, self._weight_rules)

    def _planar(self, trace: LayerTrace) -> LayerSchedule:
        spec, layer = self.spec, trace.layer
        plan = self._plan(layer)
        assert plan is not None  # noqa: S101 (`require` has refused the layer otherwise)
        stored = StoredActivations.of(as_bytes(trace.activation_mask), plan, self._activation_rules)
        outputs = -(-layer.output_size[0] // spec.pe_rows) * -(-layer.output_size[1] // spec.pe_columns)
        output_entries = int(self._rams.output_entries(layer.out_channels * outputs, trace.output_density))
        placement = place(stored, self._rams, spec.accumulator_entries, output_entries)
        plan = placement.activations.plan
        stored_weights = self._stored_weights(layer, as_bytes(trace.weight_mask), plan)
        work = tile_work(placement.activations, stored_weights, self._rules)
        channels = group_sizes(layer.out_channels, plan.group_channels)
        stored_as = self._formatted(trace, np.append(0, np.cumsum(channels)), stored_weights.entries)
        moved = planar_traffic(trace, placement, stored_as.size_bytes, self._rams, self._kernel_bits(trace))
        decode_cycles = np.tile(stored_as.decode_cycles, layer.batch * plan.cut_count)
        drains = [self._drain_cycles(channels, plan, cut) for cut in range(plan.cut_count)]
        drain_cycles = np.tile(np.concatenate(drains), layer.batch)
        return self._finished(
            trace,
            work,
            decode_cycles,
            drain_cycles,
            moved,
            self._notes(layer, placement),
            spills=bool(placement.overflows),
        )

    def _drain_cycles(self, channels: np.ndarray, plan: PlanarMap, cut: int) -> np.ndarray:
        """Per group of `channels` output channels: the halos leave, then the sub-tile is post-processed."""
        spec, (rows, columns) = self.spec, plan.sub_tile_size(cut)
        positions = rows * columns
        halo = (rows + plan.halo[0]) * (columns + plan.halo[1]) - positions
        exchange = -(-channels * halo // spec.halo_entries_per_cycle)
        return exchange - (-channels * positions // spec.post_processing_entries_per_cycle)

    def _notes(self, layer: Layer, placement: Placement) -> tuple[str, ...]:
        plan, notes = placement.activations.plan, []
        wanted = min(self.spec.output_channel_group, layer.out_channels)
        if plan.group_channels < wanted:
            notes.append(f"output channels accumulated together: {plan.group_channels} instead of {wanted}")
        if plan.cut_count > 1:
            rows, columns = plan.cut_size
            notes.append(f"each PE's tile is cut into {plan.cut_count} sub-tiles of at most {rows} x {columns}")
        if placement.overflows:
            notes.append(f"activations spill to DRAM: {'; '.join(placement.overflows)}")
        if not placement.resident:
            notes.append("inputs of a single position exceed the IARAM: they are read again for every tile")
        return tuple(notes)

    def _sliced(self, trace: LayerTrace) -> LayerSchedule:
        spec, layer = self.spec, trace.layer
        active = as_bytes(trace.activation_mask).reshape(layer.batch, -1) | np.uint8(self._keeps[1])
        reached = all(pad[0] % stride == 0 for pad, stride in zip(layer.padding, layer.stride, strict=True))
        sliced = SlicedWork.of(
            as_bytes(trace.weight_mask).reshape(layer.weight_shape[:2]),
            active if reached else np.zeros_like(active),  # else the stride steps over the one position
            layer.groups, pes=spec.pes, accumulators=spec.accumulator_entries,
            stored_by=self._weight_rules, rules=self._rules,
        )  # fmt: skip
        drains = -(-sliced.size // spec.post_processing_entries_per_cycle)
        inputs = active.sum(axis=1, dtype=np.int64)
        size_bytes, decode_cycles = self._formatted_slices(trace, sliced)
        moved, overflows = sliced_traffic(trace, size_bytes, sliced.channels, inputs, self._rams)
        notes = (f"activations spill to DRAM: {'; '.join(overflows)}",) if overflows else ()
        decode_cycles = np.tile(decode_cycles, (layer.batch, 1))
        return self._finished(
            trace, sliced.work, decode_cycles, np.tile(drains, layer.batch), moved, notes, spills=bool(overflows)
        )

    def _kernel_bits(self, trace: LayerTrace) -> np.ndarray | None:
        """int64 (K, C/G): bits of each kernel where DRAM holds filter after filter, else None."""
        spec = self.spec
        if spec.weight_layout == "tiles":
            return None
        stores_zeros = self._keeps[0] and spec.weight_format == NATIVE
        return filter_by_filter(spec.weight_format, trace.weight_mask | stores_zeros, spec.weight_bits)

    def _formatted(self, trace: LayerTrace, bounds: np.ndarray, entries: np.ndarray) -> FormattedWeights:
        """Slices of output channels as DRAM holds them; `entries` of the machine's own zero runs, a slice each."""
        if self.spec.weight_format == NATIVE:
            return FormattedWeights(-(-entries * self.spec.weight_bits // 8), np.zeros_like(entries))
        return FormattedWeights.of(self.spec.weight_format, trace.weight_mask, bounds)

    def _formatted_slices(self, trace: LayerTrace, sliced: SlicedWork) -> tuple[np.ndarray, np.ndarray]:
        """Bytes of each round and decode cycles (rounds, PEs), for weights that lie PE by PE and round by round."""
        pes, channels = self.spec.pes, trace.layer.out_channels
        starts = np.add.outer(np.arange(pes) * sliced.size.sum(), np.cumsum(sliced.size) - sliced.size)
        bounds = np.append(np.minimum(starts, channels).reshape(-1), channels)
        stored_as = self._formatted(trace, bounds, sliced.stored.T.reshape(-1))
        by_round = (column.reshape(starts.shape).T for column in (stored_as.size_bytes, stored_as.decode_cycles))
        size_bytes, decode_cycles = by_round
        return size_bytes.sum(axis=1), decode_cycles

    def _finished(
        self,
        trace: LayerTrace,
        work: np.ndarray,
        decode_cycles: np.ndarray,
        drain_cycles: np.ndarray,
        moved: Traffic,
        notes: tuple[str, ...],
        *,
        spills: bool,
    ) -> LayerSchedule:
        spec = self.spec
        fifo_bytes = bits_to_bytes(spec.weight_fifo_vectors * spec.weights_per_vector * spec.weight_bits)
        cycles, issued = cycles_and_issued(work)
        wait_for_decoder(cycles, decode_cycles)
        masks = (as_bytes(trace.weight_mask), as_bytes(trace.activation_mask))
        return LayerSchedule(
            pe_grid=(spec.pe_rows, spec.pe_columns),
            lanes_per_pe=spec.weights_per_vector * spec.activations_per_vector,
            cycles=cycles,
            issued=issued,
            drain_cycles=drain_cycles,
            accumulator_copies=spec.accumulator_copies,
            loads=moved.loads,
            stores=moved.stores,
            buffers=(
                BufferUse("weight_fifo", Tensor.WEIGHT, fifo_bytes * spec.pes, streamed=True),
                BufferUse("iaram", Tensor.INPUT, spec.iaram_bytes * spec.pes, streamed=moved.streams_inputs),
                BufferUse("oaram", Tensor.OUTPUT, spec.oaram_bytes * spec.pes),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=issued_products(trace.layer, *masks, self._keeps),
            compulsory_bytes=moved.compulsory_bytes,
            notes=notes,
            operands_in_step=True,
            spills=spills,
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs by the machine's own lists and tiles, products outside the map included and dropped."""
        self.require(layer)
        if _is_sliced(layer):
            return sliced_outputs(layer, weights, activations, -(-layer.out_channels // self.spec.pes))
        plan = self._plan(layer)
        assert plan is not None  # noqa: S101 (`require` has refused the layer otherwise)
        stored = (
            StoredActivations.of(as_bytes(activations != 0), plan, self._activation_rules),
            self._stored_weights(layer, as_bytes(weights != 0), plan),
        )
        vectors = (self.spec.weights_per_vector, self.spec.activations_per_vector)
        return planar_outputs(layer, plan, weights, activations, stored, vectors)


@lru_cache(maxsize=64)
def _plan(layer: Layer, pe_grid: tuple[int, int], group_channels: int, accumulators: int) -> PlanarMap | None:
    """The layer's tiling, kept because a refusal and a schedule both need it."""
    return PlanarMap.of(layer, pe_grid, min(group_channels, layer.out_channels), accumulators)


def _is_sliced(layer: Layer) -> bool:
    """Fully connected geometry, whatever the layer is called."""
    return max(layer.input_size) == 1 and max(layer.kernel_size) == 1
