"""What the twin of a network knows before the first cycle: tiles of all layers, and what their loads must wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from dataflows.schedule import CAUSES, BufferUse, LayerSchedule, Tensor
from simulator.engine.network_layers import NetworkLayer, Overlap
from tests.simulator.engine.engine_twin import Load, loads_of


@dataclass(eq=False)
class Room:
    """Bytes of a buffer.

    The rules leave open what comes first within a cycle, so that its fullest level is one of two: when the cycle's room
    has been given back and taken, and with all of it taken before any is given back.
    """

    name: str
    capacity_bytes: int
    taken_bytes: int = 0
    given_back_bytes: int = 0  # in this cycle
    least_peak: int = 0
    most_peak: int = 0

    def give_back(self, size_bytes: int) -> None:
        """So much is free again."""
        self.taken_bytes -= size_bytes
        self.given_back_bytes += size_bytes

    def settle(self) -> None:
        """At the end of a cycle, when no room can be given back or taken any more."""
        self.least_peak = max(self.least_peak, self.taken_bytes)
        self.most_peak = max(self.most_peak, min(self.capacity_bytes, self.taken_bytes + self.given_back_bytes))
        self.given_back_bytes = 0

    def fits(self, size_bytes: int) -> bool:
        """Whether so much is left."""
        return self.taken_bytes + size_bytes <= self.capacity_bytes


@dataclass(eq=False)
class Part:
    """A load of a network.

    needs      tiles whose results must have been written before (R4)
    room       None: it takes none
    port_done  when the buffer's port is done with it
    """

    load: Load
    tile: Tile
    needs: list[Tile]
    room: Room | None
    port_done: int = 0

    def is_filled(self, now: int) -> bool:
        """Whether DRAM and port are done with it."""
        return self.load.is_there(now) and self.port_done <= now


@dataclass(eq=False)
class Tile:
    """One tile's way through the array; `left` is when the array turned to the next."""

    layer: int
    local: int
    schedule: LayerSchedule
    stores: list[Load]
    operands: list[Load]
    output: Room | None
    parts: list[Part] = field(default_factory=list)
    start: int | None = None
    end: int | None = None
    left: int | None = None
    drain_left: int = 0
    drained: bool = False
    held_bytes: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * CAUSES)

    def __post_init__(self) -> None:
        self.duration = int(self.schedule.cycles[self.local].sum(axis=1).max())
        self.drain_left = self.drain_cycles = int(self.schedule.drain_cycles[self.local])
        self.store_bytes = sum(store.size_bytes for store in self.stores)

    @property
    def is_last(self) -> bool:
        """Whether its layer ends with it."""
        return self.local == self.schedule.tiles - 1

    def has_operands(self, now: int) -> bool:
        """Whether all that its results are added to is there."""
        return all(load.is_there(now) for load in self.operands)

    def is_released(self, now: int) -> bool:
        """Whether its accumulators are free (R7)."""
        return self.drained and self.has_operands(now)

    def is_written(self, now: int) -> bool:
        """Whether it is over: computed, drained and written."""
        return self.is_released(now) and all(store.is_there(now) for store in self.stores)


