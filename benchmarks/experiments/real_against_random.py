"""What uniform random masks hide: a really pruned network against masks of the same densities, layer by layer.

    python -m benchmarks.experiments.real_against_random WORKLOAD

WORKLOAD is anything `prunesim run` takes that holds real masks: a trace file, or a folder of real data such as that of
SqueezeNet with Deep Compression. Without an argument the shipped network is taken. Prints a Markdown table of cycles
and load imbalance on every machine: with the real masks, with uniform ones, and with clustered activations under
skewed filters; random figures are the mean over ten seeds.
"""

import sys
from dataclasses import replace
from statistics import fmean

import numpy as np

from benchmarks.markdown import print_table
from dataflows.registry import create, machines
from simulator.network_simulation import able_machines, simulate
from workloads.catalog import load_workload
from workloads.masks.synthetic import Clustered, Pattern, Skewed, Uniform
from workloads.source import Drawn, LayerSource
from workloads.workload import Workload

SEEDS = range(10)


def filter_variation(mask: np.ndarray) -> float:
    """Coefficient of variation of the non-zeros per filter; 0 for a layer without any."""
    counts = mask.reshape(len(mask), -1).sum(axis=1)
    return float(counts.std() / counts.mean()) if counts.any() else 0.0


def redrawn(workload: Workload, seed: int, activations: Pattern, *, skewed: bool) -> Workload:
    """The same layers and densities with random masks; skewed filters keep their layer's own variation."""
    sources = []
    for index, source in enumerate(workload.sources):
        trace = source.trace(workload.seed)
        weights: Pattern = Skewed(filter_variation(trace.weight_mask)) if skewed else Uniform()
        tensors = (
            Drawn(trace.weight_density, weights),
            Drawn(trace.activation_density, activations),
        )
        sources.append(
            LayerSource(index, trace.layer, *tensors, trace.output_density, input_in_dram=trace.input_in_dram)
        )
    return replace(workload, sources=tuple(sources), seed=seed)


def measure(workload: Workload) -> list[tuple]:
    """A row for each machine; ratios are random over real."""
    accelerators, _ = able_machines([create(name) for name in machines()], workload)
    real = [report.total for report in simulate(accelerators, workload)]
    families = {"uniform": (Uniform(), False), "clustered and skewed": (Clustered(), True)}
    drawn = {
        family: [
            [report.total for report in simulate(accelerators, redrawn(workload, seed, pattern, skewed=skewed))]
            for seed in SEEDS
        ]
        for family, (pattern, skewed) in families.items()
    }
    rows = [("machine", "cycles, real", *(f"{f}, of real" for f in drawn), "max/mean PE, real", *drawn)]
    for place, (accelerator, total) in enumerate(zip(accelerators, real, strict=True)):
        columns = {family: [seed[place] for seed in totals] for family, totals in drawn.items()}
        rows.append(
            (
                accelerator.name,
                f"{total.cycles:,}",
                *(f"{fmean(t.cycles for t in totals) / total.cycles:.3f}" for totals in columns.values()),
                f"{total.load_imbalance:.2f}",
                *(f"{fmean(t.load_imbalance for t in totals):.2f}" for totals in columns.values()),
            )
        )
    return rows


if __name__ == "__main__":
    chosen = load_workload(sys.argv[1] if len(sys.argv) > 1 else "blazepose")
    print_table(f"{chosen.name}: real masks against random ones of the same densities", measure(chosen))
