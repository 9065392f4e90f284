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

FRONT_CYCLES = 3  # broadcast, queue and pointer read of a vector's first activation: no PE can work yet

# What a PE does in a cycle: works off a real entry, or a filler; reads pointers and nothing else; has no activation yet
# or no more; waits for a vector's first activation.
ENTRY, FILLER, POINTERS, STARVED, START = range(5)
DOINGS = 5


@kernel
def play_vectors(
    vectors: np.ndarray, kept: np.ndarray, fillers: np.ndarray, depth: int, joined: int, cycles: np.ndarray
) -> None:
    """Add what the PEs do for each vector to cycles, int64 (tiles, PEs, DOINGS); vectors uint8 (vectors, columns).

    kept, fillers  int32 (columns, PEs) entries
    depth          activations a queue holds
    joined         consecutive vectors of a tile

    A vector starts when the one before it is finished on all PEs; one without a non-zero costs nothing.
    """
    pes = kept.shape[1]
    taken = np.zeros(depth, np.int64)  # cycle in which the slowest PE took an activation, of the last `depth`
    ready = np.zeros(pes, np.int64)  # first cycle in which the pointer register can take a column
    done = np.zeros(pes, np.int64)  # cycle of the last entry so far
    work = np.zeros((pes, 3), np.int64)
    for v in range(vectors.shape[0]):
        taken[:] = 0
        ready[:] = 0
        done[:] = 0
        work[:] = 0
        broadcast, sent = 0, 0
        for j in range(vectors.shape[1]):
            if not vectors[v, j]:
                continue
            slot = sent % depth
            # One a cycle, and not before the slowest PE has taken the one `depth` before it: its slot is free a cycle
            # later.
            broadcast = max(broadcast + 1, taken[slot] + 1)
            slowest = 0
            for pe in range(pes):
                entries = np.int64(kept[j, pe]) + np.int64(fillers[j, pe])
                take = max(broadcast + 1, ready[pe])
                read = take + 1
                slowest = max(slowest, take)
                work[pe, ENTRY] += kept[j, pe]
                work[pe, FILLER] += fillers[j, pe]
                work[pe, POINTERS] += read > done[pe] and sent > 0  # the first column's read belongs to the start
                if entries:
                    ready[pe] = max(read, done[pe])
                    done[pe] = ready[pe] + entries
                else:
                    ready[pe] = read
            taken[slot] = slowest
            sent += 1
        if sent:
            end = max(done.max(), ready.max())
            for pe in range(pes):
                tile, own = cycles[v // joined, pe], work[pe]
                tile[ENTRY] += own[ENTRY]
                tile[FILLER] += own[FILLER]
                tile[POINTERS] += own[POINTERS]
                # All PEs end together: what is left of a PE's cycles it had nothing to do.
                tile[STARVED] += end - FRONT_CYCLES - own[ENTRY] - own[FILLER] - own[POINTERS]
                tile[START] += FRONT_CYCLES
