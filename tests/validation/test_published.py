"""Published figures: each where it is recorded, through the tables that `prunesim validate` prints."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
from pydantic import ValidationError

from simulator.validation import figures, sensitivity
from simulator.validation import results as validation
from simulator.validation.figure_metrics import METRICS, Run
from simulator.validation.figure_records import recorded_verdict
from simulator.validation.figure_rows import Figure, Goal, Outside, Reading
from simulator.validation.figures import FigureSet
from simulator.validation.results import Result
from simulator.validation.sensitivity import Effect
from tests.project import ROOT
from tests.validation.own_figures import OWN, own_figures
from workloads.errors import InputError

PUBLISHED = FigureSet.read()
FIGURES = {figure.id: figure for figure in PUBLISHED.figures}
ODD = Figure(id="odd", study="s", metric="speedup", unit="x", published=2.0, kind="k", source="nobody")
GOAL = Goal(relative=0.05)


@pytest.fixture(scope="session")
def results():
    return {result.figure.id: result for result in validation.results(PUBLISHED)}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_figure(name, results):
    result, figure = results[name], FIGURES[name]
    measured = f"{result.simulated:.5g} {figure.unit}, {result.goal.text(result.deviation)} from {figure.published}"
    assert not result.moved, f"{result.verdict}, {result.moved}: {measured}"


def test_every_study_is_used_and_every_machine_with_figures_has_readings():
    files = {path.relative_to(figures.FOLDER) for path in figures.FOLDER.rglob("*.toml")}
    studies = {file for file in files if file.stem not in ("figures", "drawings", "readings", "recorded", "refused")}
    assert set(PUBLISHED.studies) == {file.with_suffix("").as_posix() for file in studies}
    machines = {PUBLISHED.machine_of(figure) for figure in PUBLISHED.figures}
    assert {reading.machine for reading in PUBLISHED.readings} == machines


def test_the_readme_counts_figures_as_the_records_do():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    counts = Counter(recorded_verdict(PUBLISHED, figure) for figure in PUBLISHED.figures)
    assert f"reruns {len(PUBLISHED.figures)} published figures" in text
    assert f"within the goal of its kind ({counts['within']})" in text
    assert f"what the paper leaves open ({counts['explained']}), or unexplained ({counts['unexplained']})" in text


def test_a_deviation_beyond_the_goal_is_outside():
    assert Result(ODD, "m", 2.1, GOAL).inside
    assert not Result(ODD, "m", 2.101, GOAL).inside
    assert not Result(ODD, "m", 1.899, GOAL).inside
    assert not Result(ODD, "m", math.nan, GOAL).inside


def test_a_goal_may_have_an_absolute_part():
    drawing = Goal(relative=0.03, absolute=0.5, unit="ms")
    assert drawing.allowed(10.0) == pytest.approx(0.08)
    assert (str(drawing), str(GOAL)) == ("3 % + 0.5 ms", "5 %")


def test_a_deviation_is_asserted_as_it_was_recorded():
    recorded = Outside(id="odd", deviation=0.2)
    values = (2.4, 2.41, 2.43, 2.05, 1.6, math.nan)
    moved = [Result(ODD, "m", value, GOAL, recorded).moved for value in values]
    assert moved == ["", "", "moved from +20.0%", "closed, was +20.0%", "moved from +20.0%", "moved from +20.0%"]
    assert [Result(ODD, "m", value, GOAL).moved for value in (2.05, 2.4)] == ["", "not recorded"]


def test_three_verdicts():
    explained = Outside(id="odd", deviation=0.2, reading="masks: skewed", share=0.6)
    assert Result(ODD, "m", 2.05, GOAL, explained).verdict == "within"
    assert Result(ODD, "m", 2.4, GOAL, explained).verdict == "explained"
    little = Outside(id="odd", deviation=0.2, reading="masks: skewed", share=0.4)
    for recorded in (None, Outside(id="odd", deviation=0.2), little):
        assert Result(ODD, "m", 2.4, GOAL, recorded).verdict == "unexplained"


@pytest.mark.parametrize("wrong", [{"share": None}, {"reading": ""}])
def test_a_reading_has_its_share(wrong):
    right = {"id": "odd", "deviation": 0.2, "reading": "masks: skewed", "share": 0.6}
    Outside.model_validate(right)
    with pytest.raises(ValidationError):
        Outside.model_validate(right | wrong)


def test_a_limit_may_be_stayed_below_by_any_amount():
    limit = ODD.model_copy(update={"most": True})
    assert Result(limit, "m", 0.1, GOAL).inside
    assert not Result(limit, "m", 2.101, GOAL).inside


def test_the_share_of_a_deviation():
    def share(value, unchanged):
        return Effect(ODD, GOAL, Reading(machine="m", parameter="p", label="l", changes={}), value, unchanged).share

    assert share(1.75, 1.5) == pytest.approx(0.5)
    assert share(1.0, 1.5) == pytest.approx(-1.0)
    assert share(1.0, 1.99) is None


@pytest.mark.slow
def test_bands_hold_the_seeds_and_only_figures_of_random_masks_have_them():
    chosen = (FIGURES["eie-alex8"], FIGURES["kgrc-c3d-kgrc-8"])
    drawn, fixed = validation.results(replace(PUBLISHED, figures=chosen), seeds=3)
    uniform, clustered = drawn.bands["uniform"], drawn.bands["clustered"]
    assert uniform.low <= drawn.simulated <= uniform.high
    assert uniform.low < uniform.mean < uniform.high
    assert clustered.mean > 1.05 * uniform.mean  # unequal filters fill the queues of some PEs and not of others
    assert fixed.bands == {}


@pytest.mark.slow
def test_skewed_filters_explain_what_uniform_masks_of_the_fully_connected_layers_miss():
    found = {}
    for effect in sensitivity.effects(PUBLISHED.only("eie")):
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
        PUBLISHED.only(name)


def test_metrics_over_several_runs_take_them_one_after_the_other():
    def run(cycles, dense_cycles, density):
        stack = {"busy": cycles, "index": cycles}
        total = {"cycles": cycles, "dense_cycles": dense_cycles, "pes": 4, "pe_cycle_stack": stack}
        total |= {"issued_macs": cycles, "fragmented_lanes": 3 * cycles, "multipliers": 16}
        return Run({"density": density}, {"total": total | {"speedup": dense_cycles / cycles}, "layers": []})

    runs = [run(100, 400, 0.2), run(300, 150, 0.8)]
    assert METRICS["speedup"](runs) == pytest.approx(550 / 400)
    assert METRICS["mean_speedup"](runs) == pytest.approx((4 + 0.5) / 2)
    assert METRICS["first_over_last"](runs) == pytest.approx(1 / 3)
    assert METRICS["first_half_over_last"]([*runs, run(200, 1, 1.0), run(600, 1, 1.0)]) == pytest.approx(400 / 800)
    assert METRICS["oracle_speedup"](runs) == pytest.approx(550 * 16 / 400)
    assert METRICS["busy_utilization"](runs) == pytest.approx(400 / 1600)  # three of a busy PE's four lanes are empty
    assert METRICS["utilization"](runs) == pytest.approx(400 / (16 * 400))  # and three of four PEs are idle
    assert METRICS["cycles_over_balance"](runs) == pytest.approx(4 * 400 / 800)
    assert METRICS["crossover_density"](runs[::-1]) == pytest.approx(0.6)
    assert math.isnan(METRICS["crossover_density"](runs[:1]))
    full = replace(runs[1], report={"total": runs[1].total | {"fragmented_lanes": 0}})
    assert METRICS["mean_busy_utilization"]([runs[0], full]) == pytest.approx((1 / 4 + 1) / 2)
    with pytest.raises(InputError, match="needs an even number of points, not 1"):
        METRICS["first_half_over_last"](runs[:1])


def test_metrics_of_several_machines_take_the_best_of_each_piece_of_work():
    def run(machine, layers, time_us, issued=1, **settings):
        total = {"time_us": time_us, "cycles": 10, "issued_macs": issued, "multipliers": 10}
        return Run({"layers": layers, **settings}, {"accelerator": {"name": machine}, "total": total})

    runs = [
        run("own", "a", 1.0, 50), run("other", "a", 8.0, 20, dataflow="weight"), run("other", "a", 2.0, 30),
        run("own", "b", 4.0, 100), run("other", "b", 32.0, 10), run("own", "b", 6.0, 80, pes=2),
    ]  # fmt: skip
    assert METRICS["geometric_speedup_over_best"](runs) == pytest.approx((2 * 8) ** 0.5)
    assert METRICS["mean_utilization"](runs[1:3]) == pytest.approx(0.25)
    assert METRICS["mean_best_utilization"]([runs[1], runs[2], runs[4]]) == pytest.approx((0.3 + 0.1) / 2)
    with pytest.raises(InputError, match="all that is run must run on two machines at least"):
        METRICS["geometric_speedup_over_best"](runs[:4])


def test_spilled_layers_are_counted_by_their_field_and_not_by_words():
    layers = [{"spills": True, "notes": []}, {"spills": False, "notes": ["nothing would spill"]}]
    assert METRICS["layers_spilled"]([Run({}, {"layers": layers}), Run({}, {"layers": layers[:1]})]) == 2


@pytest.mark.parametrize(("published", "code"), [(0.25, 0), (0.5, 1)])
def test_figures_of_ones_own_are_compared_and_the_command_fails_outside(cli, tmp_path, published, code):
    folder = own_figures(tmp_path, OWN.format(published=published))
    run = cli("validate", "--figures", folder, "--json", "--jobs", 1)
    assert run.code == code
    data = json.loads(run.out)
    (row,) = data["figures"]
    assert (row["machine"], row["goal"]) == ("scnn", 0.05)
    assert (row["verdict"], row["moved"]) == (("unexplained", "not recorded") if code else ("within", ""))
    assert row["deviation"] == pytest.approx(0.25 / published - 1, abs=0.01)
    assert data["dram"] == []


@pytest.mark.parametrize(
    ("change", "readings", "line"),
    [
        ("metric", "", "figures.toml: figure.0: metric = 'odd': must be one of speedup, utilization, "),
        ("kind", "", "figures.toml: figure 'rtl': kind = 'odd': known: rtl"),
        ("relative", "", "figures.toml: goals.rtl: relative = 'odd': must be a valid number"),
        ("colour", "", "figures.toml: figure.0: unknown key 'colour': "),
        ("study", "", "odd.toml: no such file"),
        ("where", "", "figures.toml: figure.0: where = 'odd': must be a valid dictionary"),
        ("", 'machine = "scn"\n', "readings.toml: machine = 'scn': did you mean 'scnn'?"),
        ("", 'machine = "scnn"\nchanges.queue_dept = 2\n', "readings.toml: unknown key 'queue_dept': did you mean"),
    ],
)
def test_wrong_figures_are_refused_with_one_clear_line(cli, tmp_path, change, readings, line):
    kept = [row for row in OWN.format(published=0.25).splitlines() if not (change and row.startswith(change))]
    odd = f'{change} = "odd"' if change else ""
    text = "\n".join([kept[0], kept[1], odd, *kept[2:]] if change == "relative" else [*kept, odd])
    rest = '[[reading]]\nparameter = "p"\nlabel = "l"\n' + ("" if "changes" in readings else "changes = {}\n")
    run = cli("validate", "--figures", own_figures(tmp_path, text, rest + readings if readings else ""))
    assert run.code == 2
    assert line in run.err
    assert len(run.err.splitlines()) == 1


def test_a_figure_that_picks_nothing_or_comes_twice_is_refused(tmp_path):
    text = OWN.format(published=0.25) + 'where = {workload = "vgg16"}\n'
    text += "[[figure]]" + OWN.format(published=0.25).partition("[[figure]]")[2]
    with pytest.raises(InputError) as error:
        FigureSet.read(own_figures(tmp_path, text))
    assert [line.partition("figures.toml: ")[2] for line in str(error.value).splitlines()] == [
        "figure 'rtl' is there twice",
        "figure 'rtl': where = {'workload': 'vgg16'} picks no point of its study",
    ]


def test_a_figure_picks_points_by_values_and_by_lists_of_them():
    figure = ODD.model_copy(update={"where": {"skip": ["both", "weights"], "density": 0.4}})
    assert figure.picks({"skip": "both", "density": 0.4, "seed": 0})
    assert not figure.picks({"skip": "activations", "density": 0.4})
    assert not figure.picks({"skip": "both", "density": 0.5})
    assert not figure.picks({"skip": "both"})


def test_a_crossover_needs_a_density():
    with pytest.raises(InputError, match="points must differ in their density"):
        METRICS["crossover_density"]([Run({}, {})])


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_dram_table_equals_the_simulator_that_it_models_on_every_row(cli):
    run = cli("validate", "--machine", "dram")
    assert run.code == 0
    assert run.out.count(" yes") == 80
    assert " NO" not in run.out
    assert "80 of 80 numbers equal Ramulator 2.1's" in run.out


def test_rows_of_each_share_their_tables_keys(tmp_path):
    text = (
        OWN.format(published=0.25)
        .replace('id = "rtl"\n', 'where = { layers = "fc7" }\n')
        .replace("published = 0.25\n", "")
    )
    text += 'each = [{ id = "a", published = 0.25 }, { id = "b", published = 0.5, where = { workload = "alexnet" } }]\n'
    one, other = FigureSet.read(own_figures(tmp_path / "own", text)).figures
    assert (one.id, one.published, one.where) == ("a", 0.25, {"layers": "fc7"})
    assert (other.id, other.published, other.where) == ("b", 0.5, {"layers": "fc7", "workload": "alexnet"})
    assert one.metric == other.metric == "utilization"


def test_a_goal_in_a_unit_is_for_figures_in_that_unit(tmp_path):
    text = OWN.format(published=0.25).replace("relative = 0.05\n", 'relative = 0.05\nabsolute = 0.5\nunit = "ms"\n')
    with pytest.raises(InputError, match="figure 'rtl': unit = 'of peak': goal 'rtl' is in ms"):
        FigureSet.read(own_figures(tmp_path / "own", text))


def test_points_that_no_figure_picks_are_not_simulated(monkeypatch):
    chosen = replace(PUBLISHED, figures=(FIGURES["scnn-vgg-conv1_1"],))
    asked = []
    monkeypatch.setattr(validation, "simulated", lambda places, *_: asked.extend(places) or {})
    with pytest.raises(KeyError):
        validation.measure(chosen)
    assert [place.values["layers"] for place in asked] == ["conv1_1"]
