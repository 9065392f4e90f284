"""`NetworkEvents`: the layers of a network as simpy's events, which observers may watch."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy
from simpy.core import EmptySchedule

from dataflows.schedule import Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import StarvedError
from simulator.engine.input_in_play import InputInPlay
from simulator.engine.input_shares import InputShares
from simulator.engine.layer_in_play import LayerInPlay, LoadConditions
from simulator.engine.layer_queue import LayerQueue
from simulator.engine.load_conditions import NetworkConditions
from simulator.engine.machine_in_play import MachineInPlay
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap, PlayedLayer, Read, check_order
from simulator.engine.observer import Observer
from simulator.engine.traffic import transfers_by_tile
from simulator.engine.write_back import WriteBack

Process = Generator[simpy.Event, Any, None]


class NetworkEvents:
    """The layers of a network, as `NetworkPlay` describes them."""

    def __init__(
        self,
        dram: DramSpec,
        clock_hz: int,
        overlap: Overlap,
        observers: tuple[Observer, ...] = (),
        *,
        write_back: WriteBack = "overlapped",
        buffer_bytes_per_cycle: int | None = None,
    ) -> None:
        self._env = env = simpy.Environment()
        machine = MachineInPlay(
            env, dram, clock_hz, observers, write_back=write_back, buffer_bytes_per_cycle=buffer_bytes_per_cycle
        )
        self._memory, self._loading, self._array = machine.memory, machine.loading, machine.array
        self._clock_hz = clock_hz
        self._overlap: Overlap = overlap
        self._observers = observers
        self._last: NetworkLayer | None = None
        self._last_in_play: LayerInPlay | None = None
        # By layer of the current input, the event that it has been made: all that is kept of layers that are over.
        self._made: list[simpy.Event] = []
        self._inputs = [InputInPlay(env)]
        self._end = 0  # of the last layer that the array is done with
        self._to_load, self._to_compute = LayerQueue(env), LayerQueue(env)
        self._played: list[PlayedLayer] = []
        self._peaks: dict[str, int] = {}
        self._done = False
        self._asking: LoadConditions | None = None
        env.process(self._load())
        env.process(self._compute())

    @property
    def now(self) -> int:
        """The cycle that has come."""
        return int(self._env.now)

    def push(self, layer: NetworkLayer) -> None:
        """Add the next layer of the current input, and play as far as that is possible without the one behind it.

        Raises `CapacityError` when a tile can never fit a buffer, `StarvedError` when nothing can happen any more.
        """
        check_order(layer, len(self._made))
        before = self._last_in_play
        in_play = LayerInPlay(self._env, layer.schedule, self._memory.burst_bytes, before, layer.name)
        in_play.operands = transfers_by_tile(layer.schedule.operands, self._memory.burst_bytes)
        in_play.operands_made = [self._made[number] for number in layer.operands]
        if layer.reads and Tensor.INPUT not in layer.schedule.loads.tensor:
            in_play.resident = frozenset(in_play.number - len(self._made) + read.layer for read in layer.reads)
        in_play.conditions = self._conditions(layer, in_play)
        in_play.input = self._inputs[-1]
        in_play.input.layer(in_play.making.made)
        self._made.append(in_play.making.made)
        self._last, self._last_in_play = layer, in_play
        for observer in self._observers:
            observer.network_layer(layer.name, layer.schedule, in_play.first_tile, self._clock_hz)
        self._to_load.put(in_play)
        self._to_compute.put(in_play)
        while not self._to_load.wanting:
            try:
                self._env.step()
            except EmptySchedule:
                raise self._starved() from None

    def next_input(self) -> None:
        """What is pushed from here on are the layers of another input, numbered from 0 again."""
        self._inputs.append(InputInPlay(self._env))
        # No layer reads one of another input, whatever these share of the machine.
        self._made = []

    def finish(self) -> NetworkPlayed:
        """Play to the end: there are no more layers.

        Raises `StarvedError` when the run stops early.
        """
        self._to_load.close()
        self._to_compute.close()
        self._env.run()
        if not self._done:
            raise self._starved()
        cycles = self._end
        for observer in self._observers:
            observer.end(cycles)
        return NetworkPlayed(
            cycles=cycles,
            layers=tuple(self._played),
            inputs=tuple(one.played() for one in self._inputs),
            traffic=self._memory.traffic(),
            buffer_peak_bytes=self._peaks,
        )

    def _conditions(self, layer: NetworkLayer, in_play: LayerInPlay) -> NetworkConditions:
        shares = self._shares(layer)
        return NetworkConditions(
            self._loading,
            in_play,
            inputs=layer.inputs,
            inputs_last=self._overlap != "serial",
            read=[] if shares else [self._made[read.layer] for read in layer.reads],
            shares=shares,
        )

    def _shares(self, layer: NetworkLayer) -> InputShares | None:
        """Which results of the layer before parts of the inputs need; None: they need all that the layer reads.

        Of layers further back nothing is kept that could say it. They have mostly been made, for the layer before was
        begun when this one's loads are asked for.
        """
        before, made_by = self._last, self._last_in_play
        if self._overlap != "tiles" or before is None or made_by is None:
            return None
        # The layer before is the last of the current input that has been pushed; before its first one nothing is read.
        if layer.reads != (Read(len(self._made) - 1, in_order=True),) or layer.moving_weights:
            return None
        return InputShares.between(layer.schedule, before.schedule, made_by.making)

    def _starved(self) -> StarvedError:
        loads = f"; loads have come to {self._asking.state}" if self._asking is not None else ""
        return StarvedError(f"the simulation starved at cycle {int(self._env.now)}: {self._array.state}{loads}")

    def _load(self) -> Process:
        """Ask for the loads of layer after layer."""
        while (layer := (yield from self._to_load.take())) is not None:
            self._asking = layer.conditions
            yield from self._loading.load(layer)
            self._asking = None
            if self._overlap == "serial":
                yield layer.making.made
                continue
            # The loads of the next layer may begin when this one has begun its first tile. (One without tiles has done
            # so when the tile before it has.)
            begun = self._loading.started.wait_for(min(layer.first_tile + 1, layer.end_tile))
            if begun is not None:
                yield begun

    def _compute(self) -> Process:
        """Compute layer after layer; between two of them time passes with `serial` alone."""
        layer = yield from self._to_compute.take()
        while layer is not None:
            start = self._end
            yield from self._array.compute(layer)
            if self._overlap == "serial":
                yield from self._array.wait_for_results(layer)
            following = yield from self._to_compute.take()
            if following is None:
                yield from self._array.wait_for_results(layer)
            self._end_layer(layer, start)
            layer = following
        self._done = True

    def _end_layer(self, layer: LayerInPlay, start: int) -> None:
        """The array is done with a layer; so is everything that takes room in its buffers but its last results."""
        end = self._end = int(self._env.now)
        pe_cycles = layer.books.pe_cycles()
        if layer.input is not None:
            layer.input.computed(start, end, pe_cycles)
        # Of other inputs sums are enough, so that memory does not grow with them.
        if layer.input is self._inputs[0]:
            self._played.append(PlayedLayer(layer.name, start, end, pe_cycles))
        for buffer in layer.buffers.values():
            self._peaks[buffer.name] = max(buffer.peak_bytes, self._peaks.get(buffer.name, 0))
        for observer in self._observers:
            observer.network_layer_ended(layer.name, start, end)
