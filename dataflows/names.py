"""Names of machines, read from their sources: to complete or to show one, none of them has to be imported."""

from __future__ import annotations

import re
import sys
from functools import cache

from workloads.modules import sources

_TEXT = r"""\b[^\n]*=\s*["']([^"'\n]+)["']\n"""
_NAME = re.compile(rf"^ +name{_TEXT}(?: +display{_TEXT})?", re.MULTILINE)


def machine_names() -> list[str]:
    """The name of every machine of the package, sorted."""
    return sorted(shown_names())


def display_name(name: str) -> str:
    """A machine's short name in pictures, such as Cambricon-X of cambricon-x; its own name where it has no other."""
    # One that somebody defined outside the package is known only where it was imported.
    module = sys.modules.get("dataflows.accelerator")
    known = module.Accelerator.registry.get(name) if module else None
    return (known.display if known else shown_names().get(name, "")) or name


@cache
def shown_names() -> dict[str, str]:
    """Of every machine its `display`, which stands as a literal below its `name`; empty where it has none."""
    return {name: shown for _, source in sources("dataflows.machines") for name, shown in _NAME.findall(source)}
