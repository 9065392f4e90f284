"""Write result files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from workloads.errors import InputError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write to a temporary file beside `path`, then rename; an interrupted run leaves the old file as it was.

    Raises `InputError` naming the file when it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.is_dir():
            raise IsADirectoryError("is a directory")
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
