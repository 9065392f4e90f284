"""Patterns by name, as files and study points give them: `clustered`, or with settings `skewed:variation=0.3`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from workloads.errors import InputError, nearest
from workloads.masks.synthetic import Clustered, Pattern, Skewed, Uniform

PATTERNS: dict[str, type[Any]] = {"uniform": Uniform, "clustered": Clustered, "skewed": Skewed}
WEIGHT_PATTERNS = ("uniform", "skewed")
ACTIVATION_PATTERNS = ("uniform", "clustered")


def make_pattern(kind: str, settings: Mapping[str, Any]) -> Pattern:
    """A pattern of a known kind. Raises `InputError` that says what is wrong with the settings."""
    known = {setting.name: setting.type for setting in fields(PATTERNS[kind])}
    for key, number in settings.items():
        if key not in known:
            raise InputError(f"has the unknown key '{key}': {nearest(key, known) if known else 'it has no settings'}")
        whole = known[key] == "int"
        if isinstance(number, bool) or not isinstance(number, int if whole else int | float):
            raise InputError(f"has {key} = {number!r}, must be a {'whole ' if whole else ''}number")
    try:
        return PATTERNS[kind](**settings)
    except InputError as error:
        raise InputError(f"is not possible: {error}") from None


def parse_pattern(text: str, allowed: tuple[str, ...]) -> Pattern:
    """KIND or KIND:KEY=NUMBER,KEY=NUMBER. Raises `InputError` that says what is wrong with the text."""
    kind, _, rest = text.partition(":")
    if kind not in allowed:
        raise InputError(f"must be {' or '.join(map(repr, allowed))}, perhaps with :KEY=NUMBER,...")
    parts = [part.partition("=") for part in rest.split(",") if part]
    return make_pattern(kind, {key: _number(value) for key, _, value in parts})


def _number(text: str) -> int | float | str:
    """The number that a text is, or the text itself where it is none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
