"""What figures are drawn from: reports, and flat rows with the columns of `NetworkReport.rows()`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from dataflows.schedule import Cause
from simulator.plots.names import machine_name, setting_text, settings_text, workloads_text
from simulator.reports.dram_report import DRAM_MEASURES
from simulator.reports.input_spread import spread_columns
from simulator.reports.metrics import BASELINE, OVER_BASELINE, STACK, flat
from simulator.reports.network_total import total_row
from simulator.reports.report import DERIVED, LayerReport, Measures, NetworkReport
from workloads.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = dict[str, Any]
# Reports, as objects or as read from JSON, or flat rows, as a frame or as read from CSV.
Data: TypeAlias = "NetworkReport | pd.DataFrame | Sequence[NetworkReport | Mapping[str, Any]]"

_IDENTITY = ("accelerator", "seed", "input", "study", "key", "digest", BASELINE)
_SWEPT_DENSITIES = ("weight_density", "activation_density")
_MEASURED = {OVER_BASELINE, *Measures.__dataclass_fields__, *LayerReport.__dataclass_fields__, *DERIVED}
_MEASURED_GROUPS = (
    STACK, "speedup_factors.", "bounds.", "buffer_peak_bytes.", "dram.tensors.", "dram.activity.", "inputs.",
    "network.", "actions.", "area.", "tops_per_watt.", "energy.components.", "energy.actions.", "energy.purposes.",
    "energy.causes.", "energy.dram.", "energy.leakage.",
)  # fmt: skip
# The other columns of memory are its settings; `dram.burst_bytes` is both, here the measure.
_MEASURED_DRAM = frozenset(f"dram.{key}" for key in DRAM_MEASURES)
# Those of energy likewise: `energy.node_nm` is a setting.
_MEASURED_ENERGY = frozenset(
    {
        "power_mw", "energy_delay_product", "energy_vs_dense", "energy.total_pj", "energy.low_pj", "energy.high_pj",
        "energy.dynamic_pj", "energy.leakage_pj", "energy.sparsity_share",
    }
)  # fmt: skip


class Held(list[Mapping[str, Any]]):
    """JSON reports that several figures are drawn from: their rows are made once."""

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of all reports."""
        return [row for report in self for row in _report_rows(report)]


def reports_of(data: Data) -> list[dict[str, Any]]:
    """The JSON reports in the data. Raises `InputError` for rows, which do not hold what every PE did."""
    entries = _entries(data)
    if not all(_is_report(entry) for entry in entries):
        raise InputError("this kind of plot needs the JSON report of 'run' or 'compare', not rows of a table")
    return entries


def rows_of(data: Data) -> list[Row]:
    """Flat rows: those of layers, and those of totals, whose name is 'total'. Raises `InputError` without any."""
    if isinstance(data, Held):
        rows = [dict(row) for row in data.rows]  # a figure may add columns of its own
    else:
        # Rows of a store are totals of points and bear no name.
        each = (_report_rows(one) if _is_report(one) else [{"name": "total", **one}] for one in _entries(data))
        rows = [row for group in each for row in group]
    if not rows:
        raise InputError("there is nothing to plot: the results have no rows")
    if any("accelerator" not in row for row in rows):
        raise InputError("the results have no column 'accelerator'")
    return rows


def total_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows of whole workloads."""
    return [row for row in rows if row["name"] == "total"]


def layer_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows of single layers."""
    return [row for row in rows if row["name"] != "total"]


def by_machine(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by accelerator, in order of first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["accelerator"], []).append(row)
    return groups


def by_run(rows: Sequence[Row], along: str | None = None) -> dict[str, list[Row]]:
    """Rows by what they ran on, as legends name it: the accelerator and, where its rows differ, the swept settings.

    What only follows the column `along` (its own values, and those of columns zipped with it) tells no runs apart.
    """
    runs: dict[str, list[Row]] = {}
    for machine, group in by_machine(rows).items():
        apart = [key for key in swept_columns(group) if along is None or not _follows(group, key, along)]
        for row in group:
            label = ", ".join([machine_name(machine), *settings_text(row, apart)])
            runs.setdefault(label, []).append(row)
    return runs


def run_label(run: str, row: Row, group: Sequence[Row]) -> str:
    """A run's name, with its seed and its input where the runs of that name differ in them."""
    # The seed also where nothing tells two rows apart, such as two files of one run.
    apart = ["input"] if len({str(other.get("input")) for other in group}) > 1 else []
    seeds = len({str(other.get("seed")) for other in group}) > 1 or not apart
    keys = [*(["seed"] if seeds else []), *apart]
    return ", ".join([run, *(setting_text(key, row.get(key)) for key in keys)]) if len(group) > 1 else run


