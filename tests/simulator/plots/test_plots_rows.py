"""The data of every kind of plot of reports and rows, checked on figures drawn headless."""

import json

import numpy as np
import pytest

from dataflows.registry import create
from dataflows.schedule import Cause
from simulator import plots
from simulator.input_runs import NetworkFigures, spread_of
from simulator.network_simulation import simulate
from simulator.plots.data import by_run, density_column, layer_rows, rows_of, swept_columns, total_rows
from simulator.plots.files import chosen_rows, read_results
from simulator.plots.kinds.array import busy_grid, imbalance_curve, pe_loads
from simulator.plots.kinds.curves import points_of
from simulator.plots.kinds.roofline import layer_points, roof_of
from simulator.plots.names import machine_name
from simulator.plots.style import machine_styles
from simulator.reports.files import to_csv
from simulator.reports.front import pareto_front
from simulator.validation.figure_metrics import crossover
from tests.simulator.energy.counted_machine import CountedDcnn
from tests.simulator.plots.stacked_bars import heights_of
from tests.simulator.plots.sweep_rows import lines_of, sweep_row
from workloads.catalog import load_workload
from workloads.errors import InputError

STACK = [f"pe_cycle_stack.{cause.key}" for cause in Cause]


@pytest.fixture(scope="module")
def network_reports():
    workload = load_workload("blazepose").select("op0[12]*")
    reports = simulate([create(name, {}) for name in ("scnn", "dcnn", "ideal")], workload)
    # As if the one photograph were two inputs, for the kinds that show several.
    return [report.with_inputs(spread_of([NetworkFigures(report, workload)] * 2)) for report in reports]


@pytest.fixture(scope="module")
def reports(network_reports) -> list[dict]:
    return json.loads(json.dumps([report.to_dict() for report in network_reports]))


