"""What each number of a machine's specification would change: one at a time, halved and doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dataflows.accelerator import Accelerator
from simulator.configuration import idle_settings, keys_of
from simulator.explain.lifts import value_of
from simulator.explain.timed import timed_or_none, with_settings
from workloads.trace import LayerTrace

Number = int | float
_LEAST_SWAY = 0.001  # of the time


@dataclass(frozen=True)
class Knob:
    """A parameter, and the time of some layers with half and with twice of it, over the time as it is.

    None where that value is not possible, or the machine cannot run one of the layers with it.
    """

    key: str
    value: Number
    half: Number | None
    half_time: float | None
    double: Number | None
    double_time: float | None

    @property
    def sway(self) -> float:
        """The larger of the two changes of time."""
        return max((abs(time - 1) for time in (self.half_time, self.double_time) if time is not None), default=0.0)

    @property
    def gain(self) -> float:
        """Share of the time that the better of the two values gives back; 0 where neither does."""
        return max([0.0, *(1 - time for time in (self.half_time, self.double_time) if time is not None)])

    @property
    def sways(self) -> bool:
        """Whether either change is worth a line."""
        return self.sway >= _LEAST_SWAY

    def sentence(self) -> str:
        """What the parameter would change, or that it would change nothing."""
        changes = [
            f"{value:g}: {time - 1:+.1%}"
            for value, time in ((self.half, self.half_time), (self.double, self.double_time))
            if value is not None and time is not None
        ]
        return f"{self.key} = {self.value:g} ({', '.join(changes) or 'no other value possible'})"


def knobs(
    machine: Accelerator, traces: Sequence[LayerTrace], time_us: float, advance: Callable[[str], None]
) -> list[Knob]:
    """Every parameter that is a number and has an effect in this configuration; those that sway most come first.

    Each is tried on the layers one after the other; what decides energy alone is left out.
    """
    found = []
    for key, value in _numbers(machine):
        advance(key)
        half, double = _other(machine, key, value, 0.5), _other(machine, key, value, 2)
        found.append(
            Knob(
                key, value,
                half, _relative(machine, key, half, traces, time_us),
                double, _relative(machine, key, double, traces, time_us),
            )
        )  # fmt: skip
    return sorted(found, key=lambda knob: -knob.sway)


def count_knobs(machine: Accelerator) -> int:
    """How many parameters `knobs` tries."""
    return sum(1 for _ in _numbers(machine))


def _numbers(machine: Accelerator) -> Iterator[tuple[str, Number]]:
    idle = idle_settings(machine)
    for key in keys_of(machine.Spec):
        value = value_of(machine, key)
        if key in idle or key.startswith("energy.") or isinstance(value, bool):
            continue
        if isinstance(value, int | float) and 0 < value < float("inf"):
            yield key, value


def _other(machine: Accelerator, key: str, value: Number, factor: float) -> Number | None:
    """The value times the factor, a whole number where it is one; None where the machine does not allow it."""
    other: Number = max(1, int(value * factor)) if isinstance(value, int) else value * factor
    return other if other != value and with_settings(machine, {key: other}) is not None else None


def _relative(
    machine: Accelerator, key: str, value: Number | None, traces: Sequence[LayerTrace], time_us: float
) -> float | None:
    if value is None or not time_us:
        return None
    changed = with_settings(machine, {key: value})
    total = 0.0
    for trace in traces:
        played = timed_or_none(changed, trace)
        if played is None:
            return None
        total += played.time_us
    return total / time_us
