"""One layer explained: which bound binds, what each cause would give back if it vanished, what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause
from simulator.explain.lifts import EMPTY_LANES, lift
from simulator.explain.timed import Timed, timed, timed_or_none
from simulator.explain.zeros import Zeros, can_be_rearranged, even_activations, even_filters, sorted_filters, zeros_of
from workloads.trace import LayerTrace

_WORTH_A_TRY = 0.005  # share of PE-cycles from which on a cause is looked into
_SIMULATED_ANYWAY = (Cause.MEMORY,)  # may hold a layer up without any PE-cycle of its own, behind another cause
_BOUND_NAMES = {
    "compute_cycles": "the multipliers: every product takes a slot",
    "fullest_pe_cycles": "the fullest PE: all others wait for its own work",
    "memory_cycles": "memory: the bytes over the peak bandwidth",
}
_NEAR = 1.05  # cycles over a bound, up to which it binds


@dataclass(frozen=True)
class WhatIf:
    """What would change without a cause, or with the same zeros elsewhere.

    cause   of PE-cycles, or `empty_lanes`
    how     what was simulated; where nothing could be, why not
    share   of PE-cycles that the cause takes (of slots for empty lanes)
    gain    share of the layer's time that it would give back; below 0 where it would cost time
    simulated  False: the gain is the cause's share, and another cause may take its place
    """

    cause: str
    how: str
    share: float
    gain: float
    simulated: bool

    HEADINGS: ClassVar[tuple[str, ...]] = ("cause", "share", "time given back", "how")

    def cells(self) -> tuple[str, ...]:
        """As tables write it, under `HEADINGS`."""
        gain = f"{self.gain:+.1%}" if self.simulated else f"at most {self.gain:.1%}"
        return self.cause.replace("_", " "), f"{self.share:.1%}", gain, self.how


@dataclass(frozen=True)
class LayerExplanation:
    """A layer, how long it takes and why. `what_ifs` come by falling gain, the simulated ones first of equals."""

    name: str
    machine: str
    shape: str
    time_us: float
    cycles: int
    utilization: float
    bound: str
    bound_ratio: float
    what_ifs: tuple[WhatIf, ...]
    zeros: Zeros

    def headline(self) -> str:
        """The first line: what limits the layer most."""
        head = f"{self.name} ({self.shape}): {self.cycles:,} cycles, {self.utilization:.1%} of the slots used"
        if not self.what_ifs:
            return f"{head}; nothing is lost but {_BOUND_NAMES[self.bound]}"
        first = self.what_ifs[0]
        gain = f"{first.gain:.1%} of the time given back, simulated" if first.simulated else f"{first.gain:.1%} of it"
        return f"{head}; limited by {_words(first.cause)} ({first.how}: {gain})"

    def sentences(self) -> Iterator[str]:
        """Everything else that is worth a line."""
        near = "that is what binds" if self.bound_ratio <= _NEAR else f"the run takes {self.bound_ratio:.2f} times that"
        yield f"the largest bound is {_BOUND_NAMES[self.bound]}; {near}"
        yield from self.zeros.sentences()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "shape": self.shape,
            "cycles": self.cycles,
            "time_us": self.time_us,
            "utilization": self.utilization,
            "bound": self.bound,
            "bound_ratio": self.bound_ratio,
            "headline": self.headline(),
            "sentences": list(self.sentences()),
            "zeros": vars(self.zeros),
            "what_ifs": [vars(one) for one in self.what_ifs],
        }


def explain_layer(machine: Accelerator, trace: LayerTrace, own: Timed | None = None) -> LayerExplanation:
    """Look into one layer; `own` is its run where it is there already. Raises what `timed` raises."""
    own = own or timed(machine, trace)
    tried = [*_without_causes(machine, trace, own), *_other_zeros(machine, trace, own)]
    bounds = {key: getattr(own.bounds, key) for key in _BOUND_NAMES}
    binding = max(bounds, key=bounds.__getitem__)
    layer = trace.layer
    kernel = "x".join(map(str, layer.kernel_size))
    size = "x".join(map(str, layer.output_size))
    groups = f", {layer.groups} groups" if layer.groups > 1 else ""
    return LayerExplanation(
        name=layer.name,
        machine=machine.name,
        shape=f"{layer.in_channels} to {layer.out_channels} channels, {kernel} kernel, {size} outputs{groups}",
        time_us=own.time_us,
        cycles=own.cycles,
        utilization=own.utilization,
        bound=binding,
        bound_ratio=own.cycles / bounds[binding] if bounds[binding] else 1.0,
        what_ifs=tuple(sorted(tried, key=lambda one: (-one.gain, not one.simulated))),
        zeros=zeros_of(trace),
    )


def _without_causes(machine: Accelerator, trace: LayerTrace, own: Timed) -> Iterator[WhatIf]:
    shares: dict[Cause | str, float] = {cause: own.share(cause) for cause in Cause if cause != Cause.BUSY}
    shares[EMPTY_LANES] = own.empty_lanes
    for cause, share in shares.items():
        if share < _WORTH_A_TRY and cause not in _SIMULATED_ANYWAY:
            continue
        key = cause.key if isinstance(cause, Cause) else cause
        lifted = lift(machine, cause)
        other = timed_or_none(lifted[0], trace) if lifted else None
        if lifted and other and own.time_us:
            settings = ", ".join(f"{name}={value}" for name, value in lifted[1].items())
            gain = 1 - other.time_us / own.time_us
            if max(gain, share) >= _WORTH_A_TRY:
                yield WhatIf(key, f"without it ({settings})", share, gain, simulated=True)
        elif cause != Cause.IMBALANCE:  # which other zeros answer
            yield WhatIf(key, _why_not(cause, machine, trace), share, share, simulated=False)


def _why_not(cause: Cause | str, machine: Accelerator, trace: LayerTrace) -> str:
    """Why no setting takes a cause away: what in the layer's shape it comes from, where that can be said."""
    layer, size = trace.layer, "x".join(map(str, trace.layer.output_size))
    rows, columns = getattr(machine.spec, "pe_rows", 0), getattr(machine.spec, "pe_columns", 0)
    on_grid = f"{size} outputs on {rows}x{columns} PEs"
    if cause == Cause.UNMAPPED:
        return on_grid if rows else f"{size} outputs and {layer.out_channels} filters give some PEs no work"
    if cause != EMPTY_LANES:
        return "no setting takes it away"
    if layer.group_in_channels == 1 and layer.groups > 1:
        return "a depthwise layer, whose windows hold one channel"
    if rows and math.prod(layer.output_size) < rows * columns * getattr(machine.spec, "activations_per_vector", 1):
        return f"{on_grid}, which fill no whole vectors"
    if all(side == 1 for side in layer.kernel_size):
        return "a 1x1 kernel, whose weights of a channel fill no whole vectors"
    return "vectors and rounds that are not full"


