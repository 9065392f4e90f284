"""A study's `model`: simulated events, or a machine's analytical model."""

import csv
import io
import json
import zlib
from dataclasses import replace

import pytest

from simulator.analytical import expect
from simulator.studies.point import Point, run_point
from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.study_file import StudyTable
from simulator.studies.workers import Workers
from tests.simulator.studies.studies import network, study
from workloads.errors import InputError

HERE = Workers(1)
BOTH = {"machines": ["scnn"], "axes": [{"model": ["events", "analytical"]}, {"density": [0.2, 0.6]}]}


def test_a_point_gives_the_report_of_the_model(tmp_path):
    point = Point("scnn", network(tmp_path), (("skip", "weights"),), density=0.3, model="analytical")
    outcome = run_point(point, point.key())
    report = json.loads(zlib.decompress(outcome.report))
    assert report == json.loads(json.dumps(expect(point.accelerator(), point.traced()).to_dict()))
    assert report["model"] == "analytical"
    assert point.key() != replace(point, model="events").key()


def test_the_model_is_a_column_and_a_study_goes_on_where_it_was(tmp_path):
    first = study(**BOTH | {"workloads": [network(tmp_path)], "axes": [{"model": ["analytical"]}, BOTH["axes"][1]]})
    both = study(**BOTH, workloads=[network(tmp_path)])
    assert both.varied == ("model", "density")
    with Store(tmp_path / "s.sqlite") as store:
        assert run_study(first, store, HERE).computed == 2
        summary = run_study(both, store, HERE)
        assert (summary.found, summary.computed, summary.failed) == (2, 2, 0)
        rows = list(store.rows("study"))
        assert [(row["model"], row["density"]) for row in rows] == [
            ("events", 0.2), ("events", 0.6), ("analytical", 0.2), ("analytical", 0.6)
        ]  # fmt: skip
        assert [row["dram.read_bytes"] == 0 for row in rows] == [False, False, True, True]
        assert {store.report(row["key"])["model"] for row in rows[2:]} == {"analytical"}
        assert run_study(both, store, HERE).computed == 0


def test_a_study_file_says_it_once_and_axes_win_over_it():
    values = {"machines": ["scnn"], "model": "analytical"}
    assert [row["model"] for row in StudyTable.checked(values, "test").combinations()] == ["analytical"]
    swept = StudyTable.checked(values | {"axes": [{"model": ["events"]}]}, "test")
    assert [row["model"] for row in swept.combinations()] == ["events"]
    assert "model" not in next(StudyTable.checked({"machines": ["scnn"]}, "test").combinations())
    with pytest.raises(InputError, match=r"test: model = 'analytic': must be 'events' or 'analytical'"):
        StudyTable.checked(values | {"model": "analytic"}, "test")
    with pytest.raises(InputError, match=r"test: axes.0.model = 'event': must be 'events' or 'analytical'"):
        StudyTable.checked(values | {"axes": [{"model": ["event"]}]}, "test")


def test_the_command_shows_the_column_or_says_it_in_the_title(cli, tmp_path):
    name = network(tmp_path)
    swept = ("sweep", name, "--on", "scnn,dcnn", "--jobs", 1, "--store", tmp_path / "s.sqlite")
    both = cli(*swept, "--vary", "model=events,analytical", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(both.out)))
    assert [(row["accelerator"], row["model"]) for row in rows] == [
        ("scnn", "events"), ("dcnn", "events"), ("scnn", "analytical"), ("dcnn", "analytical")
    ]  # fmt: skip
    assert len({row["cycles"] for row in rows}) == 4
    table = cli(*swept, "--vary", "model=events,analytical").out
    assert "analytical model)" not in table
    shown = [line.split()[:2] for line in table.splitlines()]
    assert all(shown.count([row["accelerator"], row["model"]]) == 1 for row in rows)
    alone = cli(*swept, "--vary", "model=analytical").out
    assert "(analytical model)" in " ".join(alone.split())  # titles are wrapped


def test_machines_without_a_model_are_refused_in_one_line(cli, tmp_path):
    name = network(tmp_path)
    run = cli("sweep", name, "--on", "scnn,cambricon-x", "--vary", "model=events,analytical", "--store", tmp_path / "s")
    assert run.code == 2
    assert run.err.splitlines() == [
        "prunesim: sweep: cambricon-x has no analytical model; machines that have one: dcnn, dcnn-opt, ideal, scnn"
    ]
    assert not (tmp_path / "s").exists()
    assert len(study(machines=["cambricon-x"], workloads=[name], model="events").places) == 1


def test_settings_that_are_no_part_of_the_model_are_named(tmp_path):
    name = network(tmp_path)
    chosen = {
        "machines": ["scnn"],
        "workloads": [name],
        "axes": [{"queue_depth": [0, 2]}, {"skip": ["both", "weights"]}],
    }
    assert study(**chosen, model="analytical").warnings() == [
        "scnn: queue_depth has no effect: it is no part of the analytical model"
    ]
    chosen["axes"].append({"model": ["events", "analytical"]})
    assert study(**chosen).warnings() == []


def test_a_layer_that_the_machine_refuses_fails_alone(tmp_path):
    chosen = study(machines=["scnn", "dcnn"], workloads=["c3d"], layers="conv5b", model="analytical")
    with Store(tmp_path / "s.sqlite") as store:
        summary = run_study(chosen, store, HERE)
        assert (summary.computed, summary.failed) == (1, 1)
        ((values, error),) = store.failures(chosen.places)
        assert values["accelerator"] == "scnn"
        assert error.startswith("scnn cannot run layer 'conv5b': ")


def test_an_analytical_report_page_says_so(cli, tmp_path):
    store = tmp_path / "s.sqlite"
    cli("sweep", network(tmp_path), "--on", "scnn", "--vary", "model=events,analytical", "--jobs", 1, "--store", store)
    assert cli("report", store, "-o", tmp_path / "r.html").code == 0
    page = (tmp_path / "r.html").read_text()
    assert "small on scnn: 2 points of a study" in page
    assert "<th>scnn, analytical model</th>" in page
