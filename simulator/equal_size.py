"""Machines at one size: `--equal multipliers=1024,...` read, applied, and what a machine could not reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dataflows.sizing import EqualSize
from simulator.configuration import (
    faults,
    idle_settings,
    idle_warnings,
    merge,
    parse_value,
    read_settings,
    validate,
)
from simulator.engine.memory_kinds import peak_bytes_per_cycle
from workloads.errors import InputError
from workloads.options import pairs
from workloads.units import KIB, NANOSECONDS

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator

OPTION = "--equal"
_ALIKE = {"on_chip_kib": 0.005}  # relative; buffers hold whole bytes, so that their sum misses a target by a little
_ROUNDING = 1e-9
_SHARED = {"clock_ghz": "clock_hz", "bandwidth_gbs": "dram.bandwidth_gbs", "bits": "value_bits"}


def parse_equal_size(text: str, source: str = OPTION) -> EqualSize:
    """A size from `KEY=VALUE,...`. Raises `InputError` with a line for each fault."""
    given = pairs(source, text, EqualSize.model_fields)
    values = {key: parse_value(value.strip(), f"{source} {key}") for key, value in given.items()}
    try:
        return EqualSize.model_validate(values)
    except ValidationError as error:
        raise InputError(faults(error, EqualSize, source)) from None


def at_equal_size(
    chosen: type[Accelerator], values: dict[str, Any], size: EqualSize, given: Iterable[str], source: str
) -> tuple[Accelerator, dict[str, Any]]:
    """A machine with settings (nested) brought to a size, and by dotted name the settings that brought it there.

    `given` are dotted keys that the user has set one by one. Raises `InputError` where the size sets one of them too.
    """
    # The word first: some machines choose their array by it.
    shared = size.shared_settings()
    for key, value in shared.items():
        merge(values, key, value)
    # Checked first with what the user gave, so that a fault there is told before anything is scaled.
    sized = chosen(validate(chosen, values, source)).scaled(size)
    for key, value in sized.items():
        merge(values, key, value)
    settings = sized | shared
    # A key set by hand would silently undo the equal size, or be undone by it.
    for key in given:
        if key in settings:
            raise InputError(
                f"{source}: {key} = {settings[key]!r} follows from the equal size, so it cannot be set too"
            )
    return chosen(validate(chosen, values, source), size), settings


def configure_equal(
    name: str, config: Path | None, settings: Sequence[str], size: EqualSize
) -> tuple[Accelerator, list[str], str]:
    """`configure` for a machine that is brought to a size: also warns of what it cannot reach, and a line on it."""
    chosen, values, given = read_settings(name, config, settings)
    accelerator, scaled = at_equal_size(chosen, values, size, given, f"{name} --set")
    warnings = idle_warnings(accelerator, given) + shortfalls(accelerator, size)
    return accelerator, warnings, scaled_line(accelerator, scaled)


def size_of(accelerator: Accelerator) -> dict[str, Any]:
    """Multipliers, clock, on-chip memory, peak bandwidth ('inf' where it has no limit) and word of a machine.

    None is what it does not have, or what has no effect in it.
    """
    spec, idle = accelerator.spec, accelerator.idle_settings()
    peak = peak_bytes_per_cycle(spec.dram, spec.clock_hz)
    bandwidth = "inf" if peak is None else float(peak * spec.clock_hz / NANOSECONDS)
    on_chip = accelerator.on_chip_bytes
    return {
        "multipliers": accelerator.multipliers,
        "clock_ghz": spec.clock_hz / 1e9,
        "on_chip_kib": None if on_chip is None else on_chip / KIB,
        "bandwidth_gbs": None if "dram.bandwidth_gbs" in idle else bandwidth,
        "bits": None if "value_bits" in idle else spec.value_bits,
    }


def scaled_line(accelerator: Accelerator, settings: Mapping[str, Any]) -> str:
    """The scaled specification, in one line."""
    listed = ", ".join(f"{key} = {value}" for key, value in settings.items())
    return f"{accelerator.name} at equal size: {listed}"


def shortfalls(accelerator: Accelerator, size: EqualSize) -> list[str]:
    """A line for each part of a size that a machine brought to it does not have: asked, reached, why."""
    # Compared with what the machine has, not with what was asked of it: steps and rounding show as they are.
    reached, idle = size_of(accelerator), idle_settings(accelerator)
    lines = []
    for key, asked in size.model_dump(exclude_none=True).items():
        found = reached[key]
        # A setting without effect is a shortfall even where its number happens to agree.
        shared = idle.get(_SHARED.get(key, ""))
        if shared is None and found is not None and _is_alike(key, float(asked), float(found)):
            continue
        shown = "nothing" if found is None else f"{float(found):,.6g}"
        why = shared or _limit(accelerator, key, is_there=found is not None)
        lines.append(f"{accelerator.name}: {key}: asked {float(asked):,.6g}, reached {shown}: {why}")
    # EIE's weights are indices of 4 bits into a codebook, whatever the word of its activations.
    least = accelerator.least_weight_bits()
    if size.bits is not None and reached["bits"] == size.bits != least:
        halves = f"reached {size.bits} for activations: its weights take {least}"
        lines.append(f"{accelerator.name}: bits: asked {size.bits}, {halves}")
    return lines


def _limit(accelerator: Accelerator, key: str, *, is_there: bool) -> str:
    """Why a machine cannot have the multipliers or the bytes that are asked for."""
    scaling = accelerator.scaling
    if key == "multipliers":
        return f"{scaling.reason}, in steps of {scaling.step(accelerator.spec):,}" if is_there else scaling.reason
    return "its buffers must hold what a step of it needs" if is_there else scaling.unsized


def _is_alike(key: str, asked: float, found: float) -> bool:
    # Equality first: two infinite bandwidths are alike, but their difference is NaN, which is not less than anything.
    return asked == found or abs(found - asked) <= _ALIKE.get(key, _ROUNDING) * asked


def ideal_beside(ideal: Accelerator, others: Sequence[Accelerator], free: Iterable[str]) -> tuple[Accelerator, str]:
    """The ideal machine with the multipliers and clock of those that it stands beside, where they have one size.

    Otherwise the machine as it is, and a line that says for what size it is. Only the keys of `free` are changed.
    """
    sizes = {(other.multipliers, other.spec.clock_hz) for other in others}
    # Only machines of one size have a common bound; of several, none would be right.
    if len(sizes) == 1:
        ((multipliers, clock_hz),) = sizes
        wanted = {"multipliers": multipliers, "clock_hz": clock_hz}
        update = {key: value for key, value in wanted.items() if key in free and value is not None}
        spec = type(ideal.spec).model_validate(ideal.spec.model_dump() | update)
        ideal = type(ideal)(spec, ideal.equal_size)
    size = (ideal.multipliers, ideal.spec.clock_hz)
    # Still unlike are machines of several sizes, and one whose size the user's own settings keep from the ideal
    # machine.
    unlike = [other.name for other in others if (other.multipliers, other.spec.clock_hz) != size]
    if not unlike:
        return ideal, ""
    return ideal, (
        f"{ideal.name}: a bound for {ideal.multipliers:,} multipliers at {ideal.spec.clock_hz / 1e9:g} GHz, "
        f"not for the size of {', '.join(unlike)}"
    )
