"""`--baseline` of compare, plot and report: one machine's run, or a stored one, named wherever it is shown."""

import csv
import io
import json

import pytest

from simulator.plots.kinds.causes import causes
from simulator.plots.kinds.curves import speedup
from simulator.plots.kinds.pareto import pareto

COMPARE = ("compare", "examples/tiny.toml", "--layers", "conv*", "--no-energy", "--on")


@pytest.fixture
def stored(cli, tmp_path):
    file = tmp_path / "stored.json"
    assert cli(*COMPARE, "scnn,dcnn", "--json", file).code == 0
    return file


def totals(text):
    return {report["accelerator"]["name"]: report["total"] for report in json.loads(text)["reports"]}


def test_a_machine_that_is_not_compared_runs_the_same_layers_and_has_no_row(cli):
    both = totals(cli(*COMPARE, "scnn,dcnn", "--json", "-").out)
    alone = totals(cli(*COMPARE, "scnn", "--baseline", "dcnn", "--json", "-").out)
    assert list(alone) == ["scnn"]
    assert alone["scnn"]["speedup_over_baseline"] == both["dcnn"]["time_us"] / both["scnn"]["time_us"]
    assert "speedup_over_baseline" not in both["scnn"]


def test_a_machine_of_the_list_is_its_own_baseline(cli):
    result = cli(*COMPARE, "scnn,dcnn", "--baseline", "dcnn")
    assert "and speedup over dcnn" in " ".join(result.out.split())  # a long title takes two lines
    assert "over dcnn: in time, on the same layers." in result.out
    assert (
        totals(cli(*COMPARE, "scnn,dcnn", "--baseline", "dcnn", "--json", "-").out)["dcnn"]["speedup_over_baseline"]
        == 1
    )


def test_a_stored_report_and_rows_name_it(cli, stored):
    result = cli(*COMPARE, "systolic", "--baseline", f"{stored}:dcnn", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert {row["baseline"] for row in rows} == {"dcnn of stored.json"}
    dcnn = next(
        report for report in json.loads(stored.read_text())["reports"] if report["accelerator"]["name"] == "dcnn"
    )
    times = [layer["time_us"] for layer in (*dcnn["layers"], dcnn["total"])]
    assert [float(row["speedup_over_baseline"]) * float(row["time_us"]) for row in rows] == pytest.approx(times)


def test_other_zeros_are_told(cli, stored):
    result = cli(*COMPARE, "scnn", "--prune", "unstructured:density=0.1", "--baseline", f"{stored}:dcnn")
    assert result.code == 0
    assert "note: baseline 'dcnn of stored.json' ran with other densities of weights" in result.err


@pytest.mark.parametrize("baseline", ["nobody", "eie"])
def test_what_cannot_be_a_baseline_is_refused_in_one_line(cli, baseline):
    result = cli(*COMPARE, "scnn", "--baseline", baseline)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"prunesim: --baseline {baseline}: ")


def test_the_report_page_names_it(cli, stored, tmp_path):
    page = tmp_path / "page.html"
    assert cli("report", stored, "--baseline", "dcnn", "-o", page).code == 0
    assert ">Totals, and speedup over dcnn</h2>" in page.read_text()
    assert "<th>over dcnn</th>" in page.read_text()
    assert cli("report", stored, "-o", page).code == 0
    assert "over dcnn" not in page.read_text()


def test_plots_draw_it_and_name_it_in_their_titles(cli, stored, tmp_path):
    assert cli("plot", stored, "--baseline", "dcnn", "-o", tmp_path / "causes.svg").code == 0
    over = tmp_path / "over.json"
    assert cli(*COMPARE, "scnn,dcnn", "--baseline", "dcnn", "--json", over).code == 0
    reports = json.loads(over.read_text())["reports"]
    (axes,) = causes(reports).axes
    assert axes.get_title("left").endswith("and speedup over DCNN")
    assert any("speedup 1.00" in text.get_text() for text in axes.texts)
    (axes,) = speedup(reports).axes
    assert axes.get_title("left") == axes.get_ylabel() == "speedup over DCNN"
    (axes,) = pareto(reports, y="speedup_over_baseline").axes
    assert axes.get_title("left") == "speedup over DCNN"


def test_what_shows_no_speedup_takes_no_baseline(cli, stored, tmp_path):
    result = cli("plot", stored, "--kind", "gantt", "--baseline", "dcnn", "-o", tmp_path / "gantt.svg")
    assert (result.code, result.err) == (2, "prunesim: --baseline: --kind gantt shows no speedups\n")
