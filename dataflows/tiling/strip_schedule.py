"""The schedule of machines whose tiles are strips of output positions: from what PEs do and what tiles move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs
from dataflows.specs import AcceleratorSpec


@dataclass(frozen=True, eq=False)
class StripWork:
    """What each PE does in each tile.

    cycles        int64 (tiles, PEs, CAUSES): see `LayerSchedule`
    issued        int64 (tiles, PEs): multiplier slots that held a product
    drain_cycles  int64 (tiles,): how long a tile's results drain beside later tiles
    """

    cycles: np.ndarray
    issued: np.ndarray
    drain_cycles: np.ndarray

    @classmethod
    def of_filter_blocks(cls, cycles: np.ndarray, issued: np.ndarray, drain_cycles: np.ndarray | None = None) -> Self:
        """Of tiles whose filters come block by block.

        cycles        int64 (*tiles, filter blocks, PEs, CAUSES)
        issued        int64 that broadcasts to (*tiles, filter blocks, PEs)
        drain_cycles  int64 (*tiles,); None: draining takes no cycles of its own
        """
        joined = join_filter_blocks(cycles)
        # Products may be given once for all images, or for all blocks of filters. They are spread out first, so that
        # the sum counts them once for each block.
        products = np.broadcast_to(issued, cycles.shape[:-1]).sum(axis=-2)
        drains = np.zeros(len(joined), np.int64) if drain_cycles is None else drain_cycles.reshape(-1)
        return cls(joined, products.reshape(joined.shape[:2]), drains)


@dataclass(frozen=True, eq=False)
class StripTransfers:
    """What the tiles move, as in `LayerSchedule`."""

    loads: Runs
    stores: Runs
    buffers: tuple[BufferUse, ...]
    compulsory_bytes: int
    notes: tuple[str, ...] = ()
    spills: bool = False


def strip_schedule(
    spec: AcceleratorSpec,
    work: StripWork,
    moved: StripTransfers,
    *,
    pe_grid: tuple[int, int],
    lanes_per_pe: int,
    expected_issued: int,
) -> LayerSchedule:
    """The schedule of tiles with two copies of accumulators, whose outputs leave while a tile goes on."""
    # With two copies of the accumulators the sums of a tile drain while the next one adds up its own, and a tile waits
    # only for the last but one. Its blocks of filters end one by one, so that outputs leave before the tile is done.
    return LayerSchedule(
        pe_grid=pe_grid,
        lanes_per_pe=lanes_per_pe,
        cycles=work.cycles,
        issued=work.issued,
        drain_cycles=work.drain_cycles,
        accumulator_copies=2,
        loads=moved.loads,
        stores=moved.stores,
        buffers=moved.buffers,
        prefetch_tiles=spec.prefetch_tiles,
        expected_issued=expected_issued,
        compulsory_bytes=moved.compulsory_bytes,
        notes=moved.notes,
        outputs_as_made=True,
        spills=moved.spills,
    )


def join_filter_blocks(cycles: np.ndarray) -> np.ndarray:
    """Int64 (tiles, PEs, CAUSES) of (*tiles, filter blocks, PEs, CAUSES): PEs meet at the end of each block of filters.

    Example: two blocks in which PE 0 is busy for 3 and 4 cycles and PE 1 for 5 and none: both take 5 + 4 cycles; PE 0
    waits 2 of them for the other (imbalance), PE 1 has no work in the last 4 (unmapped).
    """
    # A PE's own cycles in each block of filters (*tiles, blocks, PEs), and what the slowest of them makes all take.
    local = cycles.sum(axis=-1)
    slowest = local.max(axis=-1, keepdims=True)
    joined = cycles.sum(axis=-3)
    # Told apart block by block and only then summed: the same PE may wait in one block and have no work in the next.
    joined[..., Cause.IMBALANCE] += np.where(local > 0, slowest - local, 0).sum(axis=-2)
    joined[..., Cause.UNMAPPED] += np.where(local > 0, 0, slowest).sum(axis=-2)
    return joined.reshape(-1, *joined.shape[-2:])
