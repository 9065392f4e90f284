"""The tables of README.md and of docs/network, results, scnn, serving and machine_comparison.md, made anew.

    python -m benchmarks.results [TABLE ...] [--renew] [--squeezenet FOLDER] [--resnet50 FOLDER]
                                 [--photographs FOLDER] [--densities FOLDER]

A table stands in a document between `<!-- table: NAME -->` and `<!-- end -->`. Without --renew the command prints what
differs and ends with 1 where something does. Some tables need real data (FOLDER) and are left as they are without.
`machines` stands for all tables whose names begin with it; with --renew its pictures are drawn, too.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments import (
    machine_pictures,
    memory,
    one_image,
    overlap,
    prunings,
    real_against_random,
    scnn_bars,
    serving,
)
from benchmarks.experiments import machines as at_one_size
from benchmarks.markdown import table_text
from dataflows.registry import create, machines
from simulator.network_simulation import able_machines, simulate
from simulator.reports.columns import MORE, TIMES
from simulator.reports.metrics import FACTORS, MOST_LOST, NETWORK_TIME, SPEEDUP, UTILIZATION, flat
from simulator.reports.network_total import total_row
from workloads.catalog import load_workload
from workloads.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    ROOT / "README.md",
    *(ROOT / "docs" / name for name in ("machine_comparison.md", "network.md", "results.md", "scnn.md", "serving.md")),
)
NETWORKS = ("blazepose", "mobilenet-v1", "vgg16", "resnet50")
_BLOCK = re.compile(r"(<!-- table: ([a-z0-9-]+) -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)

Rows = Iterable[Sequence[str]]


def totals(network: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every machine that runs a network, with its total as a row of metrics."""
    workload = load_workload(network)
    able, _ = able_machines([create(name) for name in machines()], workload)
    for report in simulate(able, workload):
        yield report.machine, flat(total_row(report.to_dict()))


def comparison() -> Rows:
    """The shipped network on every machine, as the command's own table says it."""
    columns = (*TIMES, NETWORK_TIME, UTILIZATION, *MORE, MOST_LOST)
    yield ("accelerator", *(metric.heading for metric in columns))
    for machine, total in totals("blazepose"):
        yield (machine, *(metric.text(total) for metric in columns))


def speedup_factors() -> Rows:
    """What the speedup of every machine that runs all the networks consists of."""
    yield ("machine", *NETWORKS)
    rows: dict[str, list[str]] = {}
    for network in NETWORKS:
        for machine, total in totals(network):
            factors = " · ".join(metric.text(total) for metric in FACTORS)
            rows.setdefault(machine, []).append(f"{SPEEDUP.text(total)} = {factors}")
    for machine, cells in rows.items():
        if len(cells) == len(NETWORKS):
            yield (machine, *cells)


TABLES: dict[str, Callable[[], Rows]] = {
    "blazepose": comparison,
    "speedup-factors": speedup_factors,
    "structure-in-dram": memory.structure,
    "bandwidth": memory.bandwidth,
    **{
        f"prunings-{network}": lambda network=network, layer=layer: prunings.designed_for(network, layer)
        for network, layer in prunings.LAYERS
    },
    "removed-filters": prunings.removed,
    "overlap": overlap.shares,
    "overlap-resnet50": lambda: overlap.by_mechanism("resnet50"),
    "serving": serving.rows,
    "nested-storage": prunings.stacked_storage,
    "scnn-layers": scnn_bars.layers,
    "scnn-networks": scnn_bars.networks,
    "scnn-explained": scnn_bars.explained,
    "scnn-sweep": scnn_bars.sweep,
    "scnn-analytical": scnn_bars.analytical,
    "scnn-granularity": scnn_bars.granularity,
    "machines-sizes": at_one_size.sizes,
    **{f"machines-{name}": lambda name=name: at_one_size.network(name) for name in at_one_size.NETWORKS},
    "machines-densities": at_one_size.over_density,
    "machines-densities-unhurried": lambda: at_one_size.over_density(at_one_size.UNHURRIED),
}
WITH_MASKS: dict[str, tuple[str, Callable[[str], Rows]]] = {
    "real-against-random": ("squeezenet", lambda folder: real_against_random.measure(load_workload(folder))),
    "pruned-further": ("resnet50", prunings.on_real_masks),
    "one-image": ("photographs", one_image.of_photographs),
    "one-image-drawn": ("densities", one_image.of_tables),
    f"machines-{at_one_size.REAL}": ("resnet50", lambda folder: at_one_size.network(at_one_size.REAL, folder)),
    "machines-order": ("resnet50", at_one_size.ranks),
    "machines-refused": ("resnet50", at_one_size.refusals),
}
GROUP = "machines"


