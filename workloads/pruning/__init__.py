"""Prunings: one interface (`Pruning` in base.py), one file or folder each in methods/.

A pruning is a frozen dataclass whose fields are its options. Defining a subclass of `Pruning` with a `name` registers
it; dropping a file into methods/ is enough. On a command line it is written METHOD:KEY=VALUE,KEY=VALUE, and
several one after the other METHOD:...+METHOD:...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from workloads.modules import import_all, registered
from workloads.options import choice, described, number, text, whole
from workloads.options import parse as parse_options
from workloads.pruning import methods
from workloads.pruning.base import PrunedWeights, Pruning, density
from workloads.pruning.chain import Chain
from workloads.pruning.kept import Kept, kept, storage_format

__all__ = [
    "Chain",
    "Kept",
    "PrunedWeights",
    "Pruning",
    "PruningEntry",
    "available_prunings",
    "choice",
    "density",
    "kept",
    "number",
    "parse",
    "prunings",
    "storage_format",
    "text",
    "whole",
]

# "block:density=0.3+quantize:bits=4" is two prunings, "lowrank:ratio=1e+0" one: behind a plus sign that parts them
# stands a name, with a colon, another plus sign or nothing after it.
_NEXT = re.compile(r"\+(?=[a-z][a-z0-9-]*(?::|\+|$)|$)")  # a plus sign inside a value (1e+0, a path) starts no pruning


def prunings() -> dict[str, type[Pruning]]:
    """Every pruning of methods/ by name, sorted."""
    import_all(methods.__name__)
    return dict(sorted(Pruning.registry.items()))


@dataclass(frozen=True)
class PruningEntry:
    """A line of `prunesim list prunings`."""

    name: str
    description: str
    literature: str


def available_prunings() -> tuple[PruningEntry, ...]:
    """Name, one line with the keys, and the densities of the literature for every pruning."""
    return tuple(PruningEntry(name, _describe(chosen), chosen.literature) for name, chosen in prunings().items())


def parse(text: str) -> Pruning:
    """The pruning that METHOD:KEY=VALUE,... names, or the chain; `InputError` names what is known or allowed."""
    chosen = [parse_options("pruning", _known(part), part) for part in _NEXT.split(text)]
    # A single pruning stays itself, so that its own type and name are seen.
    return chosen[0] if len(chosen) == 1 else Chain(tuple(chosen))


def _known(text: str) -> Mapping[str, type[Pruning]]:
    """Prunings, the one that NAME:... names among them where there is one."""
    return registered(methods.__name__, Pruning.registry, text.partition(":")[0])


def _describe(chosen: type[Pruning]) -> str:
    keys = "; ".join(described(chosen))
    return f"{chosen.title} ({keys})" if keys else chosen.title
