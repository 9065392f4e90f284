"""What the study of the selector concludes, and that its sums are those of its parts."""

import pytest

from benchmarks.experiments import selector
from benchmarks.experiments.selector import area_share, areas, cambricon_x, crossover, spent, traces
from dataflows.hardware.components import Action
from dataflows.registry import create
from simulator.energy.technology import Technology


def test_a_crossover_lies_between_the_densities_around_it():
    dense = [10.0] * len(selector.DENSITIES)
    sparse = [100 * density for density in selector.DENSITIES]
    assert crossover(sparse, dense) == pytest.approx(0.1)
    assert crossover([7 * value for value in sparse], dense) is None
    assert crossover([value / 20 for value in sparse], dense) == 1.0
    # Between 0.1 (5 less) and 0.2 (15 more) a quarter of the way.
    assert crossover([0, 0, 5, 25, *[99] * 6], dense) == pytest.approx(0.125)


def test_energy_is_the_sum_of_actions_and_leakage():
    machine = create("diannao", {"clock_hz": selector.CLOCK_HZ})
    did = spent(machine, traces(0.5))
    sb = next(part for part in machine.components() if part.name == "sb")
    technology = Technology(selector.NODE_NM, selector.CLOCK_HZ)
    # Half of SB holds no round of 256 x 9 x 16 synapses, so that they stream in for each of nine blocks of positions.
    reads, writes = 149_520_384 // 16, 9 * 384 * 256 * 9 // 16
    assert did.cycles == reads // 16
    expected = (
        reads * technology.action_pj(sb, Action.READ).value
        + writes * technology.action_pj(sb, Action.WRITE).value
        + technology.leakage_mw(sb) * did.cycles
    )
    assert did.by_component["sb"].value == pytest.approx(expected)


def test_gated_multipliers_spend_less_the_more_zeros_there_are():
    machine = create("diannao")
    plain, few, many = (
        spent(machine, traces(density), gated=gated).total.value
        for density, gated in ((0.5, False), (0.5, True), (0.1, True))
    )
    assert many < few < plain


def test_wider_windows_take_more_of_the_area():
    shares = [area_share(cambricon_x(window, 16)) for window in selector.WINDOWS]
    assert shares == sorted(shares)
    assert area_share(create("diannao")) == 0
    assert sum(areas(create("diannao"), 65).values()) == pytest.approx(1.13, abs=0.01)  # published: 3.02
