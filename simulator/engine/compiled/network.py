"""`CompiledNetwork`: the layers of a network on the compiled event loop."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from dataflows.schedule import CAUSES, LayerSchedule, Tensor
from simulator.engine.alike import alike_tensors
from simulator.engine.capacities import check_capacities
from simulator.engine.cause_books import CauseBooks
from simulator.engine.compiled.layout import NONE
from simulator.engine.compiled.machine import LoopMachine
from simulator.engine.compiled.run import go_on, traffic_of
from simulator.engine.compiled.shares import shares
from simulator.engine.compiled.states import array_state, loads_state
from simulator.engine.compiled.tables import LayerLinks, LayerToPlay, Tables
from simulator.engine.errors import StarvedError
from simulator.engine.network_layers import (
    NetworkLayer,
    NetworkPlayed,
    Overlap,
    PlayedInput,
    PlayedLayer,
    Read,
    check_order,
)


class _Before(NamedTuple):
    """The layer pushed last."""

    schedule: LayerSchedule
    buffers: dict[Tensor, int]
    first_tile: int


class CompiledNetwork:
    """The layers of a network, as `NetworkPlay` describes them."""

    def __init__(self, machine: LoopMachine, overlap: Overlap, *, blocking: bool) -> None:
        self._machine = machine
        self._overlap: Overlap = overlap
        self._tables = Tables(machine, serial=overlap == "serial", blocking=blocking)
        self._before: _Before | None = None
        self._books: list[CauseBooks | None] = []  # of the layers that the array is not done with
        self._booked = 0  # how many it is done with
        self._labels: list[str] = []
        self._names: list[str] = []
        self._buffer_names: list[str] = []
        self._first_layers = [0]  # of each input
        self._stacks = [np.zeros(CAUSES, np.int64)]  # of each input
        self._played: list[PlayedLayer] = []

    def push(self, layer: NetworkLayer) -> None:
        """See `NetworkPlay`."""
        first_layer = self._first_layers[-1]
        check_order(layer, len(self._names) - first_layer)
        schedule, before, tables = layer.schedule, self._before, self._tables
        check_capacities(schedule)
        books = CauseBooks(schedule)
        alike = [] if before is None else alike_tensors(schedule, before.schedule)
        buffers = {
            use.tensor: before.buffers[use.tensor]
            if before is not None and use.tensor in alike
            else self._buffer(use.name, use.capacity_bytes)
            for use in schedule.buffers
            if not use.streamed
        }
        unlike = set[Tensor]() if before is None else {use.tensor for use in schedule.buffers} - set(alike)
        first_tile = tables.used("tiles")
        links = self._links(layer, unlike)
        ends = tables.add(LayerToPlay(schedule, books.duration_cycles, buffers, with_operands=True), links)
        if layer.reads and not links.needs and before is not None:
            self._wait_for_shares(schedule, ends, before)
        self._before = _Before(schedule, buffers, first_tile)
        self._books.append(books)
        self._names.append(layer.name)
        self._labels.append(f"layer '{layer.name}': " if layer.name else "")
        tables.loop.clock["layers"] += 1
        if go_on(tables):
            raise self._starved()
        self._book()

    def next_input(self) -> None:
        """See `NetworkPlay`."""
        self._first_layers.append(len(self._names))
        self._stacks.append(np.zeros(CAUSES, np.int64))

    def finish(self) -> NetworkPlayed:
        """See `NetworkPlay`."""
        clock = self._tables.loop.clock
        clock["closed"] = 1
        if self._names:
            go_on(self._tables)
            if not clock["done"][0]:
                raise self._starved()
            self._book()
        peaks = dict[str, int]()
        for name, peak in zip(self._buffer_names, self._tables.loop.buffers["peak"].tolist(), strict=False):
            peaks[name] = max(peak, peaks.get(name, 0))
        return NetworkPlayed(
            cycles=int(clock["end"][0]),
            layers=tuple(self._played),
            inputs=tuple(self._played_input(number) for number in range(len(self._first_layers))),
            traffic=traffic_of(self._tables),
            buffer_peak_bytes=peaks,
        )

    def _buffer(self, name: str, capacity_bytes: int) -> int:
        self._buffer_names.append(name)
        return self._tables.add_buffer(capacity_bytes)

    def _links(self, layer: NetworkLayer, unlike: Collection[Tensor]) -> LayerLinks:
        number, first_layer = len(self._names), self._first_layers[-1]
        reads = [first_layer + read.layer for read in layer.reads]
        return LayerLinks(
            reads,
            () if self._takes_shares(layer) else reads,
            [first_layer + operand for operand in layer.operands],
            layer.inputs,
            unlike,
            resident=bool(reads) and Tensor.INPUT not in layer.schedule.loads.tensor,
            behind=number - 1 if Tensor.OUTPUT in unlike else int(NONE),
        )

    def _takes_shares(self, layer: NetworkLayer) -> bool:
        """Whether parts of the inputs need a share of the layer before, not all that the layer reads."""
        last = Read(len(self._names) - 1 - self._first_layers[-1], in_order=True)
        if self._overlap != "tiles" or self._before is None or layer.moving_weights or layer.reads != (last,):
            return False
        return Tensor.INPUT in layer.schedule.loads.tensor and bool(len(self._before.schedule.stores.tile))

    def _wait_for_shares(self, schedule: LayerSchedule, ends: np.ndarray, before: _Before) -> None:
        number, loop = len(self._names), self._tables.loop
        row = loop.layers[number]
        tensors = loop.transfers["tensor"][int(row["load"]) : int(row["end_load"])]
        tiles, end_need = shares(schedule, tensors, ends, before.schedule)
        self._tables.wait_for_shares(number, before.first_tile + tiles, end_need)

    def _starved(self) -> StarvedError:
        loop = self._tables.loop
        state = array_state(loop, self._labels) + loads_state(loop, self._labels)
        return StarvedError(f"the simulation starved at cycle {int(loop.clock['now'][0])}: {state}")

    def _book(self) -> None:
        """Settle the books of layers that the array is done with, and drop what is over."""
        loop = self._tables.loop
        done = len(self._names) if loop.clock["done"][0] else max(0, int(loop.clock["layer"][0]))
        for number in range(self._booked, done):
            row, books = loop.layers[number], self._books[number]
            assert books is not None  # noqa: S101 (settled once)
            first, tiles = int(row["waits"]), int(row["end_tile"] - row["tile"])
            books.charge_all(loop.waits[first : first + tiles + 1])
            pe_cycles = books.pe_cycles()
            self._books[number] = None
            self._stacks[self._input_of(number)] += pe_cycles.sum(axis=0)
            # Of other inputs sums are enough, so that memory does not grow with them.
            if not self._input_of(number):
                start, end = int(row["start"]), int(row["end"])
                self._played.append(PlayedLayer(self._names[number], start, end, pe_cycles))
        self._booked = done

    def _input_of(self, number: int) -> int:
        return int(np.searchsorted(self._first_layers, number, side="right")) - 1

    def _played_input(self, number: int) -> PlayedInput:
        edges = [*self._first_layers, len(self._names)]
        layers = self._tables.loop.layers[edges[number] : edges[number + 1]]
        if not len(layers):
            return PlayedInput(0, 0, 0, self._stacks[number])
        start, end = int(layers["start"][0]), int(layers["end"][-1])
        # A layer without tiles has been made when it is handed over, which may be before the array comes to it.
        return PlayedInput(start, end, max(int(layers["made_at"].max()), end), self._stacks[number])
