"""`prunesim inspect`: what a workload's zeros look like and what they are worth, before anything is simulated."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from simulator.commands import names
from simulator.commands.outputs import write

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator
    from workloads.trace import LayerTrace
    from workloads.workload import Workload


@click.command("inspect")
@click.argument("workload", default="blazepose", shell_complete=names.workloads)
@click.option(
    "--on",
    "machines",
    default="all",
    show_default=True,
    metavar="M1,M2,...|all|none",
    shell_complete=names.machines,
    help="Accelerators.",
)
@click.option("--layers", metavar="GLOB", help="Only the layers whose name matches, e.g. 'conv3*'.")
@click.option("--prune", metavar="METHOD:KEY=VALUE,...", help="Prune the network first.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--value-bits", type=click.IntRange(1, 64), default=16, show_default=True, help="Bits of a stored value.")
@click.option("--graph", is_flag=True, help="Draw how the layers hang together instead.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, allow_dash=True), help="Write JSON to FILE or -.")
def command(
    workload: str, machines: str, json_file: str | None, value_bits: int, *, graph: bool, **options: Any
) -> None:
    """Show the structure of WORKLOAD's zeros, layer by layer.

    WORKLOAD is whatever 'run' takes. For each layer: densities, the structure found in the weights' zeros, the
    coefficient of variation of non-zeros over filters and over channels, and the storage format that needs the fewest
    bits; weights marked 'moving' are activations, too. Then what each accelerator can skip at best: the products that
    its own rule makes it issue, without waiting.

    With --graph, how layers and the operators between them hang together instead, a line each.
    """
    from simulator.reports.files import to_json
    from simulator.terminal.progress import progress
    from workloads import files

    files.require_outputs([json_file], [workload])
    chosen = _workload(workload, options)
    if graph:
        _draw(chosen, options["seed"], json_file)
        return
    accelerators = _accelerators(machines)
    with progress(f"inspecting {chosen.name}") as advance:
        layers = []
        for index, layer in enumerate(chosen.layers):
            if advance:
                advance(index, len(chosen.layers), layer.name)
            layers.append(_inspect(chosen.trace(index), accelerators, value_bits))
    data = {"workload": chosen.describe(), "seed": options["seed"], "layers": layers, "total": _total(layers)}
    if json_file:
        write(json_file, to_json(data))
    if json_file != "-":
        _print(chosen, data)


def _draw(workload: Workload, seed: int, json_file: str | None) -> None:
    """The graph; no tensor is made."""
    from simulator.reports.files import to_json
    from simulator.terminal.graphs import graph_lines
    from workloads.errors import InputError

    if workload.graph is None:
        raise InputError(f"workload '{workload.name}' has no graph: nothing is known but the order of its layers")
    if json_file:
        write(json_file, to_json({"workload": workload.describe(), "seed": seed}))
    if json_file != "-":
        for line in graph_lines(workload.graph, {layer.name for layer in workload.layers}):
            click.echo(line)


def _workload(name: str, options: dict[str, Any]) -> Workload:
    from workloads.catalog import load_workload

    chosen = load_workload(name, seed=options["seed"])
    if options["prune"]:
        from workloads import pruning

        chosen = chosen.prune(pruning.parse(options["prune"]))
    return chosen.select(options["layers"]) if options["layers"] else chosen


def _accelerators(text: str) -> list[Accelerator]:
    from dataflows.registry import create, machines

    if text == "none":
        return []
    listed = list(machines()) if text == "all" else [name.strip() for name in text.split(",")]
    return [create(name) for name in listed]


def _inspect(trace: LayerTrace, accelerators: list[Accelerator], value_bits: int) -> dict[str, Any]:
    from dataflows.truth.products import count_products
    from workloads.formats import best_format
    from workloads.masks.structure import find_structure

    best = best_format(trace.weight_mask, value_bits)
    structure = find_structure(trace.layer, trace.weight_mask)
    return {
        "name": trace.layer.name,
        "weight_shape": list(trace.layer.weight_shape),
        "input_shape": list(trace.layer.input_shape),
        "moving_weights": trace.moving_weights,
        "weight_density": trace.weight_density,
        "activation_density": trace.activation_density,
        "structure": {"found": str(structure), **asdict(structure)},
        "best_format": str(best),
        "stored_share": best.bits(trace.weight_mask) / (trace.layer.weight_count * value_bits),
        **asdict(count_products(trace)),
        "issued_macs": {one.name: _issued(one, trace) for one in accelerators},
    }


def _issued(accelerator: Accelerator, trace: LayerTrace) -> int | None:
    """Products that the machine's own rule makes it issue; None where it cannot run the layer."""
    if accelerator.refusal(trace.layer) is not None:
        return None
    # What is issued is known before any time passes, and to most machines before their tiles are.
    return accelerator.issued_products(trace)


def _total(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Products of all layers; each machine's over the layers that it can run."""
    total: dict[str, Any] = {key: sum(row[key] for row in layers) for key in _PRODUCTS}
    total["machines"] = {}
    for name in layers[0]["issued_macs"]:
        # Dense products of the same layers only, or a machine that runs few layers would seem to skip the rest.
        able = [row for row in layers if row["issued_macs"][name] is not None]
        dense, issued = sum(row["dense_macs"] for row in able), sum(row["issued_macs"][name] for row in able)
        total["machines"][name] = {"layers": len(able), "dense_macs": dense, "issued_macs": issued}
    return total


_SHARED_OPTIONS = re.compile(r"(value_bits|decode_entries_per_cycle)=\d+,?")  # that every format has
_PRODUCTS = ("dense_macs", "weight_macs", "effectual_macs")


def _print(workload: Workload, data: dict[str, Any]) -> None:
    from simulator.terminal.tables import print_listing

    head = ("layer", "weights", "w density", "a density", "structure of zeros", "CV filter", "CV channel")
    rows: list[tuple[str, ...]] = [(*head, "best format", "of dense")]
    for row in data["layers"]:
        structure = row["structure"]
        numbers = (row["weight_density"], row["activation_density"])
        variations = (structure["filter_variation"], structure["channel_variation"])
        rows.append(
            (
                row["name"],
                "x".join(map(str, row["weight_shape"])) + " moving" * row["moving_weights"],
                *(f"{number:.4f}" for number in numbers),
                structure["found"],
                *(f"{number:.2f}" for number in variations),
                _SHARED_OPTIONS.sub("", row["best_format"]).rstrip(",:"),
                f"{row['stored_share']:.1%}",
            )
        )
    print_listing(f"{workload.name}: {workload.title}", rows)
    total = data["total"]
    kept = [f"{total[key] / total['dense_macs']:.1%} {key}" for key in _PRODUCTS[1:]]
    click.echo(f"{total['dense_macs']:,} dense_macs; of them {', '.join(kept)}\n")
    machines = [("accelerator", "layers", "products issued", "of dense", "speedup at best")]
    for name, found in total["machines"].items():
        issued, dense = found["issued_macs"], found["dense_macs"]
        speedup = f"{dense / issued:.2f}" if issued else "-"
        share = f"{issued / dense:.1%}" if dense else "-"
        machines.append((name, str(found["layers"]), f"{issued:,}", share, speedup))
    if len(machines) > 1:
        print_listing("what each accelerator can skip at best", machines)
