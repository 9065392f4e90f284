"""From a machine and a trace to a report: schedule, play, count, compare with the dense baseline, check the books."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.registry import baseline_of
from dataflows.schedule import Cause, LayerSchedule
from dataflows.specs import EnergySpec
from dataflows.truth.products import ProductCounts, count_products, expected_products
from simulator.engine.countable import require_countable
from simulator.engine.layer_simulation import LayerSimulation, Played
from simulator.engine.memory_kinds import least_cycles, peak_bytes_per_cycle
from simulator.engine.observer import Observer
from simulator.equal_size import size_of
from simulator.network.beside import BesideLayers
from simulator.network.inputs import InputsInARow
from simulator.reports.books import check_books
from simulator.reports.dram_report import DramReport
from simulator.reports.energy_report import EnergyReport
from simulator.reports.report import EVENTS, Bounds, LayerReport, Model, NetworkReport
from simulator.version import VERSION
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.limits import naming_shortage
from workloads.trace import LayerTrace
from workloads.units import MICROSECONDS, NANOSECONDS
from workloads.whole_numbers import ceil_div
from workloads.workload import Workload

if TYPE_CHECKING:
    from simulator.energy.acted import Acted
    from simulator.energy.machine_energy import MachineEnergy

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class DenseRun:
    """What a dense baseline makes of a layer without any zero: in its own cycles, with the products that it issues.

    acted  what its energy follows from; None where that was not asked for or is not modelled
    """

    cycles: int
    issued_macs: int
    multipliers: int
    acted: Acted | None = None

    @property
    def slots(self) -> int:
        """Multiplier slots that pass."""
        return self.multipliers * self.cycles


DenseCycles = dict[tuple[str, str, Layer, bool, int | None, bool], DenseRun]


def dense_trace(layer: Layer, *, input_in_dram: bool = False, codebook_values: int | None = None) -> LayerTrace:
    """The layer with no zero at all, its weights quantized as told."""
    masks = np.ones(layer.weight_shape, np.bool_), np.ones(layer.input_shape, np.bool_)
    return LayerTrace(layer, *masks, input_in_dram=input_in_dram, codebook_values=codebook_values)


def play(machine: Accelerator, schedule: LayerSchedule, observers: tuple[Observer, ...] = ()) -> Played:
    """A schedule of a machine, played on the machine's memory and buffers."""
    spec = machine.spec
    return LayerSimulation(
        schedule,
        spec.dram,
        spec.clock_hz,
        observers,
        write_back=spec.write_back,
        buffer_bytes_per_cycle=spec.buffers.bytes_per_cycle,
    ).run()


def in_own_cycles(baseline_cycles: int, machine: Accelerator, baseline: Accelerator) -> int:
    """Cycles of a baseline as cycles of the machine that pass meanwhile."""
    # 1000 cycles at 800 MHz are 1250 at 1 GHz. Rounded up, as every bound and duration is.
    return ceil_div(baseline_cycles * machine.spec.clock_hz, baseline.spec.clock_hz)


