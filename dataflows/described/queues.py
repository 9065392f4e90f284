"""Queues before the PEs of a team: items are sent ahead, and PEs take them when they can.

The recurrence is that of EIE's broadcast (Han et al., ISCA 2016, section IV): an item is sent in one cycle, taken in
the next, looked up in the one after that, and its work begins behind that of the one before. See docs/describing.md.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel

FRONT_CYCLES = 3  # sending, queue and look-up of the first item: no PE can work yet


@kernel
def play_items(costs: np.ndarray, items: int, depth: int, shown: np.ndarray, state: np.ndarray) -> int:
    """The cycle in which all PEs are done; the look-ups that show are added to shown.

    costs   int64 (at least `items`, PEs): what each item costs each PE
    shown   int64 (PEs,)
    state   int64 (2 + depth, PEs or 1 and more): room for end and free times, and for when items were taken
    """
    done, free, taken = state[0], state[1], state[2:, 0]
    done[:], free[:], taken[:] = 0, 0, 0
    sent, slot = 0, 0
    for j in range(items):
        sent = max(sent, taken[slot]) + 1
        slowest = np.int64(0)
        for u in range(costs.shape[1]):
            take = max(sent + 1, free[u])
            slowest = max(slowest, take)
            start = max(take + 1, done[u])
            if j > 0 and start > done[u]:
                shown[u] += 1
            if costs[j, u] > 0:
                done[u] = start + costs[j, u]
                free[u] = start
            else:
                free[u] = take + 1
        taken[slot] = slowest
        slot = slot + 1 if slot + 1 < depth else 0
    end = np.int64(0)
    for u in range(costs.shape[1]):
        end = max(end, done[u], free[u])
    return int(end)
