"""`prunesim validate`: our figures beside published ones, and our DRAM beside other simulators."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--machine", metavar="M", help="Only the figures of one accelerator, or 'dram' for the DRAM table.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def validate(machine: str | None, *, as_json: bool) -> None:
    """Rerun published configurations and compare; exit with 1 when a figure is outside its tolerance.

    Shows published and simulated values, deviation, tolerance and source; then total cycles and activates of our DRAM
    beside the band that DRAMsim3 and Ramulator 2.1 span, for ten access patterns.
    """
    from simulator import validation
    from simulator.dram.agreement import agreement_rows, format_agreement
    from simulator.tables import print_figures, progress

    figures = validation.figures(machine) if machine != "dram" else []
    with progress("validating") as advance:
        results = validation.measure(figures, advance)
    dram = agreement_rows() if machine in (None, "dram") else []
    if as_json:
        rows = [asdict(row) | {"inside": row.inside} for row in dram]
        click.echo(json.dumps({"figures": [result.to_dict() for result in results], "dram": rows}, indent=1))
    else:
        if results:
            print_figures(results)
        if dram:
            click.echo("\nDRAM: DDR4-2400, 65,536 requests a pattern; band of DRAMsim3 and Ramulator 2.1, 3 % wider\n")
            click.echo(format_agreement(dram))
    if not all(result.inside for result in results) or not all(row.inside for row in dram):
        raise SystemExit(1)
