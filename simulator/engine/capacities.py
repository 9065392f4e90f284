"""What can never fit is refused before anything is played."""

from __future__ import annotations

import numpy as np

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.errors import CapacityError


def check_capacities(schedule: LayerSchedule) -> None:
    """Raise `CapacityError`, naming the tile, its bytes and the buffer, when a tile could never be in its buffers."""
    for use in schedule.buffers:
        # Streamed data, and outputs that are written as they are made, pass through in pieces: any amount of them fits.
        if use.streamed or (use.tensor == Tensor.OUTPUT and schedule.outputs_as_made):
            continue
        runs = schedule.stores if use.tensor == Tensor.OUTPUT else schedule.loads
        mask = runs.tensor == use.tensor
        # Bytes that have come with each tile or before it, less those that went with a tile before it: runs of tiles
        # 0..2 of 5 bytes and 1..1 of 3 are 5, 8 and 5 bytes.
        size, tiles = runs.size_bytes[mask], schedule.tiles
        come = np.bincount(runs.tile[mask], size, tiles)
        gone = np.bincount(runs.last_tile[mask], size, tiles)
        # Sums of whole numbers below 2^53 are exact as floats.
        resident = np.cumsum(come) - np.cumsum(gone) + gone
        if resident.size and resident.max() > use.capacity_bytes:
            tile = int(resident.argmax())
            raise CapacityError(
                f"tile {tile} needs {int(resident[tile])} bytes in the {use.name} of {use.capacity_bytes} bytes"
            )
