"""Load what was dropped into a package: its modules register what they define when they are imported."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

Registered = TypeVar("Registered")


@cache
def import_all(package: str) -> None:
    """Import every module of a package and of the packages inside it, once."""
    # Into folders too: what needs several files is a package of its own.
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)


@cache
def import_matching(package: str, pattern: str) -> None:
    """Import the modules of a package in whose sources a pattern is found (^ matches at every line), once.

    Reading takes a millisecond or two, where importing all takes a hundred. One that matches in vain, in a text say,
    costs the time of its import and nothing else.
    """
    wanted = re.compile(pattern, re.MULTILINE)
    for module, source in sources(package):
        if wanted.search(source):
            importlib.import_module(module)


def sources(package: str) -> Iterator[tuple[str, str]]:
    """Name and source of every module of a package and of the packages inside it, sorted by path."""
    root = Path(importlib.import_module(package).__path__[0])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join((package, *parts)).removesuffix(".__init__"), path.read_text(encoding="utf-8")


def decorators(package: str, name: str) -> Iterator[ast.Call]:
    """Every call `@NAME(...)` that stands over a function of a package's modules, read without importing them."""
    # Its text alone, up to the function or the next decorator: to parse whole files takes ten times as long.
    call = re.compile(rf"^@({name}\(.*?\))\n(?=@|def )", re.MULTILINE | re.DOTALL)
    for _, source in sources(package):
        for found in call.findall(source):
            yield cast("ast.Call", ast.parse(found, mode="eval").body)


def registered(package: str, registry: Mapping[str, Registered], name: str) -> Mapping[str, Registered]:
    """The registry, once the modules have been imported whose classes have `name = "NAME"`; all, where none has.

    So a name that is no literal is found as well, later. Modules are imported even for a name that is registered: one
    that claims it for another class is a fault, which its import tells.
    """
    import_matching(package, rf"""^ +name\b.*=\s*["']{re.escape(name)}["']""")
    if name not in registry:
        import_all(package)
    return registry
