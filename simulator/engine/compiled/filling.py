"""A layer's schedule as rows of the compiled loop's tables, as kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.schedule import Runs
from simulator.engine.compiled.layout import MADE, NONE, OF_TILE, OF_TRANSFER, Loop, code

_DRAINED, _FIRST = code(OF_TILE[0]), code(OF_TRANSFER[0])
_TILE_EVENTS, _TRANSFER_EVENTS = len(OF_TILE), len(OF_TRANSFER)


class RunColumns(NamedTuple):
    """`Runs` as kernels take them, int64 (runs,)."""

    tile: np.ndarray
    last_tile: np.ndarray
    tensor: np.ndarray
    address: np.ndarray
    size_bytes: np.ndarray

    @classmethod
    def of(cls, runs: Runs) -> RunColumns:
        """The same columns."""
        return cls(runs.tile, runs.last_tile, runs.tensor, runs.address, runs.size_bytes)


@kernel
def count_transfers(loads: RunColumns, stores: RunColumns, operands: RunColumns) -> tuple[int, int, int]:
    """How many transfers there are of each; one begins where tile or tensor changes."""
    return _count(loads), _count(stores), _count(operands)


@kernel
def _count(runs: RunColumns) -> int:
    count = 0
    for run in range(len(runs.tile)):
        if _begins(runs, run):
            count += 1
    return count


@kernel
def _begins(runs: RunColumns, run: int) -> bool:
    return run == 0 or runs.tile[run] != runs.tile[run - 1] or runs.tensor[run] != runs.tensor[run - 1]


@kernel
def fill(  # noqa: C901 (a row after the other)
    loop: Loop,
    number: int,
    loads: RunColumns,
    stores: RunColumns,
    operands: RunColumns,
    counts: tuple[int, int, int],
    durations: np.ndarray,
    drain_cycles: np.ndarray,
    peak: tuple[int, int],
    ends: np.ndarray,
) -> None:
    """Fill the rows of a layer's tiles, transfers and events, which are all zero; its own row is there.

    number     of the layer, whose row says where the rows of tiles, loads and events begin; behind its loads come
               stores, then operands; events are its own, then those of tiles, then those of transfers
    durations, drain_cycles   int64 (tiles,)
    peak       numerator and denominator of the bytes that memory moves in a cycle; (0, 1): as many as there are
    ends       int64 (loads,), filled: where the runs of each load end at the latest
    """
    layer = loop.layers[number]
    tiles = layer.end_tile - layer.tile
    _fill_event(loop, layer.event, MADE, number)
    for tile in range(tiles):
        row = loop.tiles[layer.tile + tile]
        row.layer, row.event = number, layer.event + 1 + tile * _TILE_EVENTS
        row.duration, row.drain = durations[tile], drain_cycles[tile]
        row.next = row.before = row.behind = NONE
        for kind in range(_TILE_EVENTS):
            _fill_event(loop, row.event + kind, _DRAINED + kind, layer.tile + tile)
    event, store = layer.event + 1 + tiles * _TILE_EVENTS, layer.load + counts[0]
    operand = store + counts[1]
    _cut(loop, layer.load, loads, layer.tile, event, ends)
    _cut(loop, store, stores, layer.tile, event + counts[0] * _TRANSFER_EVENTS, ends[:0])
    _cut(loop, operand, operands, layer.tile, event + (counts[0] + counts[1]) * _TRANSFER_EVENTS, ends[:0])
    for one in range(layer.load, store):
        row = loop.tiles[loop.transfers[one].tile]
        if not row.end_load:
            row.load = one
        row.end_load = one + 1
    for one in range(store, operand):
        _fill_store(loop, layer.as_made, one, operand, peak)
    for one in range(operand, operand + counts[2]):
        row = loop.tiles[loop.transfers[one].tile]
        if not row.end_operand:
            row.operand = one
        row.end_operand = one + 1
    for run in range(len(loads.tile)):
        tensor = loads.tensor[run]
        if layer.buffer[tensor] != NONE:
            loop.tiles[layer.tile + loads.last_tile[run]].freed[tensor] += loads.size_bytes[run]
    if layer.inputs_last:
        _put_inputs_last(loop, number, ends)


@kernel
def _fill_event(loop: Loop, place: int, kind: int, owner: int) -> None:
    event = loop.events[place]
    event.kind, event.owner, event.first = kind, owner, NONE


@kernel
def _cut(loop: Loop, first: int, runs: RunColumns, first_tile: int, event: int, ends: np.ndarray) -> None:
    """The rows of transfers of one direction (`transfers_by_tile`), with their events; `ends` only of loads."""
    burst, place = loop.clock[0].burst_bytes, first - 1
    for run in range(len(runs.tile)):
        if _begins(runs, run):
            place += 1
            one = loop.transfers[place]
            one.tile, one.tensor = first_tile + runs.tile[run], runs.tensor[run]
            one.event, one.next = event, NONE
            for kind in range(_TRANSFER_EVENTS):
                _fill_event(loop, event + kind, _FIRST + kind, place)
            event += _TRANSFER_EVENTS
        one = loop.transfers[place]
        end = runs.address[run] + runs.size_bytes[run]
        one.size_bytes += runs.size_bytes[run]
        # A run pays for every burst that it touches.
        one.burst_bytes += ((end - 1) // burst - runs.address[run] // burst + 1) * burst
        if len(ends):
            ends[place - first] = max(ends[place - first], end)


@kernel
def _fill_store(loop: Loop, as_made: int, number: int, end_stores: int, peak: tuple[int, int]) -> None:
    one = loop.transfers[number]
    row = loop.tiles[one.tile]
    one.write = 1
    if not row.end_store:
        row.store = number
    row.end_store = number + 1
    row.store_bytes += one.size_bytes
    if number + 1 < end_stores and loop.transfers[number + 1].tile == one.tile:
        return
    one.frees = 1
    if as_made and peak[0]:
        # `Results.write_lead`.
        bursts = 0
        for part_of in range(row.store, row.end_store):
            bursts += loop.transfers[part_of].burst_bytes
        cycles = (bursts * peak[1] + peak[0] - 1) // peak[0]
        row.lead = min(row.duration, max(0, cycles - row.drain))


@kernel
def _put_inputs_last(loop: Loop, number: int, ends: np.ndarray) -> None:
    """Let the first tile's loads of inputs follow its other loads, each kind in its order (`in_order`)."""
    layer = loop.layers[number]
    row = loop.tiles[layer.tile]
    # Few rows: each load of another tensor moves ahead of the inputs before it, one place at a time.
    for place in range(row.load + 1, row.end_load):
        at = place
        while (
            at > row.load
            and not layer.inputs >> loop.transfers[at].tensor & 1
            and layer.inputs >> loop.transfers[at - 1].tensor & 1
        ):
            one, other = loop.transfers[at], loop.transfers[at - 1]
            one.tensor, other.tensor = other.tensor, one.tensor
            one.size_bytes, other.size_bytes = other.size_bytes, one.size_bytes
            one.burst_bytes, other.burst_bytes = other.burst_bytes, one.burst_bytes
            a, b = at - layer.load, at - 1 - layer.load
            ends[a], ends[b] = ends[b], ends[a]
            at -= 1


@kernel
def carried(loop: Loop, transfers: int, counts: np.ndarray) -> None:
    """Add up what so many transfers carry: int64 (tensors, 4), bytes read and written, and of whole bursts."""
    for number in range(transfers):
        one = loop.transfers[number]
        counts[one.tensor, one.write] += one.size_bytes
        counts[one.tensor, 2 + one.write] += one.burst_bytes
