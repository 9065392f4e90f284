"""Operations of the tables: which row, which width, and what two sources make."""

import math

import pytest

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.operation import aladdin, between, by_width
from simulator.energy.price import Price
from simulator.energy.technology import Technology

MULTIPLIER = Component("multipliers", Kind.MULTIPLIER, 1, 16)


@pytest.mark.parametrize(("period_ns", "pj"), [(0.5, 12.68), (1, 12.68), (1.9, 12.68), (2, 9.55), (4, 9.55), (9, 8.63)])
def test_the_row_is_that_of_the_slowest_clock_that_is_fast_enough(period_ns, pj):
    row = aladdin("multiplier int", period_ns)
    assert row.pj == Price(pj, 8.63, 12.68)
    assert (row.area_mm2.low, row.area_mm2.high) == (pytest.approx(4600e-6), pytest.approx(6350e-6))


def test_idle_energy_of_a_cycle_leaks_by_its_length():
    assert aladdin("counter", 2.0).leakage_mw == pytest.approx(3.2e-4 / 2)


def test_two_sources_make_their_geometric_mean_in_a_band_of_both():
    assert between(Price(8, 4, 9), 2) == Price(4, 2, 9)
    assert between(Price(1, 1, 1), 4) == Price(2, 1, 4)


def test_a_multiplication_of_16_bits_is_bracketed_by_its_sources():
    # At 45 nm Horowitz has 0.2 pJ of 8 bits and 3.1 of 32; half way in logarithms is their geometric mean.
    price = Technology(45, 10**9).action_pj(MULTIPLIER, Action.MULTIPLY)
    assert price.low == pytest.approx(math.sqrt(0.2 * 3.1))
    own = price.value**2 / price.low
    # Aladdin's 12.68 pJ of 32 bits at 1 ns are a quarter of 16 bits; its own band are all clocks.
    assert price.high == pytest.approx(own)
    assert Technology(40, 10**9).action_pj(MULTIPLIER, Action.MULTIPLY).high == pytest.approx(12.68 / 4)
    assert price.low < price.value < price.high
    area = Technology(45, 10**9).area_mm2(MULTIPLIER)
    assert area.low == pytest.approx(math.sqrt(282 * 3495) / 1e6)


def test_a_width_of_the_table_is_read_as_it_stands():
    adder = Component("adders", Kind.ADDER, 1, 16)
    at_2_ns = Technology(40, 500_000_000).action_pj(adder, Action.ADD)
    at_1_ns = Technology(40, 10**9).action_pj(adder, Action.ADD)
    # The geometric means share Horowitz's 0.05 pJ, so that their squares go with Aladdin's rows.
    assert (at_1_ns.value / at_2_ns.value) ** 2 == pytest.approx(0.21 / 0.0858)
    assert at_1_ns.high == by_width(aladdin("adder int", 1.0), 16).pj.high


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16, 24, 32, 64])
def test_wider_is_dearer_and_larger(bits):
    technology = Technology(45, 10**9)
    narrow, wide = (Component("multipliers", Kind.MULTIPLIER, 1, width) for width in (bits, 2 * bits))
    for price in (lambda part: technology.action_pj(part, Action.MULTIPLY), technology.area_mm2):
        assert price(narrow).low < price(wide).low
        assert price(narrow).value < price(wide).value
    assert technology.leakage_mw(narrow) < technology.leakage_mw(wide)
