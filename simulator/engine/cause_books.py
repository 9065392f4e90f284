"""`CauseBooks`: where every PE-cycle of a layer went."""

from __future__ import annotations

import numpy as np

from dataflows.schedule import CAUSES, Cause, LayerSchedule
from simulator.engine.kernel_books import settle, tile_work


class CauseBooks:
    """What PEs do inside tiles, known from the schedule, and what the whole array waits for, charged as it happens.

    duration_cycles      int64 (tiles,), those that the array takes for each tile: of the PE with the most work
    barrier_busy_cycles  sum over tiles of the busiest PE's busy cycles
    """

    def __init__(self, schedule: LayerSchedule) -> None:
        # Kernels are compiled for one layout in memory.
        self._cycles = np.ascontiguousarray(schedule.cycles)
        shape = self._cycles.shape
        # (tiles, PEs): how long each PE takes for each tile.
        self._local_cycles = np.empty(shape[:2], np.int64)
        self.duration_cycles = np.empty(shape[0], np.int64)
        self.barrier_busy_cycles = tile_work(self._cycles, self._local_cycles, self.duration_cycles)
        self._waits = np.zeros((schedule.tiles + 1, CAUSES), np.int64)  # by tile; last: when all tiles are computed

    def charge(self, tile: int, cause: Cause, cycles: int) -> None:
        """The whole array waited, before or inside a tile; `tiles` stands for the end of the layer."""
        self._waits[tile, cause] += cycles

    def charge_all(self, waits: np.ndarray) -> None:
        """All waits at once, int64 (tiles + 1, CAUSES), as `charge` takes them one by one."""
        self._waits += waits

    def pe_cycles(self) -> np.ndarray:
        """Int64 (PEs, CAUSES): each PE's own causes, its waits at tile ends, and the waits of the whole array.

        A PE without work in a tile is unmapped while the array waits for that tile, too, so that the share of unmapped
        PE-cycles does not depend on how long others wait; one without work in a part of the tile, for that part.

        Example: a tile takes 10 cycles. PE 0 is busy for all of them, PE 1 for 6, PE 2 has no work in it. If the array
        has waited 4 cycles for memory, the books say: PE 0 10 busy and 4 memory, PE 1 6 busy, 4 imbalance and 4 memory,
        PE 2 14 unmapped.
        """
        total = np.zeros(self._cycles.shape[1:], np.int64)
        settle(self._cycles, self._local_cycles, self.duration_cycles, self._waits, total)
        return total
