"""Cambricon-X: every PE picks, out of a window of dense inputs, the neurons that its kept weights need.

Source: Zhang et al., "Cambricon-X: An Accelerator for Sparse Neural Networks", MICRO 2016. NBin holds dense input
neurons. Each PE works on output neurons of its own with its own compressed synapses (SB); its indexing module selects,
by step index, up to as many neurons a cycle as the PE has multipliers out of a window. Zero activations are not skipped.

The rules of a window stand in `index_windows`, the blocks of positions that NBin holds in `neuron_blocks`.

What the machine is taken to do where the paper is silent:

- Filter k runs on PE k mod PEs. A PE runs its filters one after the other and meets the others when NBin is reloaded.
  The cost of an output position depends on weights alone, so the wait of a block is that of a position times the
  block's positions, and a schedule's tile may stand for all blocks of several rows without changing a cycle of any PE.
- Padded positions lie in NBin as zeros and take multiplier slots: issued = non-zero weights x P x Q x N.
- NBin and NBout work in halves, one of which is filled or written out while the other is used.
- Filters go in rounds. A round whose weights fit the SBs loads them once; otherwise the weights of a chunk of the input
  list are loaded once for the positions whose partial sums NBout holds, or, if a chunk's do not fit either, streamed for
  every block. `loop_order` decides between one round of all filters and rounds that fit.
- Input neurons lie in DRAM channels innermost; the end of a window costs no storage in a weight stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.accelerator import Accelerator, AcceleratorSpec, Count, DramSpec
from dataflows.index_windows import KeptWeights, WindowCounts, list_offsets, multiply_block
from dataflows.layout import Layout, bits_to_bytes
from dataflows.neuron_blocks import Axis, NeuronBlocks
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace

TILES_AT_MOST = 1024  # of a layer, where rounds, images and chunks allow: blocks join a tile until there are as few


class CambriconXSpec(AcceleratorSpec):
    """Parameters of Cambricon-X; defaults are the published machine (Zhang et al., MICRO 2016) unless marked."""

    pes: Count = Field(16, description="PEs, each with an indexing module of its own (section on the PE)")
    multipliers_per_pe: Count = Field(16, description="multipliers of a PE, and neurons its indexing module selects a cycle")
    window: Count = Field(256, description="input neurons among which the indexing module selects")
    index_bits: int = Field(8, ge=0, le=16, description="bits of a step index; a longer run of zeros takes fillers "
                            "(assumption: 8, which span a window of 256)")  # fmt: skip
    nbin_bytes: Count = Field(8192, description="NBin, input neurons, both halves together, bytes")
    nbout_bytes: Count = Field(8192, description="NBout, output neurons and partial sums, both halves together, bytes")
    sb_bytes: Count = Field(2048, description="SB, compressed synapses of one PE, bytes")
    loop_order: Literal["auto", "inputs_outer", "weights_outer"] = Field(
        "auto", description="inputs_outer: a block of inputs meets all filters; weights_outer: rounds of filters that "
        "fit the SBs meet all inputs; auto: whichever moves fewer bytes (assumption)"
    )  # fmt: skip
    dram: DramSpec = DramSpec(bandwidth_gbs=256.0)  # type: ignore[call-arg]

    @property
    def held_neurons(self) -> int:
        """Neurons in one half of NBin."""
        return self.nbin_bytes * 8 // self.value_bits // 2

    @property
    def held_sums(self) -> int:
        """Partial sums in one half of NBout, stored like neurons."""
        return self.nbout_bytes * 8 // self.value_bits // 2

    @model_validator(mode="after")
    def _buffers_hold_a_step(self) -> Self:
        if self.held_neurons < self.window:
            raise ValueError(f"nbin_bytes = {self.nbin_bytes}: half of it cannot hold a window of {self.window} neurons")
        if self.held_sums < self.pes:
            raise ValueError(f"nbout_bytes = {self.nbout_bytes}: half of it cannot hold a sum for each of {self.pes} PEs")
        return self


@dataclass(frozen=True)
class _Plan:
    """How a layer is cut: rounds of consecutive filters (rows of `rounds`: group set, first, end), blocks, chunks."""

    blocks: NeuronBlocks
    chunk_windows: int
    rounds: np.ndarray


class CambriconX(Accelerator):
    """The Cambricon-X machine."""

    name = "cambricon-x"
    title = "Cambricon-X: indexing modules select the inputs of kept weights from a window (MICRO 2016)"
    Spec = CambriconXSpec
    baseline_name = "diannao"

    def baseline_settings(self) -> dict[str, Any]:
        """DianNao with as many multipliers, the same word and memory, at its own clock."""
        spec = self.spec
        return {
            "output_neurons": spec.pes,
            "inputs_per_neuron": spec.multipliers_per_pe,
            "value_bits": spec.value_bits,
            "dram": spec.dram.model_dump(),
        }

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused."""
        if layer.axes != 2:
            return "its window and address generator step over two-dimensional maps, the layer has three axes"
        return None

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """Tiles: round of filters, image, rows of output positions, chunk of the input list, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, trace.layer
        counts = WindowCounts.of(
            trace.weight_mask.view(np.uint8).reshape(*layer.weight_shape[:2], -1),
            window=spec.window, selected=spec.multipliers_per_pe, index_bits=spec.index_bits,
        )  # fmt: skip
        work = [_Work(spec, layer, counts, plan) for plan in self._plans(layer, counts.entries)]
        return min(work, key=_Work.moved_bytes).schedule(trace.weight_nonzeros * math.prod(layer.output_shape[2:]) * layer.batch)

    def _plans(self, layer: Layer, entries: np.ndarray) -> list[_Plan]:
        """The ways to run a layer that the buffers allow. entries int64 (K, windows): stored weights."""
        spec, windows = self.spec, entries.shape[1]
        groups = _groups_in_flight(layer, spec)
        orders = ["inputs_outer", "weights_outer"] if spec.loop_order == "auto" else [spec.loop_order]
        plans = []
        for chunk_windows in sorted({-(-windows // parts) for parts in range(1, windows + 1)}, reverse=True):
            for order in orders:
                filters = self._round_filters(layer, entries, groups, order, chunked=chunk_windows < windows)
                blocks = NeuronBlocks.of(
                    layer, spec.window, chunk_windows, groups, spec.held_neurons, spec.held_sums // filters
                )
                if blocks is not None:
                    plans.append(_Plan(blocks, chunk_windows, _rounds(layer, groups, filters)))
        return plans

    def _round_filters(self, layer: Layer, entries: np.ndarray, groups: int, order: str, *, chunked: bool) -> int:
        """Filters of a round: whole turns of the PEs, or all filters of the groups in flight."""
        spec, every = self.spec, groups * layer.group_out_channels
        turns = -(-every // spec.pes)
        if order == "weights_outer":
            fullest = int(entries.sum(axis=1).max()) * (spec.value_bits + spec.index_bits)
            turns = min(turns, max(1, spec.sb_bytes * 8 // max(1, fullest)))
        if chunked:
            turns = min(turns, spec.held_sums // spec.pes)
        return min(every, turns * spec.pes)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs block by block, PE by PE, filter by filter, window by window, selection by selection."""
        self.require(layer)
        spec = self.spec
        kept = KeptWeights.of(weights, spec.window)
        entries = np.diff(kept.start, axis=1)
        plan = self._plans(layer, entries)[0]
        padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding)).transpose(0, 2, 3, 1)
        offsets = list_offsets(layer, padded.shape[2])
        groups = np.arange(layer.groups) * layer.group_in_channels
        outputs = np.zeros(layer.output_shape, np.int64)
        for image in range(layer.batch):
            neurons = np.ascontiguousarray(padded[image]).ravel()
            for top in range(0, layer.output_size[0], plan.blocks.block[0]):
                rows = np.arange(top, min(top + plan.blocks.block[0], layer.output_size[0]))
                for left, right in plan.blocks.row_blocks:
                    corner = (rows[:, None] * layer.stride[0] * padded.shape[2]) + np.arange(left, right) * layer.stride[1]
                    base = corner.reshape(-1, 1) * layer.in_channels + groups
                    sums = np.zeros((layer.out_channels, len(base)), np.int64)
                    for _, first, end in plan.rounds.tolist():
                        for window in range(0, entries.shape[1], plan.chunk_windows):
                            chunk = (window, min(window + plan.chunk_windows, entries.shape[1]))
                            multiply_block(
                                kept.start, kept.place, kept.value, offsets, neurons, base, spec.pes,
                                spec.multipliers_per_pe, chunk, (first, end), sums,
                            )  # fmt: skip
                    outputs[image, :, rows[0] : rows[-1] + 1, left:right] = sums.reshape(len(sums), len(rows), -1)
        return outputs


