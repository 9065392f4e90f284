"""`BesideLayers`: a network's run beside the simulation of its layers, where there is one to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dataflows.accelerator import Accelerator
from dataflows.schedule import LayerSchedule
from simulator.engine.observer import Observer
from simulator.network.held_maps import Pooling
from simulator.network.inputs import InputsInARow
from simulator.network.roles import NO_GRAPH, Role, roles_of_chain, roles_of_graph
from simulator.network.run import NetworkRun
from simulator.network.total import total_of_layers, total_of_run
from simulator.reports.network_total import NetworkTotal
from simulator.reports.report import LayerReport
from workloads.trace import LayerTrace
from workloads.workload import Workload

if TYPE_CHECKING:
    from simulator.energy.machine_energy import MachineEnergy


class BesideLayers:
    """The network of a machine's layers: a run of its own, or where nothing lies between layers their sum.

    Where the input is one of several that follow one another, `row` plays them, and is handed this one's layers, too.

    energy   prices of the machine's actions, where they are asked for
    decides  texts that say what its numbers depend on beside the machine and the layers' traces
    """

    def __init__(
        self,
        machine: Accelerator,
        workload: Workload,
        observers: tuple[Observer, ...] = (),
        row: InputsInARow | None = None,
        energy: MachineEnergy | None = None,
    ) -> None:
        self._machine = machine
        self._notes: tuple[str, ...] = ()
        self._row = row
        self._energy = energy
        self._run: NetworkRun | None = None
        self._is_one_run = is_one_run(machine, workload)
        self.decides: tuple[str, ...] = ()
        overlap = machine.spec.overlap
        # A single layer is no run of its own; of several inputs even one is.
        if overlap == "none" or not (self._is_one_run or row):
            return
        roles = roles_of(workload, machine.spec.pooling)
        self._run = NetworkRun(machine, roles, overlap, observers, row.push if row else None)
        if not self._is_one_run:
            return
        self._notes = () if workload.graph is not None else (NO_GRAPH,)
        # What layers read of one another decides, and their names do not.
        self.decides = tuple(repr(replace(role, name="")) for role in roles)

    def layer(self, trace: LayerTrace, schedule: LayerSchedule) -> None:
        """The next layer, with its schedule as it is simulated by itself."""
        if self._run is not None:
            self._run.layer(trace, schedule)

    def total(self, layers: Sequence[LayerReport]) -> NetworkTotal:
        """The network behind the last layer; `layers` are the reports of each by itself."""
        total = self._total(layers)
        if self._row is not None:
            self._row.end_input(total, layers[0].pes)
        return total

    def _total(self, layers: Sequence[LayerReport]) -> NetworkTotal:
        # To the end in any case: poolings behind the last layer follow for all who play the input.
        played = self._run.finish() if self._run is not None else None
        if self._run is None or played is None or not self._is_one_run:
            return total_of_layers(self._machine, layers)
        return total_of_run(self._machine, layers, played, self._run.scheduled, self._notes, self._energy)


def is_one_run(machine: Accelerator, workload: Workload) -> bool:
    """Whether there is anything between layers to simulate."""
    return machine.spec.overlap != "none" and len(workload.layers) > 1


def roles_of(workload: Workload, pooling: Pooling) -> tuple[Role, ...]:
    """What each of a workload's layers has to do for the others."""
    if workload.graph is None:
        moving = {source.layer.name for source in workload.sources if source.moving_weights}
        return roles_of_chain([(source.index, source.layer.name) for source in workload.sources], moving)
    return roles_of_graph(workload.graph, [layer.name for layer in workload.layers], pooling)
