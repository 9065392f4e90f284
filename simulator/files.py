"""Write result files whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from workloads.errors import InputError
from workloads.files import whole_file


def require_writable(path: Path) -> None:
    """Raise `InputError` when `path` could not be written, so that a long run is not lost at its end."""
    if path.is_dir():
        raise InputError(f"{path}: cannot be written: is a directory")
    if not path.parent.is_dir():
        raise InputError(f"{path}: cannot be written: no such folder: {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written: no permission in {path.parent}")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write to a temporary file beside `path`, then rename; an interrupted run leaves the old file as it was.

    Raises `InputError` naming the file when it cannot be written.
    """
    require_writable(path)
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
