"""What memory did for a layer or a network, in all and tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import add
from typing import Any, Self

from simulator.dram.activity import DramActivity
from simulator.dram.read_latency import ReadLatency
from simulator.engine.traffic import TensorTraffic, Traffic
from workloads.units import PICOSECONDS_PER_NANOSECOND

_COUNTS = ("read_bytes", "write_bytes", "burst_bytes", "row_hits", "row_misses", "row_conflicts")
_DERIVED = ("wasted_bytes", "read_latency_ns", "read_latency_p95_ns")
_OF_ALL = ("activates", "efficiency", "achieved_gbs", "peak_gbs")
DRAM_MEASURES = (*_COUNTS, *_DERIVED, *_OF_ALL)
"""What the JSON report says of memory as a whole, beside its tensors."""


@dataclass(frozen=True)
class TensorReport:
    """One tensor's share, or all of them; bytes are useful ones, `burst_bytes` counts whole bursts.

    latency   of reads, in DRAM clocks; None for ideal memory
    clock_ps  length of a DRAM clock
    """

    read_bytes: int
    write_bytes: int
    burst_bytes: int
    row_hits: int
    row_misses: int
    row_conflicts: int
    latency: ReadLatency | None = field(compare=False, repr=False)  # arrays have no single truth to compare
    clock_ps: int

    @classmethod
    def of(cls, traffic: TensorTraffic, clock_ps: int) -> Self:
        """From what a memory has counted."""
        counts = {key: getattr(traffic, key) for key in _COUNTS}
        return cls(**counts, latency=traffic.read_latency, clock_ps=clock_ps)

    @classmethod
    def sum(cls, parts: Sequence[Self]) -> Self:
        """Several tensors or layers added up, latencies included."""
        counts = {key: sum(getattr(part, key) for part in parts) for key in _COUNTS}
        # A layer that reads nothing, or ideal memory, has no latency to add.
        known = [part.latency for part in parts if part.latency is not None]
        return cls(**counts, latency=reduce(add, known) if known else None, clock_ps=parts[0].clock_ps)

    @property
    def wasted_bytes(self) -> int:
        """Bytes that partial bursts moved for nothing."""
        return self.burst_bytes - self.read_bytes - self.write_bytes

    @property
    def read_latency_ns(self) -> float | None:
        """Mean time from a read's request to its data; None where memory is ideal or nothing was read."""
        # `and` hands a missing latency on as None; one that is there is always true, even of no reads.
        return self._nanoseconds(self.latency and self.latency.mean_clocks)

    @property
    def read_latency_p95_ns(self) -> float | None:
        """Time within which 95 % of the reads had their data; None as above, and where it is beyond all bins."""
        return self._nanoseconds(self.latency and self.latency.share_clocks())

    def _nanoseconds(self, clocks: float | None) -> float | None:
        return None if clocks is None else clocks * self.clock_ps / PICOSECONDS_PER_NANOSECOND

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report."""
        return {key: getattr(self, key) for key in (*_COUNTS, *_DERIVED)}


@dataclass(frozen=True)
class DramReport:
    """What memory carried for a layer or a network.

    tensors     by name: input, weight, output
    activity    what its devices did; ideal memory has bursts only
    efficiency  useful bytes a second over peak bandwidth, in [0, 1]; 0 where bandwidth is infinite
    time_us     time over which bandwidth is counted
    peak_gbs    peak bandwidth, 10^9 bytes a second; None where it is infinite
    """

    tensors: dict[str, TensorReport]
    activity: DramActivity
    efficiency: float
    time_us: float
    peak_gbs: float | None

    @classmethod
    def of(cls, traffic: Traffic, efficiency: float, time_us: float, peak_gbs: float | None) -> Self:
        """From what a memory has counted."""
        tensors = {tensor.key: TensorReport.of(part, traffic.clock_ps) for tensor, part in traffic.tensors.items()}
        return cls(tensors, traffic.activity, efficiency, time_us, peak_gbs)

    @classmethod
    def sum(cls, parts: Sequence[Self]) -> Self:
        """Layers one after the other; time is the weight of each layer's efficiency."""
        time_us = sum(part.time_us for part in parts)
        # Efficiency times time is proportional to bytes, as all layers have one peak: 0.5 over 3 us and 1.0 over 1 us
        # make 0.625.
        moved = sum(part.efficiency * part.time_us for part in parts)
        return cls(
            {key: TensorReport.sum([part.tensors[key] for part in parts]) for key in parts[0].tensors},
            reduce(add, (part.activity for part in parts)),
            moved / time_us if time_us else 0.0,
            time_us,
            parts[0].peak_gbs,
        )

    @property
    def all(self) -> TensorReport:
        """All tensors together."""
        return TensorReport.sum(list(self.tensors.values()))

    @property
    def activates(self) -> int:
        """Rows opened; 0 for ideal memory."""
        return self.activity.activates

    @property
    def total_bytes(self) -> int:
        """Useful bytes in both directions."""
        return sum(tensor.read_bytes + tensor.write_bytes for tensor in self.tensors.values())

    @property
    def achieved_gbs(self) -> float:
        """Useful bytes over the whole time, 10^9 bytes a second."""
        # 3,000,000 bytes in 250 us are 12 bytes a nanosecond, 12 x 10^9 a second.
        return self.total_bytes / (self.time_us * 1000) if self.time_us else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report."""
        return {
            **self.all.to_dict(),
            **{key: getattr(self, key) for key in _OF_ALL},
            "activity": asdict(self.activity),
            "tensors": {key: tensor.to_dict() for key, tensor in self.tensors.items()},
        }
