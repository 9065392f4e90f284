"""`prunesim plot`: a figure from a file of results or a timeline."""

from __future__ import annotations

from pathlib import Path

import click

from workloads.errors import InputError

# Name and description of each kind; what they draw stands in `simulator.plots.KINDS`, loaded when one is drawn.
KIND_LINES = {
    "causes": "where the PE-cycles of each accelerator went",
    "layers": "where the cycles of each layer went",
    "utilization": "utilization against sparsity",
    "speedup": "speedup over the dense baseline against density",
    "roofline": "each layer under the limits of multipliers and DRAM",
    "heatmap": "busy cycles of every PE (JSON reports; --layer)",
    "imbalance": "how unevenly work falls on layers and PEs",
    "pareto": "two columns and their Pareto front (--x, --y)",
    "bandwidth": "DRAM bandwidth over time (a timeline; --layer)",
    "gantt": "fetch, compute and drain over time (a timeline; --layer)",
}
_WIDTH = max(len(name) for name in KIND_LINES)
_HELP = "\n".join(
    [
        "Draw RESULTS: what 'run', 'compare' or 'sweep' wrote (JSON, CSV, Parquet or a store), or a timeline of 'run'.",
        "",
        "\b",
        *(f"{name:{_WIDTH}}  {line}" for name, line in KIND_LINES.items()),
    ]
)


@click.command(help=_HELP)
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(list(KIND_LINES)), default="causes", show_default=True, help="What to draw.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A png, svg or pdf file."
)
@click.option("--study", metavar="NAME", help="The study to draw, of a store that holds several.")
@click.option("--where", metavar="COLUMN=VALUE", multiple=True, help="Only such rows or points. Repeatable.")
@click.option("--layer", metavar="NAME", help="Only this layer.")
@click.option("--x", metavar="COLUMN", help="The metric across, e.g. dram.burst_bytes.")
@click.option("--y", metavar="COLUMN", help="The metric upwards, e.g. cycles.")
def plot(
    results: Path, kind: str, output: Path, study: str | None, where: tuple[str, ...], **options: str | None
) -> None:
    """Draw a file of results."""
    from simulator import plots
    from simulator.plots.files import read_results, read_timeline
    from workloads.files import require_outputs

    drawn = plots.KINDS[kind]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in drawn.options:
            known = ", ".join(other for other, described in plots.KINDS.items() if name in described.options)
            raise InputError(f"--{name}: --kind {kind} does not know it; it belongs to: {known}")
    plots.require_format(output)
    require_outputs([output], [results])
    if drawn.source == "timeline":
        data = read_timeline(results)
    else:
        data = read_results(results, study, where, whole=drawn.source == "reports")
    plots.save(drawn(data, **given), output)
