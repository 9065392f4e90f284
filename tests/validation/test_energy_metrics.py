"""Metrics of published energies, areas and powers, on reports made by hand and on tables worked out by hand."""

from dataclasses import replace

import pytest

from dataflows.hardware.components import Action, Component, Kind
from dataflows.registry import create
from simulator.energy.technology import Technology
from simulator.network_simulation import simulate
from simulator.validation.energy_metrics import ENERGY_METRICS
from simulator.validation.figure_metrics import METRICS
from simulator.validation.figure_runs import Run
from simulator.validation.figures import FigureSet
from simulator.validation.results import measure
from workloads.catalog import load_workload
from workloads.errors import InputError

PUBLISHED = FigureSet.read()


def run(name, total_pj, background_pj=0.0, parts=()):
    dram = {"background_pj": background_pj, "refresh_pj": 1.0, "read_pj": 3.0}
    energy = {"total_pj": total_pj, "dram": dram, "components": {"a": 40.0, "b": 8.0}, "leakage": {"a": 10.0, "b": 2.0}}
    total = {"energy": energy, "time_us": 0.5, "pes": 4}
    return Run({}, {"accelerator": {"name": name}, "total": total, "area": {"components": {"a": 0.6, "b": 0.2}}}, parts)


def test_energies_are_of_the_first_machine_over_the_last_and_without_what_memory_takes_at_all_times():
    runs = [run("x", 100.0, 19.0), run("y", 500.0), run("x", 61.0, 20.0), run("y", 1302.0)]
    # Of x 80 and 40 are left, of y 499 and 1,301.
    assert METRICS["energy_over_last_machine"](runs) == pytest.approx(120 / 1800)
    assert METRICS["energy_over_last_machine"](runs[:1]) == 1


def test_areas_and_powers_are_of_the_parts_or_of_all_and_of_one_pe_where_it_says_so():
    everything, some = run("x", 100.0), run("x", 100.0, parts=("a",))
    assert METRICS["area_mm2"]([everything]) == pytest.approx(0.8)
    assert METRICS["area_mm2"]([some]) == pytest.approx(0.6)
    assert METRICS["pe_area_mm2"]([some]) == pytest.approx(0.15)
    # 60 pJ in 500 ns are 0.12 mW; external memory is none of it.
    assert METRICS["power_mw"]([everything]) == pytest.approx(0.12)
    assert METRICS["power_mw"]([some]) == pytest.approx(0.1)
    assert METRICS["pe_power_mw"]([some]) == pytest.approx(0.025)


def test_a_part_that_the_machine_does_not_have_is_refused():
    with pytest.raises(InputError, match=r"^parts = 'c': x has a, b$"):
        METRICS["area_mm2"]([run("x", 1.0, parts=("c",))])


def test_power_of_a_real_run_is_that_of_its_chip():
    (report,) = simulate([create("scnn")], load_workload("examples/tiny.toml").select("conv1"))
    chip = report.total.energy.dynamic.value + report.total.energy.leaked.value
    data = report.to_dict()
    assert METRICS["power_mw"]([Run({}, data)]) == pytest.approx(chip / 1000 / report.total.time_us)
    parts = [METRICS["power_mw"]([Run({}, data, (name,))]) for name in data["area"]["components"]]
    assert sum(parts) == pytest.approx(METRICS["power_mw"]([Run({}, data)]))
    assert METRICS["area_mm2"]([Run({}, data)]) == pytest.approx(report.area.total.value)


def test_words_are_priced_over_a_multiplication_and_an_addition():
    table = Technology(65.0, 200_000_000)
    multiply = table.action_pj(Component("m", Kind.MULTIPLIER, 1, 16), Action.MULTIPLY).value
    add = table.action_pj(Component("a", Kind.ADDER, 1, 32), Action.ADD).value
    # 108 KB of 64 bits, of which a word takes a quarter.
    buffer = table.action_pj(Component("b", Kind.SRAM, 1, 64, words=13_824), Action.READ).value
    spec = {"name": "x", "clock_hz": 200_000_000, "energy": {"node_nm": 65.0}}
    asked = Run({}, {"accelerator": spec}, ("global_buffer",))
    assert METRICS["word_over_mac"]([asked]) == pytest.approx(buffer / 4 / (multiply + add))
    with pytest.raises(InputError, match="parts = 'global_bufer': did you mean 'global_buffer'"):
        METRICS["word_over_mac"]([replace(asked, parts=("global_bufer",))])


def test_memory_outside_costs_most_and_registers_less_than_the_buffer():
    found = [METRICS["word_over_mac"]([words(level)]) for level in ("dram", "global_buffer", "registers")]
    assert found == sorted(found, reverse=True)


def words(level):
    return Run({}, {"accelerator": {"name": "x", "clock_hz": 10**9, "energy": {"node_nm": 65.0}}}, (level,))


def test_readings_of_prices_are_laid_over_figures_of_energy_alone():
    prices = [reading for reading in PUBLISHED.readings if reading.is_of_prices]
    assert {reading.machine for reading in prices} == {
        PUBLISHED.machine_of(figure) for figure in PUBLISHED.figures if figure.is_of_energy
    }
    energy, time = (
        next(figure for figure in PUBLISHED.figures if figure.is_of_energy == of_energy) for of_energy in (True, False)
    )
    for reading in PUBLISHED.readings:
        assert reading.concerns(energy) == all(key.startswith("energy.") for key in reading.flat_changes)
        assert reading.concerns(energy) != reading.concerns(time)


@pytest.mark.parametrize("id_", ["scnn-area-scatter", "eie-power-queue", "eyeriss-word-buffer"])
def test_figures_of_one_layer_are_where_they_are_recorded(id_):
    """The others take minutes, and are in the slow test of all figures."""
    figure = next(one for one in PUBLISHED.figures if one.id == id_)
    goal = PUBLISHED.goal_of(figure)
    ((value,),) = measure(replace(PUBLISHED, figures=(figure,)))
    deviation, recorded = goal.deviation(value, figure.published), PUBLISHED.recorded.get(id_)
    if recorded is None:
        assert abs(deviation) <= PUBLISHED.allowed(figure)
    else:
        assert deviation == pytest.approx(recorded.deviation, abs=0.01)


def test_nothing_is_counted_where_no_figure_asks_for_energy(monkeypatch):
    asked = []
    monkeypatch.setattr("simulator.validation.results.simulated", lambda places, *_: asked.extend(places) or {})
    for of_energy in (True, False):
        chosen = next(figure for figure in PUBLISHED.figures if figure.is_of_energy == of_energy)
        with pytest.raises(KeyError):
            measure(replace(PUBLISHED, figures=(chosen,)))
        assert {place.point.energy for place in asked} == {of_energy}
        asked.clear()
    assert set(ENERGY_METRICS) == {figure.metric for figure in PUBLISHED.figures if figure.is_of_energy}
