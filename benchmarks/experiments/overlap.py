"""What runs side by side when layers follow one another: layers alone, and the network as one run, as Markdown.

    python -m benchmarks.experiments.overlap [NETWORK ...]

Every machine that runs the network, with each setting of `overlap`. Beside the cycles stands what each mechanism
changes: operators between layers (serial against the layers alone), poolings by themselves (`pooling = "memory"`
against "leaving", serial), weights that are loaded ahead (weights against serial), inputs that are loaded as they are
made (tiles against weights).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from benchmarks.markdown import print_table
from dataflows.accelerator import Accelerator
from dataflows.registry import create, machines
from simulator.network.beside import roles_of
from simulator.network.run import NetworkRun
from simulator.network_simulation import able_machines, play
from workloads.catalog import load_workload
from workloads.workload import Workload

NETWORKS = ("resnet50", "mobilenet-v2", "googlenet", "blazepose")
MODES = (("serial", "memory"), ("serial", "leaving"), ("weights", "leaving"), ("tiles", "leaving"))
"""(overlap, pooling), from what costs most to what costs least."""

Rows = Iterator[tuple[str, ...]]


@dataclass(frozen=True)
class Measured:
    """Cycles of a machine's layers alone, and of the network in each of `MODES`."""

    machine: str
    alone: int
    network: tuple[int, ...]

    @property
    def of_alone(self) -> list[float]:
        """Each mode's cycles over those of the layers alone."""
        return [cycles / self.alone for cycles in self.network]


class _Beside:
    """A machine's layers, each scheduled once for all modes."""

    def __init__(self, machine: Accelerator, workload: Workload) -> None:
        self.machine = machine
        self.alone = 0
        self.runs = [
            NetworkRun(
                create(machine.name, {"overlap": overlap, "pooling": pooling}), roles_of(workload, pooling), overlap
            )
            for overlap, pooling in MODES
        ]

    def layer(self, trace) -> None:
        schedule = self.machine.schedule(trace)
        self.alone += play(self.machine, schedule).cycles
        for run in self.runs:
            run.layer(trace, schedule)


@cache
def measured(network: str) -> tuple[Measured, ...]:
    """Every machine that runs the network."""
    workload = load_workload(network)
    able, _ = able_machines([create(name) for name in machines()], workload)
    beside = [_Beside(machine, workload) for machine in able]
    for index in range(len(workload.layers)):
        trace = workload.trace(index)
        for one in beside:
            one.layer(trace)
    return tuple(
        Measured(one.machine.name, one.alone, tuple(run.finish().cycles for run in one.runs)) for one in beside
    )


def by_mechanism(network: str) -> Rows:
    """Cycles, and what each mechanism adds to them or saves of them."""
    yield (
        "machine", "layers alone", "serial", "weights", "tiles", "operators", "pooling in memory", "weights ahead",
        "inputs as made", "in all",
    )  # fmt: skip
    for one in measured(network):
        memory, serial, weights, tiles = one.network
        steps = ((serial, one.alone), (memory, serial), (weights, serial), (tiles, weights), (tiles, one.alone))
        changes = (f"{100 * (after / before - 1):+.2f} %" for after, before in steps)
        yield (one.machine, *(f"{cycles:,}" for cycles in (one.alone, serial, weights, tiles)), *changes)


def shares() -> Rows:
    """All networks: cycles of serial, weights and tiles in per cent of the layers alone; - where one is refused."""
    yield ("machine", *NETWORKS)
    found = {network: {one.machine: one for one in measured(network)} for network in NETWORKS}
    for machine in machines():
        cells = [_cell(found[network].get(machine)) for network in NETWORKS]
        if set(cells) != {"-"}:
            yield (machine, *cells)


def _cell(one: Measured | None) -> str:
    return "-" if one is None else " · ".join(f"{100 * share:.1f}" for share in one.of_alone[1:])


if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        print_table(f"{name}: cycles by overlap, and what each mechanism changes", by_mechanism(name))
