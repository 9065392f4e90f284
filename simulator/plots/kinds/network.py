"""A network as one run beside its layers alone: how long, and where the PE-cycles went."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.figure import Figure

from dataflows.schedule import Cause
from simulator.plots.data import Data, Row, by_run, rows_of, total_rows, value, workloads_of
from simulator.plots.kind import kind
from simulator.plots.kinds.causes import cause_shares, visible_parts
from simulator.plots.long_bars import LongBars
from simulator.plots.style import legend_below, new_figure
from simulator.reports.metrics import STACK
from workloads.errors import InputError

_OVERLAPS = ("serial", "weights", "tiles")  # with "none" the network is its layers alone


@dataclass(frozen=True)
class Bar:
    """A bar: its name, its cycles over those of the layers alone, in per cent, and the shares of its parts."""

    label: str
    percent: float
    cycles: int
    shares: dict[str, float]


@kind("network", "each network as one run beside its layers alone, by where the PE-cycles went")
def network(data: Data) -> Figure:
    """A group of bars a machine: its layers alone, and each run of the network; as long as the cycles they take."""
    rows = [row for row in total_rows(rows_of(data)) if value(row, "cycles") and _has_network(row)]
    if not rows:
        raise InputError("the results have no network that was played as one run")
    groups = [bars_of(label, group) for label, group in _groups(rows)]
    every = [bar for group in groups for bar in group]
    bars = LongBars([bar.label for bar in every], [f"{bar.cycles:,} cycles" for bar in every], 0.75)
    with new_figure(8.6, 1.6 + bars.inches(0.36) * len(every) + 0.2 * len(groups)) as figure:
        axes = figure.subplots()
        # A gap of half a bar between machines.
        numbers = [number for number, group in enumerate(groups) for _ in group]
        places = [place + 0.5 * number for place, number in enumerate(numbers)]
        left = [0.0] * len(every)
        for part, style in visible_parts([bar.shares for bar in every]).items():
            widths = [bar.percent * bar.shares[part] for bar in every]
            axes.barh(places, widths, bars.thick, left, **style)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        bars.write(axes, places, [bar.percent + 1 for bar in every])
        axes.set_xlim(0, 1.2 * max(bar.percent for bar in every))
        axes.set_xlabel("cycles, % of the layers alone")
        axes.set_title(f"{workloads_of(rows)}: layers alone, and the network as one run")
        legend_below(figure, axes)
        return figure


def bars_of(label: str, rows: Iterable[Row]) -> list[Bar]:
    """The bars of runs that differ in what runs side by side: the layers alone, then the runs."""
    rows = sorted(rows, key=lambda row: _OVERLAPS.index(row["network.overlap"]))
    bars = [Bar(f"{label}: layers alone", 100.0, int(rows[0]["cycles"]), cause_shares(rows[0]))]
    for row in rows:
        cycles = int(value(row, "network.cycles") or 0)
        stack = {cause.key: value(row, f"network.{STACK}{cause.key}") or 0.0 for cause in Cause}
        # Products are those of the layers, so that busy cycles are split as there.
        shares = cause_shares({**row, "pe_cycle_stack": stack})
        bars.append(Bar(f"overlap of {row['network.overlap']}", 100 * cycles / row["cycles"], cycles, shares))
    return bars


def _groups(rows: list[Row]) -> Iterable[tuple[str, list[Row]]]:
    """Runs on one machine that have the same layers alone, together; the setting that they differ in is `overlap`."""
    # Layers alone do not depend on it, so that what tells apart other runs is everything else that was set.
    plain = [{key: part for key, part in row.items() if key != "overlap"} for row in rows]
    for label, group in by_run(plain).items():
        by_cycles: dict[int, list[Row]] = {}
        for row in group:
            by_cycles.setdefault(int(row["cycles"]), []).append(row)
        yield from ((label, same) for same in by_cycles.values())


def _has_network(row: Row) -> bool:
    return row.get("network.overlap") in _OVERLAPS and value(row, "network.cycles") is not None
