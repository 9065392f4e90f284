"""`LayerSchedule`: the narrow waist between what a machine does (dataflows) and when it does it (simulator).

A schedule is a frozen struct of arrays without a clock. Tiles stand in issue order. A tile is what the processing
elements (PEs) do between two meetings: inside a tile they run apart, at its end they wait for the slowest. Per tile and
PE the schedule holds cycles by cause and products issued; per tile the DRAM transfers as address runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Self

import numpy as np

from workloads.limits import require_size
from workloads.whole_numbers import ceil_div


class Cause(IntEnum):
    """The one cause that every PE-cycle has. The order is the order of the stack in reports and plots."""

    BUSY = 0  # at least one product issued
    INDEX = 1  # zero-run fillers, index selection, decode
    BANK_CONFLICT = 2
    DRAIN = 3  # halo exchange, post-processing, write of partial sums
    IMBALANCE = 4  # waiting for slower PEs
    MEMORY = 5  # waiting for DRAM, reads and writes alike
    PORT = 6  # waiting for an on-chip port or network whose rate the machine fixes
    BUFFER = 7  # waiting for room downstream
    FILL = 8  # pipeline start
    UNMAPPED = 9  # no work was mapped on this PE

    @property
    def key(self) -> str:
        """The cause's name in reports."""
        return self.name.lower()


CAUSES = len(Cause)
CAUSE_KEYS = tuple(cause.key for cause in Cause)
_SCHEDULE_SHARE = 4  # of what an array may take: a machine and the simulation hold a few such arrays at a time
OWN_WORK = (Cause.BUSY, Cause.INDEX, Cause.BANK_CONFLICT)  # a PE works, or is held up by its own work and no other's
_ONLY_SIMULATED = (Cause.MEMORY, Cause.BUFFER)  # known when a schedule is played, not before


class Tensor(IntEnum):
    """What a DRAM transfer carries."""

    INPUT = 0
    WEIGHT = 1
    OUTPUT = 2

    @property
    def key(self) -> str:
        """The tensor's name in reports."""
        return self.name.lower()


def no_cycles(*shape: int) -> np.ndarray:
    """Int64 (*shape, CAUSES) of zeros, the PEs last in `shape`: where a machine counts the cycles of its tiles.

    Raises `InputError` where they would take more memory than is allowed (`workloads.limits`).
    """
    what = f"the cycles of {math.prod(shape[:-1]):,} tiles on {shape[-1]:,} PEs"
    require_size(what, (*shape, CAUSES), 8, share=_SCHEDULE_SHARE)
    return np.zeros((*shape, CAUSES), np.int64)


@dataclass(frozen=True, eq=False)
class Runs:
    """DRAM transfers as address runs, one row a run, ordered by tile; all arrays int64 of shape (runs,).

    tile       the tile that needs the data (loads) or has made it (stores)
    last_tile  loads: the last tile that uses the data, after which its buffer space is free; stores: equal to `tile`
    tensor     `Tensor` code
    address    first byte in DRAM
    size_bytes length of the run
    """

    tile: np.ndarray
    last_tile: np.ndarray
    tensor: np.ndarray
    address: np.ndarray
    size_bytes: np.ndarray

    def __post_init__(self) -> None:
        rows = len(self.tile)
        for name in ("tile", "last_tile", "tensor", "address", "size_bytes"):
            # Columns come as slices and broadcasts of other arrays, of any whole-number type.
            array = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            if array.shape != (rows,):
                raise AssertionError(f"Runs.{name} has shape {array.shape}, must be ({rows},)")
            object.__setattr__(self, name, array)
        if rows:
            if np.any(np.diff(self.tile) < 0) or np.any(self.last_tile < self.tile) or self.tile[0] < 0:
                raise AssertionError("Runs must be ordered by tile and end no earlier than they start")
            if self.size_bytes.min() <= 0 or self.address.min() < 0:
                raise AssertionError("Runs must have positive sizes and addresses")

    @classmethod
    def none(cls) -> Self:
        """No transfer at all."""
        return cls(*(np.zeros(0, np.int64) for _ in range(5)))

    @classmethod
    def merge(cls, *parts: Self) -> Self:
        """Several sets of runs as one, ordered by tile; within a tile the order of the arguments."""
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__]
        # The first field is the tile. Stable, so that within a tile inputs and weights keep the order of the arguments.
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))

    @classmethod
    def per_tile(
        cls,
        tensor: Tensor,
        tile: np.ndarray,
        address: np.ndarray,
        size_bytes: np.ndarray,
        last_tile: np.ndarray | None = None,
    ) -> Self:
        """Runs of one tensor; rows of size 0 are dropped. `last_tile` defaults to `tile`."""
        tile, address, size_bytes = (np.atleast_1d(np.asarray(a, np.int64)) for a in (tile, address, size_bytes))
        # One size or address may stand for all tiles, such as weights that every tile reads again from the same place.
        tile, address, size_bytes = np.broadcast_arrays(tile, address, size_bytes)
        last = tile if last_tile is None else np.broadcast_to(np.asarray(last_tile, np.int64), tile.shape)
        # A tile without data of this tensor asks DRAM for nothing: a run has a byte at least.
        keep = size_bytes > 0
        return cls(
            tile[keep], last[keep], np.full(int(keep.sum()), int(tensor), np.int64), address[keep], size_bytes[keep]
        )

    @cached_property
    def total_bytes(self) -> int:
        """Bytes of all runs."""
        return sum(self._bytes_by_tensor)

    def bytes_of(self, tensor: Tensor) -> int:
        """Bytes of one tensor's runs."""
        return self._bytes_by_tensor[tensor]

    @cached_property
    def _bytes_by_tensor(self) -> list[int]:
        # One pass for all; sums are exact below 2^53 bytes, 8 PiB.
        return [int(size) for size in np.bincount(self.tensor, self.size_bytes, len(Tensor))]


