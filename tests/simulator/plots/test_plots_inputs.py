"""The figure of several inputs: its data, what it marks, and what it refuses."""

import json

import pytest

from dataflows.registry import create
from simulator import plots
from simulator.input_runs import simulate_inputs
from simulator.plots.kinds.inputs import deviations
from workloads.catalog import load_workload
from workloads.errors import InputError


@pytest.fixture(scope="module")
def reports():
    workload = load_workload("alexnet@scnn").select("conv[345]")
    return simulate_inputs([create("scnn"), create("cambricon-x")], workload, 3)


def test_deviations_by_hand():
    assert deviations([90, 100, 110]).tolist() == pytest.approx([-10, 0, 10])
    assert deviations([0, 0]).tolist() == [0, 0]


@pytest.mark.parametrize("measure", ["cycles", "load_imbalance", "dram_bytes", "activation_density"])
def test_every_input_of_every_layer_is_a_dot_and_the_first_is_marked(reports, measure):
    figure = plots.inputs(reports, measure=measure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "AlexNet, densities of SCNN on SCNN: 3 inputs", "AlexNet, densities of SCNN on Cambricon-X: 3 inputs",
    ]  # fmt: skip
    for axes, report in zip(figure.axes, reports, strict=True):
        rows = [*report.inputs.layers, report.inputs.total]
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        wanted = [deviations(getattr(row, measure).values).tolist() for row in rows]
        assert [list(line.get_ydata()) for line in dots] == wanted
        (firsts,) = (line for line in axes.lines if line.get_label() == "input 0")
        assert list(firsts.get_ydata()) == [one[0] for one in wanted]


def test_panels_of_the_same_layers_share_their_names(reports):
    top, bottom = plots.inputs(reports).axes
    assert [text.get_text() for text in bottom.get_xticklabels()] == ["conv3", "conv4", "conv5", "total"]
    assert not any(text.get_visible() for text in top.get_xticklabels())
    assert top.get_ylim() == bottom.get_ylim(), "a machine that inputs do not touch looks like one"


def test_more_inputs_than_dots_can_tell_apart_are_a_box(reports):
    data = json.loads(json.dumps([report.to_dict() for report in reports]))
    spread = data[0]["inputs"]
    spread["count"] = 21
    for row in (*spread["layers"], spread["total"]):
        row["cycles"]["values"] = list(range(100, 121))
    (axes, _) = plots.inputs(data).axes
    assert len(axes.patches) == 4
    quartiles = axes.patches[0].get_path().vertices[:, 1]
    assert [quartiles.min(), quartiles.max()] == pytest.approx([100 * -5 / 110, 100 * 5 / 110])
    (firsts,) = (line for line in axes.lines if line.get_label() == "input 0")
    assert list(firsts.get_ydata()) == pytest.approx([100 * -10 / 110] * 4)


def test_what_cannot_be_drawn(reports, cli, tmp_path):
    with pytest.raises(InputError) as fault:
        plots.inputs(reports, measure="time")
    assert str(fault.value) == (
        "measure = 'time': must be one of: cycles, load_imbalance, dram_bytes, activation_density"
    )
    assert cli("run", "alexnet@scnn", "--layers", "conv5", "--on", "ideal", "--json", tmp_path / "r.json").code == 0
    done = cli("plot", tmp_path / "r.json", "--kind", "inputs", "-o", tmp_path / "o.svg")
    assert (done.code, done.err) == (
        2, "prunesim: the results hold a single input: run or compare with --inputs N to draw several\n",
    )  # fmt: skip
    assert not (tmp_path / "o.svg").exists()


def test_the_command_draws_what_run_wrote(cli, tmp_path):
    run = (
        "run",
        "alexnet@scnn",
        "--layers",
        "conv[45]",
        "--on",
        "scnn",
        "--inputs",
        "3",
        "--json",
        tmp_path / "r.json",
    )
    assert cli(*run).code == 0
    drawn = cli(
        "plot", tmp_path / "r.json", "--kind", "inputs", "--measure", "load_imbalance", "-o", tmp_path / "o.svg"
    )
    assert drawn.code == 0
    assert "load imbalance," in (tmp_path / "o.svg").read_text()


@pytest.mark.slow
def test_the_report_page_shows_several_inputs_and_says_nothing_of_one(reports, cli, tmp_path):
    for name, data in (
        ("several", [one.to_dict() for one in reports]),
        ("one", [reports[0].with_inputs(None).to_dict()]),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"schema": data[0]["schema"], "reports": data}))
        assert cli("report", tmp_path / f"{name}.json", "-o", tmp_path / f"{name}.html").code == 0
    assert '<figure id="inputs"><svg' in (tmp_path / "several.html").read_text()
    assert '<figure id="inputs">' not in (tmp_path / "one.html").read_text()