class Plan:
    """The layers as tiles in one row.

    tiles     in sequence
    of_layer  by layer
    queue     all loads in the order in which they are asked for
    """

    def __init__(self, layers: Sequence[NetworkLayer], overlap: Overlap, burst_bytes: int) -> None:
        self.layers = layers
        self.overlap = overlap
        self.burst_bytes = burst_bytes
        self.rooms = self._make_rooms()
        self.tiles: list[Tile] = []
        self.of_layer: list[list[Tile]] = []
        self.queue: list[Part] = []
        for number in range(len(layers)):
            self._add(number)

    def _use(self, layer: int, tensor: Tensor) -> BufferUse | None:
        return next((use for use in self.layers[layer].schedule.buffers if use.tensor == tensor), None)

    def is_alike(self, layer: int, tensor: Tensor) -> bool:
        """Whether a layer uses a tensor's buffer as the one before does, or has none (R5)."""
        if self._use(layer, tensor) is None:
            return True
        if self._use(layer, tensor) != self._use(layer - 1, tensor):
            return False
        both = (self.layers[layer - 1].schedule.loads, self.layers[layer].schedule.loads)
        return tensor == Tensor.OUTPUT or all(runs.bytes_of(tensor) for runs in both)

    def _make_rooms(self) -> list[dict[Tensor, Room]]:
        rooms: list[dict[Tensor, Room]] = []
        for layer, one in enumerate(self.layers):
            held = [use for use in one.schedule.buffers if not use.streamed]
            rooms.append(
                {
                    use.tensor: rooms[-1][use.tensor]
                    if layer and self.is_alike(layer, use.tensor)
                    else Room(use.name, use.capacity_bytes)
                    for use in held
                }
            )
        return rooms

    def settle(self) -> None:
        """At the end of a cycle."""
        for rooms in self.rooms:
            for room in rooms.values():
                room.settle()

    def peaks(self) -> dict[str, tuple[int, int]]:
        """See `TwinPlayed`."""
        rooms = [room for of_layer in self.rooms for room in of_layer.values()]
        return {
            name: (
                max(room.least_peak for room in rooms if room.name == name),
                max(room.most_peak for room in rooms if room.name == name),
            )
            for name in {room.name for room in rooms}
        }

    def _add(self, layer: int) -> None:
        schedule, first, burst = self.layers[layer].schedule, len(self.tiles), self.burst_bytes
        loads = loads_of(schedule.loads, burst, stores=False)
        stores = loads_of(schedule.stores, burst, stores=True)
        operands = loads_of(schedule.operands, burst, stores=True)  # as urgent as results
        rooms = self.rooms[layer]
        tiles = [
            Tile(
                layer,
                local,
                schedule,
                [store for store in stores if store.tile == local],
                [load for load in operands if load.tile == local],
                rooms.get(Tensor.OUTPUT),
            )
            for local in range(schedule.tiles)
        ]
        for tile in tiles:
            own = [load for load in loads if load.tile == tile.local]
            if tile.local == 0 and self.overlap != "serial":
                own.sort(key=lambda load: self._is_input(layer, load))  # R2
            tile.parts = [Part(load, tile, self._needs(layer, load), rooms.get(load.tensor)) for load in own]
            self.queue += tile.parts
        for load in (*loads, *stores, *operands):
            load.urgency += 2 * first
        self.tiles += tiles
        self.of_layer.append(tiles)

    def _is_input(self, layer: int, load: Load) -> bool:
        """Whether a load carries what other layers may have made (R2)."""
        moving = self.layers[layer].moving_weights and load.tensor == Tensor.WEIGHT
        return moving or load.tensor == Tensor.INPUT

    def _needs(self, layer: int, load: Load) -> list[Tile]:
        """The tiles whose results a load needs (R4)."""
        one = self.layers[layer]
        if not self._is_input(layer, load) or not one.reads:
            return []
        everything = [tile for read in one.reads for tile in self.of_layer[read.layer]]
        stores = self.layers[one.reads[0].layer].schedule.stores
        follows = [(read.layer, read.in_order) for read in one.reads] == [(layer - 1, True)]
        if self.overlap != "tiles" or one.moving_weights or not follows or not stores.total_bytes:
            return everything
        loads = one.schedule.loads
        inputs, own = loads.tensor == Tensor.INPUT, (loads.tensor == Tensor.INPUT) & (loads.tile == load.tile)
        ends, store_ends = loads.address + loads.size_bytes, stores.address + stores.size_bytes
        a, b, e = int(loads.address[inputs].min()), int(ends[inputs].max()), int(ends[own].max())
        c, d = int(stores.address.min()), int(store_ends.max())
        below = c + Fraction((e - a) * (d - c), b - a)
        needed = {int(tile) for tile, address in zip(stores.tile, stores.address, strict=True) if int(address) < below}
        return [self.of_layer[layer - 1][tile] for tile in sorted(needed)]
