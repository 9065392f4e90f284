"""`prunesim search`: the best designs of a space, under limits.

This module loads quickly, since `prunesim --help` reads it; what computes is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path

import click

from simulator.commands.outputs import write
from workloads.notices import tell

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUTPUT = click.Path(dir_okay=False, allow_dash=True)


@click.command()
@click.argument("study", metavar="STUDY.toml", type=_FILE)
@click.option("--store", "store_file", type=_FILE, metavar="FILE", help="Where results land.  [default: STUDY.sqlite]")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
@click.option("--cluster", metavar="tcp://HOST:PORT", help="Compute on the workers of this Dask scheduler.")
@click.option("--json", "json_file", type=_OUTPUT, metavar="FILE|-", help="Write the front.")
@click.option("--csv", "csv_file", type=_OUTPUT, metavar="FILE|-", help="Write one row a design that was looked at.")
def search(
    study: Path,
    store_file: Path | None,
    jobs: int | None,
    cluster: str | None,
    json_file: str | None,
    csv_file: str | None,
) -> None:
    """Find the designs that no other beats, in a space and under limits.

    STUDY.toml is a study of one point with a table 'search': ranges of settings, objectives, constraints, a sampler and
    how many designs to look at. Results land in one file as they come; run again to go on. The same seed looks at the
    same designs, whatever computes them.
    """
    from simulator.commands.sweep import ended_by_signals
    from simulator.reports.files import to_csv, to_json
    from simulator.search.run import Search, run_search
    from simulator.studies.store import Store
    from simulator.studies.workers import Workers
    from simulator.terminal.progress import progress
    from simulator.terminal.searches import print_search
    from workloads.errors import InputError
    from workloads.files import require_outputs

    if jobs is not None and cluster is not None:
        raise InputError("--jobs and --cluster: a cluster has workers of its own, give one of them")
    require_outputs([json_file, csv_file], [study])
    chosen = Search.read(study)
    path = store_file or study.with_suffix(".sqlite")
    ends = ended_by_signals(lambda: f"what was computed is in {path}")
    with ends, Store(path) as store, progress(chosen.title) as advance:
        found = run_search(chosen, store, Workers(jobs, cluster, say=tell), advance)
    if json_file:
        write(json_file, to_json(found.to_dict()))
    if csv_file:
        write(csv_file, to_csv(list(found.rows)))
    if "-" not in (json_file, csv_file):
        print_search(found)
