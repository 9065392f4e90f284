"""Options of a pruning: fields of a frozen dataclass, each with its meaning and what is allowed.

An option whose default is None may be left out; it is then not written either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, Field, field, fields
from typing import Any

from workloads.errors import InputError, nearest


def option(description: str, minimum: float, maximum: float, default: Any = MISSING) -> Any:
    """A numeric option: what it means and the range that is allowed, both ends included."""
    return _field(default, description=description, minimum=minimum, maximum=maximum)


def density(unit: str, default: Any = MISSING) -> Any:
    """The option of most prunings: how much stays, of what."""
    return option(f"share of {unit} that stay, 0 to 1", 0, 1, default)


def choice(description: str, *allowed: str) -> Any:
    """One word out of several, the first being the default."""
    return _field(allowed[0], description=description, allowed=allowed)


def text(description: str, default: Any = MISSING) -> Any:
    """A free text; the pruning itself checks it."""
    return _field(default, description=description)


def _field(default: Any, **metadata: Any) -> Any:
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def check(subject: str, chosen: Any) -> None:
    """Raise `InputError` when an option of a dataclass instance has a value that is not allowed.

    subject  how messages call the instance, such as "pruning 'unstructured'"
    """
    for one in fields(chosen):
        value = getattr(chosen, one.name)
        if value is None and one.default is None:
            continue
        allowed = one.metadata
        if "allowed" in allowed:
            fits = value in allowed["allowed"]
        else:
            fits = "minimum" not in allowed or allowed["minimum"] <= value <= allowed["maximum"]
        if not fits:
            raise InputError(f"{subject}: {one.name} = {value}: {demand(one, value)}")


def read(subject: str, chosen: type[Any], parts: Iterable[str]) -> Any:
    """An instance of a dataclass from KEY=VALUE texts; `InputError` names the nearest key or what is allowed."""
    known = {one.name: one for one in fields(chosen)}
    values: dict[str, Any] = {}
    for part in parts:
        key, _, value = part.partition("=")
        if key not in known:
            raise InputError(f"{subject}: unknown key '{key}': {nearest(key, known) if known else 'it has no keys'}")
        if key in values:
            raise InputError(f"{subject}: key '{key}' is given twice")
        values[key] = _value(subject, known[key], value)
    for key, one in known.items():
        if key not in values and one.default is MISSING:
            raise InputError(f"{subject}: key '{key}' is missing: {demand(one)}")
    return chosen(**values)


def written(chosen: Any) -> str:
    """KEY=VALUE,KEY=VALUE as `read` takes it: every number, and the texts that are not the default."""
    values = [(one, getattr(chosen, one.name)) for one in fields(chosen)]
    return ",".join(
        f"{one.name}={value}"
        for one, value in values
        if value is not None and ("minimum" in one.metadata or value != one.default)
    )


def described(chosen: type[Any]) -> str:
    """KEY=DEFAULT, or KEY=WORD|WORD with the default first: what it means, for each option."""
    return "; ".join(f"{_key(one)}: {one.metadata['description']}" for one in fields(chosen))


def demand(one: Field[Any], value: Any = "") -> str:
    """What an option must be, and the nearest word where it is a word."""
    metadata = one.metadata
    if "allowed" in metadata:
        words = f"must be one of {', '.join(metadata['allowed'])}"
        hint = nearest(str(value), metadata["allowed"])
        return f"{words}; {hint}" if hint.startswith("did") else words
    if "minimum" not in metadata:
        return f"must be {metadata['description']}"
    kind = "whole number" if _whole(one) else "number"
    return f"must be a {kind} between {metadata['minimum']} and {metadata['maximum']}"


def _value(subject: str, one: Field[Any], value: str) -> Any:
    if "minimum" not in one.metadata:
        return value
    try:
        return int(value) if _whole(one) else float(value)
    except ValueError:
        raise InputError(f"{subject}: {one.name} = {value!r}: {demand(one)}") from None


def _whole(one: Field[Any]) -> bool:
    return one.type in (int, "int", "int | None")  # a text where the file postpones its annotations


def _key(one: Field[Any]) -> str:
    if "allowed" in one.metadata:
        return f"{one.name}={'|'.join(one.metadata['allowed'])}"
    return one.name if one.default in (MISSING, None) else f"{one.name}={one.default}"
