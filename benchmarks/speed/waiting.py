"""The yardstick of the DRAM controller: what every queue of 32 requests must do at least, as compiled code.

A controller picks one of up to 32 waiting requests for each that it serves, and puts the next one in its place; to know
which, it looks at all of them. This loop does that and nothing else: it reads 32 words a request, compares them, and
writes one. What a controller does besides (banks, timing, refresh, both queues) is what the ratio to it says. On a
processor that compares faster both become faster.
"""

import numba
import numpy as np

WAITING = 32
# How often the loop runs for each request that is timed: it lasts about as long as the controller then, so that what
# else a busy machine does meets both alike.
LASTING = 12


@numba.njit
def pick_oldest(arrivals: np.ndarray) -> int:
    """Serve all arrivals (int64), always the smallest of the 32 that wait; a sum that depends on their order."""
    waiting = arrivals[:WAITING].copy()
    total = 0
    for arrival in range(WAITING, len(arrivals)):
        chosen = 0
        for place in range(1, WAITING):
            if waiting[place] < waiting[chosen]:
                chosen = place
        total += waiting[chosen] ^ arrival
        waiting[chosen] = arrivals[arrival]
    return total


def pick_for(arrivals: np.ndarray, times: int) -> int:
    """Serve all arrivals that often; the sum of the last time."""
    total = 0
    for _ in range(times):
        total = int(pick_oldest(arrivals))
    return total
