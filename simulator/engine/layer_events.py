"""`LayerEvents`: the schedule of one layer as simpy's events, which observers may watch."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from dataflows.schedule import LayerSchedule
from dataflows.specs import DramSpec
from simulator.engine.errors import StarvedError
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.machine_in_play import MachineInPlay
from simulator.engine.observer import Observer
from simulator.engine.played import Played
from simulator.engine.write_back import WriteBack

Process = Generator[simpy.Event, Any, None]


class LayerEvents:
    """One layer on one machine, as `LayerSimulation` describes it. Make it, call `run` once.

    What happens stands in `PEArray`, `Loading` and `Results`, which play the layers of a network, too. Operands of the
    schedule are ignored: other layers make them, and alone a layer has none.

    Raises `CapacityError` at construction when a tile can never fit a buffer.
    """

    def __init__(
        self,
        schedule: LayerSchedule,
        dram: DramSpec,
        clock_hz: int,
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
        self._layer = LayerInPlay(env, schedule, self._memory.burst_bytes)
        self._done = False

    @property
    def now(self) -> int:
        """The cycle that has come."""
        return int(self._env.now)

    def run(self) -> Played:
        """Play the schedule to its end.

        Raises `StarvedError` when the run stops early.
        """
        self._env.process(self._loading.load(self._layer))
        self._env.process(self._compute())
        # simpy stops when no event is left. If the array is not done by then, it waits for something that nobody will
        # bring about.
        self._env.run()
        # Delays are whole cycles, so simpy's clock, typed as a number, holds an int.
        cycles, books = int(self._env.now), self._layer.books
        if not self._done:
            raise StarvedError(f"the simulation starved at cycle {cycles}: {self._array.state}")
        return Played(
            cycles=cycles,
            pe_cycles=books.pe_cycles(),
            barrier_busy_cycles=books.barrier_busy_cycles,
            traffic=self._memory.traffic(),
            buffer_peak_bytes={buffer.name: buffer.peak_bytes for buffer in self._layer.buffers.values()},
        )

    def _compute(self) -> Process:
        yield from self._array.compute(self._layer)
        yield from self._array.wait_for_results(self._layer)
        self._done = True
