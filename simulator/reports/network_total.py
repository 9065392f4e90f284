"""`NetworkTotal`: a network as one run of all its layers, beside the sum of its layers alone (docs/network.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from simulator.reports.bounds import Bounds
from simulator.reports.network_inputs import NetworkInputs

_LISTS = ("layers", "notes")
_INPUTS, _ENERGY = "inputs", "energy"


@dataclass(frozen=True)
class LayerSpan:
    """A layer's part of the run, or that of a pooling that runs by itself.

    start_cycle, end_cycle  between which the PE array belongs to it; the next one starts where it ends
    pe_cycle_stack          PE-cycles of the span by cause
    """

    name: str
    start_cycle: int
    end_cycle: int
    pe_cycle_stack: dict[str, int]

    @property
    def cycles(self) -> int:
        """Length of the span."""
        return self.end_cycle - self.start_cycle


@dataclass(frozen=True)
class NetworkTotal:
    """The run of a network on one clock.

    overlap, pooling  the machine's settings that it was run with
    cycles            from the first load to the last byte written
    alone_cycles      what the layers take one by one, each on a cold machine: the report's total
    read_bytes, write_bytes  useful bytes that crossed DRAM, those of operators between layers included
    bounds            cycles that no run of the network can stay below
    pe_cycle_stack    PE-cycles of the whole run by cause
    buffer_peak_bytes fullest level of each buffer
    layers            in order, poolings that run by themselves among them
    notes             what was assumed
    inputs            of several inputs, how they follow one another; all else is of the first one, on an idle machine
    energy            figures of the run's energy by key of the JSON report; None where there are none
    """

    overlap: str
    pooling: str
    cycles: int
    time_us: float
    alone_cycles: int
    read_bytes: int
    write_bytes: int
    bounds: Bounds
    pe_cycle_stack: dict[str, int]
    buffer_peak_bytes: dict[str, int] = field(default_factory=dict)
    layers: tuple[LayerSpan, ...] = ()
    notes: tuple[str, ...] = ()
    inputs: NetworkInputs | None = None
    energy: dict[str, Any] | None = None

    @property
    def gain(self) -> float | None:
        """Cycles of the layers alone / cycles; None for a network that costs nothing."""
        return self.alone_cycles / self.cycles if self.cycles else None

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report."""
        lists = {"layers": [asdict(span) for span in self.layers], "notes": list(self.notes)}
        data = asdict(self) | lists | {"gain": self.gain}
        # A single input has no row of its own, and its report no key for one; energy that nobody asked for neither.
        del data[_INPUTS], data[_ENERGY]
        data |= self.energy or {}
        return data if self.inputs is None else data | {_INPUTS: self.inputs.to_dict()}


def total_row(report: Mapping[str, Any]) -> dict[str, Any]:
    """The total of a JSON report with those of its network under `network` and of its area, where it has any."""
    network, area = report.get("network"), report.get("area")
    total = report["total"] | ({"area": area} if area else {})
    if not network:
        return total
    return {**total, "network": {key: value for key, value in network.items() if key not in _LISTS}}
