"""How far one image misleads: a network on several pictures, and the largest difference of one of them from the mean.

    python -m benchmarks.experiments.one_image WORKLOAD [WORKLOAD ...]

WORKLOAD is anything `prunesim run` takes that holds several inputs, such as a folder that
`benchmarks.squeezenet_photographs` made; or several are given which hold the same layers on one picture each, such as
density tables of one network. Prints Markdown tables: of each machine what the pictures do to the network and to the
layer that differs most, and layer by layer the largest difference of a picture from the mean of all. A machine that
runs no layer is left out, one that runs some is shown with those.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks.markdown import print_table
from dataflows.accelerator import Accelerator
from dataflows.registry import create
from simulator.input_runs import NetworkFigures, spread_of
from simulator.network_simulation import simulate
from simulator.reports.input_spread import InputSpread, Spread
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.workload import Workload

MACHINES = ("scnn", "eie", "ideal", "cambricon-x")
TABLES = {
    "EfficientNet-Lite0": "efficientnet_lite0_*.csv",
    "VGG-16 (HED), pruned": "vgg16_hed_magprune_dc_*.csv",
    "VGG-16 (CRAFT)": "vgg16bn_craft_*.csv",
    "ResNet-50, half width": "resnet50thin_opennsfw_*.csv",
}
"""Networks with density tables of several pictures, by the files' names."""


def spreads(workloads: Sequence[Workload]) -> dict[str, InputSpread]:
    """Each machine that runs the layers, over all inputs of all the workloads, which must have the same layers."""
    if any(other.layers != workloads[0].layers for other in workloads):
        raise InputError("the workloads have other layers than the first: they are no pictures of one network")
    inputs = [one.at_input(number) for one in workloads for number in range(one.inputs or 1)]
    if len(inputs) < 2:
        raise InputError(f"{workloads[0].holds}, and one picture has nothing to differ from")
    found = {}
    for machine in map(create, MACHINES):
        able = [_able(machine, one) for one in inputs]
        if able[0].layers:
            some, every = len(able[0].layers), len(inputs[0].layers)
            layers = "" if some == every else f" ({some} of {every} layers)"
            found[machine.name + layers] = spread_of([NetworkFigures(simulate([machine], one)[0], one) for one in able])
    return found


def _able(machine: Accelerator, workload: Workload) -> Workload:
    """The layers that a machine runs."""
    kept = tuple(one for one in workload.sources if machine.refusal(one.layer) is None)
    return replace(workload, sources=kept)


def largest(spread: Spread) -> float:
    """The largest difference of an input from the mean, as a share of it, with its sign."""
    # 80, 100 and 105 have the mean 95: -0.158, for the first is 15 away and the others 5 and 10.
    away = [value - spread.mean for value in spread.values]
    return max(away, key=abs) / spread.mean if spread.mean else 0.0


def summary(networks: dict[str, Sequence[Workload]]) -> list[tuple[str, ...]]:
    """A row for each network and machine."""
    rows = [("network", "images", "machine", "cycles, network", "layer, median", "layer, most", "max/mean PE", "DRAM")]
    for name, workloads in networks.items():
        for machine, found in spreads(workloads).items():
            layers = {layer.name: largest(layer.cycles) for layer in found.layers}
            most = max(layers, key=lambda layer: abs(layers[layer]))
            rows.append(
                (
                    name,
                    str(found.count),
                    machine,
                    _percent(largest(found.total.cycles)),
                    _percent(median(map(abs, layers.values())), sign=False),
                    f"{_percent(layers[most])} ({most})" if layers[most] else _percent(0.0),
                    _percent(largest(found.total.load_imbalance)),
                    _percent(largest(found.total.dram_bytes)),
                )
            )
    return rows


def of_photographs(folder: str) -> list[tuple[str, ...]]:
    """SqueezeNet with the masks of several photographs."""
    return summary({"SqueezeNet": [load_workload(folder)]})


def of_tables(folder: str) -> list[tuple[str, ...]]:
    """Networks whose densities were measured on several photographs; masks are drawn with them."""
    files = {name: sorted(Path(folder).glob(pattern)) for name, pattern in TABLES.items()}
    return summary({name: [load_workload(str(path)) for path in found] for name, found in files.items()})


def by_layer(found: dict[str, InputSpread]) -> list[tuple[str, ...]]:
    """Layer by layer: density of what it reads, and the largest difference of one picture on each machine."""
    rows = [("layer", "input density", *(f"{machine}, cycles" for machine in found))]
    layers = {machine: {layer.name: layer for layer in (*one.layers, one.total)} for machine, one in found.items()}
    for name in dict.fromkeys(name for one in layers.values() for name in one):
        # A layer that a machine cannot run has an empty cell.
        shown = [one.get(name) for one in layers.values()]
        density = next(layer.activation_density for layer in shown if layer)
        cells = [_percent(largest(layer.cycles)) if layer else "" for layer in shown]
        rows.append((name, f"{density.min:.3f} to {density.max:.3f}", *cells))
    return rows


def _percent(share: float, *, sign: bool = True) -> str:
    return f"{share:{'+' if sign and share else ''}.1%}"


if __name__ == "__main__":
    chosen = [load_workload(path) for path in sys.argv[1:] or ["blazepose"]]
    try:
        print_table(f"{chosen[0].name}: one image against the mean of all", summary({chosen[0].name: chosen}))
        print_table("largest difference of one image from the mean", by_layer(spreads(chosen)))
    except InputError as error:
        sys.exit(str(error))
