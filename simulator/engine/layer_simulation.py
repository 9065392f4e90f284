"""`LayerSimulation`: plays the schedule of one layer on memory, buffers and a PE array, as discrete events.

Only what depends on another tile's timing is an event: when a load may start, when its data is there, when the array
may begin a tile, when results have been drained and written. What PEs do inside a tile stands in the schedule.

The events are written down twice. `LayerEvents` plays them as simpy's processes, which are the rules to read, and
which observers can watch. `compiled` plays the same ones as compiled code where nobody watches, memory is ideal, and
that code is there (`loop_choice`); tests hold the two equal in every number.
"""

from __future__ import annotations

from contextlib import nullcontext

from dataflows.schedule import LayerSchedule
from dataflows.specs import DramSpec
from simulator.engine.capacities import check_capacities
from simulator.engine.compiled.machine import loop_machine
from simulator.engine.loop_choice import in_its_place, is_compiled
from simulator.engine.observer import Observer
from simulator.engine.played import Played
from simulator.engine.write_back import WriteBack


class LayerSimulation:
    """One layer on one machine, which is cold at its start. Make it, call `run` once.

    write_back               "blocking": the array waits until a tile's results are written before it goes on
    buffer_bytes_per_cycle   what buffers take in a cycle; None: as fast as memory delivers

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
        # Before anything is played: a tile that never fits would only starve, and say less.
        check_capacities(schedule)
        self._schedule = schedule
        self._dram, self._clock_hz, self._observers = dram, clock_hz, observers
        self._write_back: WriteBack = write_back
        self._buffer_rate = buffer_bytes_per_cycle

    def run(self) -> Played:
        """Play the schedule to its end.

        Raises `StarvedError` when the run stops early, `InputError` when an ideal memory's takes more than 2^44 cycles.
        """
        # What is watched is played as processes that can be watched.
        machine = None if self._observers else loop_machine(self._dram, self._clock_hz, self._buffer_rate)
        if machine is None or not is_compiled(machine):
            from simulator.engine.layer_events import LayerEvents  # noqa: PLC0415

            events = LayerEvents(
                self._schedule,
                self._dram,
                self._clock_hz,
                self._observers,
                write_back=self._write_back,
                buffer_bytes_per_cycle=self._buffer_rate,
            )
            with nullcontext() if machine is None else in_its_place(events):
                return events.run()
        from simulator.engine.compiled.layer import play_layer  # noqa: PLC0415

        return play_layer(self._schedule, machine, blocking=self._write_back == "blocking")
