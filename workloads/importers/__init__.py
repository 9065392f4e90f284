"""Importers: a user's own network from the formats people have. One file or folder a format.

Dropping a file with an `@importer` function (importer.py) into this package registers it. `import_model` tells the
format from the path, and loads only importers whose files have its suffix; libraries are loaded only by the importer
that needs them, and a missing one is an `InputError` that says what to install.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workloads.errors import InputError
from workloads.files import refuse_stream
from workloads.importers.importer import Importer, importer
from workloads.modules import decorators, import_all, import_matching

if TYPE_CHECKING:
    from workloads.importers.imported import Imported, ImportOptions, Omitted
    from workloads.importers.torch.capture import capture

# Loaded when they are first used: a file that is of none of these formats needs none of them.
_HOMES = {
    "ImportOptions": "workloads.importers.imported",
    "Imported": "workloads.importers.imported",
    "Omitted": "workloads.importers.imported",
    "capture": "workloads.importers.torch.capture",
}

__all__ = [
    "ImportOptions",
    "Imported",
    "Importer",
    "Omitted",
    "capture",
    "format_lines",
    "import_model",
    "importer",
    "importers",
    "recognise",
    "suffixes",
]


def importers() -> tuple[Importer, ...]:
    """Every importer of the package by title, those that look into a file before those that take all of its suffix."""
    import_all(__name__)
    return _sorted()


def _sorted() -> tuple[Importer, ...]:
    # False sorts before True: an importer with a test goes first, as the one that takes all files would leave it
    # nothing.
    return tuple(sorted(Importer.registry, key=lambda one: (one.holds is None, one.title.lower())))


def format_lines() -> list[tuple[str, tuple[str, ...]]]:
    """Title and suffixes (none: a folder) of every importer, sorted; read from the files, which are not loaded."""
    calls = decorators(__name__, importer.__name__)
    texts = [[ast.literal_eval(argument) for argument in call.args] for call in calls]
    return sorted(((title, tuple(endings)) for title, *endings in texts), key=lambda line: line[0].lower())


def suffixes(*, weights_alone: bool = False) -> tuple[str, ...]:
    """The suffixes that importers know, or those of files that hold weights alone."""
    return tuple(
        suffix for one in importers() if one.weights_alone or not weights_alone for suffix in sorted(one.suffixes)
    )


def recognise(path: Path) -> Importer | None:
    """The importer for a path, or None when it is none of their formats."""
    if path.is_dir():  # whose name says nothing
        import_all(__name__)
    elif path.suffix:
        # Suffixes stand in the decorator as literals.
        suffix = re.escape(path.suffix.lower())
        import_matching(__name__, rf"""^@{importer.__name__}\([\s\S]*?["']{suffix}["']""")
    return next((one for one in _sorted() if one.takes(path)), None)


def import_model(path: str | Path, options: ImportOptions | None = None) -> Imported:
    """The network in a file. Raises `InputError` naming the file and what is wrong, in one line."""
    path = Path(path)
    # Several importers may look into a file before one reads it, and a pipe gives its content only once.
    refuse_stream(path)
    found = recognise(path)
    if found is None:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        raise InputError(f"{path}: not a format that can be imported; see 'prunesim import --help'")
    return found.imported(path, options)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
