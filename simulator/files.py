"""Write result files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from workloads.errors import InputError
from workloads.files import require_writable, whole_file

__all__ = ["require_outputs", "require_writable", "write_whole"]


def require_outputs(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path | None] = ()) -> None:
    """Check every output of a command before it starts; None and "-" (standard output) are passed over.

    Raises `InputError` for one that cannot be written, that another output would replace, or that is an input.
    """
    read = [path for path in inputs if path is not None and os.path.exists(path)]  # noqa: PTH110 (or a built-in name)
    taken = {os.path.realpath(path): "is read by this command" for path in read}
    for path in outputs:
        if path is None or str(path) == "-":
            continue
        require_writable(Path(path))
        real = os.path.realpath(path)
        if os.path.isfile(real) or not os.path.exists(real):  # noqa: PTH110, PTH113 (streams may be shared)
            if real in taken:
                raise InputError(f"{path}: cannot be written: {taken[real]}")
            taken[real] = "another output goes there"


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file by a whole new one, or write to a stream; an interrupted run leaves the old file as it was.

    Raises `InputError` naming the file when it cannot be written.
    """
    with whole_file(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
