"""`prunesim run`: a workload on one accelerator; and what `compare` does likewise.

This module loads quickly, since `prunesim --help` reads it; what simulates is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simulator.commands import names
from simulator.commands.outputs import write, wrote
from simulator.terminal.wishes import inform
from workloads.errors import InputError
from workloads.notices import tell

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator
    from dataflows.sizing import EqualSize
    from simulator.engine.observer import Observer
    from simulator.observers.dram_requests import RequestRecorder
    from simulator.observers.timeline import Timeline
    from simulator.reports.report import NetworkReport
    from workloads.workload import Workload

Command = TypeVar("Command", bound=Callable[..., Any])
SET_HELP = "Set a machine's parameter by its dotted name, e.g. dram.bandwidth_gbs=25.6. Repeatable."
PRUNE_HELP = "Prune the network first, e.g. unstructured:density=0.3; several prunings are joined by '+'."
_INPUTS_HELP = (
    "Simulate so many inputs, how they differ and how fast they follow one another; all else is of the first."
)
SEED_HELP = "Seed of synthetic masks and values."
EQUAL_HELP = (
    "Bring machines to one size, each in its own way: any of multipliers, clock_ghz, on_chip_kib, bandwidth_gbs, bits. "
    "What a machine cannot reach is said on standard error."
)
FACTORS_HELP = "Show what each speedup consists of: size x zeros skipped x utilization."
_NOTES_HELP = "Show all that machines had to do to fit layers, not the first note alone."
NO_ENERGY_HELP = "Leave out energy and area, which nothing is counted for then."
_CHECK_HELP = "Also compute every output in the machine's own order and compare with a reference convolution."
OUTPUT_FILE = click.Path(dir_okay=False, allow_dash=True)


def run_options(command: Command) -> Command:
    """The options that `run` and `compare` share."""
    options = [
        click.option("--layers", metavar="GLOB", help="Only the layers whose name matches, e.g. 'conv3*'."),
        click.option("--prune", metavar="METHOD:KEY=VALUE,...", help=PRUNE_HELP),
        click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help=SET_HELP),
        click.option("--equal", metavar="KEY=VALUE,...", help=EQUAL_HELP),
        click.option("--factors", is_flag=True, help=FACTORS_HELP),
        click.option("--notes", is_flag=True, help=_NOTES_HELP),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED_HELP),
        click.option("--batch", type=click.IntRange(min=1), help="Images in a batch.  [default: the workload's]"),
        click.option("--inputs", metavar="N|all", default="1", show_default=True, help=_INPUTS_HELP),
        click.option("--json", "json_file", type=OUTPUT_FILE, metavar="FILE|-", help="Write the JSON report."),
        click.option("--csv", "csv_file", type=OUTPUT_FILE, metavar="FILE|-", help="Write one row a layer."),
        click.option("--check", is_flag=True, help=_CHECK_HELP),
        click.option("--no-energy", "energy", flag_value=False, default=True, help=NO_ENERGY_HELP),
    ]
    # A decorator puts its option before those that are there: the last one is applied first.
    for option in reversed(options):
        command = option(command)
    return command


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
@click.option(
    "--scale-sim", type=click.Path(path_type=Path), metavar="FILE", help="Write SCALE-Sim's COMPUTE_REPORT columns."
)
@click.option(
    "--timeline", type=click.Path(path_type=Path), metavar="FILE", help="Write a trace for Perfetto (ui.perfetto.dev)."
)
@click.option("--dram-trace", metavar="FORMAT:FILE", help="Write DRAM's requests for 'ramulator2' or 'dramsim3'.")
@run_options
def run(
    workload: str,
    machine: str,
    config: Path | None,
    scale_sim: Path | None,
    timeline: Path | None,
    dram_trace: str | None,
    *,
    check: bool,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Run WORKLOAD on one accelerator.

    WORKLOAD is a built-in network (vgg16), a density set of one (vgg16@deep-compression), a trace file (.npz), your
    own network file (.toml) or a model that 'prunesim import' knows (.onnx, .tflite, ...).  [default: blazepose]
    """
    from simulator.commands.hints import require_one_machine
    from simulator.input_runs import images_of, parse_inputs

    # FORMAT:FILE; what is wrong with it is said where it is read, here only the file matters.
    requests = dram_trace.partition(":")[2] or None if dram_trace else None
    # Before the run: a file that cannot be written must not be found out after an hour.
    require_run_outputs(options, (scale_sim, timeline, requests), (config, workload))
    require_one_machine(machine)
    accelerator = configured(machine, config, settings, equal_size_of(options["equal"]))
    chosen = workload_of(workload, **{key: options[key] for key in ("seed", "batch", "prune", "layers")})
    recorder = _recorder(dram_trace, accelerator) if dram_trace else None
    inputs = parse_inputs(options["inputs"], chosen)
    watch, one_run = _watch(accelerator, chosen) if timeline else (None, False)
    alone, together = (recorder, None if one_run else watch), (watch if one_run else None,)
    (report,) = simulated([accelerator], chosen, inputs, _given(alone), _given(together), energy=options["energy"])
    if timeline and watch:
        write(timeline, watch.to_json(report))
    if recorder:
        recorder.write()
        wrote(recorder.path)
    if not write_run(report.to_dict(), report.rows(), options):
        _print(report, images_of(chosen), options)
    if scale_sim:
        from simulator.reports.scale_sim import to_compute_report

        write(scale_sim, to_compute_report(report))
    if check:
        check_outputs([accelerator], chosen, inputs)


