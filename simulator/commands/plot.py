"""`prunesim plot`: a figure from a file of results or a timeline. Kinds bring their options with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from simulator.commands.baseline import BASELINE_HELP, results_over
from simulator.commands.late import LateCommand
from simulator.commands.numbers import RealRange
from workloads.errors import InputError
from workloads.names import require_title

_INCHES = RealRange(1, 60)
_COLUMN_INCHES = 3.4


def _rows() -> Iterator[tuple[str, str]]:
    from simulator.plots import kind_lines

    for name, shown in kind_lines().items():
        known = f" ({', '.join(f'--{option}' for option in shown.options)})" if shown.options else ""
        yield name, shown.line + known


def _options() -> Iterator[click.Option]:
    """`--kind`, and what any kind takes besides."""
    from simulator.plots import kind_lines

    known = kind_lines()
    yield click.Option(
        ["--kind"], type=click.Choice(list(known)), default="causes", show_default=True, help="What to draw."
    )
    for option, meaning in {key: text for shown in known.values() for key, text in shown.options.items()}.items():
        yield click.Option([f"--{option}"], help=meaning)


@click.command(cls=LateCommand, section=("Kinds", _rows), options=_options)
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A png, svg or pdf file."
)
@click.option("--title", metavar="TEXT", help="Above the figure, in place of its own.")
@click.option("--column", is_flag=True, help=f"As wide as a column of a paper, {_COLUMN_INCHES} inches.")
@click.option("--width", type=_INCHES, metavar="INCHES", help="Width of the figure.  [default: of its kind]")
@click.option("--height", type=_INCHES, metavar="INCHES", help="Height of the figure.  [default: of its kind]")
@click.option("--dpi", type=click.IntRange(30, 1200), default=160, show_default=True, help="Dots an inch of a png.")
@click.option("--font-size", type=RealRange(3, 30), default=9, show_default=True, help="Of labels, in points.")
@click.option("--study", metavar="NAME", help="The study to draw, of a store that holds several.")
@click.option("--where", metavar="COLUMN=VALUE", multiple=True, help="Only such rows or points. Repeatable.")
@click.option("--baseline", metavar="MACHINE|FILE", help=BASELINE_HELP)
def plot(
    results: Path,
    kind: str,
    output: Path,
    study: str | None,
    where: tuple[str, ...],
    baseline: str | None,
    title: str | None,
    width: float | None,
    height: float | None,
    dpi: int,
    font_size: float,
    *,
    column: bool,
    **options: str | None,
) -> None:
    """Draw RESULTS: what 'run', 'compare', 'sweep' or 'serve' wrote (JSON, CSV, Parquet, a store), or a timeline."""
    from simulator import plots
    from simulator.commands.outputs import wrote
    from simulator.plots.files import read_results, read_serving, read_timeline
    from workloads.files import require_outputs

    drawn = plots.plot_kind(kind)
    # Options of all kinds come here, those that were not given as None: the kind's own defaults stand.
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in drawn.options:
            known = ", ".join(other for other, described in plots.kind_lines().items() if name in described.options)
            raise InputError(f"--{name}: --kind {kind} does not know it; it belongs to: {known}")
    if baseline and drawn.source in ("timeline", "serving"):
        raise InputError(f"--baseline: --kind {kind} shows no speedups")
    if title is not None:
        require_title("--title", title)
    plots.require_format(output)
    require_outputs([output], [results])
    if drawn.source == "timeline":
        data = read_timeline(results)
    elif drawn.source == "serving":
        data = read_serving(results)
    else:
        data = results_over(baseline, read_results(results, study, where, whole=drawn.source == "reports"))
    if column and width is not None:
        raise InputError("--column and --width: give one of them")
    with plots.on_paper(plots.Paper(_COLUMN_INCHES if column else width, height, dpi, font_size, title)):
        plots.save(drawn(data, **given), output)
    wrote(output)
