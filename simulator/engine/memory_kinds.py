"""Which memory a machine's `dram.kind` stands for; each is loaded when it is asked for, the banked one with kernels."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import simpy

    from simulator.dram.channels import RequestObserver
    from simulator.engine.ideal_memory import Memory

from dataflows.specs import DramSpec
from simulator.engine.ideal_rates import ideal_bytes_per_cycle


def make_memory(
    env: simpy.Environment, dram: DramSpec, clock_hz: int, requests: Sequence[RequestObserver] = ()
) -> Memory:
    """The memory of a machine, as a component of the event model; `requests` are told what a banked one is asked."""
    if dram.kind == "ideal":
        from simulator.engine.ideal_memory import IdealMemory  # noqa: PLC0415

        return IdealMemory(env, dram, clock_hz)
    # Imported here: a run on ideal memory compiles none of the controller's kernels.
    from simulator.engine.banked_memory import BankedMemory  # noqa: PLC0415

    return BankedMemory(env, dram, clock_hz, requests)


def check_memory(dram: DramSpec) -> None:
    """Raise `InputError` or pydantic's `ValidationError` when a memory is impossible, before anything runs."""
    if dram.kind == "banked":
        from simulator.dram.spec import BankedDramSpec  # noqa: PLC0415

        BankedDramSpec.of(dram)


def peak_bytes_per_cycle(dram: DramSpec, clock_hz: int) -> Fraction | None:
    """Bytes that memory can move in one accelerator cycle at best, exactly; None when bandwidth is infinite."""
    if dram.kind == "ideal":
        return ideal_bytes_per_cycle(dram.bandwidth_gbs, clock_hz)
    from simulator.engine.banked_memory import banked_bytes_per_cycle  # noqa: PLC0415

    return banked_bytes_per_cycle(dram, clock_hz)


def least_cycles(moved_bytes: int, peak: Fraction | None) -> int:
    """The least cycles in which memory moves so many bytes at its peak; 0 when bandwidth is infinite."""
    # Rounded up: -(-x // y), since `peak` is a fraction and floor division of it is exact.
    return -int(-moved_bytes // peak) if peak else 0
