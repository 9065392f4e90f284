"""Several studies in one store: none takes another's points, a table is of the run's own, failures do not outlive."""

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simulator.studies import study as study_module
from simulator.studies.point import Outcome
from simulator.studies.store import Store
from simulator.studies.study import check_declared, run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.own_models import network_file
from tests.simulator.studies.studies import network, study
from workloads.errors import InputError

HERE = Workers(1)


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def depths(found) -> list[int]:
    return [row["queue_depth"] for row in found]


def test_a_table_is_of_the_points_that_this_run_asked_for(tmp_path):
    workload = network(tmp_path)
    one = study("same", machines=["scnn"], workloads=[workload], axes=[{"queue_depth": [0, 2]}])
    other = study("same", machines=["scnn"], workloads=[workload], axes=[{"queue_depth": [4, 8, 16]}])
    with Store(tmp_path / "s.sqlite") as store:
        run_study(one, store, HERE)
        check_declared(one, store)
        said = []
        run_study(other, store, Workers(1, say=said.append))
        assert said == [
            f"warning: {tmp_path}/s.sqlite: study 'same' had other points before; they are no longer its own"
        ]
        assert depths(store.rows_of(one.name, one.places)) == [0, 2]
        assert depths(store.rows_of(other.name, other.places)) == depths(store.rows("same")) == [4, 8, 16]
        check_declared(other, store)
        with pytest.raises(InputError, match="another sweep gave the study 'same' other points meanwhile"):
            check_declared(one, store)


def test_a_changed_file_under_an_unchanged_study_is_no_other_study(tmp_path):
    said = []
    with Store(tmp_path / "s.sqlite") as store:
        for seed in (1, 2):
            chosen = study(machines=["ideal"], workloads=[network_file(tmp_path, seed)])
            run_study(chosen, store, Workers(1, say=said.append))
            check_declared(chosen, store)
    assert said == []


def test_results_that_vanish_are_an_error(tmp_path):
    chosen = study(machines=["scnn"], workloads=[network(tmp_path)], axes=[{"queue_depth": [0, 2]}])
    with Store(tmp_path / "s.sqlite") as store:
        run_study(chosen, store, HERE)
        with closing(sqlite3.connect(tmp_path / "s.sqlite")) as database:
            database.execute("DELETE FROM results WHERE key = ?", (chosen.places[0].key,))
            database.commit()
        with pytest.raises(InputError, match="1 points of this run are no longer in it"):
            check_declared(chosen, store)


def test_a_sweep_whose_study_another_one_took_says_so_and_writes_its_own_points(cli, tmp_path, monkeypatch):
    paths = [tmp_path / name / "queues.toml" for name in ("one", "other")]
    for path, values in zip(paths, ("[0, 2]", "[4, 8]"), strict=True):
        path.parent.mkdir()
        path.write_text(f'machines = ["scnn"]\nworkloads = ["{network(tmp_path)}"]\n[[axes]]\nqueue_depth = {values}\n')
    run = study_module.run_study

    def both(chosen, store, *rest):
        done = run(chosen, store, *rest)
        run(study_module.Study.read(paths[1]), store, HERE)
        return done

    monkeypatch.setattr(study_module, "run_study", both)
    result = cli("sweep", paths[0], "--store", tmp_path / "s.sqlite", "--jobs", 1, "--csv", "-")
    assert result.code == 2
    assert [row["queue_depth"] for row in csv.DictReader(io.StringIO(result.out))] == ["0", "2"]
    assert "another sweep gave the study 'queues' other points meanwhile" in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--layers", "first"], ["--layers", "second"]),
        (["--vary", "queue_depth=0,2"], ["--vary", "queue_depth=4,8"]),
        (["--set", "queue_depth=2"], ["--set", "queue_depth=4"]),
        (["--seeds", "1"], ["--seeds", "2"]),
        (["--batch", "1"], ["--batch", "2"]),
        (["--prune", "unstructured:density=0.2"], ["--prune", "unstructured:density=0.3"]),
    ],
)
def test_sweeps_of_the_command_line_that_differ_are_different_studies(cli, tmp_path, one, other):
    command = ("sweep", network(tmp_path), "--on", "scnn", "--jobs", 1, "--store", tmp_path / "s.sqlite")
    assert [cli(*command, *options).code for options in (one, other, one)] == [0, 0, 0]
    with Store(tmp_path / "s.sqlite", reading=True) as store:
        assert len(store.studies()) == 2


def test_failures_are_cleared_when_their_points_succeed_under_another_key(tmp_path):
    chosen = study(machines=["scnn"], workloads=[network_file(tmp_path, 1)], axes=[{"queue_depth": [0, 2, 4, 8]}])
    changed = study(machines=["scnn"], workloads=[network_file(tmp_path, 2)], axes=[{"queue_depth": [0, 2, 4, 8]}])
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        for places in (chosen.places, changed.places):  # their workers had other files, say
            store.declare("study", places)
            for place in places:
                store.put(Outcome(place.key, error="broke"))
        assert count(path, "failures") == 4
        assert run_study(changed, store, HERE).computed == 4
        assert count(path, "failures") == 0
        store.put(Outcome(changed.places[0].key, error="broke later"))
        assert count(path, "failures") == 0
