"""Traces of a study are made once a worker, whatever machines and settings it has."""

from collections import Counter

import pytest

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.studies import point_workload
from simulator.studies.point import Point, run_point
from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.own_models import patterns
from tests.simulator.studies.studies import network, study
from workloads.catalog import load_workload
from workloads.source import LayerSource


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files that were written just now are held as those of last week are."""
    monkeypatch.setattr("simulator.studies.content._SETTLED_NS", -(10**12))


@pytest.fixture
def drawn(monkeypatch):
    """How many times each trace was made, by layer, seed and first image."""
    made = Counter()
    whole = LayerSource.trace_from

    def counted(source, seed, first_image):
        made[source.layer.name, seed, first_image] += 1
        return whole(source, seed, first_image)

    monkeypatch.setattr(LayerSource, "trace_from", counted)
    return made


def computed(tmp_path, **tables) -> int:
    with Store(tmp_path / "s.sqlite") as store:
        return run_study(study(**tables), store, Workers(1)).computed


def test_a_study_of_machine_settings_makes_each_trace_once(tmp_path, drawn):
    axes = [{"queue_depth": [0, 2, 4]}, {"dram.latency_ns": [10.0, 20.0]}]
    machines = ["scnn", "ideal", "dcnn"]
    # Only scnn has queues, and ideal moves nothing: the points of the others that are equal are one.
    assert computed(tmp_path, machines=machines, workloads=[network(tmp_path)], axes=axes) == 6 + 2 + 2
    assert drawn == {("first", 0, 0): 1, ("second", 0, 0): 1}


def test_seeds_inputs_and_densities_have_traces_of_their_own(tmp_path, drawn):
    tables = {"machines": ["ideal", "scnn"], "workloads": [network(tmp_path)], "seeds": 2, "inputs": 2}
    assert computed(tmp_path, **tables, axes=[{"weight_density": [0.25, 0.5]}]) == 2 * 2 * 2 * 2
    assert drawn == {(layer, seed, image): 2 for layer in ("first", "second") for seed in (0, 1) for image in (0, 1)}


def test_a_density_of_one_is_no_other_than_that_of_a_float(tmp_path):
    whole, fraction = (Point("ideal", network(tmp_path), density=density) for density in (1, 1.0))
    assert whole.key() != fraction.key()
    assert whole.key() == Point("ideal", network(tmp_path), density=1).key()


def test_another_pattern_file_prunes_anew(tmp_path, drawn):
    path = network(tmp_path)
    for seed in (1, 2):
        point = Point("ideal", path, prune=patterns(tmp_path, seed))
        for _ in range(2):
            assert not run_point(point, point.key()).error
    assert set(drawn.values()) == {2}


def test_a_changed_network_file_is_drawn_anew(tmp_path, drawn):
    path = network(tmp_path)
    points = [Point("ideal", path), Point("scnn", path)]
    reports = [run_point(point, point.key()).total for point in points]
    text = (tmp_path / "small.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("weight_density = 0.4", "weight_density = 0.9"))
    assert set(drawn.values()) == {1}
    changed = [run_point(point, point.key()).total for point in points]
    assert set(drawn.values()) == {2}
    assert not set(reports) & set(changed)


def test_traces_that_do_not_fit_are_made_each_time(tmp_path, drawn, monkeypatch):
    # The first layer has 1,152 weights and 1,152 activations, the second one 128 and 2,304: one byte each.
    monkeypatch.setattr(point_workload, "_TRACE_BYTES", 2304 + 2431)
    path = network(tmp_path)
    for depth in (0, 2, 4):
        point = Point("scnn", path, (("queue_depth", depth),))
        run_point(point, point.key())
    assert drawn == {("first", 0, 0): 1, ("second", 0, 0): 3}


def test_machines_that_are_compared_see_the_same_traces(tmp_path, drawn):
    machines = [create(name) for name in ("ideal", "scnn", "kgrc")]
    assert len(simulate(machines, load_workload(network(tmp_path)))) == 3
    assert set(drawn.values()) == {1}


def test_points_of_a_workload_follow_one_another(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "simulator.studies.workers.run_point", lambda point, key: seen.append(point.seed) or run_point(point, key)
    )
    tables = {"machines": ["ideal"], "workloads": [network(tmp_path)], "seeds": 5}
    assert computed(tmp_path, **tables, axes=[{"clock_hz": [1_000_000_000, 2_000_000_000, 3_000_000_000]}]) == 15
    assert [seen[place : place + 3] for place in range(0, 15, 3)] == [[seed] * 3 for seed in seen[::3]]
    assert sorted(seen[::3]) == [0, 1, 2, 3, 4]
