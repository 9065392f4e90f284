"""`prunesim validate`: our figures beside published ones, and our DRAM beside other simulators.

This module loads quickly, since `prunesim --help` reads it; what simulates is imported where it is used.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click


@click.command()
@click.option("--machine", metavar="M", help="Only the figures of one accelerator, or 'dram' for the DRAM table.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="With several: bands over so "
              "many seeds, for uniform and clustered masks, of the figures that depend on masks.")  # fmt: skip
@click.option("--sensitivity", is_flag=True, help="Show what other readings of unpublished parameters would change.")
@click.option("--figures", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="FOLDER",
              help="Compare with figures of your own: a folder as --export writes one.")  # fmt: skip
@click.option("--export", "target", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Write the figures and their studies, for 'prunesim sweep', into a folder, and stop.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def validate(
    machine: str | None,
    seeds: int,
    folder: Path | None,
    target: Path | None,
    jobs: int | None,
    *,
    sensitivity: bool,
    as_json: bool,
) -> None:
    """Rerun published configurations and compare; exit with 1 when a figure is outside its tolerance.

    A known gap, a deviation recorded with its reason, is printed as one; it fails when it is no longer what was
    recorded.

    Shows published and simulated values, deviation, tolerance and source; then total cycles and activates of our DRAM
    beside the band that DRAMsim3 and Ramulator 2.1 span, for ten access patterns.

    Every configuration is a study: --export writes them all, 'prunesim sweep' reruns one, and --figures compares with
    a folder that was changed or holds figures of your own.
    """
    from simulator import figures, validation_tables
    from simulator.dram.agreement import agreement_rows, format_agreement
    from simulator.sensitivity import effects
    from simulator.tables import progress
    from simulator.validation import results

    if target is not None:
        for path in figures.export(target):
            click.echo(path)
        return
    chosen = figures.FigureSet.read(folder or figures.FOLDER)
    if machine == "dram":
        chosen = replace(chosen, figures=())
    elif machine is not None:
        chosen = chosen.only(machine)
    with progress("validating") as advance:
        found = results(chosen, seeds, jobs, advance)
        changed = effects(chosen, jobs, advance) if sensitivity else []
    dram = agreement_rows() if machine == "dram" or (machine is None and folder is None) else []
    if as_json:
        rows = [asdict(row) | {"inside": row.inside} for row in dram]
        data = {"figures": [result.to_dict() for result in found], "dram": rows}
        click.echo(json.dumps(data | {"sensitivity": [effect.to_dict() for effect in changed]}, indent=1))
    else:
        if found:
            validation_tables.print_results(found)
        if changed:
            validation_tables.print_effects(changed)
        if dram:
            click.echo("\nDRAM: DDR4-2400, 65,536 requests a pattern; band of DRAMsim3 and Ramulator 2.1, 3 % wider\n")
            click.echo(format_agreement(dram))
    if not all(result.accounted for result in found) or not all(row.inside for row in dram):
        raise SystemExit(1)