@dataclass(frozen=True)
class BufferUse:
    """How one tensor passes through the machine.

    capacity_bytes  room of the buffer, all its halves together
    streamed        True: the tensor passes through a FIFO and takes no room that lasts. False: a tile's data take room
                    from the request until the end of the last tile that uses them. Either way a tile starts with the
                    first burst of its data and goes on as far as they have arrived.
    """

    name: str
    tensor: Tensor
    capacity_bytes: int
    streamed: bool = False


@dataclass(frozen=True, eq=False)
class LayerSchedule:
    """The work of one layer on one machine, tile by tile.

    pe_grid          rows and columns of the PE array, row-major over the PE axis of the arrays below
    lanes_per_pe     multipliers of one PE
    cycles           int64 (tiles, PEs, CAUSES): what each PE does in a tile before it is done with it. Only causes that
                     the tile alone decides (busy, index, bank_conflict, drain, port, fill; imbalance for waits on other
                     PEs inside the tile, unmapped for parts of it without work). Waits at the tile's end and for memory
                     are added by the simulation.
    issued           int64 (tiles, PEs): multiplier slots that held a product
    drain_cycles     int64 (tiles,): post-processing of the tile's results on their own copy of the accumulators, side
                     by side with later tiles
    accumulator_copies   tile t starts only when tile t - copies has been drained; 1: draining holds the array
    loads, stores    DRAM transfers; a store starts when its tile is drained
    buffers          one `BufferUse` per tensor that is transferred
    prefetch_tiles   loads of tile t may start when tile t - prefetch_tiles starts to compute; 0: when tile t - 1 ends
    operands_in_step how a tile's work goes on while its data arrive. False: any of its filters meet any of its
                     positions, so that with a share x of the inputs and y of the weights x·y of the work can be done.
                     True: both are used in one order (channel by channel), so that min(x, y) can be done
    outputs_as_made  True: outputs are finished evenly over a tile and leave while it runs. False: at its end
    expected_issued  products that the machine must issue by its own rule, counted independently of the tiles
    compulsory_bytes bytes that must cross DRAM at least once given what stays on chip
    notes            what the machine had to do to fit the layer, for the report
    spills           whether activations that this machine keeps on the chip between layers do not fit there
    operands         other maps that a tile's results are added to before they leave, as loads by tile (docs/network.md)
    counts           what the machine counted on the way and its `actions` need, by names of its own
    """

    pe_grid: tuple[int, int]
    lanes_per_pe: int
    cycles: np.ndarray
    issued: np.ndarray
    drain_cycles: np.ndarray
    accumulator_copies: int
    loads: Runs
    stores: Runs
    buffers: tuple[BufferUse, ...]
    prefetch_tiles: int
    expected_issued: int
    compulsory_bytes: int
    notes: tuple[str, ...] = ()
    operands_in_step: bool = False
    outputs_as_made: bool = False
    spills: bool = False
    operands: Runs = field(default_factory=Runs.none)
    counts: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        tiles, pes = self.tiles, self.pes
        for name, shape in (("cycles", (tiles, pes, CAUSES)), ("issued", (tiles, pes)), ("drain_cycles", (tiles,))):
            array = getattr(self, name)
            if array.dtype != np.int64 or array.shape != shape:
                raise AssertionError(f"LayerSchedule.{name} is {array.dtype} {array.shape}, must be int64 {shape}")
            if array.size and array.min() < 0:
                raise AssertionError(f"LayerSchedule.{name} has a negative entry")
        # Were they filled here, the simulation would add its own to them, and the causes no longer sum to the cycles.
        for cause in _ONLY_SIMULATED:
            if self.cycles[:, :, cause].any():
                raise AssertionError(f"LayerSchedule.cycles holds '{cause.key}', which only the simulation can know")
        for runs in (self.loads, self.stores, self.operands):
            if len(runs.tile) and runs.last_tile.max() >= tiles:
                raise AssertionError("LayerSchedule: a transfer belongs to no tile")

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.drain_cycles)

    @property
    def pes(self) -> int:
        """Number of PEs."""
        return self.pe_grid[0] * self.pe_grid[1]

    @cached_property
    def issued_slots(self) -> int:
        """Multiplier slots of all tiles that held a product."""
        return int(self.issued.sum())

    @cached_property
    def busy_pe_cycles(self) -> int:
        """Busy PE-cycles of all tiles."""
        return int(self.cycles[:, :, Cause.BUSY].sum())

    @property
    def multipliers(self) -> int:
        """Multipliers of the whole array."""
        return self.pes * self.lanes_per_pe

    @property
    def compute_cycles(self) -> int:
        """The least cycles in which all multipliers together issue the products."""
        # 12,345 products on 1024 multipliers take 13 cycles at least.
        return ceil_div(self.issued_slots, self.multipliers)

    @property
    def fullest_pe_cycles(self) -> int:
        """Cycles of its own making of the PE that has most of them; waits for others are no bound of the layer."""
        # Example: a PE busy for 6 and 4 cycles in two tiles, with 2 cycles of fillers between, bounds the layer at 12
        # cycles, whatever the other PEs do.
        # Tiles first, as they lie in memory.
        return int(self.cycles.sum(axis=0)[:, list(OWN_WORK)].sum(axis=1).max(initial=0))
