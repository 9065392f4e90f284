"""`Importer`: how files of one format are told from others and read. `@importer` registers one where it is defined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from workloads.importers.imported import Imported, ImportOptions

Reader = Callable[[Path, "ImportOptions"], "Imported"]
Test = Callable[[Path], bool]


@dataclass(frozen=True)
class Importer:
    """A format that networks come in.

    title          one or two words for lists
    suffixes       of its files, small letters with the dot; none: it is a folder
    read           makes the network; raises `InputError` naming the file and what is wrong, in one line
    holds          whether a file or folder is of this format, where others share its suffix; None: all are
    weights_alone  its files hold no shapes, which come from a network (`NETWORK@FILE`)
    """

    title: str
    suffixes: tuple[str, ...]
    read: Reader
    holds: Test | None = None
    weights_alone: bool = False
    registry: ClassVar[list[Importer]] = []

    def takes(self, path: Path) -> bool:
        """Whether a file or folder is of this format."""
        # A folder's name says nothing: what it holds tells.
        alike = path.suffix.lower() in self.suffixes if self.suffixes else path.is_dir()
        return alike and (self.holds is None or self.holds(path))

    def imported(self, path: Path, options: ImportOptions | None = None) -> Imported:
        """The network in a file of this format, with all files that it was read from. Raises what `read` does."""
        from workloads.importers.imported import ImportOptions  # noqa: PLC0415 (many files are of no importer's)

        options = options or ImportOptions()
        imported = self.read(path, options)
        # Each file once and in order, the model itself first.
        files = tuple(dict.fromkeys((path, *options.inputs, *imported.workload.files)))
        return replace(imported, workload=replace(imported.workload, files=files))


def importer(
    title: str, *suffixes: str, holds: Test | None = None, weights_alone: bool = False
) -> Callable[[Reader], Reader]:
    """Register the function below as the importer of a format, see `Importer`; the function stays as it is.

    Title and suffixes stand there as literals: lists, and files of other suffixes, do not load the importer. Raises
    `TypeError` when another importer takes all files of a suffix already, or nothing tells its folders apart.
    """

    def register(read: Reader) -> Reader:
        new = Importer(title, suffixes, read, holds, weights_alone)
        # An importer without a test takes every file of its suffixes, so that two of them could not be told apart.
        if holds is None:
            if not suffixes:
                raise TypeError(f"importer '{title}': has neither suffixes nor a test of what a folder holds")
            for other in Importer.registry:
                if shared := set(suffixes) & set(other.suffixes if other.holds is None else ()):
                    raise TypeError(f"importers '{other.title}' and '{title}' both take all '{min(shared)}' files")
        Importer.registry.append(new)
        return read

    return register
