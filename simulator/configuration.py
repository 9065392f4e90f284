"""A machine's configuration as people write it: TOML files, `--set KEY=VALUE`, and the commented file to start from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dataflows.accelerator import Accelerator
from dataflows.faults import faults, keys_of
from dataflows.hardware.actions import MULTIPLIERS
from dataflows.hardware.components import STORAGE
from dataflows.registry import machine, over_defaults
from simulator.engine.memory_kinds import check_memory
from workloads.errors import InputError
from workloads.texts import MOST_PARTS, parse_toml, read_toml, toml_text, toml_value

__all__ = [
    "commented_toml",
    "configure",
    "faults",
    "has_key",
    "idle_settings",
    "keys_of",
    "machine_of",
    "merge",
    "parse_setting",
    "parse_value",
    "read_toml",
    "validate",
]

_MACHINE_KEY = "accelerator"


def has_key(keys: Iterable[str], key: str) -> bool:
    """Whether a dotted key names a parameter, or an entry of a parameter that is a table of its own."""
    known = set(keys)
    # `a.b.c` is known if `a`, `a.b` or `a.b.c` is: a parameter may be a table whose entries users name.
    parts = key.split(".")
    return any(".".join(parts[:length]) in known for length in range(1, len(parts) + 1))


def parse_setting(text: str, source: str = "--set") -> tuple[str, Any]:
    """`KEY=VALUE` as a dotted key and a value read as TOML; what is no TOML is a text."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise InputError(f"{source} {text}: must have the form KEY=VALUE")
    if key.count(".") >= MOST_PARTS:
        raise InputError(f"{source} {key:.60}...: a key has more than {MOST_PARTS} parts")
    return key, parse_value(value.strip(), f"{source} {key}")


def parse_value(text: str, label: str) -> Any:
    """A value read as TOML; what is no TOML is a text."""
    try:
        # `1.5`, `true`, `"text"` and `[1, 2]` are TOML; `row_hit` is none and stays a text, so that no quotes are
        # needed.
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError):
        pass  # said by what follows
    return parse_toml(f"value = {text}", label)["value"]


def merge(base: dict[str, Any], key: str, value: Any) -> None:
    """Put a value under a dotted key into nested dictionaries."""
    # "dram.override.nCL" with 20 makes {"dram": {"override": {"nCL": 20}}} of nothing, and leaves what else stands in
    # those tables alone.
    *outer, last = key.split(".")
    for name in outer:
        inner = base.setdefault(name, {})
        if not isinstance(inner, dict):
            raise InputError(f"{key}: '{name}' is a value, not a table")
        # One level deeper; the tables on the way are made where they are missing.
        base = inner
    base[last] = value


def configure(name: str, config: Path | None = None, settings: Sequence[str] = ()) -> tuple[Accelerator, list[str]]:
    """A machine from its defaults, then a TOML file, then `KEY=VALUE` settings, and the warnings to print.

    A warning names a setting that was given but has no effect in the chosen mode. Raises `InputError` with a line for
    each fault.
    """
    chosen, values, given = read_settings(name, config, settings)
    accelerator = chosen(validate(chosen, values, f"{name} --set"))
    return accelerator, idle_warnings(accelerator, given)


def read_settings(
    name: str, config: Path | None, settings: Sequence[str]
) -> tuple[type[Accelerator], dict[str, Any], list[str]]:
    """A machine's class, its settings (nested) from a file and from texts, and the dotted keys of the texts."""
    chosen = machine(name)
    values: dict[str, Any] = {}
    if config is not None:
        values = read_toml(config)
        # Taken out, as it names the machine and is no setting of it.
        written_for = values.pop(_MACHINE_KEY, name)
        if written_for != name:
            raise InputError(f"{config}: {_MACHINE_KEY} = {written_for!r}, but the run is on '{name}'")
        # The file by itself first: its faults are told under its name, not under that of --set.
        validate(chosen, values, str(config))
    given = [parse_setting(text) for text in settings]
    for key, value in given:
        merge(values, key, value)
    return chosen, values, [key for key, _ in given]


def machine_of(config: Path) -> str:
    """The name of the machine that a TOML file configures. Raises `InputError` for a file that does not say it."""
    name = read_toml(config).get(_MACHINE_KEY)
    if not isinstance(name, str):
        raise InputError(f"{config}: {_MACHINE_KEY}: missing; a file of 'prunesim config' says which machine it is of")
    return name


def idle_warnings(accelerator: Accelerator, given: Iterable[str]) -> list[str]:
    """A warning for each given key that has no effect."""
    idle = idle_settings(accelerator)
    return [f"{accelerator.name}: {key} has no effect: {idle[key]}" for key in given if key in idle]


def idle_settings(accelerator: Accelerator) -> dict[str, str]:
    """Dotted keys, those of the memory included, that have no effect in this configuration, and why."""
    idle = accelerator.spec.idle_settings() | accelerator.idle_settings()
    components = accelerator.components()
    if not components:
        keys = keys_of(type(accelerator.spec.energy), "energy.")
        return idle | dict.fromkeys(keys, f"the energy of {accelerator.name} is not modelled")
    if not any(component.name == MULTIPLIERS for component in components):
        idle["energy.clock_gating"] = f"{accelerator.name} has no multipliers whose slots are counted"
    if not any(component.kind in STORAGE for component in components):
        idle["energy.cell"] = f"{accelerator.name} names no memory on the chip"
    return idle


def validate(chosen: type[Accelerator], values: dict[str, Any], source: str) -> Any:
    """The machine's spec from nested values over its defaults. Raises `InputError` with a line for each fault."""
    try:
        spec = chosen.Spec.model_validate(over_defaults(chosen, values))
    except ValidationError as error:
        raise InputError(faults(error, chosen.Spec, source)) from None
    try:
        # What only the banked model knows (standards, maps) is checked apart, since specs are made without its kernels.
        check_memory(spec.dram)
    except ValidationError as error:
        raise InputError(faults(error, chosen.Spec, source, "dram.")) from None
    except InputError as error:
        raise InputError(f"{source}: dram: {error}") from None
    return spec


def commented_toml(accelerator: Accelerator) -> str:
    """The complete configuration as TOML, a comment above each key; reading it back gives the same machine."""
    comments = {key: field.description for key, field in keys_of(accelerator.Spec).items() if field.description}
    head = f"# {accelerator.title}\n{_MACHINE_KEY} = {toml_value(accelerator.path or accelerator.name)}\n\n"
    return f"{head}{toml_text(accelerator.spec.model_dump(), comments)}\n"
