"""What the folds of a layer move over DRAM, and which tiles they make.

Both operands and the outputs are stored as the paper says (section IV-C): a bit for each value, and the non-zeros one
behind the other. The paper models no memory outside the chip; the rest is assumption. What stays in the multipliers
comes once, beside the folds that use it. What is streamed lies in its SRAM while it is used, where it fits; otherwise
it comes anew for every fold. Maps that fit the SRAMs of inputs and of outputs stay on the chip between layers, as in
the TPU, whose memory system SIGMA's is said to be like. Outputs leave in proportion to the stationary values that are
done, and sums that several folds add to have room on the chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from dataflows.machines.sigma.spec import SigmaSpec
from dataflows.machines.sigma.stationary_loads import Loads
from dataflows.schedule import BufferUse, Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.windows import places_read
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, ceil_div

TILES_AT_MOST = 1024  # of a layer: folds join a tile until there are as few
_TENSORS = {"weights": Tensor.WEIGHT, "inputs": Tensor.INPUT}


@dataclass(frozen=True, eq=False)
class OperandBits:
    """Bits of a layer's tensors as they are stored; int64 (G,) each what is read of the operands.

    map_bits     the whole input, positions that no window reads included
    output_bits  all outputs, by the share of them that will not be zero
    """

    weights: np.ndarray
    inputs: np.ndarray
    map_bits: int
    output_bits: int

    @classmethod
    def of(cls, trace: LayerTrace, value_bits: int, weight_nonzeros: np.ndarray) -> OperandBits:
        """Of a layer with its zeros; `weight_nonzeros` int64 (G,) are those of its weights."""
        layer, mask = trace.layer, trace.activation_mask
        read = [places_read(layer, axis, range(size)) for axis, size in enumerate(layer.output_size)]
        # A 1x1 kernel of stride 2 reads a quarter of the positions; the others need not come.
        if any(len(places) < size for places, size in zip(read, layer.input_size, strict=True)):
            mask = mask[np.ix_(np.arange(layer.batch), np.arange(layer.in_channels), *read)]
        inputs = mask.reshape(layer.batch, layer.groups, -1)
        found = np.count_nonzero(inputs, axis=2).sum(axis=0)
        outputs = layer.output_count
        return cls(
            layer.weight_count // layer.groups + weight_nonzeros * value_bits,
            layer.batch * inputs.shape[2] + found * value_bits,
            layer.input_count + trace.activation_nonzeros * value_bits,
            outputs + round(outputs * trace.output_density) * value_bits,
        )


@dataclass(frozen=True, eq=False)
class FoldTraffic:
    """The transfers of a layer's folds with one of the operands stationary."""

    spec: SigmaSpec
    bits: OperandBits
    stays: Literal["weights", "inputs"]
    loads: Loads
    input_in_dram: bool

    @property
    def _room(self) -> int:
        # A map that stays is made in one SRAM and read from the other: it has to fit both.
        return min(self.spec.input_buffer_bytes, self.spec.output_buffer_bytes)

    @property
    def inputs_stay(self) -> bool:
        """Whether the input map of the whole batch stays on the chip."""
        return bits_to_bytes(self.bits.map_bits) <= self._room

    @property
    def outputs_stay(self) -> bool:
        """Whether the outputs do."""
        return bits_to_bytes(self.bits.output_bits) <= self._room

    @property
    def _streamed(self) -> Literal["weights", "inputs"]:
        return "inputs" if self.stays == "weights" else "weights"

    def _of(self, operand: Literal["weights", "inputs"]) -> np.ndarray:
        return self.bits.weights if operand == "weights" else self.bits.inputs

    def _comes(self, operand: Literal["weights", "inputs"]) -> bool:
        """Whether an operand crosses DRAM at all."""
        return operand == "weights" or self.input_in_dram or not self.inputs_stay

    @property
    def holds_streamed(self) -> bool:
        """Whether the streamed operand fits its SRAM."""
        room = self.spec.weight_buffer_bytes if self._streamed == "weights" else self.spec.input_buffer_bytes
        return bits_to_bytes(int(self._of(self._streamed).sum())) <= room

    @cached_property
    def folds(self) -> int:
        """Folds of the layer."""
        return len(self.loads.first_of_fold)

    @cached_property
    def joined(self) -> int:
        """Folds of a tile; the last may have fewer."""
        return max(1, ceil_div(self.folds, TILES_AT_MOST))

    @property
    def tiles(self) -> int:
        """Tiles of the layer: one at least, whose cycles may be none."""
        return max(1, ceil_div(self.folds, self.joined))

    @cached_property
    def _passes(self) -> tuple[np.ndarray, np.ndarray]:
        """Int64 (passes,) each: a fold and a group that has values in it."""
        pairs = self.loads.fold_of * len(self.loads.mapped) + self.loads.group_of
        return np.divmod(pairs[np.flatnonzero(np.diff(pairs, prepend=-1))], len(self.loads.mapped))

    @property
    def total_bytes(self) -> int:
        """Bytes that cross DRAM, about (ends of groups are not rounded)."""
        bits = 0 if self.outputs_stay else self.bits.output_bits
        if self._comes(self.stays):
            bits += int(self._of(self.stays).sum())
        if self._comes(self._streamed):
            own = self._of(self._streamed)
            bits += int(own.sum()) if self.holds_streamed else int(own[self._passes[1]].sum())
        return bits // 8

    @property
    def compulsory_bytes(self) -> int:
        """Bytes that cross DRAM in any order of the folds, rounded down."""
        bits = int(self.bits.weights.sum()) + (0 if self.outputs_stay else self.bits.output_bits)
        return (bits + (int(self.bits.inputs.sum()) if self._comes("inputs") else 0)) // 8

    def transfers(self) -> tuple[Runs, Runs]:
        """Loads and stores."""
        sizes = [bits_to_bytes(int(self._of(operand).sum())) for operand in ("inputs", "weights")]
        layout = Layout.of(*sizes)
        address = {"inputs": layout.input_address, "weights": layout.weight_address}
        parts = [
            self._held_loads(operand, address[operand]) if operand == self._streamed and self.holds_streamed
            else self._passing_loads(operand, address[operand]) if operand == self._streamed
            else self._shared_out(_TENSORS[operand], int(self._of(operand).sum()), address[operand])
            for operand in ("inputs", "weights")
            if self._comes(operand)
        ]  # fmt: skip
        stores = Runs.none()
        if not self.outputs_stay:
            stores = self._shared_out(Tensor.OUTPUT, self.bits.output_bits, layout.output_address)
        return Runs.merge(*parts), stores

    def buffers(self) -> tuple[BufferUse, ...]:
        """The three SRAMs."""
        spec, held = self.spec, self.holds_streamed
        inputs, weights = (held and operand == self._streamed for operand in ("inputs", "weights"))
        return (
            BufferUse("input_buffer", Tensor.INPUT, spec.input_buffer_bytes, streamed=not inputs),
            BufferUse("weight_buffer", Tensor.WEIGHT, spec.weight_buffer_bytes, streamed=not weights),
            BufferUse("output_buffer", Tensor.OUTPUT, spec.output_buffer_bytes),
        )

    def notes(self) -> tuple[str, ...]:
        """Which operand stayed, where that was open, and what came again."""
        notes = [f"{self.stays} stay in the multipliers"] if self.spec.stationary == "auto" else []
        if not self.holds_streamed and self.folds > 1 and self._comes(self._streamed):
            notes.append(f"the streamed {self._streamed} exceed their buffer: they come anew for every fold")
        return tuple(notes)

    def _shared_out(self, tensor: Tensor, bits: int, address: int) -> Runs:
        """A tensor of which every tile moves its share, by the stationary values that it has."""
        before = boundaries(np.add.reduceat(self.loads.values, self.loads.first_of_fold)) if self.folds else np.zeros(1)
        ends = np.minimum(np.arange(1, self.tiles + 1) * self.joined, self.folds)
        total = max(1, int(before[-1]))
        # Edges are rounded, so that sizes add up to the whole; the last tile has what is left, and without values all.
        edges = [0, *(bits * int(done) // total // 8 for done in before[ends[:-1]]), bits_to_bytes(bits)]
        return Runs.per_tile(tensor, np.arange(self.tiles), address + np.array(edges[:-1]), np.diff(edges))

    def _edges(self, operand: Literal["weights", "inputs"]) -> np.ndarray:
        """Int64 (G + 1,): where each group's part begins."""
        return bits_to_bytes(boundaries(self._of(operand)))

    def _held_loads(self, operand: Literal["weights", "inputs"], address: int) -> Runs:
        """Each group's part with the first tile that streams it, until the last."""
        edges, by_group = self._edges(operand), self.loads.by_group
        tile_of = np.append(self.loads.fold_of // self.joined, self.tiles - 1)
        first = tile_of[by_group[:-1]]
        last = np.maximum(first, tile_of[by_group[1:] - 1])
        return Runs.per_tile(_TENSORS[operand], first, address + edges[:-1], np.diff(edges), last_tile=last)

    def _passing_loads(self, operand: Literal["weights", "inputs"], address: int) -> Runs:
        """Each group's part with every fold that it passes through; all of it once where nothing is mapped."""
        edges, (fold, group) = self._edges(operand), self._passes
        if not self.folds:
            return self._shared_out(_TENSORS[operand], int(self._of(operand).sum()), address)
        return Runs.per_tile(_TENSORS[operand], fold // self.joined, address + edges[group], np.diff(edges)[group])
