"""`prunesim report`: results as one page of HTML.

This module loads quickly, since `prunesim --help` reads it; what draws is imported where it is used.
"""

from __future__ import annotations

import gc
from pathlib import Path

import click

from simulator.commands.baseline import BASELINE_HELP, results_over

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("results", type=_FILE)
@click.option("-o", "--output", type=_FILE, required=True, metavar="FILE", help="The page to write.")
@click.option("--timeline", type=_FILE, metavar="FILE", help="Also draw this timeline of 'run --timeline'.")
@click.option("--study", metavar="NAME", help="The study to show, of a store that holds several.")
@click.option("--where", metavar="COLUMN=VALUE", multiple=True, help="Only such points of a store. Repeatable.")
@click.option("--baseline", metavar="MACHINE|FILE", help=BASELINE_HELP)
def report(
    results: Path,
    output: Path,
    timeline: Path | None,
    study: str | None,
    where: tuple[str, ...],
    baseline: str | None,
) -> None:
    """Write RESULTS (the JSON of 'run' or 'compare', or the store of a small study) as one page of HTML.

    The page holds the tables, the figures and the exact configuration, and opens without a network.
    """
    from simulator.commands.outputs import write
    from simulator.plots.data import reports_of
    from simulator.plots.files import read_results, read_timeline
    from simulator.plots.report_page import report_page
    from simulator.terminal.progress import progress
    from workloads.files import require_outputs

    require_outputs([output], [results, timeline])
    reports = reports_of(results_over(baseline, read_results(results, study, where, whole=True)))
    watched = read_timeline(timeline) if timeline else None
    gc.freeze()  # what was read stays to the end, so that no collection has to walk it
    try:
        with progress("drawing") as told:
            page = report_page(reports, watched, told)
    finally:
        gc.unfreeze()
    write(output, page)
