"""Figures: kinds of plots, which take reports, frames or timelines and return a matplotlib Figure.

A kind is a function in a file of kinds/; dropping a file there registers it. In a notebook each is here under its name:
`plots.roofline(reports)` draws what `simulate` returned. Nothing that needs matplotlib is loaded before it is used.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.plots import kinds as folder
from simulator.plots.kind import Kind, kind
from workloads.errors import InputError, nearest
from workloads.modules import decorators, import_all, import_matching

if TYPE_CHECKING:
    from simulator.plots.style import FORMATS, Paper, on_paper, require_format, save, svg_text

__all__ = [
    "FORMATS",
    "Kind",
    "KindLine",
    "Paper",
    "kind",
    "kind_lines",
    "on_paper",
    "plot_kind",
    "plot_kinds",
    "require_format",
    "save",
    "svg_text",
]


class KindLine(NamedTuple):
    """What a list of kinds says of one: its line, and its options with what each means."""

    line: str
    options: dict[str, str]


@cache
def plot_kinds() -> dict[str, Kind]:
    """Every kind of kinds/ by its name, sorted."""
    import_all(folder.__name__)
    return dict(sorted(Kind.registry.items()))


def plot_kind(name: str) -> Kind:
    """The kind of that name, one of `kind_lines`; other kinds are not loaded. Raises `InputError` for another name."""
    # By the same literal that `kind_lines` reads.
    import_matching(folder.__name__, rf"""^@{kind.__name__}\(\s*["']{re.escape(name)}["']""")
    if name not in Kind.registry:
        raise InputError(f"unknown kind of plot '{name}': {nearest(name, kind_lines())}")
    return Kind.registry[name]


@cache
def kind_lines() -> dict[str, KindLine]:
    """Every kind's line by its name, sorted, read from the `@kind(...)` of the files: loading matplotlib takes long."""
    found = {}
    for call in decorators(folder.__name__, kind.__name__):
        name, line = (ast.literal_eval(argument) for argument in call.args)
        options = (keyword.value for keyword in call.keywords if keyword.arg == "options")
        found[name] = KindLine(line, ast.literal_eval(next(options, ast.Dict([], []))))
    return dict(sorted(found.items()))


def __getattr__(name: str) -> Any:
    # Python asks here for names that the module does not hold: matplotlib is loaded by the first one that needs it.
    if name in __all__:
        return getattr(import_module("simulator.plots.style"), name)
    # A kind `energy-layers` is `plots.energy_layers`.
    if (spelled := name.replace("_", "-")) in kind_lines():
        return plot_kind(spelled).draw
    raise AttributeError(f"module 'simulator.plots' has no attribute '{name}'")
