"""`prunesim explain`: what limits a workload on an accelerator, and what would help.

This module loads quickly, since `prunesim --help` reads it; what simulates is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.commands import names
from simulator.commands.outputs import write
from simulator.commands.run import (
    EQUAL_HELP,
    OUTPUT_FILE,
    PRUNE_HELP,
    SEED_HELP,
    SET_HELP,
    configured,
    equal_size_of,
    workload_of,
)
from simulator.terminal.wishes import inform


@click.command()
@click.argument("workload", default="blazepose", shell_complete=names.workloads)
@click.option(
    "--on",
    "machine",
    metavar="MACHINE",
    required=True,
    shell_complete=names.machine,
    help="The accelerator; see 'prunesim list'.",
)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="A machine's TOML from 'prunesim config'."
)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help=SET_HELP)
@click.option("--equal", metavar="KEY=VALUE,...", help=EQUAL_HELP)
@click.option("--layers", metavar="GLOB", help="Only the layers whose name matches, e.g. 'conv3*'.")
@click.option("--prune", metavar="METHOD:KEY=VALUE,...", help=PRUNE_HELP)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED_HELP)
@click.option("--batch", type=click.IntRange(min=1), help="Images in a batch.  [default: the workload's]")
@click.option("--worst", type=click.IntRange(min=1), default=3, show_default=True, help="How many layers to look into.")
@click.option(
    "--no-parameters", "parameters", flag_value=False, default=True, help="Halve and double none, which takes longest."
)
@click.option("--json", "json_file", type=OUTPUT_FILE, metavar="FILE|-", help="Write all that was found.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write it as a page with plots.")
def explain(
    workload: str, machine: str, config: Path | None, settings: tuple[str, ...], page: Path | None, **options: Any
) -> None:
    """Say what limits WORKLOAD on an accelerator, and what would help.

    The largest bound, what each cause of lost time would give back if it vanished, and what each parameter of the
    accelerator would change, for the network and its slowest layers: simulated without it where a setting or other
    places of the zeros take it away, otherwise by its share, which is said.

    \b
    prunesim explain vgg16@scnn --on scnn --layers conv2_1
    prunesim explain alexnet@deep-compression --on eie --layers fc6
    """  # noqa: D301 (click reads the backspace as: keep these lines as they are)
    from simulator.commands.hints import require_one_machine
    from simulator.explain.network import explain as look_into
    from simulator.reports.files import to_json
    from simulator.terminal.explanations import print_explanation
    from simulator.terminal.progress import progress
    from workloads.files import require_outputs

    require_outputs([options["json_file"], page], (config, workload))
    require_one_machine(machine)
    accelerator = configured(machine, config, settings, equal_size_of(options["equal"]))
    chosen = workload_of(workload, **{key: options[key] for key in ("seed", "batch", "prune", "layers")})
    with progress(f"{chosen.name} on {accelerator.name}") as advance:
        found = look_into(accelerator, chosen, options["worst"], advance, parameters=options["parameters"])
    for line in chosen.notes:
        inform(f"note: {line}")
    if options["json_file"]:
        write(options["json_file"], to_json(found.to_dict()))
    if page:
        from simulator.plots.explanation_page import explanation_page

        write(page, explanation_page(found))
    if options["json_file"] != "-":
        print_explanation(found)
