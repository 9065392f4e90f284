"""Figures of energy: their data, and that their texts can be read with few and with many machines and runs."""

from math import log

import numpy as np
import pytest
from matplotlib.figure import Figure

from simulator import plots
from simulator.plots.data import swept_columns
from simulator.plots.energy_parts import energies_of, part_styles
from simulator.plots.kinds.energy_curves import gated_ratios
from simulator.plots.kinds.energy_roofline import costs_of, layer_points
from simulator.plots.names import machine_name
from simulator.plots.style import Paper, on_paper, write_between_powers
from tests.simulator.plots.energy_rows import MACHINES, energy_row, layers_of, sweep_of
from tests.simulator.plots.geometry import require_readable
from tests.simulator.plots.stacked_bars import heights_of
from workloads.errors import InputError

DENSITIES = [0.1 * n for n in range(1, 11)]


def legend_of(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def widths_of(axes) -> dict[str, list[float]]:
    return {part.get_label(): [bar.get_width() for bar in part] for part in axes.containers}


@pytest.mark.parametrize("by", ["purposes", "components", "actions", "causes"])
def test_parts_add_up_to_the_energy_however_it_is_split(by):
    (parts,) = energies_of([energy_row()], by)
    assert sum(parts.values()) == 200
    assert (parts["DRAM: transfers"], parts["DRAM: refresh and standby"]) == (60, 50)
    assert parts.get("leakage", 0) == (10 if by in ("components", "actions") else 0)


def test_of_many_components_the_largest_stand_by_themselves_and_the_rest_is_one_part():
    many = {f"energy.components.part{n}": 10.0 + n for n in range(12)}
    row = {key: one for key, one in energy_row().items() if not key.startswith("energy.components.")} | many
    (parts,) = energies_of([row], "components")
    assert [part for part in parts if part.startswith("part")] == [f"part{n}" for n in range(4, 12)]
    assert parts["all others"] == 10 + 11 + 12 + 13
    assert len({(style["color"], style["hatch"]) for style in part_styles([parts]).values()}) == 8 + 1 + 1 + 2


def test_a_part_too_small_to_see_is_drawn_without_a_legend_entry():
    (parts,) = energies_of([energy_row(**{"energy.purposes.sparsity": 0.01, "energy.purposes.control": 0})], "purposes")
    styles = part_styles([parts])
    assert styles["sparsity"]["label"] == "_"
    assert "control" not in styles


def test_bars_hold_the_parts_in_joules_and_their_band_beside_the_total():
    figure = plots.energy([energy_row("scnn"), energy_row("dcnn", scale=2, energy_vs_dense=None)])
    (axes,) = figure.axes
    bars = widths_of(axes)
    assert bars["compute"] == pytest.approx([40e-12, 80e-12])
    assert np.sum(list(bars.values()), axis=0) == pytest.approx([200e-12, 400e-12])
    assert [text.get_text() for text in axes.texts] == ["200.00 pJ, 0.80x dense", "400.00 pJ"]
    (band,) = axes.collections
    assert [path.vertices[:, 0].tolist() for path in band.get_paths()] == [
        pytest.approx([150e-12, 260e-12]),
        pytest.approx([300e-12, 520e-12]),
    ]
    assert legend_of(figure) == ["compute", "storage", "sparsity", "DRAM: transfers", "DRAM: refresh and standby"]


def test_machines_whose_energy_is_not_modelled_are_named_and_not_drawn_as_nothing():
    bare = {"accelerator": "kgrc", "workload": "net", "name": "total", "cycles": 1}
    figure = plots.energy([energy_row(), bare])
    assert figure.axes[0].get_title("left") == "net: where the energy went, by purposes; not modelled: KGRC"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["SCNN"]
    text = "the results have no energy: it was not asked for, or is not modelled for these accelerators"
    for kind in (plots.energy, plots.energy_layers):
        with pytest.raises(InputError) as error:
            kind([bare, bare | {"name": "conv1"}])
        assert str(error.value) == text


def test_another_split_is_refused_with_the_nearest():
    with pytest.raises(InputError) as error:
        plots.energy([energy_row()], by="component")
    assert str(error.value) == "--by component: did you mean 'components'?"


def test_layers_stack_up_to_their_energy_with_one_colour_a_part():
    rows = layers_of(["scnn", "dcnn"], 3)
    figure = plots.energy_layers(rows, by="components")
    for axes, group in zip(figure.axes, (rows[:3], rows[3:]), strict=True):
        heights = np.sum(list(heights_of(axes).values()), axis=0)
        assert heights == pytest.approx([row["energy.total_pj"] * 1e-12 for row in group])
    first, second = ([part.get_facecolor() for part in axes.patches] for axes in figure.axes)
    assert first == second


def test_what_was_measured_of_energy_is_no_setting():
    rows = [energy_row(scale=scale, **{"energy.node_nm": node}) for scale, node in ((1, 45), (2, 22))]
    assert swept_columns(rows) == ["energy.node_nm"]


def test_energy_over_sparsity_joins_means_and_says_where_it_equals_the_dense_machines():
    rows = sweep_of(["scnn", "dcnn-opt"], [0.25, 0.75], seeds=(0, 1))
    for row in rows:
        if row["accelerator"] == "scnn":  # half of what DCNN-opt takes, and at the higher density twice as much
            row["energy.total_pj"] = 1e9 * (0.5 if row["density"] == 0.25 else 2)
        else:
            row |= {"energy.total_pj": 1e9, "energy_vs_dense": 0.9}
    figure = plots.energy_sparsity(rows)
    joules, dense, gated = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == ["energy", "over the dense baseline", "over DCNN-opt"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in joules.get_lines()}
    assert lines == {
        "SCNN: equal to dense at 0.47, DCNN-opt at 0.50": [[0.25, 2e-3], [0.75, 0.5e-3]],
        "DCNN-opt": [[0.25, 1e-3], [0.75, 1e-3]],
    }
    assert gated.get_lines()[0].get_ydata().tolist() == [2, 0.5]
    rings = [
        line.get_xydata().tolist() for axes in (dense, gated) for line in axes.get_lines() if len(line.get_xdata()) == 1
    ]
    assert rings == [[[pytest.approx(0.25 + 0.5 * log(1.25) / log(1.25 / 0.75)), 1]], [[pytest.approx(0.5), 1]]]


def test_partners_of_dcnn_opt_agree_in_what_was_varied_for_it():
    rows = [
        energy_row(machine, scale=scale, density=0.5, **{"energy.node_nm": node})
        for machine, scale, node in (("dcnn-opt", 2, 45), ("dcnn-opt", 1, 22), ("scnn", 3, 45), ("scnn", 3, 22))
    ]
    ratio = gated_ratios(rows, "density")
    assert [ratio(row) for row in rows] == [None, None, 1.5, 3]
    assert ratio(rows[2] | {"density": 0.6}) is None


def test_energy_over_sparsity_needs_a_sweep():
    with pytest.raises(InputError) as error:
        plots.energy_sparsity([energy_row()])
    assert str(error.value) == "the results have no energy over a swept column whose name ends in 'density'"


def test_the_roofline_of_energy_tells_transfers_from_all_else_and_loses_none():
    rows = layers_of(["scnn"], 9)
    points = layer_points(rows)
    costs = costs_of(points)
    assert points[0].intensity == 1
    assert points[0].transfer_pj == pytest.approx(60)
    assert points[0].other_pj == pytest.approx(140)
    for point, row in zip(points, rows, strict=True):
        assert point.total_pj * point.products == pytest.approx(row["energy.total_pj"])
    modelled = sum(costs.at(point.intensity) * point.products for point in points)
    assert modelled == pytest.approx(sum(row["energy.total_pj"] for row in rows))
    figure = plots.energy_roofline([*rows, energy_row(name="pool", effectual_macs=0)])
    assert "1 of 10 layers move or compute nothing" in figure.axes[0].get_title("left")
    drawn = figure.axes[0].collections[0].get_offsets()
    assert np.allclose(drawn, [(point.intensity, 1e-12 * point.total_pj) for point in points])


def test_a_third_column_sizes_the_points_and_joins_the_front():
    rows = [
        energy_row(machine, scale=scale, **{"area.total_mm2": area})
        for machine, scale, area in (("scnn", 1e9, 8.0), ("dcnn", 2e9, 2.0), ("eie", 3e9, 4.0))
    ]
    figure = plots.pareto(rows, x="time_us", y="energy.total_pj", z="area.total_mm2")
    (axes,) = figure.axes
    *clouds, rings = axes.collections
    assert [cloud.get_sizes()[0] for cloud in clouds] == [260, 80, 140]
    assert rings.get_offsets().tolist() == [[1e10, 2e11], [2e10, 4e11]]
    assert axes.get_title("left") == "size of points: area, mm² (less is better), 2 to 8"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (less is better)", "energy (less is better)")
    assert axes.yaxis.get_major_formatter()(2e11, 0) == "200 mJ"
    assert axes.xaxis.get_major_formatter()(1e4, 0) == "10 ms"


@pytest.mark.parametrize(
    ("most", "labels"), [(4, ["2", "3", "4"]), (100, ["2", "5", "20", "50"]), (10_000, [])], ids=str
)
def test_ticks_between_powers_of_ten_have_labels_where_there_is_room(most, labels):
    axes = Figure().subplots()
    axes.set_yscale("log")
    axes.set_ylim(1, most)
    write_between_powers(axes.yaxis, lambda at: f"{at:g}")
    texts = (text.get_text() for text in axes.get_yticklabels(minor=True) if 1 < text.get_position()[1] <= most)
    assert [text for text in texts if text] == labels


FIGURES = {
    "energy": lambda machines: plots.energy([energy_row(machine, scale=1e9) for machine in machines]),
    "components": lambda machines: plots.energy(
        [energy_row(machine, **{f"energy.components.{machine}_buffer": 99}) for machine in machines], by="components"
    ),
    "layers": lambda machines: plots.energy_layers(layers_of(machines, 5)),
    "sparsity": lambda machines: plots.energy_sparsity(sweep_of(machines, DENSITIES)),
    "roofline": lambda machines: plots.energy_roofline(layers_of(machines, 5)),
    "pareto": lambda machines: plots.pareto(
        [energy_row(machine, scale=1e9 * 2**place) for place, machine in enumerate(machines)],
        x="time_us", y="energy.total_pj", z="area.total_mm2",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5, 14])
@pytest.mark.parametrize("figure", FIGURES)
def test_texts_of_figures_of_few_and_of_many_machines_can_be_read(figure, count):
    machines = MACHINES[:count]
    texts = " ".join(require_readable(FIGURES[figure](machines)))
    assert all(machine_name(machine) in texts for machine in machines)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("figure", FIGURES)
def test_texts_in_a_column_of_a_paper_can_be_read(figure, count):
    with on_paper(Paper(3.4)):
        drawn = FIGURES[figure](MACHINES[:count])
    require_readable(drawn)


RUNS = {
    "energy": plots.energy,
    "sparsity": lambda rows: plots.energy_sparsity(rows + [row | {"density": 1.0} for row in rows]),
    "pareto": lambda rows: plots.pareto(rows, x="time_us", y="energy.total_pj", z="area.total_mm2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, 64])
@pytest.mark.parametrize("figure", RUNS)
def test_texts_of_figures_of_few_and_of_many_runs_can_be_read(figure, count):
    rows = [
        energy_row(
            scale=1e7 * (2 + run), density=0.5, queue_depth=run, accumulator_banks=2 * run, energy_vs_dense=0.5 + run
        )
        for run in range(count)
    ]
    require_readable(RUNS[figure](rows))


@pytest.mark.slow
def test_texts_of_a_network_of_many_layers_can_be_read():
    require_readable(plots.energy_layers(layers_of(["scnn", "dcnn"], 200)))
