"""What the parts of the table of speeds make of what they measured."""

import numpy as np
import pytest

from benchmarks.speed import memory as memory_part
from benchmarks.speed.dram import a_request, mean
from benchmarks.speed.layers import exponent, growth, layer
from benchmarks.speed.networks import dense_seconds
from benchmarks.speed.sides import HERE, Measured, Side, Sides
from benchmarks.speed.starts import result
from benchmarks.speed.sweeps import FEW, MANY, parts
from benchmarks.speed.tasks import TASKS, Held, Tasks
from benchmarks.speed.waiting import WAITING, pick_for, pick_oldest
from workloads.catalog import load_workload


class Told:
    """Sides that measure nothing: answers by the name of the task, and the same seconds for all."""

    before = None

    def __init__(self, **answers):
        self.now, self.answers = self, answers

    def ask(self, _, name, *arguments):
        answer = self.answers[name]
        return answer(*arguments) if callable(answer) else answer

    def measure(self, *tasks):
        return [Measured(self.answers["seconds"](*task), result=5) for task in tasks]


def test_the_exponent_is_the_slope_in_logarithms():
    assert exponent([1, 10, 100], [2.0, 20.0, 200.0]) == pytest.approx(1)
    assert exponent([1, 4, 16], [1.0, 2.0, 4.0]) == pytest.approx(0.5)


def test_a_layer_stands_beside_the_best_dense_one():
    dense = iter([0.04, 0.02])
    times = {"layer_dense": lambda: next(dense), "layer_schedule": lambda: 0.01, "layer_report": lambda: 0.03}
    told = Told(names=["a", "b"], layer_able=True, layer_products=10**8, seconds=lambda name, *_: times[name]())
    schedule, report, *_ = layer(told)
    assert (schedule.name, schedule.ratio, schedule.shown) == ("a schedule", 0.5, "10.0 G effectual products/s")
    assert (report.name, report.ratio, report.shown) == ("a report", 1.5, "5 cycles")


def test_growth_is_of_the_machines_that_run_all_sizes():
    told = Told(
        names=["a", "b"], layer_able=lambda machine, *shape: machine == "a" or shape[2] < 112,
        layer_products=lambda c, k, size: c * k * size**2, seconds=lambda _, __, c, k, size: c * k * size**2 / 1e9,
    )  # fmt: skip
    names = {figure.name: figure for figure in growth(told)}
    assert list(names) == ["a, products", "b, products", "a, input channels", "b, input channels", "a, map size"]
    assert all(figure.ratio == pytest.approx(1) for figure in names.values())
    assert names["a, map size"].shown == "0.8, 3.2, 12.8, 51.4 ms"


def test_points_are_told_from_what_starts():
    assert parts(1.0 + FEW * 0.005, 1.0 + MANY * 0.005) == pytest.approx((0.005, 1.0))
    assert parts(1.0, 0.9) == (1e-9, pytest.approx(1.0))  # noise


def test_a_request_of_dram_and_the_mean_of_patterns():
    assert a_request(Measured(65.536, 131.072, 9)) == Measured(0.001, 0.002, 9)
    assert mean([Measured(1.0, 4.0), Measured(3.0, 6.0)]) == Measured(2.0, 5.0)
    assert mean([Measured(1.0, 4.0), Measured(3.0)]) == Measured(2.0)


def test_small_layers_are_computed_densely_until_the_best_time_is_found():
    times = iter([0.02, 0.03, 0.01, 0.05, 0.06, 0.001])

    class Timed:
        def ask(self, order, *_):
            return next(times) if order == "time" else None

    assert dense_seconds(Sides(Timed()), "net", 0) == 0.01  # 0.17 s are enough
    assert next(times) == 0.001


def test_the_yardstick_serves_the_smallest_that_waits():
    """The slow twin: a sorted list."""
    arrivals = [(31 * place) % 97 for place in range(WAITING + 40)]
    waiting, total = arrivals[:WAITING], 0
    for place in range(WAITING, len(arrivals)):
        smallest = min(waiting)
        total += smallest ^ place
        waiting.remove(smallest)
        waiting.append(arrivals[place])
    tasks = Tasks(lambda: 0.0)
    assert pick_oldest.py_func(np.array(arrivals)) == pick_for(np.array(arrivals), 3) == total
    assert tasks.prepare("python_loop", 4) == 6


