"""`CauseBooks` as kernels: one pass over cycles by tile, PE and cause."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.schedule import Cause

_BUSY, _IMBALANCE, _UNMAPPED = int(Cause.BUSY), int(Cause.IMBALANCE), int(Cause.UNMAPPED)


@kernel
def tile_work(cycles: np.ndarray, local: np.ndarray, durations: np.ndarray) -> int:
    """Cycles of each PE in each tile, int64 (tiles, PEs), and of the slowest one, int64 (tiles,), both filled.

    cycles  int64 (tiles, PEs, CAUSES)
    Returns the busiest PEs' busy cycles, summed over tiles.
    """
    barrier = 0
    for tile in range(cycles.shape[0]):
        longest, busiest = 0, 0
        for pe in range(cycles.shape[1]):
            own = 0
            for cause in range(cycles.shape[2]):
                own += cycles[tile, pe, cause]
            local[tile, pe] = own
            longest = max(longest, own)
            busiest = max(busiest, cycles[tile, pe, _BUSY])
        durations[tile] = longest
        barrier += busiest
    return barrier


@kernel
def settle(cycles: np.ndarray, local: np.ndarray, durations: np.ndarray, waits: np.ndarray, total: np.ndarray) -> None:
    """Add up every PE-cycle by its cause into total, int64 (PEs, CAUSES), as `CauseBooks.pe_cycles` says.

    waits  int64 (tiles + 1, CAUSES), the last row behind all tiles; the others as `tile_work` has them
    """
    tiles, pes, causes = cycles.shape
    worked = np.zeros(pes, np.bool_)
    for tile in range(tiles):
        whole = max(1, durations[tile])
        for pe in range(pes):
            for cause in range(causes):
                total[pe, cause] += cycles[tile, pe, cause]
            unmapped = cycles[tile, pe, _UNMAPPED]
            mapped = local[tile, pe] > unmapped
            worked[pe] |= mapped
            total[pe, _IMBALANCE if mapped else _UNMAPPED] += durations[tile] - local[tile, pe]
            _charge(total, pe, waits, tile, unmapped if mapped else whole, whole)
    for pe in range(pes):
        # Behind the last tile there is no tile to be mapped in: unmapped is a PE that had work in none of them.
        _charge(total, pe, waits, tiles, 0 if worked[pe] else 1, 1)


@kernel(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _charge(total: np.ndarray, pe: int, waits: np.ndarray, row: int, idle: int, whole: int) -> None:
    """Waits of the whole array, of which the share in which the PE has no work is unmapped, rounded down."""
    for cause in range(waits.shape[1]):
        wait = waits[row, cause]
        if wait:
            unmapped = wait * idle // whole
            total[pe, cause] += wait - unmapped
            total[pe, _UNMAPPED] += unmapped
