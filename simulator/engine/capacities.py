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
        # Bytes that come with each tile less those that went with the tile before; their running sum is what must be
        # there at once. Runs of tiles 0..2 of 5 bytes and 1..1 of 3 give changes 5, 3, -3, -5: 5, 8, 5 bytes.
        change = np.zeros(schedule.tiles + 1, np.int64)
        np.add.at(change, runs.tile[mask], runs.size_bytes[mask])
        np.subtract.at(change, runs.last_tile[mask] + 1, runs.size_bytes[mask])
        resident = np.cumsum(change[:-1])
        if resident.size and resident.max() > use.capacity_bytes:
            tile = int(resident.argmax())
            raise CapacityError(
                f"tile {tile} needs {int(resident[tile])} bytes in the {use.name} of {use.capacity_bytes} bytes"
            )
