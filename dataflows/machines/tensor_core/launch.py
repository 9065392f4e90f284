"""One launch a layer: tiles of outputs that cores take one by one, and what crosses DRAM for them.

A layer is a product of matrices for each group: its filters by the output positions of all images. The tiles of all
groups stand in one line, (group, block of positions, block of filters), and the core that has worked least so far takes
the next one. Cores meet at the end of the launch and nowhere else, so that a layer is one tile of the schedule.

Memory: inputs and weights pass the L2 between DRAM and the cores. Its halves hold a strip of inputs and the weights of
two groups, or as much of them as fits (`dataflows.tiling.strip_traffic`); what does not fit comes again. Nothing stays
there between layers (assumption).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.tensor_core.hardware import REGISTER_BITS, SECTOR_BITS
from dataflows.machines.tensor_core.spec import LaunchSpec
from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs, Tensor, no_cycles
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from dataflows.tiling.windows import inputs_read
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

IDLE_WRITE_BACK = "a layer is one launch: the next one waits for its results in either case"


@dataclass(frozen=True)
class Grid:
    """The tiles of a launch.

    positions, filters   of a tile; the last on either axis has what is left
    """

    layer: Layer
    positions: int
    filters: int

    @property
    def total_positions(self) -> int:
        """Output positions of a group, those of all images."""
        return self.layer.batch * math.prod(self.layer.output_size)

    @property
    def position_sizes(self) -> np.ndarray:
        """Int64 (blocks of positions,): positions of each."""
        return _sizes(self.total_positions, self.positions)

    @property
    def filter_sizes(self) -> np.ndarray:
        """Int64 (blocks of filters,): filters of each, in every group."""
        return _sizes(self.layer.group_out_channels, self.filters)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles by group, block of positions and block of filters."""
        return self.layer.groups, len(self.position_sizes), len(self.filter_sizes)


def _sizes(total: int, part: int) -> np.ndarray:
    # 70 filters in tiles of 32 are 32, 32 and 6.
    return np.minimum(part, total - np.arange(0, total, part))


@dataclass(frozen=True, eq=False)
class LaunchWork:
    """What the tiles take, int64 of the shape of their grid, and what their cores issue.

    causes        cycles by cause
    operand_bits  what each tile reads of shared memory
    counts        what else the layer's actions need, by names of the machine
    """

    causes: dict[Cause, np.ndarray]
    issued: np.ndarray
    operand_bits: np.ndarray
    counts: dict[str, int]

    def words(self, bits: int) -> int:
        """Words of so many bits that the operands of all tiles take, those of each in words of its own."""
        return int(ceil_div(self.operand_bits, bits).sum())

    def on_cores(self, cores: int) -> tuple[np.ndarray, np.ndarray]:
        """Int64 (1, cores, CAUSES) and (1, cores): cycles and products of each core in the whole launch."""
        total = sum(self.causes.values(), np.zeros_like(self.issued)).reshape(-1)
        core = np.full(total.size, -1, np.int64)
        deal(total, cores, core)
        mapped = core >= 0
        cycles, issued = no_cycles(1, cores), np.zeros((1, cores), np.int64)
        for cause, part in self.causes.items():
            np.add.at(cycles[0, :, cause], core[mapped], part.reshape(-1)[mapped])
        np.add.at(issued[0], core[mapped], self.issued.reshape(-1)[mapped])
        return cycles, issued


@kernel
def deal(cycles: np.ndarray, cores: int, core: np.ndarray) -> None:
    """Fill in which core takes each tile: that with the fewest cycles so far, the first of equals.

    cycles, core  int64 (tiles,); a tile that takes no cycle goes to no core

    Example: tiles of 5, 2, 2 and 4 cycles on two cores go to the cores 0, 1, 1 and 1: when the last is dealt, core 1
    has worked for 4 cycles and core 0 for 5.
    """
    # A heap whose root is the core to take the next tile: ordered by its cycles, then by its number.
    load = np.zeros(cores, np.int64)
    heap = np.arange(cores)
    for tile in range(cycles.size):
        if cycles[tile] == 0:
            continue
        chosen = heap[0]
        core[tile] = chosen
        load[chosen] += cycles[tile]
        # The root has grown: smaller children move up until it has found its place.
        place = 0
        while True:
            child = 2 * place + 1
            if child >= cores:
                break
            if child + 1 < cores:
                left, right = heap[child], heap[child + 1]
                if load[right] < load[left] or (load[right] == load[left] and right < left):
                    child += 1
            below = heap[child]
            if load[below] > load[chosen] or (load[below] == load[chosen] and below > chosen):
                break
            heap[place] = below
            place = child
        heap[place] = chosen


