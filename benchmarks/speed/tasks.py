"""What a worker can time. A task has a result, which is asserted and compared, and seconds, which are measured.

A task is a function of its arguments that gives something to call; what it calls returns the result. What is made
before (traces, weights) is not timed, and kept from one task to the next as long as the same is asked for.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import dense_task, random_trace
from benchmarks.speed.waiting import LASTING, pick_for
from dataflows.registry import create, machines
from dataflows.truth.products import count_products
from simulator.network_simulation import MachineRun, simulate
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.workload import Workload

Call = Callable[[], Any]


class Tasks:
    """The tasks that are prepared, and the clock that times them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._calls: dict[str, Call] = {}

    def prepare(self, name: str, *arguments: Any) -> Any:
        """Make a task ready; its result, from a run that does not count."""
        call = TASKS[name](*arguments)
        self._calls[repr((name, arguments))] = call
        return call()

    def time(self, name: str, *arguments: Any) -> float:
        """Seconds of one run of a task that is ready."""
        call = self._calls[repr((name, arguments))]
        start = self.clock()
        call()
        return self.clock() - start

    def forget(self) -> None:
        """Drop all tasks."""
        self._calls.clear()


class Held(Workload):
    """A workload whose traces are made once, so that what is timed is what is done with them."""

    @classmethod
    def of(cls, workload: Workload) -> "Held":
        """The same layers, all traces in memory, under one name for all images."""
        held = cls(workload.name, workload.sources, workload.seed, graph=workload.graph)
        object.__setattr__(held, "traces", [workload.trace(i) for i in range(len(workload.layers))])
        return held

    def trace(self, index: int, input: int = 0) -> LayerTrace:  # noqa: A002, ARG002 (as a workload has it)
        """A trace made before."""
        return self.traces[index]  # type: ignore[attr-defined]

    def able(self, machine: str) -> "Held":
        """The layers that a machine runs."""
        chosen = able_layers(self.name, machine)
        some = replace(self, sources=tuple(self.sources[i] for i in chosen))
        object.__setattr__(some, "traces", [self.traces[i] for i in chosen])  # type: ignore[attr-defined]
        return some


@lru_cache(maxsize=1)
def held(network: str) -> Held:
    """The network with its traces; one at a time."""
    return Held.of(load_workload(network))


@cache
def able_layers(network: str, machine: str) -> list[int]:
    """The places of the layers that a machine runs."""
    accelerator = create(machine)
    return [i for i, layer in enumerate(load_workload(network).layers) if accelerator.refusal(layer) is None]


def conv(channels: int, filters: int, size: int) -> Layer:
    """A convolution of 3 x 3 that keeps the size of its map."""
    return Layer.conv(
        "conv", in_channels=channels, out_channels=filters, input_size=(size, size), kernel_size=3, padding=1
    )


@lru_cache(maxsize=4)
def conv_trace(channels: int, filters: int, size: int) -> LayerTrace:
    """That convolution with 0.3 of its weights and 0.4 of its activations."""
    return random_trace(conv(channels, filters, size), 0.3, 0.4)


def names() -> Call:
    """The machines there are."""
    return lambda: list(machines())


def layer_able(machine: str, *shape: int) -> Call:
    """Whether a machine runs a convolution."""
    return lambda: create(machine).refusal(conv(*shape)) is None


def layer_products(*shape: int) -> Call:
    """Effectual products of the convolution."""
    return lambda: count_products(conv_trace(*shape)).effectual_macs


def layer_dense(*shape: int) -> Call:
    """The convolution computed densely."""
    task = dense_task(conv(*shape))
    return lambda: float(task().size)


def layer_schedule(machine: str, *shape: int) -> Call:
    """A machine's schedule of the convolution; the products that it issues."""
    accelerator, trace = create(machine), conv_trace(*shape)

    def call() -> int:
        schedule = accelerator.schedule(trace)
        issued = int(schedule.issued.sum())
        assert issued == schedule.expected_issued
        return issued

    return call


def layer_report(machine: str, *shape: int) -> Call:
    """The checked report of the convolution; its cycles."""
    run, trace = MachineRun(create(machine)), conv_trace(*shape)

    def call() -> int:
        report = run.layer(trace)
        assert sum(report.pe_cycle_stack.values()) == report.pes * report.cycles
        return report.cycles

    return call


