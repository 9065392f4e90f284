"""`prunesim diff`: what moved between two JSON reports.

This module loads quickly, since `prunesim --help` reads it; what computes is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path

import click

_REPORT = click.Path(path_type=Path)


@click.command()
@click.argument("old", type=_REPORT)
@click.argument("new", type=_REPORT)
@click.option("--tolerance", "tolerances", metavar="METRIC=REL", multiple=True, help="How far a metric may move, "
              "relatively; METRIC may be a glob, REL alone is for all. Repeatable, the last match counts.  "
              "[default: 0]")  # fmt: skip
@click.option("--rows", type=click.IntRange(min=1), default=30, show_default=True, help="Changes to show.")
def diff(old: Path, new: Path, tolerances: tuple[str, ...], rows: int) -> None:
    """Compare two JSON reports of 'run' or 'compare': which layers and metrics moved, the largest effect first.

    The exit code is 1 when a metric moved beyond its tolerance, or a layer or accelerator is missing on one side.

    \b
    prunesim diff before.json after.json --tolerance 0.001 --tolerance 'pe_cycle_stack.*=0.05'
    """  # noqa: D301 (click reads the backspace as: keep these lines as they are)
    from simulator.reports.diff import Tolerances, difference
    from simulator.reports.files import read_reports
    from simulator.terminal.diffs import print_difference

    found = difference(read_reports(old), read_reports(new), Tolerances.parse(tolerances))
    print_difference(found, rows)
    if not found.accepted:
        raise SystemExit(1)
