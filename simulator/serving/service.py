"""`MeasuredService`: how long a machine takes for a batch, by simulating the network on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from dataflows.accelerator import Accelerator
from simulator.input_runs import images_of
from simulator.network.inputs import InputsInARow
from simulator.network_simulation import DenseCycles, Progress, simulate
from simulator.reports.network_inputs import NetworkInputs
from simulator.reports.report import NetworkReport
from workloads.workload import Workload


@dataclass(frozen=True)
class ServiceTime:
    """What a batch takes.

    latency_cycles    on an idle machine
    interval_cycles   from the batch before it that is done until it is done, where batches follow one another
    """

    latency_cycles: int
    interval_cycles: int


Service = Callable[[int], tuple[ServiceTime, ...]]
"""The times of batches of so many images, of several inputs in turn."""


class MeasuredService:
    """The times of a workload's inputs on a machine, by the images of a batch; each size is simulated when it occurs.

    report   of the size that was simulated first: machine, workload and digest
    energy_pj  by the images of a batch, that of an image: the mean over the inputs, each as one run on an idle machine;
               empty where it was not asked for, None where it is not modelled
    """

    def __init__(
        self,
        machine: Accelerator,
        workload: Workload,
        inputs: int,
        progress: Progress | None = None,
        *,
        energy: bool = True,
    ) -> None:
        self._machine = machine
        self._workload = workload
        self._inputs = inputs
        self._progress = progress
        self._dense_cycles: DenseCycles = {}
        self.times: dict[int, tuple[ServiceTime, ...]] = {}
        self.report: NetworkReport | None = None
        self._energy = energy
        self.energy_pj: dict[int, float | None] = {}

    def __call__(self, images: int) -> tuple[ServiceTime, ...]:
        """The times of batches of so many images, input by input."""
        if images not in self.times:
            self.times[images] = self._simulated(images)
        return self.times[images]

    def _simulated(self, images: int) -> tuple[ServiceTime, ...]:
        own = images_of(self._workload)
        workload = self._workload if images == own else self._workload.with_batch(images)
        row = InputsInARow(self._machine, images)
        reports: list[NetworkReport] = []
        # The first one comes once more behind the last: inputs are served in turn, and it follows that one.
        for number in (*range(self._inputs), 0):
            reports += simulate(
                [self._machine],
                workload.at_input(number),
                self._progress,
                self._dense_cycles,
                rows=[row],
                energy=self._energy and len(reports) < self._inputs,
            )
        self.report = self.report or reports[0]
        if self._energy:
            self.energy_pj[images] = _energy_pj(reports[:-1], images)
        return times_of(row.total())


def _energy_pj(reports: Sequence[NetworkReport], images: int) -> float | None:
    """Energy of an image, of batches of so many; None where the machine's is not modelled."""
    found = [report.network.energy for report in reports if report.network is not None]
    known = [one["energy"]["total_pj"] for one in found if one is not None]
    return fmean(known) / images if known else None


def times_of(row: NetworkInputs) -> tuple[ServiceTime, ...]:
    """The times of inputs that follow one another, of which the last is the first once more."""
    dones = [span.done_cycle for span in row.each]
    # Input 0 follows the last one, as it does at the end of the row: of inputs a, b, a that are done in 10, 25 and 33,
    # b comes 15 behind a and a 8 behind b.
    intervals = [dones[-1] - dones[-2], *(after - before for before, after in pairwise(dones[:-1]))]
    return tuple(
        ServiceTime(span.alone_cycles, max(0, interval))
        for span, interval in zip(row.each[:-1], intervals, strict=True)
    )
