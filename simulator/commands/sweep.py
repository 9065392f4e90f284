"""`prunesim sweep`: compute a study, or the points that its store still misses.

This module loads quickly, since `prunesim --help` reads it; what computes is imported where it is used.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands import names
from simulator.commands.numbers import RealRange
from simulator.commands.outputs import write
from simulator.commands.run import EQUAL_HELP, FACTORS_HELP, NO_ENERGY_HELP
from simulator.terminal.wishes import inform
from workloads.errors import InputError
from workloads.notices import tell

if TYPE_CHECKING:
    from simulator.studies.store import Store
    from simulator.studies.study import Study
    from simulator.studies.study_file import StudyTable

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUTPUT = click.Path(dir_okay=False, allow_dash=True)
_STUDY_KEYS = ("inputs", "layers", "prune", "batch", "equal")


@click.command()
@click.argument("subject", metavar="STUDY.toml|WORKLOAD", default="blazepose", shell_complete=names.workloads)
@click.option(
    "--on",
    "machines",
    metavar="M1,M2,...",
    shell_complete=names.machines,
    help="Accelerators; WORKLOAD is then swept instead of a study.",
)
@click.option("--vary", metavar="KEY=V1,V2,...", multiple=True, help="Vary a parameter, or workload, prune, density, "
              "weight_density, activation_density, weight_pattern, activation_pattern, batch, input, model. Several "
              "give all combinations.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), help="How many seeds of synthetic masks, from 0 on.")
@click.option("--seed", type=click.IntRange(min=0), multiple=True, help="This seed. Repeatable.  [default: 0]")
@click.option("--inputs", type=click.IntRange(min=1), help="How many of the workload's inputs.")
@click.option("--layers", metavar="GLOB", help="Only the layers whose name matches.")
@click.option("--prune", metavar="METHOD:KEY=VALUE,...", help="Prune the network first.")
@click.option("--batch", type=click.IntRange(min=1), help="Images in a batch.")
@click.option("--equal", metavar="KEY=VALUE,...", help=EQUAL_HELP)
@click.option("--factors", is_flag=True, help=FACTORS_HELP)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set a parameter for all points.")
@click.option("--no-energy", "energy", flag_value=False, default=True, help=NO_ENERGY_HELP)
@click.option(
    "--store",
    "store_file",
    type=_FILE,
    metavar="FILE",
    help="Where results land.  [default: STUDY.sqlite or sweep.sqlite]",
)
@click.option(
    "--rescue", type=_FILE, metavar="FILE", help="Copy what is whole of a damaged store, and do nothing else."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
@click.option("--cluster", metavar="tcp://HOST:PORT", help="Compute on the workers of this Dask scheduler.")
@click.option("--patience", metavar="SECONDS", type=RealRange(min=0), default=120.0, show_default=True,
              help="How long a cluster may be without workers.")  # fmt: skip
@click.option("--csv", "csv_file", type=_OUTPUT, metavar="FILE|-", help="Write one row a point.")
@click.option("--parquet", "parquet_file", type=_FILE, metavar="FILE", help="Write one row a point.")
def sweep(
    subject: str,
    store_file: Path | None,
    rescue: Path | None,
    jobs: int | None,
    cluster: str | None,
    patience: float,
    **options: Any,
) -> None:
    """Compute all points of a study: a file, or WORKLOAD with --on and --vary.

    Results land in one file as they come. Stop at any moment and run again: only what is missing is computed. A point
    that fails is noted and the rest go on; the exit code is then 1.

    \b
    prunesim sweep study.toml --csv study.csv
    prunesim sweep vgg16@scnn --layers 'conv3*' --on scnn --vary queue_depth=0,2,4,8 --seeds 3
    """  # noqa: D301 (click reads the backspace as: keep these lines as they are)
    if rescue is not None:
        _rescue(rescue)
        return
    from simulator.studies.store import Store
    from simulator.studies.study import check_declared, run_study
    from simulator.studies.workers import Workers
    from simulator.terminal.progress import progress
    from simulator.terminal.studies import failure_lines

    if jobs is not None and cluster is not None:
        raise InputError("--jobs and --cluster: a cluster has workers of its own, give one of them")
    _require_outputs(options)
    study = _study(subject, options)
    if not options["energy"]:
        study = study.without_energy()
    for line in study.scaled_lines():
        inform(line)
    for line in study.warnings():
        tell(f"warning: {line}")
    for line in study.notes():
        inform(f"note: {line}")
    name = Path(subject).stem if options["machines"] is None else "sweep"
    workers = Workers(jobs, cluster, patience, say=tell)
    # The store is the inner one: it has closed, with all that came, before anybody is told so.
    path = store_file or Path(f"{name}.sqlite")
    with ended_by_signals(lambda: _progress(study, path)), Store(path) as store:
        with progress(study.title) as advance:
            summary = run_study(study, store, workers, advance)
        _write(study, store, options)
        for line in failure_lines(store.failures(study.places)):
            tell(line)
        inform(f"{store.path}: {summary.computed} points computed, {summary.found} found, {summary.failed} failed")
        check_declared(study, store)
    if summary.failed:
        raise SystemExit(1)


def _progress(study: Study, path: Path) -> str:
    """How much of a study a store holds."""
    from simulator.studies.store import Store

    keys = {place.key for place in study.places}
    with Store(path) as store:
        return f"{sum(key in store for key in keys)} of {len(keys)} points are in {path}"


@contextmanager
def ended_by_signals(progress: Callable[[], str]) -> Generator[None]:
    """SIGTERM, which batch systems send, ends the block like Ctrl-C: what runs beside it ends with it.

    `progress` says how far it came, and is asked once the block has ended.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # Python sets handlers in its main thread only; a sweep that is called from another one goes without.
    before = signal.signal(signal.SIGTERM, interrupt) if threading.current_thread() is threading.main_thread() else None
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted: {progress()}; run again to go on")
        raise
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _rescue(damaged: Path) -> None:
    from simulator.studies.store_rescue import rescue

    target, count = rescue(damaged)
    tell(f"{target}: {count} results that are whole; run the sweep again with --store {target}")


