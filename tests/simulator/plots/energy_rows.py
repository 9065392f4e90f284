"""Rows with an energy, of as many machines, layers and points as a figure may have to hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflows.schedule import Cause

MACHINES = (
    "scnn", "dcnn", "dcnn-opt", "cambricon-x", "diannao", "dadiannao", "structured", "systolic", "stacked", "pattern",
    "kgrc", "abm", "sparse-yolo", "eie",
)  # fmt: skip
MEASURED = {
    "purposes": {"compute": 40, "storage": 30, "sparsity": 20},
    "components": {"multipliers": 50, "buffer": 30},
    "actions": {"multiply": 50, "read": 30},
    "causes": {"busy": 70, "memory": 20},
    "dram": {"activate_pj": 5, "read_pj": 30, "write_pj": 25, "refresh_pj": 10, "background_pj": 40, "total_pj": 110},
}
"""pJ by part; 10 of the 90 on the chip are leakage."""


def energy_row(machine: str = "scnn", name: str = "total", scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A flat row whose energy is 200 pJ times the scale."""
    energy = {f"energy.{group}.{part}": scale * pj for group, parts in MEASURED.items() for part, pj in parts.items()}
    ends = {"total_pj": 200, "low_pj": 150, "high_pj": 260, "dynamic_pj": 80, "leakage_pj": 10}
    return {
        "accelerator": machine,
        "workload": "net",
        "name": name,
        "seed": 0,
        "cycles": 100,
        "time_us": 10.0 * scale,
        "effectual_macs": 12,
        "dram.read_bytes": 4,
        "dram.write_bytes": 2,
        **{f"pe_cycle_stack.{cause.key}": 0 for cause in Cause},
        **{f"energy.{end}": scale * pj for end, pj in ends.items()},
        **energy,
        "energy_vs_dense": 0.8,
        "area.total_mm2": 3.0,
    } | changes


def layers_of(machines: Sequence[str], count: int) -> list[dict[str, Any]]:
    """So many layers of each machine, of different energies and traffic."""
    return [
        energy_row(
            machine,
            f"conv{layer}_branch3x3_reduce",
            1e6 * (1 + layer) * (1 + place),
            effectual_macs=10**6 * (1 + layer % 7),
            **{"dram.read_bytes": 10**6, "dram.write_bytes": 0},
        )
        for place, machine in enumerate(machines)
        for layer in range(count)
    ]


def sweep_of(machines: Sequence[str], densities: Sequence[float], seeds: Sequence[int] = (0,)) -> list[dict[str, Any]]:
    """A sweep over density: energy grows with the density from 1 mJ times the machine's number, that over the dense
    baseline's from a half; equal at a density of 0.5.
    """
    return [
        energy_row(
            machine, scale=5e6 * (place + 1) * (1 + density), density=density, seed=seed, energy_vs_dense=0.5 + density
        )
        for place, machine in enumerate(machines)
        for density in densities
        for seed in seeds
    ]
