"""Curves over any setting, fronts of two measures, and figures for paper of any size."""

import re

import pytest

from simulator import plots
from simulator.reports.files import to_csv
from tests.simulator.plots.geometry import require_readable
from tests.simulator.plots.sweep_rows import lines_of, sweep_row
from workloads.errors import InputError


@pytest.mark.parametrize(
    ("x", "y", "front", "stairs"),
    [
        ("cycles", "time_us", [(1, 9), (3, 4), (7, 2)], [(1, 9), (3, 9), (3, 4), (7, 4), (7, 2)]),
        ("cycles", "utilization", [(1, 2), (3, 4)], [(1, 2), (3, 2), (3, 4)]),
        ("utilization", "cycles", [(1, 2), (3, 4)], [(1, 2), (1, 4), (3, 4)]),
        ("utilization", "speedup", [(1, 4), (3, 2)], [(1, 4), (1, 2), (3, 2)]),
    ],
)
def test_a_front_is_stairs_on_which_every_place_is_reached_by_a_run(x, y, front, stairs):
    rows = [sweep_row("scnn", 0.1 * place, 0, **{x: a, y: b}) for place, (a, b) in enumerate(front, 1)]
    assert lines_of(plots.pareto(rows, x=x, y=y))["Pareto front"] == stairs


def test_a_sweep_draws_any_measure_over_any_setting(sweep):
    rows = [row | {"depth": depth, "rows": 2 * depth} for depth in (0, 2, 16) for row in sweep]
    figure = plots.sweep(rows, x="depth", y="utilization")
    lines = lines_of(figure)
    # A zero among powers of two: values stand side by side. Curves of a density each, means over two seeds.
    assert lines["SCNN, density 0.2"] == [(0, pytest.approx(0.55)), (1, pytest.approx(0.55)), (2, pytest.approx(0.55))]
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "2", "16"]
    assert axes.get_xlabel() == "depth\n(with rows 0, 4, 32)"
    assert len(axes.collections) == 3  # bands over seeds
    require_readable(figure)
    with pytest.raises(InputError, match=r"--x cycles: not swept; choose --x of: density, depth, rows"):
        plots.sweep(rows, x="cycles")
    with pytest.raises(InputError, match="--kind sweep: no setting differs between the results"):
        plots.sweep(sweep[:1])


def test_a_sweep_over_names_and_over_a_wide_range(sweep):
    words = [row | {"mode": mode} for mode in ("row_hit", "first_ready") for row in sweep[:1]]
    assert lines_of(plots.sweep(words))["SCNN"] == [(0, 800), (1, 800)]
    wide = [row | {"banks": banks} for banks in (1, 4, 64) for row in sweep[:1]]
    figure = plots.sweep(wide, x="banks")
    assert figure.axes[0].get_xscale() == "log"
    assert [x for x, _ in lines_of(figure)["SCNN"]] == [1, 4, 64]


def test_a_figure_is_made_for_the_paper_it_goes_into(cli, tmp_path, sweep):
    (tmp_path / "s.csv").write_text(to_csv(sweep))
    drawn = {}
    for name, options in {
        "own": (),
        "column": ("--column", "--height", "3"),
        "small": ("--column", "--height", "3", "--font-size", "6"),
    }.items():
        file = tmp_path / f"{name}.svg"
        assert cli("plot", tmp_path / "s.csv", "--kind", "speedup", *options, "--title", "T w o", "-o", file).code == 0
        drawn[name] = file.read_text()
    assert all("T w o" in text for text in drawn.values())
    assert 'width="244.8pt" height="216pt"' in drawn["column"]  # 3.4 and 3 inches
    assert 'width="244.8pt" height="216pt"' in drawn["small"]
    assert 'width="244.8pt"' not in drawn["own"]
    sizes = {name: {float(size) for size in re.findall(r"font: ([\d.]+)px", text)} for name, text in drawn.items()}
    assert sizes["small"] == {pytest.approx(size * 6 / 9) for size in sizes["own"]}
    both = cli("plot", tmp_path / "s.csv", "--column", "--width", "5", "-o", tmp_path / "x.svg")
    assert (both.code, both.err) == (2, "prunesim: --column and --width: give one of them\n")