# Energy over sparsity is that of a sweep.
OF_REPORTS = [
    name
    for name, kind in plots.plot_kinds().items()
    if kind.source in ("totals", "reports") and name not in ("energy-sparsity", "sweep")
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", OF_REPORTS)
def test_reports_objects_and_json_draw_the_same(kind, network_reports, reports):
    drawn = plots.plot_kinds()[kind]
    if kind.startswith("energy"):
        network_reports = simulate([CountedDcnn()], load_workload("blazepose").select("op0[12]*"))
        reports = json.loads(json.dumps([report.to_dict() for report in network_reports]))
    first, second = plots.svg_text(drawn(network_reports)), plots.svg_text(drawn(reports))
    assert first == second
    assert all(axes.get_xlabel() or axes.get_ylabel() for axes in drawn(reports).axes)


def test_rows_of_reports_are_the_columns_of_the_csv(network_reports, reports):
    expected = [row for report in network_reports for row in report.rows()]
    assert [{k: row[k] for k in expected[0] if k in row} for row in rows_of(reports)] == [
        {k: row[k] for k in expected[0] if k in row} for row in expected
    ]
    assert len(total_rows(expected)) == 3
    assert swept_columns(expected) == []


def test_a_frame_draws_as_its_rows_do(sweep):
    pandas = pytest.importorskip("pandas")
    assert plots.svg_text(plots.speedup(pandas.DataFrame(sweep))) == plots.svg_text(plots.speedup(sweep))


def test_swept_columns_are_settings_that_differ(sweep):
    assert swept_columns(sweep) == ["density"]
    assert swept_columns([sweep_row("a", 1, 0, pe_rows=n) for n in (2, 4)]) == ["pe_rows"]
    assert density_column(sweep) == "density"
    assert density_column([sweep_row("a", 1, 0, **{"prune.density": n}) for n in (0.1, 0.2)]) == "prune.density"
    assert density_column(sweep[:1]) is None


def test_layers_stack_up_to_their_cycles(reports):
    figure = plots.layers(reports)
    for axes, report in zip(figure.axes, reports, strict=True):
        assert axes.get_title(loc="left") == machine_name(report["accelerator"]["name"])
        heights = np.sum(list(heights_of(axes).values()), axis=0)
        assert heights == pytest.approx([layer["cycles"] / 1000 for layer in report["layers"]])
    assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == [
        layer["name"] for layer in reports[0]["layers"]
    ]


def test_utilization_joins_means_over_seeds_and_bands_reach_all_of_them(sweep):
    figure = plots.utilization(sweep)
    lines = lines_of(figure)
    assert np.allclose(lines["SCNN"], [(0.2, 55), (0.6, 55), (0.8, 55)])
    assert lines["no slot lost"] == [(0, 100), (1, 100)]
    (band,) = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx((50, 60))
    assert np.allclose(lines_of(figure, 1)["SCNN"], [(0.2, 80), (0.6, 40), (0.8, 20)])
    assert figure.axes[0].get_xlabel() == "sparsity (1 - density)"


def test_without_a_sweep_every_layer_is_a_point_at_its_own_sparsity(reports):
    figure = plots.utilization(reports)
    cloud = next(c for c in figure.axes[0].collections)
    expected = sorted((1 - la["weight_density"], 100 * la["utilization"]) for la in reports[0]["layers"])
    assert np.allclose(sorted(cloud.get_offsets().tolist()), expected)
    assert figure.axes[0].get_xlabel() == "sparsity of weights (1 - density)"


def test_without_a_sweep_nothing_joins_layers_that_differ_in_more_than_density(reports):
    assert {name for name in lines_of(plots.utilization(reports)) if name != "no slot lost"} == set()
    assert list(lines_of(plots.speedup(reports)).values()) == [[(0, 1), (1, 1)]]  # where a speedup is none


def test_the_crossover_is_marked_where_speedup_is_one(sweep):
    figure = plots.speedup(sweep)
    lines = lines_of(figure)
    assert np.allclose(lines["SCNN"], [(0.2, 2.5), (0.4, 1.25), (0.8, 0.625)])
    (note,) = figure.axes[0].texts
    at = crossover(lines["SCNN"])[0]
    assert note.get_text() == f"1x at {at:.2f}"
    assert 0.4 < at < 0.8


def test_crossovers_need_a_change_of_side():
    assert crossover([(0.0, 2.0), (1.0, 0.5)]) == pytest.approx([0.5])
    assert crossover([(0.0, 2.0), (0.5, 1.0), (1.0, 0.5)]) == pytest.approx([0.5])
    assert crossover([(0.0, 2.0), (1.0, 1.0)]) == []
    assert crossover([(0.0, 2.0), (0.5, 1.0), (1.0, 2.0)]) == []


def test_missing_values_leave_no_point(sweep):
    rows = [*sweep, sweep_row("scnn", 0.9, 0, speedup=None), sweep_row("scnn", 0.95, 0, speedup=float("nan"))]
    assert [x for x, _ in points_of(rows, "density", "speedup")] == [0.2, 0.4, 0.8]


def test_the_heat_map_has_the_arrays_shape(reports):
    figure = plots.heatmap(reports)
    image = figure.axes[0].get_images()[0]
    expected = np.sum([layer["pe_busy_cycles"] for layer in reports[0]["layers"]], axis=0).reshape(8, 8)
    assert np.array_equal(image.get_array(), expected)
    assert expected.sum() == reports[0]["total"]["pe_cycle_stack"]["busy"]
    name = reports[0]["layers"][0]["name"]
    assert np.array_equal(busy_grid(reports[0], name).ravel(), reports[0]["layers"][0]["pe_busy_cycles"])
    assert [axes.get_title(loc="left").split(":")[0] for axes in figure.axes if axes.get_images()] == ["SCNN", "DCNN"]


def test_imbalance_curves_weigh_layers_by_cycles(reports):
    x, share = imbalance_curve([(2.0, 30), (1.5, 10), (4.0, 60)])
    assert x.tolist() == [1, 1.5, 2, 4]
    assert share == pytest.approx([0, 0.1, 0.4, 1])
    loads = pe_loads(reports[0])
    busy = [layer for layer in reports[0]["layers"] if any(layer["pe_busy_cycles"])]
    assert loads.shape == (64 * len(busy),)
    assert loads.mean() == pytest.approx(1)
    assert len(plots.imbalance(layer_rows(rows_of(reports))).axes) == 1, "rows do not know single PEs"
    assert len(plots.imbalance(reports).axes) == 2


def test_the_roofline_holds_every_layer_under_its_roof(reports):
    rows = layer_rows(rows_of(reports[:1]))
    roof, points = roof_of(rows), layer_points(rows)
    assert (roof.rate, roof.bandwidth_gbs) == (1024, 50)
    assert len(points) == sum(1 for la in reports[0]["layers"] if la["dram"]["read_bytes"] + la["dram"]["write_bytes"])
    for point in points:
        assert point.rate <= min(roof.rate, point.intensity * 50) * 1.000001
    figure = plots.roofline(reports)
    assert len(figure.axes) == 2, "the ideal machine moves no bytes"
    offsets = figure.axes[0].collections[0].get_offsets()
    assert np.allclose(offsets, [(point.intensity, point.rate) for point in points])


def test_the_pareto_front_is_what_nobody_beats():
    points = [(1.0, 9.0), (2.0, 5.0), (3.0, 5.0), (2.5, 4.0), (9.0, 9.0), (1.0, 9.0)]
    assert pareto_front(points, (False, False)) == [0, 1, 3]
    assert pareto_front(points, (True, True)) == [4]


def test_pareto_draws_runs_by_the_chosen_columns(sweep):
    lines = lines_of(plots.pareto(sweep, x="cycles", y="speedup"))
    assert sorted(lines["SCNN"]) == sorted((row["cycles"], row["speedup"]) for row in sweep)
    assert lines["Pareto front"] == [(200, 2.5)]
    assert "1: SCNN, density 0.2" in lines
    with pytest.raises(InputError, match=r"unknown column 'cycle': .*'?cycles"):
        plots.pareto(sweep, x="cycle")


def test_rows_cannot_draw_what_needs_every_pe(sweep):
    with pytest.raises(InputError, match="needs the JSON report"):
        plots.heatmap(sweep)


def test_several_runs_on_a_machine_have_no_single_bar_a_layer(reports):
    with pytest.raises(InputError, match="several runs on 'scnn'"):
        plots.layers([reports[0], reports[0]])


def test_the_command_draws_csv_and_passes_options_on(cli, tmp_path, sweep):
    (tmp_path / "s.csv").write_text(to_csv(sweep))
    assert cli("plot", tmp_path / "s.csv", "--kind", "speedup", "-o", tmp_path / "a.svg").code == 0
    arguments = ("--x", "cycles", "--y", "speedup", "-o", tmp_path / "b.svg")
    assert cli("plot", tmp_path / "s.csv", "--kind", "pareto", *arguments).code == 0
    assert "1x at" in (tmp_path / "a.svg").read_text()
    assert "Pareto front" in (tmp_path / "b.svg").read_text()


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("a,b\n1,2\n", (), "neither a JSON report nor a CSV of results: it has no column 'accelerator'"),
        ("accelerator,name\nx,y\n", ("--layer", "y"), "--layer: --kind causes does not know it"),
        ('{"traceEvents": []}', (), "not a report of prunesim: it has no 'schema'"),
    ],
)
def test_the_command_refuses_what_it_cannot_draw(cli, tmp_path, content, arguments, message):
    (tmp_path / "r.txt").write_text(content)
    result = cli("plot", tmp_path / "r.txt", "-o", tmp_path / "a.svg", *arguments)
    assert result.code == 2
    assert message in result.err


