"""Energy and area of reports as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from simulator.reports.columns import ENERGIES, Columns, legend
from simulator.reports.metrics import (
    AREA,
    AREA_SPARSITY,
    EFFICIENCY,
    ENERGY,
    ENERGY_BAND,
    ENERGY_SHARES,
    ENERGY_VS_DENSE,
    Row,
    flat,
)
from simulator.reports.network_total import total_row
from simulator.reports.report import NetworkReport
from simulator.terminal.reports import labels_of, table_of
from simulator.terminal.tables import console, fitting

_SHORT: Columns = (ENERGY, *ENERGY_SHARES, EFFICIENCY, ENERGY_VS_DENSE)


def print_energy(report: NetworkReport) -> None:
    """One machine: a row a layer and the total; its network as one run; its area in a line. Nothing if not asked."""
    if not report.energy_asked:
        return
    output = console()
    output.print()
    data = report.to_dict()
    if report.area is None or report.total.energy is None:
        _print_unknown(output, [report])
        return
    rows = [(layer["name"], flat(layer)) for layer in data["layers"]] + [("total", flat(data["total"]))]
    if report.network is not None and report.network.energy and report.network.overlap != "none":
        rows.append(("as one run", flat(report.network.energy)))
    _print_table(output, f"energy ({_technology(report)})", "layer", rows)
    area = flat({"area": data["area"]})
    line = (
        f"area {AREA.text(area)} mm2, {AREA_SPARSITY.text(area)} of it for sparsity; memory outside the chip excepted"
    )
    output.print(line, style="dim", highlight=False)


def print_energies(reports: Sequence[NetworkReport]) -> None:
    """Several machines: a row each, and those whose energy is not modelled."""
    if not any(report.energy_asked for report in reports):
        return
    output = console()
    output.print()
    known = [report for report in reports if report.total.energy is not None]
    if known:
        labels = dict(zip(map(id, reports), labels_of(reports), strict=True))
        rows = [(labels[id(report)], flat(total_row(report.to_dict()))) for report in known]
        _print_table(output, f"energy ({_technology(known[0])})", "accelerator", rows, (AREA, AREA_SPARSITY))
    _print_unknown(output, [report for report in reports if report.total.energy is None])


def _print_table(output: Console, title: str, first: str, rows: Sequence[tuple[str, Row]], more: Columns = ()) -> None:
    """The table with as many columns as fit the width, and what those mean."""
    choices = [(*ENERGIES, *more), ENERGIES, (ENERGY, ENERGY_BAND, *_SHORT[1:]), _SHORT, (ENERGY, *_SHORT[-2:])]
    built = [(columns, broken) for columns in choices for broken in (False, True)]
    tables = (table_of(title, first, columns, rows, break_names=broken) for columns, broken in built)
    shown = built[fitting(output, tables)][0]
    output.print(legend(shown), style="dim", highlight=False)


def _print_unknown(output: Console, reports: Sequence[NetworkReport]) -> None:
    if reports:
        names = ", ".join(report.label for report in reports)
        output.print(f"energy: not modelled for {names}", style="dim", highlight=False)


def _technology(report: NetworkReport) -> str:
    """What decides all prices, as in "45 nm, tables that ship"."""
    settings = report.accelerator["energy"]
    voltage = f", {settings['voltage']:g} V" if settings["voltage"] else ""
    tables = f", prices of {settings['tables']}" if settings["tables"] else ""
    return f"{settings['node_nm']:g} nm{voltage}{tables}"
