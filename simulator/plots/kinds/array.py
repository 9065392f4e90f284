"""The PE array: who was busy, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from simulator.plots.data import Data, by_machine, layer_rows, reports_of, require_single_runs, rows_of, value
from simulator.plots.kind import kind
from simulator.plots.names import machine_name, workload_name
from simulator.plots.style import (
    grid_columns,
    is_narrow,
    legend_below,
    machine_styles,
    new_figure,
    panel_grid,
    scale_log,
    wrap_to_paper,
)
from workloads.errors import InputError, nearest
from workloads.whole_numbers import ceil_div

_WIDE_IMBALANCE = 4  # beyond it the axis is logarithmic
_LONGEST = 4  # an array longer than this, in widths, is drawn as if it were this long
_MOST_LABELLED = 10  # PEs in a row whose shares still fit into their squares


@kind("heatmap", "busy cycles of every PE, of JSON reports", options={"layer": "Only this layer."}, source="reports")
def heatmap(data: Data, layer: str | None = None) -> Figure:
    """Busy cycles of every PE on the array's real shape, summed over the layers or of one; a panel a machine.

    Machines of a single PE are left out where others are there.
    """
    reports = reports_of(data)
    require_single_runs(layer_rows(rows_of(data)))
    # One PE has nobody to be uneven with.
    reports = [one for one in reports if any(layer["pes"] > 1 for layer in one["layers"])] or reports
    grids = [busy_grid(report, layer) for report in reports]
    columns = grid_columns(len(reports))
    with new_figure(max(3.9, 3.4 * columns), 0.4 + 2.9 * ceil_div(len(reports), columns)) as figure:
        for axes, report, grid in zip(panel_grid(figure, len(reports)), reports, grids, strict=True):
            image = axes.imshow(grid, cmap="cividis", vmin=0, aspect="auto")
            # Height over width, held between 1/4 and 4: an array of one row of 64 PEs would be a line.
            axes.set_box_aspect(min(max(grid.shape[0] / grid.shape[1], 1 / _LONGEST), _LONGEST))
            figure.colorbar(image, ax=axes, label="busy cycles", shrink=0.7, format=EngFormatter(sep=""))
            cycles = sum(chosen["cycles"] for chosen in _chosen(report, layer))
            if max(grid.shape) <= _MOST_LABELLED and cycles:
                _label_squares(axes, grid, cycles)
            axes.spines[:].set_visible(False)
            for axis, length in ((axes.xaxis, grid.shape[1]), (axes.yaxis, grid.shape[0])):
                axis.set_ticks(range(0, length, max(1, ceil_div(length, 8))))
            axes.set_title(
                f"{machine_name(report['accelerator']['name'])}: {100 * grid.mean() / max(cycles, 1):.0f} % busy"
            )
            axes.set_xlabel("PE column")
            axes.set_ylabel("PE row")
        labelled = "; numbers: % of cycles" if any(max(grid.shape) <= _MOST_LABELLED for grid in grids) else ""
        figure.suptitle(
            f"{workload_name(reports[0]['workload']['name'])}, {layer or 'all layers'}{labelled}", fontsize=10
        )
        return figure


def busy_grid(report: Mapping[str, Any], layer: str | None = None) -> np.ndarray:
    """int64 (rows, columns): busy cycles of each PE. Raises `InputError` when layers use arrays of several shapes."""
    chosen = _chosen(report, layer)
    shapes = {tuple(one["pe_grid"]) for one in chosen}
    if len(shapes) > 1:
        raise InputError(f"{report['accelerator']['name']}: the shape of the array differs between layers: choose one")
    # (layers, PEs), row-major; summed over layers, then laid out as the array.
    busy = np.array([one["pe_busy_cycles"] for one in chosen], np.int64)
    return busy.sum(axis=0).reshape(shapes.pop())


@kind("imbalance", "how unevenly work falls on layers and PEs", source="reports")
def imbalance(data: Data) -> Figure:
    """How unevenly work falls: left the load imbalance of layers, right (from JSON reports) each PE's load.

    Left, a curve reaches y at x when layers with y percent of the cycles have a load imbalance of at most x.
    Right, boxes hold the middle half of (PE, layer) pairs, whiskers reach from the 5th to the 95th percentile.
    """
    groups = by_machine(layer_rows(rows_of(data)))
    if not groups:
        raise InputError("the results have no layers to draw")
    require_single_runs(row for rows in groups.values() for row in rows)
    try:
        # Rows of a table have no figures of single PEs: of these the left half is drawn alone.
        loads = {report["accelerator"]["name"]: pe_loads(report) for report in reports_of(data)}
    except InputError:
        loads = {}
    count, narrow = 2 if loads else 1, is_narrow()
    with new_figure(8.6 if loads else 4.6, 3.6 * count if narrow else 3.8) as figure:
        panels = figure.subplots(*((count, 1) if narrow else (1, count)), squeeze=False).flat
        styles = machine_styles(groups)
        for machine, rows in groups.items():
            x, share = imbalance_curve([(value(r, "load_imbalance") or 1.0, value(r, "cycles") or 0.0) for r in rows])
            style = styles[machine] | {"marker": ""}
            panels[0].step(x, 100 * share, where="post", label=machine_name(machine), linewidth=1.6, **style)
        if panels[0].dataLim.x1 > _WIDE_IMBALANCE:
            scale_log(panels[0], "x", 2)
            panels[0].xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        panels[0].set_xlabel(wrap_to_paper("load imbalance of a layer (busiest PE / mean PE)", 1.4, 9))
        panels[0].set_ylabel(
            "share of cycles in such\nlayers or better, %" if narrow else "share of cycles in such layers or better, %"
        )
        panels[0].set_title("layers")
        panels[0].set_ylim(0, 103)
        panels[0].grid()
        if loads:
            _load_boxes(panels[1], loads)
        legend_below(figure, panels[0])
        return figure


def imbalance_curve(layers: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """From (imbalance, cycles) of layers: imbalances in rising order, and the share of cycles up to each."""
    # (layers, 2): imbalance and cycles. Layers are weighed by cycles, for a tiny one's imbalance costs little.
    # Example: 30 cycles at an imbalance of 1.2 and 10 at 2 give a curve through (1, 0), (1.2, 0.75) and (2, 1).
    ordered = np.array(sorted(layers))
    total = ordered[:, 1].sum()
    share = np.cumsum(ordered[:, 1]) / total if total else np.ones(len(ordered))
    # The curve begins at imbalance 1, the best there is, with no share of the cycles.
    return np.concatenate(([1.0], ordered[:, 0])), np.concatenate(([0.0], share))


def pe_loads(report: Mapping[str, Any]) -> np.ndarray:
    """Busy cycles of every PE in every layer over the mean PE of that layer; layers without work are left out."""
    # Each layer over its own mean, so that long layers do not hide how short ones are spread.
    busy = [np.asarray(layer["pe_busy_cycles"], np.float64) for layer in report["layers"]]
    return np.concatenate([one / one.mean() for one in busy if one.any()] or [np.zeros(0)])


def _load_boxes(axes: Axes, loads: Mapping[str, np.ndarray]) -> None:
    axes.boxplot(
        list(loads.values()),
        orientation="horizontal",
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "#56B4E9", "edgecolor": "black"},
        medianprops={"color": "black", "linewidth": 1.6},
    )
    axes.set_yticks(range(1, len(loads) + 1), list(map(machine_name, loads)))
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1.0, linestyle=":")
    axes.set_xlim(left=0)
    axes.set_xlabel(wrap_to_paper("busy cycles of a PE / mean PE of the layer", 1.4, 9))
    axes.set_title("processing elements")
    axes.grid(axis="x")


def _label_squares(axes: Axes, grid: np.ndarray, cycles: int) -> None:
    # The colour map is dark at its low end, where black digits could not be read.
    bright = grid.max() / 2
    for (row, column), busy in np.ndenumerate(grid):
        colour = "black" if busy > bright else "white"
        axes.text(column, row, f"{100 * busy / cycles:.0f}", ha="center", va="center", fontsize=6.5, color=colour)


def _chosen(report: Mapping[str, Any], layer: str | None) -> list[Mapping[str, Any]]:
    if layer is None:
        return report["layers"]
    names = [one["name"] for one in report["layers"]]
    if layer not in names:
        raise InputError(f"unknown layer '{layer}': {nearest(layer, names)}")
    return [report["layers"][names.index(layer)]]
