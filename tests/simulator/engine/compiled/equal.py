"""Compares what the two event loops make of one thing, field by field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dataflows.schedule import LayerSchedule
from dataflows.specs import DramSpec
from simulator.engine.compiled.layer import play_layer
from simulator.engine.compiled.machine import loop_machine
from simulator.engine.compiled.network import CompiledNetwork
from simulator.engine.errors import CapacityError, StarvedError
from simulator.engine.layer_events import LayerEvents
from simulator.engine.network_events import NetworkEvents
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap
from simulator.engine.played import Played
from simulator.engine.traffic import Traffic
from simulator.engine.write_back import WriteBack

Comparable = tuple[Any, ...]


class Plays(Protocol):
    """Either loop's network."""

    def push(self, layer: NetworkLayer) -> None: ...
    def next_input(self) -> None: ...
    def finish(self) -> NetworkPlayed: ...


def layer_outcome(played: Callable[[], Played]) -> Comparable:
    """Every field of what was played, or how the run failed."""
    try:
        one = played()
    except StarvedError as error:
        return ("starved", str(error))
    books = one.pe_cycles.tolist(), one.barrier_busy_cycles
    return one.cycles, *books, traffic_counts(one.traffic), list(one.buffer_peak_bytes.items())


def traffic_counts(traffic: Traffic) -> Comparable:
    """What each tensor has moved."""
    return tuple((key, one.read_bytes, one.write_bytes, one.burst_bytes) for key, one in traffic.tensors.items())


def both_layers(
    schedule: LayerSchedule,
    dram: DramSpec,
    clock_hz: int,
    write_back: WriteBack = "overlapped",
    rate: int | None = None,
) -> tuple[Comparable, Comparable]:
    """The compiled loop's outcome and simpy's. Raises `CapacityError` as they do."""
    events = LayerEvents(schedule, dram, clock_hz, write_back=write_back, buffer_bytes_per_cycle=rate)
    machine = loop_machine(dram, clock_hz, rate)
    assert machine is not None
    compiled = layer_outcome(lambda: play_layer(schedule, machine, blocking=write_back == "blocking"))
    return compiled, layer_outcome(events.run)


def network_outcome(play: Plays, inputs: Sequence[Sequence[NetworkLayer]]) -> Comparable:
    """Every field of what was played, or how the run failed."""
    try:
        for number, layers in enumerate(inputs):
            if number:
                play.next_input()
            for layer in layers:
                play.push(layer)
        played = play.finish()
    except (CapacityError, StarvedError) as error:
        return type(error), str(error)
    layers = [(one.name, one.start, one.end, one.pe_cycles.tolist()) for one in played.layers]
    rows = [(one.start, one.end, one.done, one.pe_cycles.tolist()) for one in played.inputs]
    return played.cycles, layers, rows, traffic_counts(played.traffic), list(played.buffer_peak_bytes.items())


def both_networks(
    inputs: Sequence[Sequence[NetworkLayer]],
    dram: DramSpec,
    clock_hz: int,
    overlap: Overlap,
    write_back: WriteBack = "overlapped",
    rate: int | None = None,
) -> tuple[Comparable, Comparable]:
    """The compiled loop's outcome and simpy's."""
    machine = loop_machine(dram, clock_hz, rate)
    assert machine is not None
    compiled = CompiledNetwork(machine, overlap, blocking=write_back == "blocking")
    events = NetworkEvents(dram, clock_hz, overlap, write_back=write_back, buffer_bytes_per_cycle=rate)
    return network_outcome(compiled, inputs), network_outcome(events, inputs)