@dataclass(frozen=True, eq=False)
class LaunchTraffic:
    """What a launch moves.

    loads, stores     all of the one tile
    compulsory_bytes  what no order avoids
    notes             what had to come again
    """

    loads: Runs
    stores: Runs
    compulsory_bytes: int
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, grid: Grid, spec: LaunchSpec, weight_bytes: np.ndarray, inputs: float = 1.0, outputs: float = 1.0
    ) -> Self:
        """Of a layer.

        weight_bytes     int64 (groups, blocks of filters): stored weights
        inputs, outputs  stored bytes of the maps over those of dense ones
        """
        layer = _position_by_position(grid.layer)
        columns = np.full(layer.groups, layer.weight_count // layer.out_channels)
        held = spec.l2_bytes // 2 // bits_to_bytes(spec.value_bits * layer.group_in_channels)
        # A strip may fill its half: the next one comes bit by bit as tiles are done with it.
        strips = PixelStrips.of(layer, grid.positions, inputs=2 * held)
        plan = StripPlan(layer, columns, grid.filter_sizes, strips, weight_bytes=weight_bytes)
        traffic = StripTraffic(plan, spec.value_bits, spec.l2_bytes // 2, indexed=False)
        moved = traffic.transfers(spec.l2_bytes // 2, spec.l2_bytes)
        read = layer.batch * layer.in_channels * inputs_read(layer)
        # Rounded down, as a bound from below has to be.
        maps = math.floor((read * inputs + layer.output_count * outputs) * spec.value_bits / 8)
        least = int(weight_bytes.sum()) + maps
        return cls(_joined(moved.loads, inputs), _joined(moved.stores, outputs), least, moved.notes)


def _position_by_position(layer: Layer) -> Layer:
    """A layer whose windows are single positions, each in a row of its own, so that strips may end at any of them."""
    ones = {*layer.kernel_size, *layer.stride}
    if ones != {1} or any(map(any, layer.padding)) or layer.axes != 2:
        return layer
    images = layer.batch if layer.fully_connected else 1
    rows = images * math.prod(layer.input_size)
    return replace(layer, batch=layer.batch // images, input_size=(rows, 1), fully_connected=False)


def _joined(runs: Runs, maps: float) -> Runs:
    """The runs of all strips as those of one tile, maps with their stored share of the bytes (rounded up)."""
    share = np.where(runs.tensor == Tensor.WEIGHT, 1.0, maps)
    # Weights lie behind maps, at addresses that do not move: compressed maps leave a gap.
    start = np.where(runs.tensor == Tensor.INPUT, np.ceil(runs.address * share), runs.address).astype(np.int64)
    size = np.ceil(runs.size_bytes * share).astype(np.int64)
    kept, order = size > 0, np.argsort(runs.tensor, kind="stable")
    order = order[kept[order]]
    tile = np.zeros(len(order), np.int64)
    return Runs(tile, tile, runs.tensor[order], start[order], size[order])


def launch_schedule(
    spec: LaunchSpec,
    work: LaunchWork,
    moved: LaunchTraffic,
    *,
    lanes: int,
    expected_issued: int,
    notes: tuple[str, ...],
) -> LayerSchedule:
    """The schedule of one launch, whose data arrive and leave while it runs."""
    cycles, issued = work.on_cores(spec.cores)
    return LayerSchedule(
        pe_grid=(1, spec.cores),
        lanes_per_pe=lanes,
        cycles=cycles,
        issued=issued,
        drain_cycles=np.zeros(1, np.int64),
        accumulator_copies=2,
        loads=moved.loads,
        stores=moved.stores,
        buffers=tuple(BufferUse("l2", tensor, spec.l2_bytes, streamed=True) for tensor in Tensor),
        prefetch_tiles=spec.prefetch_tiles,
        expected_issued=expected_issued,
        compulsory_bytes=moved.compulsory_bytes,
        notes=(*notes, *moved.notes),
        outputs_as_made=True,
        counts=work.counts
        | {
            "shared_words": work.words(8 * spec.shared_bytes_per_cycle),
            "sectors": work.words(SECTOR_BITS),
            "register_words": work.words(REGISTER_BITS),
        },
    )
