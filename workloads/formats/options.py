"""Options of what is written NAME:KEY=VALUE,KEY=VALUE: fields of a frozen dataclass, each with a default."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any

from workloads.errors import InputError, nearest


def whole(description: str, minimum: int, maximum: int, default: int) -> Any:
    """A whole number: what it means and the range that is allowed, both ends included."""
    return field(
        default=default, metadata={"description": description, "allowed": range(minimum, maximum + 1), "read": int}
    )


def choice(description: str, default: str, *others: str) -> Any:
    """One word out of several."""
    return field(default=default, metadata={"description": description, "allowed": (default, *others), "read": str})


def check(subject: str, chosen: Any) -> None:
    """Raise `InputError` when a field of a dataclass instance is of the wrong type or outside its range.

    subject  how messages call the instance, such as "format 'csr'"
    """
    for option in fields(chosen):
        value = getattr(chosen, option.name)
        if type(value) is not option.metadata["read"] or value not in option.metadata["allowed"]:
            raise InputError(f"{subject}: {option.name} = {value!r}, {_demand(option)}")


def read(subject: str, chosen: type[Any], text: str) -> Any:
    """An instance of a dataclass from KEY=VALUE,KEY=VALUE. Raises `InputError` naming the nearest key or the range."""
    known = {option.name: option for option in fields(chosen)}
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise InputError(f"{subject}: unknown key '{key}'; {nearest(key, known)}")
        if key in values:
            raise InputError(f"{subject}: key '{key}' is given twice")
        try:
            values[key] = known[key].metadata["read"](value)
        except ValueError:
            raise InputError(f"{subject}: {key} = {value!r}, {_demand(known[key])}") from None
    return chosen(**values)


def written(chosen: Any) -> str:
    """KEY=VALUE,KEY=VALUE with every option, as `read` takes it."""
    return ",".join(f"{option.name}={getattr(chosen, option.name)}" for option in fields(chosen))


def described(chosen: type[Any]) -> tuple[str, ...]:
    """One line an option: KEY=DEFAULT, what it means, what is allowed."""
    return tuple(
        f"{option.name}={option.default}: {option.metadata['description']} ({_allowed(option)})"
        for option in fields(chosen)
    )


def _allowed(option: Field[Any]) -> str:
    allowed = option.metadata["allowed"]
    return f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(allowed)


def _demand(option: Field[Any]) -> str:
    allowed = option.metadata["allowed"]
    if isinstance(allowed, range):
        return f"must be a whole number between {allowed[0]} and {allowed[-1]}"
    return f"must be one of {', '.join(allowed)}"
