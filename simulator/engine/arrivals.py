"""How far a tile can go while its data arrive: the rule that lets loads and computation of the same data overlap.

Data arrive evenly between a load's first burst and its last. With a share x of a tile's inputs and y of its weights

    x·y       of the work can be done where any of its filters meet any of its positions,
    min(x, y) where both are used in one order (`LayerSchedule.operands_in_step`);

what already lay on the chip counts as 1. Loads that are on their way at the same time share the memory, whichever was
asked for first: burst by burst in turn until one of them is there, which is the order that makes most work possible at
any time, or in step as far as both have come. They share it from the moment `joined` at which the later one's first
burst can come. A tile that may start at `start` and needs `duration` cycles ends no earlier than

    max over u of  (joined + u + (1 - possible(u)) · duration),

since u after `joined` only possible(u) of the work can have been done; the share of the last burst is done behind it.
Where possible(u) is a straight line this is the larger of joined + duration and last burst + its share. While p bytes,
of which a share x0 is there, and q bytes, of which none is, come in turn, B bytes a cycle in all, it is a parabola:

    possible(u) = (x0 + B·u / 2p) · (B·u / 2q),   largest loss at u = (2q / (B·duration) - x0) · p / B

or where one of the two is there, if that is earlier.

Example: 100 bytes of inputs and 100 of weights, asked for together, at a byte a cycle from cycle 0, and 400 cycles of
work. x0 = 0 and B = 1, so u = 200 / 400 · 100 = 50, where 25 · 25 of 100 · 100 products, 25 cycles of work, are
possible: the tile ends at 50 + 375 = 425. It idles for 25 of its first 50 cycles; the 200 cycles of the load cost no
more. With 100 cycles of work u would lie behind the load, and the tile ends with its last burst, at 200 and a little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import simpy

from dataflows.schedule import Tensor
from simulator.engine.ideal_memory import Moved
from simulator.engine.traffic import Transfer
from workloads.whole_numbers import ceil_div


class Arrived(Protocol):
    """What the rule needs to know of data that have come, as `Arrival` has it."""

    @property
    def bursts(self) -> int: ...  # noqa: D102 (see `Arrival`)
    @property
    def asked_at(self) -> int: ...  # noqa: D102
    @property
    def first_at(self) -> int: ...  # noqa: D102
    @property
    def last_at(self) -> int: ...  # noqa: D102


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


def earliest_end(start: int, duration: int, arrivals: Sequence[Arrived], *, in_step: bool) -> int:
    """The first cycle in which a tile can end that started at `start`; all of `arrivals` must have arrived.

    `arrivals` in the order in which they were asked for, one or two.
    """
    # Nothing to wait for: the tile has no work, or all its data lay there when it began.
    if not duration or all(arrival.last_at <= start for arrival in arrivals):
        return start + duration
    early, late = arrivals[0], arrivals[-1]
    # Asked for in the same cycle, both begin to arrive together, and nothing of either is there before.
    joined, there = early.first_at, Fraction(0)
    if late.asked_at > early.asked_at:
        joined, there = _joined(early, late)
    # No work before the first burst of each operand. Of the earlier load only the rest takes turns with the later one.
    end, rest = max(start, joined) + duration, (1 - there) * early.bursts
    # Taking turns burst by burst, the load with more bursts left is there last; of equals the later one counts, whose
    # bursts hold more of the work each.
    last = early if rest > late.bursts else late
    # The share of work that belongs to the last burst is done behind it; rounded up, as a cycle has begun once it is
    # needed.
    # Example: 100 cycles of work begin in cycle 0 on 8 bursts that come from 10 to 80. They end in 110, as if all had
    # been there in 10; if the last burst comes in 200, they end in 213, its share of 13 cycles behind it.
    end = max(end, max(early.last_at, late.last_at) + ceil_div(duration, last.bursts))
    # With one operand on its way, or both used in one order, possible work grows in a straight line: both bounds are in
    # `end`.
    if len(arrivals) == 1 or in_step or there == 1:
        return end
    return max(end, _end_of_grid(start, duration, joined, there, early, late))


def _joined(early: Arrived, late: Arrived) -> tuple[int, Fraction]:
    """When the first burst of the later load can come, and which share of the earlier one is there by then."""
    # Example: the earlier load comes from cycle 10 to 26, the later one is asked for in 14 and its first burst comes in
    # 27, behind the other's rest. Taking turns it can come 26 - 14 = 12 cycles sooner, in 15; by 14, when they begin to
    # share, (14 - 10) / (26 - 10), a quarter of the earlier one, is there.
    shared_from = max(early.first_at, late.asked_at)
    # The two were never on their way together: the earlier one was whole before the later one could come.
    if early.last_at <= shared_from:
        return late.first_at, Fraction(1)
    # In the memory the earlier one's rest comes first; taking turns, the later one's first burst comes so much sooner.
    joined = late.first_at - (early.last_at - shared_from)
    return joined, Fraction(shared_from - early.first_at, early.last_at - early.first_at)


def _end_of_grid(start: int, duration: int, joined: int, there: Fraction, early: Arrived, late: Arrived) -> int:
    """The bound of two operands that arrive burst by burst in turn, any part of one meeting any of the other."""
    # Letters as in the formula at the head of this file, with bursts in place of bytes.
    p, q = early.bursts, late.bursts
    rest, time = (1 - there) * p, max(early.last_at, late.last_at) - joined
    # All bursts come at once, as from memory without limit: there is no time to lose.
    if time <= 0:
        return 0
    # Bursts a cycle of both loads together, B of the formula: 100 and 100 bursts within 200 cycles are 1.
    rate = (rest + q) / time
    # The parabola holds while both are on their way, each at half the rate; that ends when the smaller rest is there.
    u = min((2 * q / (rate * duration) - there) * p / rate, 2 * min(rest, q) / rate)
    # The loss was largest before the tile began, so it binds no more than start + duration, which the caller has
    # already.
    if u <= max(0, start - joined):
        return 0
    possible = (there + rate * u / (2 * p)) * (rate * u / (2 * q))
    # Fractions to the end and one rounding up: a tile ends in a whole cycle, and never before its data allow.
    return joined + math.ceil(u + (1 - possible) * duration)
