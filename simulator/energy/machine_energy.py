"""`MachineEnergy`: the energy of one machine's layers and network, and of its dense baseline beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dataflows.accelerator import Accelerator
from simulator.dram.activity import DramActivity
from simulator.energy.acted import Acted, with_idle_slots
from simulator.energy.estimate import Estimator
from simulator.reports.energy_report import AreaReport, EnergyReport
from simulator.reports.report import Measures


class MachineEnergy:
    """A machine that names its components; its dense baseline is priced in the same technology.

    area  of the machine
    """

    def __init__(self, machine: Accelerator, baseline: Accelerator) -> None:
        """Raises `InputError` for tables or parts of memory that cannot be used."""
        self._estimator = Estimator(machine)
        self._baseline = self._estimator if baseline is machine else Estimator(baseline, baseline=True)
        self.area: AreaReport = self._estimator.area()
        self._dense: dict[int, tuple[Acted, float]] = {}

    def layer(self, acted: Acted, dense: Acted | None) -> EnergyReport:
        """The energy of a layer; `dense` is what the dense baseline did in it, where that says so."""
        own = dense is acted
        report = self._estimator.energy(acted, None if dense is None or own else self._dense_pj(dense))
        return replace(report, dense_pj=report.total.value) if own else report

    def _dense_pj(self, dense: Acted) -> float:
        """Layers of one shape share what the baseline did, which is priced once."""
        priced, price = self._dense.get(id(dense), (None, 0.0))
        if priced is not dense:
            price = self._baseline.total_pj(dense)
            # Held beside its price, so that its place in memory is no other's meanwhile.
            self._dense[id(dense)] = dense, price
        return price

    def network(
        self, alone: Measures, cycles: int, time_us: float, stack: Mapping[str, int], activity: DramActivity
    ) -> dict[str, Any] | None:
        """What a network's run says of energy: the actions of its layers alone, over its own time and transfers.

        alone  the sum of the layers, each by itself

        None where a layer says nothing.
        """
        if alone.energy is None:
            return None
        counts = with_idle_slots(alone.energy.counts, alone.multipliers * cycles)
        lanes = alone.multipliers // alone.pes
        found = self._estimator.energy(Acted(counts, time_us, stack, alone.fragmented_lanes, lanes, activity))
        return found.run_figures(time_us, alone.dense_macs, alone.effectual_macs)
