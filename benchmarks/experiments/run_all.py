"""Run every study of this folder into one store, and draw each.

    python -m benchmarks.experiments.run_all [--store FILE] [--figures FOLDER] [--jobs N]

Stop at any moment and run again: only what is missing is computed.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from simulator import plots
from simulator.plots.style import legend_below, machine_styles, new_figure, save, scale_log
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.workers import Workers
from simulator.terminal.progress import progress
from simulator.terminal.studies import print_study

FOLDER = Path(__file__).parent
STUDIES = sorted(FOLDER.glob("*.toml"))
Rows = list[dict]


def curve(x: str, x_title: str, by: str, *, log: bool = False) -> Callable[[Rows], Figure]:
    """Cycles against a parameter, relative to the fewest; a line a value of another parameter, bands over seeds."""

    def draw(rows: Rows) -> Figure:
        places = list(dict.fromkeys(row[x] for row in rows))
        best = min(row["cycles"] for row in rows)
        with new_figure(5.6, 3.8) as figure:
            axes = figure.subplots()
            styles = machine_styles(str(row[by]) for row in rows)
            for line in dict.fromkeys(row[by] for row in rows):
                groups = [[r["cycles"] / best for r in rows if (r[x], r[by]) == (place, line)] for place in places]
                style, at = styles[str(line)], range(len(places))
                label = line if isinstance(line, str) else f"{by} = {line}"
                axes.plot(at, [fmean(group) for group in groups], label=label, **style)
                low, high = [min(group) for group in groups], [max(group) for group in groups]
                axes.fill_between(at, low, high, color=style["color"], alpha=0.2, linewidth=0)
            axes.set_xticks(range(len(places)), [f"{place:,}" if isinstance(place, int) else place for place in places])
            axes.set(xlabel=x_title, ylabel="cycles, relative to the fewest")
            if log:
                scale_log(axes, "y")
            else:
                axes.set_ylim(bottom=0)
            axes.grid()
            legend_below(figure, axes)
            return figure

    return draw


FIGURES: dict[str, Callable[[Rows], Figure]] = {
    "bank_queues": curve("queue_depth", "products that wait before a bank", "bank_hash"),
    "buffer_size": curve("iaram_bytes", "input RAM and output RAM of a PE, bytes each", "accelerator"),
    "cambricon_x_over_sparsity": plots.speedup,
    "channel_group": curve("output_channel_group", "Kc, output channels accumulated together", "accelerator"),
    "dram_channels": curve("dram.channels", "DRAM channels", "dram.standard"),
    "filter_balance": curve("arrays", "arrays, 1,024 multipliers in all", "reconfigurable"),
    "machines_at_equal_size": curve("density", "density of weights and activations", "accelerator", log=True),
    "pe_granularity": curve("pe_rows", "rows and columns of PEs, 1,024 multipliers in all", "accelerator"),
    "prunings_at_equal_size": plots.causes,
    "scnn_against_dcnn": plots.speedup,
    "selector_width": curve("window", "neurons that a selector chooses from (window)", "accelerator"),
    "utilization_against_sparsity": plots.utilization,
    "utilization_of_matrices": plots.utilization,
}


def run(study: Study, store: Store, workers: Workers, figures: Path) -> int:
    """Compute, print and draw a study; the number of points that failed."""
    with progress(study.title) as advance:
        summary = run_study(study, store, workers, advance)
    print_study(study, store)
    rows = list(store.rows(study.name))
    save(FIGURES[study.name](rows), figures / f"{study.name}.svg")
    print()
    return summary.failed


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("experiments.sqlite"))
    parser.add_argument("--figures", type=Path, default=Path("figures"))
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args()
    options.figures.mkdir(parents=True, exist_ok=True)
    with Store(options.store) as store:
        return sum(run(Study.read(path), store, Workers(options.jobs), options.figures) for path in STUDIES)


if __name__ == "__main__":
    raise SystemExit(min(1, main()))
