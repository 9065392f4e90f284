"""`Results`: what becomes of a tile's results: room for them, the drain unit, and their way to memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import simpy

from dataflows.schedule import Cause, Tensor
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.observer import Observer
from simulator.engine.transfers import Transfers

Process = Generator[simpy.Event, Any, None]


class Undrained(NamedTuple):
    """A tile that was handed to the drain unit.

    number   in the sequence of all tiles; `tile` is its number in its layer
    layer    number of its layer
    copies   accumulators of its layer
    drained  the event that the drain unit is done with it
    freed    the event that its accumulators are free: then, or once the operands of its results are there
    """

    number: int
    tile: int
    layer: int
    copies: int
    drained: simpy.Event
    freed: simpy.Event


class Results:
    """Tiles are drained one after the other; what is drained is written, unless outputs are written as they are made.

    peak        bytes that memory moves in a cycle at best; None: as many as there are
    undrained   tiles handed to the drain unit that nobody has waited for yet, in order
    writes      the events that results have been written, in the order in which writing began
    """

    def __init__(
        self, env: simpy.Environment, transfers: Transfers, peak: Fraction | None, observers: Sequence[Observer]
    ) -> None:
        self._env = env
        self._transfers = transfers
        self._peak = peak
        self._observers = observers
        self._operands: dict[int, simpy.Event] = {}  # by number of the tile: its operands are there
        self.undrained: deque[Undrained] = deque()
        self.last: Undrained | None = None
        self.writes: deque[simpy.Event] = deque()
        self._writing = 0  # tiles whose results are being written
        self._changed: simpy.Event | None = None

    def take_room(self, layer: LayerInPlay, tile: int) -> simpy.Event | None:
        """Take room for a tile's results: None when it was there, else the event that fires once it is taken."""
        size, buffer = layer.store_bytes.get(tile), layer.buffers.get(Tensor.OUTPUT)
        if size is None or buffer is None:
            return None
        # A tile of more results than the buffer holds takes all of it, and leaves through it piece by piece.
        # 900 bytes take the 600 of their buffer; the tile ends when the last of them have left it.
        room = buffer.take(min(size, buffer.capacity_bytes))
        self._transfers.note_level(buffer)
        return room

    def exceed_room(self, layer: LayerInPlay, tile: int) -> bool:
        """Whether a tile makes more results than the buffer holds, so that it cannot end before they left."""
        buffer = layer.buffers.get(Tensor.OUTPUT)
        return buffer is not None and layer.store_bytes.get(tile, 0) > buffer.capacity_bytes

    @property
    def holding_room(self) -> Cause:
        """The cause to which a wait for room for results is charged now."""
        # Older results on their way to DRAM hold the array up first. Where there are none, and none to be drained, some
        # wait for operands, which come from DRAM, too.
        draining = self.last is not None and not self.last.drained.triggered
        return Cause.BUFFER if draining and not self._writing else Cause.MEMORY

    def changed(self) -> simpy.Event:
        """The event that room is given back, or that `holding_room` may be another; one process may wait."""
        self._changed = self._env.event()
        return self._changed

    def _tell_change(self) -> None:
        if self._changed is not None:
            self._changed.succeed()
            self._changed = None

    def holders(self, layer: LayerInPlay, tile: int) -> list[Undrained]:
        """The tiles whose accumulators, or whose results as inputs on the chip, a tile has to wait for, in order."""
        number, copies, count = layer.first_tile + tile, layer.schedule.accumulator_copies, 0
        # With two copies of the accumulators, tile 5 uses those that tile 3 had and waits until they are free. Of two
        # layers that differ in their copies the smaller number counts.
        for index, one in enumerate(self.undrained, 1):
            if one.number + min(copies, one.copies) <= number:
                count = index
        held = [self.undrained.popleft() for _ in range(count)]
        if tile or not layer.resident:
            return held
        return held + [one for one in self.undrained if one.layer in layer.resident]

    def write_lead(self, layer: LayerInPlay, tile: int, duration: int) -> int:
        """How long before the end of a tile its results begin to leave, so that the last one leaves when it is made.

        Written at full speed they take so long; begun then, no result leaves before it is made, since they are made
        evenly over the whole tile and drained behind it.
        """
        if not layer.schedule.outputs_as_made or self._peak is None or tile not in layer.stores:
            return 0
        # Whole bursts, since these are what peak bandwidth moves. Draining comes behind the tile and gives that much
        # time more.
        bursts = sum(part.burst_bytes for part in layer.stores[tile])
        # Example: 2,000 bytes are 32 bursts of 64, 107 cycles at 19.2 bytes a cycle. With 20 cycles of draining behind
        # the tile, writing begins 107 - 20 = 87 cycles before the tile's end.
        return min(duration, max(0, math.ceil(bursts / self._peak) - layer.drain_cycles[tile]))

    def load_operands(self, layer: LayerInPlay, tile: int) -> None:
        """Ask for the other maps that the results of a tile that has some, and starts now, are added to."""
        self._operands[layer.first_tile + tile] = self._env.process(self._load_operands(layer, tile))

    def _load_operands(self, layer: LayerInPlay, tile: int) -> Process:
        for made in layer.operands_made:
            if not made.triggered:
                yield made
        moved = [self._transfers.load_operand(layer, tile, part) for part in layer.operands[tile]]
        for one in moved:
            yield one.last

    def write_as_made(self, layer: LayerInPlay, tile: int) -> list[simpy.Event]:
        """Begin to write the results of a tile that is still computing, where the machine does that."""
        if not layer.schedule.outputs_as_made:
            return []
        operands = self._operands.get(layer.first_tile + tile)
        if operands is None or operands.processed:
            return self._store(layer, tile)
        return [self._env.process(self._store_behind(operands, layer, tile))]

    def _store_behind(self, operands: simpy.Event, layer: LayerInPlay, tile: int) -> Process:
        yield operands
        yield from self._store(layer, tile)

    def start_drain(self, layer: LayerInPlay, tile: int) -> None:
        """Hand a tile's results, if it has any, to the drain unit, which takes tiles one after the other."""
        number = layer.first_tile + tile
        operands = self._operands.pop(number, None)
        if not layer.drain_cycles[tile] and tile not in layer.stores and operands is None:
            layer.making.freed(tile)
            return
        # Each drain waits for the one before it: `last` is the end of that chain.
        before, drained = self.last, self._env.event()
        freed = drained if operands is None else self._env.event()
        self.last = Undrained(number, tile, layer.number, layer.schedule.accumulator_copies, drained, freed)
        # What is over holds nobody up, and the sequence of all tiles of a network is long.
        while self.undrained and self.undrained[0].freed.processed:
            self.undrained.popleft()
        self.undrained.append(self.last)
        self._env.process(self._drain(layer, self.last, before and before.drained, operands))

    def _drain(
        self, layer: LayerInPlay, one: Undrained, before: simpy.Event | None, operands: simpy.Event | None
    ) -> Process:
        if before is not None and not before.processed:
            yield before
        # Tiles that end in cycles 10 and 12 and take 5 cycles each to drain are drained in 15 and in 20.
        start, cycles = int(self._env.now), layer.drain_cycles[one.tile]
        if cycles:
            yield self._env.timeout(cycles)
        for observer in self._observers:
            observer.drain(one.number, start, int(self._env.now))
        # Before anything is written: from here on the accumulators are free, whatever becomes of the results.
        one.drained.succeed()
        if not self._writing:
            self._tell_change()
        if operands is not None:
            yield operands
            one.freed.succeed()
        layer.making.freed(one.tile)
        # What is written as it is made has been on its way since before the tile's end.
        if not layer.schedule.outputs_as_made:
            self._store(layer, one.tile)

    def _store(self, layer: LayerInPlay, tile: int) -> list[simpy.Event]:
        """Begin to write a tile's results; returns the events that they have been written."""
        written = [self._transfers.store(layer, tile, part).last for part in layer.stores.get(tile, ())]
        while self.writes and self.writes[0].processed:
            self.writes.popleft()
        self.writes += written
        if written:
            if not self._writing:
                self._tell_change()
            self._writing += 1
            last = written[-1]  # memory writes a tile's parts in order
            assert last.callbacks is not None  # noqa: S101 (just made)
            # Of the layer only this is kept until then: it may be over, and others in play.
            making, buffer, size = layer.making, layer.buffers.get(Tensor.OUTPUT), layer.store_bytes[tile]

            def free(_: simpy.Event) -> None:
                if buffer is not None:
                    # As much as `take_room` took, which was no more than the whole buffer.
                    buffer.give_back(min(size, buffer.capacity_bytes))
                    self._transfers.note_level(buffer)
                making.written(tile)
                self._writing -= 1
                self._tell_change()

            last.callbacks.append(free)
        return written
