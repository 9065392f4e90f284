"""Patterns by name, as files and study points give them: `clustered`, or with settings `skewed:variation=0.3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workloads.errors import InputError
from workloads.masks.synthetic import Clustered, Pattern, Skewed, Uniform
from workloads.options import make, parse

PATTERNS: dict[str, type[Any]] = {pattern.name: pattern for pattern in (Uniform, Clustered, Skewed)}
WEIGHT_PATTERNS = (Uniform.name, Skewed.name)
ACTIVATION_PATTERNS = (Uniform.name, Clustered.name)


def make_pattern(kind: str, settings: Mapping[str, Any]) -> Pattern:
    """A pattern of a known kind. Raises `InputError` that says what is wrong with the settings."""
    return make(f"pattern '{kind}'", PATTERNS[kind], settings)


def parse_pattern(text: str, allowed: tuple[str, ...]) -> Pattern:
    """KIND or KIND:KEY=NUMBER,KEY=NUMBER. Raises `InputError` that says what is wrong with the text."""
    # Clusters need a map's axes and skew needs filters, so that each tensor has its own list of patterns.
    if text.partition(":")[0] not in allowed:
        raise InputError(f"must be {' or '.join(map(repr, allowed))}, perhaps with :KEY=NUMBER,...")
    return parse("pattern", PATTERNS, text)
