"""A network explained: its layers by time, what each cause costs in all of them, and its worst layers one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause
from simulator.explain.knobs import Knob, count_knobs, knobs
from simulator.explain.layer import LayerExplanation, explain_layer
from simulator.explain.lifts import lift
from simulator.explain.timed import Timed, timed, timed_or_none
from simulator.network_simulation import require_all
from workloads.trace import LayerTrace
from workloads.workload import Workload

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]
_SHOWN_SHARE = 0.005
NOT_MODELLED = (
    "layers are explained one by one, without what one loads while another computes (prunesim run shows that)",
    "gains do not add up: without one cause the next one may take its place",
    "zeros elsewhere keep the number of weights, not the accuracy: a pruning or an order has to bring them there",
)


@dataclass(frozen=True)
class CauseCost:
    """A cause over all layers: its share of the PE-cycles, and the share of the time that is left without it.

    gain  simulated without it on every layer; None where no setting takes it away
    """

    cause: str
    share: float
    gain: float | None


@dataclass(frozen=True)
class Explanation:
    """What limits a workload on a machine.

    layers   the worst layers, each explained
    times    time of every layer, us, by name
    causes   what each cause costs over all layers, by falling share
    knobs    what each parameter would change, on the explained layers together
    """

    workload: str
    machine: str
    time_us: float
    utilization: float
    times: dict[str, float]
    causes: tuple[CauseCost, ...]
    layers: tuple[LayerExplanation, ...]
    knobs: tuple[Knob, ...]
    notes: tuple[str, ...]

    def sentences(self) -> Iterator[str]:
        """The network in a few lines."""
        worst, count = self.layers[0], len(self.times)
        if not self.time_us:
            yield f"{self.workload} on {self.machine} takes no time"
            return
        yield (
            f"{self.workload} on {self.machine}: {self.time_us / 1000:,.3f} ms in {count} layer{'s' * (count > 1)}, "
            f"{self.utilization:.1%} of the slots used; {worst.name} takes {worst.time_us / self.time_us:.0%} of it"
        )
        for cost in self.causes[:3]:
            gain = "" if cost.gain is None else f"; without it the layers take {cost.gain:.1%} less time (simulated)"
            yield f"{cost.cause.replace('_', ' ')} takes {cost.share:.1%} of the PE-cycles{gain}"
        best = max(self.knobs, key=lambda knob: knob.gain, default=None)
        if best is not None and best.gain >= _SHOWN_SHARE:
            names = ", ".join(layer.name for layer in self.layers)
            yield f"of the machine's parameters {best.sentence()} would help most ({names})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "workload": self.workload,
            "accelerator": self.machine,
            "time_us": self.time_us,
            "utilization": self.utilization,
            "sentences": list(self.sentences()),
            "times_us": self.times,
            "causes": [vars(cost) for cost in self.causes],
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": [vars(knob) for knob in self.knobs],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each what-if of each explained layer, and for each parameter."""
        import pandas as pd  # noqa: PLC0415 (pandas is optional and slow to load)

        rows: list[dict[str, Any]] = [
            {"layer": layer.name, **vars(one)} for layer in self.layers for one in layer.what_ifs
        ]
        return pd.DataFrame(rows)


def explain(
    machine: Accelerator,
    workload: Workload,
    worst: int = 3,
    progress: Progress | None = None,
    *,
    parameters: bool = True,
) -> Explanation:
    """Explain a workload; `worst` is how many of its slowest layers are looked into.

    Without `parameters` no parameter is halved or doubled, which takes most of the time.
    Raises `UnsupportedLayerError` before anything runs where the machine cannot run a layer.
    """
    require_all(machine, workload)
    tried = count_knobs(machine) if parameters else 0
    steps = _Steps(progress, 2 * len(workload.layers) + min(worst, len(workload.layers)) + tried)
    runs = [_step(steps, layer.name, machine, workload.trace(at)) for at, layer in enumerate(workload.layers)]
    time_us = sum(run.time_us for run in runs)
    order = sorted(range(len(runs)), key=lambda at: -runs[at].time_us)[:worst]
    causes = _cause_costs(machine, workload, runs, time_us, steps)
    traces = [workload.trace(at) for at in order]
    layers = []
    for at, trace in zip(order, traces, strict=True):
        steps.next(trace.layer.name)
        layers.append(explain_layer(machine, trace, runs[at]))
    found = knobs(machine, traces, sum(runs[at].time_us for at in order), steps.next) if parameters else []
    slots = sum(run.schedule.multipliers * run.cycles for run in runs)
    return Explanation(
        workload=workload.name,
        machine=machine.name,
        time_us=time_us,
        utilization=sum(int(run.schedule.issued.sum()) for run in runs) / slots if slots else 0.0,
        times={layer.name: run.time_us for layer, run in zip(workload.layers, runs, strict=True)},
        causes=tuple(causes),
        layers=tuple(layers),
        knobs=tuple(found),
        notes=NOT_MODELLED,
    )


class _Steps:
    """Counts what is done, for whoever shows progress."""

    def __init__(self, progress: Progress | None, every: int) -> None:
        self._progress, self._every, self._done = progress, every, 0

    def next(self, name: str) -> None:
        """Begin the next step."""
        if self._progress is not None:
            self._progress(min(self._done, self._every), self._every, name)
        self._done += 1


def _step(steps: _Steps, name: str, machine: Accelerator, trace: LayerTrace) -> Timed:
    steps.next(name)
    return timed(machine, trace)


def _cause_costs(
    machine: Accelerator, workload: Workload, runs: Sequence[Timed], time_us: float, steps: _Steps
) -> list[CauseCost]:
    """Each cause that takes a share worth a line, with all layers run again without it where a setting does that."""
    stack = np.sum([run.played.pe_cycles.sum(axis=0) for run in runs], axis=0)
    every = int(stack.sum())
    shares = {cause: int(stack[cause]) / every if every else 0.0 for cause in Cause if cause != Cause.BUSY}
    lifted = {cause: lift(machine, cause) for cause, share in shares.items() if share >= _SHOWN_SHARE}
    left = dict.fromkeys(lifted, 0.0)
    for at, layer in enumerate(workload.layers):
        steps.next(layer.name)
        trace = workload.trace(at)
        for cause, found in lifted.items():
            other = timed_or_none(found[0], trace) if found else None
            left[cause] += other.time_us if other else runs[at].time_us
    costs = [
        CauseCost(cause.key, shares[cause], 1 - left[cause] / time_us if found and time_us else None)
        for cause, found in lifted.items()
    ]
    return sorted(costs, key=lambda cost: -cost.share)
