"""`prunesim compare`: a workload on several accelerators, side by side.

This module loads quickly, since `prunesim --help` reads it; what simulates is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands import names
from simulator.commands.baseline import BASELINE_HELP, beside, compared_with, split
from simulator.commands.ideal import with_ideal_beside
from simulator.commands.run import (
    check_outputs,
    configured,
    equal_size_of,
    require_run_outputs,
    run_options,
    simulated,
    warn,
    workload_of,
    write_run,
)
from workloads.errors import InputError

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator
    from dataflows.sizing import EqualSize


@click.command()
@click.argument("workload", default="blazepose", shell_complete=names.workloads)
@click.option(
    "--on",
    "machines",
    metavar="M1,M2,...|all",
    shell_complete=names.machines,
    help="Accelerators, by comma; 'all' for every one.",
)
@click.option(
    "--config",
    "configs",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="One more accelerator: its TOML from 'prunesim config'. Repeatable.",
)
@click.option("--baseline", metavar="MACHINE|FILE", help=BASELINE_HELP)
@run_options
def compare(
    workload: str,
    machines: str | None,
    configs: tuple[Path, ...],
    *,
    check: bool,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Run WORKLOAD on several accelerators, side by side: those of --on, and each --config.

    A --set applies to every accelerator that has the parameter. An accelerator that cannot run a layer is left out,
    with the reason on standard error. 'ideal' takes the multipliers and clock of the others where they are alike.
    """
    from dataflows.registry import machines as known
    from simulator.configuration import machine_of
    from simulator.input_runs import parse_inputs
    from simulator.network_simulation import able_machines
    from simulator.terminal.energy import print_energies
    from simulator.terminal.inputs import print_inputs
    from simulator.terminal.reports import print_comparison

    require_run_outputs(options, (), (workload, *configs))
    if not machines and not configs:
        raise InputError("compare: nothing to run on: give --on MACHINE,... or --config FILE")
    listed = list(known()) if machines == "all" else [name.strip() for name in (machines or "").split(",") if machines]
    size = equal_size_of(options["equal"])
    wanted: list[tuple[str, Path | None]] = [(name, None) for name in listed]
    wanted += [(machine_of(config), config) for config in configs]
    every = [name for name, _ in wanted]
    baseline = options["baseline"]
    if baseline in every and baseline not in listed:
        raise InputError(f"--baseline {baseline}: runs here by --config alone; name it in --on as well")
    wanted += [(name, None) for name in beside(baseline, every)]
    accelerators = _configure_all(wanted, settings, size)
    chosen = workload_of(workload, **{key: options[key] for key in ("seed", "batch", "prune", "layers")})
    able, refused = able_machines(accelerators, chosen)
    able, unseen = split(able, every, baseline, refused)
    warn(refused.values())
    if not able:
        raise InputError("no accelerator of the list can run this workload")
    # After refusals, since the ideal machine takes the size of those that really run.
    able = with_ideal_beside(able, settings, size)
    inputs = parse_inputs(options["inputs"], chosen)
    reports = simulated([*able, *unseen], chosen, inputs, energy=options["energy"])
    # Of a machine that runs in several configurations the one of --on, which comes first.
    reports = compared_with(baseline, reports, len(able))
    data = {
        "schema": reports[0].to_dict()["schema"],
        "tool": reports[0].tool,
        "workload": reports[0].workload,
        "seed": reports[0].seed,
        "reports": [report.to_dict() for report in reports],
        "refused": refused,
    }
    if not write_run(data, [row for report in reports for row in report.rows()], options):
        print_comparison(reports, factors=options["factors"], notes=options["notes"])
        print_energies(reports)
        print_inputs(reports)
    if check:
        check_outputs(able, chosen, inputs)


def _configure_all(
    chosen: list[tuple[str, Path | None]], settings: tuple[str, ...], size: EqualSize | None
) -> list[Accelerator]:
    """Machines, by name and configuration, with the settings that each of them has.

    Raises `InputError` for a key that none of them has.
    """
    from dataflows.registry import machine
    from simulator.configuration import has_key, keys_of, parse_setting
    from workloads.errors import nearest

    known = {name: keys_of(machine(name).Spec) for name, _ in chosen}
    every = {key for keys in known.values() for key in keys}
    for key in (parse_setting(text)[0] for text in settings):
        if not has_key(every, key):
            raise InputError(f"--set: unknown key '{key}': {nearest(key, every)}")
    return [
        configured(name, config, tuple(s for s in settings if has_key(known[name], parse_setting(s)[0])), size)
        for name, config in chosen
    ]