def network_able(network: str, machine: str) -> Call:
    """The places of the layers that a machine runs."""
    return lambda: able_layers(network, machine)


def network_schedule(network: str, machine: str) -> Call:
    """A machine's schedules of all layers that it runs; the products that they issue."""
    accelerator, workload = create(machine), held(network).able(machine)

    def call() -> int:
        schedules = (accelerator.schedule(workload.trace(i)) for i in range(len(workload.layers)))
        return sum(int(schedule.issued.sum()) for schedule in schedules)

    return call


def network_report(network: str, machine: str) -> Call:
    """The checked report of all layers that a machine runs; its cycles."""
    accelerator, workload = create(machine), held(network).able(machine)
    return lambda: simulate([accelerator], workload)[0].total.cycles


def network_counted(network: str, machine: str, energy: bool) -> Call:
    """Runs of its layers with actions counted and priced, or without; a machine and its dense baseline from new."""
    workload = held(network).able(machine)
    return lambda: simulate([create(machine)], workload, energy=energy)[0].total.cycles


def network_layer_dense(network: str, index: int) -> Call:
    """A layer of a network computed densely; the shape of what comes out, as one number."""
    task = dense_task(load_workload_once(network).layers[index])
    return lambda: prod(task().shape)


@lru_cache(maxsize=1)
def load_workload_once(network: str) -> Workload:
    """A workload without its traces."""
    return load_workload(network)


def trace_bytes(network: str) -> Call:
    """Bytes of the largest layer's masks, one a value."""
    return lambda: max(layer.weight_count + layer.input_count for layer in load_workload(network).layers)


def dram_replay(pattern: str, address_map: str) -> Call:
    """One access pattern through the DRAM controller; the clock at which its last data end."""
    from simulator.dram.spec import BankedDramSpec  # noqa: PLC0415 (what only one part needs)
    from simulator.validation.dram_agreement import FIRST_CLOCK, MAPS  # noqa: PLC0415
    from simulator.validation.dram_patterns import PATTERNS  # noqa: PLC0415
    from simulator.validation.dram_replay import replay  # noqa: PLC0415

    address, write = PATTERNS[pattern]()
    spec = BankedDramSpec(address_map=MAPS[address_map])
    return lambda: replay(spec, address, write, first_clock=FIRST_CLOCK).data_end_clock


def dram_yardstick(requests: int) -> Call:
    """A queue of 32 from which the oldest is picked and replaced, `LASTING` times a request."""
    arrivals = np.random.default_rng(0).integers(0, 1 << 40, requests)
    return lambda: pick_for(arrivals, LASTING)


def python_loop(turns: int) -> Call:
    """A plain loop of Python."""

    def call() -> int:
        total = 0
        for turn in range(turns):
            total += turn
        return total

    return call


def sweep(processes: int, varied: str, points: int) -> Call:
    """A study of the example network under seeds or settings of one machine; points computed, and their cycles."""
    from simulator.studies.store import Store  # noqa: PLC0415 (what only one part needs)
    from simulator.studies.study import Study, run_study  # noqa: PLC0415
    from simulator.studies.study_file import StudyTable  # noqa: PLC0415
    from simulator.studies.workers import Workers  # noqa: PLC0415

    rates = {"dram.bandwidth_gbs": [1.0 + place / 10 for place in range(points)]}
    table = {
        "machines": ["scnn"],
        "workloads": [str(Path(__file__).resolve().parents[2] / "examples" / "tiny.toml")],
        **({"seeds": points} if varied == "seeds" else {"axes": [rates]}),
    }
    study = Study.of(StudyTable.checked(table, "speed"), "speed", "speed")

    def call() -> list[int]:
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "speed.sqlite") as store:
            summary = run_study(study, store, Workers(processes))
            return [summary.computed, sum(int(row["cycles"]) for row in store.rows())]

    return call


TASKS: dict[str, Callable[..., Call]] = {
    made.__name__: made
    for made in (
        names, layer_able, layer_products, layer_dense, layer_schedule, layer_report, network_able, network_schedule,
        network_report, network_counted, network_layer_dense, trace_bytes, dram_replay, dram_yardstick, python_loop,
        sweep,
    )
}  # fmt: skip
