"""The file of results: what goes in comes out, several writers, wrong files."""

import json
import sqlite3
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pandas as pd
import pytest

import simulator
from simulator.studies.point import Outcome
from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.workers import Workers
from simulator.terminal.studies import print_study
from tests.simulator.studies.studies import network, study
from workloads.errors import InputError


def outcome(key: str, cycles: int = 1) -> Outcome:
    report = {"layers": [{"name": "a", "cycles": cycles}], "total": {"name": "total", "cycles": cycles}}
    return Outcome(key, json.dumps(report["total"]), zlib.compress(json.dumps(report).encode()))


def test_a_result_comes_out_as_it_went_in(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        store.put(outcome("k", 7))
        assert "k" in store
        assert "other" not in store
        assert store.report("k")["total"]["cycles"] == 7
        with pytest.raises(KeyError):
            store.report("other")


def test_a_result_takes_the_place_of_a_failure_and_is_never_lost_to_one(tmp_path):
    (place,) = study(machines=["ideal"], workloads=[network(tmp_path)]).places
    with Store(tmp_path / "s.sqlite") as store:
        store.declare("s", [place])
        store.put(Outcome(place.key, error="broke"))
        assert [error for _, error in store.failures([place])] == ["broke"]
        store.put(outcome(place.key))
        assert store.failures([place]) == []
        store.put(Outcome(place.key, error="broke again"))
        assert store.failures([place]) == []
        assert place.key in store


def test_several_writers_share_a_store(tmp_path):
    path = tmp_path / "s.sqlite"

    def write(writer: int) -> None:
        with Store(path) as store:
            for number in range(40):
                store.put(outcome(f"{(number + 10 * writer) % 40}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (40,)


def test_load_results_gives_a_frame_of_points_or_of_layers(tmp_path):
    path = tmp_path / "s.sqlite"
    chosen = study(machines=["scnn"], workloads=[network(tmp_path)], axes=[{"queue_depth": [0, 8]}], seeds=2)
    with Store(path) as store:
        run_study(chosen, store, Workers(1))
    points = simulator.load_results(path)
    assert isinstance(points, pd.DataFrame)
    assert list(points.columns[:6]) == ["study", "key", "accelerator", "workload", "seed", "queue_depth"]
    assert list(zip(points["queue_depth"], points["seed"], strict=True)) == [(0, 0), (0, 1), (8, 0), (8, 1)]
    layers = simulator.load_results(path, "study", layers=True)
    assert list(layers["name"]) == ["first", "second"] * 4
    assert layers.groupby("key", sort=False)["cycles"].sum().tolist() == points["cycles"].tolist()
    assert "pe_cycle_stack.busy" in layers.columns


def test_a_setting_named_like_a_metric_has_a_column_of_its_own(tmp_path, capsys):
    axes = [{"dram": {"burst_bytes": [32, 64]}}]
    chosen = study(machines=["scnn"], workloads=[network(tmp_path)], axes=axes)
    with Store(tmp_path / "s.sqlite") as store:
        run_study(chosen, store, Workers(1))
        rows = list(store.rows(chosen.name))
        print_study(chosen, store)
    assert [row["set.dram.burst_bytes"] for row in rows] == [32, 64]
    assert all(row["dram.burst_bytes"] > 64 for row in rows)  # what was measured
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["32", "64"]


def test_files_that_are_no_store_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "text.sqlite"
    text.write_text("hello, this is no database " * 100)
    with pytest.raises(InputError, match=r"text\.sqlite: cannot be used as a store: file is not a database"):
        Store(text)
    assert text.read_text().startswith("hello")
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE mine (a)")
    with pytest.raises(InputError, match=r"other\.sqlite: not a store of this version of prunesim"):
        Store(other)
    with pytest.raises(InputError, match=r"missing\.sqlite: no such file"):
        simulator.load_results(tmp_path / "missing.sqlite")
    with pytest.raises(InputError, match="cannot be used as a store"):
        Store(tmp_path / "nowhere" / "s.sqlite")


def test_an_unknown_study_is_named(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        store.declare("depth", [])
        run_study(study("queue", machines=["ideal"], workloads=[network(tmp_path)]), store, Workers(1))
        with pytest.raises(InputError, match="no study 'queu': did you mean 'queue'"):
            list(store.rows("queu"))
