"""An explanation on a terminal: sentences, and a table of what would help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from simulator.explain.knobs import Knob
from simulator.explain.layer import LayerExplanation, WhatIf
from simulator.explain.network import Explanation
from simulator.terminal.tables import console, fitting

_MOST_KNOBS = 10


def print_explanation(found: Explanation) -> None:
    """The network, its worst layers, the parameters, and what is not modelled."""
    output = console()
    for sentence in found.sentences():
        output.print(sentence, highlight=False)
    for layer in found.layers:
        output.print()
        _print_layer(layer)
    if found.knobs:
        output.print()
        _print_knobs(found.knobs, [layer.name for layer in found.layers])
    for note in found.notes:
        output.print(f"  {note}", style="dim", highlight=False)


def _print_layer(layer: LayerExplanation) -> None:
    output = console()
    output.print(layer.headline(), style="bold", highlight=False)
    for sentence in layer.sentences():
        output.print(f"  {sentence}", highlight=False)
    if layer.what_ifs:
        _print_table("", WhatIf.HEADINGS, [one.cells() for one in layer.what_ifs])


def _print_knobs(found: Sequence[Knob], names: Sequence[str]) -> None:
    swaying = [knob for knob in found if knob.sways]
    title = f"parameters, halved and doubled: change of the time of {', '.join(names)}"
    rows = [
        (knob.key, f"{knob.value:g}", _change(knob.half, knob.half_time), _change(knob.double, knob.double_time))
        for knob in swaying[:_MOST_KNOBS]
    ]
    _print_table(title, ("parameter", "value", "half", "double"), rows)
    if rest := len(swaying) - len(rows):
        console().print(f"  and {rest} more (--json has all)", style="dim", highlight=False)
    if still := len(found) - len(swaying):
        console().print(f"  {still} parameters change nothing here", style="dim", highlight=False)


def _change(value: float | None, time: float | None) -> str:
    return "-" if value is None or time is None else f"{value:g}: {time - 1:+.1%}"


def _print_table(title: str, names: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(
            name, no_wrap=name != "how", justify="left" if name in ("cause", "how", "parameter") else "right"
        )
    for row in rows:
        table.add_row(*row)
    fitting(console(), [table])