class MachineRun:
    """One machine over the layers of a workload.

    `dense_cycles` remembers dense baselines, each in its own cycles, since networks repeat their shapes and machines
    share their baselines; several runs may be given the same dictionary.

    energy   prices of the machine's actions; None where they were not asked for or it names no components
    """

    def __init__(
        self, accelerator: Accelerator, dense_cycles: DenseCycles | None = None, *, energy: bool = False
    ) -> None:
        """Raises `InputError` for settings of energy that cannot be used, where it is asked for."""
        self.accelerator = accelerator
        self._baseline = baseline_of(accelerator)
        # As text: a specification that holds a table, such as `dram.override`, has no hash.
        # What lies between layers is no part of a single one, and prices change no count.
        self._baseline_spec = self._baseline.spec.model_dump_json(exclude={"overlap", "pooling", "energy"})
        self._dense_cycles: DenseCycles = {} if dense_cycles is None else dense_cycles
        spec = accelerator.spec
        self._peak = peak_bytes_per_cycle(spec.dram, spec.clock_hz)
        self._peak_gbs = float(self._peak * spec.clock_hz / NANOSECONDS) if self._peak else None
        self._energy_asked = energy
        self.energy: MachineEnergy | None = None
        if energy and accelerator.components():
            from simulator.energy.machine_energy import MachineEnergy  # noqa: PLC0415 (tables that few runs need)

            self.energy = MachineEnergy(accelerator, self._baseline)

    def layer(
        self,
        trace: LayerTrace,
        products: ProductCounts | None = None,
        observers: tuple[Observer, ...] = (),
        schedule: LayerSchedule | None = None,
    ) -> LayerReport:
        """The report of one layer; `schedule` is the machine's of that trace, where it is there already.

        Raises `UnsupportedLayerError` or `CapacityError` when the machine cannot run it, `InputError` when its cycles
        cannot be counted, `BooksError` when a conservation law fails.
        """
        machine = self.accelerator
        machine.require(trace.layer)
        schedule = schedule or machine.schedule(trace)
        require_countable(trace.layer.name, schedule, machine.spec)
        for observer in observers:
            observer.begin(trace.layer.name, schedule, machine.spec.clock_hz)
        played = play(machine, schedule, observers)
        for observer in observers:
            observer.end(played.cycles)
        # Several machines on one trace share the count, which the caller then hands in.
        products = products or count_products(trace)
        report = self._report(trace, products, schedule, played)
        check_books(report, schedule, products, machine)
        return report

    def dense_run(self, trace: LayerTrace) -> DenseRun:
        """The machine's dense baseline on the trace's layer without any zero."""
        # Shapes repeat under other names, so that the name must not be part of the key.
        baseline, nameless = self._baseline, replace(trace.layer, name="dense")
        in_dram, codes = trace.input_in_dram, trace.codebook_values
        key = (baseline.name, self._baseline_spec, nameless, in_dram, codes, self.energy is not None)
        if key not in self._dense_cycles:
            # A machine that skips nothing takes any trace for a dense one, which need not be made then; what its
            # actions take may depend on zeros all the same.
            skips = baseline.skips_zeros or self.energy is not None
            dense = dense_trace(nameless, input_in_dram=in_dram, codebook_values=codes) if skips else trace
            schedule = baseline.schedule(dense)
            require_countable(f"{trace.layer.name}' on its dense baseline '{baseline.name}", schedule, baseline.spec)
            played = play(baseline, schedule)
            acted = self._acted(baseline, dense, round(expected_products(nameless, 1.0, 1.0)[1]), schedule, played)
            issued = schedule.issued_slots
            self._dense_cycles[key] = DenseRun(played.cycles, issued, schedule.multipliers, acted)
        return self._dense_cycles[key]

    def _acted(
        self, machine: Accelerator, trace: LayerTrace, effectual_macs: int, schedule: LayerSchedule, played: Played
    ) -> Acted | None:
        """What a machine's energy follows from; None where it was not asked for or is not modelled."""
        if self.energy is None:
            return None
        from simulator.energy.acted import acted  # noqa: PLC0415 (as above)

        return acted(machine, trace, effectual_macs, schedule, played)

    def _report(
        self, trace: LayerTrace, products: ProductCounts, schedule: LayerSchedule, played: Played
    ) -> LayerReport:
        spec, traffic, cycles = self.accelerator.spec, played.traffic, played.cycles
        issued, stack = schedule.issued_slots, played.stack
        peak = self._peak
        # Useful bytes: what partial bursts waste is no achievement, so efficiency stays below 1 by it.
        moved = traffic.read_bytes + traffic.write_bytes
        time_us = cycles * MICROSECONDS / spec.clock_hz
        # 1,000 useful bytes in 100 cycles at a peak of 19.2 a cycle are 0.52 of what could have been moved.
        efficiency = float(moved / (peak * cycles)) if peak and cycles else 0.0
        dram = DramReport.of(traffic, efficiency, time_us, self._peak_gbs)
        own = DenseRun(cycles, issued, schedule.multipliers)  # a machine that skips nothing is its own dense run
        dense = self.dense_run(trace) if self.accelerator.skips_zeros else own
        acted = self._acted(self.accelerator, trace, products.effectual_macs, schedule, played)
        return LayerReport(
            name=trace.layer.name,
            cycles=cycles,
            time_us=time_us,
            multipliers=schedule.multipliers,
            pes=schedule.pes,
            dense_macs=products.dense_macs,
            weight_macs=products.weight_macs,
            effectual_macs=products.effectual_macs,
            issued_macs=issued,
            dense_cycles=in_own_cycles(dense.cycles, self.accelerator, self._baseline),
            dense_issued_macs=dense.issued_macs,
            dense_slots=dense.slots,
            pe_cycle_stack=stack,
            fragmented_lanes=stack[Cause.BUSY.key] * schedule.lanes_per_pe - issued,
            barrier_busy_cycles=played.barrier_busy_cycles,
            dram=dram,
            bounds=Bounds(
                compute_cycles=schedule.compute_cycles,
                fullest_pe_cycles=schedule.fullest_pe_cycles,
                memory_cycles=least_cycles(moved, peak),
            ),
            weight_density=trace.weight_density,
            activation_density=trace.activation_density,
            tiles=schedule.tiles,
            pe_grid=schedule.pe_grid,
            pe_busy_cycles=played.pe_cycles[:, Cause.BUSY].tolist(),
            buffer_peak_bytes=played.buffer_peak_bytes,
            notes=schedule.notes,
            spills=schedule.spills,
            energy=self._energy_of(acted, trace),
            energy_asked=self._energy_asked,
        )

    def _energy_of(self, acted: Acted | None, trace: LayerTrace) -> EnergyReport | None:
        if self.energy is None or acted is None:
            return None
        # A machine that names no other baseline and skips nothing is its own.
        own = self._baseline is self.accelerator and not self.accelerator.skips_zeros
        return self.energy.layer(acted, acted if own else self.dense_run(trace).acted)


