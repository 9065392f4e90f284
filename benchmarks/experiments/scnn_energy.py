"""Energy of DCNN-opt and SCNN relative to DCNN, and SCNN's area, by part, beside the published ones.

    python -m benchmarks.experiments.scnn_energy [NETWORK [NODE_NM]]

Published: Parashar et al., ISCA 2017, figures 8b and 11 and Table 4. Prices are those of `simulator.energy`;
memory outside the chip costs what its bursts and rows take as if it streamed, without background (DDR4-2400).
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.components import Component
from dataflows.registry import create
from dataflows.truth.products import count_products
from simulator.energy.dram_power import dram_parts
from simulator.energy.technology import Technology
from simulator.network_simulation import MachineRun
from workloads.catalog import load_workload
from workloads.trace import LayerTrace

MACHINES: tuple[str, ...] = ("dcnn", "dcnn-opt", "scnn")
NETWORKS = {"alexnet": (0.5240, 0.4887), "googlenet": (0.4773, 0.3889), "vgg16": (0.5076, 0.4258)}
# mm2 of a PE at 16 nm, and the components that make it up.
AREAS = {
    "IARAM + OARAM": (0.031, ("iaram", "oaram")),
    "weight FIFO": (0.004, ("weight_fifo",)),
    "multiplier array": (0.008, ("multipliers",)),
    "scatter network": (0.026, ("scatter_crossbar", "bank_queues")),
    "accumulator buffers": (0.036, ("accumulators", "accumulator_adders")),
}
_PART = "DDR4_8Gb_x8_2400"


def layer_energy(machine: Accelerator, trace: LayerTrace, technology: Technology) -> Counter[str]:
    """pJ of a layer by component, leakage of all of them, and external memory."""
    schedule, cycles = machine.schedule(trace), MachineRun(machine).layer(trace).cycles
    counts = machine.actions(trace, schedule, count_products(trace).effectual_macs)
    assert counts is not None
    counts.idle(cycles * schedule.multipliers)
    technology = technology.housing(machine.components())
    found: Counter[str] = Counter()
    for component, action, times in counts:
        found[component.name] += times * technology.action_pj(component, action).value  # type: ignore[assignment]
    # A mW for a ns is a pJ.
    nanoseconds = cycles * 1e9 / machine.spec.clock_hz
    leaking = sum(technology.leakage_mw(component) for component in machine.components())
    part = dram_parts()[_PART]
    read, written = schedule.loads.total_bytes, schedule.stores.total_bytes
    found["leakage"] += leaking * nanoseconds  # type: ignore[assignment]
    found["dram"] += (  # type: ignore[assignment]
        (read * part.read_pj + written * part.write_pj) / part.burst_bytes
        + (read + written) / part.row_bytes * part.activate_pj
    )
    return found


def network_energy(network: str, node_nm: float) -> dict[str, Counter[str]]:
    """pJ by machine and part, of all layers of the network with the densities of the paper's."""
    workload, technology = load_workload(f"{network}@scnn"), Technology(node_nm, 1_000_000_000)
    found = {name: Counter[str]() for name in MACHINES}
    for index in range(len(workload.layers)):
        trace = workload.trace(index)
        for name in MACHINES:
            found[name].update(layer_energy(create(name), trace, technology))
    return found


def energy_at(density: float, node_nm: float) -> dict[str, float]:
    """pJ by machine of GoogLeNet's layers, weights and activations drawn at one density (figure 8b), seed 0."""
    random, technology = np.random.default_rng(0), Technology(node_nm, 1_000_000_000)
    found: dict[str, float] = dict.fromkeys(MACHINES, 0.0)
    for layer in load_workload("googlenet@scnn").layers:
        masks = random.random(layer.weight_shape) < density, random.random(layer.input_shape) < density
        trace = LayerTrace(layer, *masks, density)
        for name in MACHINES:
            found[name] += layer_energy(create(name), trace, technology).total()
    return found


def pe_areas(node_nm: float) -> dict[str, float]:
    """mm2 of the parts of one PE of SCNN, under the names of Table 4."""
    machine, technology = create("scnn"), Technology(node_nm, 1_000_000_000)
    parts: dict[str, Component] = {part.name: part for part in machine.components()}
    pes = parts["iaram"].count
    return {
        name: sum(technology.area_mm2(parts[one]).value for one in components) / pes
        for name, (_, components) in AREAS.items()
    }


def main(network: str, node_nm: float) -> None:
    """Print all three tables."""
    energies = network_energy(network, node_nm)
    dense = energies["dcnn"].total()
    for name, published in zip(MACHINES, (1.0, *NETWORKS[network]), strict=True):
        ratio = energies[name].total() / dense
        print(f"{network} {name} at {node_nm:g} nm: {ratio:.3f}, published {published} ({ratio / published - 1:+.1%})")
        for part, energy in energies[name].most_common(8):
            print(f"    {part:24}{energy / dense:8.3f}")
    for density in (0.1, 0.3, 0.5, 0.7, 1.0):
        swept = energy_at(density, node_nm)
        ratios = ", ".join(f"{name} {swept[name] / swept['dcnn']:.3f}" for name in MACHINES[1:])
        print(f"googlenet at density {density}: {ratios}")
    for name, area in pe_areas(node_nm).items():
        print(f"{name:24}{area:8.4f} mm2, published at 16 nm {AREAS[name][0]} ({area / AREAS[name][0] - 1:+.0%})")


if __name__ == "__main__":
    chosen = sys.argv[1:]
    main(chosen[0] if chosen else "alexnet", float(chosen[1]) if chosen[1:] else 16.0)