def _groups_in_flight(layer: Layer, spec: CambriconXSpec) -> int:
    """Convolution groups whose filters run together: enough to give every PE as many filters, as far as NBin holds."""
    even = math.lcm(layer.group_out_channels, spec.pes) // layer.group_out_channels
    inputs = math.prod(layer.weight_shape[1:])
    return max(1, min(even, layer.groups, spec.held_neurons // inputs))


def _rounds(layer: Layer, groups: int, filters: int) -> np.ndarray:
    """Int64 (rounds, 3): the set of groups in flight, first filter, end."""
    each, total = groups * layer.group_out_channels, layer.out_channels
    return np.array(
        [
            (first // each, start, min(start + filters, first + each, total))
            for first in range(0, total, each)
            for start in range(first, min(first + each, total), filters)
        ],
        np.int64,
    )


class _Work:
    """One plan for one layer: what it moves, and its schedule."""

    def __init__(self, spec: CambriconXSpec, layer: Layer, counts: WindowCounts, plan: _Plan) -> None:
        self.spec, self.layer, self.plan, self.counts = spec, layer, plan, counts
        blocks = plan.blocks
        fixed = len(plan.rounds) * layer.batch * len(blocks.chunks)
        self.bands = -(-blocks.bands // max(1, TILES_AT_MOST // fixed))  # bands of a tile
        self.steps = -(-blocks.bands // self.bands)
        self.shape = (len(plan.rounds), layer.batch, self.steps, len(blocks.chunks))
        self.rows = self._per_step(blocks.band_rows())
        self.entries = self._per_pe(counts.entries)
        self.loads = [blocks.loads(chunk) for chunk in range(len(blocks.chunks))]

    def _per_step(self, per_band: np.ndarray) -> np.ndarray:
        """Sums over the bands of each step of a round."""
        return np.add.reduceat(per_band, np.arange(0, len(per_band), self.bands))

    def _per_pe(self, per_window: np.ndarray) -> np.ndarray:
        """Int64 (rounds, chunks, PEs) of (K, windows): sums over the chunk and over the filters of a PE."""
        plan, pes = self.plan, self.spec.pes
        per_chunk = np.add.reduceat(per_window, np.arange(0, per_window.shape[1], plan.chunk_windows), axis=1)
        sums = np.zeros((len(plan.rounds), pes, per_chunk.shape[1]), np.int64)
        _, first, end = plan.rounds.T
        filters = np.arange(len(per_window))
        np.add.at(sums, (np.repeat(np.arange(len(first)), end - first), filters % pes), per_chunk)
        return sums.transpose(0, 2, 1)

    def _set_groups(self) -> np.ndarray:
        """Int64 (rounds,): convolution groups in flight."""
        groups = self.plan.blocks.groups
        return np.minimum(groups, self.layer.groups - self.plan.rounds[:, 0] * groups)

    def _weight_loads(self) -> tuple[np.ndarray, np.ndarray]:
        """Bytes of each round's chunks (rounds, chunks), and how often each tile loads its own (`shape`)."""
        spec, blocks = self.spec, self.plan.blocks
        bits = self.entries * (spec.value_bits + spec.index_bits)
        room = spec.sb_bytes * 8
        resident = bits.sum(axis=1).max(axis=1) <= room
        chunk_fits = bits.max(axis=(1, 2)) <= room
        chunked = len(blocks.chunks) > 1
        times = np.empty(self.shape, np.int64)
        per_block = self._per_step(blocks.band_blocks())[None, None, :, None]
        per_strip = self._per_step(np.full(blocks.bands, blocks.strips()))[None, None, :, None]
        times[:] = per_block
        if chunked:
            times[chunk_fits] = per_strip[0]
        times[resident] = 0
        times[resident, 0, 0] = 1
        return -(-bits.sum(axis=2) // 8), times

    def moved_bytes(self) -> int:
        """Bytes that inputs and weights take over DRAM, all reloads counted."""
        size, times = self._weight_loads()
        inputs = sum(int(bits_to_bytes_each(neurons, self.spec.value_bits).sum()) for _, _, neurons in self.loads)
        return int((size[:, None, None, :] * times).sum()) + inputs * int(self._set_groups().sum()) * self.layer.batch

    def _tile(self, rounds: np.ndarray, images: np.ndarray, steps: np.ndarray, chunk: int) -> np.ndarray:
        return np.ravel_multi_index((rounds, images, steps, np.full_like(steps, chunk)), self.shape)

    def _input_runs(self, address: int) -> Runs:
        """The rows of every block, one run for all blocks of a row."""
        layer, bits = self.layer, self.spec.value_bits
        height, width = layer.input_size
        groups = self._set_groups()
        first_channel = self.plan.rounds[:, 0] * self.plan.blocks.groups * layer.group_in_channels
        parts = []
        for chunk, (band, row, neurons) in enumerate(self.loads):
            rounds, images, load = (
                axis.ravel()
                for axis in np.meshgrid(
                    np.arange(len(groups)), np.arange(layer.batch), np.arange(len(row)), indexing="ij"
                )
            )
            place = (images * layer.in_channels + first_channel[rounds]) * height
            place = (place + row[load] * groups[rounds] * layer.group_in_channels) * width
            tile = self._tile(rounds, images, band[load] // self.bands, chunk)
            parts.append(
                Runs.per_tile(
                    Tensor.INPUT, tile, address + place * bits // 8,
                    bits_to_bytes_each(neurons[load] * groups[rounds], bits),
                )
            )  # fmt: skip
        return Runs.merge(*parts)

    def _weight_runs(self, address: int) -> Runs:
        """The compressed weights of a round's chunk, as often as its tile loads them."""
        size, times = self._weight_loads()
        start = address + np.concatenate(([0], np.cumsum(size.ravel())[:-1])).reshape(size.shape)
        tiles = np.repeat(np.arange(times.size), times.ravel())
        rounds, _, _, chunk = np.unravel_index(tiles, self.shape)
        return Runs.per_tile(Tensor.WEIGHT, tiles, start[rounds, chunk], size[rounds, chunk])

    def _output_runs(self, address: int) -> Runs:
        """The finished outputs of a round's strip, with its last chunk."""
        rounds, images, steps = (axis.ravel() for axis in np.indices(self.shape[:3]))
        filters = self.plan.rounds[:, 2] - self.plan.rounds[:, 1]
        size = bits_to_bytes_each(
            filters[rounds] * self.rows[steps] * self.layer.output_size[1], self.spec.value_bits
        )
        start = address + np.cumsum(size) - size
        return Runs.per_tile(Tensor.OUTPUT, self._tile(rounds, images, steps, self.shape[3] - 1), start, size)

    def schedule(self, expected_issued: int) -> LayerSchedule:
        """The plan's tiles, transfers and notes."""
        spec, layer, shape, pes = self.spec, self.layer, self.shape, self.spec.pes
        positions = (self.rows * layer.output_size[1])[None, None, :, None, None]

        def spread(per_window: np.ndarray) -> np.ndarray:
            per_tile = self._per_pe(per_window)[:, None, None] * positions
            return np.broadcast_to(per_tile, (*shape, pes)).reshape(-1, pes)

        cycles = np.zeros((math.prod(shape), pes, CAUSES), np.int64)
        cycles[..., Cause.BUSY] = spread(self.counts.busy)
        cycles[..., Cause.INDEX] = spread(self.counts.index)
        weight_bytes = int(self._weight_loads()[0].sum())
        layout = Layout.of(bits_to_bytes(layer.input_count * spec.value_bits), weight_bytes)
        stores = self._output_runs(layout.output_address)
        return LayerSchedule(
            pe_grid=(1, pes),
            lanes_per_pe=spec.multipliers_per_pe,
            cycles=cycles,
            issued=np.ascontiguousarray(spread(self.counts.nonzeros)),
            drain_cycles=np.zeros(len(cycles), np.int64),
            accumulator_copies=2,
            loads=Runs.merge(self._input_runs(layout.input_address), self._weight_runs(layout.weight_address)),
            stores=stores,
            buffers=(
                BufferUse("nbin", Tensor.INPUT, spec.nbin_bytes, streamed=True),
                BufferUse("sb", Tensor.WEIGHT, spec.sb_bytes * pes, streamed=True),
                BufferUse("nbout", Tensor.OUTPUT, spec.nbout_bytes, streamed=True),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=expected_issued,
            compulsory_bytes=self._compulsory_inputs() + weight_bytes + stores.total_bytes,
            notes=self._notes(),
        )

    def _compulsory_inputs(self) -> int:
        """Bytes of the neurons that any output reads."""
        rows, columns = Axis.both(self.layer)
        read = math.prod(axis.read_inside(0, axis.outputs, (0, axis.kernel)) for axis in (rows, columns))
        return read * self.layer.in_channels * self.layer.batch * self.spec.value_bits // 8

    def _notes(self) -> tuple[str, ...]:
        blocks, rounds = self.plan.blocks, len(self.plan.rounds)
        notes = []
        if len(blocks.chunks) > 1:
            notes.append(
                f"the inputs of one position exceed half of NBin: they are loaded in {len(blocks.chunks)} chunks of "
                f"{self.plan.chunk_windows} windows, and partial sums wait in NBout"
            )
        if rounds > 1:
            notes.append(f"inputs are read anew for each of {rounds} rounds of filters")
        return tuple(notes)


def bits_to_bytes_each(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole bytes of each count of values."""
    return -(-values * bits // 8)
