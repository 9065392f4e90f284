"""The report of a network's run, from what was played, or from its layers where nothing lies between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause
from simulator.engine.memory_kinds import least_cycles, peak_bytes_per_cycle
from simulator.engine.network_layers import NetworkPlayed
from simulator.network.run import Scheduled
from simulator.reports.books import check_network
from simulator.reports.network_total import LayerSpan, NetworkTotal
from simulator.reports.report import Bounds, LayerReport, total_of
from workloads.units import MICROSECONDS

if TYPE_CHECKING:
    from simulator.energy.machine_energy import MachineEnergy


def total_of_layers(machine: Accelerator, layers: Sequence[LayerReport]) -> NetworkTotal:
    """A network whose layers run one after the other, as each is alone."""
    total, spec = total_of(layers), machine.spec
    ends = list(accumulate((layer.cycles for layer in layers), initial=0))
    return NetworkTotal(
        overlap=spec.overlap,
        pooling=spec.pooling,
        cycles=total.cycles,
        time_us=total.time_us,
        alone_cycles=total.cycles,
        read_bytes=total.dram.all.read_bytes,
        write_bytes=total.dram.all.write_bytes,
        bounds=total.bounds,
        pe_cycle_stack=total.pe_cycle_stack,
        buffer_peak_bytes=_fullest(layer.buffer_peak_bytes for layer in layers),
        layers=tuple(
            LayerSpan(layer.name, start, end, layer.pe_cycle_stack)
            for layer, start, end in zip(layers, ends[:-1], ends[1:], strict=True)
        ),
        energy=total.energy and total.energy.run_figures(total.time_us, total.dense_macs, total.effectual_macs),
    )


def total_of_run(
    machine: Accelerator,
    layers: Sequence[LayerReport],
    played: NetworkPlayed,
    scheduled: Scheduled,
    notes: tuple[str, ...],
    energy: MachineEnergy | None = None,
) -> NetworkTotal:
    """A network that was played as one run. Raises `BooksError` when a conservation law fails."""
    spec, peak = machine.spec, peak_bytes_per_cycle(machine.spec.dram, machine.spec.clock_hz)
    read, written = played.traffic.read_bytes, played.traffic.write_bytes
    alone = total_of(layers)
    time_us = played.cycles * MICROSECONDS / spec.clock_hz
    stack = _stack(sum((layer.pe_cycles.sum(axis=0) for layer in played.layers), np.zeros(len(Cause), int)))
    total = NetworkTotal(
        overlap=spec.overlap,
        pooling=spec.pooling,
        cycles=played.cycles,
        time_us=time_us,
        alone_cycles=alone.cycles,
        read_bytes=read,
        write_bytes=written,
        bounds=Bounds(scheduled.compute_cycles, scheduled.fullest_pe_cycles, least_cycles(read + written, peak)),
        pe_cycle_stack=stack,
        buffer_peak_bytes=dict(played.buffer_peak_bytes),
        layers=tuple(
            LayerSpan(layer.name, layer.start, layer.end, _stack(layer.pe_cycles.sum(axis=0)))
            for layer in played.layers
        ),
        notes=notes,
        energy=energy and energy.network(alone, played.cycles, time_us, stack, played.traffic.activity),
    )
    check_network(total, alone, moved_bytes=scheduled.moved_bytes, compulsory_bytes=scheduled.compulsory_bytes)
    return total


def _stack(pe_cycles: np.ndarray) -> dict[str, int]:
    return {cause.key: int(pe_cycles[cause]) for cause in Cause}


def _fullest(levels: Iterable[Mapping[str, int]]) -> dict[str, int]:
    fullest: dict[str, int] = {}
    for level in levels:
        fullest |= {name: max(size, fullest.get(name, 0)) for name, size in level.items()}
    return fullest
