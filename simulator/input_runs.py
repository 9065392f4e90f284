"""A workload simulated on several of its inputs: the reports of the first one, with what the others do to them.

Each input is simulated by itself, and meanwhile all of them one behind the other (`NetworkTotal.inputs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dataflows.accelerator import Accelerator
from simulator.engine.observer import Observer
from simulator.network.inputs import InputsInARow
from simulator.network_simulation import DenseCycles, Progress, simulate
from simulator.reports.input_spread import InputFigures, InputSpread, LayerSpread
from simulator.reports.report import Measures, NetworkReport
from workloads.errors import InputError
from workloads.workload import Workload

MOST_INPUTS = 1_000_000
_MOST_DIGITS = 100


def parse_inputs(text: str, workload: Workload) -> int:
    """How many inputs `--inputs N|all` asks for. Raises `InputError` where the workload does not hold so many."""
    if text == "all":
        if workload.inputs is None:
            raise InputError(f"--inputs all: {workload.holds}: give a number")
        return workload.inputs
    if not (text.isdecimal() and text.isascii() and text.strip("0")):
        raise InputError(f"--inputs {text}: must be a whole number of at least 1, or all")
    # By its length first, since Python reads no number of thousands of digits.
    if len(text) > _MOST_DIGITS or int(text) > MOST_INPUTS:
        raise InputError(f"--inputs {text}: at most {MOST_INPUTS}")
    if workload.inputs is not None and int(text) > workload.inputs:
        raise InputError(f"--inputs {text}: {workload.holds}")
    return int(text)


def simulate_inputs(
    accelerators: Sequence[Accelerator],
    workload: Workload,
    inputs: int,
    progress: Progress | None = None,
    observers: tuple[Observer, ...] = (),
    network_observers: tuple[Observer, ...] = (),
    *,
    energy: bool = True,
) -> list[NetworkReport]:
    """The workload on each machine, input after input, and layer after layer of each; as `simulate`.

    Reports are those of the first input, which observers watch alone; with several, `NetworkReport.inputs` says how
    they differ, and `NetworkTotal.inputs` how they follow one another. Of the others a few figures are kept, so that
    memory holds one trace and one input's reports.
    Raises `InputError` where the workload holds fewer inputs, and what `simulate` raises.
    """
    dense_cycles: DenseCycles = {}
    first: list[NetworkReport] = []
    seen: list[list[NetworkFigures]] = []  # of each input, of each machine
    rows = [InputsInARow(machine, images_of(workload)) for machine in accelerators] if inputs > 1 else []
    for number in range(inputs):
        reports = simulate(
            accelerators,
            workload.at_input(number),
            _counting(progress, number, inputs),
            dense_cycles,
            () if number else observers,
            () if number else network_observers,
            rows,
            # Of the others' reports a few figures are kept, and no energy among them.
            energy=energy and not number,
        )
        first = first or reports
        seen.append([NetworkFigures(report, workload) for report in reports])
    if inputs == 1:
        return first
    # From input by input to machine by machine.
    return [
        in_a_row(report.with_inputs(spread_of(figures)), row)
        for report, figures, row in zip(first, zip(*seen, strict=True), rows, strict=True)
    ]


def images_of(workload: Workload) -> int:
    """Images of an input: those that go into the first layer."""
    return workload.layers[0].batch


def in_a_row(report: NetworkReport, row: InputsInARow) -> NetworkReport:
    """The report with what came of several inputs in a row."""
    return report if report.network is None else replace(report, network=replace(report.network, inputs=row.total()))


class NetworkFigures:
    """What is kept of a machine's report on one input."""

    def __init__(self, report: NetworkReport, workload: Workload) -> None:
        self.names = [layer.name for layer in report.layers]
        self.layers = [_figures(layer, layer.activation_density) for layer in report.layers]
        counts = [layer.input_count for layer in workload.layers]
        nonzeros = sum(one.activation_density * count for one, count in zip(self.layers, counts, strict=True))
        self.total = _figures(report.total, nonzeros / sum(counts))


def _figures(measures: Measures, density: float) -> InputFigures:
    return InputFigures(measures.cycles, measures.load_imbalance, measures.dram.total_bytes, density)


def spread_of(inputs: Sequence[NetworkFigures]) -> InputSpread:
    """What several inputs do to a machine's figures."""
    layers = zip(*(one.layers for one in inputs), strict=True)
    return InputSpread(
        tuple(LayerSpread.of(name, layer) for name, layer in zip(inputs[0].names, layers, strict=True)),
        LayerSpread.of("total", [one.total for one in inputs]),
    )


def _counting(progress: Progress | None, number: int, inputs: int) -> Progress | None:
    """Progress of one input as a part of all."""
    if progress is None or inputs == 1:
        return progress

    def advance(done: int, total: int, now: str) -> None:
        # The third layer of 26 on the second of 4 inputs is 28 of 104.
        progress(number * total + done, inputs * total, f"{now} input {number}".strip())

    return advance
