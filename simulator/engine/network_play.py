"""`NetworkPlay`: plays the layers of a network in a row, on one machine and one clock (docs/network.md)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

from dataflows.specs import DramSpec
from simulator.engine.compiled.machine import loop_machine
from simulator.engine.loop_choice import in_its_place, is_compiled
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap
from simulator.engine.observer import Observer
from simulator.engine.write_back import WriteBack


class _Play(Protocol):
    def push(self, layer: NetworkLayer) -> None: ...
    def next_input(self) -> None: ...
    def finish(self) -> NetworkPlayed: ...


class NetworkPlay:
    """Layers in a row on one machine. Make it, call `push` with one layer after the other, then `finish` once.

    Several inputs of a network follow one another: call `next_input` behind the last layer of one.

    A layer is played while the caller makes the next one's schedule, and is dropped when it is over: of the layers
    before the last one only that stays which rules still ask for, so that a few schedules live at a time, whatever the
    number of layers and of inputs. It does not matter to the result when `push` is called: time stands still until a
    layer that the loads want is there.

    overlap                  what may happen side by side (docs/network.md)
    write_back               "blocking": the array waits until a tile's results are written before it goes on
    buffer_bytes_per_cycle   what buffers take in a cycle; None: as fast as memory delivers
    """

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
        # As for a layer alone: what is watched is played as processes that can be watched.
        machine = None if observers else loop_machine(dram, clock_hz, buffer_bytes_per_cycle)
        self._play: _Play
        self._playing: Callable[[], AbstractContextManager[None]] = nullcontext
        if machine is None or not is_compiled(machine):
            from simulator.engine.network_events import NetworkEvents  # noqa: PLC0415

            self._play = events = NetworkEvents(
                dram,
                clock_hz,
                overlap,
                observers,
                write_back=write_back,
                buffer_bytes_per_cycle=buffer_bytes_per_cycle,
            )
            if machine is not None:
                self._playing = partial(in_its_place, events)
        else:
            from simulator.engine.compiled.network import CompiledNetwork  # noqa: PLC0415

            self._play = CompiledNetwork(machine, overlap, blocking=write_back == "blocking")

    def push(self, layer: NetworkLayer) -> None:
        """Add the next layer of the current input, and play as far as that is possible without the one behind it.

        Raises `CapacityError` when a tile can never fit a buffer, `StarvedError` when nothing can happen any more.
        """
        with self._playing():
            self._play.push(layer)

    def next_input(self) -> None:
        """What is pushed from here on are the layers of another input, numbered from 0 again."""
        self._play.next_input()

    def finish(self) -> NetworkPlayed:
        """Play to the end: there are no more layers.

        Raises `StarvedError` when the run stops early, `InputError` when an ideal memory's takes more than 2^44 cycles.
        """
        with self._playing():
            return self._play.finish()
