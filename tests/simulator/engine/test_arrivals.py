"""The bound of a tile whose operands arrive in turn, against every moment tried one by one."""

import math
from fractions import Fraction

import simpy
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.schedule import Tensor
from simulator.engine.arrivals import Arrival, _end_of_grid
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
