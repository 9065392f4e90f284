"""`PEArray`: computes tile after tile, and charges every wait of the array to its cause."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import simpy

from dataflows.schedule import Cause
from simulator.engine.arrivals import Arrival, earliest_end
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.loading import Loading
from simulator.engine.observer import Observer
from simulator.engine.results import Results, Undrained

Process = Generator[simpy.Event, Any, None]


class PEArray:
    """The array of a machine, which plays one layer after another.

    What is loaded, what becomes of results and where PE-cycles went stand in `Loading`, `Results` and `CauseBooks`;
    here is what waits for the first two and charges its waits to the third.

    blocking   whether the array waits until a tile's results are written before it goes on
    state      what the array waits for, or waited for last
    """

    def __init__(
        self,
        env: simpy.Environment,
        loading: Loading,
        results: Results,
        observers: Sequence[Observer],
        *,
        blocking: bool,
    ) -> None:
        self._env = env
        self._loading = loading
        self._results = results
        self._observers = observers
        self._blocking = blocking
        self.state = "not started"

    def _now(self) -> int:
        """The current cycle. Delays are whole cycles, so simpy's clock, typed as a number, holds an int."""
        return int(self._env.now)

    def compute(self, layer: LayerInPlay) -> Process:
        """Compute the tiles of a layer."""
        for tile in range(layer.schedule.tiles):
            yield from self._begin(layer, tile)
            yield from self._finish(layer, tile)

    def wait_for_results(self, layer: LayerInPlay) -> Process:
        """Wait, behind the last tile of a layer, for what is still to be drained, then for what is to be written."""
        end = layer.schedule.tiles
        yield from self._wait_until_freed(layer, end, list(self._results.undrained), "the layer waits for {}")
        # Taken now, when all that was drained has begun to be written.
        for event in list(self._results.writes):
            yield from self._wait(layer, event, Cause.MEMORY, end, "the layer waits for its last results to be written")

    def _begin(self, layer: LayerInPlay, tile: int) -> Process:
        """Wait for a tile's first data, for accumulators and for room for its results."""
        # In this order, for waits overlap: a cycle in which several things are missing is charged to the first of them.
        if tile in layer.loads:
            requested = self._loading.requested(layer, tile)
            if requested is not None:
                yield from self._wait(layer, requested, Cause.MEMORY, tile, f"tile {tile} waits for room for its data")
            first = layer.arrivals[tile][0].moved.first
            yield from self._wait(layer, first, Cause.MEMORY, tile, f"tile {tile} waits for its first data")
        if self._results.undrained:
            holders = self._results.holders(layer, tile)
            yield from self._wait_until_freed(layer, tile, holders, f"tile {tile} waits for accumulators")
        yield from self._wait_for_output_room(layer, tile)

    def _wait_until_freed(self, layer: LayerInPlay, tile: int, held: Iterable[Undrained], state: str) -> Process:
        """Wait until tiles have been drained, then until the operands of their results are there."""
        for one in held:
            drained = f"tile {one.tile} to be drained"
            yield from self._wait(layer, one.drained, Cause.DRAIN, tile, state.format(drained))
        for one in held:
            if one.freed is one.drained:  # its results have no operands
                continue
            yield from self._wait(
                layer, one.freed, Cause.MEMORY, tile, state.format(f"the operands of tile {one.tile}")
            )

    def _wait_for_output_room(self, layer: LayerInPlay, tile: int) -> Process:
        """Take room for a tile's results; it comes when DRAM has written older ones, which must be drained before."""
        behind = layer.results_behind
        # A buffer that the layer before used in another way is this layer's once all of that layer's results have left.
        while behind is not None and behind.unwritten and tile in layer.stores:
            yield from self._wait_for_change_of_room(layer, tile)
        room = self._results.take_room(layer, tile)
        # Each write gives back the room of its own tile alone, which may be too little.
        while room is not None and not room.triggered:
            yield from self._wait_for_change_of_room(layer, tile)

    def _wait_for_change_of_room(self, layer: LayerInPlay, tile: int) -> Process:
        state = f"tile {tile} waits for room in the output buffer"
        yield from self._wait(layer, self._results.changed(), self._results.holding_room, tile, state)

    def _finish(self, layer: LayerInPlay, tile: int) -> Process:
        """Let the PEs do a tile as far as its data have come, and give its buffers back."""
        start, number = self._now(), layer.first_tile + tile
        # Told before the work, since loads may run ahead of a tile from its start on.
        self._loading.started.reach(number + 1)
        if tile in layer.operands:
            self._results.load_operands(layer, tile)
        yield from self._work(layer, tile, start)
        for observer in self._observers:
            observer.tile(number, start, self._now())
        # The room of data that no later tile uses is free as soon as the tile is computed, drained or not.
        self._loading.give_back(layer, tile)
        self._results.start_drain(layer, tile)
        # Blocking write-back: the next tile's work begins when this one's results are in DRAM.
        if self._blocking and self._results.last is not None:
            yield from self._wait_until_freed(layer, tile, [self._results.last], "the array waits for {}")
            writes = self._results.writes
            for event in list(writes):
                state = f"the array waits for tile {tile} to be written"
                yield from self._wait(layer, event, Cause.MEMORY, tile, state)
            # All of them have been waited for; the end of the layer need not look at them again.
            writes.clear()
        self._loading.ended.reach(number + 1)

    def _work(self, layer: LayerInPlay, tile: int, start: int) -> Process:
        """The PEs' work on a tile, and what it waits for at its end: data that came late, results that must leave."""
        duration = layer.durations[tile]
        # Results begin to leave `lead` cycles before the end, where the machine writes them as they are made.
        lead = self._results.write_lead(layer, tile, duration)
        # A tile of 100 cycles whose results need 30 to leave begins to write them after 70.
        if duration > lead:
            yield self._env.timeout(duration - lead)
        written = self._results.write_as_made(layer, tile)
        if lead:
            yield self._env.timeout(lead)
        arrivals = layer.arrivals.get(tile, [])
        yield from self._wait_for_last(layer, tile, arrivals)
        # Work can lag behind data that came late; by now the PEs' own time for the tile has passed, this is what is
        # missing.
        end = earliest_end(start, duration, arrivals, in_step=layer.schedule.operands_in_step)
        if end > self._now():
            late = self._env.timeout(end - self._now())
            yield from self._wait(layer, late, Cause.MEMORY, tile, f"tile {tile} computes behind its data")
        # Results that never fit at once leave through the buffer, so that the tile is not over before they have.
        if written and self._results.exceed_room(layer, tile):
            for event in written:
                state = f"tile {tile} waits for its results to leave"
                yield from self._wait(layer, event, Cause.MEMORY, tile, state)

    def _wait_for_last(self, layer: LayerInPlay, tile: int, arrivals: Sequence[Arrival]) -> Process:
        """Wait until the whole of some data is there: for DRAM first, then for the port behind it."""
        for arrival in arrivals:
            yield from self._wait(layer, arrival.moved.last, Cause.MEMORY, tile, f"tile {tile} waits for its data")
            yield from self._wait(layer, arrival.filled, Cause.PORT, tile, f"tile {tile} waits for a buffer's port")

    def _wait(self, layer: LayerInPlay, event: simpy.Event, cause: Cause, tile: int, state: str) -> Process:
        """Wait, if the event is still to come, and charge the array's idle cycles to a cause."""
        # Not `triggered`: a memory's event has its value from when its time is known, long before that time has come.
        if event.processed:
            return
        self.state = layer.label + state
        since = self._now()
        yield event
        layer.books.charge(tile, cause, self._now() - since)
        for observer in self._observers:
            observer.wait(cause, since, self._now())
