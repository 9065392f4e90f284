"""`CauseBooks`: where every PE-cycle of a layer went."""

from __future__ import annotations

import numpy as np

from dataflows.schedule import CAUSES, Cause, LayerSchedule


class CauseBooks:
    """What PEs do inside tiles, known from the schedule, and what the whole array waits for, charged as it happens.

    durations   cycles that the array takes for each tile: those of the PE with the most work
    """

    def __init__(self, schedule: LayerSchedule) -> None:
        self._schedule = schedule
        # (tiles, PEs): cycles are (tiles, PEs, CAUSES), so this is how long each PE takes for each tile.
        self._local_cycles = schedule.cycles.sum(axis=2)
        # Python's ints, since durations become delays of events and would take numpy's types into simpy's clock.
        self.durations: list[int] = self._local_cycles.max(axis=1, initial=0).tolist()
        self._waits = np.zeros((schedule.tiles + 1, CAUSES), np.int64)  # by tile; last: when all tiles are computed

    def charge(self, tile: int, cause: Cause, cycles: int) -> None:
        """The whole array waited, before or inside a tile; `tiles` stands for the end of the layer."""
        self._waits[tile, cause] += cycles

    @property
    def barrier_busy_cycles(self) -> int:
        """Sum over tiles of the busiest PE's busy cycles."""
        return int(self._schedule.cycles[:, :, Cause.BUSY].max(axis=1, initial=0).sum())

    def pe_cycles(self) -> np.ndarray:
        """Int64 (PEs, CAUSES): each PE's own causes, its waits at tile ends, and the waits of the whole array.

        A PE without work in a tile is unmapped while the array waits for that tile, too, so that the share of unmapped
        PE-cycles does not depend on how long others wait; one without work in a part of the tile, for that part.

        Example: a tile takes 10 cycles. PE 0 is busy for all of them, PE 1 for 6, PE 2 has no work in it. If the array
        has waited 4 cycles for memory, the books say: PE 0 10 busy and 4 memory, PE 1 6 busy, 4 imbalance and 4 memory,
        PE 2 14 unmapped.
        """
        schedule = self._schedule
        # A new array: what is added below must not reach the schedule, which others read.
        total = schedule.cycles.sum(axis=0)
        duration = np.asarray(self.durations, np.int64)[:, None]
        # (tiles, PEs): whether the PE has any cycle in the tile that is not unmapped.
        mapped = self._local_cycles > schedule.cycles[:, :, Cause.UNMAPPED]
        # At a tile's end PEs with work wait for the slowest one; for those without, the same cycles are unmapped.
        total[:, Cause.IMBALANCE] += np.where(mapped, duration - self._local_cycles, 0).sum(axis=0)
        total[:, Cause.UNMAPPED] += np.where(mapped, 0, duration - self._local_cycles).sum(axis=0)
        # Waits of the whole array; most tiles have none.
        for tile in np.flatnonzero(self._waits.any(axis=1)).tolist():
            waits = self._waits[tile]
            # Behind the last tile there is no tile to be mapped in: unmapped is a PE that had work in none of them.
            if tile == schedule.tiles:
                idle, whole = np.where(mapped.any(axis=0), 0, 1), 1
            else:
                # A PE unmapped for 3 of a tile's 10 cycles is unmapped for 3/10 of its waits. A tile without cycles
                # counts as one.
                idle = np.where(mapped[tile], schedule.cycles[tile, :, Cause.UNMAPPED], max(1, self.durations[tile]))
                whole = max(1, self.durations[tile])
            # (PEs, CAUSES). Rounded down; what is left stays with its cause, so that each PE's causes still sum to all
            # cycles.
            # Of 4 cycles that such a PE waits for memory, 4 x 3 // 10 = 1 is unmapped and 3 stay memory.
            unmapped = waits[None, :] * idle[:, None] // whole
            total += waits[None, :] - unmapped
            total[:, Cause.UNMAPPED] += unmapped.sum(axis=1)
        return total
