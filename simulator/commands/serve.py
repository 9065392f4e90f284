"""`prunesim serve`: images that arrive at an accelerator, and how long each takes.

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
    NO_ENERGY_HELP,
    OUTPUT_FILE,
    PRUNE_HELP,
    SEED_HELP,
    SET_HELP,
    configured,
    equal_size_of,
    workload_of,
)
from simulator.terminal.wishes import inform

_RATE_HELP = "Images per second that arrive; several by comma, a row each."
_ARRIVALS_HELP = "In equal distances, at random, or at the times of FILE, in seconds, one a line."
_BATCH_HELP = "Images that are put together to a batch at most."
_WAIT_HELP = "How long the oldest image waits at most for a batch to fill."
_QUEUE_HELP = "Images that may wait; what comes then is dropped.  [default: any number]"
_INPUTS_HELP = "Inputs of the workload, served in turn."


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
@click.option("--rate", "rates", metavar="R1,R2,...", help=_RATE_HELP)
@click.option("--arrivals", metavar="periodic|poisson|FILE", default="periodic", show_default=True, help=_ARRIVALS_HELP)
@click.option("--images", type=click.IntRange(1, 10**7), help="How many arrive.  [default: 1000, or all of FILE]")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help=_BATCH_HELP)
@click.option("--wait", "wait_ms", type=float, metavar="MS", default=0.0, show_default=True,
              help=_WAIT_HELP)  # fmt: skip
@click.option("--queue", type=click.IntRange(min=1), help=_QUEUE_HELP)
@click.option("--deadline", "deadline_ms", type=float, metavar="MS", help="Count images that take longer.")
@click.option("--inputs", metavar="N|all", default="1", show_default=True, help=_INPUTS_HELP)
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="A machine's TOML from 'prunesim config'."
)
@click.option("--layers", metavar="GLOB", help="Only the layers whose name matches, e.g. 'conv3*'.")
@click.option("--prune", metavar="METHOD:KEY=VALUE,...", help=PRUNE_HELP)
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help=SET_HELP)
@click.option("--equal", metavar="KEY=VALUE,...", help=EQUAL_HELP)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help=f"{SEED_HELP[:-1]}, and of Poisson arrivals.")  # fmt: skip
@click.option("--json", "json_file", type=OUTPUT_FILE, metavar="FILE|-", help="Write the JSON report.")
@click.option("--no-energy", "energy", flag_value=False, default=True, help=NO_ENERGY_HELP)
def serve(workload: str, machine: str, config: Path | None, settings: tuple[str, ...], **options: Any) -> None:
    """Let images arrive at an accelerator that runs WORKLOAD: what is served, and how long each image takes.

    The machine's times are simulated first: how long the network takes, and how soon the next input is done behind
    it, of each size of batch that occurs.
    """
    from simulator.commands.hints import require_one_machine
    from simulator.input_runs import parse_inputs
    from simulator.reports.files import to_json
    from simulator.serving.run import cycles_of, parse_traffic, rules_of, serve_workload
    from simulator.terminal.progress import progress
    from simulator.terminal.serving import print_serving
    from workloads.files import require_outputs

    traffic = parse_traffic(options["arrivals"], options["rates"], options["images"], options["seed"])
    # Before anything is simulated: a file that cannot be written must not be found out at the end.
    require_outputs([options["json_file"]], (config, workload, options["arrivals"]))
    require_one_machine(machine)
    accelerator = configured(machine, config, settings, equal_size_of(options["equal"]))
    clock_hz = accelerator.spec.clock_hz
    rules = rules_of(options["batch"], options["wait_ms"], options["queue"], clock_hz)
    deadline_ms = options["deadline_ms"]
    deadline = None if deadline_ms is None else cycles_of(deadline_ms, "--deadline", clock_hz)
    chosen = workload_of(workload, seed=options["seed"], batch=None, prune=options["prune"], layers=options["layers"])
    inputs = parse_inputs(options["inputs"], chosen)
    with progress(f"{chosen.name} on {accelerator.name}") as advance:
        report = serve_workload(
            accelerator,
            chosen,
            traffic,
            rules,
            inputs=inputs,
            deadline_cycles=deadline,
            progress=advance,
            energy=options["energy"],
        )
    for line in chosen.notes:
        inform(f"note: {line}")
    if options["json_file"]:
        write(options["json_file"], to_json(report.to_dict()))
    if options["json_file"] != "-":
        print_serving(report)
