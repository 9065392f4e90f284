"""Print the table of speeds: `make bench`. Every time stands beside a result that is asserted, and beside a ratio.

The yardstick is the time that numpy needs to compute the same layers densely (im2col and matrix product, float32, the
same cores): a simulator that needs less than that costs less than running the network.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from os import environ

import numpy as np

from benchmarks.markdown import print_table
from benchmarks.measure import (
    CONV3_2,
    CONV3_2_DENSITIES,
    best_seconds,
    dense_seconds,
    network_dense_seconds,
    random_trace,
)
from dataflows.registry import create, machines
from dataflows.truth.products import count_products
from simulator.network_simulation import MachineRun, simulate
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.workload import Workload

NETWORKS = ("blazepose", "alexnet@deep-compression", "vgg16@deep-compression", "googlenet@scnn", "resnet50@str-90.23")
GROWTH_LIMIT = 1.1


class Held(Workload):
    """A workload whose traces are made once, so that a benchmark times what is done with them."""

    @classmethod
    def of(cls, workload: Workload) -> "Held":
        """The same layers, all traces in memory."""
        held = cls(workload.name, workload.sources, workload.seed)
        object.__setattr__(held, "traces", [workload.trace(i) for i in range(len(workload.layers))])
        return held

    def trace(self, index: int) -> LayerTrace:
        """A trace made before."""
        return self.traces[index]  # type: ignore[attr-defined]


def able(*layers: Layer) -> list[str]:
    """The machines that run all of these layers."""
    return [name for name in machines() if all(create(name).refusal(layer) is None for layer in layers)]


def kernel_rates() -> Iterator[tuple]:
    """VGG-16 conv3_2 on every machine: time for its schedule, and for everything up to the checked report."""
    trace = random_trace(CONV3_2, *CONV3_2_DENSITIES)
    effectual = count_products(trace).effectual_macs
    dense = dense_seconds(CONV3_2)
    yield ("machine", "schedule ms", "report ms", "effectual G/s", "of dense numpy", "cycles")
    for name in able(CONV3_2):
        run = MachineRun(create(name))
        schedule = best_seconds(lambda run=run: run.accelerator.schedule(trace))
        whole = best_seconds(lambda run=run: run.layer(trace))
        report = run.layer(trace)
        assert report.effectual_macs == effectual
        assert sum(report.pe_cycle_stack.values()) == report.pes * report.cycles
        yield (
            name, f"{schedule * 1e3:.1f}", f"{whole * 1e3:.1f}", f"{effectual / schedule / 1e9:.1f}",
            f"{schedule / dense:.2f}", f"{report.cycles:,}",
        )  # fmt: skip
    yield ("numpy, dense", f"{dense * 1e3:.1f}", "", "", "1.00", "")


def whole_networks() -> Iterator[tuple]:
    """Whole networks on SCNN and on all machines against computing them densely; masks are drawn or read before."""
    yield ("workload", "layers", "masks s", "scnn s", "machines", "their s", "numpy dense s", "scnn of dense")
    for name in NETWORKS:
        drawn = load_workload(name)
        masks = best_seconds(lambda w=drawn: [w.trace(i) for i in range(len(w.layers))], 2)
        workload = Held.of(drawn)
        every = [create(machine) for machine in able(*workload.layers)]
        alone, together = (
            best_seconds(lambda a=accelerators, w=workload: simulate(a, w), 2)
            for accelerators in ([create("scnn")], every)
        )
        dense = network_dense_seconds(workload)
        yield (
            name, str(len(workload.layers)), f"{masks:.2f}", f"{alone:.2f}",
            str(len(every)), f"{together:.2f}", f"{dense:.2f}", f"{alone / dense:.2f}",
        )  # fmt: skip


def growth() -> Iterator[tuple]:
    """How time grows with the work of a layer: the slope of log time over log products, asserted."""
    yield ("machine", "products", "ms, smallest to largest", "exponent")
    sizes = (64, 128, 256, 512)
    layers = [
        Layer.conv("grow", in_channels=c, out_channels=c, input_size=(56, 56), kernel_size=3, padding=1) for c in sizes
    ]
    traces = [random_trace(layer, *CONV3_2_DENSITIES) for layer in layers]
    products = np.array([count_products(trace).effectual_macs for trace in traces], float)
    for name in able(*layers):
        accelerator = create(name)
        times = [best_seconds(lambda a=accelerator, t=trace: a.schedule(t), 3) for trace in traces]
        exponent = float(np.polyfit(np.log(products), np.log(times), 1)[0])
        assert exponent <= GROWTH_LIMIT, f"{name}: time grows with products to the power {exponent:.2f}"
        yield (
            name, f"{products[0] / 1e6:.0f} M to {products[-1] / 1e6:.0f} M",
            ", ".join(f"{t * 1e3:.1f}" for t in times), f"{exponent:.2f}",
        )  # fmt: skip


def starts() -> Iterator[tuple]:
    """The command from the shell: help, and one layer with an empty and with a filled kernel cache."""
    yield ("command", "seconds")
    command = [sys.executable, "-m", "simulator"]
    run = [*command, "run", "blazepose", "--on", "scnn", "--layers", "op010*", "--json", "-"]
    with tempfile.TemporaryDirectory() as folder:
        fresh = {**environ, "PRUNESIM_CACHE_DIR": folder}
        for label, arguments in (
            ("prunesim --help", [*command, "--help"]),
            ("one layer on scnn, empty kernel cache", run),
            ("one layer on scnn, warm", run),
        ):
            start = time.perf_counter()
            done = subprocess.run(arguments, env=fresh, capture_output=True, check=True, text=True)
            seconds = time.perf_counter() - start
            assert done.stdout
            yield (label, f"{seconds:.2f}")


if __name__ == "__main__":
    for title, measure in (
        ("VGG-16 conv3_2, weights 0.3 and activations 0.4 dense", kernel_rates),
        ("Whole networks", whole_networks),
        ("Growth with the size of a layer", growth),
        ("Starting", starts),
    ):
        print_table(title, measure())
