"""What a sweep prints: a row for each combination of varied values, averaged over seeds and inputs, and failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from simulator.reports.columns import MORE, TIMES, Columns
from simulator.reports.metrics import (
    CYCLES,
    EMPTY_LANES,
    ENERGY,
    ENERGY_VS_DENSE,
    FACTORS,
    GAIN,
    NETWORK_TIME,
    SPEEDUP,
    UTILIZATION,
    Metric,
)
from simulator.reports.report import ANALYTICAL
from simulator.studies.store import Store
from simulator.studies.study import Study
from simulator.terminal.tables import console, fitting

_FAILURES_SHOWN = 10
Groups = dict[tuple[str, ...], list[dict[str, Any]]]
_LEAST = (CYCLES, SPEEDUP, UTILIZATION)  # of a table that has to be narrow
_COLUMNS: Columns = (*TIMES, UTILIZATION, EMPTY_LANES, *MORE)
_NO_SPREAD = " \u00b10.0%"


def print_study(study: Study, store: Store, *, factors: bool = False) -> None:
    """The study's table on standard output; where seeds or inputs differ, the mean and half the range.

    With `factors` also what each speedup consists of. Every varied column shows; of the others what fits.
    """
    keys = study.varied or ("accelerator", "workload")
    # What lies between layers moves these alone.
    network = (NETWORK_TIME, GAIN) if {"overlap", "pooling"} & set(keys) else ()
    shown = (*TIMES, *network, *_COLUMNS[len(TIMES) :], *(FACTORS if factors else ()))
    groups: Groups = {}
    for place in study.places:
        of_keys = study.varied_of(place) or place.values
        # Seed and input are none of the keys, so that those of a point fall into one group.
        group = groups.setdefault(tuple(_text(of_keys.get(key)) for key in keys), [])
        group += store.rows_of(study.name, [place])
    groups = {values: rows for values, rows in groups.items() if rows}
    known = any(ENERGY.value(row) is not None for rows in groups.values() for row in rows)
    energy = (ENERGY, ENERGY_VS_DENSE) if known else ()
    least = tuple(metric for metric in shown if metric in (*_LEAST, *network, *FACTORS))
    choices = [(metrics, broken) for metrics in ((*shown, *energy), shown, least) for broken in (False, True)]
    tables = [_built(_title(study), keys, groups, metrics, break_names=broken) for metrics, broken in choices]
    fitting(console(), tables)


def _title(study: Study) -> str:
    """The study's title; where no point of it is simulated it says so, as no column does then."""
    analytical = all(place.point.model == ANALYTICAL for place in study.places)
    return f"{study.title} ({ANALYTICAL} model)" if analytical else study.title


def _built(title: str, keys: Sequence[str], groups: Groups, shown: Columns, *, break_names: bool) -> Table:
    """A table whose cells are never wrapped; with `break_names` the names of columns take two lines."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for key in keys:
        table.add_column(key, no_wrap=True)
    for metric in shown:
        heading = metric.heading.replace(" ", "\n", 1) if break_names else metric.heading
        table.add_column(heading, justify="right", no_wrap=True)
    for values, rows in groups.items():
        table.add_row(*values, *(_cell(metric, rows) for metric in shown))
    return table


def failure_lines(failures: Sequence[tuple[dict[str, Any], str]]) -> Iterable[str]:
    """One line for each failed point, the first few of them."""
    for values, error in failures[:_FAILURES_SHOWN]:
        point = ", ".join(f"{key}={value}" for key, value in values.items())
        yield f"failed: {point}: {' / '.join(error.splitlines())}"
    if len(failures) > _FAILURES_SHOWN:
        yield f"failed: {len(failures) - _FAILURES_SHOWN} more"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _cell(metric: Metric, rows: Sequence[dict[str, Any]]) -> str:
    """The mean over rows, and half their range where they differ."""
    numbers = [value for row in rows if (value := metric.value(row)) is not None]
    if not numbers:
        return metric.written(None)
    mean = fmean(numbers)
    # Seeds with 90, 100 and 110 cycles are shown as 100 with a spread of 10.0%; below 0.05% it is left out.
    spread = (max(numbers) - min(numbers)) / 2
    share = f" \u00b1{spread / abs(mean):.1%}" if mean else ""
    return metric.written(mean) + (share if share != _NO_SPREAD else "")
