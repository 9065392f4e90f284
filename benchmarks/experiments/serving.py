"""How many images a second machines serve: one behind the other, in batches, and under a deadline.

python -m benchmarks.experiments.serving
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from benchmarks.markdown import print_table
from dataflows.registry import create
from simulator.serving.arrivals import arrivals
from simulator.serving.queueing import Rules, serve
from simulator.serving.report import percentile
from simulator.serving.service import MeasuredService, Service, ServiceTime
from workloads.catalog import load_workload

NETWORK = "blazepose"
MACHINES = ("cambricon-x", "dadiannao", "kgrc", "scnn", "structured", "systolic")
BATCH = 4
DEADLINE_MS = 33
_LOADS = (Fraction(1, 2), Fraction(4, 5), Fraction(19, 20))
_IMAGES = 100_000


def rows(machines: Sequence[str] = MACHINES) -> Iterator[Sequence[str]]:
    """A row a machine: its times, its most images a second, and p99 of Poisson arrivals."""
    yield (
        "machine", "latency ms", "interval ms", "images/s", f"in batches of {BATCH}",
        *(f"p99 ms at {float(load):.0%}" for load in _LOADS), f"p99 within {DEADLINE_MS} ms up to",
    )  # fmt: skip
    for name in machines:
        machine = create(name)
        clock_hz = machine.spec.clock_hz
        service = MeasuredService(machine, load_workload(NETWORK), inputs=1)
        (one,), (batch,) = service(1), service(BATCH)
        capacity = Fraction(clock_hz, one.interval_cycles)
        deadline = DEADLINE_MS * clock_hz // 1000
        yield (
            name,
            f"{1000 * one.latency_cycles / clock_hz:.3f}",
            f"{1000 * one.interval_cycles / clock_hz:.3f}",
            f"{float(capacity):,.1f}",
            f"{BATCH * clock_hz / batch.interval_cycles:,.1f}",
            *(f"{1000 * _p99(service, load * capacity, clock_hz) / clock_hz:.2f}" for load in _LOADS),
            _most(one, service, deadline, capacity, clock_hz),
        )


def _p99(service: Service, rate: Fraction, clock_hz: int) -> int:
    served = serve(arrivals("poisson", rate, _IMAGES, 0, clock_hz), service, Rules())
    return percentile(sorted(served.latency_cycles), 990)


def _most(one: ServiceTime, service: Service, deadline: int, capacity: Fraction, clock_hz: int) -> str:
    """The highest rate, in per cent of the capacity, at which 99 % of the images keep the deadline."""
    if one.latency_cycles > deadline:
        return "no rate"
    # At every rate images arrive in the same order with the same distances, but for the scale: what is late at one
    # rate is so at every higher one.
    low, high = 0, 100
    while low < high:
        middle = (low + high + 1) // 2
        if _p99(service, capacity * middle / 100, clock_hz) <= deadline:
            low = middle
        else:
            high = middle - 1
    return f"{float(capacity * low / 100):,.1f} images/s ({low} %)"


if __name__ == "__main__":
    print_table(f"{NETWORK}, images that arrive", rows())