def baseline_of_rows(rows: Iterable[Row]) -> str:
    """The baseline that all rows have in common; empty where they have none."""
    names = {str(row.get(BASELINE) or "") for row in rows}
    return names.pop() if len(names) == 1 else ""


def workloads_of(rows: Sequence[Row]) -> str:
    """The names of the workloads of some rows, as titles have them."""
    return workloads_text(row.get("workload") for row in rows)


def require_single_runs(rows: Iterable[Row]) -> None:
    """Raise `InputError` when a machine has several rows for a layer: what is drawn by machine would mix its runs."""
    for machine, group in by_machine(rows).items():
        names = [row["name"] for row in group]
        if len(set(names)) < len(names):
            raise InputError(
                f"the results hold several runs on '{machine}', and this kind of plot draws one run a machine: "
                "choose with --where"
            )


def value(row: Row, column: str) -> float | None:
    """A number of a row; None where it is missing. Raises `InputError` for an unknown column or for a text."""
    if column not in row:
        raise InputError(f"unknown column '{column}': {nearest(column, row)}")
    found = row[column]
    # A frame has NaN where a row lacks a column, a CSV an empty text.
    if found is None or found != found or found == "":  # noqa: PLR0124 (NaN, as frames mark what is missing)
        return None
    if isinstance(found, str):
        raise InputError(f"column '{column}' holds '{found}', must hold numbers")
    return float(found)


def rows_with(rows: Iterable[Row], *columns: str) -> list[Row]:
    """The rows that have a number in every column; machines of one table need not all measure the same.

    Raises `InputError` for a column that no row knows.
    """
    rows = list(rows)
    for column in columns:
        if rows and not any(column in row for row in rows):
            value(rows[0], column)
        rows = [row for row in rows if column in row and value(row, column) is not None]
    return rows


def stack_of(row: Row) -> dict[str, float]:
    """PE-cycles by cause."""
    return {cause.key: value(row, STACK + cause.key) or 0.0 for cause in Cause}


def swept_columns(rows: Sequence[Row]) -> list[str]:
    """Columns that are settings and not measurements, and that differ between rows; the seed is none of them."""
    columns = dict.fromkeys(key for row in rows for key in row)
    # What identifies a run, and what was measured, are no settings, although both differ between rows.
    settings = [key for key in columns if key not in _IDENTITY and not _is_measured(key)]
    if rows and not layer_rows(rows):
        settings += [key for key in _SWEPT_DENSITIES if key in columns]  # totals have no measured ones
    return [key for key in settings if len({str(row.get(key)) for row in rows}) > 1]


def density_column(rows: Sequence[Row]) -> str | None:
    """The column that holds the densities of a sweep; None when density was not swept."""
    swept = swept_columns(rows)
    # The plainest name wins: `density` sets both operands, `weight_density` one of them.
    for wanted in ("density", "weight_density"):
        if wanted in swept:
            return wanted
    return next((key for key in swept if key.rpartition(".")[2].endswith("density")), None)


def _follows(rows: Sequence[Row], column: str, along: str) -> bool:
    """Whether every value of `along` comes with a single value of the column."""
    # As many pairs as values of `along` means that each comes with one value only: the column follows.
    # Along a density, rows (0.1, a) and (0.5, b) have 2 pairs for 2 densities, and the column follows; with (0.1, b)
    # beside them 3 pairs, and it does not.
    pairs = {(str(row.get(along)), str(row.get(column))) for row in rows}
    return len(pairs) == len({first for first, _ in pairs})


def _is_measured(column: str) -> bool:
    return column in _MEASURED | _MEASURED_DRAM | _MEASURED_ENERGY or column.startswith(_MEASURED_GROUPS)


def _entries(data: Data) -> list[dict[str, Any]]:
    if isinstance(data, NetworkReport):
        return [data.to_dict()]
    if isinstance(data, Sequence):
        return [dict(entry) if isinstance(entry, Mapping) else entry.to_dict() for entry in data]
    return data.to_dict("records")  # type: ignore[return-value]


def _is_report(entry: Mapping[str, Any]) -> bool:
    return "total" in entry and isinstance(entry.get("accelerator"), Mapping)


def _report_rows(report: Mapping[str, Any]) -> list[Row]:
    known = {"accelerator": report["accelerator"]["name"], "workload": report["workload"]["name"]}
    known |= report.get("point", {})  # of a study
    if BASELINE in report:
        known[BASELINE] = report[BASELINE]["name"]
    measures = [*report.get("layers", []), {**total_row(report), "name": "total"}]
    spreads = spread_columns(report["inputs"]) if "inputs" in report else [{}] * len(measures)
    return [{**known, **flat(row), **spread} for row, spread in zip(measures, spreads, strict=True)]
