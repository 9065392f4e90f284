"""Searches: the same front as looking at everything, from the same seed the same way, and errors of one line."""

import json
import sys

import pytest

from simulator.reports.front import pareto_front
from simulator.search.run import Search, run_search
from simulator.search.samplers import Told, sampler_of
from simulator.search.space import Constraint, SearchTable, Space, values_of
from simulator.studies.store import Store
from simulator.studies.workers import Workers
from tests.project import ROOT
from workloads.errors import InputError

TINY = ROOT / "examples" / "tiny.toml"
STUDY = f"""
title = "tiny designs"
machines = ["scnn"]
workloads = ["{TINY}"]
layers = "conv*"

[search]
objectives = ["time_us", "area.total_mm2"]
sampler = "{{sampler}}"
points = {{points}}
{{more}}

[search.ranges]
pe_rows = {{{{from = 1, to = 8, factor = 2}}}}
queue_depth = [0, 2, 4]
dram.bandwidth_gbs = [12.5, 50.0]
"""


def written(folder, sampler="all", points=100, more=""):
    path = folder / "find.toml"
    path.write_text(STUDY.format(sampler=sampler, points=points, more=more))
    return path


def searched(folder, *arguments, store="s.sqlite", **more):
    with Store(folder / store) as kept:
        return run_search(Search.read(written(folder, *arguments, **more)), kept, Workers(1))


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ([3, "a"], (3, "a")),
        ({"from": 2, "to": 32, "factor": 2}, (2, 4, 8, 16, 32)),
        ({"from": 1, "to": 10, "step": 4}, (1, 5, 9)),
        ({"from": 1, "to": 3}, (1, 2, 3)),
        ({"from": 0.5, "to": 1, "step": 0.25}, (0.5, 0.75, 1.0)),
    ],
)
def test_the_values_of_a_range(given, values):
    assert values_of(given) == values


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "must not be empty"),
        (3, "must be a list of values"),
        ({"from": 1}, "must be a list of values"),
        ({"from": 1, "to": 4, "by": 2}, "must be a list of values"),
        ({"from": 1, "to": 4, "step": 1, "factor": 2}, "has both step and factor"),
        ({"from": 4, "to": 1}, "must rise"),
        ({"from": 0, "to": 4, "factor": 2}, "must rise"),
        ({"from": 1, "to": 4, "step": 0}, "must rise"),
        ({"from": "1", "to": 4}, "must be numbers"),
        ({"from": 1, "to": 1e9}, "has more than 4096 values"),
    ],
)
def test_ranges_that_are_none(given, message):
    with pytest.raises(InputError, match=message):
        values_of(given)


def test_a_limit_is_met_up_to_itself():
    most, least = Constraint.parse("area.total_mm2 <= 10", "f"), Constraint.parse(" speedup>=2e0 ", "f")
    assert (most.excess(10), most.excess(15), most.excess(5)) == (0, 0.5, -0.5)
    assert (least.excess(2), least.excess(1), least.excess(4)) == (0, 0.5, -1)
    for text in ("area < 3", "area <= three", "<= 3", "area <= inf", "area <= 1e"):
        with pytest.raises(InputError, match=r"f: search\.constraints: .*: must be COLUMN <= NUMBER"):
            Constraint.parse(text, "f")


def test_all_designs_give_the_front_of_all(tmp_path):
    found = searched(tmp_path)
    assert (found.simulated, found.impossible, len(found.rows)) == (4 * 3 * 2, 0, 24)
    points = [(row["time_us"], row["area.total_mm2"]) for row in found.rows]
    assert {points[at] for at in found.front} == {points[at] for at in pareto_front(points, (False, False))}
    times = [row["time_us"] for row in found.table()]
    assert times == sorted(times)
    assert list(found.table()[0]) == ["pe_rows", "queue_depth", "dram.bandwidth_gbs", "time_us", "area.total_mm2"]


def test_limits_leave_designs_out_and_may_leave_none(tmp_path):
    every = searched(tmp_path)
    areas = sorted(row["area.total_mm2"] for row in every.rows)
    some = searched(tmp_path, more=f'constraints = ["area.total_mm2 <= {areas[10]!r}", "queue_depth >= 2"]')
    assert some.front
    assert all(row["area.total_mm2"] <= areas[10] and row["queue_depth"] >= 2 for row in some.table())
    assert searched(tmp_path, more='constraints = ["pe_rows <= 0"]').front == ()


def test_chance_looks_at_each_design_once_and_at_no_more_than_asked(tmp_path):
    space = Search.read(written(tmp_path)).space
    sampler = sampler_of("random", space, 3, 100)
    drawn = sampler.ask(1000)
    assert sorted(drawn) == list(space.designs())
    assert sampler_of("random", space, 3, 100).ask(5) == drawn[:5]
    assert sampler_of("random", space, 4, 100).ask(5) != drawn[:5]
    assert searched(tmp_path, "random", 7).simulated == 7


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_samplers_of_optuna_repeat_themselves_whoever_computes(tmp_path, sampler):
    pytest.importorskip("optuna", reason="optuna is not installed")
    one = searched(tmp_path, sampler, 12, store="a.sqlite")
    with Store(tmp_path / "b.sqlite") as kept:
        two = run_search(Search.read(written(tmp_path, sampler, 12)), kept, Workers(2))
    assert one.to_dict() == two.to_dict()
    assert one.simulated == 12
    other = searched(tmp_path, sampler, 12, more="seed = 5")
    assert [row["key"] for row in other.rows] != [row["key"] for row in one.rows]


