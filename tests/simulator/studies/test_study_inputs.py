"""Studies over the inputs of a workload: points of their own, one row of tables, bands in figures."""

import pytest

from dataflows.registry import create
from simulator.input_runs import simulate_inputs
from simulator.plots.data import by_run, run_label
from simulator.studies.store import Store
from simulator.studies.study import run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.studies import network, study
from workloads.catalog import load_workload
from workloads.errors import InputError


def test_inputs_are_points_that_one_run_over_inputs_agrees_with(tmp_path):
    path = network(tmp_path)
    chosen = study(machines=["scnn"], workloads=[path], axes=[{"input": [0, 1, 2]}])
    assert chosen.varied == ()
    assert len({place.key for place in chosen.places}) == 3
    with Store(tmp_path / "s.sqlite") as store:
        assert run_study(chosen, store, Workers(1)).computed == 3
        rows = list(store.rows(chosen.name))
        again = study("again", machines=["scnn"], workloads=[path], inputs=2)
        assert run_study(again, store, Workers(1)).computed == 0
    (report,) = simulate_inputs([create("scnn")], load_workload(path), 3)
    assert tuple(row["cycles"] for row in rows) == report.inputs.total.cycles.values
    assert [row["input"] for row in rows] == [0, 1, 2]
    # Figures join them to one run with a band, and tell single bars by the input.
    ((run, group),) = by_run(rows).items()
    assert (run, len(group)) == ("SCNN", 3)
    assert [run_label(run, row, group) for row in group] == [f"SCNN, input {number}" for number in range(3)]


def test_an_input_that_is_not_there_is_a_fault_of_the_study():
    with pytest.raises(InputError) as fault:
        study(machines=["scnn", "dcnn"], axes=[{"input": [0, 1]}])
    assert str(fault.value) == "test: input = 1: 'blazepose' holds 1 input, must be below 1"


def test_the_sweep_command_takes_a_number_of_inputs(tmp_path, cli):
    path, store = network(tmp_path), tmp_path / "s.sqlite"
    done = cli(
        "sweep", path, "--on", "scnn,cambricon-x", "--inputs", "3", "--store", store, "--csv", tmp_path / "r.csv"
    )
    said = f"{store}: 6 points computed, 0 found, 0 failed\nwrote {tmp_path / 'r.csv'}\n"
    assert (done.code, "".join(sorted(done.err.splitlines(keepends=True)))) == (0, said)
    scnn, cambricon_x = (line.split() for line in done.out.splitlines() if line.startswith(("scnn", "cambricon-x")))
    # The mean of three inputs with half their range, which is left out where nothing differs.
    assert scnn[2].startswith("\u00b1")
    assert not cambricon_x[2].startswith("\u00b1")
    assert "input" in (tmp_path / "r.csv").read_text().splitlines()[0].split(",")
    needs = cli("sweep", tmp_path / "none.toml", "--inputs", "3")
    assert (needs.code, needs.err) == (2, "prunesim: --inputs: needs --on; a study file says it by itself\n")
