"""Published figures: each within its tolerance, through the table that `prunesim validate` prints."""

import json

import pytest

from dataflows.registry import machines
from simulator import validation
from simulator.command import main
from simulator.validation import Figure, Result
from workloads.errors import InputError

FIGURES = validation.figures()


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_figure(figure):
    (result,) = validation.measure([figure])
    assert result.inside, f"{result.simulated:.5g} {figure.unit}, {result.deviation:+.2%} from {figure.published}"


def test_every_figure_names_a_machine_a_metric_and_a_source():
    assert len({figure.id for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert figure.machine in machines()
        assert figure.metric in validation.METRICS
        assert figure.source
        assert figure.how


def test_a_deviation_beyond_the_tolerance_is_outside():
    figure = Figure("f", "scnn", "w", "speedup", "x", 2.0, 0.05, "s", "h")
    assert Result(figure, 2.1).inside
    assert not Result(figure, 2.101).inside
    assert not Result(figure, 1.899).inside


@pytest.mark.parametrize(
    ("machine", "line"),
    [
        ("snn", "unknown accelerator 'snn': did you mean 'scnn'?"),
        ("ideal", "accelerator 'ideal' has no published figure; "),
    ],
)
def test_a_machine_without_figures_is_refused(machine, line):
    with pytest.raises(InputError, match=line.replace("?", r"\?")):
        validation.figures(machine)


def test_the_command_prints_and_fails_when_a_figure_is_outside(capsys, monkeypatch):
    figure = Figure("odd", "ideal", "blazepose", "utilization", "of peak", 0.5, 0.05, "nobody", "h", layers="op010*")
    monkeypatch.setattr(validation, "figures", lambda _: [figure])
    with pytest.raises(SystemExit) as stop:
        main(["validate", "--machine", "ideal", "--json"])
    assert stop.value.code == 1
    (row,) = json.loads(capsys.readouterr().out)["figures"]
    assert row["inside"] is False
    assert row["deviation"] > 0.9


def test_the_dram_table_agrees_on_every_row(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["validate", "--machine", "dram"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert out.count(" yes") == 80
    assert " NO" not in out
