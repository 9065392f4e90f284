"""A workload served by a machine: its times simulated, and images that arrive at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from dataflows.accelerator import Accelerator
from simulator.network_simulation import Progress
from simulator.serving.arrivals import KINDS, arrivals, read_arrivals
from simulator.serving.queueing import Rules, serve
from simulator.serving.report import MILLISECONDS, ServingPoint, ServingReport
from simulator.serving.service import MeasuredService
from workloads.errors import InputError
from workloads.workload import Workload

DEFAULT_IMAGES = 1000
# Far beyond any machine, and near enough for numbers to stay exact.
_LEAST_RATE, _MOST_RATE, _MOST_MS = 1e-6, 1e12, 1e9


@dataclass(frozen=True)
class Traffic:
    """What arrives.

    kind    one of `KINDS`, or a file of arrival times
    rates   images a second, a run each; none with a file
    images  how many; None: `DEFAULT_IMAGES`, or as many as the file holds
    seed    of Poisson arrivals
    """

    kind: str
    rates: tuple[Fraction, ...]
    images: int | None = None
    seed: int = 0

    def by_rate(self, clock_hz: int) -> list[tuple[float | None, list[int]]]:
        """Arrivals in cycles, rate by rate."""
        if self.kind not in KINDS:
            return [(None, read_arrivals(Path(self.kind), clock_hz, self.images))]
        images = self.images or DEFAULT_IMAGES
        return [(float(rate), arrivals(self.kind, rate, images, self.seed, clock_hz)) for rate in self.rates]


def parse_traffic(kind: str, rates: str | None, images: int | None, seed: int) -> Traffic:
    """From what a user typed. Raises `InputError` for rates that are none, or that are missing or of no use."""
    if kind not in KINDS:
        if rates is not None:
            raise InputError(f"--rate {rates}: the arrivals of '{kind}' have their own rate")
        return Traffic(kind, (), images, seed)
    if rates is None:
        raise InputError(f"--arrivals {kind}: give a --rate in images per second")
    return Traffic(kind, tuple(_rate(text.strip(), rates) for text in rates.split(",")), images, seed)


def _rate(text: str, rates: str) -> Fraction:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not _LEAST_RATE <= rate <= _MOST_RATE:
        allowed = f"between {_LEAST_RATE:g} and {_MOST_RATE:g}"
        raise InputError(f"--rate {rates}: '{text}' must be a number of images per second {allowed}")
    # By its text, in which 0.1 is a tenth.
    return Fraction(repr(rate))


def rules_of(batch: int, wait_ms: float, room: int | None, clock_hz: int) -> Rules:
    """Rules in a machine's cycles. Raises `InputError` where they never let a batch fill."""
    if room is not None and room < batch:
        raise InputError(f"--queue {room}: must have room for a batch of {batch}")
    return Rules(batch, cycles_of(wait_ms, "--wait", clock_hz), room)


def cycles_of(milliseconds: float, option: str, clock_hz: int) -> int:
    """Milliseconds as cycles. Raises `InputError` where they are no time or too long a one."""
    if not 0 <= milliseconds <= _MOST_MS:
        raise InputError(f"{option} {milliseconds}: must be between 0 and {_MOST_MS:g} milliseconds")
    return round(Fraction(milliseconds) * clock_hz / MILLISECONDS)


def serve_workload(
    machine: Accelerator,
    workload: Workload,
    traffic: Traffic,
    rules: Rules,
    *,
    inputs: int = 1,
    deadline_cycles: int | None = None,
    progress: Progress | None = None,
    energy: bool = True,
) -> ServingReport:
    """Images of a workload's inputs, in turn, served by a machine.

    Raises what `simulate` raises, and `InputError` for a file of arrivals that holds none.
    """
    clock_hz = machine.spec.clock_hz
    service = MeasuredService(machine, workload, inputs, progress, energy=energy)
    points = [
        ServingPoint(
            rate, clock_hz, len(cycles), cycles[-1] - cycles[0], deadline_cycles, serve(cycles, service, rules)
        )
        for rate, cycles in traffic.by_rate(clock_hz)
    ]  # fmt: skip
    assert service.report is not None  # noqa: S101 (an image has arrived, and so been served)
    kind = traffic.kind if traffic.kind in KINDS else Path(traffic.kind).name
    return ServingReport(service.report, kind, rules, service.times, tuple(points), service.energy_pj)
