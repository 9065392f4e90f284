"""`earliest_end` as a kernel, in floating point where that is certain (`simulator.engine.arrivals` has the rule)."""

from __future__ import annotations

import math

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import NONE, Loop

# Of the largest number that takes part; doubles are 10^3 times as exact, and a result is asked for that is no closer
# than this to a whole number.
_UNCERTAIN = 1e-12


@kernel
def earliest_end(loop: Loop, tile: int) -> int:
    """The first cycle in which a tile can end, all of whose data have come; NONE where only fractions can tell.

    The tile began at `clock.begun_at`; its loads stand in the order in which they were asked for.
    """
    row, start = loop.tiles[tile], loop.clock[0].begun_at
    duration, in_step = row.duration, loop.layers[row.layer].in_step
    last_at = start
    for number in range(row.load, row.end_load):
        last_at = max(last_at, loop.transfers[number].last_at)
    if not duration or last_at <= start:
        return start + duration
    early, late = loop.transfers[row.load], loop.transfers[row.end_load - 1]
    burst = loop.clock[0].burst_bytes
    early_bursts, late_bursts = early.burst_bytes // burst, late.burst_bytes // burst
    # Of the earlier load `there` of `span` has come when the later one joins.
    joined, there, span = early.first_at, 0, 1
    if late.asked_at > early.asked_at:
        shared_from = max(early.first_at, late.asked_at)
        if early.last_at <= shared_from:
            joined, there = late.first_at, 1
        else:
            joined = late.first_at - (early.last_at - shared_from)
            there, span = shared_from - early.first_at, early.last_at - early.first_at
    last_bursts = early_bursts if (span - there) * early_bursts > late_bursts * span else late_bursts
    behind = max(early.last_at, late.last_at)
    end = max(max(start, joined) + duration, behind + (duration + last_bursts - 1) // last_bursts)
    if row.end_load - row.load == 1 or in_step or there == span or behind <= joined:
        return end
    return _with_grid(start, duration, joined, there / span, float(early_bursts), float(late_bursts), behind, end)


@kernel
def _with_grid(
    start: int, duration: int, joined: int, there: float, early: float, late: float, behind: int, end: int
) -> int:
    """The later of `end` and the bound of two operands that arrive in turn (`arrivals._end_of_grid`)."""
    rest = (1.0 - there) * early
    rate = (rest + late) / (behind - joined)
    most, have = 2.0 * late / (rate * duration) * early / rate, there * early / rate
    u = min(most - have, 2.0 * min(rest, late) / rate)
    share = there + rate * u / (2.0 * early)
    loss = share * (rate * u / (2.0 * late)) * duration
    bound = u + duration - loss
    error = _UNCERTAIN * max(most, have, float(duration), abs(loss))
    earliest = float(max(0, start - joined))
    # At or before the tile's start the bound does not hold; so close to it that this is uncertain, fractions tell.
    if u <= earliest - error or joined + bound + error <= end:
        return end
    if u <= earliest + error or abs(bound - round(bound)) <= error:
        return NONE
    return max(end, joined + int(math.ceil(bound)))  # noqa: RUF046 (a float in a kernel)
