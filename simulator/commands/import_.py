"""`prunesim import`: a user's own network into a trace file that `run`, `compare` and `sweep` take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands.late import LateCommand
from simulator.terminal.wishes import inform
from workloads.errors import InputError
from workloads.notices import tell

if TYPE_CHECKING:
    from workloads.importers import ImportOptions, Omitted
    from workloads.workload import Workload


def _rows() -> Iterator[tuple[str, str]]:
    from workloads.importers import format_lines

    for title, suffixes in format_lines():
        yield title, " ".join(suffixes) or "a folder"


@click.command("import", cls=LateCommand, section=("Formats", _rows))
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The trace file (.npz) to write.")
@click.option(
    "--input",
    "inputs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A picture, a folder of them, or an npz or npy file with the model's inputs; activations come from a run on "
    "it. Several make a batch; pictures of a folder and samples along an array's first axis are inputs of their own.",
)
@click.option("--inputs", "samples", type=click.IntRange(min=1), metavar="N", help="Only the first N of those inputs.")
@click.option("--mean", metavar="M,...", help="Subtracted from a picture's values in [0, 1], one or one a channel.")
@click.option("--std", metavar="S,...", help="Divides them after that.")
@click.option("--layout", type=click.Choice(["NCHW", "NHWC"]), help="Of a picture in the model's input.")
@click.option(
    "--size",
    "sizes",
    metavar="NAME=N[,N...]",
    multiple=True,
    help="A dynamic size by its name, or an input's whole shape by the input's name. Repeatable.",
)
@click.option("--network", default="", help="Whose shapes a file of weights alone has, e.g. resnet50 or a .toml file.")
@click.option("--fold-batch-norm", is_flag=True, help="Count zeros after folding batch normalization into weights.")
@click.option(
    "--transposed",
    type=click.Choice(["stretched", "phases"]),
    default="stretched",
    show_default=True,
    help="Transposed convolutions as one over a map with zeros inserted, or as one a phase of the stride.",
)
@click.option("--prune", metavar="METHOD:KEY=VALUE,...", help="Prune the weights before they are written.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of what is drawn.")
def command(model: Path, output: Path, *, prune: str | None, seed: int, **options: Any) -> None:
    """Import MODEL with the zeros of its weights and, with --input, of its activations."""
    from dataclasses import replace

    from workloads.arrays.trace_file import save_traces
    from workloads.files import require_outputs
    from workloads.importers import import_model

    if output.suffix != ".npz":
        raise InputError(f"-o {output}: a trace file's name ends with .npz")
    if options["samples"] and not options["inputs"]:
        raise InputError("--inputs: counts the samples of --input, which is not given")
    # Before the import: the trace file must not replace what it is made from.
    require_outputs([output], [model, *options["inputs"]])
    imported = import_model(model, _options(options))
    for warning in imported.warnings:
        tell(f"warning: {warning}")
    workload = replace(imported.workload, seed=seed)
    if prune:
        from workloads import pruning

        tell("warning: activations stay those of the network before --prune")
        workload = workload.prune(pruning.parse(prune))
    save_traces(output, workload)
    _print(workload, imported.omitted)
    inputs = f", {workload.inputs} inputs" if workload.inputs and workload.inputs > 1 else ""
    inform(f"wrote {output}: {len(workload.layers)} layers{inputs}")


def _options(given: dict[str, Any]) -> ImportOptions:
    from workloads.catalog import load_workload
    from workloads.importers import ImportOptions

    return ImportOptions(
        inputs=given["inputs"],
        samples=given["samples"],
        mean=_numbers("--mean", given["mean"]),
        std=_numbers("--std", given["std"]),
        layout=given["layout"] or "",
        sizes=dict(_size(text) for text in given["sizes"]),
        base=load_workload(given["network"]) if given["network"] else None,
        fold_batch_norm=given["fold_batch_norm"],
        transposed=given["transposed"],
    )


def _numbers(option: str, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise InputError(f"{option} {text}: must be numbers joined by commas") from None


def _size(text: str) -> tuple[str, tuple[int, ...]]:
    # From the right, as the names that exporters give sizes may hold an equals sign.
    name, _, rest = text.rpartition("=")
    sizes = rest.split(",")
    if not name or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise InputError(f"--size {text}: must be NAME=SIZE or NAME=SIZE,SIZE,... with whole numbers of at least 1")
    return name, tuple(int(size) for size in sizes)


def _print(workload: Workload, omitted: tuple[Omitted, ...]) -> None:
    """Each layer with its shape and densities, then what is not simulated."""
    from simulator.terminal.tables import print_listing

    rows: list[tuple[str, ...]] = [("layer", "weights", "input", "weight density", "activation density", "dense MACs")]
    for index, layer in enumerate(workload.layers):
        trace = workload.trace(index)
        shapes = ("x".join(map(str, shape)) for shape in (layer.weight_shape, layer.input_shape))
        densities = (f"{density:.4f}" for density in (trace.weight_density, trace.activation_density))
        rows.append((layer.name, *shapes, *densities, f"{layer.dense_macs:,}"))
    rows.append(("total", "", "", "", "", f"{sum(layer.dense_macs for layer in workload.layers):,}"))
    print_listing(f"{workload.name}: {workload.title}", rows)
    if omitted:
        lines = [(one.operator, str(one.count), one.reason) for one in omitted]
        print_listing("not simulated", [("operator", "count", "why, or what is assumed"), *lines])
