"""The three streams of the command, in whatever state it is started."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from pathlib import Path


def opened() -> bool:
    """Whether standard output can be written; makes sure that no file of ours ever becomes one of the three streams.

    A closed descriptor would be given to the next file that is opened, a store say, and whatever a library prints would
    land in it. Closed ones lead to the null device; for standard error that is all that its closing can mean.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
    if isinstance(sys.stdout, io.TextIOWrapper) and (sys.stdout.errors == "strict" or not _is_utf(sys.stdout)):
        # Names hold letters that such a stream cannot (LANG=C), names of files bytes that are no letters at all: they
        # are shown as escapes. Files are UTF-8 anyhow.
        sys.stdout.reconfigure(errors="backslashreplace")
    return sys.stdout is not None


def _is_utf(stream: io.TextIOWrapper) -> bool:
    return codecs.lookup(stream.encoding).name.startswith("utf")


def settle() -> None:
    """Empty both streams; what cannot be written any more is given up, so that the interpreter's end is silent."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                # What stays in the stream's buffer goes to the null device when the interpreter flushes it once more.
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