def tables_in(document: Path) -> dict[str, str]:
    """The tables that a document holds, by name."""
    return {found[2]: found[3] for found in _BLOCK.finditer(document.read_text(encoding="utf-8"))}


def differences(name: str, old: str, new: str) -> list[str]:
    """Lines that tell an old table from a new one."""
    return list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name}, written", f"{name}, now", lineterm="")
    )


def renewed(document: Path, tables: dict[str, str]) -> str:
    """The document's text with these tables in their places."""

    def place(found: re.Match[str]) -> str:
        return found[1] + tables.get(found[2], found[3]) + found[4]

    return _BLOCK.sub(place, document.read_text(encoding="utf-8"))


def named(asked: Iterable[str], known: Sequence[str]) -> list[str]:
    """The tables that are asked for, with those of a group in its place."""
    groups = {GROUP: [name for name in known if name.startswith(f"{GROUP}-")]}
    return [name for one in asked for name in groups.get(one, [one])]


def made(chosen: Iterable[str], folders: dict[str, str | None]) -> dict[str, str]:
    """Tables by name; those whose data nobody named are left out, which is said."""
    found = {}
    for name in chosen:
        if name in WITH_MASKS:
            network, measure = WITH_MASKS[name]
            folder = folders.get(network)
            if folder is None:
                print(f"{name}: left as it is, since it needs --{network} FOLDER", file=sys.stderr)
                continue
            rows = measure(folder)
        else:
            rows = TABLES[name]()
        found[name] = table_text(rows)
        print(f"{name}: made", file=sys.stderr)
    return found


def main() -> int:
    """Compare or renew; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join([*TABLES, *WITH_MASKS]))
    parser.add_argument("--renew", action="store_true", help="write the documents anew")
    parser.add_argument("--squeezenet", metavar="FOLDER", help="SqueezeNet with Deep Compression")
    parser.add_argument("--resnet50", metavar="FOLDER", help="masks of a really pruned ResNet-50")
    parser.add_argument("--photographs", metavar="FOLDER", help="as benchmarks.squeezenet_photographs writes it")
    parser.add_argument("--densities", metavar="FOLDER", help="density tables of networks on several photographs")
    options = parser.parse_args()
    known = [*TABLES, *WITH_MASKS]
    if unknown := sorted(set(options.tables) - {*known, GROUP}):
        parser.error(f"unknown table '{unknown[0]}': one of {', '.join([*known, GROUP])}")
    folders = {name: getattr(options, name) for name in ("squeezenet", "resnet50", "photographs", "densities")}
    tables = made(named(options.tables, known) or known, folders)
    lines = []
    for document in DOCUMENTS:
        for name, old in tables_in(document).items():
            lines += differences(name, old, tables.get(name, old))
        if options.renew:
            write_whole(document, renewed(document, tables))
    if options.renew and "machines-order" in tables:
        machine_pictures.save_all(options.resnet50)
    print("\n".join(lines) if lines else "nothing moved")
    return 1 if lines and not options.renew else 0


if __name__ == "__main__":
    sys.exit(main())
