"""Images that arrive: by hand, against a twin, against closed forms of queues, and what is conserved."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.serving.arrivals import arrivals
from simulator.serving.queueing import Rules, Served, serve
from simulator.serving.service import Service, ServiceTime
from tests.simulator.serving.queue_twin import batches_of

GHZ = 10**9


def constant(latency: int, interval: int) -> Service:
    """Every batch alike."""
    return lambda _: (ServiceTime(latency, interval),)


def test_images_by_hand():
    """An image takes 10 cycles, the next one starts 6 behind it.

    The first arrives and starts at 0; the second, of 2, starts at 6; the third, of 3, at 12; the last, of 30, at once.
    """
    served = serve([0, 2, 3, 30], constant(10, 6), Rules())
    assert served == Served(
        latency_cycles=[10, 14, 19, 10], batches=Counter({1: 4}), busy_cycles=24, waiting_cycles=4 + 9,
        most_waiting=2, last_cycle=40, first_done=10, first_images=1, last_done=40,
    )  # fmt: skip


def test_a_full_queue_drops_what_comes():
    """Of six that come at once one starts, two wait and three are dropped; at 6 one starts, and one that comes waits."""
    served = serve([0] * 6 + [6, 6], constant(10, 6), Rules(room=2))
    assert served.dropped == 4
    assert served.latency_cycles == [10, 16, 22, 22]
    assert served.most_waiting == 2


def test_a_batch_starts_when_it_is_full_or_the_oldest_has_waited():
    """Batches of 3 and waits of 10: two of 0 and 4 start at 10; three of 20, 21 and 22 at 22; with a free machine."""
    served = serve([0, 4, 20, 21, 22], constant(5, 5), Rules(batch=3, wait_cycles=10))
    assert served.latency_cycles == [15, 11, 7, 6, 5]
    assert served.batches == {2: 1, 3: 1}
    assert served.waiting_cycles == 10 + 6 + 2 + 1


def test_a_batch_of_fewer_images_takes_its_own_time():
    served = serve([0, 1, 2], lambda size: (ServiceTime(10 * size, 10 * size),), Rules(batch=2))
    assert served.latency_cycles == [10, 10 + 20 - 1, 10 + 20 - 2]
    assert served.busy_cycles == 30


def test_inputs_come_in_turn_and_none_overtakes_another():
    """Latencies 20 and 5, intervals 8 and 3: the second starts at 8 and would be done at 13, but is behind the first."""
    times = (ServiceTime(20, 8), ServiceTime(5, 3))
    served = serve([0, 0, 0], lambda _: times, Rules())
    assert served.latency_cycles == [20, 23, 31]


service_times = st.builds(ServiceTime, st.integers(0, 9), st.integers(0, 9))


@given(
    gaps=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    table=st.lists(st.lists(service_times, min_size=2, max_size=2), min_size=4, max_size=4),
    batch=st.integers(1, 4),
    wait=st.integers(0, 20),
    room=st.none() | st.integers(0, 6),
)
def test_the_events_are_the_recurrence(
    gaps: list[int], table: list[list[ServiceTime]], batch: int, wait: int, room: int | None
) -> None:
    cycles = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    rules = Rules(batch, wait, None if room is None else room + batch)

    def service(size: int) -> tuple[ServiceTime, ...]:
        return tuple(table[size - 1])

    served = serve(cycles, service, rules)
    batches, dropped = batches_of(cycles, service, rules)
    assert served.latency_cycles == [one.done - cycles[image] for one in batches for image in one.images]
    assert served.dropped == len(dropped)
    assert served.batches == Counter(len(one.images) for one in batches)
    assert served.waiting_cycles == sum(one.start - cycles[image] for one in batches for image in one.images)
    assert (served.first_cycle, served.first_done, served.last_done) == (
        cycles[0], batches[0].done, batches[-1].done,
    )  # fmt: skip
    # Nothing is lost, and nobody is faster than the machine.
    assert len(cycles) == len(served.latency_cycles) + served.dropped
    least = min(one.latency_cycles for row in table for one in row)
    assert min(served.latency_cycles) >= least
    assert served.busy_cycles <= served.last_cycle - served.first_cycle
    at_end = [
        sum(one.start > now >= cycles[image] for one in batches for image in one.images) for now in sorted(set(cycles))
    ]
    assert served.most_waiting == max(at_end)


@pytest.mark.parametrize("rate", [Fraction(1, 10), Fraction(1, 7)])
def test_periodic_images_below_capacity_never_wait(rate):
    cycles = arrivals("periodic", rate, 1000, 0, 1)
    served = serve(cycles, constant(25, 7), Rules())
    assert set(served.latency_cycles) == {25}
    assert (served.waiting_cycles, served.most_waiting) == (0, 0)


@pytest.mark.parametrize("load", [Fraction(5, 4), 2, 5])
def test_above_capacity_a_queue_drops_what_the_machine_cannot_serve(load):
    """A machine that serves an image in 1,000 cycles: the share dropped tends to 1 - capacity / rate."""
    cycles = arrivals("periodic", Fraction(load), 20_000, 0, 1000)
    served = serve(cycles, constant(1500, 1000), Rules(room=10))
    assert served.dropped / 20_000 == pytest.approx(1 - 1 / load, abs=2e-3)
    # The queue is full nearly always: each waits for the 10 before it, and is served.
    assert sorted(served.latency_cycles)[10_000 // load] == pytest.approx(10 * 1000 + 1500, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_poisson_arrivals_wait_as_the_formula_of_pollaczek_and_khinchine_says(load):
    """Constant service S at load r (M/D/1): images wait r / (2 (1 - r)) S in the mean, and r waiting / S is the queue."""
    interval = 10_000
    cycles = arrivals("poisson", Fraction(str(load)), 200_000, 3, interval)
    served = serve(cycles, constant(25_000, interval), Rules())
    waited = sum(served.latency_cycles) / 200_000 - 25_000
    expected = load / (2 * (1 - load)) * interval
    assert waited == pytest.approx(expected, rel=0.03)
    # Little's law, with the rate at which they came.
    assert served.waiting_cycles == sum(served.latency_cycles) - 200_000 * 25_000


def test_poisson_arrivals_have_the_rate_and_the_spread_of_an_exponential():
    cycles = arrivals("poisson", Fraction(1000), 100_000, 0, GHZ)
    gaps = [after - before for before, after in pairwise(cycles)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(10**6, rel=0.01)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(10**6, rel=0.02)


def test_arrivals_of_a_seed_are_the_same_and_those_of_others_not():
    first, same, other = (arrivals("poisson", Fraction(1000), 100, seed, GHZ) for seed in (5, 5, 6))
    assert first == same
    assert first != other
    faster = arrivals("poisson", Fraction(2000), 100, 5, GHZ)
    assert faster == pytest.approx([cycle / 2 for cycle in first], abs=1)


def test_periodic_arrivals_do_not_drift():
    assert arrivals("periodic", Fraction(3), 4, 0, 10) == [0, 3, 7, 10]
