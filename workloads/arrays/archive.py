"""Opening zip archives; the list of entries of the last one is kept, as a network's layers lie in one file each."""

from __future__ import annotations

import os
import time
import zipfile
from dataclasses import dataclass
from typing import IO, Any

_SETTLED_NS = 2_000_000_000  # clocks of file systems are coarse: a file may change again without a new time that soon


@dataclass(frozen=True)
class _Directory:
    """An archive's entries, and what the file looked like when they were listed."""

    signature: tuple[int, ...]
    entries: list[zipfile.ZipInfo]
    by_name: dict[str, zipfile.ZipInfo]


class Archive(zipfile.ZipFile):
    """A zip archive for reading, whose entries need not be listed again where its file is the last one's.

    Listing a thousand entries takes longer than reading one of them.
    """

    _last: _Directory | None = None

    def __init__(self, stream: IO[bytes]) -> None:
        self._signature = _signature(stream)
        super().__init__(stream)
        if max(self._signature[-2:]) < time.time_ns() - _SETTLED_NS:
            Archive._last = _Directory(self._signature, self.filelist, self.NameToInfo)

    # The one place where `ZipFile` lists entries; a Python without it lists them every time.
    def _RealGetContents(self) -> None:  # noqa: N802 (zipfile's own name)
        last = Archive._last
        if last is not None and last.signature == self._signature:
            self.filelist, self.NameToInfo = last.entries, last.by_name
            return
        listed: Any = super()
        listed._RealGetContents()  # noqa: SLF001


def _signature(stream: IO[bytes]) -> tuple[int, ...]:
    """What changes when the open file does: its place on the disk, size and times."""
    status = os.fstat(stream.fileno())
    # Tools that copy set the time of modification back, but cannot set the time of change.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
