"""Broadcast of non-zero activations into a queue before every PE, cycle by cycle, as a recurrence over columns.

Source: Han et al., ISCA 2016 (EIE), section IV, and the cycle simulator its authors published (RalphMao/EIE-simulator).

Four steps, a register between each two: an activation is broadcast into all queues, if all have room; a PE takes it
from its queue; the PE reads the column's two pointers; the PE works off the column's entries, one a cycle. The next
column's pointers are read while entries are worked off, so columns follow one another without a gap as long as the
queue is not empty. The pointer read shows only when the PE has nothing else to do: after it was starved, or where the
column before has no entry in this PE.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES, largest, largest_word, load, nonzero_mask, spread, store

FRONT_CYCLES = 3  # broadcast, queue and pointer read of a vector's first activation: no PE can work yet

# What a PE does in a cycle: works off a real entry, or a filler; reads pointers and nothing else; has no activation yet
# or no more; waits for a vector's first activation.
ENTRY, FILLER, POINTERS, STARVED, START = range(5)
DOINGS = 5

_MOST_CYCLES = 1 << 30  # that are counted in 32 bits before they are added to a tile


@kernel
def play_vectors(
    vectors: np.ndarray, entries: np.ndarray, fillers: np.ndarray, depth: int, joined: int, cycles: np.ndarray
) -> None:
    """Add what the PEs do for each vector to cycles, int64 (tiles, PEs, DOINGS); vectors uint8 (vectors, columns).

    entries, fillers  uint32 (columns, lanes of PEs, LANES): what a PE works off for a column, and how much of it is
                      fillers; PEs that are not there have none
    depth             activations a queue holds
    joined            consecutive vectors of a tile

    A vector starts when the one before it is finished on all PEs; one without a non-zero costs nothing.
    """
    rows = entries.shape[1]
    sent_columns = np.zeros(vectors.shape[1], np.int64)
    taken = np.zeros(depth, np.int64)  # cycle in which the slowest PE took an activation, of the last `depth`
    # By PE: the first cycle in which its pointer register can take a column, the cycle of its last entry so far,
    # pointer reads that show, entries of both kinds, fillers among them.
    ready, done = np.zeros((rows, LANES), np.uint32), np.zeros((rows, LANES), np.uint32)
    shown, worked, filled = np.zeros_like(ready), np.zeros_like(ready), np.zeros_like(ready)
    any_filler = bool(fillers.any())  # short columns have none, and most layers' are short
    started, spent = 0, 0  # vectors since the counts were last added to a tile, and their cycles
    for v in range(vectors.shape[0]):
        sent = 0
        for j in range(vectors.shape[1]):  # no branch, which nobody could foresee
            sent_columns[sent] = j
            sent += vectors[v, j] != 0
        if sent:
            taken[:] = 0
            end = _play_vector(
                sent_columns[:sent], entries, fillers, any_filler, taken, (ready, done, shown, worked, filled)
            )
            started += 1
            spent += end - FRONT_CYCLES
        if (v + 1) % joined == 0 or v + 1 == vectors.shape[0] or spent > _MOST_CYCLES:
            _add_to_tile(started, spent, (shown, worked, filled), cycles[v // joined])
            started, spent = 0, 0


@kernel
def _play_vector(
    columns: np.ndarray,
    entries: np.ndarray,
    fillers: np.ndarray,
    any_filler: bool,
    taken: np.ndarray,
    state: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> int:
    """Send a vector's activations of some columns; the cycle in which all PEs are done."""
    ready, done, shown, worked, filled = state
    nothing, one, rows = spread(np.uint32(0)), spread(np.uint32(1)), entries.shape[1]
    for row in range(rows):
        store(ready, row, nothing)
        store(done, row, nothing)
    broadcast, slot = 0, 0
    for n in range(columns.size):
        # One a cycle, and not before the slowest PE has taken the one `depth` before it: its slot is free a cycle
        # later.
        broadcast = max(broadcast, taken[slot]) + 1
        there = spread(np.uint32(broadcast + 1))
        # The first column's pointers are read while the pipeline starts, and do not show.
        shows = one if n else nothing
        slowest = there
        for row in range(rows):
            column = columns[n] * rows + row
            own, last = load(entries, column), load(done, row)
            take = largest(there, load(ready, row))
            slowest = largest(slowest, take)
            read = take + one
            start = largest(read, last)
            store(shown, row, load(shown, row) + (nonzero_mask(start - last) & shows))
            # Entries follow those of the column before; without any the pointer register is free at once.
            some = nonzero_mask(own)
            store(ready, row, read + ((start - read) & some))
            store(done, row, last + ((start + own - last) & some))
            store(worked, row, load(worked, row) + own)
            if any_filler:
                store(filled, row, load(filled, row) + load(fillers, column))
        taken[slot] = largest_word(slowest)
        slot = slot + 1 if slot + 1 < taken.size else 0
    end = nothing
    for row in range(rows):
        end = largest(end, largest(load(ready, row), load(done, row)))
    return int(largest_word(end))


@kernel
def _add_to_tile(started: int, spent: int, counts: tuple[np.ndarray, np.ndarray, np.ndarray], tile: np.ndarray) -> None:
    """Add counts of `started` vectors, which lasted `spent` cycles behind their start, to a tile; empty the counts.

    counts  uint32 by lanes of PEs: pointer reads that show, entries of both kinds, fillers;  tile  int64 (PEs, DOINGS)
    """
    shown, worked, filled = counts
    for pe in range(tile.shape[0]):
        row, lane = pe // LANES, pe % LANES
        alone, both, fill = np.int64(shown[row, lane]), np.int64(worked[row, lane]), np.int64(filled[row, lane])
        tile[pe, ENTRY] += both - fill
        tile[pe, FILLER] += fill
        tile[pe, POINTERS] += alone
        # All PEs end together: what is left of a PE's cycles it had nothing to do.
        tile[pe, STARVED] += spent - both - alone
        tile[pe, START] += started * FRONT_CYCLES
    for row in range(len(shown)):
        store(shown, row, spread(np.uint32(0)))
        store(worked, row, spread(np.uint32(0)))
        store(filled, row, spread(np.uint32(0)))
