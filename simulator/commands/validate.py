"""`prunesim validate`: our figures beside published ones, and our DRAM beside other simulators.

This module loads quickly, since `prunesim --help` reads it; what simulates is imported where it is used.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.commands.outputs import wrote
from workloads.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.studies.study import Progress
    from simulator.validation.figures import FigureSet
    from simulator.validation.results import Result


@click.command()
@click.option("--machine", metavar="M", help="Only the figures of one accelerator, or 'dram' for the DRAM table.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="With several: bands over so "
              "many seeds, for uniform and clustered masks, of the figures that depend on masks.")  # fmt: skip
@click.option("--sensitivity", is_flag=True, help="Show what other readings of unpublished parameters would change.")
@click.option("--figures", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="FOLDER",
              help="Compare with figures of your own: a folder as --export writes one.")  # fmt: skip
@click.option("--export", "target", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Write the figures and their studies, for 'prunesim sweep', into a folder, and stop.")  # fmt: skip
@click.option("--renew", is_flag=True, help="Record today's deviations of the figures outside their goals, and what "
              "the readings recorded with them explain; goals stay.")  # fmt: skip
@click.option("--markdown", "document", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="Rewrite the table of verdicts between the markers of a document, from what is recorded; with "
              "--renew after it, else without a simulation.")  # fmt: skip
@click.option("--plot", "pictures", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Draw the figures into a folder as their papers do, published beside simulated.")  # fmt: skip
@click.option("--plot-format", "ending", type=click.Choice(("svg", "png", "pdf")), default="svg", show_default=True,
              help="Of what --plot draws.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def validate(
    machine: str | None,
    seeds: int,
    folder: Path | None,
    target: Path | None,
    document: Path | None,
    pictures: Path | None,
    ending: str,
    jobs: int | None,
    *,
    sensitivity: bool,
    renew: bool,
    as_json: bool,
) -> None:
    """Rerun published configurations and compare; exit with 1 when a figure is not where it is recorded.

    Each figure is within the goal of its kind, or outside it and explained by a reading of what papers leave open, or
    outside and unexplained. Deviations outside are recorded beside the figures: the command fails when one has moved,
    has closed, or is not recorded, and with --sensitivity when a recorded reading explains another share than it did.

    Then the DRAM table: total cycles and activates of ten access patterns, which must equal those of Ramulator 2.1 with
    the same scheduler; DRAMsim3 is a second opinion. And the memory's power on them, beside DRAMsim3's.

    --plot draws what has several parts, a picture a drawing of the papers, with the goals as whiskers or bands.

    Every configuration is a study: --export writes them all, 'prunesim sweep' reruns one, and --figures compares with
    a folder that was changed or holds figures of your own.
    """
    from simulator.terminal.progress import progress
    from simulator.validation import figure_records, figures

    if target is not None:
        for path in figures.export(target):
            click.echo(path)
        return
    if pictures is not None and (renew or document is not None):
        raise InputError("--plot: cannot be given with --renew or --markdown, which draw nothing")
    place = folder or figures.FOLDER
    whole = figures.FigureSet.read(place)
    if document is None or renew:
        chosen = replace(whole, figures=()) if machine == "dram" else whole if machine is None else whole.only(machine)
        draw = None if pictures is None else _drawing(chosen, pictures, ending)
        with progress("validating") as advance:
            if not renew:
                with_dram = machine == "dram" or (machine is None and folder is None)
                _compare(
                    chosen, seeds, jobs, advance, draw,
                    sensitivity=sensitivity, with_dram=with_dram, as_json=as_json,
                )  # fmt: skip
                return
            for path in figure_records.renew(whole, chosen, place, jobs, advance):
                click.echo(path)
    if document is not None:
        figure_records.rewrite(document, figures.FigureSet.read(place))
        wrote(document)


def _drawing(chosen: FigureSet, folder: Path, ending: str) -> Callable[[Sequence[Result]], None]:
    """What draws results into a folder, which it makes. Raises `InputError` before anything is simulated."""
    from simulator.plots import published

    if not any(figure.drawing for figure in chosen.figures):
        raise InputError("--plot: none of these figures belongs to a drawing")
    published.make_folder(folder)

    def draw(found: Sequence[Result]) -> None:
        for path in published.write(folder, ending, found, chosen.drawings):
            wrote(path)

    return draw


def _compare(
    chosen: FigureSet,
    seeds: int,
    jobs: int | None,
    advance: Progress | None,
    draw: Callable[[Sequence[Result]], None] | None,
    *,
    sensitivity: bool,
    with_dram: bool,
    as_json: bool,
) -> None:
    """Print everything, and draw; exit with 1 where something is not as it is recorded."""
    from simulator.terminal.validation import print_effects, print_results
    from simulator.validation.dram_agreement import agreement_rows, format_agreement
    from simulator.validation.dram_power_agreement import format_power, power_rows
    from simulator.validation.results import results
    from simulator.validation.sensitivity import effects, moved_shares

    found = results(chosen, seeds, jobs, advance)
    if draw is not None:
        draw(found)
    changed = effects(chosen, jobs, advance) if sensitivity else []
    moved = moved_shares(chosen, changed)
    dram, power = (agreement_rows(), power_rows()) if with_dram else ([], [])
    if as_json:
        rows = [asdict(row) | {"equal": row.equal} for row in dram]
        powers = [asdict(row) | {"agrees": row.agrees} for row in power]
        data = {"figures": [result.to_dict() for result in found], "dram": rows, "dram_power": powers}
        click.echo(json.dumps(data | {"sensitivity": [effect.to_dict() for effect in changed]}, indent=1))
    else:
        if found:
            print_results(found)
        if changed:
            print_effects(changed)
        for line in moved:
            click.echo(line)
        if dram:
            click.echo(f"\n{format_agreement(dram)}\n\n{format_power(power)}")
    agreed = all(row.equal for row in dram) and all(row.agrees for row in power)
    if any(result.moved for result in found) or moved or not agreed:
        raise SystemExit(1)
