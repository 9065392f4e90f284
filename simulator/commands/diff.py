"""`prunesim diff`: what moved between two JSON reports.

This module loads quickly, since `prunesim --help` reads it; what computes is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path

import click

from simulator.commands.outputs import write
from workloads.errors import InputError

_REPORT = click.Path(path_type=Path)
_STANDARD_INPUT = Path("-")


@click.command()
@click.argument("old", type=_REPORT)
@click.argument("new", type=_REPORT)
@click.option("--tolerance", "tolerances", metavar="METRIC=REL", multiple=True, help="How far a metric may move, "
              "relatively, as 0.05 or 5%; METRIC may be a glob, REL alone is for all. Repeatable, the last match "
              "counts.  [default: 0]")  # fmt: skip
@click.option("--worse-only", is_flag=True, help="Pass over what moved for the better, or for neither.")
@click.option("--rows", type=click.IntRange(min=0), default=10, show_default=True,
              help="Rows of what is tolerated; what fails always shows.")  # fmt: skip
@click.option("--all", "each", is_flag=True, help="A row for every layer and metric, what follows others included.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE|-",
              help="Write every change as JSON.")  # fmt: skip
def diff(
    old: Path,
    new: Path,
    tolerances: tuple[str, ...],
    rows: int,
    json_file: str | None,
    *,
    worse_only: bool,
    each: bool,
) -> None:
    """Compare two JSON reports of 'run' or 'compare': which machines became slower, and what moved; what fails first.

    OLD or NEW may be - for standard input. The exit code is 1 when a metric moved beyond its tolerance, or a layer or
    accelerator is missing on one side.

    \b
    prunesim diff before.json after.json --tolerance 0.1% --tolerance 'pe_cycle_stack.*=5%'
    prunesim run vgg16@scnn --on scnn --json - | prunesim diff before.json - --worse-only
    """  # noqa: D301 (click reads the backspace as: keep these lines as they are)
    from simulator.reports.diff import Tolerances, difference
    from simulator.reports.files import read_reports, to_json
    from simulator.terminal.diffs import print_difference
    from workloads.files import require_outputs

    if old == new == _STANDARD_INPUT:
        raise InputError("diff - -: only one of the reports can come from standard input")
    require_outputs([json_file], [old, new])
    found = difference(read_reports(old), read_reports(new), Tolerances.parse(tolerances))
    if worse_only:
        found = found.worse_only()
    if json_file:
        write(json_file, to_json(found.to_dict()))
    if json_file != "-":
        print_difference(found, rows, each=each)
    if not found.accepted:
        raise SystemExit(1)
