"""A layer's schedule as the network needs it: results pooled or spread, maps stored for others, maps added."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from dataflows.schedule import LayerSchedule, Runs, Tensor
from dataflows.tiling.dram_layout import Layout
from workloads.whole_numbers import boundaries

# A pooling that runs by itself is cut so that its reads and writes overlap; more tiles would only cost events.
_PASS_TILES = 64


def dressed(
    schedule: LayerSchedule, *, stored_share: Fraction = Fraction(1), kept_bytes: int = 0, operand_bytes: int = 0
) -> LayerSchedule:
    """The schedule with its results as they leave.

    stored_share   values stored over values made
    kept_bytes     bytes of the stored map, which are written although the machine would keep it; 0: they are not
    operand_bytes  bytes of other maps that are added before results leave

    Without change it is the same object.
    """
    stores = schedule.stores
    if stored_share != 1 and stores.total_bytes:
        stores = _scaled(stores, stored_share)
    if kept_bytes and not stores.total_bytes:
        stores = _spread(Tensor.OUTPUT, kept_bytes, schedule.drain_cycles, _free_address(schedule.loads))
    operands = schedule.operands
    if operand_bytes:
        # As a tile's results leave, their part of the other map comes: a tile that stores a third adds a third.
        share = np.bincount(stores.tile, stores.size_bytes, minlength=schedule.tiles).astype(np.int64)
        share = share if share.any() else schedule.drain_cycles
        operands = _spread(Tensor.INPUT, operand_bytes, share, _free_address(schedule.loads, stores))
    if stores is schedule.stores and operands is schedule.operands:
        return schedule
    added = stores.total_bytes - schedule.stores.total_bytes + operands.total_bytes - schedule.operands.total_bytes
    return replace(
        schedule,
        stores=stores,
        operands=operands,
        compulsory_bytes=max(0, schedule.compulsory_bytes + added),
        # A tile of more results than their buffer holds writes them as they are made, for they have no other way out.
        outputs_as_made=schedule.outputs_as_made or _exceeds_room(schedule, stores),
    )


def pass_of(machine_schedule: LayerSchedule, read_bytes: int, written_bytes: int) -> LayerSchedule:
    """A pooling by itself: so many bytes in and out through a machine whose array, as a schedule has it, is idle."""
    pes, tiles = machine_schedule.pes, min(_PASS_TILES, max(1, read_bytes))
    even = np.ones(tiles, np.int64)
    loads = _spread(Tensor.INPUT, read_bytes, even, 0)
    return replace(
        machine_schedule,
        cycles=np.zeros((tiles, pes, machine_schedule.cycles.shape[2]), np.int64),
        issued=np.zeros((tiles, pes), np.int64),
        drain_cycles=np.zeros(tiles, np.int64),
        loads=loads,
        stores=_spread(Tensor.OUTPUT, written_bytes, even, _free_address(loads)),
        # Nothing of it stays: buffers that hold a layer's data have no part in it.
        buffers=(),
        operands=Runs.none(),
        expected_issued=0,
        compulsory_bytes=read_bytes + written_bytes,
        notes=(),
        outputs_as_made=False,
        spills=False,
    )


def _scaled(stores: Runs, share: Fraction) -> Runs:
    """Stores of a map of another size: every address moves towards the first one as the map shrinks."""
    first = int(stores.address.min())

    def moved(place: np.ndarray) -> np.ndarray:
        # Rounded up at both ends of a run, so that runs that met still meet, and the last byte has room: at 1/4 the
        # runs 0-10, 10-18 and 18-21 become 0-3, 3-5 and 5-6.
        return first - -(place - first) * share.numerator // share.denominator

    start, end = moved(stores.address), moved(stores.address + stores.size_bytes)
    return Runs.per_tile(Tensor.OUTPUT, stores.tile, start, end - start)


def _spread(tensor: Tensor, size_bytes: int, share: np.ndarray, address: int) -> Runs:
    """Runs that lie one behind the other, of tiles in proportion to their share; evenly where all shares are 0."""
    share = share if share.any() else np.ones_like(share)
    ends = boundaries(share)
    # The running sum is rounded, so that sizes add up: 10 bytes for shares of 1, 1 and 1 are 3, 3 and 4.
    edges = (ends * size_bytes // ends[-1]).astype(np.int64)
    return Runs.per_tile(tensor, np.arange(len(share)), address + edges[:-1], np.diff(edges))


def _free_address(*used: Runs) -> int:
    """The first page behind what some runs take."""
    end = max((int((runs.address + runs.size_bytes).max()) for runs in used if len(runs.tile)), default=0)
    return Layout.of(end, 0).weight_address


def _exceeds_room(schedule: LayerSchedule, stores: Runs) -> bool:
    room = [use.capacity_bytes for use in schedule.buffers if use.tensor == Tensor.OUTPUT and not use.streamed]
    largest = np.bincount(stores.tile, stores.size_bytes, minlength=1).max(initial=0)
    return bool(room) and largest > min(room)