def test_a_command_says_its_cycles_or_that_it_printed():
    side = Side("now", HERE)
    assert result(side, ["run", "--json", "-"], '{"total": {"cycles": 12}}') == 12
    assert result(side, ["list"], "words") is True
    with pytest.raises(AssertionError, match=r"^now: \['list'\] prints nothing"):
        result(side, ["list"], "")


def test_memory_is_of_scnn_or_the_first_machine_that_runs_the_network(monkeypatch):
    layers = {entry.name: entry.layers for entry in memory_part.available_workloads()}
    asked = []

    def able(network, machine):
        return range(layers[network] - (machine == "scnn" and network == "c3d"))

    monkeypatch.setattr(memory_part, "peak_bytes", lambda _, arguments: asked.append(arguments) or 250_000_000)
    told = Told(names=["dcnn", "scnn"], network_able=able, trace_bytes=50_000_000)
    told.name, told.all, told.status = "now", [told], lambda _: None
    figures = {figure.name: figure for figure in memory_part.memory(told)}
    assert len(figures) == len(layers)
    assert figures["c3d dcnn"].ratio == 250 / 300
    assert "vgg16 scnn" in figures
    assert ["run", "c3d", "--on", "dcnn"] in asked


def test_a_held_workload_gives_the_layers_that_a_machine_runs():
    held = Held.of(load_workload("blazepose").select("op00*"))
    assert held.trace(0) is held.trace(0)
    assert [layer.name for layer in held.layers] == [held.trace(i).layer.name for i in range(len(held.layers))]


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        (("layer_products", 4, 8, 6), lambda found: 0 < found < 4 * 8 * 9 * 36),
        (("layer_dense", 4, 8, 6), lambda found: found == 8 * 36),
        (("layer_schedule", "dcnn", 4, 8, 6), lambda found: found > 0),
        (("layer_report", "dcnn", 4, 8, 6), lambda found: found > 0),
        (("dram_yardstick", 100), lambda found: found > 0),
        (("trace_bytes", "blazepose"), lambda found: found > 1000),
        (("network_able", "blazepose", "dcnn"), lambda found: found == list(range(73))),
        (("network_layer_dense", "blazepose", 0), lambda found: found > 0),
    ],
)
def test_tasks_have_results_that_repeat(task, wanted):
    ticks = iter([1.0, 3.5])
    tasks = Tasks(lambda: next(ticks))
    found = tasks.prepare(*task)
    assert wanted(found)
    assert tasks.time(*task) == 2.5
    assert tasks.prepare(*task) == found
    tasks.forget()
    with pytest.raises(KeyError):
        tasks.time(*task)


@pytest.mark.slow
def test_whole_networks_and_sweeps_and_dram_can_be_timed():
    with Sides(Side("now", HERE)) as sides:
        schedule, report = sides.measure(
            ("network_schedule", "blazepose", "dcnn"), ("network_report", "blazepose", "dcnn"), most=1
        )
        assert schedule.result > 0
        assert report.result > 0
        without, counted = sides.measure(
            ("network_counted", "blazepose", "dcnn", False), ("network_counted", "blazepose", "dcnn", True), most=1
        )
        assert without.result == counted.result == report.result
        (swept,) = sides.measure(("sweep", 1, "seeds", 2), most=1)
        assert swept.result[0] == 2
        (replayed,) = sides.measure(("dram_replay", "a_seq_read", "M1"), most=1)
        assert replayed.result == 350_955
    assert set(TASKS) >= {"network_schedule", "network_report", "network_counted", "sweep", "dram_replay"}


def test_peak_memory_is_of_one_command_and_its_failure_is_told():
    side = Side("now", HERE)
    assert 5e6 < memory_part.peak_bytes(side, ["--help"]) < 1e9
    with pytest.raises(memory_part.MeasurementError, match=r"(?s)now \(.*\): run nothing --on scnn: .*unknown"):
        memory_part.peak_bytes(side, ["run", "nothing", "--on", "scnn"])
