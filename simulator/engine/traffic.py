"""Transfers of a schedule, and what memory has carried of them; without events, so that reports need none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from dataflows.schedule import Runs, Tensor
from simulator.dram.activity import NO_ACTIVITY, DramActivity
from simulator.dram.read_latency import ReadLatency

_TENSORS = tuple(Tensor)


class Transfer(NamedTuple):
    """One tensor's share of a tile's traffic: rows start..stop of the runs, and their bytes."""

    tensor: Tensor
    start: int
    stop: int
    size_bytes: int
    burst_bytes: int


def transfers_by_tile(runs: Runs, burst_bytes: int) -> dict[int, list[Transfer]]:
    """The runs of one direction cut by tile and tensor, so that playing them needs no search; tiles in order.

    A burst is aligned to its size, and a run pays for every burst that it touches.
    """
    by_tile: dict[int, list[Transfer]] = {}
    if not len(runs.tile):
        return by_tile
    # A transfer begins where tile or tensor changes: tiles 0 0 0 1 with tensors 0 0 1 1 give transfers from 0, 2 and 3
    # on.
    change = np.flatnonzero((np.diff(runs.tile) != 0) | (np.diff(runs.tensor) != 0)) + 1
    starts = np.concatenate(([0], change))
    # The last burst touched less the first, plus 1: with bursts of 64, bytes 60 to 131 touch three.
    bursts = (runs.address + runs.size_bytes - 1) // burst_bytes - runs.address // burst_bytes + 1
    columns = (
        runs.tile[starts],
        runs.tensor[starts],
        starts,
        np.append(change, len(runs.tile)),
        np.add.reduceat(runs.size_bytes, starts),
        np.add.reduceat(bursts, starts) * burst_bytes,
    )
    # `tolist` gives Python's ints: numpy's would leak into simpy's clock and into JSON.
    for tile, tensor, start, stop, size, burst in zip(*(column.tolist() for column in columns), strict=True):
        by_tile.setdefault(tile, []).append(Transfer(_TENSORS[tensor], start, stop, size, burst))
    return by_tile


@dataclass(slots=True)
class TensorTraffic:
    """What memory has carried of one tensor.

    Bytes are useful ones; those of bursts count whole ones, so they include what partial ones waste. A row hit found
    its row open, a miss its bank closed, a conflict another row open. `read_latency` is None where memory is not that
    detailed.
    """

    read_bytes: int = 0
    write_bytes: int = 0
    read_burst_bytes: int = 0
    write_burst_bytes: int = 0
    row_hits: int = 0
    row_misses: int = 0
    row_conflicts: int = 0
    read_latency: ReadLatency | None = None

    def add(self, part: Transfer, *, write: bool) -> None:
        """Count a transfer."""
        if write:
            self.write_bytes += part.size_bytes
            self.write_burst_bytes += part.burst_bytes
        else:
            self.read_bytes += part.size_bytes
            self.read_burst_bytes += part.burst_bytes

    @property
    def burst_bytes(self) -> int:
        """Bytes of whole bursts, in both directions."""
        return self.read_burst_bytes + self.write_burst_bytes


@dataclass(slots=True)
class Traffic:
    """What memory has carried, by tensor, and what its devices did; `clock_ps` is DRAM's clock, 0 for ideal."""

    tensors: dict[Tensor, TensorTraffic]
    activity: DramActivity = NO_ACTIVITY
    clock_ps: int = 0

    @classmethod
    def of_ideal(cls, tensors: dict[Tensor, TensorTraffic], burst_bytes: int) -> Self:
        """Of a memory that has bursts and no rows."""
        activity = DramActivity(
            read_bursts=sum(tensor.read_burst_bytes for tensor in tensors.values()) // burst_bytes,
            write_bursts=sum(tensor.write_burst_bytes for tensor in tensors.values()) // burst_bytes,
            burst_bytes=burst_bytes,
        )
        return cls(tensors, activity)

    @property
    def read_bytes(self) -> int:
        """Useful bytes read, of all tensors."""
        return sum(tensor.read_bytes for tensor in self.tensors.values())

    @property
    def write_bytes(self) -> int:
        """Useful bytes written, of all tensors."""
        return sum(tensor.write_bytes for tensor in self.tensors.values())
