"""Conversion of clocks without drift."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from simulator.dram.clock_domain import SAME_CLOCK, ClockDomain

domains = st.builds(ClockDomain.between, clock_hz=st.integers(1_000_000, 5_000_000_000), tck_ps=st.integers(100, 3000))


def test_the_first_edge_not_before():
    domain = ClockDomain.between(clock_hz=1_000_000_000, tck_ps=833)
    assert [domain.to_clock(cycle) for cycle in (0, 1, 2, 833)] == [0, 2, 3, 1000]
    assert [domain.to_cycle(clock) for clock in (0, 1, 2, 1000)] == [0, 1, 2, 833]


def test_a_long_way_from_the_start_nothing_has_drifted():
    domain = ClockDomain.between(clock_hz=1_000_000_000, tck_ps=833)
    assert domain.to_clock(833 * 10**12) == 10**15
    assert domain.to_cycle(10**15) == 833 * 10**12


def test_equal_clocks_change_nothing():
    assert SAME_CLOCK.to_clock(12345) == SAME_CLOCK.to_cycle(12345) == 12345


@given(domains, st.integers(0, 10**12))
def test_rounding_is_up_and_by_less_than_one(domain, cycle):
    exact = cycle * domain.clocks_per_cycle
    assert 0 <= domain.to_clock(cycle) - exact < 1
    assert 0 <= domain.to_cycle(cycle) - Fraction(cycle) / domain.clocks_per_cycle < 1


@given(domains, st.integers(0, 10**12))
def test_the_earliest_cycle_is_the_first_seen_at_a_clock_or_later(domain, clock):
    cycle = domain.earliest_cycle(clock)
    assert domain.to_clock(cycle) >= clock
    assert cycle <= 0 or domain.to_clock(cycle - 1) < clock


@given(domains, st.integers(0, 10**12))
def test_there_and_back_is_never_earlier(domain, cycle):
    assert domain.to_cycle(domain.to_clock(cycle)) >= cycle
    assert domain.to_clock(domain.to_cycle(cycle)) >= cycle
