"""Published figures: each within its tolerance, through the tables that `prunesim validate` prints."""

import json
import math
import tomllib

import pytest

from dataflows.registry import machine, machines
from simulator import sensitivity, validation
from simulator.configuration import has_key, keys_of
from simulator.figure_metrics import METRICS, Run
from simulator.sensitivity import Effect, Reading
from simulator.study import Study
from simulator.study_file import PointKeys
from simulator.validation import Figure, Result
from workloads.errors import InputError

FIGURES = {figure.id: figure for figure in validation.figures()}
ODD = Figure("odd", "s", "speedup", "x", 2.0, 0.05, "nobody", "h")


@pytest.fixture(scope="session")
def results():
    return {result.figure.id: result for result in validation.results(list(FIGURES.values()))}


@pytest.mark.parametrize("name", FIGURES)
def test_figure(name, results):
    result, figure = results[name], FIGURES[name]
    assert result.inside, f"{result.simulated:.5g} {figure.unit}, {result.deviation:+.2%} from {figure.published}"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_names_what_it_needs(name):
    figure = FIGURES[name]
    assert figure.machine in machines()
    assert figure.metric in METRICS
    assert figure.source
    assert figure.how
    places = Study.read(validation.FOLDER / f"{figure.study}.toml").places
    assert any(all(place.values.get(key) == value for key, value in figure.where.items()) for place in places)


def test_ids_are_unique_and_every_study_is_used():
    rows = tomllib.loads((validation.FOLDER / "figures.toml").read_text())["figure"]
    assert len(FIGURES) == len(rows)
    files = {path.stem for path in validation.FOLDER.glob("*.toml")} - {"figures", "readings"}
    assert {figure.study for figure in FIGURES.values()} == files


def test_readings_change_what_their_machine_has():
    for name in {figure.machine for figure in FIGURES.values()}:
        known = keys_of(machine(name).Spec)
        found = sensitivity.readings(name)
        assert found
        for reading in found:
            assert all(key in PointKeys.model_fields or has_key(known, key) for key in reading.changes), reading


def test_a_deviation_beyond_the_tolerance_is_outside():
    assert Result(ODD, 2.1).inside
    assert not Result(ODD, 2.101).inside
    assert not Result(ODD, 1.899).inside
    assert not Result(ODD, math.nan).inside


def test_a_limit_may_be_stayed_below_by_any_amount():
    limit = Figure("odd", "s", "speedup", "x", 2.0, 0.05, "nobody", "h", most=True)
    assert Result(limit, 0.1).inside
    assert not Result(limit, 2.101).inside


def test_the_share_of_a_deviation():
    def share(value, unchanged):
        return Effect(ODD, Reading("m", "p", "l", {}), value, unchanged).share

    assert share(1.75, 1.5) == pytest.approx(0.5)
    assert share(1.0, 1.5) == pytest.approx(-1.0)
    assert share(1.0, 2.0) is None


def test_bands_hold_the_seeds_and_only_figures_of_random_masks_have_them():
    drawn, fixed = validation.results([FIGURES["eie-alex8"], FIGURES["kgrc-c3d-kgrc-8"]], seeds=3)
    uniform, clustered = drawn.bands["uniform"], drawn.bands["clustered"]
    assert uniform.low <= drawn.simulated <= uniform.high
    assert uniform.low < uniform.mean < uniform.high
    assert clustered.mean > 1.05 * uniform.mean  # unequal filters fill the queues of some PEs and not of others
    assert fixed.bands == {}


def test_skewed_filters_explain_what_uniform_masks_of_the_fully_connected_layers_miss():
    found = {}
    for effect in sensitivity.effects(validation.figures("eie")):
        found[effect.figure.id, effect.reading.label] = effect
    skewed = "filters skewed, variation 0.4"
    assert found["eie-alex6", skewed].share == pytest.approx(0.8, abs=0.15)
    assert found["eie-lstm", skewed].share == pytest.approx(0.8, abs=0.15)
    assert found["eie-alex8", skewed].share == pytest.approx(1.15, abs=0.3)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("snn", "unknown accelerator 'snn': did you mean 'scnn'?"),
        ("ideal", "accelerator 'ideal' has no published figure; "),
    ],
)
def test_a_machine_without_figures_is_refused(name, line):
    with pytest.raises(InputError, match=line.replace("?", r"\?")):
        validation.figures(name)


def test_metrics_over_several_runs_take_them_one_after_the_other():
    def run(cycles, dense_cycles, density):
        stack = {"busy": cycles, "index": cycles}
        total = {"cycles": cycles, "dense_cycles": dense_cycles, "pes": 4, "pe_cycle_stack": stack}
        return Run({"density": density}, {"total": total | {"speedup": dense_cycles / cycles}, "layers": []})

    runs = [run(100, 400, 0.2), run(300, 150, 0.8)]
    assert METRICS["speedup"](runs) == pytest.approx(550 / 400)
    assert METRICS["first_over_last"](runs) == pytest.approx(1 / 3)
    assert METRICS["cycles_over_balance"](runs) == pytest.approx(4 * 400 / 800)
    assert METRICS["crossover_density"](runs[::-1]) == pytest.approx(0.6)
    assert math.isnan(METRICS["crossover_density"](runs[:1]))


def test_the_command_fails_when_a_figure_is_outside(cli, monkeypatch):
    figure = Figure("odd", "scnn_fully_connected", "utilization", "of peak", 0.5, 0.05, "nobody", "h")
    monkeypatch.setattr(validation, "figures", lambda _: [figure])
    run = cli("validate", "--machine", "scnn", "--json", "--jobs", 1)
    assert run.code == 1
    (row,) = json.loads(run.out)["figures"]
    assert row["inside"] is False
    assert row["deviation"] == pytest.approx(-0.5, abs=0.01)


def test_the_command_prints_bands_and_readings(cli):
    run = cli("validate", "--machine", "eie", "--seeds", 2, "--sensitivity", "--jobs", 1)
    assert run.code == 0
    for text in ("uniform masks", "clustered masks", "eie-alex8-ratio", "masks: filters skewed, variation 0.4"):
        assert text in run.out


def test_exported_studies_can_be_run_again(cli, tmp_path):
    folder = tmp_path / "studies"
    assert cli("validate", "--export", folder).code == 0
    swept = cli("sweep", folder / "scnn_fully_connected.toml", "--store", tmp_path / "s.sqlite", "--csv", "-")
    header, row = (line.split(",") for line in swept.out.splitlines())
    assert float(row[header.index("utilization")]) == pytest.approx(0.25, rel=0.02)
    again = cli("validate", "--export", folder)
    assert again.code == 2
    assert "cambricon_x_aware.toml: is there already" in again.err


def test_the_dram_table_agrees_on_every_row(cli):
    run = cli("validate", "--machine", "dram")
    assert run.code == 0
    assert run.out.count(" yes") == 80
    assert " NO" not in run.out