def workload_of(name: str, *, seed: int, batch: int | None, prune: str | None, layers: str | None) -> Workload:
    """The workload that options choose; None for what was not given."""
    from simulator.commands.hints import require_workload
    from workloads.catalog import load_workload

    require_workload(name)
    chosen = load_workload(name, seed=seed, batch=batch)
    if prune:  # before layers are selected, for prunings may look at the whole network
        from workloads import pruning

        chosen = chosen.prune(pruning.parse(prune))
    return chosen.select(layers) if layers else chosen


def equal_size_of(text: str | None) -> EqualSize | None:
    """The size that `--equal` asks for; None without it."""
    from simulator.equal_size import parse_equal_size

    return parse_equal_size(text) if text else None


def configured(name: str, config: Path | None, settings: tuple[str, ...], size: EqualSize | None) -> Accelerator:
    """A machine from all that says what it is; warnings, and what an equal size makes of it, go to standard error."""
    if size is None:
        from simulator.configuration import configure

        accelerator, warnings = configure(name, config, settings)
    else:
        from simulator.equal_size import configure_equal

        accelerator, warnings, line = configure_equal(name, config, settings, size)
        tell(line)
    warn(warnings)
    return accelerator


def _recorder(dram_trace: str, accelerator: Accelerator) -> RequestRecorder:
    from simulator.observers.dram_requests import RequestRecorder

    return RequestRecorder.of(dram_trace, accelerator.spec.dram)


def _watch(accelerator: Accelerator, workload: Workload) -> tuple[Timeline, bool]:
    """What draws the timeline, and whether it watches the network as one run, which has one clock, or each layer."""
    from simulator.network.beside import is_one_run
    from simulator.observers.network_timeline import NetworkTimeline
    from simulator.observers.timeline import Timeline

    one_run = is_one_run(accelerator, workload)
    return (NetworkTimeline() if one_run else Timeline()), one_run


def _given(observers: tuple[Observer | None, ...]) -> tuple[Observer, ...]:
    return tuple(observer for observer in observers if observer is not None)


def simulated(
    accelerators: list[Accelerator],
    workload: Workload,
    inputs: int,
    observers: tuple[Observer, ...] = (),
    network_observers: tuple[Observer, ...] = (),
    *,
    energy: bool,
) -> list[NetworkReport]:
    """The reports of machines on a workload, with a progress bar; what the workload has to say is told."""
    from simulator.input_runs import simulate_inputs
    from simulator.terminal.progress import progress

    with progress(f"{workload.name} on {', '.join(a.name for a in accelerators)}") as advance:
        reports = simulate_inputs(accelerators, workload, inputs, advance, observers, network_observers, energy=energy)
    for line in workload.notes:
        inform(f"note: {line}")
    return reports


def _print(report: NetworkReport, images: int, options: dict[str, Any]) -> None:
    """All tables of one machine."""
    from simulator.terminal.energy import print_energy
    from simulator.terminal.inputs import print_inputs
    from simulator.terminal.networks import print_network
    from simulator.terminal.reports import print_report

    print_report(report, factors=options["factors"], notes=options["notes"])
    print_energy(report)
    print_network(report, images)
    print_inputs([report])


def check_outputs(accelerators: list[Accelerator], workload: Workload, inputs: int) -> None:
    """Exit with 1 when a machine's outputs differ from the reference convolution on any input."""
    from simulator.functional import differing_layers
    from simulator.terminal.progress import progress

    with progress("checking outputs") as advance:
        found = [differing_layers(accelerators, workload.at_input(number), advance) for number in range(inputs)]
    wrong = [f"input {number}: {line}" if number else line for number, lines in enumerate(found) for line in lines]
    for line in wrong:
        tell(line)
    if wrong:
        raise SystemExit(1)
    of_inputs = f" of {inputs} inputs" if inputs > 1 else ""
    inform(f"outputs checked: {len(workload.layers)} layers{of_inputs} equal the reference convolution")


def require_run_outputs(
    options: dict[str, Any], others: tuple[str | Path | None, ...], inputs: tuple[str | Path | None, ...]
) -> None:
    """Refuse outputs that could not be written, before anything is simulated."""
    from workloads.files import require_outputs

    files = [options["json_file"], options["csv_file"]]
    if files == ["-", "-"]:
        raise InputError("--json - and --csv -: only one of them can go to standard output")
    require_outputs([*files, *others], inputs)


def write_run(data: dict[str, Any], rows: list[dict[str, Any]], options: dict[str, Any]) -> bool:
    """Write the files asked for; True when standard output is taken by one of them."""
    from simulator.reports.files import to_csv, to_json

    for file, text in (
        (options["json_file"], to_json(data)),
        (options["csv_file"], to_csv(rows)),
    ):
        if file:
            write(file, text)
    return "-" in (options["json_file"], options["csv_file"])


def warn(lines: Iterable[str]) -> None:
    """Tell warnings, a line each."""
    for line in lines:
        tell(f"warning: {line}")
