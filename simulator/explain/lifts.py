"""What takes a cause away: settings of a machine under which nothing waits for it any more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause
from simulator.configuration import idle_settings, keys_of
from simulator.explain.timed import with_settings

# Words in the names of settings that decide how long a cause lasts. Names that end in _cycles are durations, all others
# are rates or room.
EMPTY_LANES = "empty_lanes"  # of busy PEs, beside the causes of PE-cycles
_WORDS: Mapping[Cause | str, tuple[str, ...]] = {
    EMPTY_LANES: ("multipliers_per_core",),  # behind adders, whose slots are empty while they multiply
    Cause.INDEX: ("index_entries", "decoded_entries", "switch_cycles", "row_list_cycles", "empty", "set_cycles"),
    Cause.BANK_CONFLICT: ("queue_depth",),
    Cause.DRAIN: ("drain", "post_processing", "halo", "level_cycles"),
    Cause.PORT: ("port", "load_words", "stream_words", "shared_bytes", "network"),
    Cause.FILL: ("fill_cycles", "start_cycles", "distribution_cycles", "multiply_cycles"),
}
_MEMORY: Mapping[str, Any] = {"dram.kind": "ideal", "dram.bandwidth_gbs": math.inf, "dram.latency_ns": 0.0}
_AHEAD = 64  # tiles whose loads may run ahead where waiting for room is lifted
_FACTORS = (1024, 64, 8, 2)  # the first that the machine allows


def lift(machine: Accelerator, cause: Cause | str) -> tuple[Accelerator, dict[str, Any]] | None:
    """The machine without a cause, and the settings that do it; None where no setting does.

    Memory is never waited for; ports, queues and drains are made wide, durations zero. What imbalance and unmapped PEs
    cost no setting takes away: that lies in the zeros and in the shapes.
    """
    if cause == Cause.MEMORY:
        settings = dict(_MEMORY)
    elif cause == Cause.BUFFER:
        settings = {"prefetch_tiles": max(_AHEAD, 2 * machine.spec.prefetch_tiles), "write_back": "overlapped"}
    else:
        settings = {key: value for key in _keys(machine, cause) if (value := _lifted(machine, key)) is not None}
    chosen = with_settings(machine, settings) if settings else None
    return None if chosen is None else (chosen, settings)


def _keys(machine: Accelerator, cause: Cause | str) -> list[str]:
    idle = idle_settings(machine)
    return [
        key
        for key in keys_of(machine.Spec)
        if not key.startswith(("dram.", "energy.")) and key not in idle
        and any(word in key for word in _WORDS.get(cause, ()))
    ]  # fmt: skip


def value_of(machine: Accelerator, key: str) -> Any:
    """A setting by its dotted name."""
    value: Any = machine.spec
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _lifted(machine: Accelerator, key: str) -> int | float | None:
    """The value under which a setting holds nothing up; None where it already is so, or no other is possible."""
    value = value_of(machine, key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if key.endswith("_cycles"):
        return next((less for less in (0, 1) if less < value and with_settings(machine, {key: less})), None)
    # A depth of nothing is no room at all, which no factor raises.
    base = value or 1
    return next((base * by for by in _FACTORS if with_settings(machine, {key: base * by})), None)
