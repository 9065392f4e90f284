"""Faults of a configuration as lines: the source, the dotted key, the value, what is allowed."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from workloads.errors import MOST_FAULTS, nearest, shown


def keys_of(spec: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Every settable key of a spec by its dotted name."""
    keys: dict[str, FieldInfo] = {}
    for name, field in spec.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= keys_of(field.annotation, f"{prefix}{name}.")
        else:
            keys[prefix + name] = field
    return keys


def faults(error: ValidationError, spec: type[BaseModel], source: str, prefix: str = "") -> str:
    """All faults of a configuration, one line each: the source, the key, the value, what is allowed.

    `prefix` goes before keys, where a part of the configuration was checked by itself.
    """
    known = keys_of(spec)
    lines = []
    for number, fault in enumerate(error.errors(include_url=False)):
        key = (prefix + ".".join(str(part) for part in fault["loc"])).rstrip(".")
        # A misspelt key is the commonest fault, and the nearest known one says more than that it is forbidden.
        if fault["type"] == "extra_forbidden":
            hint = f": {nearest(key, known)}" if number < MOST_FAULTS else ""
            lines.append(f"{source}: unknown key '{key}'{hint}")
        else:
            # pydantic's words in those of our other errors: "must be greater than 0", and a validator's own sentence as
            # it is.
            message = fault["msg"].replace("Input should be", "must be").replace("Value error, ", "")
            value = (
                "" if isinstance(fault["input"], dict) else f" = {shown(fault['input'])}"
            )  # a whole table says nothing
            lines.append(": ".join(part for part in (source, key + value, message) if part))
    return "\n".join(lines)
