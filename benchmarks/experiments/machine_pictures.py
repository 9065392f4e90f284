"""Pictures of docs/machine_comparison.md: machines of one size on networks, and over density."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.experiments import machines as at_one_size
from simulator.plots.style import IDEAL, legend_below, machine_styles, new_figure, panel_grid, save, scale_log

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
_ONE, _BOTH = 2.0, 20.0
"""Products of the dense baseline over a machine's at a tenth of both operands: 1 without skipping, 10 with zeros of one
operand skipped, 100 with those of both; bounds between them."""
_GROUPS = ("zeros cost as much as other values", "zeros of one operand skipped", "zeros of both operands skipped")


def save_all(folder: str) -> None:
    """Draw both pictures into the documents' folder."""
    save(on_networks(folder), IMAGES / "machine_comparison.svg")
    save(over_density(), IMAGES / "machine_densities.svg")
    save(over_density(at_one_size.UNHURRIED), IMAGES / "machine_densities_unhurried.svg")


def _scale(axes: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis of factors, which are written as they are."""
    scale_log(axes, which, 2)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda at, _: f"{at:g}")


def on_networks(folder: str) -> Figure:
    """Speedup over the common machine: a row a machine, the fastest above, a mark a network."""
    found = at_one_size.order(folder)
    means = at_one_size.means(found)
    names = sorted(means, key=lambda name: (means[name], name))
    styles = machine_styles(found)
    with new_figure(7.2, 1.2 + 0.23 * len(names)) as figure:
        axes = figure.subplots()
        for network, speedups in found.items():
            places = [place for place, name in enumerate(names) if name in speedups]
            style: dict[str, Any] = styles[network] | {"linestyle": "", "markersize": 5, "alpha": 0.85}
            axes.plot([speedups[names[place]] for place in places], places, label=network, **style)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        _scale(axes, "x")
        axes.set_xlabel(f"speedup over {at_one_size.COMMON} of the same size")
        axes.grid()
        legend_below(figure, axes)
        return figure


def over_density(size: str = at_one_size.SIZE) -> Figure:
    """Speedup over the common machine against density, a panel for each kind of skipping."""
    rows = at_one_size.at_densities(size)
    speedups = {density: at_one_size.over_common(found) for density, found in rows.items()}
    sparsest = rows[at_one_size.DENSITIES[0]]
    groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for name, row in sparsest.items():
        if name != IDEAL:
            skipped = row["speedup_factors.skipped"]
            groups[_GROUPS[(skipped > _ONE) + (skipped > _BOTH)]].append(name)
    with new_figure(11.0, 5.6) as figure:
        for axes, (group, names) in zip(panel_grid(figure, len(groups), sharey=True), groups.items(), strict=True):
            shown = [*names, *([IDEAL] if IDEAL in sparsest else [])]
            styles = machine_styles(shown)
            for name in shown:
                values = [speedups[density][name] for density in at_one_size.DENSITIES]
                axes.plot(at_one_size.DENSITIES, values, label=name, markersize=4, **styles[name])
            axes.set_title(group)
            axes.set_xlabel("density of weights and activations")
            _scale(axes, "y")
            axes.grid()
            axes.legend(fontsize=7, loc="upper right")
        figure.axes[0].set_ylabel(f"speedup over {at_one_size.COMMON} of the same size")
        return figure