def _study(subject: str, options: dict[str, Any]) -> Study:
    """The study of the file, or the one that the options describe."""
    from simulator.commands.hints import require_study
    from simulator.studies.study import Study
    from simulator.studies.study_file import StudyTable
    from workloads.texts import require_plain

    if options["machines"] is None:
        given = [key for key in ("vary", "seeds", "seed", *_STUDY_KEYS, "settings") if options[key]]
        if given:
            raise InputError(f"--{given[0].replace('settings', 'set')}: needs --on; a study file says it by itself")
        require_study(subject)
        return Study.read(Path(subject))
    if options["seeds"] and options["seed"]:
        raise InputError("--seeds and --seed: the first says how many, the second which: give one of them")
    axes = [_axis(text) for text in options["vary"]]
    title = f"{subject} on {options['machines']}: {', '.join(key for axis in axes for key in axis) or 'no axis'}"
    values = {
        "title": title,
        "machines": [name.strip() for name in options["machines"].split(",")],
        "workloads": [subject],
        "seeds": list(dict.fromkeys(options["seed"])) or options["seeds"] or 1,
        "set": dict(_setting(text) for text in options["settings"]),
        "axes": axes,
        **{key: options[key] for key in _STUDY_KEYS if options[key]},
    }
    require_plain(values, "sweep")
    table = StudyTable.checked(values, "sweep")
    return Study.of(table, _name(title, table), "sweep")


def _name(title: str, table: StudyTable) -> str:
    """The name of a sweep without a file: all that it means, so that another one has another name."""
    meant = table.model_dump_json(exclude={"title"}, exclude_defaults=True)
    return f"{title} [{hashlib.sha256(meant.encode()).hexdigest()[:8]}]"


def _setting(text: str) -> tuple[str, Any]:
    from simulator.configuration import parse_setting

    return parse_setting(text)


def _axis(text: str) -> dict[str, list[Any]]:
    """`KEY=V1,V2` as an axis; a value that holds commas is written in a TOML list: KEY=['a,b','c']."""
    key, value = _setting(text)
    if isinstance(value, list):
        return {key: value}
    # Each part is read as TOML by itself: 0,2,4 are numbers, row_hit,first_ready texts.
    return {key: [_setting(f"{key}={one}")[1] for one in text.partition("=")[2].split(",")]}


def _require_outputs(options: dict[str, Any]) -> None:
    from workloads.files import require_writable

    for file in (options["csv_file"], options["parquet_file"]):
        if file and file != "-":
            require_writable(Path(file))
    if options["parquet_file"]:
        try:
            # For the error alone: it comes before points are computed and not behind them.
            import pandas as pd  # noqa: F401
            import pyarrow as pa  # noqa: F401
        except ImportError:
            raise InputError("--parquet needs pandas and pyarrow: pip install 'prunesim[frames]'") from None


def _write(study: Study, store: Store, options: dict[str, Any]) -> None:
    from simulator.reports.files import to_csv
    from simulator.terminal.studies import print_study

    if options["csv_file"]:
        write(options["csv_file"], to_csv(list(store.rows_of(study.name, study.places))))
    if options["parquet_file"]:
        import pandas as pd

        write(options["parquet_file"], pd.DataFrame(store.rows_of(study.name, study.places)).to_parquet(index=False))
    if options["csv_file"] != "-":
        print_study(study, store, factors=options["factors"])
