"""`Tables`: the rows of the layers that the compiled event loop plays, added layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from dataflows.schedule import CAUSES, LayerSchedule, Runs, Tensor
from simulator.engine.compiled.filling import RunColumns, count_transfers, fill
from simulator.engine.compiled.layout import (
    ARRAY,
    BUFFER,
    CLOCK,
    EVENT,
    FAR,
    LAYER,
    LOADS,
    NONE,
    TILE,
    TILE_EVENTS,
    TRANSFER,
    TRANSFER_EVENTS,
    Loop,
)
from simulator.engine.compiled.machine import LoopMachine

_NONE_AT_FIRST = (
    "rest", "undrained", "undrained_tail", "last", "writes", "writes_tail", "load_layer", "load", "asking",
    "asking_load", "layer", "cursor", "cause", "exact_end", "wanted",
)  # fmt: skip
# The tables behind the clock: what a row is, and where it is no struct its length.
_TABLES: tuple[tuple[Any, ...], ...] = (
    (LAYER,), (TILE,), (TRANSFER,), (BUFFER,), (EVENT,), (np.int64,), (np.int64, CAUSES), (np.int64, 4), (np.int64, 4),
)  # fmt: skip
_NO_RUNS = RunColumns.of(Runs.none())


@dataclass(frozen=True, eq=False)
class LayerToPlay:
    """A layer's schedule, and what has been found out for it.

    durations      int64 (tiles,): cycles that the array takes
    buffers        places in the table of buffers by tensor
    with_operands  whether the maps that its results are added to are loaded, as in a network
    """

    schedule: LayerSchedule
    durations: np.ndarray
    buffers: dict[Tensor, int]
    with_operands: bool


@dataclass(frozen=True, eq=False)
class LayerLinks:
    """What a layer has to do with those before it, whose numbers these are; nothing where it is alone.

    reads     that its inputs are made of
    needs     that must have been made before its inputs are loaded
    operands  that its results are added to
    inputs    tensors that are inputs
    unlike    tensors whose buffer the layer before uses in another way
    resident  whether its inputs lie on the chip
    behind    the layer whose results must have left before these take room; NONE
    """

    reads: Sequence[int] = ()
    needs: Sequence[int] = ()
    operands: Sequence[int] = ()
    inputs: Collection[Tensor] = ()
    unlike: Collection[Tensor] = ()
    resident: bool = False
    behind: int = int(NONE)


@cache
def _fresh_clock(machine: LoopMachine, *, serial: bool, blocking: bool) -> np.ndarray:
    clock = np.zeros(1, CLOCK)
    for name in _NONE_AT_FIRST:
        clock[name] = NONE
    peak, latency = machine.peak, machine.latency
    clock["serial"], clock["blocking"], clock["burst_bytes"] = serial, blocking, machine.burst_bytes
    clock["infinite"] = peak is None
    clock["unit"], clock["denominator"] = (1, 1) if peak is None else (peak.numerator, peak.denominator)
    clock["latency_numerator"], clock["latency_denominator"] = latency.numerator, latency.denominator
    clock["awake_at"], clock["port_rate"] = FAR, machine.port_rate
    return clock


class Tables:
    """Rows are added behind those that are there; a table that is full is copied into one of twice the size."""

    def __init__(self, machine: LoopMachine, *, serial: bool, blocking: bool) -> None:
        clock = _fresh_clock(machine, serial=serial, blocking=blocking).copy()
        self._peak = (0, 1) if machine.peak is None else (machine.peak.numerator, machine.peak.denominator)
        self._inputs_last = not serial
        self._used = dict.fromkeys(Loop._fields, 0)
        self.loop = Loop(clock, *(np.zeros((0, *shape), dtype) for dtype, *shape in _TABLES))
        # The two processes of all layers.
        first = self._place("events", 2)
        self.loop.events["kind"][first:2] = LOADS, ARRAY
        self.loop.events["first"][first:2] = NONE

    def add(self, layer: LayerToPlay, links: LayerLinks) -> np.ndarray:
        """Add a layer's rows; returns where each of its loads ends at the latest, int64 (loads,)."""
        schedule, tiles = layer.schedule, layer.schedule.tiles
        loads, stores = RunColumns.of(schedule.loads), RunColumns.of(schedule.stores)
        operands = RunColumns.of(schedule.operands) if layer.with_operands else _NO_RUNS
        counts = count_transfers(loads, stores, operands)
        transfers = sum(counts)
        number, tile = self._place("layers", 1), self._place("tiles", tiles)
        load = self._place("transfers", transfers)
        event = self._place("events", 1 + tiles * TILE_EVENTS + transfers * TRANSFER_EVENTS)
        waits = self._place("waits", tiles + 1)
        self._place("jobs", 2 * transfers)
        self._place("queue", 4 * transfers + 6 * tiles + 8)
        reads, needs = self._list(links.reads), self._list(links.needs)
        storing = _distinct(schedule.stores.tile)
        buffers = [layer.buffers.get(tensor, NONE) for tensor in Tensor]
        self.loop.layers[number] = (
            tile, tile + tiles, load, load + counts[0], schedule.prefetch_tiles, schedule.accumulator_copies,
            schedule.outputs_as_made, schedule.operands_in_step, links.resident, *reads, *needs,
            *self._list(links.operands), _bits(links.inputs), self._inputs_last, _bits(links.unlike), buffers,
            links.behind, waits, event, tiles + storing, storing, NONE, 0, 0, 0,
        )  # fmt: skip
        ends = np.zeros(counts[0], np.int64)
        drain_cycles = schedule.drain_cycles.copy()  # of one kind, whatever view it is: one kernel is compiled
        fill(self.loop, number, loads, stores, operands, counts, layer.durations, drain_cycles, self._peak, ends)
        return ends

    def wait_for_shares(self, number: int, tiles: np.ndarray, end_need: np.ndarray) -> None:
        """Let each load of a layer wait for a range of tiles: from where the one before it ends, up to `end_need`."""
        row = self.loop.layers[number]
        first, _ = self._list(tiles)
        loads = self.loop.transfers[int(row["load"]) : int(row["end_load"])]
        loads["end_need"] = first + end_need
        loads["need"] = first + np.concatenate(([0], end_need[:-1]))

    def used(self, name: str) -> int:
        """How many rows of a table are in use."""
        return self._used[name]

    def add_buffer(self, capacity_bytes: int) -> int:
        """A buffer's place."""
        place = self._place("buffers", 1)
        self.loop.buffers["capacity"][place] = capacity_bytes
        return place

    def _list(self, numbers: Sequence[int] | np.ndarray) -> tuple[int, int]:
        """Where numbers stand in the table of lists: from, and up to."""
        if not len(numbers):
            return 0, 0
        first = self._place("lists", len(numbers))
        self.loop.lists[first : first + len(numbers)] = numbers
        return first, first + len(numbers)

    def _place(self, name: str, count: int) -> int:
        """The first of so many new rows of a table."""
        first = self._used[name]
        self._used[name] = end = first + count
        array: np.ndarray = getattr(self.loop, name)
        if end > len(array):
            larger = np.zeros((max(end, 2 * len(array)), *array.shape[1:]), array.dtype)
            larger[: len(array)] = array
            self.loop = self.loop._replace(**{name: larger})
        return first


def _distinct(ordered: np.ndarray) -> int:
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(ordered))


def _bits(tensors: Collection[Tensor]) -> int:
    return sum(1 << tensor for tensor in tensors)
