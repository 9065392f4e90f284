"""Selectors, crossbars and wires by hand, and what follows from their rules."""

import math

import pytest

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.node import supply
from simulator.energy.switches import crossbar, fan_out, multiplexers, selector, side_mm, wire_pj
from simulator.energy.technology import Technology

BIT_LEVEL_PJ = 3 * 0.0181 / 32  # three of Aladdin's gates
CLOCK_NS = 1.0


def test_a_wire_costs_what_its_source_says():
    # 256 random bits over 10 mm at 0.9 V are 310 pJ; the bare wire is a quarter of C V^2.
    found = wire_pj(2560, 40, 0.9)
    assert found.value == found.high == pytest.approx(310)
    assert found.low == pytest.approx(2560 * 0.25 * 0.345 * 0.81)
    assert wire_pj(1, 16).value == pytest.approx(310 / 2560 * (supply(16) / 0.9) ** 2)


def test_a_selector_is_paid_by_levels_and_half_its_side():
    one_of_16 = selector(16, 8, CLOCK_NS)
    assert one_of_16.pj.value == pytest.approx(4 * 8 * BIT_LEVEL_PJ)
    # 15 multiplexer cells a bit, 1.862 um2 each at 45 nm.
    technology = Technology(45, 10**9)
    part = Component("selectors", Kind.SELECTOR, 1, 8, inputs=16)
    assert technology.area_mm2(part).value == pytest.approx(15 * 8 * 1.862e-6)
    assert one_of_16.wire_bit_mm == pytest.approx(8 * side_mm(one_of_16) / 2)


def test_a_crossbar_is_a_selector_an_output():
    assert crossbar(16, 1, 8, CLOCK_NS) == selector(16, 8, CLOCK_NS)
    tree, switch = multiplexers(16, 29, CLOCK_NS), crossbar(16, 32, 29, CLOCK_NS)
    assert switch.area_mm2.value == pytest.approx(32 * tree.area_mm2.value)
    assert switch.leakage_mw == pytest.approx(32 * tree.leakage_mw)
    # A word passes one tree, and its line drives the first level of all.
    assert switch.pj.value == pytest.approx(tree.pj.value + fan_out(32, 29, "multiplexer").pj.value)
    assert switch.wire_bit_mm == pytest.approx(29 * 1.5 * side_mm(switch))


def test_the_crossbar_of_scnn_by_hand():
    """16 products to 32 banks, 29 bits, 45 nm, 1 V: pJ of a traversal."""
    part = Component("scatter_crossbar", Kind.CROSSBAR, 1, 29, inputs=16, outputs=32)
    price = Technology(45, 10**9).action_pj(part, Action.TRAVERSE)
    side_mm = math.sqrt(32 * 15 * 29 * 1.862e-6)
    wires = 29 * 1.5 * side_mm * 310 / 2560 / 0.81
    inputs = 29 * 32 * 0.25 * 0.02625 * 31.4e-3
    # Levels are Aladdin's at 40 nm, 5 to 20 % cheaper than at 45.
    levels = price.value - wires - inputs
    assert 1.0 < levels / (4 * 29 * BIT_LEVEL_PJ) < 1.3
    assert price.value == pytest.approx(1.48, abs=0.01)
    # The table's one-to-four switch, eight times, is the upper end.
    assert price.high > 4 * 29 / 32 * 0.6804 * 2 > price.value


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 2), (4, 8), (16, 32), (64, 5)])
def test_more_ways_cost_more(inputs, outputs):
    technology = Technology(45, 10**9)

    def prices(*ways):
        part = Component("switch", Kind.CROSSBAR, 1, 16, inputs=ways[0], outputs=ways[1])
        area, leakage = technology.area_mm2(part).value, technology.leakage_mw(part)
        return technology.action_pj(part, Action.TRAVERSE).value, area, leakage

    own = prices(inputs, outputs)
    for more in (prices(2 * inputs, outputs), prices(inputs, 2 * outputs)):
        assert all(one < other for one, other in zip(own, more, strict=True))


def test_a_bus_is_as_long_as_its_receivers_are_apart():
    bus = Component("broadcast", Kind.BUS, 1, 256, outputs=64)
    other = Component("sram", Kind.SRAM, 64, 64, words=1024)
    bare = Technology(45, 10**9)
    housed = bare.housing((bus, other))
    assert housed.floor_mm2 == pytest.approx(bare.area_mm2(other).value)
    way = 256 * math.sqrt(housed.floor_mm2 / 64)
    added = housed.action_pj(bus, Action.TRAVERSE).value - bare.action_pj(bus, Action.TRAVERSE).value
    assert added == pytest.approx(wire_pj(way, 45).value)
    # Four times the receivers on the same floor lie half as far apart.
    closer = Component("broadcast", Kind.BUS, 4, 256, outputs=64)
    added = housed.action_pj(closer, Action.TRAVERSE).value - bare.action_pj(closer, Action.TRAVERSE).value
    assert added == pytest.approx(wire_pj(way / 2, 45).value)
