"""Write result files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from workloads.errors import InputError


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
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files private; results are ordinary files
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
