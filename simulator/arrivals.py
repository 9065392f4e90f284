"""How far a tile can go while its data arrive: the rule that lets loads and computation of the same data overlap.

Data arrive evenly between a load's first burst and its last. With a share x of a tile's inputs and y of its weights

    x·y       of the work can be done where any of its filters meet any of its positions,
    min(x, y) where both are used in one order (`LayerSchedule.operands_in_step`);

what already lay on the chip counts as 1. Loads that were asked for together share the memory: byte by byte in turn
until the smaller one is there, which is the order that makes most work possible at any time, or in step in
proportion to their sizes. A tile that may start at `start` and needs `duration` cycles ends no earlier than

    max over u of  (u + (1 - possible(u)) · duration),

since at u only possible(u) of the work can have been done; the share of the last burst is done behind it. Where
possible(u) is a straight line this is the larger of first burst + duration and last burst + its share. While the first
2p bytes of p + q arrive (p the smaller) it is a parabola:

    possible(u) = (p/q) · (u/T)²,   T the time of these 2p bytes,   largest at u = T²·q / (2·p·duration): late by u/2.

Example: 100 bytes of inputs and 100 of weights at a byte a cycle from cycle 0, and 400 cycles of work. T = 200, so u =
200² / 800 = 50 and the tile ends at 400 + 25: it idles for 25 of its first 50 cycles, and the 200 cycles of the load
cost no more. With 100 cycles of work u would lie behind T, and the tile ends with its last burst, at 200 and a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import simpy

from dataflows.schedule import Tensor
from simulator.memory import Moved, Transfer


@dataclass(slots=True)
class Arrival:
    """One tensor's data for a tile, on their way. Cycles; `first_at` and `last_at` are known once the events fired.

    bursts  in which memory brings them
    filled  the event that the last byte has passed the buffer's port; `moved.last` where the port is no limit
    """

    tensor: Tensor
    size_bytes: int
    bursts: int
    asked_at: int
    moved: Moved
    filled: simpy.Event
    first_at: int = -1
    last_at: int = -1

    @classmethod
    def of(cls, env: simpy.Environment, part: Transfer, burst_bytes: int, moved: Moved, filled: simpy.Event) -> Arrival:
        """Watch a transfer that was asked for now."""
        arrival = cls(part.tensor, part.size_bytes, part.burst_bytes // burst_bytes, int(env.now), moved, filled)

        def note_first(_: simpy.Event) -> None:
            arrival.first_at = int(env.now)

        def note_last(_: simpy.Event) -> None:
            arrival.last_at = int(env.now)

        for event, note in ((moved.first, note_first), (filled, note_last)):
            assert event.callbacks is not None  # noqa: S101 (a transfer takes at least until the next event)
            event.callbacks.append(note)
        return arrival


def earliest_end(start: int, duration: int, arrivals: Sequence[Arrival], *, in_step: bool) -> int:
    """The first cycle in which a tile can end that started at `start`; all of `arrivals` must have arrived."""
    if not arrivals or not duration:
        return start + duration
    together = len({arrival.asked_at for arrival in arrivals}) == 1
    first = min(arrival.first_at for arrival in arrivals)
    if not together:  # those asked for later come when the others are there
        first = max(arrival.first_at for arrival in arrivals)
    last_share = -(-duration // max(arrival.bursts for arrival in arrivals))
    end = max(max(start, first) + duration, max(arrival.last_at for arrival in arrivals) + last_share)
    if together and len(arrivals) == 2 and not in_step:
        end = max(end, _end_of_grid(start, duration, arrivals))
    return end


def _end_of_grid(start: int, duration: int, arrivals: Sequence[Arrival]) -> int:
    """The bound of two operands that arrive byte by byte in turn, any part of one meeting any of the other."""
    first, last = min(arrival.first_at for arrival in arrivals), max(arrival.last_at for arrival in arrivals)
    small, large = sorted(arrival.size_bytes for arrival in arrivals)
    # T = time·2p/(p + q); u = T²·q/(2·p·duration) = 2·time²·p·q / ((p + q)²·duration), kept as a fraction.
    time, whole = last - first, small + large
    numerator, denominator = 2 * time * time * small * large, whole * whole * duration
    inside = numerator * whole < 2 * small * time * denominator
    if not inside or numerator <= (start - first) * denominator:
        return 0
    return first + duration - (-numerator // (2 * denominator))