def require_all(accelerator: Accelerator, workload: Workload) -> None:
    """Raise `UnsupportedLayerError` for the first layer that the machine cannot run."""
    for layer in workload.layers:
        accelerator.require(layer)


def able_machines(accelerators: Sequence[Accelerator], workload: Workload) -> tuple[list[Accelerator], dict[str, str]]:
    """The machines that can run every layer of the workload, and for each of the others why not."""
    able, refused = [], {}
    for accelerator in accelerators:
        try:
            require_all(accelerator, workload)
            able.append(accelerator)
        except UnsupportedLayerError as error:
            refused[accelerator.name] = str(error)
    return able, refused


def simulate(
    accelerators: Sequence[Accelerator],
    workload: Workload,
    progress: Progress | None = None,
    dense_cycles: DenseCycles | None = None,
    observers: tuple[Observer, ...] = (),
    network_observers: tuple[Observer, ...] = (),
    rows: Sequence[InputsInARow] = (),
    *,
    energy: bool = True,
) -> list[NetworkReport]:
    """The workload on each machine. Layers come one at a time, so memory holds one layer's trace, not the network's.

    Each layer is simulated by itself, and meanwhile the network as one run (`simulator.network`), where it has more
    than one layer and the machine's `overlap` is not "none".

    `progress` is called with (layers done, layers, what is next); `dense_cycles` as for `MachineRun`; `observers` watch
    every layer by itself and `network_observers` the run of the network, where there is one; none watches baselines.
    `rows` are those of the machines where the workload's input is one of several that follow one another. Without
    `energy` nothing of it is counted or reported.
    Raises what `MachineRun.layer` raises; where a machine refuses a layer, before any layer runs.
    """
    # A refusal after an hour of layers would lose them all, hence all layers are asked first.
    for accelerator in accelerators:
        require_all(accelerator, workload)
    dense_cycles = {} if dense_cycles is None else dense_cycles
    runs = [MachineRun(accelerator, dense_cycles, energy=energy) for accelerator in accelerators]
    networks = [
        BesideLayers(run.accelerator, workload, network_observers, row, run.energy)
        for run, row in zip(runs, rows or [None] * len(runs), strict=True)
    ]
    reports: list[list[LayerReport]] = [[] for _ in runs]
    digests: list[str] = []
    for index, layer in enumerate(workload.layers):
        if progress is not None:
            progress(index, len(workload.layers), layer.name)
        trace = workload.trace(index)
        with naming_shortage(
            f"layer '{layer.name}' with {layer.weight_count} weights, {layer.input_count} activations"
        ):
            products = count_products(trace)
            # Digests of every layer's trace: the report's digest tells whether the data were the same, not only their
            # names.
            digests.append(trace.digest)
            for run, network, layers in zip(runs, networks, reports, strict=True):
                schedule = run.accelerator.schedule(trace)
                layers.append(run.layer(trace, products, observers, schedule))
                network.layer(trace, schedule)
    if progress is not None:
        progress(len(workload.layers), len(workload.layers), "")
    return [
        replace(
            network_report(run.accelerator, workload, layers, [*digests, *network.decides]),
            network=network.total(layers),
            area=run.energy and run.energy.area,
        )
        for run, network, layers in zip(runs, networks, reports, strict=True)
    ]


def network_report(
    accelerator: Accelerator, workload: Workload, layers: list[LayerReport], digests: list[str], model: Model = EVENTS
) -> NetworkReport:
    """The report of a machine's layers; `digests` are those of their traces, and of all else that decides."""
    described: dict[str, Any] = {"name": accelerator.name, **_json_values(accelerator.spec.model_dump(mode="json"))}
    size = accelerator.equal_size
    equal = {} if size is None else _json_values(size.model_dump(exclude_none=True))
    # The workload is in it by the digests of its traces, so that a renamed file with the same zeros gives the same
    # digest. The equal size decides the baseline's.
    # Prices decide no cycle; where they are others than those of the defaults, the energy is another.
    priced = dict(described)
    if accelerator.spec.energy == EnergySpec():
        del priced["energy"]
    decides = [priced, digests, *([equal] if equal else []), *([model] if model != EVENTS else [])]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return NetworkReport(
        accelerator=described,
        size=size_of(accelerator),
        equal=equal,
        workload=workload.describe(),
        seed=workload.seed,
        digest=digest,
        layers=tuple(layers),
        tool={"name": "prunesim", "version": VERSION},
        model=model,
    )


def _json_values(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with infinity as the text that TOML writes, since JSON has no number for it."""
    return {
        key: _json_values(value) if isinstance(value, dict) else "inf" if value == float("inf") else value
        for key, value in values.items()
    }
