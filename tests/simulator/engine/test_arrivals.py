"""The bound of a tile whose operands arrive in turn, against every moment tried one by one."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
import simpy
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.schedule import Tensor
from simulator.engine.arrivals import Arrival, _end_of_grid, earliest_end
from simulator.engine.ideal_memory import Moved

MOMENTS = 400


def arrival(bursts, last_at):
    event = simpy.Environment().event()
    return Arrival(Tensor.INPUT, 64 * bursts, bursts, 0, Moved(event, event), event, 0, last_at)


@given(
    start=st.integers(0, 40),
    duration=st.integers(1, 300),
    there=st.fractions(0, Fraction(9, 10), max_denominator=10),
    bursts=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    joined=st.integers(0, 30),
    time=st.integers(1, 100),
)
def test_no_moment_gives_a_later_end_and_one_gives_this(start, duration, there, bursts, joined, time):
    """By u cycles after both arrive in turn so much of each is there, whose product is what can have been done.

    What cannot have been done then still takes its share of the duration. The turns end when one operand is whole.
    """
    p, q = bursts
    early, late = arrival(p, joined + time), arrival(q, joined)
    rest = (1 - there) * p
    rate = (rest + q) / time

    def end(u):
        return joined + u + (1 - (there + rate * u / (2 * p)) * (rate * u / (2 * q))) * duration

    longest = 2 * min(rest, q) / rate
    ends = [end(longest * moment / MOMENTS) for moment in range(MOMENTS + 1)]
    best = longest * ends.index(max(ends)) / MOMENTS
    assume(best > max(0, start - joined) + longest / MOMENTS)  # the fullest moment lies after the tile's start
    found = _end_of_grid(start, duration, joined, there, early, late)
    assert math.ceil(max(ends)) <= found <= math.ceil(max(ends) + duration * Fraction(1, MOMENTS))


def coming(bursts, first_at, last_at, asked_at=0):
    """A load that arrives evenly from its first burst to its last."""
    return replace(arrival(bursts, last_at), first_at=first_at, asked_at=asked_at)


@pytest.mark.parametrize(
    ("duration", "loads", "in_any_order", "in_step"),
    [
        # One load of eight bursts: work keeps up with it, but for the share of the last burst where that comes late.
        (100, [coming(8, 10, 80)], 110, 110),
        (100, [coming(8, 10, 200)], 213, 213),
        # 100 bursts of each operand in turn, a burst a cycle. At 50, 25 of 100 times 25 of 100 products are possible.
        (400, [coming(100, 0, 200), coming(100, 0, 200)], 50 + 375, 400),
        (100, [coming(100, 0, 200), coming(100, 0, 200)], 201, 201),
        # The later one is asked for at 14, when 4 of the earlier one's 16 are there, and in turn it begins to come at 15.
        (32, [coming(16, 10, 26), coming(4, 27, 30, asked_at=14)], 15 + 32, 15 + 32),
        # It was asked for when the earlier one was whole: nothing is shared.
        (32, [coming(16, 10, 26), coming(4, 30, 33, asked_at=26)], 30 + 32, 30 + 32),
        # 8 bursts are asked for at 8, when 8 of 16 are there: both loads have 8 left, and either may bring the last of all.
        # The later load's counts, an eighth of the work and not a sixteenth. In any order 23/32 of the one and 7/16 of
        # the other are there by 15 9/16, so that 10.97 of the 16 cycles are left: the end is 26.53, in cycle 27.
        (16, [coming(16, 0, 16), coming(8, 17, 24, asked_at=8)], 27, 24 + 2),
    ],
)  # fmt: skip
def test_a_tile_ends_as_worked_by_hand(duration, loads, in_any_order, in_step):
    assert earliest_end(0, duration, loads, in_step=False) == in_any_order
    assert earliest_end(0, duration, loads, in_step=True) == in_step
