"""`LayerInPlay`: a layer while it is played: its schedule cut by tile, its buffers and its books."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol, Self

import numpy as np
import simpy

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.alike import alike_tensors
from simulator.engine.arrivals import Arrival
from simulator.engine.buffer import Buffer
from simulator.engine.capacities import check_capacities
from simulator.engine.cause_books import CauseBooks
from simulator.engine.input_in_play import InputInPlay
from simulator.engine.making import Making
from simulator.engine.traffic import Transfer, transfers_by_tile


class LoadConditions(Protocol):
    """What the loads of a layer wait for beside prefetch and room, because other layers stand before it.

    state   the load that waits, or waited last
    """

    state: str

    def in_order(self, tile: int, parts: Sequence[Transfer]) -> Sequence[Transfer]:
        """A tile's loads in the order in which they are asked for."""
        ...

    def on_prefetch(self, tile: int, part: Transfer) -> bool:
        """Whether a load waits until the array has come near its tile, as most do."""
        ...

    def met(self, tile: int, part: Transfer) -> Generator[simpy.Event, Any, None]:
        """Wait for everything else."""
        ...


class LayerInPlay:
    """What the components need to know of a layer: of one alone, or of one of a network.

    number         in the network; of several inputs that follow one another, in the sequence of all their layers
    input          the input that it works on; None for a layer alone
    first_tile     tiles of all layers before it: tile 0 of the layer is this one in the sequence of all tiles
    end_tile       the same of the layer behind it
    label          begins what a starved run says of the layer; empty for a layer alone
    conditions     of its loads; None for a layer alone, whose loads wait for prefetch and room alone
    loads, stores  transfers by tile, of those that have any
    store_bytes    bytes of the stores by tile
    operands       as stores; none of a layer alone, whatever its schedule says: they are what other layers made
    operands_made  events that the layers have been made whose results `operands` are
    resident       numbers of the layers whose results are this layer's inputs and lie on the chip
    buffers        by tensor, those that hold what they take; streamed data take no room, they pass through
    unlike         tensors whose buffer the layer before uses in another way, or loads nothing into
    results_behind how far the results of the layer before are, where the room of this layer's is another
    making         how far this layer's results are
    releases       by tile, the room that its end gives back, buffer by buffer
    arrivals       by tile, its loads that are on their way or there
    durations      by tile, the cycles that the array takes
    books          where the PE-cycles went

    Raises `CapacityError` when a tile can never fit a buffer.
    """

    def __init__(
        self,
        env: simpy.Environment,
        schedule: LayerSchedule,
        burst_bytes: int,
        before: Self | None = None,
        name: str = "",
    ) -> None:
        # Before anything is played: a tile that never fits would only starve, and say less.
        check_capacities(schedule)
        self.schedule = schedule
        self.name = name
        self.label = f"layer '{name}': " if name else ""
        self.conditions: LoadConditions | None = None
        self.input: InputInPlay | None = None
        # The layer before is not kept: each would hold the one before it, up to the first.
        self.number = 0 if before is None else before.number + 1
        self.first_tile = 0 if before is None else before.end_tile
        self.end_tile = self.first_tile + schedule.tiles
        self.loads = transfers_by_tile(schedule.loads, burst_bytes)
        self.stores = transfers_by_tile(schedule.stores, burst_bytes)
        self.store_bytes = {tile: sum(part.size_bytes for part in parts) for tile, parts in self.stores.items()}
        self.operands: dict[int, list[Transfer]] = {}
        self.operands_made: list[simpy.Event] = []
        self.resident: frozenset[int] = frozenset()
        alike = [] if before is None else alike_tensors(schedule, before.schedule)
        self.unlike = frozenset() if before is None else frozenset(use.tensor for use in schedule.buffers) - set(alike)
        self.buffers = {
            use.tensor: before.buffers[use.tensor]
            if before is not None and use.tensor in alike
            else Buffer(env, use.name, use.capacity_bytes)
            for use in schedule.buffers
            if not use.streamed
        }
        self.results_behind = before.making if before is not None and Tensor.OUTPUT in self.unlike else None
        self.making = Making(env, schedule.tiles, self.stores)
        # Python's ints, since they become delays of events.
        self.drain_cycles: list[int] = schedule.drain_cycles.tolist()
        self.releases = _release_table(schedule, self.buffers)
        self.arrivals: dict[int, list[Arrival]] = {tile: [] for tile in self.loads}
        self.books = CauseBooks(schedule)
        # As the drain cycles, Python's ints.
        self.durations: list[int] = self.books.duration_cycles.tolist()


def _release_table(schedule: LayerSchedule, buffers: dict[Tensor, Buffer]) -> dict[int, list[tuple[Buffer, int]]]:
    """Per tile the room that its end gives back, buffer by buffer."""
    runs = schedule.loads
    table: dict[int, list[tuple[Buffer, int]]] = {}
    for tensor, buffer in buffers.items():
        mask = runs.tensor == tensor
        freed = np.zeros(schedule.tiles, np.int64)
        # Several runs may have the same last tile; `freed[...] +=` would count only one of them.
        np.add.at(freed, runs.last_tile[mask], runs.size_bytes[mask])
        for tile in np.flatnonzero(freed).tolist():
            table.setdefault(tile, []).append((buffer, int(freed[tile])))
    return table