def _other_zeros(machine: Accelerator, trace: LayerTrace, own: Timed) -> Iterator[WhatIf]:
    """The same numbers of zeros elsewhere, where PEs wait for one another or for a fullest one."""
    share = own.share(Cause.IMBALANCE)
    if not can_be_rearranged(machine, trace):
        if share >= _WORTH_A_TRY:
            yield WhatIf(Cause.IMBALANCE.key, "shapes that leave some PEs less work", share, share, simulated=False)
        return
    if share < _WORTH_A_TRY:
        return
    for how, changed in (
        ("filters sorted by their weights", sorted_filters(trace)),
        ("equally many weights in every filter", even_filters(trace)),
        ("activations spread evenly", even_activations(trace)),
    ):
        other = timed_or_none(machine, changed)
        if other is not None and own.time_us:
            yield WhatIf(Cause.IMBALANCE.key, how, share, 1 - other.time_us / own.time_us, simulated=True)


def _words(cause: str) -> str:
    return {
        "index": "index work",
        "bank_conflict": "bank conflicts",
        "drain": "draining sums",
        "imbalance": "uneven work",
        "memory": "memory",
        "port": "a port on the chip",
        "buffer": "room in a buffer",
        "fill": "filling pipelines",
        "unmapped": "PEs without work",
        EMPTY_LANES: "multipliers left empty in busy PEs",
    }[cause]
