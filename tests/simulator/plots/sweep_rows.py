"""Rows of a sweep over density, and the lines of a figure."""

from __future__ import annotations

from matplotlib.figure import Figure


def sweep_row(machine: str, density: float, seed: int, **changes) -> dict:
    return {
        "accelerator": machine,
        "workload": "net",
        "name": "total",
        "density": density,
        "seed": seed,
        "utilization": 0.5 + 0.1 * seed,
        "effectual_utilization": density,
        "speedup": 1 / (2 * density),
        "cycles": int(1000 * density) + seed,
        "dram.burst_bytes": int(100 / density),
    } | changes


def lines_of(figure: Figure, panel: int = 0) -> dict[str, list[tuple[float, float]]]:
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]
        for line in figure.axes[panel].get_lines()
    }
