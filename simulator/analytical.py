"""The report of a machine's analytical model: what it expects of each layer from densities, where nothing is simulated.

It has the keys of a simulated report, so that tables, stores, plots and `prunesim diff` take it, and says that it is
none: `model` is "analytical", and every layer has a note. Expectations become whole cycles, rounded up as every
duration is, and whole products. What the model does not know (DRAM, buffers, waits of any kind) is 0.
Energy and area are null: without a schedule no actions are counted, and what nobody counted is not priced.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.expected import ExpectedWork
from dataflows.registry import analytical_machines, baseline_of
from dataflows.schedule import Cause, Tensor
from dataflows.truth.products import expected_products
from simulator.configuration import keys_of
from simulator.engine.traffic import TensorTraffic, Traffic
from simulator.network_simulation import in_own_cycles, network_report, require_all
from simulator.reports.books import expected_laws, require_laws
from simulator.reports.dram_report import DramReport
from simulator.reports.report import ANALYTICAL, Bounds, LayerReport, NetworkReport
from workloads.errors import InputError, UnsupportedLayerError
from workloads.layer import Layer
from workloads.limits import naming_shortage
from workloads.trace import LayerTrace
from workloads.units import MICROSECONDS
from workloads.whole_numbers import ceil_div
from workloads.workload import Workload

NOTE = "analytical model: cycles expected from densities, nothing is simulated"
_ALWAYS = ("clock_hz",)  # turns cycles into time
_NOISE = 1e-11  # relative; what floating point may add to a whole number


def expect(accelerator: Accelerator, workload: Workload, *, energy: bool = True) -> NetworkReport:
    """What the machine's analytical model expects of the workload, each layer with the densities of its own masks.

    Without `energy` the report says nothing of it; with it, that it is not modelled. Raises `InputError` where the
    machine or its dense baseline has no such model, `UnsupportedLayerError` where the machine refuses a layer.
    """
    baseline = baseline_of(accelerator)
    for name in (accelerator.name, baseline.name):
        require_model(name)
    require_all(accelerator, workload)
    layers, digests = [], []
    for index, layer in enumerate(workload.layers):
        with naming_shortage(f"layer '{layer.name}'"):
            trace = workload.trace(index)
            digests.append(trace.digest)
        layers.append(_layer_report(accelerator, baseline, trace, energy=energy))
    return network_report(accelerator, workload, layers, digests, ANALYTICAL)


def require_model(name: str) -> None:
    """Raise `InputError` when the machine of that name has no analytical model."""
    having = analytical_machines()
    if name not in having:
        raise InputError(f"{name} has no analytical model; machines that have one: {', '.join(having)}")


def no_part(accelerator: Accelerator) -> dict[str, str]:
    """Dotted keys of settings that the machine's analytical model does not depend on, and why."""
    taken = (*accelerator.analytical_keys, *_ALWAYS)
    return {key: "it is no part of the analytical model" for key in keys_of(accelerator.Spec) if key not in taken}


def _expected(machine: Accelerator, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
    work = machine.expected_work(layer, weight_density, activation_density)
    if work is None:
        raise UnsupportedLayerError(f"the analytical model of {machine.name} does not cover layer '{layer.name}'")
    return work


def _layer_report(machine: Accelerator, baseline: Accelerator, trace: LayerTrace, *, energy: bool) -> LayerReport:
    layer, densities = trace.layer, (trace.weight_density, trace.activation_density)
    work, dense = _expected(machine, layer, *densities), _expected(baseline, layer, 1.0, 1.0)
    pes, multipliers = len(work.busy), len(work.busy) * work.lanes_per_pe
    # Rounded up PE by PE: whoever has any work has a whole cycle, and all products fit the cycles.
    busy = [_rounded_up(cycles) for cycles in work.busy.tolist()]
    cycles, issued = max(busy), min(_rounded_up(work.issued.sum()), sum(busy) * work.lanes_per_pe)
    weight_macs, effectual_macs = map(round, expected_products(layer, *densities))
    time_us = cycles * MICROSECONDS / machine.spec.clock_hz
    dense_cycles = _rounded_up(dense.cycles)
    report = LayerReport(
        name=layer.name,
        cycles=cycles,
        time_us=time_us,
        multipliers=multipliers,
        pes=pes,
        dense_macs=layer.dense_macs,
        weight_macs=weight_macs,
        effectual_macs=effectual_macs,
        issued_macs=issued,
        dense_cycles=in_own_cycles(dense_cycles, machine, baseline),
        dense_issued_macs=_rounded_up(dense.issued.sum()),
        dense_slots=dense_cycles * len(dense.busy) * dense.lanes_per_pe,
        pe_cycle_stack=_stack(np.array(busy), cycles),
        fragmented_lanes=sum(busy) * work.lanes_per_pe - issued,
        barrier_busy_cycles=cycles,
        dram=DramReport.of(Traffic({tensor: TensorTraffic() for tensor in Tensor}), 0.0, time_us, None),
        bounds=Bounds(ceil_div(issued, multipliers), cycles, 0),
        weight_density=trace.weight_density,
        activation_density=trace.activation_density,
        tiles=1,
        pe_grid=work.pe_grid,
        pe_busy_cycles=busy,
        buffer_peak_bytes={},
        notes=(NOTE,),
        energy_asked=energy,
    )
    require_laws(report, expected_laws(report, work))
    return report


def _rounded_up(expected: float) -> int:
    return ceil(expected * (1 - _NOISE))


def _stack(busy: np.ndarray, cycles: int) -> dict[str, int]:
    """PE-cycles by cause: PEs with less work than the fullest wait for it, PEs without any are unmapped."""
    stack = dict.fromkeys((cause.key for cause in Cause), 0)
    mapped = busy > 0
    stack[Cause.BUSY.key] = int(busy.sum())
    stack[Cause.IMBALANCE.key] = int((cycles - busy[mapped]).sum())
    stack[Cause.UNMAPPED.key] = cycles * int((~mapped).sum())
    return stack
