"""`ServingReport`: how images fare that arrive at a machine, at one rate or at several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from simulator.reports.report import SCHEMA, NetworkReport
from simulator.serving.queueing import Rules, Served
from simulator.serving.service import ServiceTime

MILLISECONDS = 1000  # in a second
_PERCENTILES = (50, 90, 95, 99)
# Of the distribution, in per mille; closer at the end, where deadlines are.
_SHARES = (*range(0, 990, 10), *range(990, 1001))


def percentile(ordered: Sequence[int], per_mille: int) -> int:
    """The least of ordered values that so many per mille of them do not exceed; the first one for 0."""
    # Of 10 values, 950 per mille are 9.5, so that the tenth is the answer.
    return ordered[max(0, -(-len(ordered) * per_mille // 1000) - 1)]


@dataclass(frozen=True)
class ServingPoint:
    """Images that arrived at one rate.

    rate               images a second, as asked for; None: a file told when they arrive
    arrival_cycles     from the first arrival to the last
    deadline_cycles    an image is late that takes more; None: none is
    """

    rate: float | None
    clock_hz: int
    arrived: int
    arrival_cycles: int
    deadline_cycles: int | None
    served: Served

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report."""
        served, latencies = self.served, sorted(self.served.latency_cycles)
        span = served.last_cycle - served.first_cycle
        percentiles = {f"p{share}": self._ms(percentile(latencies, 10 * share)) for share in _PERCENTILES}
        return {
            "rate": self.rate,
            "arrived": self.arrived,
            "served": len(latencies),
            "dropped": served.dropped,
            "dropped_share": served.dropped / self.arrived,
            "offered_images_per_s": self._per_s(self.arrived - 1, self.arrival_cycles),
            # From the first batch that is done on, so that no time counts in which nothing could be done.
            "served_images_per_s": self._per_s(
                len(latencies) - served.first_images, served.last_done - served.first_done
            ),
            "utilization": served.busy_cycles / span if span else 0.0,
            "latency_ms": {
                "mean": self._ms(Fraction(sum(latencies), len(latencies))),
                **percentiles,
                "max": self._ms(latencies[-1]),
            },
            "waiting": {"mean": served.waiting_cycles / span if span else 0.0, "max": served.most_waiting},
            "batches": {str(size): count for size, count in sorted(served.batches.items())},
            "late": self._late(latencies),
            "distribution": [[share / 1000, self._ms(percentile(latencies, share))] for share in _SHARES],
        }

    def _late(self, latencies: Sequence[int]) -> dict[str, Any] | None:
        if self.deadline_cycles is None:
            return None
        late = sum(cycles > self.deadline_cycles for cycles in latencies)
        return {"deadline_ms": self._ms(self.deadline_cycles), "images": late, "share": late / len(latencies)}

    def _ms(self, cycles: int | Fraction) -> float:
        return float(Fraction(cycles) * MILLISECONDS / self.clock_hz)

    def _per_s(self, images: int, cycles: int) -> float | None:
        return images * self.clock_hz / cycles if cycles else None


@dataclass(frozen=True)
class ServingReport:
    """A workload served by a machine.

    network   of the batch that was simulated first: machine, workload, seed and digest
    arrivals  "periodic", "poisson", or the file
    times     by the images of a batch, those of each input
    points    by rate
    energy_pj of an image, by the images of a batch; empty where nobody asked, None where it is not modelled
    """

    network: NetworkReport
    arrivals: str
    rules: Rules
    times: Mapping[int, tuple[ServiceTime, ...]]
    points: tuple[ServingPoint, ...]
    energy_pj: Mapping[int, float | None] = field(default_factory=dict[int, float | None])

    @property
    def clock_hz(self) -> int:
        """The machine's clock."""
        return self.points[0].clock_hz

    def capacity(self, images: int) -> float | None:
        """Images that are served in a second at most, in batches of so many; None where they cost nothing."""
        times = self.times[images]
        interval = sum(one.interval_cycles for one in times)
        return images * len(times) * self.clock_hz / interval if interval else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON report."""
        network, rules = self.network, self.rules
        return {
            "schema": SCHEMA,
            "tool": network.tool,
            "accelerator": network.accelerator,
            "workload": network.workload,
            "seed": network.seed,
            "digest": network.digest,
            "serving": {
                "arrivals": self.arrivals,
                "batch": rules.batch,
                "wait_ms": rules.wait_cycles * MILLISECONDS / self.clock_hz,
                "queue": rules.room,
                "service": [
                    {
                        "batch": size,
                        "images_per_s": self.capacity(size),
                        **({"energy_pj_per_image": self.energy_pj[size]} if size in self.energy_pj else {}),
                        "inputs": [self._time(one) for one in times],
                    }
                    for size, times in sorted(self.times.items())
                ],
                "points": [point.to_dict() for point in self.points],
            },
        }

    def _time(self, one: ServiceTime) -> dict[str, Any]:
        return {
            "latency_cycles": one.latency_cycles,
            "latency_ms": one.latency_cycles * MILLISECONDS / self.clock_hz,
            "interval_cycles": one.interval_cycles,
            "interval_ms": one.interval_cycles * MILLISECONDS / self.clock_hz,
        }
