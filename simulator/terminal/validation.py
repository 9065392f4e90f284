"""What `prunesim validate` prints: figures beside ours, bands over seeds, and what other readings would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from simulator.terminal.tables import console, fitting, width_of
from simulator.validation.figure_rows import VERDICTS, Outside
from simulator.validation.results import Band, Result
from simulator.validation.sensitivity import Effect

_SOURCE_WIDTH = 30  # the least that a column of sources needs
_UNMOVED = 0.001  # change of a figure, as its goal counts it, below which a reading is not shown


def print_results(results: Sequence[Result]) -> None:
    """Published figures beside ours, and how many have which verdict; bands have columns of their own."""
    output = console()
    short = _figures(results, sources=False)
    if width_of(output, short) + _SOURCE_WIDTH <= output.width:
        output.print(_figures(results, sources=True))  # sources are wrapped
    else:
        fitting(output, [short])
    for result in results:
        if not result.inside and result.recorded is not None:
            output.print(f"{result.figure.id}, {result.verdict}: {_why(result.recorded)}", style="dim", highlight=False)
    counts = Counter(result.verdict for result in results)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    output.print(f"{len(results)} figures: {said}; {sum(bool(result.moved) for result in results)} moved")


def _figures(results: Sequence[Result], *, sources: bool) -> Table:
    families = list(dict.fromkeys(name for result in results for name in result.bands))
    table = Table(title="published figures", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("figure", "published", "simulated", "deviation", "goal", *(f"{f} masks" for f in families), "verdict"):
        table.add_column(name, justify="left" if name in ("figure", "verdict") else "right", no_wrap=True)
    if sources:
        table.add_column("source")
    for result in results:
        figure = result.figure
        table.add_row(
            figure.id,
            f"{'at most ' if figure.most else ''}{figure.published:.4g} {figure.unit}",
            f"{result.simulated:.4g}",
            result.goal.text(result.deviation),
            result.goal.text(result.goal.allowed(figure.published)).removeprefix("+"),
            *(_band(result.bands.get(family)) for family in families),
            f"{result.verdict.upper()}, {result.moved}" if result.moved else result.verdict,
            *([figure.source] if sources else []),
        )
    return table


def _why(row: Outside) -> str:
    return "; ".join(part for part in (row.told, row.note) if part) or "nothing is known"


def _band(band: Band | None) -> str:
    return "" if band is None else f"{band.low:.4g} .. {band.high:.4g}"


def print_effects(effects: Sequence[Effect]) -> None:
    """A block for each figure: the readings that move it, and the share of its deviation that each explains."""
    table = Table(
        title="other readings of what is not published", title_justify="left", box=None, pad_edge=False,
        header_style="bold",
    )  # fmt: skip
    for name in ("figure", "reading", "value", "deviation", "explains"):
        table.add_column(name, justify="left" if name in ("figure", "reading") else "right", no_wrap=True)
    for figure, own in groupby(effects, key=lambda effect: effect.figure):
        moving = [effect for effect in own if abs(effect.change) >= _UNMOVED]
        if not moving:
            continue
        unchanged = moving[0].unchanged
        table.add_row(
            figure.id, f"as shipped ({figure.published:.4g} {figure.unit} published)", f"{unchanged:.4g}",
            moving[0].goal.text(moving[0].goal.deviation(unchanged, figure.published)), "", style="bold",
        )  # fmt: skip
        for effect in moving:
            table.add_row(
                "",
                effect.reading.name,
                f"{effect.simulated:.4g}",
                effect.goal.text(effect.goal.deviation(effect.simulated, figure.published)),
                "" if effect.share is None else f"{effect.share:.0%}",
            )
    fitting(console(), [table])
    console().print(f"readings that change a figure by less than {_UNMOVED:.1%} are left out", style="dim")