def test_a_sampler_of_optuna_goes_where_it_is_better():
    pytest.importorskip("optuna", reason="optuna is not installed")
    table = SearchTable(ranges={"a": list(range(40)), "b": list(range(40))}, objectives=["time_us"])
    space = Space.of(table, table.ranges, "f")

    def mean_distance(name):
        sampler, distances = sampler_of(name, space, 0, 120), []
        for _ in range(15):
            designs = sampler.ask(8)
            found = [float(sum((x - 30) ** 2 for x in one)) for one in designs]
            sampler.tell([Told(one, (distance,)) for one, distance in zip(designs, found, strict=True)])
            distances += found
        return sum(distances[40:]) / 80

    assert mean_distance("nsga2") < 0.7 * mean_distance("random")
    assert mean_distance("tpe") < 0.3 * mean_distance("random")


def test_what_was_simulated_is_found_again(tmp_path):
    asked = []
    first = searched(tmp_path, "random", 9)
    with Store(tmp_path / "s.sqlite") as kept:
        keys = {row["key"] for row in first.rows}
        assert all(key in kept for key in keys)
        again = run_search(
            Search.read(written(tmp_path, "random", 9)),
            kept,
            Workers(1),
            lambda done, every, _: asked.append((done, every)),
        )
    assert again.rows == first.rows
    assert asked == [(0, 9), (8, 9), (9, 9)]


def test_impossible_designs_are_counted_and_passed_over(tmp_path):
    path = tmp_path / "f.toml"
    path.write_text(
        f'machines = ["scnn"]\nworkloads = ["{TINY}"]\nlayers = "conv*"\n[search]\nsampler = "all"\n'
        "[search.ranges]\noaram_bytes = [1, 10240]\nqueue_depth = [0, 4]\n"
    )
    with Store(tmp_path / "i.sqlite") as kept:
        found = run_search(Search.read(path), kept, Workers(1))
    assert (found.simulated, found.impossible, len(found.rows)) == (4, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pe_rows =", "pe_row ="), "search.ranges: unknown key 'pe_row': did you mean 'pe_rows'?"),
        (("[0, 2, 4]", "[]"), "search.ranges.queue_depth = []: must not be empty"),
        (('"time_us", ', '"multipliers", '), "search.objectives: of 'multipliers' neither more nor less is better"),
        (("points =", "point ="), "unknown key 'search.point': did you mean 'points'?"),
        (('machines = ["scnn"]', 'machines = ["scnn", "dcnn"]'), "a search has one machine, one workload and one seed; this is 2 points"),
    ],
)  # fmt: skip
def test_faults_of_the_file_are_one_line(cli, tmp_path, change, message):
    path = written(tmp_path)
    path.write_text(path.read_text().replace(*change))
    said = cli("search", path)
    assert (said.code, said.out) == (2, "")
    assert f"{path}: {message}" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_plain_study_is_for_sweeps(cli, tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text('machines = ["scnn"]\n')
    said = cli("search", path)
    assert (said.code, said.err) == (
        2, f"prunesim: {path}: has no table 'search' (docs/search.md); 'prunesim sweep' runs plain studies\n"
    )  # fmt: skip


def test_a_column_that_no_result_has_is_named(cli, tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"time_us"', '"time_u"'))
    said = cli("search", path, "--jobs", "1")
    assert (said.code, said.err) == (2, "prunesim: search: no result has a number 'time_u': did you mean 'time_us'?\n")


def test_without_optuna_it_says_what_does_without(cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = cli("search", written(tmp_path, "nsga2"), "--jobs", "1")
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "need Optuna: pip install 'prunesim[search]'; thompson, random and all do not" in said.err


def test_the_command_prints_the_front_and_writes_it(cli, tmp_path):
    data, rows = tmp_path / "f.json", tmp_path / "f.csv"
    said = cli("search", written(tmp_path), "--jobs", "1", "--json", data, "--csv", rows)
    assert (said.code, said.err) == (0, f"wrote {data}\nwrote {rows}\n")
    front = json.loads(data.read_text())
    assert (front["designs"], front["simulated"]) == (24, 24)
    assert len(rows.read_text().splitlines()) == 1 + 24
    lines = [line.split() for line in said.out.splitlines()]
    assert [str(front["front"][0]["pe_rows"]), str(front["front"][0]["queue_depth"])] in [line[:2] for line in lines]
    plot = cli(
        "plot",
        tmp_path / "find.sqlite",
        "--kind",
        "pareto",
        "--x",
        "time_us",
        "--y",
        "area.total_mm2",
        "-o",
        tmp_path / "p.svg",
    )
    assert plot.code == 0