def test_a_missing_file_is_named(cli, tmp_path):
    result = cli("plot", tmp_path / "no.json", "-o", tmp_path / "a.svg")
    assert (result.code, result.err) == (2, f"prunesim: {tmp_path}/no.json: no such file\n")


def test_a_store_of_a_sweep_draws_totals_and_whole_reports(cli, tmp_path):
    store = tmp_path / "s.sqlite"
    sweep = ("sweep", "alexnet", "--layers", "conv3", "--on", "scnn", "--vary", "weight_density=0.3,0.9", "--jobs", 1)
    assert cli(*sweep, "--store", store).code == 0
    assert cli("plot", store, "--kind", "speedup", "-o", tmp_path / "speedup.svg").code == 0
    where = ("--where", "weight_density=0.9")
    assert cli("plot", store, "--kind", "imbalance", *where, "-o", tmp_path / "imbalance.svg").code == 0
    assert "choose with --where" in cli("plot", store, "--kind", "layers", "-o", tmp_path / "a.svg").err
    assert "density of weights" in (tmp_path / "speedup.svg").read_text()
    result = cli("plot", store, "--kind", "speedup", "--study", "no", "-o", tmp_path / "a.svg")
    assert (result.code, "no study 'no'" in result.err) == (2, True)


def test_twelve_machines_look_different_with_and_without_markers_and_without_colour():
    styles = machine_styles([f"m{n}" for n in range(12)])
    assert len({(s["color"], s["linestyle"]) for s in styles.values()}) == 13
    assert len({(s["marker"], s["linestyle"]) for s in styles.values()}) == 13


def test_other_swept_settings_have_lines_of_their_own_and_zipped_ones_have_not():
    rows = [sweep_row("scnn", d, 0, pe_rows=n, activation_density=d / 2) for d in (0.2, 0.8) for n in (4, 8)] + [
        sweep_row("dcnn", d, 0, pe_rows=None, activation_density=d / 2) for d in (0.2, 0.8)
    ]
    assert list(by_run(rows, "density")) == ["SCNN, PE rows 4", "SCNN, PE rows 8", "DCNN"]
    assert {"SCNN, PE rows 4", "SCNN, PE rows 8", "DCNN"} <= set(lines_of(plots.speedup(rows)))
    bars = plots.causes([row | dict.fromkeys(STACK, 1) | {"issued_macs": 1, "fragmented_lanes": 0} for row in rows])
    assert bars.axes[0].get_yticklabels()[0].get_text() == "SCNN, density 0.2, PE rows 4, density of activations 0.1"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("density", "--where density: must be COLUMN=VALUE"),
        ("dense=1", "--where dense=1: unknown column 'dense'"),
        ("density=1", "--where density=1: no such row; the values are 0.8, 0.2, 0.4"),
    ],
)
def test_rows_are_chosen_by_value(sweep, where, message):
    assert [row["seed"] for row in chosen_rows(sweep, ["density=0.2"])] == [0, 1]
    assert len(chosen_rows(sweep, ["density=0.2", "seed=1"])) == 1
    with pytest.raises(InputError) as error:
        chosen_rows(sweep, [where])
    assert message in str(error.value)


def test_what_only_begins_like_parquet_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.csv"
    path.write_bytes(b"PAR1,cycles\n1,2\n")
    with pytest.raises(InputError, match=r"rows.csv: not a Parquet file, or damaged: ") as caught:
        read_results(path)
    assert len(str(caught.value).splitlines()) == 1
