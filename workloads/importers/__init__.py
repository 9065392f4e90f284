"""Importers: a user's own network from the formats people have. One file a format.

`import_model` tells the format from the path; libraries are loaded only by the importer that needs them, and a missing
one is an `InputError` that says what to install.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workloads.errors import InputError
from workloads.importers import onnx_file
from workloads.importers.imported import Imported, ImportOptions, Omitted

__all__ = ["ImportOptions", "Imported", "Omitted", "import_model", "recognise"]

Importer = Callable[[Path, ImportOptions], Imported]

_BY_SUFFIX: dict[str, Importer] = {
    **dict.fromkeys(onnx_file.SUFFIXES, onnx_file.import_onnx),
}


def recognise(path: Path) -> Importer | None:
    """The importer for a path, or None when it is none of their formats."""
    return _BY_SUFFIX.get(path.suffix.lower())


def import_model(path: str | Path, options: ImportOptions | None = None) -> Imported:
    """The network in a file. Raises `InputError` naming the file and what is wrong, in one line."""
    path = Path(path)
    importer = recognise(path)
    if importer is None:
        raise InputError(f"{path}: not a format that can be imported: {', '.join(sorted(_BY_SUFFIX))}")
    return importer(path, options or ImportOptions())
